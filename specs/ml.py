"""Features, label, horizons, training and outputs of the congestion model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel

FeatureKind = Literal[
    "lag", "change", "mean", "stddev", "lowest", "congested", "observed", "age", "anomaly",
    "free_flow", "day_sin", "day_cos", "day_of_week", "profile", "profile_change", "level",
    "network_forecast",
]  # fmt: skip
Place = Literal["segment", "upstream", "downstream", "network"]
Measure = Literal["speed_ratio", "congested_ratio", "speed_ratio_stddev"]
Span = Literal["training", "recent"]
Output = Literal["congestion_probability", "speed_kmh_predicted", "speed_kmh_low", "speed_kmh_high"]
Metric = Literal[
    "brier", "auroc", "auprc", "log_loss", "calibration_error", "mae_kmh", "rmse_kmh",
    "interval_coverage", "interval_coverage_congested",
]  # fmt: skip
Baseline = Literal["persistence", "historical_average"]
Family = Literal["hist_gradient_boosting", "lightgbm"]


WEEK_HOURS = 168


class Label(SpecModel):
    """Congested: ``column < congested_below_ratio * reference``."""

    column: Identifier
    reference: Identifier
    congested_below_ratio: float = Field(gt=0, lt=1)


class Feature(SpecModel):
    """One input of the model.

    ``windows`` is a lag or a length, in primary windows; ``of`` says whose speeds a lag or a change
    is of; ``at``, ``measure`` and ``over`` say when, what and of which time the profile is;
    ``period_hours`` is how long ``day_sin`` and ``day_cos`` take from one turn to the next.
    """

    name: Identifier
    kind: FeatureKind
    windows: int = Field(default=0, ge=0)
    of: Place = "segment"
    at: Literal["window", "target"] = "window"
    measure: Measure = "speed_ratio"
    over: Span = "training"
    period_hours: int = Field(default=24, gt=0)
    description: str

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        spans = ("mean", "stddev", "lowest", "congested", "observed", "change")
        if self.kind in spans and not self.windows:
            raise ValueError(f"feature {self.name}: {self.kind} is over one window or more")
        if self.of != "segment" and self.kind not in ("lag", "change"):
            raise ValueError(f"feature {self.name}: {self.kind} is of the segment only")
        if WEEK_HOURS % self.period_hours:
            raise ValueError(f"feature {self.name}: period_hours divides a week")
        return self


class Profile(SpecModel):
    """Historical profiles: usual values by time of week, over the training and over recent days.

    The recent one is that of the last ``recent_days`` days before a midnight (UTC). It is renewed
    daily without a training, and reaches the model ``refresh_hours`` after that midnight.
    """

    bucket_minutes: int = Field(gt=0, le=1440)
    smoothing_rows: float = Field(ge=0)
    recent_days: int = Field(ge=1)
    recent_smoothing_rows: float = Field(gt=0)
    refresh_hours: int = Field(ge=0, lt=24)

    @model_validator(mode="after")
    def _divides_the_day(self) -> Self:
        if 1440 % self.bucket_minutes:
            raise ValueError("bucket_minutes divides a day")
        return self


class Network(SpecModel):
    """Linear forecasts of each segment from the state of its network.

    They read ``modes`` principal components of the anomalies of all segments, and the anomalies of
    the segment and of the ``links`` that tell most of it, ``lags_windows`` ago; ``ridge_rows`` rows
    more would have it go on as the average segment does.
    """

    modes: int = Field(ge=1)
    links: int = Field(ge=0)
    lags_windows: tuple[int, ...] = Field(min_length=1)
    ridge_rows: float = Field(gt=0)


class SourceTarget(SpecModel):
    """What a target of one source is, where few vehicles pass in a primary window.

    The window of that id of transforms.yaml which begins where the primary window would; it counts
    as observed from ``min_vehicles`` on.
    """

    source: Identifier
    window: Identifier
    min_vehicles: int = Field(ge=1)


class Protocol(SpecModel):
    """Which rows count, and how sure a measure of them is.

    Attributes:
        max_age_minutes: a row counts if its newest true observation was in a window that started
            less than this before its own window's end.
        bootstrap_samples: resamples of whole local days.
        bootstrap_interval: share of the resamples that an interval holds.
    """

    max_age_minutes: int = Field(gt=0)
    bootstrap_samples: int = Field(ge=0)
    bootstrap_interval: float = Field(gt=0, lt=1)


class Sample(SpecModel):
    """Training rows that are taken: that share of them, within bounds.

    At most ``max_rows`` calibrate, too.
    """

    ratio: float = Field(gt=0, le=1)
    min_rows: int = Field(gt=0)
    max_rows: int = Field(gt=0)

    def size(self, rows: int) -> int:
        """How many of ``rows`` are taken."""
        return min(rows, self.max_rows, max(self.min_rows, round(self.ratio * rows)))


class Boosting(SpecModel):
    """Parameters of boosted trees, whatever library grows them."""

    max_iter: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    max_leaf_nodes: int = Field(gt=1)
    min_samples_leaf: int = Field(gt=0)
    l2_regularization: float = Field(default=0.0, ge=0)
    max_features: float = Field(default=1.0, gt=0, le=1)


MOST_NEURONS = 128
"""Of a layer; `ml.perceptron` adds up exactly for so many."""


class PerceptronSpec(SpecModel):
    """A small neural network beside the classifier's trees, and one beside the regressor's.

    ``shares`` are the weights of their answers to choose from, by the days that calibrate. Beside
    whether traffic is congested the first learns whether the speed is below the shares
    ``also_below`` of free flow: how far it was from the label's own says more than yes or no. The
    other learns for ``median_epochs`` whether the change of the speed ratio is below each of its
    ``median_quantiles``. The ``learning_rate`` is the first epoch's; it falls over all of them.
    """

    hidden: tuple[Annotated[int, Field(gt=0, le=MOST_NEURONS)], ...] = Field(min_length=1)
    epochs: int = Field(gt=0)
    batch_rows: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    l2: float = Field(ge=0)
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=1)
    also_below: tuple[Annotated[float, Field(gt=0)], ...] = ()
    median_epochs: int = Field(10, gt=0)
    median_quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.1, 0.25, 0.5, 0.75, 0.9), min_length=2
    )


class Training(SpecModel):
    """How a model is trained.

    ``test`` is the latest share of time, which training does not see. Of the days before it every
    ``calibrate_every_days``-th is left out of the trees and calibrates them.
    """

    family: Family
    test: float = Field(gt=0, lt=1)
    calibrate_every_days: int = Field(ge=2)
    sample: Sample
    min_rows: int = Field(gt=0)
    seed: int
    classifier: Boosting
    regressor: Boosting
    perceptron: PerceptronSpec | None = None  # models of before have none


class Interval(SpecModel):
    """A conformal interval of the speed, calibrated by bins of the probability."""

    coverage: float = Field(gt=0, lt=1)
    probability_edges: tuple[float, ...]
    spread_bins: int = Field(ge=1)
    lower_share: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        edges = self.probability_edges
        if list(edges) != sorted(set(edges)) or (edges and not 0 < edges[0] <= edges[-1] < 1):
            raise ValueError("probability_edges rise between 0 and 1")
        return self


class Promotion(SpecModel):
    """What a challenger has to show on live outcomes before it may score.

    The interval of the Brier difference is of a bootstrap over blocks of ``block_hours``.
    """

    days: int = Field(ge=1)
    min_outcomes: int = Field(ge=1)
    block_hours: int = Field(ge=1, le=24)
    min_blocks: int = Field(ge=2)
    bootstrap_samples: int = Field(ge=100)
    interval: float = Field(gt=0, lt=1)
    max_calibration_rise: float = Field(ge=0)
    max_scoring_ms: float = Field(gt=0)


class Rollback(SpecModel):
    """The champion goes when it was worse than persistence over ``hours``."""

    hours: int = Field(ge=1)
    min_outcomes: int = Field(ge=1)


class Drift(SpecModel):
    """Population stability index from which a shift is named, over the newest ``hours``."""

    hours: int = Field(ge=1)
    max_psi: float = Field(gt=0)


class MlSpec(SpecModel):
    """What the model is asked, what it may look at and how it is judged."""

    model_name: Identifier
    horizons_minutes: tuple[int, ...] = Field(min_length=1)
    lead_time: Literal["window_start to target_start"]
    label: Label
    targets: tuple[SourceTarget, ...] = ()
    features: tuple[Feature, ...] = Field(min_length=1)
    profile: Profile
    network: Network
    history_windows: int = Field(ge=1)
    training: Training
    interval: Interval
    protocol: Protocol
    promotion: Promotion
    rollback: Rollback
    drift: Drift
    outputs: tuple[Output, ...]
    metrics: tuple[Metric, ...]
    baselines: tuple[Baseline, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(names) != len(set(names)):
            raise ValueError("two features share a name")
        deep = [f.name for f in self.features if f.windows > self.history_windows]
        if max(self.network.lags_windows) > self.history_windows:
            deep.append("network")
        if deep:
            raise ValueError(f"features look back further than history_windows: {deep}")
        return self
