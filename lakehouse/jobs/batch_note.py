"""What the stream's driver notes of a micro-batch beside Spark's checkpoint, before it ends."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.location import Place, write_whole

FOLDER = "notes"
KEPT = 10
"""Batches: the tables are one behind Spark, and a start looks at both."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class BatchNote:
    """How event time stands after a batch, and readings of it that no window counts.

    Attributes:
        watermark: windows that end at or before it will not change any more.
        duplicate: delivered before.
        late: of a time that the watermark had passed before the batch; `Reconciler` brings them in.
    """

    watermark: datetime = EPOCH
    duplicate: int = 0
    late: int = 0

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict to readings that no window counts, where there are any."""
        found = {"duplicate": self.duplicate, "late": self.late}
        return {verdict: count for verdict, count in found.items() if count}


def keep(checkpoint: Place, batch_id: int, note: BatchNote) -> None:
    """Note a batch; doing it twice changes nothing."""
    folder = checkpoint / FOLDER
    folder.mkdir(exist_ok=True)
    micros = (note.watermark - EPOCH) // MICROSECOND
    told = {"watermark_us": micros, "duplicate": note.duplicate, "late": note.late}
    write_whole(folder / str(batch_id), json.dumps(told))
    (folder / str(batch_id - KEPT)).unlink(missing_ok=True)


def noted(checkpoint: Place, batch_id: int) -> BatchNote:
    """What was kept of a batch.

    Raises:
        FileNotFoundError: nothing was.
    """
    told = json.loads((checkpoint / FOLDER / str(batch_id)).read_text())
    watermark = EPOCH + told["watermark_us"] * MICROSECOND
    return BatchNote(watermark, told["duplicate"], told["late"])
