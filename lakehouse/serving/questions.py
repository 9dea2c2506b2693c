"""What can be asked: parameters of the API, checked and bounded."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, create_model

from lakehouse.serving.current import EPOCH
from lakehouse.serving.snapshot import Box
from specs.errors import WrongInput
from specs.loader import Specs

FAR = datetime(2200, 1, 1, tzinfo=UTC)
NUMBER = r"-?[0-9]{1,3}(\.[0-9]{1,12})?"
ID_CHARACTERS = 200

Format = Literal["json", "geojson"]


def _in_reach(moment: datetime) -> datetime:
    """The same in UTC; before 1970 and after 2200 there is no data, so any moment does."""
    try:
        return min(max(moment.astimezone(UTC), EPOCH), FAR)
    except OverflowError:
        return EPOCH if moment.year < EPOCH.year else FAR


def parse_box(text: str) -> Box:
    """West, south, east and north of ``text``.

    Raises:
        WrongInput: they are no box on the Earth.
    """
    west, south, east, north = (float(part) for part in text.split(","))
    if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90):
        raise WrongInput(
            "bbox is west,south,east,north in degrees: longitudes from -180 to 180,"
            " latitudes from -90 to 90, south not above north"
        )
    return west, south, east, north


def meets(box: Box, other: Box) -> bool:
    """Whether two boxes share a point; west beyond east means across the 180th meridian."""
    west, south, east, north = box
    other_west, other_south, other_east, other_north = other
    in_height = other_north >= south and other_south <= north
    left, right = other_east >= west, other_west <= east
    return in_height and ((left and right) if west <= east else (left or right))


Moment = Annotated[AwareDatetime, AfterValidator(_in_reach)]
BoxText = Annotated[
    str,
    Field(
        pattern=f"^{NUMBER}(,{NUMBER}){{3}}$", max_length=80, examples=["-74.1,40.5,-73.7,40.9"],
        description="Only segments that meet this box: west,south,east,north in degrees.",
    ),
]  # fmt: skip
At = Annotated[
    Moment, Field(description="As it stood at this moment, ISO 8601 with zone; by default now.")
]
Source = Annotated[str, Field(max_length=64, description="Only segments of this source.")]
After = Annotated[
    str, Field(max_length=ID_CHARACTERS, description="Only segments past this id; see `next`.")
]
From = Annotated[Moment, Field(description="Windows that start then or later.")]
To = Annotated[Moment, Field(description="Windows that start before then.")]


class Question(BaseModel):
    """Parameters of one request; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentsQuestion(Question):
    """Which segments, and how many at once."""

    bbox: BoxText | None = None
    source: Source | None = None
    after: After | None = None
    limit: int
    format: Annotated[Format, Field(description="geojson gives a FeatureCollection.")] = "json"

    @property
    def box(self) -> Box | None:
        """The box asked for."""
        return None if self.bbox is None else parse_box(self.bbox)


class CongestionQuestion(SegmentsQuestion):
    """And of which moment and horizon."""

    at: At | None = None
    horizon_minutes: int | None = None


class RangeQuestion(Question):
    """A stretch of time."""

    start: From | None = Field(None, alias="from")
    to: To | None = None
    limit: int

    def stretch(self, newest: datetime, specs: Specs) -> tuple[datetime, datetime]:
        """From when (included) to when (excluded); by default the day up to ``newest``.

        Raises:
            WrongInput: it is empty or too long.
        """
        longest = timedelta(days=specs.ops.serving.max_range_days)
        end = self.to or max(newest, self.start or EPOCH) + timedelta(microseconds=1)
        start = self.start or max(end - timedelta(days=1), EPOCH)
        if end <= start:
            raise WrongInput("`to` is not after `from`")
        if end - start > longest:
            raise WrongInput(f"from `from` to `to` may be {longest.days} days; ask in parts")
        return start, end


class MetricsQuestion(RangeQuestion):
    """Of windows of one length."""

    window_seconds: int


class ScoresQuestion(RangeQuestion):
    """Of one horizon, or of all."""

    horizon_minutes: int | None = None


class KpiQuestion(RangeQuestion):
    """Of one source, or of all."""

    source: Source | None = None


@dataclass(frozen=True)
class Questions:
    """The parameters of each endpoint, with the page sizes, horizons and windows of the specs."""

    segments: type[SegmentsQuestion]
    congestion: type[CongestionQuestion]
    metrics: type[MetricsQuestion]
    scores: type[ScoresQuestion]
    kpis: type[KpiQuestion]


def _one_of(values: Iterable[int]) -> AfterValidator:
    known = sorted(values)

    def check(value: int) -> int:
        if value not in known:
            raise ValueError(f"it is one of {', '.join(map(str, known))}")
        return value

    return AfterValidator(check)


def questions(specs: Specs) -> Questions:
    """Make the parameters that ``specs`` allow."""
    rows = specs.ops.serving.page_rows
    horizons: list[Any] = list(specs.ml.horizons_minutes)
    windows: list[Any] = [window.size_seconds for window in specs.transforms.windows]
    limit = (int, Field(rows.default, ge=1, le=rows.max, description="Items a page."))
    horizon = (
        Annotated[int, _one_of(horizons)] | None,
        Field(None, description="Only this horizon.", json_schema_extra={"enum": horizons}),
    )
    window = (
        Annotated[int, _one_of(windows)],
        Field(
            specs.transforms.primary.size_seconds, description="Length of a window.",
            json_schema_extra={"enum": windows},
        ),
    )  # fmt: skip

    def made(base: Any, **fields: Any) -> Any:
        return create_model(base.__name__, __base__=base, limit=limit, **fields)

    return Questions(
        segments=made(SegmentsQuestion),
        congestion=made(CongestionQuestion, horizon_minutes=horizon),
        metrics=made(MetricsQuestion, window_seconds=window),
        scores=made(ScoresQuestion, horizon_minutes=horizon),
        kpis=made(KpiQuestion),
    )
