"""Retries, gates, limits, serving, retraining, orchestration, retention, metrics and alerts."""

from string import Template
from typing import Literal, Self

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel


class Retry(SpecModel):
    """Bounded exponential back-off."""

    attempts: int = Field(ge=1, le=100)
    first_wait_seconds: float = Field(ge=0)
    wait_factor: float = Field(ge=1)
    max_wait_seconds: float = Field(ge=0)


class Retries(SpecModel):
    """One policy for each class of recoverable failure."""

    unavailable: Retry
    commit_conflict: Retry


class GatePolicy(SpecModel):
    """How often and on how much Great Expectations looks."""

    min_interval_seconds: dict[Literal["bronze", "silver", "gold"], float]
    sample_rows: int = Field(gt=0)
    sample_seed: int


class DeadLetterLimit(SpecModel):
    """Past either bound the layer stops instead of emptying its topic into the dead letters."""

    max_ratio: float = Field(gt=0, le=1)
    ratio_window_records: int = Field(gt=0)
    max_consecutive: int = Field(gt=0)


class Limits(SpecModel):
    """Bounds on input."""

    max_value_bytes: int = Field(gt=0)
    max_json_depth: int = Field(gt=0, le=200)  # far from where the interpreter's own stack ends
    max_headers: int = Field(gt=0)
    news_seconds: int = Field(gt=0)


class Maintenance(SpecModel):
    """How small files, logs and replaced files are kept few."""

    target_file_bytes: int = Field(gt=0)
    min_files: int = Field(ge=2)
    log_minutes: int = Field(ge=0)
    replaced_file_hours: int = Field(ge=0)
    orphan_hours: int = Field(ge=1)


class Machine(SpecModel):
    """What a machine should have; with less, `traffic doctor` says what to do."""

    cores: int = Field(ge=1)
    memory_bytes: int = Field(gt=0)
    disk_bytes: int = Field(gt=0)
    open_files: int = Field(gt=0)


class PageRows(SpecModel):
    """How many items a page holds."""

    default: int = Field(gt=0)
    max: int = Field(gt=0)


class Serving(SpecModel):
    """What the API gives, and its limits."""

    current_seconds: int = Field(gt=0)
    page_rows: PageRows
    max_range_days: int = Field(gt=0)
    requests_per_second: float = Field(gt=0)
    burst_requests: int = Field(gt=0)
    max_clients: int = Field(gt=0)
    max_streams: int = Field(gt=0)
    heartbeat_seconds: float = Field(gt=0)
    stale_seconds: float = Field(gt=0)
    cache_bytes: int = Field(gt=0)
    ready_answers: int = Field(ge=0)
    probability_levels: tuple[float, float, float, float]
    likely_probability: float = Field(ge=0, le=1)


class Retraining(SpecModel):
    """When a training is worth it."""

    min_interval_hours: float = Field(ge=0)
    max_interval_hours: float = Field(gt=0)
    trial_hours: float = Field(ge=0)
    min_new_labels: int = Field(gt=0)
    min_brier_skill: float = Field(lt=1)
    skill_hours: float = Field(gt=0)


class DagPlan(SpecModel):
    """One DAG of ``airflow/dags``: when it runs, and how long it and each of its tasks may."""

    schedule: str = Field(pattern=r"^\S+( \S+){4}$")
    task_minutes: int = Field(gt=0)
    run_minutes: int = Field(gt=0)
    tags: tuple[Identifier, ...] = Field(min_length=1)
    description: str


class AirflowPlan(SpecModel):
    """What every DAG of ``airflow/dags`` reads."""

    owner: Identifier
    max_backfill_days: int = Field(gt=0)
    task_retries: Retry
    dags: dict[Identifier, DagPlan]


class Retention(SpecModel):
    """How long rows or messages are kept."""

    days: int = Field(gt=0)


class Monitoring(SpecModel):
    """How often the running lakehouse is looked at, and how alerts are gathered."""

    scrape_seconds: int = Field(gt=0)
    evaluate_seconds: int = Field(gt=0)
    refresh_seconds: float = Field(gt=0)
    keep_days: int = Field(gt=0)
    group_wait_seconds: int = Field(ge=0)
    group_interval_seconds: int = Field(gt=0)
    repeat_hours: int = Field(gt=0)
    outcome_days: int = Field(gt=0)
    drift_seconds: float = Field(gt=0)
    silent_seconds: int = Field(gt=0)


class Label(SpecModel):
    """What tells series of a metric apart; past ``max`` values the rest is counted as one."""

    max: int = Field(gt=0)
    help: str


Process = Literal["lander", "stream", "api", "exporter"]


class Metric(SpecModel):
    """One Prometheus metric, and the processes that export it."""

    name: str = Field(pattern=r"^traffic_[a-z_]+$")
    type: Literal["counter", "gauge", "histogram"]
    by: tuple[Process, ...] = Field(min_length=1)
    labels: tuple[Identifier, ...]
    buckets: tuple[float, ...] = ()
    help: str

    @model_validator(mode="after")
    def _is_well_formed(self) -> Self:
        if (self.type == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and only they, end in _total")
        if (self.type == "histogram") != bool(self.buckets):
            raise ValueError(f"{self.name}: histograms, and only they, have buckets")
        if list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"{self.name}: buckets rise")
        return self

    @property
    def series(self) -> tuple[str, ...]:
        """Names under which Prometheus keeps it."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


class Alert(SpecModel):
    """When a person is called: while ``expression`` has a result, for so long."""

    id: Identifier
    expression: str
    sla: Identifier | None = None
    bound: float
    for_seconds: int = Field(ge=0)
    severity: Literal["page", "ticket"]
    summary: str

    def promql(self, goal: float | None) -> str:
        """The expression with its numbers filled in.

        Args:
            goal: bound of the SLA; None where the alert has none.

        Raises:
            KeyError: the expression takes a number that nobody gives.
        """
        numbers = {"bound": f"{self.bound:.15g}"}
        if goal is not None:
            numbers["goal"] = repr(float(goal))  # as Prometheus writes the bound of a bucket
        return Template(self.expression).substitute(numbers)


class OpsSpec(SpecModel):
    """How the lakehouse is run."""

    retries: Retries
    gates: GatePolicy
    dead_letters: DeadLetterLimit
    limits: Limits
    maintenance: Maintenance
    machine: Machine
    serving: Serving
    retraining: Retraining
    airflow: AirflowPlan
    retention: dict[str, Retention]
    monitoring: Monitoring
    labels: dict[Identifier, Label]
    metrics: tuple[Metric, ...]
    alerts: tuple[Alert, ...]
