"""The stream on a lake of its own: land rows, run until caught up, look at the tables."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.commit import Note
from lakehouse.jobs.bronze_panes import BronzePanes
from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
from lakehouse.jobs.reconcile import Reconciler
from lakehouse.jobs.stream import Stream, StreamPace
from lakehouse.tables import Lake
from specs.loader import Specs
from tests.memory_publisher import MemoryPublisher
from tests.rows import after, segment, table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml.score import LoadedModel

Row = dict[str, Any]
NOTE = Note(job="test", spec_version="v")
DAY = Range(after(0), after(86_400))
BRONZE, SILVER, ROAD = "bronze.traffic_event", "silver.segment_metric", "silver.road_segment"
FILE_BY_FILE = StreamPace(trigger_seconds=0, max_bytes=1)
FILE_BY_FILE_AT_HAND = StreamPace(0, 1, small_rows=100, recompute_small_rows=100)


class Champion:
    """A registry whose champion never changes."""

    def __init__(self, model: "LoadedModel | None") -> None:
        self.model = model
        self.challenger: LoadedModel | None = None

    def refuse_challenger(self, reason: Exception) -> None:
        """Its rows were refused."""
        self.challenger = None

    def close(self) -> None:
        """Nothing to stop."""


class Pipeline:
    """Bronze to gold without Kafka; each `run` is a new driver on the same checkpoint."""

    def __init__(
        self, spark: "SparkSession", home: Path, specs: Specs,
        model: "LoadedModel | None" = None, pace: StreamPace = FILE_BY_FILE,
    ) -> None:  # fmt: skip
        self._pace = pace
        self._spark, self._home, self.specs = spark, home, specs
        self._champion = Champion(model)
        self.publisher = MemoryPublisher()
        self._offsets = count()
        self.register("s:a", "s:b")

    def challenge(self, model: "LoadedModel") -> None:
        """Let another model score in the champion's shadow."""
        self._champion.challenger = model

    @property
    def challenger(self) -> "LoadedModel | None":
        """The model in the champion's shadow."""
        return self._champion.challenger

    def lake(self, specs: Specs | None = None) -> Lake:
        """Fresh snapshots of the tables."""
        return Lake(self._home / "lake", specs or self.specs)

    def register(self, *segment_ids: str) -> None:
        rows = table(self.lake(), ROAD, [segment(name) for name in segment_ids])
        self.lake().table(ROAD).merge(rows, NOTE)

    def land(self, *rows: Row) -> None:
        """In one commit; as in Kafka, no two have one offset."""
        numbered = [row | {"offset": next(self._offsets)} for row in rows]
        self.lake().table(BRONZE).append(table(self.lake(), BRONZE, numbered), NOTE)

    def stream(self, specs: Specs | None = None) -> Stream:
        checkpoint = self._home / "checkpoint"
        return Stream(self.lake(specs), checkpoint, self.publisher, self._champion)  # type: ignore[arg-type]

    def run(
        self, specs: Specs | None = None, stream: Stream | None = None,
        beside: Callable[[], None] | None = None,
    ) -> Stream:  # fmt: skip
        """Catch up with bronze, one file a batch."""
        driver = stream or self.stream(specs)
        try:
            begin = partial(driver.start, self._spark, self._pace, once=True)
            driver.run(begin, lambda: False, beside or (lambda: None))
        finally:
            driver.close()
        return driver

    def recompute(self, asked: Range = DAY) -> int:
        return self._silver(self.lake()).recompute(asked)

    def _silver(self, lake: Lake) -> SilverRecompute:
        bronze = BronzePanes(lake, lambda: self._spark, self._pace.recompute_small_rows)
        return SilverRecompute(lake, bronze, self.publisher)

    def recompute_gold(self, asked: Range = DAY) -> int:
        return GoldRecompute(self.lake(), self._champion.model, self.publisher).recompute(asked)

    def reconciler(self) -> Reconciler:
        lake = self.lake()
        silver = self._silver(lake)
        gold = GoldRecompute(lake, self._champion.model, self.publisher)
        return Reconciler(lake, self._home / "checkpoint", lambda: silver, lambda: gold)

    def rows(self, name: str = SILVER, but: Iterable[str] = ("revision",)) -> list[Row]:
        """Rows in the order of the key, without stamps and the columns of ``but``."""
        spec = self.specs.tables[name]
        left_out = {*but, *(column.name for column in spec.columns if column.stamp)}
        rows = self.lake().table(name).read().to_pylist()
        rows.sort(key=lambda row: [row[name] for name in spec.key])
        return [{k: v for k, v in row.items() if k not in left_out} for row in rows]

    def primary(self, segment_id: str, *columns: str) -> dict[float, tuple[Any, ...]]:
        """Seconds of the window's start to the asked columns, of a segment's 5-minute windows."""
        return {
            (row["window_start"] - after(0)).total_seconds(): tuple(row[name] for name in columns)
            for row in self.rows(but=())
            if row["segment_id"] == segment_id and row["window_seconds"] == 300
        }

    def versions(self) -> dict[str, int]:
        """Delta version of each table the stream writes."""
        names = (SILVER, "gold.congestion_scores", "gold.network_kpi")
        return {name: self.lake().table(name).version for name in names}
