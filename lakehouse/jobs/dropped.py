"""What Spark left out of a micro-batch: readings delivered again, and readings that came too late.

Spark says so when it has summed up the batch and never again, so it is kept beside the checkpoint
until silver has taken the batch.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lakehouse.location import Place, write_whole

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

FOLDER = "dropped"
OPERATOR = "StreamingDeduplicateWithinWatermark"
"""Spark's node that drops both; readings behind the watermark first."""


@dataclass(frozen=True)
class Dropped:
    """Readings of one batch that no window counts.

    Attributes:
        duplicate: delivered before.
        late: of a time that the watermark has passed; `Reconciler` brings them in.
    """

    duplicate: int = 0
    late: int = 0


def dropped(query: "StreamingQuery") -> Dropped:
    """Ask the plan of the batch that ``query`` has just run."""
    node = query._jsq.streamingQuery().lastExecution().executedPlan()
    while node.nodeName() != OPERATOR:
        node = node.children().head()
    return Dropped(
        duplicate=node.longMetric("numDroppedDuplicateRows").value(),
        late=node.longMetric("numRowsDroppedByWatermark").value(),
    )


def keep(checkpoint: Place, batch_id: int, found: Dropped) -> None:
    """Note what was left out of a batch, before Spark notes the batch itself."""
    folder = checkpoint / FOLDER
    folder.mkdir(exist_ok=True)
    write_whole(folder / str(batch_id), json.dumps(asdict(found)))
    (folder / str(batch_id - 2)).unlink(missing_ok=True)  # the tables are a batch behind at most


def verdicts(checkpoint: Place, batch_id: int) -> dict[str, int]:
    """Verdict to readings of a batch; none for a batch of before this was kept."""
    path = checkpoint / FOLDER / str(batch_id)
    found = json.loads(path.read_text()) if path.exists() else {}
    return {verdict: count for verdict, count in found.items() if count}
