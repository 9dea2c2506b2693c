"""`python -m benchmarks.peers.spark_append`: plain Spark, readStream Kafka to Delta.

The JVM first lands the topic once into another table, so that what is timed runs compiled code.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.topic import PeerSettings
from benchmarks.timed import timed
from lakehouse.settings import Settings
from lakehouse.spark import session
from specs.loader import load_specs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

JAVA_OPTIONS = "-Xss4m -XX:+IgnoreUnrecognizedVMOptions"
"""Java's own choice of compiler and collector: a backlog repays what a micro-batch does not."""

RECORDS_A_BATCH = "PEER_SPARK_RECORDS"


def events(
    spark: "SparkSession", settings: PeerSettings, max_records: int | None = None,
    starting: str = "earliest",
) -> "DataFrame":  # fmt: skip
    """The topic's events as a stream, with the raw record and its place.

    Args:
        spark: the session.
        settings: where the topic is.
        max_records: of a micro-batch; by default all there are.
        starting: offsets, as Spark's option ``startingOffsets`` takes them.
    """
    from pyspark.sql import functions as F  # noqa: N812  (its usual name)

    fields = load_specs().topics["traffic_event"].fields
    kind = ", ".join(f"{field.name} {field.type}" for field in fields)
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.bootstrap)
        .option("subscribe", settings.topic)
        .option("startingOffsets", starting)
    )
    if max_records is not None:
        records = records.option("maxOffsetsPerTrigger", max_records)
    event = F.from_json(F.col("value").cast("string"), kind).alias("event")
    return records.load().select(
        event, "key", F.col("value").alias("raw_value"), "partition", "offset",
        F.col("timestamp").alias("kafka_timestamp"),
    ).select("event.*", "key", "raw_value", "partition", "offset", "kafka_timestamp")  # fmt: skip


def land(spark: "SparkSession", settings: PeerSettings, table: Path, max_records: int) -> None:
    """Append what the topic holds to the Delta table in ``table``."""
    query = (
        events(spark, settings, max_records)
        .writeStream.format("delta")
        .option("checkpointLocation", str(table.with_name(f"{table.name}-checkpoint")))
        .trigger(availableNow=True)
        .start(str(table))
    )
    query.awaitTermination()


def main() -> None:
    """Land the topic twice, the second time on the clock."""
    settings = PeerSettings()  # type: ignore[call-arg]  # from the environment
    max_records = int(os.environ.get(RECORDS_A_BATCH, settings.max_records))
    spark = session(Settings(spark_java_options=JAVA_OPTIONS))
    land(spark, settings, settings.table.with_name("warm-up"), max_records)
    with timed() as took:
        land(spark, settings, settings.table, max_records)
    rows = spark.read.format("delta").load(str(settings.table)).count()
    print(json.dumps({"rows": rows, **asdict(took)}))
    spark.stop()


if __name__ == "__main__":
    main()
