"""Events of every version of a topic and what their fields become, or that they are refused."""

from collections.abc import Iterator
from typing import Any

from specs.tables import EventField, TopicSpec

WRONG: dict[str, tuple[Any, ...]] = {
    "string": (7, None, ["a"]),
    "long": ("3", 1.5, 2**63, True),
    "double": ("41.5", True, {}),
    "timestamp": (1_520_251_200, "2018-03-05T12:00:00", "noon"),
}
"""Values that are none of the type; a time without an offset is no instant."""

EXACT: dict[str, tuple[Any, ...]] = {
    "string": ('é 👍 "quoted" \\ \n',), "long": (0, 2**53 + 1), "double": (0.1, 5e-324, 41),
    "timestamp": ("2018-03-11T01:59:59.999999-05:00", "1969-12-31T23:59:59.999999Z"),
}  # fmt: skip
"""Values that a reader easily spoils."""

Event = dict[str, Any]
Case = dict[str, Any]


def _columns(topic: TopicSpec, event: Event) -> Event:
    return {field.column_name: event.get(field.name) for field in topic.fields}


def _landed(topic: TopicSpec, what: str, event: Event) -> Case:
    return {"case": what, "event": event, "columns": _columns(topic, event)}


def _refused(what: str, event: Event) -> Case:
    return {"case": what, "event": event, "columns": None}


def _of_field(topic: TopicSpec, whole: Event, field: EventField) -> Iterator[Case]:
    without = {name: value for name, value in whole.items() if name != field.name}
    if field.required:
        yield _refused(f"{field.name} is missing", without)
    else:
        yield _landed(topic, f"{field.name} is missing", without)
        yield _landed(topic, f"{field.name} is null", whole | {field.name: None})
    for value in WRONG[field.type]:
        if value is None and not field.required:
            continue
        yield _refused(f"{field.name} is {value!r}", whole | {field.name: value})
    if field.name == "schema_version":  # it says how to read the others
        return
    for value in EXACT[field.type]:
        yield _landed(topic, f"{field.name} is {value!r}", whole | {field.name: value})


def event_cases(topic: TopicSpec) -> list[Case]:
    """Events of one version of a topic with the columns that each must give; null where refused.

    Only the shape is judged here, not the rules of a table.
    """
    whole = {field.name: field.example for field in topic.fields}
    required = {field.name: field.example for field in topic.fields if field.required}
    cases = [
        _landed(topic, "every field", whole), _landed(topic, "only what is required", required),
        {"case": "a field that nobody knows", "event": whole | {"unheard_of": [1]},
         "columns": _columns(topic, whole)},
    ]  # fmt: skip
    return cases + [case for field in topic.fields for case in _of_field(topic, whole, field)]
