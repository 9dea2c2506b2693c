"""Words for a person: what is wrong with a row."""

from collections.abc import Callable

import pyarrow as pa

from specs.rules import (
    Between,
    InSet,
    IsTrue,
    Length,
    NotAfter,
    NotBefore,
    NotGreater,
    NotNull,
    RowRule,
)

VALUE_MAX_CHARACTERS = 80


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Each value as a short text; control characters are escaped."""
    if pa.types.is_timestamp(column.type):  # as text, because Python's datetime ends at year 9999
        return [value or "missing" for value in column.cast(pa.string()).to_pylist()]
    texts = []
    for value in column.to_pylist():
        text = "missing" if value is None else repr(value)
        long = len(text) > VALUE_MAX_CHARACTERS
        texts.append(text[:VALUE_MAX_CHARACTERS] + "..." if long else text)
    return texts


def _not_null(rule: NotNull) -> str:
    where = f" where {rule.when.column} is {rule.when.equals!r}" if rule.when else ""
    return f"{rule.column} is missing{where}"


def _is_true(rule: IsTrue) -> str:
    return f"{rule.column} is not true"


def _between(rule: Between) -> str:
    if rule.min is None:
        return f"{rule.column} is {{0}}, above {rule.max:g}"
    if rule.max is None:
        return f"{rule.column} is {{0}}, below {rule.min:g}"
    return f"{rule.column} is {{0}}, outside {rule.min:g} to {rule.max:g}"


def _length(rule: Length) -> str:
    return f"{rule.column} is {{0}}, not a text of {rule.min} to {rule.max} characters"


def _in_set(rule: InSet) -> str:
    return f"{rule.column} is {{0}}, not one of {', '.join(map(str, rule.values))}"


def _not_after(rule: NotAfter) -> str:
    margin = f" by more than {rule.plus_seconds} s" if rule.plus_seconds else ""
    return f"{rule.column} is {{0}}, after {rule.than} {{1}}{margin}"


def _not_before(rule: NotBefore) -> str:
    return f"{rule.column} is {{0}}, before {rule.than} {{1}}"


def _not_greater(rule: NotGreater) -> str:
    return f"{rule.column} is {{0}}, more than {rule.than} {{1}}"


# `{0}` stands for the value of the rule's column, `{1}` for the one it is compared with.
_SENTENCES: dict[str, Callable[..., str]] = {
    "not_null": _not_null,
    "is_true": _is_true,
    "between": _between,
    "length": _length,
    "in_set": _in_set,
    "not_after": _not_after,
    "not_before": _not_before,
    "not_greater": _not_greater,
}


def _template(rule: RowRule) -> str:
    if not rule.reason:
        return _SENTENCES[rule.kind](rule)
    own = rule.reason.replace("{", "{{").replace("}", "}}")
    if rule.kind in ("not_null", "is_true"):
        return own
    other = f", {rule.than} {{1}}" if hasattr(rule, "than") else ""
    return f"{own} ({rule.column} {{0}}{other})"


def reason_of(rule: RowRule, rows: pa.Table, indices: pa.Array) -> list[str]:
    """One sentence for each of the rows at ``indices``, all of which break ``rule``."""
    template = _template(rule)
    if "{0}" not in template:
        return [template] * len(indices)
    names = [rule.column, *([rule.than] if hasattr(rule, "than") else [])]
    values = [_texts(rows.column(name).take(indices)) for name in names]
    return [template.format(*row) for row in zip(*values, strict=True)]
