"""Row rules and batch expectations, as data; `quality` gives each kind its two executable forms."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel


def tidy(number: float) -> float:
    """A whole number without its decimal point: a bound of 250 is read as 250.0."""
    return int(number) if number == int(number) else number


class When(SpecModel):
    """A rule counts only for the rows where ``column`` equals ``equals``."""

    column: Identifier
    equals: str


class _Rule(SpecModel):
    id: Identifier
    reason: str = ""

    @property
    def columns_used(self) -> tuple[str, ...]:
        """Columns that the rule reads."""
        named = [getattr(self, field, None) for field in ("column", "than")]
        when = getattr(self, "when", None)
        used = [name for name in named if name] + list(getattr(self, "columns", ()))
        return tuple(used + ([when.column] if when else []))


class NotNull(_Rule):
    """``column`` has a value, in the rows that ``when`` selects."""

    kind: Literal["not_null"]
    column: Identifier
    when: When | None = None


class IsTrue(_Rule):
    """Boolean ``column`` is true; null is false."""

    kind: Literal["is_true"]
    column: Identifier


class Between(_Rule):
    """``min <= column <= max``; null passes, NaN does not."""

    kind: Literal["between"]
    column: Identifier
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Between":
        if self.min is None and self.max is None:
            raise ValueError("between needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class Length(_Rule):
    """Text ``column`` has ``min`` to ``max`` characters; null fails."""

    kind: Literal["length"]
    column: Identifier
    min: int = Field(ge=0)
    max: int = Field(ge=1)


class InSet(_Rule):
    """``column`` is one of ``values``; null passes."""

    kind: Literal["in_set"]
    column: Identifier
    values: tuple[str, ...] | tuple[int, ...] = Field(min_length=1)


class NotAfter(_Rule):
    """Timestamp ``column <= than + plus_seconds``; a null on either side passes."""

    kind: Literal["not_after"]
    column: Identifier
    than: Identifier
    plus_seconds: int = 0


class NotBefore(_Rule):
    """Timestamp ``column >= than``; a null on either side passes."""

    kind: Literal["not_before"]
    column: Identifier
    than: Identifier


class NotGreater(_Rule):
    """Number ``column <= than``; a null on either side passes."""

    kind: Literal["not_greater"]
    column: Identifier
    than: Identifier


class Unique(_Rule):
    """No two rows of the batch share ``columns``."""

    kind: Literal["unique"]
    columns: tuple[Identifier, ...] = Field(min_length=1)


class MeanBetween(_Rule):
    """The mean of ``column`` over the batch is from ``min`` to ``max``.

    A batch with fewer than ``min_rows`` values passes: the mean of one slow car says nothing.
    """

    kind: Literal["mean_between"]
    column: Identifier
    min: float
    max: float
    min_rows: int = Field(default=1, ge=1)


RowRule = Annotated[
    NotNull | IsTrue | Between | Length | InSet | NotAfter | NotBefore | NotGreater,
    Field(discriminator="kind"),
]
Expectation = Annotated[Unique | MeanBetween, Field(discriminator="kind")]
