"""Wall clocks: the local day and time of the week of each row, with public holidays."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np

from ml.columns import Integers
from ml.grid import Rows
from ml.roads import Roads

HOUR_SECONDS, DAY_SECONDS = 3600, 86_400
SUNDAY = 6


def local_times(roads: Roads, rows: Rows, window_seconds: int) -> tuple[Integers, Integers]:
    """Local day and second of the week [n] at the windows' starts, in the segments' zones.

    A public holiday of the zone's country counts as a Sunday: its traffic is a Sunday's.

    Returns:
        The local date's proleptic Gregorian ordinal, and wall-clock seconds since Monday midnight.
    """
    zones = roads.zone[rows.segment]
    windows, at = np.unique(rows.window, return_inverse=True)
    days, clock = clocks(roads, windows, window_seconds)
    return days[zones, at], clock[zones, at]


def clocks(roads: Roads, windows: Integers, window_seconds: int) -> tuple[Integers, Integers]:
    """`local_times` [zones, windows] in every zone of the roads."""
    days = np.zeros((len(roads.zones), len(windows)), dtype=np.int64)
    clock = np.zeros_like(days)
    for place, zone in enumerate(roads.zones):
        for column, window in enumerate(windows.tolist()):
            days[place, column], clock[place, column] = _local(zone.key, window * window_seconds)
    return days, clock


def seconds_of_week(roads: Roads, rows: Rows, window_seconds: int) -> Integers:
    """Wall-clock seconds since Monday midnight [n] at the window's start, see `local_times`."""
    return local_times(roads, rows, window_seconds)[1]


@lru_cache(maxsize=1 << 17)
def _local(zone: str, moment: int) -> tuple[int, int]:
    """Local day and second of the week of a moment in seconds since the Unix epoch."""
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    weekday = SUNDAY if local.date() in _holidays(zone) else local.weekday()
    passed = local.hour * 3600 + local.minute * 60 + local.second
    return local.toordinal(), weekday * DAY_SECONDS + passed


@cache
def _holidays(zone: str) -> Mapping[date, str]:
    """Public holidays of the zone's country; none for zones such as UTC."""
    import holidays

    country = _countries().get(zone)
    if country is None or country not in holidays.list_supported_countries():
        return {}
    calendar: Mapping[date, str] = holidays.country_holidays(country)
    return calendar


@cache
def _countries() -> Mapping[str, str]:
    """Zone to ISO 3166 country, from the time-zone database."""
    lines = (files("tzdata.zoneinfo") / "zone.tab").read_text().splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {row[2]: row[0] for row in rows}
