"""Holds the spec files against each other: what one names, another must define."""

import re
from collections.abc import Iterator

from specs.arrow import arrow_schema
from specs.compatibility import evolution_faults
from specs.errors import SpecError
from specs.loader import Specs
from specs.tables import history_of

METRIC = re.compile(r"\btraffic_[a-z_]+")
DRIFT = "traffic_feature_drift"
BUCKET_OF_GOAL = re.compile(r"\b(traffic_[a-z_]+)\{[^}]*le=\"\$goal\"")


def _places(specs: Specs) -> set[str]:
    topics = {f"topic:{name}" for topic in specs.topics.values() for name in (
        topic.topic, topic.dead_letter_topic)}  # fmt: skip
    tables = {f"table:{name}" for name in specs.tables}
    return topics | tables | {component.id for component in specs.system.components}


def _flow_faults(specs: Specs) -> Iterator[str]:
    places = _places(specs)
    for flow in specs.system.flows:
        for end in (flow.from_, flow.to):
            if end not in places:
                yield f"system.yaml: flow names {end}, which no spec defines"
    components = {component.id for component in specs.system.components}
    for topic in specs.topics.values():
        for who in (*topic.producers, *topic.consumers):
            if who not in components:
                yield f"topic {topic.topic}: {who} is not a component of system.yaml"
        if topic.table is not None and topic.table not in specs.tables:
            yield f"topic {topic.topic}: table {topic.table} has no spec"


def _silver_faults(specs: Specs) -> Iterator[str]:
    needed = {"silver.segment_metric", "silver.road_segment", "gold.network_kpi"}
    absent = needed - set(specs.tables)
    if absent:
        yield f"schemas/tables: no file describes {', '.join(sorted(absent))}"
        return
    transforms = specs.transforms
    table = specs.tables["silver.segment_metric"]
    made = {a.name for a in transforms.aggregations} | {e.name for e in transforms.derived} | {
        "segment_id", "source", "window_seconds", "window_start", "window_end", "window_date",
        "congestion_level", "is_congested", "detector_health", "anomalies", "is_final",
        "revision", "committed_at",
    }  # fmt: skip
    for name in table.column_names:
        if name not in made:
            yield f"transforms.yaml: nothing makes column {name} of {table.table}"
    label = specs.ml.label
    if label.column not in table.column_names:
        yield f"ml.yaml: label column {label.column} is not in {table.table}"
    if label.reference not in specs.tables["silver.road_segment"].column_names:
        yield f"ml.yaml: label reference {label.reference} is not in silver.road_segment"
    kpis = {kpi.name for kpi in transforms.network_kpis}
    for name in specs.tables["gold.network_kpi"].column_names:
        if name not in kpis | {"source", "window_start", "committed_at"}:
            yield f"transforms.yaml: no network KPI makes column {name}"
    window_minutes = transforms.primary.size_seconds / 60
    for horizon in specs.ml.horizons_minutes:
        if horizon <= 0 or horizon % window_minutes:
            yield f"ml.yaml: horizon {horizon} min is not a multiple of the primary window"


def _target_faults(specs: Specs) -> Iterator[str]:
    primary = specs.transforms.primary
    windows = {window.id: window for window in specs.transforms.windows}
    for target in specs.ml.targets:
        window, source = windows.get(target.window), specs.sources.get(target.source)
        if source is None:
            yield f"ml.yaml: targets name source {target.source}, which specs/sources lacks"
        elif source.readings and source.readings.columns.vehicle_count is None:
            yield f"ml.yaml: targets ask for vehicles, which {target.source} does not count"
        if window is None:
            yield f"ml.yaml: targets name window {target.window}, which transforms.yaml lacks"
        elif window.slide_seconds != primary.slide_seconds:
            yield f"ml.yaml: target window {window.id} does not begin where primary windows do"


