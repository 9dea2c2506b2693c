"""Segments and how they stand, by place, as JSON or GeoJSON."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from lakehouse.serving.openapi import answers
from lakehouse.serving.pages import GEOJSON, Body, address, geojson, page
from lakehouse.serving.questions import SegmentsQuestion, meets
from lakehouse.serving.rows import CongestionPage, SegmentCongestion, page_of, row_model
from lakehouse.serving.service import Service
from lakehouse.serving.snapshot import ROAD, Road, Snapshot


def chosen(
    roads: Mapping[str, Road], asked: SegmentsQuestion, known: Mapping[str, Any]
) -> Iterator[tuple[str, Road]]:
    """Known roads that are asked for, in order; one past the limit says that there is a next."""
    box, left = asked.box, asked.limit + 1
    for segment_id, road in roads.items():
        is_past = asked.after is None or segment_id > asked.after
        is_here = box is None or (road.box is not None and meets(box, road.box))
        is_of = asked.source is None or road.row["source"] == asked.source
        if is_past and is_here and is_of and segment_id in known:
            yield segment_id, road
            left -= 1
        if left == 0:
            return


def listed(
    address_of: Request, snapshot: Snapshot, asked: SegmentsQuestion, values: Mapping[str, Any]
) -> Body:
    """A page of ``values``, which are by ``segment_id``."""
    found = list(chosen(snapshot.roads, asked, values))
    shown = found[: asked.limit]
    following = address(address_of, after=shown[-1][0]) if len(found) > asked.limit else None
    if asked.format == "geojson":
        features = ((name, road, values[name]) for name, road in shown)
        return geojson(snapshot.as_of, features, following)
    return page(snapshot.as_of, [values[name] for name, _ in shown], following)


def only_horizon(row: SegmentCongestion, horizon: int | None) -> SegmentCongestion:
    """``row`` with the forecasts of that horizon; None keeps all."""
    if horizon is None:
        return row
    kept = [forecast for forecast in row.forecasts if forecast.horizon_minutes == horizon]
    return row.model_copy(update={"forecasts": kept})


def segment_router(service: Service) -> APIRouter:
    """Routes that give a list of segments."""
    router, asks = APIRouter(tags=["segments"]), service.questions
    segment = row_model(service.specs.tables[ROAD])

    @router.get("/segments", **answers(page_of(segment), also=GEOJSON))
    async def segments(request: Request, asked: Annotated[asks.segments, Query()]) -> Response:  # type: ignore[name-defined]
        """Road segments with their shapes."""
        snapshot = service.follower.snapshot

        def render() -> Body:
            left_out = "polyline" if asked.format == "geojson" else None
            values = {
                name: {key: value for key, value in road.row.items() if key != left_out}
                for name, road in snapshot.roads.items()
            }
            return listed(request, snapshot, asked, values)

        return await service.answer(request, snapshot, lambda: asyncio.to_thread(render))

    @router.get("/congestion", **answers(CongestionPage, also=GEOJSON))
    async def congestion(request: Request, asked: Annotated[asks.congestion, Query()]) -> Response:  # type: ignore[name-defined]
        """How every segment stands: its newest window, and the forecasts made from it.

        With `at` as it stood then, by the windows that had begun; corrections included.
        """
        snapshot = service.follower.snapshot

        async def render() -> Body:
            stood = snapshot.current
            if asked.at is not None:
                stood = await service.follower.standing_at(snapshot, asked.at)

            def rest() -> Body:
                values = {
                    name: only_horizon(row, asked.horizon_minutes)
                    for name, row in stood.by_segment.items()
                }
                return listed(request, snapshot, asked, values)

            return await asyncio.to_thread(rest)

        return await service.answer(request, snapshot, render)

    return router
