"""Rows of silver and gold over a stretch of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import pyarrow.compute as pc
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from lakehouse.serving.answers import Body
from lakehouse.serving.current import files_between
from lakehouse.serving.openapi import answers
from lakehouse.serving.pages import address, cut, page
from lakehouse.serving.questions import ID_CHARACTERS, RangeQuestion
from lakehouse.serving.rows import page_of, row_model, utc_text
from lakehouse.serving.service import Service
from lakehouse.serving.snapshot import KPI, SCORES, SILVER, Snapshot
from specs.stored_text import is_text

SegmentId = Annotated[
    str,
    Path(
        min_length=1, max_length=ID_CHARACTERS, description="Road segment.",
        examples=["nyc_dot:4616337"],
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Rows of a table.

    Attributes:
        table: its name.
        where: which rows, whatever the stretch of time.
        newest: newest window there is; None where there is none.
        then_by: column that orders the rows of one window.
    """

    table: str
    where: pc.Expression
    newest: datetime | None
    then_by: str = "segment_id"


def _starts(start: datetime, end: datetime) -> pc.Expression:
    starts = pc.field("window_start")
    return (starts >= start) & (starts < end)


def _dates(start: datetime, end: datetime) -> pc.Expression:
    dates = pc.field("window_date")
    return (dates >= start.date()) & (dates <= end.date())


def history_router(service: Service) -> APIRouter:
    """Routes that give a table's rows, oldest first."""
    router, specs, asks = APIRouter(tags=["history"]), service.specs, service.questions
    metric, score, kpi = (row_model(specs.tables[name]) for name in (SILVER, SCORES, KPI))

    async def rows(
        request: Request, snapshot: Snapshot, asked: RangeQuestion, wanted: Wanted
    ) -> Response:
        url = request.url

        def render(shown: Snapshot) -> Body:
            if wanted.newest is None or wanted.table not in shown.tables:
                return page(shown.as_of, [], None)
            start, end = asked.stretch(wanted.newest, specs)
            chosen, files = wanted.where & _starts(start, end), []
            if "window_date" in specs.tables[wanted.table].partition_by:
                chosen, files = chosen & _dates(start, end), files_between(start, end)
            found = shown.tables[wanted.table].dataset(files).to_table(filter=chosen)
            keys = [("window_start", "ascending"), (wanted.then_by, "ascending")]
            items, following = cut(found.sort_by(keys), asked.limit)
            link = None
            if following is not None:
                link = address(url, **{"from": utc_text(following), "to": utc_text(end)})
            return page(shown.as_of, items.to_pylist(), link)

        return await service.answer(request, snapshot, render)

    def of_segment(snapshot: Snapshot, segment_id: str) -> tuple[pc.Expression, datetime | None]:
        """Rows of a segment, and the newest window of its source."""
        if segment_id not in snapshot.roads:
            raise HTTPException(404, "there is no such segment; GET /segments lists them")
        source = snapshot.roads[segment_id].row["source"]
        return is_text("segment_id", segment_id), snapshot.newest.get(source)

    @router.get("/segments/{segment_id}/metrics", **answers(page_of(metric), statuses=(404,)))
    async def segment_metrics(
        request: Request, segment_id: SegmentId,
        asked: Annotated[asks.metrics, Query()],  # type: ignore[name-defined]
    ) -> Response:  # fmt: skip
        """A segment's windows; by default those of the last day."""
        snapshot = service.follower.snapshot
        where, newest = of_segment(snapshot, segment_id)
        where &= pc.field("window_seconds") == asked.window_seconds
        return await rows(request, snapshot, asked, Wanted(SILVER, where, newest))

    @router.get("/segments/{segment_id}/congestion", **answers(page_of(score), statuses=(404,)))
    async def segment_congestion(
        request: Request, segment_id: SegmentId,
        asked: Annotated[asks.scores, Query()],  # type: ignore[name-defined]
    ) -> Response:  # fmt: skip
        """A segment's forecasts by the window they stand at; by default those of the last day."""
        snapshot = service.follower.snapshot
        where, newest = of_segment(snapshot, segment_id)
        if asked.horizon_minutes is not None:
            where &= pc.field("horizon_minutes") == asked.horizon_minutes
        wanted = Wanted(SCORES, where, newest, "horizon_minutes")
        return await rows(request, snapshot, asked, wanted)

    @router.get("/network-kpis", **answers(page_of(kpi)))
    async def network_kpis(
        request: Request,
        asked: Annotated[asks.kpis, Query()],  # type: ignore[name-defined]
    ) -> Response:
        """How each source's whole network stands, window by window; by default of the last day."""
        snapshot = service.follower.snapshot
        newest = snapshot.newest
        where = pc.field("segment_count") >= 0
        if asked.source is not None:
            newest = {name: at for name, at in newest.items() if name == asked.source}
            where = is_text("source", asked.source)
        latest = max(newest.values(), default=None)
        return await rows(request, snapshot, asked, Wanted(KPI, where, latest, "source"))

    return router
