"""A Spark standalone cluster's master and workers, from the wheel that the driver runs from too."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.runtime.artifacts import spark_jars
from lakehouse.runtime.java import spark_java_home
from lakehouse.settings import Settings

PORT, WORKER_PORT = 7077, 7078
MASTER_PAGE, WORKER_PAGE = 8080, 8081
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"


@dataclass(frozen=True)
class Program:
    """What to execute."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def master(settings: Settings, host: str) -> Program:
    """The master, which others reach as ``host``."""
    return _program(settings, MASTER, host, PORT, MASTER_PAGE)


def worker(settings: Settings, host: str, url: str, *, cores: int, memory: str) -> Program:
    """A worker, which others reach as ``host``.

    Its executors find the jars that the driver names: they are had first, in the same place.

    Args:
        settings: where jars and scratch files are.
        host: its name.
        url: the master's, ``spark://host:port``.
        cores: that its executors may take.
        memory: that they may take together, as Spark writes it: ``2g``.
    """
    spark_jars(settings)
    size = ("--cores", str(cores), "--memory", memory)
    work = ("--work-dir", str(settings.home / "work"))
    return _program(settings, WORKER, host, WORKER_PORT, WORKER_PAGE, *size, *work, url)


def _program(settings: Settings, role: str, host: str, port: int, page: int, *more: str) -> Program:
    import pyspark

    spark = Path(pyspark.__file__).parent
    (settings.home / "spark").mkdir(parents=True, exist_ok=True)
    where = ("--host", host, "--port", str(port), "--webui-port", str(page))
    return Program(
        (str(spark / "bin" / "spark-class"), role, *where, *more),
        {
            **os.environ,
            "JAVA_HOME": str(spark_java_home(settings)),
            "SPARK_HOME": str(spark),
            "SPARK_LOCAL_DIRS": str(settings.home / "spark"),
        },
    )
