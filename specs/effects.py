"""What an edit of a place of the specs means: the kinds of places, as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

from specs.difference import Edit


class Meaning(IntEnum):
    """How far an edit reaches."""

    COMPATIBLE = 0
    RECOMPUTE = 1
    BREAKING = 2

    @property
    def words(self) -> str:
        """For a person."""
        return ("compatible", "needs recompute", "breaking")[self]


STEPS = {
    "topics": "traffic topic create",
    "segments": "traffic segment load SOURCE, then restart lander and stream",
    "restart": "restart lander, stream and servers: they read the specs at their start",
    "replay": "traffic dlq replay: what the rule refused may land now",
    "silver": "traffic silver recompute --from FIRST --to LAST",
    "model": "traffic model train, then traffic model promote",
    "gold": "traffic gold recompute --from FIRST --to LAST",
    "views": "traffic up --with trino: defines the views anew",
}
"""What a person runs, in this order."""


@dataclass(frozen=True)
class Effect:
    """What every edit of a kind of place means."""

    meaning: Meaning
    why: str
    steps: tuple[str, ...] = ()


C, R, B = Meaning.COMPATIBLE, Meaning.RECOMPUTE, Meaning.BREAKING
WORDS = Effect(C, "words only")
SUMS = Effect(
    R, "windows of silver say something else, and with them scores",
    ("restart", "silver", "model", "gold"),
)  # fmt: skip
FLAGS = Effect(R, "rows of silver are named otherwise", ("restart", "silver"))
MODEL = Effect(R, "the model learns and looks at something else", ("model", "restart", "gold"))
RUN = Effect(C, "how it is run; no row changes", ("restart",))

EFFECTS: tuple[tuple[str, Effect], ...] = (
    ("*description", WORDS),
    ("*:*.reason", WORDS),
    ("*:*.help", WORDS),
    ("*:*.summary", WORDS),
    ("sources/*:attribution", WORDS),
    ("transforms.yaml:*.source", WORDS),
    ("schemas/views/*:source", WORDS),
    ("transforms.yaml:watermark_seconds", Effect(
        C, "how late a reading may be for the stream; later ones are reconciled", ("restart",))),
    ("transforms.yaml:network_kpis*", Effect(
        R, "network KPIs say something else", ("restart", "gold"))),
    ("transforms.yaml:congestion_levels*", FLAGS),
    ("transforms.yaml:detector_health*", FLAGS),
    ("transforms.yaml:anomaly_rules*", FLAGS),
    ("transforms.yaml:*", SUMS),
    ("ml.yaml:label*", Effect(
        R, "another thing is called congested", ("restart", "silver", "model", "gold"))),
    ("ml.yaml:protocol*", Effect(C, "how models are judged; no score changes")),
    ("ml.yaml:promotion*", Effect(C, "when a model is promoted; no score changes")),
    ("ml.yaml:rollback*", Effect(C, "when a model is rolled back; no score changes", ("restart",))),
    ("ml.yaml:drift*", Effect(C, "when features count as drifted", ("restart",))),
    ("ml.yaml:metrics*", Effect(C, "what is told of a model; no score changes")),
    ("ml.yaml:baselines*", Effect(C, "what a model is held against; no score changes")),
    ("ml.yaml:*", MODEL),
    ("ops.yaml:*", RUN),
    ("system.yaml:slas*", Effect(
        C, "a promise changes: alerts and dashboards follow", ("restart",))),
    ("system.yaml:*", Effect(C, "what is said of the whole")),
    ("access.yaml:*", Effect(C, "who reads what through SQL", ("views",))),
    ("schemas/views/*", Effect(C, "answers change at once; nothing of it is stored", ("views",))),
    ("sources/*:readings*", Effect(
        R, "its files are read otherwise; what has landed stays as it was read: produce it again",
        ("restart", "silver", "gold"))),
    ("sources/*:segments*", Effect(
        R, "its road segments are read otherwise", ("segments", "silver", "model", "gold"))),
    ("sources/*:valid_from", RUN),
    ("sources/*:*", Effect(
        R, "its road segments say something else", ("segments", "silver", "model", "gold"))),
    ("schemas/tables/*:settled_by", Effect(
        B, "files of the table lie in other folders: make it anew")),
    ("schemas/tables/*:ordered_by", Effect(C, "files are ordered so when they are next compacted")),
    ("schemas/tables/*:context*", RUN),
    ("schemas/topics/*:producers", RUN),
    ("schemas/topics/*:consumers", WORDS),
)  # fmt: skip
"""By ``file:path``, the first that matches; fnmatch patterns."""


def _smaller(edit: Edit) -> bool:
    return isinstance(edit.new, int | float) and isinstance(edit.old, int | float) \
        and edit.new < edit.old  # fmt: skip


def _lost(edit: Edit) -> list[Any]:
    """Items of a list that are there no more."""
    if isinstance(edit.old, list) and isinstance(edit.new, list):
        return [item for item in edit.old if item not in edit.new]
    return []


def _place(edit: Edit) -> str:
    return f"{edit.file}:{edit.path}"


def _is(edit: Edit, *patterns: str) -> bool:
    return any(fnmatchcase(_place(edit), pattern) for pattern in patterns)


def _is_weaker_promise(edit: Edit) -> bool:
    if not _is(edit, "system.yaml:slas*"):
        return False
    larger = isinstance(edit.new, int | float) and not _smaller(edit)
    return edit.is_removed or (edit.path.endswith(".at_least") and _smaller(edit)) or (
        edit.path.endswith(".at_most") and larger)  # fmt: skip


def _is_metric_gone(edit: Edit) -> bool:
    if not edit.path.startswith("metrics["):
        return False
    return edit.is_removed or edit.path.endswith((".labels", ".type"))


def _is_view_narrower(edit: Edit) -> bool:
    if edit.is_added or not edit.file.startswith("schemas/views/"):
        return False
    column = edit.path.startswith("columns") and (
        edit.is_removed or edit.path.endswith((".type", ".unit")))  # fmt: skip
    return column or (not edit.path and edit.is_removed)


LIMITS = ("*:max_value_bytes", "*:limits.max_value_bytes")
BOUNDS = ("ops.yaml:limits.max_json_depth", "ops.yaml:limits.max_headers")

SPECIAL: tuple[tuple[Callable[[Edit], bool], Effect], ...] = (
    (
        lambda edit: _is(edit, "ops.yaml:retention*") and (edit.is_removed or _smaller(edit)),
        Effect(B, "rows that readers have will be gone with the next `traffic maintain`"),
    ),
    (
        lambda edit: _is(edit, *LIMITS) and _smaller(edit),
        Effect(B, "values that landed are refused", ("topics", "restart")),
    ),
    (
        lambda edit: _is(edit, *LIMITS),
        Effect(C, "larger values land", ("topics", "restart", "replay")),
    ),
    (
        lambda edit: _is(edit, *BOUNDS) and _smaller(edit),
        Effect(B, "records that landed are refused", ("restart",)),
    ),
    (
        lambda edit: _is(edit, *BOUNDS),
        Effect(C, "records that were refused land", ("restart", "replay")),
    ),
    (_is_metric_gone, Effect(B, "whoever asks Prometheus for it gets no answer", ("restart",))),
    (_is_weaker_promise, Effect(B, "less is promised than readers rely on", ("restart",))),
    (
        lambda edit: _is(edit, "ml.yaml:horizons_minutes") and bool(_lost(edit)),
        Effect(B, "nobody forecasts a horizon any more that readers ask for", MODEL.steps),
    ),
    (
        lambda edit: _is(edit, "access.yaml:*") and (edit.is_removed or bool(_lost(edit))),
        Effect(B, "somebody may no longer read what they read", ("views",)),
    ),
    (
        _is_view_narrower,
        Effect(B, "whoever asks for it gets no answer, or another one", ("views",)),
    ),
    (
        lambda edit: _is(edit, "sources/*:") and edit.is_removed,
        Effect(B, "its readings are dead letters from now on", ("restart",)),
    ),
    (lambda edit: _is(edit, "sources/*:"), Effect(C, "a new city", ("segments",))),
    (
        lambda edit: _is(edit, "schemas/t*:") and edit.is_added,
        Effect(C, "new; nobody reads it yet", ("topics", "restart")),
    ),
)  # fmt: skip
"""What the kind of place does not say by itself, the first that holds."""


def effect_of(edit: Edit) -> Effect:
    """What one edit means.

    Raises:
        LookupError: no kind of place fits; `EFFECTS` has to say what it means.
    """
    for holds, effect in SPECIAL:
        if holds(edit):
            return effect
    for pattern, effect in EFFECTS:
        if _is(edit, pattern):
            return effect
    raise LookupError(f"nobody says what an edit of {_place(edit)} means")
