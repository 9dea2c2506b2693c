"""What a change of the specs means for data, producers and readers, and what is made anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from specs.compatibility import change_faults
from specs.difference import Edit, edits
from specs.effects import STEPS, Effect, Meaning, effect_of
from specs.loader import Specs
from specs.rule_change import is_looser
from specs.rules import Expectation, RowRule
from specs.tables import TableSpec

BY_STRUCTURE = ("columns", "key", "partition_by", "fields", "table", "version", "topic")
"""Keys of tables and topics whose edits `change_faults` judges."""


@dataclass(frozen=True)
class Change:
    """One edit and what it means."""

    where: str
    what: str
    effect: Effect


def _rule_changes(old: TableSpec, new: TableSpec) -> Iterator[Change]:
    before: dict[str, RowRule | Expectation] = {
        rule.id: rule for rule in (*old.rules, *old.expectations)}  # fmt: skip
    now: dict[str, RowRule | Expectation] = {
        rule.id: rule for rule in (*new.rules, *new.expectations)}  # fmt: skip
    for name in dict.fromkeys((*before, *now)):
        was, is_now = before.get(name), now.get(name)
        if was == is_now:
            continue
        looser = is_looser(was, is_now)
        what = "added" if was is None else "removed" if is_now is None else (
            "looser" if looser else "stricter, or another rule")  # fmt: skip
        yield Change(f"schemas/tables/{new.table}.yaml: rule {name}", what,
                     _rule_effect(new.layer, looser))  # fmt: skip


def _rule_effect(layer: str, looser: bool) -> Effect:
    if layer != "bronze":
        said = "rows pass that stopped the layer" if looser else (
            "rows that pass today may stop the layer; those that are there stay")  # fmt: skip
        return Effect(Meaning.COMPATIBLE, said, ("restart",))
    if looser:
        return Effect(Meaning.COMPATIBLE, "records land that were refused", ("restart", "replay"))
    return Effect(Meaning.BREAKING, "records that landed are refused from now on", ("restart",))


def _column_changes(old: TableSpec, new: TableSpec) -> Iterator[Change]:
    added = [column for column in new.columns if column.name not in old.column_names]
    for column in added:
        if column.nullable:  # otherwise it is among the faults
            after = {"silver": ("restart", "silver", "gold"), "gold": ("restart", "gold")}
            meaning = Meaning.RECOMPUTE if new.layer in after else Meaning.COMPATIBLE
            run = after.get(new.layer, ("restart",))
            effect = Effect(meaning, "null in the rows there are", run)
            yield Change(f"schemas/tables/{new.table}.yaml: column {column.name}", "added", effect)


def _is_structural(edit: Edit) -> bool:
    """Judged elsewhere: columns, keys, fields and rules of tables and topics there were."""
    kind = edit.file.rpartition("/")[0]
    if kind not in {"schemas/tables", "schemas/topics"} or edit.path.endswith("description"):
        return False
    root = edit.path.partition(".")[0].partition("[")[0]
    return root in {"rules", "expectations", *BY_STRUCTURE} or (not root and edit.is_removed)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def changes(old: Specs, new: Specs) -> list[Change]:
    """Every edit from ``old`` to ``new`` and what it means, those that reach furthest first."""
    broken = Effect(Meaning.BREAKING, "breaks data, producers or readers that there are")
    found = [Change(fault, "", broken) for fault in change_faults(old, new)]
    for name, table in new.tables.items():
        if name in old.tables and not name.endswith("_history"):
            found += [*_column_changes(old.tables[name], table),
                      *_rule_changes(old.tables[name], table)]  # fmt: skip
    for edit in edits(old, new):
        if not _is_structural(edit):
            what = "added" if edit.is_added else "removed" if edit.is_removed else (
                f"{_shown(edit.old)} -> {_shown(edit.new)}")  # fmt: skip
            where = f"{edit.file}: {edit.path}" if edit.path else edit.file
            found.append(Change(where, what, effect_of(edit)))
    return sorted(found, key=lambda change: -change.effect.meaning)


def steps(found: list[Change]) -> list[str]:
    """What a person runs after these changes, in order."""
    asked = {step for change in found for step in change.effect.steps}
    return [text for step, text in STEPS.items() if step in asked]
