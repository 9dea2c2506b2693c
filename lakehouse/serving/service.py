"""What the routes share: the follower, the way to an answer, what is told of freshness."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request, Response
from starlette.datastructures import Headers

from lakehouse.journal import now
from lakehouse.metrics import Metrics
from lakehouse.serving.answers import Body, Question, question_of, respond
from lakehouse.serving.follower import Follower
from lakehouse.serving.questions import Questions
from lakehouse.serving.rows import Status
from lakehouse.serving.snapshot import Snapshot
from specs.loader import Specs

AGE_HEADER = "Data-Age-Seconds"
Rendering = Callable[[Snapshot], Body]
"""Answers one question from any snapshot."""


@dataclass
class Service:
    """Answers from what ``follower`` holds.

    Attributes:
        specs: the specs in force.
        follower: has the newest complete snapshot.
        metrics: of this process.
        questions: parameters of the endpoints.
        streams: open connections for live updates.
    """

    specs: Specs
    follower: Follower
    metrics: Metrics
    questions: Questions
    streams: int = field(default=0)
    _under_way: dict[tuple[int, Question], asyncio.Task[Body]] = field(default_factory=dict)

    def watch(self) -> None:
        """Have freshness and streams read at each scrape."""
        follower, metrics = self.follower, self.metrics
        nothing = float("nan")
        metrics.watch("traffic_api_streams", lambda: self.streams)
        metrics.watch("traffic_api_data_age_seconds", lambda: _or(follower.age_seconds, nothing))
        metrics.watch("traffic_api_pickup_seconds", lambda: _or(follower.pickup_seconds, nothing))

    async def answer(
        self, request: Request, snapshot: Snapshot, render: Rendering, *, is_current: bool = False
    ) -> Response:
        """Send what ``render`` gives, from memory where it was asked before.

        Args:
            request: asks it.
            snapshot: what is answered from.
            render: makes the answer, in a thread; whoever asks the same meanwhile waits for it.
            is_current: `lists.anew` knows the question too, so that the answer is there with each
                snapshot before anyone asks.
        """
        question = question_of(request.scope)
        found = snapshot.kept.get(question)
        if found is None:
            found = await self._rendered(snapshot, question, render, is_current=is_current)
        return self.response(found, request.headers)

    def response(self, body: Body, asked: Headers) -> Response:
        """Send ``body``, and how old the data is, to a request with these headers."""
        age = self.follower.age_seconds
        headers = {} if age is None else {AGE_HEADER: f"{age:.3f}"}
        return respond(body, asked, headers)

    async def _rendered(
        self, snapshot: Snapshot, question: Question, render: Rendering, *, is_current: bool
    ) -> Body:
        key = (id(snapshot), question)  # the task holds the snapshot, so that its id is its own
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(render, snapshot))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        found = await asyncio.shield(task)
        snapshot.kept.put(question, found, is_current=is_current)
        return found

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
