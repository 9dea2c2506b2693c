"""What the routes share: the follower, the answers kept, what is told of freshness."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request, Response

from lakehouse.journal import now
from lakehouse.serving.follower import Follower
from lakehouse.serving.metrics import ApiMetrics
from lakehouse.serving.pages import Body, Kept, respond
from lakehouse.serving.questions import Questions
from lakehouse.serving.rows import Status
from lakehouse.serving.snapshot import Snapshot
from specs.loader import Specs

AGE_HEADER = "Data-Age-Seconds"


@dataclass
class Service:
    """Answers from what ``follower`` holds.

    Attributes:
        specs: the specs in force.
        follower: has the newest complete snapshot.
        metrics: of the API itself.
        questions: parameters of the endpoints.
        kept: answers of the newest snapshot.
        streams: open connections for live updates.
    """

    specs: Specs
    follower: Follower
    metrics: ApiMetrics
    questions: Questions
    kept: Kept
    streams: int = field(default=0)

    def watch(self) -> None:
        """Have freshness and streams read at each scrape."""
        follower, metrics = self.follower, self.metrics
        nothing = float("nan")
        metrics.watch("traffic_api_streams", lambda: self.streams)
        metrics.watch("traffic_api_data_age_seconds", lambda: _or(follower.age_seconds, nothing))
        metrics.watch("traffic_api_pickup_seconds", lambda: _or(follower.pickup_seconds, nothing))

    async def answer(
        self, request: Request, snapshot: Snapshot, render: Callable[[], Awaitable[Body]]
    ) -> Response:
        """Send what ``render`` gives, from memory where it was asked before."""
        question = f"{request.url.path}?{request.url.query}"
        found = self.kept.get(snapshot, question)
        if found is None:
            found = await render()
            self.kept.put(snapshot, question, found)
        age = self.follower.age_seconds
        headers = {} if age is None else {AGE_HEADER: f"{age:.3f}"}
        return respond(found, request.headers.get("if-none-match"), headers)

    def status(self, snapshot: Snapshot) -> Status:
        """How fresh the data is."""
        shown = snapshot.as_of
        return Status(
            as_of=shown,
            age_seconds=self.follower.age_seconds,
            commit_age_seconds=(now() - shown.committed_at).total_seconds(),
            pickup_seconds=snapshot.pickup_seconds,
            segments=len(snapshot.roads),
            horizons_minutes=list(self.specs.ml.horizons_minutes),
            probability_levels=list(self.specs.ops.serving.probability_levels),
            likely_probability=self.specs.ops.serving.likely_probability,
            congestion_levels=[
                level.level for level in reversed(self.specs.transforms.congestion_levels)
            ],
        )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
