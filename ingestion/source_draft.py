"""Drafts a source's spec from a look at its files; what no file tells stands there as `?`."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import available_timezones

from ingestion.reading_query import named
from ingestion.source_look import ENDS, Column, Look
from specs.errors import WrongInput
from specs.sources import FACTORS, OPEN

IDENTIFIER = "[a-z][a-z0-9_]{0,63}"
UNIT_WORDS: dict[str, str] = {
    "kmh": "km/h", "kph": "km/h", "mph": "mph", "ms": "m/s", "mps": "m/s", "km": "km", "m": "m",
    "mi": "mi", "miles": "mi", "meters": "m", "s": "s", "sec": "s", "secs": "s", "seconds": "s",
    "min": "min", "mins": "min", "minutes": "min", "ratio": "ratio", "percent": "percent",
    "pct": "percent",
}  # fmt: skip
"""Units by the words that column names carry."""

QUESTIONS: dict[str, str] = {
    "description": "What is measured, where and how often, in one sentence?",
    "attribution": "Whose data is it, and under which licence?",
    "time_zone": "Time zone of the city (IANA name, such as Europe/Copenhagen)?",
    "times_in": "Time zone that the file writes its times in (UTC, or that of the city)?",
    "speed_unit": "Unit of the speeds (km/h, mph or m/s)?",
}
"""What no file tells, by the option that answers it."""


@dataclass(frozen=True)
class Line:
    """One line of the draft; its value is open where it is `OPEN`."""

    text: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text}  # {self.note}" if self.note else self.text


def unit_of(field: str, column: Column) -> tuple[str, str]:
    """Unit of a measured column, `OPEN` where neither name nor range tells, and a remark."""
    fitting: dict[str, float] = {str(unit): factor for unit, factor in FACTORS[field].items()}
    if len(fitting) == 1:
        return next(iter(fitting)), ""
    words = re.split(r"[^a-z]+", column.name.lower())
    told = [unit for word in words if (unit := UNIT_WORDS.get(word)) in fitting]
    told += [unit for word, unit in UNIT_WORDS.items()
             if len(word) > 2 and word in column.name.lower() and unit in fitting]  # fmt: skip
    if told:
        return str(told[0]), ""
    if field == "occupancy_ratio" and column.high is not None:
        unit = "percent" if column.high > 1 else "ratio"
        return unit, f"by its highest value, {column.high:g}; check"
    seen = "" if column.middle is None else f": half are up to {column.middle:g}, all up to " \
        f"{column.high:g}"  # fmt: skip
    return OPEN, f"one of {', '.join(fitting)}{seen}"


def checked(answers: Mapping[str, str]) -> Mapping[str, str]:
    """The answers themselves.

    Raises:
        WrongInput: one of them can be no name, zone or unit; says which and what can.
    """
    name, unit = answers.get("name"), answers.get("speed_unit", OPEN)
    if name is not None and not re.fullmatch(IDENTIFIER, name):
        raise WrongInput(f"a source cannot be named {name!r}: use a-z, 0-9 and _, a letter first")
    if unit not in {OPEN, *FACTORS["speed_kmh"]}:
        raise WrongInput(f"speed unit {unit!r} is none of {', '.join(FACTORS['speed_kmh'])}")
    for option in ("time_zone", "times_in"):
        zone = answers.get(option, OPEN)
        if zone != OPEN and zone not in available_timezones():
            raise WrongInput(f"{zone!r} is no time zone; use a name such as America/New_York")
    return answers


def name_of(look: Look) -> str:
    """Name of the source by its file's, as a spec may be named."""
    words = re.sub(r"[^a-z0-9]+", "_", look.file.name.split(".")[0].lower()).strip("_")
    return (words if words[:1].isalpha() else f"source_{words}".rstrip("_"))[:64]


def _others(look: Look, field: str) -> str:
    others = look.guesses.get(field, ())[1:]
    return f"or {', '.join(others)}" if others else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _measured(look: Look, field: str, indent: str, unit: str | None = None) -> Iterator[Line]:
    column = look.column(field)
    if column is None:
        return
    found, note = (unit, "") if unit else unit_of(field, column)
    nulls = f"null in {column.nulls:,} rows" if column.nulls else ""
    yield Line(
        f"{indent}{field}: {{column: {json.dumps(column.name)}, unit: {json.dumps(found)}}}",
        _joined(note, nulls, _others(look, field)),
    )


def _needed(look: Look, field: str, indent: str, rest: str = "", note: str = "") -> Line:
    column = look.column(field)
    if column is None:
        listed = ", ".join(one.name for one in look.columns)
        return Line(f'{indent}{field}: {{column: "{OPEN}"{rest}}}', f"one of {listed}")
    return Line(
        f"{indent}{field}: {{column: {json.dumps(column.name)}{rest}}}",
        _joined(note, _others(look, field)),
    )


def _event_time(look: Look, times_in: str) -> Line:
    column = look.column("event_time")
    if column is not None and column.kind == "TIMESTAMP WITH TIME ZONE":
        return _needed(look, "event_time", "    ", note="each time has its offset")
    note = "its times have no offset" if times_in == OPEN else ""
    return _needed(look, "event_time", "    ", f", time_zone: {json.dumps(times_in)}", note)


def _in_sql(column: str) -> str:
    return column if re.fullmatch("[a-z_][a-z0-9_]*", column) else named(column)


