"""Which windows the commits of a table may have changed, told by their entries in its log."""

from datetime import UTC, date, datetime, time

from lakehouse.added_files import added_files
from lakehouse.jobs.newest import days_of
from lakehouse.tables import LakeTable


def touched(table: LakeTable, after: int | None) -> dict[date, datetime]:
    """Days that commits wrote to, each with the first window of it that may be another one now.

    Args:
        table: with ``window_start``, a folder a day of it.
        after: commits past this version count, up to the snapshot. None, or where the log has not
            kept them: every day that the table has, from midnight on.
    """
    if after is None:
        return _all_days(table)
    found: dict[date, datetime] = {}
    try:
        for file in added_files(table.folder, after, table.version):
            day = date.fromisoformat(file.folders["window_date"])
            least = file.least.get("window_start")
            first = midnight(day) if least is None else datetime.fromisoformat(least)
            found[day] = min(first, found.get(day, first))
    except FileNotFoundError:  # the log was cleaned
        return _all_days(table)
    return found


def midnight(day: date) -> datetime:
    """The day's first moment, UTC."""
    return datetime.combine(day, time.min, UTC)


def _all_days(table: LakeTable) -> dict[date, datetime]:
    return {day: midnight(day) for day in days_of(table)}
