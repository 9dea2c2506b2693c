"""What came of the scores: fills gold.score_outcome as horizons pass, and judges by it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Note, Step
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.jobs.touched import midnight, touched
from lakehouse.journal import Journal
from lakehouse.tables import Lake
from lakehouse.transforms.revision import changed_rows
from ml.outcome import Quality, outcomes, quality_of
from ml.promotion import Duel, duel, since_hours
from ml.targets import needed_rows
from specs.errors import Fenced

log = logging.getLogger(__name__)

SILVER, OUTCOME = "silver.segment_metric", "gold.score_outcome"
SCORES, SHADOW = "gold.congestion_scores", "gold.shadow_score"
SILVER_COLUMNS = ["segment_id", "source", "window_seconds", "window_start", "observation_count",
                  "vehicle_count", "is_congested"]  # fmt: skip
HOURS_A_DAY = 24
DAY = timedelta(days=1)


@dataclass(frozen=True)
class LiveQuality:
    """How one version did on the rows whose horizons have passed, by horizon in minutes."""

    version: int
    quality: Mapping[int, Quality]


class Outcomes:
    """Joins scores with what was observed in their target windows, once these are final."""

    def __init__(self, lake: Lake) -> None:
        """Work on ``lake``."""
        self._lake = lake
        self._journal = Journal(lake, [OUTCOME])
        self._gated = GatedTable(lake, OUTCOME, self._journal)

    def fill(self) -> int:
        """Bring the outcomes of all scores up to silver; returns the rows written.

        Only days are looked at that gold or silver have changed since the last time, however old
        they are. Rows that are already as they should be are left alone, so doing it twice
        changes nothing.

        Raises:
            GateFailed: a row breaks a rule; the days before it were committed.
        """
        table, note = self._gated.table, Note("outcomes", self._lake.specs.version)
        table.refresh()
        steps = [self._step(name) for name in (SCORES, SILVER)]
        if all(step.before == step.after for step in steps):
            return 0
        written = 0
        for first in sorted(self._first_windows(steps).values()):
            end = midnight(first.date()) + DAY
            made = self._made(SCORES, first, end)
            changed = changed_rows(made, table.read(where=_between(first, end)), table.spec)
            if changed.num_rows:
                written += self._gated.merge(changed, note, always=True).rows_written
        try:
            table.append(table.schema.empty_table(), note, steps)
        except Fenced as overtaken:  # somebody has filled the same meanwhile
            log.info("outcomes: %s", overtaken)
        self._journal.write()
        return written

    def _step(self, name: str) -> Step:
        """How far the outcomes stand for table ``name``, and how far it has come."""
        writer = f"outcomes/{name}"
        return Step(writer, self._gated.table.progress(writer), self._lake.table(name).refresh())

    def _first_windows(self, steps: Sequence[Step]) -> dict[date, datetime]:
        """Days of scores whose outcomes may have changed; of each, the first window."""
        scores, silver = (
            touched(self._lake.table(name), step.before)
            for name, step in zip((SCORES, SILVER), steps, strict=True)
        )
        found = dict(scores)
        for observed in silver.values():  # it tells of scores up to the longest horizon before
            first = observed - self._longest
            for start in {first, max(first, midnight(observed.date()))}:
                found[start.date()] = min(start, found.get(start.date(), start))
        return found

    def recent(self, days: int) -> pa.Table:
        """The newest ``days`` of gold.score_outcome."""
        table = self._gated.table
        table.refresh()
        newest = newest_window(table)
        if newest is None:
            return table.schema.empty_table()
        return table.read(where=since_window(newest - timedelta(days=days)))

    def live(self, hours: int, version: int | None = None) -> dict[int, LiveQuality]:
        """Quality over the newest hours by model version, or of one version."""
        rows = since_hours(self.recent(hours // HOURS_A_DAY + 1), hours)
        found = set(pc.unique(rows["model_version"]).to_pylist()) if rows.num_rows else set()
        asked = sorted(found & {version}) if version is not None else sorted(found)
        return {
            one: LiveQuality(one, quality_of(rows.filter(pc.equal(rows["model_version"], one))))
            for one in asked
        }

    def duel(self, challenger: int) -> Duel:
        """The champion's outcomes against those that the challenger's shadow scores have."""
        spec = self._lake.specs.ml
        ours = self.recent(spec.promotion.days)
        since = pc.min(ours["window_start"]).as_py() if ours.num_rows else None
        theirs = self._made(SHADOW, since)
        theirs = theirs.filter(pc.equal(theirs["model_version"], challenger))
        ours = ours.filter(pc.not_equal(ours["model_version"], challenger))
        return duel(ours, theirs, spec.promotion, spec.training.seed)

    def _made(self, scored: str, since: datetime | None, until: datetime | None = None) -> pa.Table:
        """Outcomes of the scores in a table from ``since`` on and before ``until``."""
        specs = self._lake.specs
        scores, silver = self._lake.table(scored), self._lake.table(SILVER)
        for table in (scores, silver):
            table.refresh()
        final = pc.field("is_final") & needed_rows(specs)
        target = None if until is None else until + self._longest
        columns = [*SILVER_COLUMNS, specs.ml.label.column]
        rows = silver.read(columns=columns, where=final & _between(since, target))
        return outcomes(scores.read(where=_between(since, until)), rows, specs)

    @property
    def _longest(self) -> timedelta:
        return timedelta(minutes=max(self._lake.specs.ml.horizons_minutes))


def _between(since: datetime | None, until: datetime | None) -> pc.Expression:
    """Filter on ``window_start``, and on its partition: from ``since`` on, before ``until``."""
    found = pc.scalar(True) if since is None else since_window(since)
    if until is None:
        return found
    date, start = pc.field("window_date"), pc.field("window_start")
    return found & (date <= until.date()) & (start < until)
