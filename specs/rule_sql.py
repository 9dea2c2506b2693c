"""Row rules as SQL conditions that Trino and DuckDB both understand, for data contracts."""

from collections.abc import Callable

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
    tidy,
)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(value: str | int) -> str:
    return _text(value) if isinstance(value, str) else str(value)


def _not_null(rule: NotNull) -> str:
    condition = f"{rule.column} IS NULL"
    if rule.when is None:
        return condition
    return f"{condition} AND {rule.when.column} = {_text(rule.when.equals)}"


def _is_true(rule: IsTrue) -> str:
    return f"NOT coalesce({rule.column}, false)"


def _between(rule: Between) -> str:
    # NOT (...) and no < or >: whatever is not a number is in no range.
    bounds = [] if rule.min is None else [f"{rule.column} >= {rule.min:.17g}"]
    bounds += [] if rule.max is None else [f"{rule.column} <= {rule.max:.17g}"]
    return f"NOT ({' AND '.join(bounds)})"


def _length(rule: Length) -> str:
    return f"coalesce(length({rule.column}), -1) NOT BETWEEN {rule.min} AND {rule.max}"


def _in_set(rule: InSet) -> str:
    return f"{rule.column} NOT IN ({', '.join(_literal(value) for value in rule.values)})"


def _not_after(rule: NotAfter) -> str:
    later = f" + INTERVAL '{rule.plus_seconds}' SECOND" if rule.plus_seconds else ""
    return f"{rule.column} > {rule.than}{later}"


def _not_before(rule: NotBefore) -> str:
    return f"{rule.column} < {rule.than}"


def _not_greater(rule: NotGreater) -> str:
    return f"NOT ({rule.column} <= {rule.than})"


_CONDITIONS: dict[str, Callable[..., str]] = {
    "not_null": _not_null,
    "is_true": _is_true,
    "between": _between,
    "length": _length,
    "in_set": _in_set,
    "not_after": _not_after,
    "not_before": _not_before,
    "not_greater": _not_greater,
}


def broken_where(rule: RowRule) -> str:
    """Condition that is true for the rows that break the rule, and false or null for the others."""
    return _CONDITIONS[rule.kind](rule)


_WORDS: dict[str, str] = {
    "not_null": "{column} has a value",
    "is_true": "{column} is true",
    "between": "{column} is {range}",
    "length": "{column} has {min} to {max} characters",
    "in_set": "{column} is one of {values}",
    "not_after": "{column} is not after {than}{plus}",
    "not_before": "{column} is not before {than}",
    "not_greater": "{column} is at most {than}",
}


def in_words(rule: RowRule) -> str:
    """The rule as a sentence without a full stop."""
    low, high = getattr(rule, "min", None), getattr(rule, "max", None)
    given = [] if low is None else [f"at least {tidy(low)}"]
    given += [] if high is None else [f"at most {tidy(high)}"]
    plus = getattr(rule, "plus_seconds", 0)
    said = _WORDS[rule.kind].format(
        column=rule.column, min=low, max=high, than=getattr(rule, "than", ""),
        values=", ".join(map(str, getattr(rule, "values", ()))),
        range=" and ".join(given),
        plus=f" by more than {plus} s" if plus else "",
    )  # fmt: skip
    when = getattr(rule, "when", None)
    return f"{said}, where {when.column} is {when.equals}" if when else said
