"""A Spark standalone cluster's master and workers among the containers."""

from lakehouse.runtime.server import Launch
from lakehouse.runtime.spark_cluster import MASTER, WORKER, node, work
from lakehouse.settings import Settings

PORT, WORKER_PORT = 7077, 7078
MASTER_PAGE, WORKER_PAGE = 8080, 8081


def master(settings: Settings, host: str) -> Launch:
    """The master, which others reach as ``host``."""
    return node(settings, MASTER, host, PORT, MASTER_PAGE)


def worker(settings: Settings, host: str, url: str, *, cores: int, memory: str) -> Launch:
    """A worker, which others reach as ``host``; see `work`."""
    share = work(settings, host, url, cores=cores, memory=memory)
    return node(settings, WORKER, host, WORKER_PORT, WORKER_PAGE, *share)
