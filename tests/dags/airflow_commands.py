"""Run by Airflow's own Python: commands of Airflow on a socket, each in a fork of this process.

A command is what `airflow` itself runs; what it imports takes ten CPU-seconds, here only once.
"""

import json
import os
import sys
import traceback
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

import airflow.api_fastapi.execution_api.app
import airflow.cli.commands.backfill_command
import airflow.cli.commands.dag_command
import airflow.dag_processing.dagbag
import airflow.models.backfill
import airflow.providers.standard.operators.bash
import airflow.sdk.execution_time.supervisor
import airflow.sdk.execution_time.task_runner  # noqa: F401
from airflow.__main__ import main


class Command(StreamRequestHandler):
    """One command: its arguments as a line of JSON; then what it prints, and how it ended."""

    def handle(self) -> None:
        """Run it."""
        sys.argv = ["airflow", *json.loads(self.rfile.readline())]
        for number in (1, 2):
            os.dup2(self.connection.fileno(), number)
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        except BaseException:
            status = traceback.format_exc()
        print(f"\n{json.dumps({'status': status})}", flush=True)


class Commands(ForkingMixIn, UnixStreamServer):
    """Where they are asked for."""

    request_queue_size = 16


with Commands(sys.argv[1], Command) as server:
    server.serve_forever()
