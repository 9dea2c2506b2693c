"""A moment at which all tables fit each other and the stream's checkpoint, while all is written."""

import time
from dataclasses import dataclass

from lakehouse.delta_log import LOG
from lakehouse.jobs.checkpoint import writer
from lakehouse.location import Place
from lakehouse.tables import Lake
from specs.errors import Unavailable

STREAMED = ("silver.segment_metric", "gold.congestion_scores", "gold.network_kpi")
"""What one batch writes, in this order; a batch without a row skips what it has none for."""

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Moment:
    """What to copy.

    Attributes:
        versions: of every table that there is.
        batch_id: the stream's newest batch that the tables have whole; None before its first.
    """

    versions: dict[str, int]
    batch_id: int | None


def moment(lake: Lake, checkpoint: Place, patience_seconds: float = PATIENCE_SECONDS) -> Moment:
    """Find one such moment.

    It is what a kill at once would leave: every version was the newest at the same time, the batch
    was in all its tables and no table had begun the next.

    Raises:
        Unavailable: none came while we looked: the stream ended in the middle of a batch.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        seen = _versions(lake)
        if seen == _versions(lake) and (found := _whole(lake, checkpoint, seen)) is not None:
            return found
        if time.monotonic() > deadline:
            raise Unavailable(
                f"no moment in {patience_seconds:g} s at which the tables have whole batches only:"
                " the stream has ended in the middle of one; start `traffic stream`, then try again"
            )
        time.sleep(POLL_SECONDS)


def _versions(lake: Lake) -> dict[str, int]:
    return {
        name: lake.table(name).refresh()
        for name in lake.specs.tables if (lake.folder(name) / LOG).exists()
    }  # fmt: skip


def _whole(lake: Lake, checkpoint: Place, versions: dict[str, int]) -> Moment | None:
    """The moment of these versions; None where a batch is under way."""
    if not (checkpoint / "metadata").exists():
        return Moment(versions, None)
    stream = writer(checkpoint)
    reached = {
        name: lake.table(name).progress(stream) for name in STREAMED if name in versions
    }  # fmt: skip
    told = reached.get(STREAMED[-1])  # the KPIs' commit is a batch's last
    newest = max((batch for batch in reached.values() if batch is not None), default=None)
    if newest != told:
        return None
    if told is not None and not (checkpoint / "commits" / str(told)).exists():
        return None
    return Moment(versions, told)
