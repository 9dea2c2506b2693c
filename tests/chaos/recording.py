"""Micro-batches that Spark made once, taken by the real driver code again and again without a JVM.

The driver's part of a batch (gates, MERGEs, scores, messages, books) is what it does in production,
against the checkpoint as Spark would have left it: the plan of a batch is there before the batch is
taken, its end is noted after.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from lakehouse.audit import balance
from lakehouse.commit import Note
from lakehouse.jobs.batch_note import BatchNote, keep, noted
from lakehouse.jobs.checkpoint import Position, position
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from lakehouse.transforms.window_aggregate import add_panes
from specs.loader import load_specs
from specs.transforms import TransformSpec
from tests.chaos.child import PATIENCE_SECONDS, Child
from tests.chaos.world import World

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

INPUTS = ("bronze.traffic_event", "bronze.dead_letter", "silver.road_segment")
OUTPUTS = ("silver.segment_metric", "gold.congestion_scores", "gold.network_kpi")
STEPS = 10
BATCH_BYTES = 18_000
"""Some files of bronze: a dozen batches in all, so that a cycle takes seconds."""

SWAP_SECONDS = 30.0


@dataclass(frozen=True)
class Recorded:
    """What Spark gave for a micro-batch: its panes; and what the driver noted of it."""

    rows: pa.Table
    note: BatchNote


def as_recorded(batch: Recorded, _number: int) -> tuple[pa.Table, BatchNote]:
    """What Spark gave for it, and its note."""
    return batch.rows, batch.note


@dataclass(frozen=True)
class Recording:
    """A folder with ``lake`` (the stream's input), ``batches``, ``checkpoint`` and ``offsets``."""

    folder: Path

    @property
    def is_whole(self) -> bool:
        """It was finished."""
        return (self.folder / "offsets.json").exists()

    @property
    def offsets(self) -> dict[int, tuple[int, int]]:
        """Of the topic when it was landed."""
        found = json.loads((self.folder / "offsets.json").read_text())
        return {int(partition): (begin, end) for partition, (begin, end) in found.items()}

    @property
    def batches(self) -> int:
        """Number of micro-batches."""
        return len(list((self.folder / "batches").glob("*.arrow")))

    def batch(self, number: int) -> Recorded:
        """One micro-batch."""
        rows = feather.read_table(self.folder / "batches" / f"{number}.arrow")
        return Recorded(rows, noted(self.folder / "recorded" / str(number), number))

    def panes(self, last: int, start: datetime, spec: TransformSpec) -> pa.Table:
        """Sums of each pane that ends past ``start``, over the batches up to ``last``."""
        rows = self.batch(0).rows
        for number in range(1, last + 1):
            rows = add_panes(rows, self.batch(number).rows, spec)
        ends = rows["pane_end"]
        return rows.filter(pc.greater(ends, pa.scalar(start, ends.type))).combine_chunks()

    def note_planned(self, home: Settings) -> None:
        """Note each batch that was summed up as finished, as Spark does beside the tables."""
        checkpoint = home.stream_checkpoint
        for path in (checkpoint / "notes").iterdir():
            shutil.copy(self.folder / "checkpoint" / "commits" / path.name, checkpoint / "commits")

    def home(self, folder: Path, commits: int = 0) -> Settings:
        """A home in ``folder`` that stands where the recording began.

        With ``commits`` the tables that the stream writes have so many commits, all empty.
        """
        shutil.rmtree(folder, ignore_errors=True)
        settings = Settings(home=folder)
        for name in INPUTS:
            part = Path(*name.split("."))
            shutil.copytree(self.folder / "lake" / part, settings.lake / part)
        if commits:
            for name in OUTPUTS:
                part = Path(*name.split("."))
                shutil.copytree(self._aged(commits) / part, settings.lake / part)
        checkpoint = settings.stream_checkpoint
        checkpoint.mkdir(parents=True)
        shutil.copy(self.folder / "checkpoint" / "metadata", checkpoint)
        return settings

    def _aged(self, commits: int) -> Path:
        """Empty tables of the stream with so many commits, made once."""
        folder = self.folder / f"aged-{commits}"
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            lake = Lake(draft, load_specs())
            for name in OUTPUTS:
                table = lake.table(name)
                for _ in range(commits):
                    table.append(table.schema.empty_table(), Note(job="chaos", spec_version="v"))
            draft.rename(folder)
        return folder


def record(world: World, folder: Path) -> None:
    """Land some readings of ``world``, have Spark stream them, and keep what it gave."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world.land_in_steps(STEPS)
    home = str(world.settings.home)
    with Child.start(
        "recorder", world.settings.log, {"TRAFFIC_HOME": home}, _record, folder, world.bootstrap
    ) as recorder:
        recorder.report(PATIENCE_SECONDS)
    for name in INPUTS:
        part = Path(*name.split("."))
        shutil.copytree(world.settings.lake / part, folder / "lake" / part)
    draft = folder / "offsets.draft"
    draft.write_text(json.dumps(world.offsets()))
    draft.replace(folder / "offsets.json")


def _record(folder: Path, bootstrap: str) -> None:
    """In a child: the stream, with every micro-batch kept."""
    from lakehouse.jobs.stream import Stream, StreamPace
    from lakehouse.publish import KafkaPublisher
    from lakehouse.spark import session

    settings = Settings()

    class Recorder(Stream):
        """Keeps what Spark gives and takes none of it."""

        def take_batch(self, readings: "DataFrame", batch_id: int) -> None:
            panes, note = self._sum_up(readings, batch_id)
            path = folder / "batches" / f"{batch_id}.arrow"
            path.parent.mkdir(exist_ok=True)
            feather.write_feather(panes, path)
            beside = folder / "recorded" / str(batch_id)
            beside.mkdir(parents=True)
            keep(beside, batch_id, note)

    lake = Lake(settings.lake, load_specs())
    stream = Recorder(lake, folder / "checkpoint", KafkaPublisher(bootstrap), None)
    begin = partial(stream.start, session(settings), StreamPace(0, BATCH_BYTES), once=True)
    stream.run(begin, lambda: False, lambda: None)
    stream.close()
    print(json.dumps(stream.report()))


def replay(folder: Path, home: Path, bootstrap: str, registry: str, pause_at: int | None) -> None:
    """In a child: the stream's driver on a recording, from where the checkpoint in ``home`` stands.

    With ``pause_at`` it waits before that batch for the champion to change.
    """
    from lakehouse.jobs.model_watch import ModelWatch
    from lakehouse.jobs.stream import Stream
    from lakehouse.jobs.windows import Windows
    from lakehouse.publish import KafkaPublisher

    recording, specs = Recording(folder), load_specs()
    settings = Settings(home=home)
    checkpoint = settings.stream_checkpoint
    models = ModelWatch(registry, specs, 0.1)

    def read_panes(*, start: datetime, reached: Position) -> pa.Table:
        """What Spark sums up of bronze: what the batches that end there gave."""
        ends = [number for number in range(recording.batches)
                if position(folder / "checkpoint", number) == reached]  # fmt: skip
        return recording.panes(max(ends), start, specs.transforms)

    stream = Stream(Lake(settings.lake, specs), checkpoint, KafkaPublisher(bootstrap), models)
    for part in ("offsets", "commits"):
        (checkpoint / part).mkdir(exist_ok=True)
    stream.take_up(Windows(specs.transforms, checkpoint, read_panes), as_recorded)
    finished = len(list((checkpoint / "commits").iterdir()))
    for number in range(finished, recording.batches):
        if number == pause_at:
            _wait_for_another(models)
        name = str(number)
        shutil.copy(folder / "checkpoint" / "offsets" / name, checkpoint / "offsets" / name)
        stream.take_batch(recording.batch(number), number)  # type: ignore[arg-type]
        shutil.copy(folder / "checkpoint" / "commits" / name, checkpoint / "commits" / name)
    stream.finish()
    stream.close()
    print(json.dumps(stream.report()))


def _wait_for_another(models: Any) -> None:
    before, deadline = models.model.version, time.monotonic() + SWAP_SECONDS
    print("waiting for another champion", flush=True)
    while models.model.version == before:
        if time.monotonic() > deadline:
            raise TimeoutError("the champion did not change")
        time.sleep(0.02)


def outputs(
    settings: Settings, without: tuple[str, ...] = (), names: tuple[str, ...] = OUTPUTS
) -> dict[str, pa.Table]:
    """Rows of silver and gold in the order of their key, without stamps."""
    lake = Lake(settings.lake, load_specs())
    found = {}
    for name in names:
        table = lake.table(name)
        spec = table.spec
        columns = [c.name for c in spec.columns if not c.stamp and c.name not in without]
        found[name] = table.read(columns=columns).sort_by(
            [(key, "ascending") for key in spec.key if key in columns]
        )
    return found


def faults(
    settings: Settings, recording: Recording, expected: Mapping[str, pa.Table],
    without: tuple[str, ...] = (),
) -> list[str]:  # fmt: skip
    """Where the tables are not what they would have been without a kill."""
    lake = Lake(settings.lake, load_specs())
    off = [c for c in balance(lake, recording.offsets) if not c.is_ok]
    found = [f"{c.name}: {c.expected} is not {c.found}" for c in off]
    for name, rows in outputs(settings, without).items():
        wanted = expected[name].drop_columns(
            [c for c in without if c in expected[name].schema.names]
        )
        if rows != wanted:
            found.append(f"{name} is not what an undisturbed driver writes")
    return found
