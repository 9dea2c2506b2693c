"""Edges of every window: which windows hold a reading on, before and after each edge."""

from datetime import UTC, datetime, timedelta
from math import lcm
from typing import Any

from specs.transforms import TransformSpec, Window

AROUND = datetime(2018, 3, 11, 7, tzinfo=UTC)
"""New York's clocks go forward here; windows do not notice."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _aligned(spec: TransformSpec) -> datetime:
    """The last moment up to `AROUND` at which every window has an edge."""
    step = lcm(*(window.size_seconds for window in spec.windows), *(
        window.slide_seconds for window in spec.windows))  # fmt: skip
    return AROUND - (AROUND - EPOCH) % timedelta(seconds=step)


def _starts(window: Window, moment: datetime) -> list[datetime]:
    """Starts of the windows that hold ``moment``: all multiples of the slide are tried."""
    slide, size = timedelta(seconds=window.slide_seconds), timedelta(seconds=window.size_seconds)
    newest = moment - (moment - EPOCH) % slide
    tried = [newest - step * slide for step in range(-1, size // slide + 2)]
    return sorted(start for start in tried if start <= moment < start + size)


def window_cases(spec: TransformSpec) -> list[dict[str, Any]]:
    """One case a moment: the windows that hold it, as ``[window_seconds, window_start]``."""
    base = _aligned(spec)
    edges = {base + timedelta(seconds=seconds) for window in spec.windows
             for seconds in (0, window.slide_seconds, window.size_seconds)}  # fmt: skip
    moments = sorted({edge + step * MICROSECOND for edge in edges for step in (-1, 0, 1)})
    return [
        {
            "event_time": moment.isoformat(timespec="microseconds"),
            "windows": [
                [window.size_seconds, start.isoformat(timespec="microseconds")]
                for window in sorted(spec.windows, key=lambda one: one.size_seconds)
                for start in _starts(window, moment)
            ],
        }
        for moment in moments
    ]
