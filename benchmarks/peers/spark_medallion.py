"""`python -m benchmarks.peers.spark_medallion`: bronze, silver and gold as Spark's tutorials do it.

Three queries in one session: Kafka to bronze by append; bronze to windows by an aggregation that is
merged into silver; silver's change feed to scores that are merged into gold. Every commit is
Spark's. It does less than ours, which is to its favour: no rules, no dead letters, no gates, no
second delivery dropped, no percentiles, no sliding windows, no late readings, no model (a score is
one expression), no topics. Stops on SIGTERM, once gold holds what bronze was sent.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.spark_append import JAVA_OPTIONS, events
from benchmarks.peers.topic import PeerSettings
from lakehouse.settings import Settings
from lakehouse.signals import stop_on_signals
from lakehouse.spark import session
from specs.errors import Unavailable
from specs.loader import Specs, load_specs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

LAYERS = ("bronze", "silver", "gold")
OFFSETS, SEGMENTS = "PEER_OFFSETS", "PEER_SEGMENTS"
"""JSON of the topic's offsets to begin at, and the folder of silver.road_segment."""

WATCH_SECONDS = 0.2
MERGE = """
    MERGE INTO delta.`{table}` AS target USING batch AS source
    ON {match}
    WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *
"""


def windows(bronze: "DataFrame", specs: Specs) -> "DataFrame":
    """Readings of each segment and five minutes, summed up."""
    from pyspark.sql import functions as F  # noqa: N812  (its usual name)

    seconds = specs.transforms.primary.size_seconds
    return (
        bronze.withWatermark("event_time", f"{specs.transforms.watermark_seconds} seconds")
        .groupBy("segment_id", F.window("event_time", f"{seconds} seconds").alias("w"))
        .agg(
            F.count("*").alias("event_count"),
            F.avg("speed_kmh").alias("speed_kmh_mean"),
            F.stddev_pop("speed_kmh").alias("speed_kmh_stddev"),
            F.min("speed_kmh").alias("speed_kmh_min"),
            F.max("speed_kmh").alias("speed_kmh_max"),
            F.sum("vehicle_count").alias("vehicle_count"),
            F.max("kafka_timestamp").alias("kafka_timestamp_max"),
        )
        .select(
            "segment_id", F.col("w.start").alias("window_start"),
            F.to_date("w.start").alias("window_date"), "event_count", "speed_kmh_mean",
            "speed_kmh_stddev", "speed_kmh_min", "speed_kmh_max", "vehicle_count",
            "kafka_timestamp_max",
        )
    )  # fmt: skip


def changes(feed: "DataFrame") -> "DataFrame":
    """The newest row of each window among those that silver's change feed tells."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812  (its usual name)

    newest = Window.partitionBy("segment_id", "window_start").orderBy(F.desc("_commit_version"))
    return (
        feed.where("_change_type IN ('insert', 'update_postimage')")
        .withColumn("place", F.row_number().over(newest))
        .where("place = 1")
    )


def scored(rows: "DataFrame", segments: "DataFrame", specs: Specs) -> "DataFrame":
    """A score of each window and horizon, by one expression."""
    from pyspark.sql import functions as F  # noqa: N812  (its usual name)

    horizons = F.array(*map(F.lit, specs.ml.horizons_minutes))
    ratio = F.col("speed_kmh_mean") / F.col("free_flow_speed_kmh")
    return rows.join(segments, "segment_id").select(
        "segment_id", "window_start", "window_date",
        F.explode(horizons).alias("horizon_minutes"),
        (1 / (1 + F.exp(10 * (ratio - 0.6)))).alias("congestion_probability"),
        F.col("speed_kmh_mean").alias("speed_kmh_predicted"),
        "kafka_timestamp_max", F.current_timestamp().alias("scored_at"),
    )  # fmt: skip


def merged(table: Path, key: tuple[str, ...]) -> "Callable[[DataFrame, int], None]":
    """Merge each batch into ``table`` by its ``key``."""
    match = " AND ".join(f"target.{name} = source.{name}" for name in key)

    def merge(batch: "DataFrame", _batch_id: int) -> None:
        batch.createOrReplaceTempView("batch")
        batch.sparkSession.sql(MERGE.format(table=table, match=match))

    return merge


def started(spark: "SparkSession", settings: PeerSettings) -> "list[StreamingQuery]":
    """Make the tables and start the three queries, in the order of the layers."""
    specs, home = load_specs(), Settings()
    bronze, silver, gold = (settings.table / layer for layer in LAYERS)
    segments = spark.read.format("delta").load(os.environ[SEGMENTS])
    segments = segments.select("segment_id", "free_flow_speed_kmh").cache()
    landed = events(spark, settings, starting=os.environ[OFFSETS])
    _create(spark, bronze, landed)
    summed = windows(spark.readStream.format("delta").load(str(bronze)), specs)
    _create(spark, silver, summed)
    feed = spark.readStream.format("delta").option("readChangeFeed", "true").load(str(silver))
    _create(spark, gold, scored(feed, segments, specs))
    into_silver = merged(silver, ("segment_id", "window_start", "window_date"))
    into_gold = merged(gold, ("segment_id", "window_start", "window_date", "horizon_minutes"))

    def score(batch: "DataFrame", batch_id: int) -> None:
        into_gold(scored(changes(batch), segments, specs), batch_id)

    trigger = f"{home.stream_trigger_seconds} seconds"
    writers = {
        bronze: landed.writeStream.format("delta"),
        silver: summed.writeStream.outputMode("update").foreachBatch(into_silver),
        gold: feed.writeStream.foreachBatch(score),
    }
    queries = []
    for table, writer in writers.items():
        place = str(table.with_name(f"{table.name}-checkpoint"))
        paced = writer.option("checkpointLocation", place).trigger(processingTime=trigger)
        queries.append(paced.start(str(table)) if table == bronze else paced.start())
    return queries


def _create(spark: "SparkSession", table: Path, rows: "DataFrame") -> None:
    columns = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in rows.schema)
    days = "PARTITIONED BY (window_date)" if "window_date" in rows.columns else ""
    spark.sql(
        f"CREATE TABLE delta.`{table}` ({columns}) USING delta {days}"
        " TBLPROPERTIES (delta.enableChangeDataFeed = true)"
    )


def main() -> None:
    """Run until asked to stop; then bring gold up to the topic."""
    stopped = stop_on_signals()
    settings = PeerSettings()  # type: ignore[call-arg]  # from the environment
    spark = session(Settings(spark_java_options=JAVA_OPTIONS))
    queries = started(spark, settings)
    while not stopped():
        for query in queries:
            if not query.isActive:
                raise Unavailable(f"a query ended: {query.exception()}")
        time.sleep(WATCH_SECONDS)
    batches = {}
    for layer, query in zip(LAYERS, queries, strict=True):
        query.processAllAvailable()
        progress = query.lastProgress
        batches[layer] = 0 if progress is None else progress["batchId"] + 1
    for query in queries:
        query.stop()
    print(json.dumps({"batches": batches}))
    spark.stop()


if __name__ == "__main__":
    main()
