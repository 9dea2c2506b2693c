"""Judges a model on a stretch of silver, by the protocol of ml.yaml, and leaves a report."""

import json
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.tables import Lake
from ml.targets import needed_rows
from specs.errors import WrongInput
from specs.loader import Specs
from specs.stored_text import is_text

if TYPE_CHECKING:
    from ml.evaluate import HorizonReport
    from ml.score import LoadedModel

SILVER, SEGMENTS = "silver.segment_metric", "silver.road_segment"
COLUMNS = ["segment_id", "source", "window_seconds", "window_start", "observation_count",
           "vehicle_count"]  # fmt: skip


@dataclass(frozen=True)
class History:
    """Rows of silver.segment_metric, the road segments they are about, and the tables' versions."""

    silver: pa.Table
    segments: pa.Table
    versions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_lake(cls, lake: Lake, source: str | None = None, days: int | None = None) -> "History":
        """Rows of the lake's silver that features and targets stand on.

        With ``source`` only that city's, with ``days`` only the newest.
        """
        silver, segments = lake.table(SILVER), lake.table(SEGMENTS)
        versions = {table.spec.table: table.refresh() for table in (silver, segments)}
        where = needed_rows(lake.specs)
        roads = segments.read()
        if source is not None:
            where &= is_text("source", source)
            roads = roads.filter(pc.equal(roads["source"], source))
        if days is not None:
            newest = newest_window(silver)
            if newest is not None:
                where &= since_window(newest - timedelta(days=days))
        rows = silver.read(columns=[*COLUMNS, lake.specs.ml.label.column], where=where)
        return cls(rows, roads, versions)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: plain ``figures``, and the ``reports`` they come from."""

    figures: Mapping[str, Any]
    reports: "Mapping[int, HorizonReport]"
    names: Mapping[str, str]

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the page and the figures; returns where they are."""
        from ml.report_html import page

        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.figures['source']}-{self.figures['from'][:10]}-{self.figures['to'][:10]}"
        html, data = folder / f"{stem}.html", folder / f"{stem}.json"
        html.write_text(page(self.figures, self.names))
        data.write_text(json.dumps(self.figures))
        return html, data


def evaluate(
    history: History,
    specs: Specs,
    source: str,
    time: tuple[datetime, datetime],
    model: "LoadedModel | None" = None,
) -> Evaluation:
    """Forecast the targets of a time and hold them against the truth.

    Args:
        history: all that was observed, also before the time.
        specs: the protocol.
        source: the city, for the report.
        time: first window that is forecast from, and the moment before which targets lie (UTC).
        model: who forecasts; None trains one on everything before the time.

    Raises:
        WrongInput: there is nothing to judge, or too little to train on.
    """
    from ml.evaluate import judge, report
    from ml.observations import Observations
    from ml.report_data import Cost, EvaluatedTime, plain
    from ml.targets import target_in_words
    from ml.train import fit, scoring_ms

    start, end = time
    observations = Observations.of(history.silver, history.segments, specs)
    windows, seconds = observations.seen.windows, observations.seen.window_seconds
    first, past = (int(moment.timestamp()) // seconds for moment in (start, end))
    training: tuple[float, ...] = ()
    if model is None:
        began = clock.monotonic(), clock.process_time()
        begin = int(windows[0]) if len(windows) else first
        chosen, counts = fit(observations, begin, first)
        training = clock.monotonic() - began[0], clock.process_time() - began[1]
        learnt = ", ".join(f"{h} min {count['learn']:,}" for h, count in counts.items())
        since = datetime.fromtimestamp(begin * seconds, UTC)
        words = f"{specs.ml.training.family} trained from {since:%Y-%m-%d} on rows: {learnt}"
    else:
        chosen = model.model
        words = f"{model.name} version {model.version} ({chosen.spec.training.family})"
    judged = judge(observations, chosen, first, past)
    empty = [horizon for horizon, rows in judged.items() if not len(rows.rows)]
    if empty:
        raise WrongInput(
            f"{source}: no target was observed from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
            f" UTC, {empty[0]} min ahead of a window with a fresh reading"
        )
    reports = {horizon: report(rows, observations) for horizon, rows in judged.items()}
    protocol = specs.ml.protocol.model_dump() | {"lead_time": specs.ml.lead_time}
    protocol |= {"target": target_in_words(specs, source)}
    cost = Cost(scoring_ms(observations, chosen), *training)
    figures = plain(EvaluatedTime(source, start, end, words, protocol, cost), reports, judged)
    return Evaluation(figures, reports, _names(history.segments))


def _names(segments: pa.Table) -> dict[str, str]:
    if "name" not in segments.column_names:
        return {}
    pairs = zip(segments["segment_id"].to_pylist(), segments["name"].to_pylist(), strict=True)
    return {segment_id: name for segment_id, name in pairs if name}


def judged_time(
    observed: pa.Table, specs: Specs, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """The time to judge: as asked, else the latest share that training does not see.

    Args:
        observed: ``window_start`` of what was observed, for what was not asked.
        specs: the share, and the primary window.
        start: first window to forecast from.
        end: targets lie before this.

    Raises:
        WrongInput: the time is empty.
    """
    seconds = specs.transforms.primary.size_seconds
    if start is None or end is None:
        moments = pc.unique(observed["window_start"]).cast(pa.int64()).to_numpy() // 1_000_000
        if not len(moments):
            raise WrongInput("nothing was observed; take another time or source")
        moments.sort()
        share = int(moments[round(len(moments) * (1 - specs.ml.training.test))])
        start = start or datetime.fromtimestamp(share, UTC)
        end = end or datetime.fromtimestamp(int(moments[-1]) + seconds, UTC)
    if start >= end:
        raise WrongInput(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    return start, end
