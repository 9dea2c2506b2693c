"""What came of the scores: fills gold.score_outcome as horizons pass, and judges by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Note
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.journal import Journal
from lakehouse.tables import Lake
from lakehouse.transforms.revision import changed_rows
from ml.outcome import Quality, outcomes, quality_of
from ml.promotion import Duel, duel, since_hours
from ml.targets import needed_rows

SILVER, OUTCOME = "silver.segment_metric", "gold.score_outcome"
SCORES, SHADOW = "gold.congestion_scores", "gold.shadow_score"
SILVER_COLUMNS = ["segment_id", "source", "window_seconds", "window_start", "observation_count",
                  "vehicle_count", "is_congested"]  # fmt: skip
HOURS_A_DAY = 24


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

    def fill(self, since: datetime | None = None) -> int:
        """Bring the outcomes of scores from ``since`` on up to silver; returns the rows written.

        Without ``since`` from the newest outcome back by the longest horizon. Rows that are
        already as they should be are left alone, so doing it twice changes nothing.

        Raises:
            GateFailed: a row breaks a rule; nothing was committed.
        """
        table = self._gated.table
        table.refresh()
        since = since or self._reached()
        where = None if since is None else since_window(since)
        made = self._made(SCORES, since)
        changed = changed_rows(made, table.read(where=where), table.spec)
        if not changed.num_rows:
            return 0
        note = Note(job="outcomes", spec_version=self._lake.specs.version)
        commit = self._gated.merge(changed, note, always=True)
        self._journal.write()
        return commit.rows_written

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

    def _made(self, scored: str, since: datetime | None) -> pa.Table:
        """Outcomes of the scores in a table from ``since`` on."""
        specs = self._lake.specs
        scores, silver = self._lake.table(scored), self._lake.table(SILVER)
        for table in (scores, silver):
            table.refresh()
        final = pc.field("is_final") & needed_rows(specs)
        where = None if since is None else since_window(since)
        columns = [*SILVER_COLUMNS, specs.ml.label.column]
        rows = silver.read(columns=columns, where=final if where is None else final & where)
        return outcomes(scores.read(where=where), rows, specs)

    def _reached(self) -> datetime | None:
        """Where to go on: outcomes of the newest window may lack those of longer horizons."""
        newest = newest_window(self._gated.table)
        if newest is None:
            return None
        return newest - timedelta(minutes=2 * max(self._lake.specs.ml.horizons_minutes))
