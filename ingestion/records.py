"""Kafka records on their way out, and what each of them is."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MALFORMED = (
    "not_json", "truncated", "wrong_type", "not_a_number", "huge_text", "wrong_unit",
    "unknown_segment", "unknown_source", "unknown_status", "missing_field", "local_time",
    "from_the_future", "from_the_past", "null_key", "empty_value", "not_utf8", "tombstone",
)  # fmt: skip
"""Kinds of records that must end as dead letters."""

KINDS = ("on_time", "late", "too_late", "duplicate", *MALFORMED)
"""What a record can be. The first three are readings, each sent once; ``late`` is held back for
less than the watermark, ``too_late`` for more; a duplicate sends a reading's bytes again."""


@dataclass(frozen=True)
class Records:
    """Records in sending order; columns of equal length.

    Attributes:
        keys: Kafka keys, as bytes or None.
        values: Kafka values, as bytes or None.
        position: when each is sent, in seconds since the epoch on the clock of the readings'
            event times; never decreasing.
        event_time: of the reading that each is, repeats or resembles, in seconds since the epoch.
        kinds: index into `KINDS`.
    """

    keys: npt.NDArray[np.object_]
    values: npt.NDArray[np.object_]
    position: npt.NDArray[np.float64]
    event_time: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        """Number of records."""
        return len(self.values)

    def __getitem__(self, rows: "slice | npt.NDArray[np.intp]") -> "Records":
        """The records at ``rows``."""
        return Records(*(column[rows] for column in self.columns))

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """The columns, in the order of the attributes."""
        return self.keys, self.values, self.position, self.event_time, self.kinds


def objects(values: list[bytes | None]) -> npt.NDArray[np.object_]:
    """``values`` as an array of Python objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def joined(parts: list[Records]) -> Records:
    """All records of ``parts``, one after another; there is at least one part."""
    columns = zip(*(part.columns for part in parts), strict=True)
    return Records(*(np.concatenate(column) for column in columns))


@dataclass
class Truth:
    """What was sent: the numbers that the tables must show in the end."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))

    def add(self, records: Records) -> None:
        """Count ``records`` as sent."""
        self.counts += np.bincount(records.kinds, minlength=len(KINDS))

    def _of(self, *kinds: str) -> int:
        return int(sum(self.counts[KINDS.index(kind)] for kind in kinds))

    @property
    def records(self) -> int:
        """All records."""
        return int(self.counts.sum())

    @property
    def events(self) -> int:
        """Distinct readings; each has to count once."""
        return self._of("on_time", "late", "too_late")

    @property
    def duplicates(self) -> int:
        """Records that repeat a reading."""
        return self._of("duplicate")

    @property
    def late(self) -> int:
        """Readings held back for less than the watermark."""
        return self._of("late")

    @property
    def too_late(self) -> int:
        """Readings held back for more than the watermark."""
        return self._of("too_late")

    @property
    def malformed(self) -> dict[str, int]:
        """Records that must end as dead letters, by kind; only kinds that occur."""
        return {kind: self._of(kind) for kind in MALFORMED if self._of(kind)}

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """The numbers by name."""
        return {
            "records": self.records,
            "events": self.events,
            "duplicates": self.duplicates,
            "late": self.late,
            "too_late": self.too_late,
            "malformed": self.malformed,
        }
