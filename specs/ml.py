"""Features, label, horizons, training and outputs of the congestion model."""

from typing import Literal, Self

from pydantic import Field, model_validator

from specs.model import Identifier, SpecModel

FeatureKind = Literal[
    "lag", "mean", "stddev", "ratio", "observed", "free_flow", "network",
    "day_sin", "day_cos", "day_of_week", "profile",
]  # fmt: skip
Output = Literal["congestion_probability", "speed_kmh_predicted"]
Metric = Literal["brier", "auroc", "auroc_onset", "mae_kmh"]
Baseline = Literal["persistence", "historical_average"]


class Label(SpecModel):
    """Congested: ``column < congested_below_ratio * reference``."""

    column: Identifier
    reference: Identifier
    congested_below_ratio: float = Field(gt=0, lt=1)


class Feature(SpecModel):
    """One input of the model; ``windows`` is a lag or a length, in primary windows."""

    name: Identifier
    kind: FeatureKind
    windows: int = Field(default=0, ge=0)
    at: Literal["window", "target"] = "window"
    description: str

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.kind in ("mean", "stddev", "observed") and not self.windows:
            raise ValueError(f"feature {self.name}: {self.kind} is over one window or more")
        return self


class Profile(SpecModel):
    """Historical profile: usual speed ratio by time of week."""

    bucket_minutes: int = Field(gt=0, le=1440)
    smoothing_rows: float = Field(ge=0)
    folds: int = Field(ge=2)

    @model_validator(mode="after")
    def _divides_the_day(self) -> Self:
        if 1440 % self.bucket_minutes:
            raise ValueError("bucket_minutes divides a day")
        return self


class Split(SpecModel):
    """Shares of time, in this order."""

    train: float = Field(gt=0)
    calibrate: float = Field(gt=0)
    test: float = Field(gt=0)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if abs(self.train + self.calibrate + self.test - 1) > 1e-9:
            raise ValueError("train, calibrate and test sum to 1")
        return self


class Boosting(SpecModel):
    """Parameters of a histogram gradient boosting estimator."""

    max_iter: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    max_leaf_nodes: int = Field(gt=1)
    min_samples_leaf: int = Field(gt=0)


class Training(SpecModel):
    """How a model is trained."""

    split: Split
    max_rows: int = Field(gt=0)
    min_rows: int = Field(gt=0)
    seed: int
    classifier: Boosting
    regressor: Boosting


class MlSpec(SpecModel):
    """What the model is asked, what it may look at and how it is judged."""

    model_name: Identifier
    horizons_minutes: tuple[int, ...] = Field(min_length=1)
    lead_time: Literal["window_start to target_start"]
    label: Label
    features: tuple[Feature, ...] = Field(min_length=1)
    profile: Profile
    history_windows: int = Field(ge=1)
    training: Training
    outputs: tuple[Output, ...]
    metrics: tuple[Metric, ...]
    baselines: tuple[Baseline, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(names) != len(set(names)):
            raise ValueError("two features share a name")
        deep = [f.name for f in self.features if f.windows > self.history_windows]
        if deep:
            raise ValueError(f"features look back further than history_windows: {deep}")
        return self
