"""Retries, gates, limits, serving, retraining, orchestration, retention, metrics and alerts."""

from typing import Literal

from pydantic import Field

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
    news_seconds: int = Field(gt=0)


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


class Metric(SpecModel):
    """One Prometheus metric."""

    name: str = Field(pattern=r"^traffic_[a-z_]+$")
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[Identifier, ...]
    buckets: tuple[float, ...] = ()
    help: str


class Alert(SpecModel):
    """When a person is called."""

    id: Identifier
    metric: str
    sla: Identifier | None = None
    above: float | None = None
    for_seconds: int = Field(ge=0)
    severity: Literal["page", "ticket"]
    summary: str


class OpsSpec(SpecModel):
    """How the lakehouse is run."""

    retries: Retries
    gates: GatePolicy
    dead_letters: DeadLetterLimit
    limits: Limits
    serving: Serving
    retraining: Retraining
    airflow: AirflowPlan
    retention: dict[str, Retention]
    metrics: tuple[Metric, ...]
    alerts: tuple[Alert, ...]
