"""The gold side of the stream: scores of the changed windows, and the network's KPIs."""

import logging
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.commit import Note
from lakehouse.failpoints import failpoint
from lakehouse.jobs.gated import GatedTable
from lakehouse.jobs.model_watch import ModelWatch
from lakehouse.jobs.newest import newest_window, since_window
from lakehouse.jobs.segments import Segments
from lakehouse.journal import Journal, now
from lakehouse.publish import Publisher
from lakehouse.tables import Lake
from lakehouse.transforms.network_kpi import network_kpi
from ml.grid import RollingGrid, SpeedGrid
from ml.score import scores
from specs.errors import GateFailed, Unavailable, WrongInput

log = logging.getLogger(__name__)

SILVER = "silver.segment_metric"
SCORABLE_WINDOWS = 36
GRID_COLUMNS = ["segment_id", "window_seconds", "window_start", "observation_count"]


class Gold:
    """Takes the changed rows of silver, scores them and sums up the network."""

    def __init__(
        self, lake: Lake, segments: Segments, journal: Journal, publisher: Publisher,
        models: ModelWatch | None,
    ) -> None:  # fmt: skip
        """Take up where the tables stand; without ``models`` only the KPIs are made."""
        self._lake, self._segments, self._models = lake, segments, models
        self._publisher = publisher
        self.scores = GatedTable(lake, "gold.congestion_scores", journal, publisher)
        self.kpis = GatedTable(lake, "gold.network_kpi", journal)
        self.shadow = GatedTable(lake, "gold.shadow_score", journal)
        for gated in (self.scores, self.kpis):
            gated.gate.warm_up()
        self._grid: RollingGrid | None = None
        self._owes_scores = False

    def forget_history(self) -> None:
        """Read the features' history again: silver or the road segments were changed."""
        self._grid = None

    def _seeded_grid(self, first: datetime) -> RollingGrid:
        """Grid of the newest windows of silver, with the history of those from ``first`` on."""
        spec = self._lake.specs.ml
        seconds = self._lake.specs.transforms.primary.size_seconds
        silver = self._lake.table(SILVER)
        silver.refresh()
        since = first - timedelta(seconds=seconds * spec.history_windows)
        newest = newest_window(silver)
        if newest is not None:
            windows = spec.history_windows + SCORABLE_WINDOWS
            since = min(since, newest - timedelta(seconds=seconds * (windows - 1)))
        rows = silver.read(
            columns=[*GRID_COLUMNS, spec.label.column],
            where=since_window(since) & (pc.field("window_seconds") == seconds),
        )
        grid = SpeedGrid.from_tables(rows, self._segments.rows, spec.label, seconds)
        return RollingGrid(
            grid, history_windows=spec.history_windows, scorable_windows=SCORABLE_WINDOWS
        )

    def score(
        self, changed: pa.Table, opened: pa.Table, note: Note, writer: str, batch_id: int
    ) -> int:
        """Score the ``changed`` rows of silver and commit the scores.

        After batches without a model the first one with it scores all open windows; those that
        became final meanwhile are left to `Reconciler`.

        Args:
            changed: rows of silver.segment_metric that were just committed.
            opened: all rows of windows that are not final.
            note: what the commits say of themselves.
            writer: identity of the stream.
            batch_id: doing a batch twice changes nothing.

        Returns:
            Rows of gold.congestion_scores that were written.

        Raises:
            GateFailed: a row breaks a rule; nothing of its table was committed.
            Fenced: another driver runs the same stream.
        """
        primary = self._primary(changed)
        if self._owes_scores:
            primary = pa.concat_tables([
                self._primary(opened), primary.filter(primary["is_final"])
            ])  # fmt: skip
        if not primary.num_rows:
            return 0
        return self._score(primary, opened, note, writer, batch_id)

    def sum_up(
        self, changed: pa.Table, opened: pa.Table, note: Note, writer: str, batch_id: int
    ) -> None:
        """Commit the network's KPIs of the windows that ``changed``; arguments as in `score`.

        They come last, once Kafka has taken everything, and with every batch: their progress is
        the stream's.

        Raises:
            GateFailed, Fenced: as `score`.
        """
        failpoint("stream.before_flush")
        self._publisher.flush()
        failpoint("stream.between_scores_and_kpis")
        final = changed.filter(changed["is_final"])
        kpis = network_kpi(pa.concat_tables([opened, final]), self._lake.specs, at=now())
        starts = pc.unique(self._primary(changed)["window_start"])
        touched = pc.is_in(kpis["window_start"], starts)
        self.kpis.merge_batch(kpis.filter(touched), note, writer, batch_id)

    def _primary(self, rows: pa.Table) -> pa.Table:
        seconds = self._lake.specs.transforms.primary.size_seconds
        return rows.filter(pc.equal(rows["window_seconds"], seconds))

    def _score(
        self, primary: pa.Table, opened: pa.Table, note: Note, writer: str, batch_id: int
    ) -> int:
        if self._grid is None:
            starts = [pc.min(rows["window_start"]).as_py() for rows in (primary, opened)]
            self._grid = self._seeded_grid(min(start for start in starts if start is not None))
        grid = self._grid.update(primary, opened)
        model = self._models.model if self._models else None
        self._owes_scores = model is None
        if model is None:
            return 0
        rows = scores(model, grid, primary, scored_at=now())
        written = self.scores.merge_batch(rows, note, writer, batch_id)
        self.scores.publish(rows, news_only=True)
        self._score_in_shadow(grid, primary, note)
        return written

    def _score_in_shadow(self, grid: SpeedGrid, primary: pa.Table, note: Note) -> None:
        """Let the challenger score the final windows; whatever it does, the stream goes on."""
        challenger = self._models.challenger if self._models else None
        final = primary.filter(primary["is_final"])
        if challenger is None or not final.num_rows:
            return
        try:
            self.shadow.merge(scores(challenger, grid, final, scored_at=now()), note)
        except Unavailable as error:
            log.warning("challenger version %s has not scored this batch: %s",
                        challenger.version, error)  # fmt: skip
        except (GateFailed, WrongInput) as error:
            self._models.refuse_challenger(error)  # type: ignore[union-attr]

    def close(self) -> None:
        """Stop asking the registry."""
        if self._models is not None:
            self._models.close()
