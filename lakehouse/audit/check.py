"""One equation of an audit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """Two numbers that must be equal, each derived on its own.

    Attributes:
        name: what the equation says.
        expected: what is owed.
        found: what there is.
        examples: for a person: the first places where the two differ.
    """

    name: str
    expected: int
    found: int
    examples: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Both sides are equal."""
        return self.expected == self.found
