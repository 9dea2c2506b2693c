"""Whether a rule lets through all that its former self did."""

from math import inf

from specs.rules import Expectation, RowRule

Rule = RowRule | Expectation | None


def _range(rule: RowRule | Expectation) -> tuple[float, float]:
    low, high = getattr(rule, "min", None), getattr(rule, "max", None)
    return (-inf if low is None else low, inf if high is None else high)


def _same_but(old: RowRule | Expectation, new: RowRule | Expectation, *fields: str) -> bool:
    """The two rules differ in nothing but ``fields`` and their words."""
    ignored = {*fields, "reason"}
    return old.model_dump(exclude=ignored) == new.model_dump(exclude=ignored)


def _is_wider(old: RowRule | Expectation, new: RowRule | Expectation) -> bool:
    """Of two rules of one kind that differ, whether the new one's bounds hold the old one's."""
    if new.kind in {"between", "length", "mean_between"} and _same_but(old, new, "min", "max"):
        (low, high), (new_low, new_high) = _range(old), _range(new)
        return new_low <= low and high <= new_high
    if new.kind == "in_set" and old.kind == "in_set" and _same_but(old, new, "values"):
        return set(old.values) <= set(new.values)
    if new.kind == "not_after" and old.kind == "not_after" and _same_but(old, new, "plus_seconds"):
        return old.plus_seconds <= new.plus_seconds
    return False


def is_looser(old: Rule, new: Rule) -> bool:
    """Whether whatever kept ``old`` keeps ``new``; None is no rule. In doubt it does not."""
    if new is None:
        return True
    if old is None or old.kind != new.kind:
        return False
    return _same_but(old, new) or _is_wider(old, new)
