"""Segments and how they stand, by place, as JSON or GeoJSON."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from lakehouse.serving import lists
from lakehouse.serving.answers import GEOJSON, Body
from lakehouse.serving.current import Lookback
from lakehouse.serving.openapi import answers
from lakehouse.serving.rows import CongestionPage, page_of, row_model
from lakehouse.serving.service import Service
from lakehouse.serving.snapshot import ROAD, Snapshot


def segment_router(service: Service) -> APIRouter:
    """Routes that give a list of segments."""
    router, asks = APIRouter(tags=["segments"]), service.questions
    segment, lookback = row_model(service.specs.tables[ROAD]), Lookback.of(service.specs)

    @router.get(lists.SEGMENTS, **answers(page_of(segment), also=GEOJSON))
    async def segments(request: Request, asked: Annotated[asks.segments, Query()]) -> Response:  # type: ignore[name-defined]
        """Road segments with their shapes."""
        render = partial(lists.segments, url=request.url, asked=asked)
        return await service.answer(request, service.follower.snapshot, render, is_current=True)

    @router.get(lists.CONGESTION, **answers(CongestionPage, also=GEOJSON))
    async def congestion(request: Request, asked: Annotated[asks.congestion, Query()]) -> Response:  # type: ignore[name-defined]
        """How every segment stands: its newest window, and the forecasts made from it.

        With `at` as it stood then, by the windows that had begun; corrections included.
        """
        url = request.url

        def render(snapshot: Snapshot) -> Body:
            if asked.at is None:
                return lists.congestion(snapshot, url, asked)
            stood = snapshot.standing_at(asked.at, lookback).by_segment
            return lists.congestion(snapshot, url, asked, stood)

        return await service.answer(
            request, service.follower.snapshot, render, is_current=asked.at is None
        )

    return router