def _ops_faults(specs: Specs) -> Iterator[str]:
    for metric in specs.ops.metrics:
        for label in metric.labels:
            if label not in specs.ops.labels:
                yield f"ops.yaml: {metric.name} has label {label}, which has no place in labels"
    yield from _alert_faults(specs)
    kept = {f"topic:{name}" for topic in specs.topics.values() for name in (
        topic.topic, topic.dead_letter_topic)} | set(specs.tables)  # fmt: skip
    for name in specs.ops.retention:
        if name not in kept:
            yield f"ops.yaml: retention names {name}, which is neither a table nor a topic"
    upkeep = specs.ops.maintenance
    if upkeep.replaced_file_hours * 60 < upkeep.log_minutes:
        yield "ops.yaml: maintenance: replaced_file_hours is below log_minutes"
    retraining = specs.ops.retraining
    if retraining.min_interval_hours > retraining.max_interval_hours:
        yield "ops.yaml: retraining has a min_interval_hours above its max_interval_hours"
    if len(specs.ml.features) >= specs.ops.labels["feature"].max:
        yield "ops.yaml: label feature has no room for the features of ml.yaml"
    for name, dag in specs.ops.airflow.dags.items():
        if dag.task_minutes > dag.run_minutes:
            yield f"ops.yaml: a task of DAG {name} may take longer than a run"


def _alert_faults(specs: Specs) -> Iterator[str]:
    series = {name: metric for metric in specs.ops.metrics for name in metric.series}
    slas = {sla.id: sla for sla in specs.system.slas}
    for alert in specs.ops.alerts:
        for name in sorted(set(METRIC.findall(alert.expression)) - set(series)):
            yield f"ops.yaml: alert {alert.id} watches {name}, which is no metric"
        sla = slas.get(alert.sla or "")
        if alert.sla is not None and sla is None:
            yield f"ops.yaml: alert {alert.id} names SLA {alert.sla}, which system.yaml lacks"
            continue
        if DRIFT in alert.expression and alert.bound != specs.ml.drift.max_psi:
            yield f"ops.yaml: alert {alert.id}: bound is not ml.yaml's drift.max_psi"
        try:
            alert.promql(sla.at_most if sla else None)
        except (KeyError, ValueError) as error:
            yield f"ops.yaml: alert {alert.id}: nobody gives the number {error}"
        for name in BUCKET_OF_GOAL.findall(alert.expression):
            if sla and name in series and sla.at_most not in series[name].buckets:
                yield f"ops.yaml: alert {alert.id}: no bucket of {name} ends at {sla.at_most}"


def _view_faults(specs: Specs) -> Iterator[str]:
    for name in sorted(set(specs.views) & set(specs.tables)):
        yield f"schemas/views: {name} is a table too"
    windows = {window.id for window in specs.transforms.windows}
    known = tuple(target for target in specs.ml.targets if target.window in windows)
    for view in specs.views.values():
        try:
            view.sql(specs.transforms, known)
        except (KeyError, IndexError, ValueError) as error:
            yield f"schemas/views/{view.view}.yaml: the query has no parameter {error}"
        for parameter in view.parameters:
            if f"{{{parameter.name}}}" not in view.query:
                yield f"schemas/views/{view.view}.yaml: no use of parameter {parameter.name}"
    schemas = {name.split(".")[0] for name in specs.tables}
    for user, access in specs.access.items():
        for schema in sorted(set(access.schemas) - schemas):
            yield f"access.yaml: {user} reads schema {schema}, which has no table"


def faults(specs: Specs) -> list[str]:
    """Every contradiction between the spec files, one line each; empty if they agree."""
    found = [
        *_flow_faults(specs), *_silver_faults(specs), *_target_faults(specs),
        *_ops_faults(specs), *_view_faults(specs),
        *evolution_faults(specs),
    ]  # fmt: skip
    derived = {kept.table for table in specs.tables.values() if (kept := history_of(table))}
    for table in specs.tables.values():
        if table.table in derived:
            continue
        try:
            arrow_schema(table, with_context=True)
        except SpecError as error:
            found.append(f"table {table.table}: {error}")
    return found
