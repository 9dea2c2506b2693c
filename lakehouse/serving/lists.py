"""Lists of segments: made from a snapshot and a question alone, in whatever process."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import URL

from lakehouse.serving.answers import Body, Question
from lakehouse.serving.pages import address, geojson, page
from lakehouse.serving.questions import CongestionQuestion, Questions, SegmentsQuestion, meets
from lakehouse.serving.rows import SegmentCongestion
from lakehouse.serving.snapshot import Road, Snapshot

SEGMENTS, CONGESTION = "/segments", "/congestion"


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


def segments(snapshot: Snapshot, url: URL, asked: SegmentsQuestion) -> Body:
    """A page of road segments with their shapes."""
    left_out = "polyline" if asked.format == "geojson" else None
    values = {
        name: {key: value for key, value in road.row.items() if key != left_out}
        for name, road in snapshot.roads.items()
    }
    return _listed(url, snapshot, asked, values)


def congestion(
    snapshot: Snapshot,
    url: URL,
    asked: CongestionQuestion,
    by_segment: Mapping[str, SegmentCongestion] | None = None,
) -> Body:
    """A page of how segments stand: now, or as ``by_segment`` says."""
    stood = snapshot.current.by_segment if by_segment is None else by_segment
    values = {name: _only_horizon(row, asked.horizon_minutes) for name, row in stood.items()}
    return _listed(url, snapshot, asked, values)


def anew(snapshot: Snapshot, question: Question, asks: Questions) -> Body:
    """The answer to a question that was asked of another snapshot, and found right there."""
    path, query = question[0], question[1].decode("latin-1")
    kinds: dict[str, tuple[Any, Callable[[Snapshot, URL, Any], Body]]] = {
        SEGMENTS: (asks.segments, segments),
        CONGESTION: (asks.congestion, congestion),
    }
    model, answer = kinds[path]
    asked = model.model_validate(dict(parse_qsl(query, keep_blank_values=True)))
    return answer(snapshot, URL(path=path, query=query), asked)


def _listed(
    url: URL, snapshot: Snapshot, asked: SegmentsQuestion, values: Mapping[str, Any]
) -> Body:
    """A page of ``values``, which are by ``segment_id``."""
    found = list(chosen(snapshot.roads, asked, values))
    shown = found[: asked.limit]
    following = address(url, after=shown[-1][0]) if len(found) > asked.limit else None
    if asked.format == "geojson":
        features = ((name, road, values[name]) for name, road in shown)
        return geojson(snapshot.as_of, features, following)
    return page(snapshot.as_of, [values[name] for name, _ in shown], following)


def _only_horizon(row: SegmentCongestion, horizon: int | None) -> SegmentCongestion:
    """``row`` with the forecasts of that horizon; None keeps all."""
    if horizon is None:
        return row
    kept = [forecast for forecast in row.forecasts if forecast.horizon_minutes == horizon]
    return row.model_copy(update={"forecasts": kept})
