"""Where two versions of the specs differ: one edit a place, without a word on what it means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from specs.beliefs import beliefs_of
from specs.loader import Specs
from specs.tables import history_of

NAMES = ("id", "name", "level", "user", "value", "source")
"""What tells the items of a list apart, the first that all of them have."""

Content = Mapping[str, Any]


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()


@dataclass(frozen=True)
class Edit:
    """One place that differs.

    Attributes:
        file: the spec file, below the specs' folder.
        path: keys down to the place, joined by dots; an item of a list is in brackets.
        old: value before; `ABSENT` where there was none.
        new: value now; `ABSENT` where there is none.
    """

    file: str
    path: str
    old: Any
    new: Any

    @property
    def is_added(self) -> bool:
        """Nothing stood there before."""
        return self.old is ABSENT

    @property
    def is_removed(self) -> bool:
        """Nothing stands there now."""
        return self.new is ABSENT


def _by_name(items: Any) -> dict[str, Any] | None:
    """Items of a list by their names; None where they have none of their own."""
    if not isinstance(items, list) or not items:
        return None
    for key in NAMES:
        if all(isinstance(item, dict) and key in item for item in items):
            named = {f"[{item[key]}]": item for item in items}
            return named if len(named) == len(items) else None
    return None


def _edits(file: str, path: str, old: Any, new: Any) -> Iterator[Edit]:
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict)):
        named, named_now = _by_name(old), _by_name(new)
        is_named = named is not None and named_now is not None
        if not is_named or (named != named_now and _is_reordered(old, new)):
            yield Edit(file, path, old, new)
            return
        if named == named_now:  # the same items in another order
            yield Edit(file, path, list(named or ()), list(named_now or ()))
            return
        old, new = named, named_now
    for key in dict.fromkeys((*old, *new)):
        place = f"{path}{key}" if key.startswith("[") or not path else f"{path}.{key}"
        if key not in old or key not in new:
            yield Edit(file, place, old.get(key, ABSENT), new.get(key, ABSENT))
        else:
            yield from _edits(file, place, old[key], new[key])


def _is_reordered(old: list[Any], new: list[Any]) -> bool:
    """Nothing but the order differs."""
    return len(old) == len(new) and all(item in new for item in old)


def contents(specs: Specs) -> dict[str, Content]:
    """What each spec file says, with every default filled in."""
    derived = {kept.table for table in specs.tables.values() if (kept := history_of(table))}
    files: dict[str, Any] = {
        "system.yaml": specs.system, "transforms.yaml": specs.transforms, "ml.yaml": specs.ml,
        "ops.yaml": specs.ops,
    }  # fmt: skip
    for source in specs.sources.values():
        files[f"sources/{source.source}.yaml"] = source
    for table in specs.tables.values():
        if table.table not in derived:
            files[f"schemas/tables/{table.table}.yaml"] = table
    for versions in specs.topic_versions.values():
        for topic in versions:
            files[f"schemas/topics/{topic.topic}.v{topic.version}.yaml"] = topic
    beliefs = {view.view for table in specs.tables.values() if (view := beliefs_of(table))}
    for view in specs.views.values():
        if view.view not in beliefs:
            files[f"schemas/views/{view.view}.yaml"] = view
    said = {name: model.model_dump(mode="json", by_alias=True) for name, model in files.items()}
    users = [user.model_dump(mode="json") for user in specs.access.values()]
    return {**said, "access.yaml": {"users": users}}


def edits(old: Specs, new: Specs) -> list[Edit]:
    """Every place where ``new`` differs from ``old``, file by file."""
    before, now = contents(old), contents(new)
    found: list[Edit] = []
    for file in sorted(before.keys() | now.keys()):
        if file not in before or file not in now:
            found.append(Edit(file, "", before.get(file, ABSENT), now.get(file, ABSENT)))
        else:
            found += _edits(file, "", before[file], now[file])
    return found
