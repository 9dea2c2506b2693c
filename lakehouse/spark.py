"""The Spark session: a local one on the pinned jars, or a cluster's."""

import os
from typing import TYPE_CHECKING

from lakehouse.bucket import access
from lakehouse.runtime.artifacts import spark_jars
from lakehouse.runtime.java import spark_java_home
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHECKPOINTS = (
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
)
LOOPBACK, EVERY_INTERFACE = "127.0.0.1", "0.0.0.0"  # noqa: S104  (a cluster's executors call back)
LOG_LEVEL = "ERROR"


def _buckets() -> dict[str, str]:
    """How Hadoop reaches ``s3://``; keys it takes from the environment as well."""
    reached = access()
    said = {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "spark.hadoop.fs.s3a.endpoint.region": reached.region,
    }
    if reached.endpoint is not None:
        said |= {
            "spark.hadoop.fs.s3a.endpoint": reached.endpoint,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(not reached.is_plain).lower(),
        }
    return said


def session(settings: Settings) -> "SparkSession":
    """Start Spark, or return the session that runs.

    Raises:
        Unavailable: a jar could not be downloaded.
        WrongInput: the Java that the settings name cannot run Spark.
    """
    os.environ["JAVA_HOME"] = str(spark_java_home(settings))
    driver = settings.spark_driver_host
    if driver == LOOPBACK:
        os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
    classpath = ":".join(map(str, spark_jars(settings)))
    from pyspark.sql import SparkSession

    scratch = settings.home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder.master(settings.spark_master).appName("traffic-lakehouse")
    for key, value in {
        "spark.driver.extraClassPath": classpath,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraJavaOptions": settings.spark_java_options,
        "spark.executor.memory": settings.spark_executor_memory,
        "spark.executor.extraJavaOptions": settings.spark_java_options,
        "spark.executor.extraClassPath": classpath,  # at the same place on every node
        "spark.driver.host": driver,
        "spark.driver.bindAddress": LOOPBACK if driver == LOOPBACK else EVERY_INTERFACE,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark_partitions),
        "spark.default.parallelism": str(settings.spark_partitions),
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
        "spark.databricks.delta.snapshotPartitions": "2",
        # a check of each plan after each of Spark's own rules: a fifth of a small batch's CPU
        "spark.sql.lightweightPlanChangeValidation": "false",
        # Hadoop's own local file system forks a chmod for each file it makes: 120 a micro-batch,
        # which took half a second of it (walCommit 60 to 5 ms, state commit 100 to 3 ms)
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
        "spark.sql.streaming.checkpointFileManagerClass": CHECKPOINTS,
        "spark.sql.streaming.metricsEnabled": "false",
        # the old generation is else looked at when it is full or after half an hour: by then the
        # heap has grown to twice what it needs (a collection of its 85 MB takes 0.3 s)
        "spark.cleaner.periodicGC.interval": "10min",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": LOG_LEVEL,
        **(_buckets() if settings.uses_s3 else {}),
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
