"""`traffic cluster`: a Spark standalone cluster for the stream, TRAFFIC_SPARK_MASTER."""

import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.runtime.server import Launch

app = typer.Typer(no_args_is_help=True, help="A Spark cluster's master and workers.")

Host = Annotated[
    str | None, typer.Option(help="Name by which others reach it; by default this machine's.")
]


@app.command()
def master(host: Host = None) -> None:
    """Run the master, at spark://HOST:7077."""
    from lakehouse.deploy import cluster
    from lakehouse.settings import Settings

    _become(cluster.master(Settings(), host or socket.gethostname()))


@app.command()
def worker(
    url: Annotated[str, typer.Argument(help="The master's, spark://HOST:7077.")],
    cores: Annotated[int, typer.Option(min=1, help="For its executors.")] = 1,
    memory: Annotated[str, typer.Option(help="For its executors together.")] = "1500m",
    host: Host = None,
) -> None:
    """Run a worker of that master."""
    from lakehouse.deploy import cluster
    from lakehouse.settings import Settings

    name = host or socket.gethostname()
    _become(cluster.worker(Settings(), name, url, cores=cores, memory=memory))


def _become(program: "Launch") -> None:
    """Run in this process's place, so that who started us ends it."""
    os.execve(program.command[0], program.command, program.environment)  # noqa: S606  (no shell)
