"""OpenLineage events from what the ledger, the tables and the registry keep anyway.

Nothing is told while data moves: a run is what a job has committed since the last emission, or one
training. So the stream pays nothing, and events cannot say more than the books do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
)
from pydantic import BaseModel, ConfigDict

from lakehouse.bucket import SCHEME
from lakehouse.sql import select
from lakehouse.tables import Lake
from ml.registry import ModelReport, version_report, versions

NAMESPACE = "traffic-lakehouse"
PRODUCER = "urn:traffic-lakehouse"
"""Who says so: a URI, as the standard asks; nothing is looked up there."""
BRONZE, SILVER, SCORES = "bronze.traffic_event", "silver.segment_metric", "gold.congestion_scores"
SEGMENTS, TOPIC = "silver.road_segment", "topic:traffic_event"
STREAMING = frozenset({"land", "stream", "score"})

MADE_OF: Mapping[str, tuple[str, ...]] = {
    BRONZE: (TOPIC, SEGMENTS),
    "bronze.dead_letter": (TOPIC, SEGMENTS),
    SILVER: (BRONZE, SEGMENTS),
    "gold.network_kpi": (SILVER,),
    SCORES: (SILVER, SEGMENTS),
}
"""What each table's rows are made of."""


class Told(BaseModel):
    """How far earlier emissions went.

    Attributes:
        table_versions: last Delta version of each table whose commit was told.
        model_version: last version of the model whose training was told.
        scored_at: moment of the last score that was told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table_versions: dict[str, int] = {}
    model_version: int = 0
    scored_at: datetime | None = None


@dataclass(frozen=True)
class JobRun:
    """What one job has done.

    Attributes:
        job: its name.
        identity: what makes the run this one, whoever tells it and however often.
        begin: of its first commit.
        end: of its last.
        inputs: datasets to the version that was read, where one is known.
        outputs: datasets to their newest version and the rows written.
    """

    job: str
    identity: str
    begin: datetime
    end: datetime
    inputs: Mapping[str, str | None]
    outputs: Mapping[str, tuple[str, int | None]]


def runs(lake: Lake, tracking_uri: str | None, told: Told) -> tuple[list[JobRun], Told]:
    """What has happened since ``told``, and how far that goes.

    Args:
        lake: the tables; nothing is written.
        tracking_uri: the model registry; without it trainings wait for the next emission.
        told: where the last emission ended.

    Raises:
        Unavailable: the registry does not answer.
    """
    commits = _commits(lake, told)
    reached = dict(told.table_versions)
    for row in commits:
        name = row["table_name"]
        reached[name] = max(reached.get(name, -1), row["last_version"])
    scored = _scored(lake, told)
    trained = [] if tracking_uri is None else _trained(lake, tracking_uri, told)
    found = [
        *_committed(commits),
        *(_score_run(lake, row) for row in scored),
        *map(_training_run, trained),
    ]
    return found, Told(
        table_versions=reached,
        model_version=max([told.model_version, *(report.version for report in trained)]),
        scored_at=max([row["end"] for row in scored], default=told.scored_at),
    )


def _commits(lake: Lake, told: Told) -> list[dict[str, Any]]:
    """One row a job and table: its commits since, summed up."""
    lake.table("ops.ledger").refresh()
    known = " ".join(
        f"WHEN '{name}' THEN {version}" for name, version in told.table_versions.items()
    )
    since = f"CASE table_name {known} ELSE -1 END" if known else "-1"
    query = f"""
        SELECT job, table_name, min(committed_at) AS begin_at, max(committed_at) AS end_at,
            min(table_version) AS first_version, max(table_version) AS last_version,
            sum(rows_written)::BIGINT AS row_total, max(source_version_last) AS source_version
        FROM ledger WHERE table_version > {since}
        GROUP BY ALL ORDER BY begin_at, job, table_name
    """
    found: list[dict[str, Any]] = select(
        query, ledger=lake.table("ops.ledger").dataset()
    ).to_pylist()
    return found


def _committed(commits: Sequence[dict[str, Any]]) -> Iterator[JobRun]:
    """One run a job; the scores' rows are told by the model that made them."""
    for job in dict.fromkeys(row["job"] for row in commits):
        wrote = [row for row in commits if row["job"] == job and row["row_total"]]
        own = [row for row in wrote if row["table_name"] != SCORES]
        if not own:
            continue
        read = max((row["source_version"] or -1 for row in own), default=-1)
        first = min(own, key=lambda row: row["begin_at"])
        written = {row["table_name"] for row in own}
        used = dict.fromkeys(name for table in written for name in MADE_OF.get(table, ()))
        yield JobRun(
            job=job,
            identity=f"{first['table_name']}@{first['first_version']}",
            begin=min(row["begin_at"] for row in own),
            end=max(row["end_at"] for row in own),
            inputs={
                name: str(read) if name == BRONZE and read >= 0 else None
                for name in sorted(used)
                if name not in written
            },
            outputs={r["table_name"]: (str(r["last_version"]), r["row_total"]) for r in own},
        )


