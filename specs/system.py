"""Components, flows and service-level agreements."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from specs.model import Identifier, SpecModel

SPEC_VERSION = 1
"""Of the spec files' form: what may stand in them, not what does."""


class Component(SpecModel):
    """Something that runs."""

    id: Identifier
    kind: Literal["process", "server", "job"]
    command: str
    description: str


class Flow(SpecModel):
    """Data going from one place to another: a component, ``topic:NAME`` or ``table:NAME``."""

    from_: str = Field(alias="from")
    to: str


class Sla(SpecModel):
    """A promise: the ``metric`` that ``measured_by`` prints, and its bound."""

    id: Identifier
    kind: Literal["throughput", "freshness", "latency", "cost", "reliability"]
    metric: Identifier
    at_least: float | None = None
    at_most: float | None = None
    unit: str
    measured_by: str
    description: str


def _known(version: int) -> int:
    if version > SPEC_VERSION:
        raise ValueError(
            f"{version} is newer than {SPEC_VERSION}, the last that this release knows"
        )
    return version


class SystemSpec(SpecModel):
    """The whole on one page."""

    name: str
    kind: str
    spec_version: Annotated[int, AfterValidator(_known)]
    components: tuple[Component, ...]
    flows: tuple[Flow, ...]
    slas: tuple[Sla, ...]

    def sla(self, sla_id: str) -> Sla:
        """The service-level agreement of that id."""
        return next(sla for sla in self.slas if sla.id == sla_id)