def _status(look: Look) -> Iterator[Line]:
    speed = look.column("speed_kmh")
    if speed is None:
        return
    name = _in_sql(speed.name)
    yield Line("  status:", "the first that holds; otherwise ok")
    if look.statuses:
        column = look.guesses["status"][0]
        shares = ", ".join(f"{value} in {count:,} rows" for value, count in look.statuses)
        yield Line(
            f'    - {{value: missing, when: "{OPEN}"}}',
            f"a condition on {column} ({shares}), or delete this line",
        )
    count = look.column("vehicle_count")
    if count is not None and look.uncounted_speeds:
        when = f"{_in_sql(count.name)} = 0"
        yield Line(
            f"    - {{value: carried_forward, when: {json.dumps(when)}}}",
            f"{look.uncounted_speeds:,} rows give a speed of no vehicle: an old one? check",
        )
    when = f"{name} IS NULL OR {name} <= 0"
    yield Line(
        f"    - {{value: missing, when: {json.dumps(when)}}}", f"{look.missing_speeds:,} rows"
    )


def _path(look: Look) -> str:
    return json.dumps(f"{look.file.resolve().parent.name}/{look.file.name}")


def _segments(segments: Look | None) -> Iterator[Line]:
    yield Line("segments:")
    if segments is None:
        yield Line(f'  file: "{OPEN}"', "one row a road segment; give it with --segments")
        yield Line(f'  columns: {{segment_id: {{column: "{OPEN}"}}}}')
    else:
        yield Line(f"  file: {_path(segments)}", "below the data folder, TRAFFIC_DATA")
        yield Line("  columns:")
        yield _needed(segments, "segment_id", "    ")
        for field in ("name", "polyline"):
            column = segments.column(field)
            if column is not None:
                form = ', format: "lat,lon lat,lon"' if field == "polyline" else ""
                yield _needed(segments, field, "    ", form, "check its form" if form else "")
        yield from _measured(segments, "length_m", "    ")
        if segments.column("polyline") is None and all(map(segments.column, ENDS)):
            for field in ENDS:
                yield Line(f"    {field}: {{column: {json.dumps(segments.guesses[field][0])}}}")
    yield Line("  free_flow: {percentile: 0.85}", "of the observed speeds")


def _gaps(look: Look) -> Iterator[Line]:
    rhythm = look.rhythm
    yield Line(f"# Drafted from {look.file.name}, {look.rows:,} rows. Replace every \"{OPEN}\":"
               " `traffic specs check` refuses them.")  # fmt: skip
    if rhythm is not None:
        yield Line(
            f"# {rhythm.segments:,} segments from {rhythm.first} to {rhythm.last} as the file"
            f" writes it; {rhythm.late_ratio:.1%} of the"
        )
        yield Line(
            f"# intervals are over one and a half of the usual one, the longest"
            f" {rhythm.longest_seconds:,} s; {rhythm.repeated:,} rows repeat another's time."
        )


def draft(look: Look, segments: Look | None, answers: Mapping[str, str]) -> list[Line]:
    """The lines of a source's spec.

    Args:
        look: at the readings.
        segments: at the road segments, where there is a file of them.
        answers: by the names of `QUESTIONS`, and ``name``.

    Raises:
        WrongInput: the file has no column of times, or an answer can be none.
    """
    checked(answers)
    if not look.guesses["event_time"]:
        told = ", ".join(f"{one.name} {one.kind}" for one in look.columns)
        raise WrongInput(f"{look.file}: no column is a time (write it as ISO 8601); it has {told}")
    said = {key: answers.get(key, OPEN) for key in QUESTIONS}
    speed_unit = said["speed_unit"] if said["speed_unit"] != OPEN else None
    rhythm = look.rhythm
    usual = rhythm.interval_seconds if rhythm and rhythm.interval_seconds else OPEN
    first = rhythm.first.year if rhythm else OPEN
    lines = [
        *_gaps(look),
        Line(f"source: {json.dumps(answers.get('name') or name_of(look))}"),
        *(Line(f"{key}: {json.dumps(said[key], ensure_ascii=False)}")
          for key in ("description", "attribution", "time_zone")),
        Line(f"valid_from: {first}-01-01T00:00:00Z" if rhythm else f'valid_from: "{OPEN}"',
             "no reading is older; an older time is refused"),
        Line(f"interval_seconds: {json.dumps(usual)}", "median of the file; the city's promise?"),
        Line("readings:"),
        Line(f"  files: [{_path(look)}]", "below the data folder, TRAFFIC_DATA; may hold a *"),
        Line("  columns:"),
        _needed(look, "segment_id", "    "),
        _event_time(look, said["times_in"]),
    ]  # fmt: skip
    if look.column("speed_kmh") is None:
        lines.append(_needed(look, "speed_kmh", "    ", f', unit: "{OPEN}"'))
    for field in ("speed_kmh", "vehicle_count", "occupancy_ratio", "travel_time_s"):
        lines += _measured(look, field, "    ", speed_unit if field == "speed_kmh" else None)
    return [*lines, *_status(look), *_segments(segments)]


def open_places(lines: list[Line]) -> list[str]:
    """The lines that a person has still to fill in."""
    return [str(line).strip() for line in lines if f'"{OPEN}"' in line.text
            and not line.text.startswith("#")]  # fmt: skip


def open_questions(lines: list[Line], answers: Mapping[str, str]) -> list[str]:
    """Names of `QUESTIONS` that the draft leaves open and an answer would fill."""
    text = "\n".join(line.text for line in lines)
    marks = {
        "times_in": f'time_zone: "{OPEN}"}}', "speed_unit": f'unit: "{OPEN}"',
        "description": f'\ndescription: "{OPEN}"', "attribution": f'\nattribution: "{OPEN}"',
        "time_zone": f'\ntime_zone: "{OPEN}"',
    }  # fmt: skip
    return [key for key in QUESTIONS if key not in answers and marks[key] in text]