def _scored(lake: Lake, told: Told) -> list[dict[str, Any]]:
    """One row a model version that has made scores since."""
    scores = lake.table(SCORES)
    scores.refresh()
    since = f"WHERE scored_at > TIMESTAMPTZ '{told.scored_at}'" if told.scored_at else ""
    query = f"""
        SELECT model_name, model_version, min(scored_at) AS begin, max(scored_at) AS "end",
            count(*) AS row_total FROM scores {since} GROUP BY ALL ORDER BY model_version
    """
    found: list[dict[str, Any]] = select(query, scores=scores.dataset()).to_pylist()
    return found


def _score_run(lake: Lake, row: Mapping[str, Any]) -> JobRun:
    return JobRun(
        job="score",
        identity=f"{row['model_name']}@{row['model_version']}/{row['begin'].isoformat()}",
        begin=row["begin"],
        end=row["end"],
        inputs={
            **dict.fromkeys(MADE_OF[SCORES]),
            f"model:{row['model_name']}": str(row["model_version"]),
        },
        outputs={SCORES: (str(lake.table(SCORES).version), row["row_total"])},
    )


def _trained(lake: Lake, tracking_uri: str, told: Told) -> list[ModelReport]:
    new = sorted(n for _, n in versions(tracking_uri, lake.specs) if n > told.model_version)
    return [version_report(tracking_uri, lake.specs, number) for number in new]


def _training_run(report: ModelReport) -> JobRun:
    prefix = "delta_version."
    return JobRun(
        job="train",
        identity=f"{report.name}@{report.version}",
        begin=report.created_at,
        end=report.created_at,
        inputs={
            name.removeprefix(prefix): version
            for name, version in report.tags.items() if name.startswith(prefix)
        },
        outputs={f"model:{report.name}": (str(report.version), None)},
    )  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where datasets are: the addresses that OpenLineage names them by."""

    lake: Lake
    kafka: str
    registry: str

    def of(self, dataset: str) -> tuple[str, str]:
        """Namespace and name of a table, a ``topic:`` or a ``model:``."""
        kind, _, name = dataset.rpartition(":")
        if kind == "topic":
            return f"kafka://{self.kafka}", name
        if kind == "model":
            return self.registry, name
        folder = self.lake.folder(dataset)
        if isinstance(folder, Path):
            return "file", str(folder)
        bucket, _, key = folder.key.partition("/")
        return f"{SCHEME}{bucket}", key


def events(run: JobRun, places: Places) -> Iterator[RunEvent]:
    """A START and a COMPLETE, at the times that the books give."""
    identity = f"{places.lake.root}/{run.job}/{run.identity}"
    facets = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=run.begin.isoformat(), nominalEndTime=run.end.isoformat()
        )
    }
    kind = "STREAMING" if run.job in STREAMING else "BATCH"
    job_type = job_type_job.JobTypeJobFacet(
        processingType=kind, integration="TRAFFIC_LAKEHOUSE", jobType="JOB"
    )
    for state, at in ((RunState.START, run.begin), (RunState.COMPLETE, run.end)):
        yield RunEvent(
            eventType=state,
            eventTime=at.isoformat(),
            run=Run(runId=str(uuid5(NAMESPACE_URL, identity)), facets=dict(facets)),
            job=Job(namespace=NAMESPACE, name=run.job, facets={"jobType": job_type}),
            inputs=[_input(places.of(name), version) for name, version in run.inputs.items()],
            outputs=[_output(places.of(name), *told) for name, told in run.outputs.items()],
            producer=PRODUCER,
        )


def _version(version: str) -> Any:
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=version)}


def _input(place: tuple[str, str], version: str | None) -> InputDataset:
    return InputDataset(*place, facets=_version(version) if version is not None else {})


def _output(place: tuple[str, str], version: str, rows: int | None) -> OutputDataset:
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(
        *place,
        facets=_version(version),
        outputFacets={} if rows is None else {"outputStatistics": counted},
    )
