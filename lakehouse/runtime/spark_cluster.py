"""Spark standalone: a master and two workers, for a stream with TRAFFIC_SPARK_MASTER."""

import os
from functools import partial
from pathlib import Path

from lakehouse.runtime import process
from lakehouse.runtime.artifacts import spark_jars
from lakehouse.runtime.java import spark_java_home
from lakehouse.runtime.server import LOOPBACK, Launch, Server, accepts, answers_ok
from lakehouse.settings import Settings
from specs.errors import Unavailable

MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
NAME = "spark-master"
WORKERS = 2
CORES = 1
"""Of each worker's executor."""

DAEMON_MEMORY = "256m"
PROBE_SECONDS = 5.0
ANY_PORT = 0


def node(settings: Settings, role: str, host: str, port: int, page: int, *more: str) -> Launch:
    """How a master or a worker is executed, from the wheel that the driver runs from too.

    Args:
        settings: where jars and scratch files are.
        role: `MASTER` or `WORKER`.
        host: name by which others reach it.
        port: of its messages; 0 for any free one.
        page: port of its web page; 0 for any free one.
        more: arguments of the role.
    """
    import pyspark

    spark = Path(pyspark.__file__).parent
    (settings.home / "spark").mkdir(parents=True, exist_ok=True)
    where = ("--host", host, "--port", str(port), "--webui-port", str(page))
    return Launch(
        (str(spark / "bin" / "spark-class"), role, *where, *more),
        {
            **os.environ,
            "JAVA_HOME": str(spark_java_home(settings)),
            "SPARK_HOME": str(spark),
            "SPARK_LOCAL_DIRS": str(settings.home / "spark"),
            "SPARK_DAEMON_MEMORY": DAEMON_MEMORY,
            **({"SPARK_LOCAL_IP": LOOPBACK} if host == LOOPBACK else {}),
        },
    )


def work(settings: Settings, name: str, url: str, *, cores: int, memory: str) -> tuple[str, ...]:
    """Arguments of a worker; the jars that the driver names are had first, in the same place.

    Args:
        settings: where jars and scratch files are.
        name: of its folder.
        url: the master's, ``spark://host:port``.
        cores: that its executors may take.
        memory: that they may take together, as Spark writes it: ``2g``.
    """
    spark_jars(settings)
    size = ("--cores", str(cores), "--memory", memory)
    return (*size, "--work-dir", str(settings.home / "work" / name), url)


def _master(settings: Settings, port: int) -> Launch:
    return node(settings, MASTER, LOOPBACK, port, ANY_PORT)


def _worker(name: str, settings: Settings, page: int) -> Launch:
    master = process.records(settings.run).get(NAME)
    if master is None:
        raise Unavailable(f"{name} wants a master; start both with `traffic up --with cluster`")
    share = work(
        settings, name, master.endpoint, cores=CORES, memory=settings.spark_executor_memory
    )
    return node(settings, WORKER, LOOPBACK, ANY_PORT, page, *share)


def _shows_itself(port: int) -> bool:
    return answers_ok(port, "/json/", PROBE_SECONDS)


CLUSTER: tuple[Server, ...] = (
    Server(
        name=NAME,
        endpoint=f"spark://{LOOPBACK}:{{port}}",
        port=lambda settings: settings.spark_master_port,
        prepare=_master,
        answers=accepts,
    ),
    *(
        Server(
            name=name,
            endpoint=f"http://{LOOPBACK}:{{port}}",
            port=lambda _: ANY_PORT,
            prepare=partial(_worker, name),
            answers=_shows_itself,
            is_job=True,  # it asks the master where it runs
        )
        for name in (f"spark-worker-{number}" for number in range(1, WORKERS + 1))
    ),
)
"""What ``--with cluster`` starts."""
