"""Components, flows and service-level agreements."""

from typing import Literal

from pydantic import Field

from specs.model import Identifier, SpecModel


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


class SystemSpec(SpecModel):
    """The whole on one page."""

    name: str
    kind: str
    spec_version: int
    components: tuple[Component, ...]
    flows: tuple[Flow, ...]
    slas: tuple[Sla, ...]

    def sla(self, sla_id: str) -> Sla:
        """The service-level agreement of that id."""
        return next(sla for sla in self.slas if sla.id == sla_id)
