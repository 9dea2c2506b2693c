"""Which process each cycle kills, and when: decided by the seed alone, so that a run can resume."""

import random
from dataclasses import dataclass
from typing import Literal

from lakehouse.failpoints import POINTS

Kind = Literal["lander", "driver", "correction", "maintenance", "broker", "stream"]

LANDED = ("bronze.traffic_event", "bronze.dead_letter")
STREAMED = ("silver.segment_metric", "gold.congestion_scores", "gold.network_kpi")
UPKEEP = ("compact", "checkpoint", "clean_log", "vacuum")
BRONZE, DEAD = LANDED
SCORES = STREAMED[1]

RANDOM_SHARE = 0.2
"""Of the cycles that kill at a random moment instead of a failpoint."""

SLOW_EVERY = 12
"""Every so many cycles the broker is killed, and every so many the stream with its JVM."""


@dataclass(frozen=True)
class Cycle:
    """One kill.

    Attributes:
        number: from 0.
        kind: the process that is killed. ``driver`` is the stream's driver code on recorded
            micro-batches, ``stream`` the real command with its JVM.
        failpoint: where it is killed, with table and count; None at a random moment.
        moment: of a random kill, 0 to 1 of the time that the work takes.
        seed: decides the readings.
    """

    number: int
    kind: Kind
    failpoint: str | None
    moment: float
    seed: int


def _subjects(kind: Kind, name: str) -> list[str]:
    """Tables on which a process of this kind goes through a failpoint."""
    if kind == "lander":
        if name.startswith("gate."):
            return [BRONZE]
        return list(LANDED) if name.startswith("append.") else []
    if kind == "driver":
        return list(STREAMED) if name.startswith(("merge.", "gate.")) else []
    if kind == "correction" and name.startswith("merge."):
        return [SCORES, f"{SCORES}_history"]
    return []


def kinds(name: str) -> list[Kind]:
    """Processes that go through a failpoint."""
    operation = name.split(".", maxsplit=1)[0]
    by_operation: dict[str, list[Kind]] = {
        "land": ["lander"], "append": ["lander"], "gate": ["lander", "driver"],
        "merge": ["driver", "correction"], "recompute": ["correction"],
        "stream": ["driver"], "model": ["driver"],
        **{name: ["maintenance"] for name in UPKEEP},
    }  # fmt: skip
    return by_operation[operation]


def _due_only_sometimes(name: str) -> bool:
    """These are reached at a checkpoint, which is every fiftieth commit."""
    return name.endswith(("before_checkpoint", "checkpoint_done")) and not name.startswith("check")


def _named(name: str, draw: random.Random) -> tuple[Kind, str]:
    kind = "driver" if _due_only_sometimes(name) and "merge" in name else draw.choice(kinds(name))
    subjects = _subjects(kind, name)
    subject = f"@{draw.choice(subjects)}" if subjects else ""
    if kind == "correction" and name.endswith("data_file_done"):
        subject = f"@{SCORES}"  # the history's first file lies in a new folder, which is unwatched
    if _due_only_sometimes(name) and kind == "lander":
        subject = f"@{BRONZE}"  # dead letters are too few for fifty commits
    once = (
        _due_only_sometimes(name)
        or kind in ("maintenance", "correction")
        or name.startswith(("model.", "stream.taking_up"))
    )
    rare = DEAD in subject or "dead_letters" in name  # a batch may have no dead letter
    count = "" if once or rare else f"#{draw.randint(1, 3)}"
    return kind, f"{name}{subject}{count}"


def _kinds_at_random(draw: random.Random) -> Kind:
    return draw.choice(("lander", "driver", "correction", "maintenance"))


def plan(cycles: int, seed: int, *, with_slow: bool = True) -> list[Cycle]:
    """The first ``cycles`` of the endless series that ``seed`` stands for.

    Every failpoint comes once before any comes twice; random kills and the slow kinds are strewn
    in between.
    """
    draw = random.Random(seed)
    found: list[Cycle] = []
    names: list[str] = []
    while len(found) < cycles:
        number = len(found)
        moment, cycle_seed = draw.random(), draw.randrange(2**31)
        if with_slow and number % SLOW_EVERY == SLOW_EVERY - 1:
            kind: Kind = "stream" if (number // SLOW_EVERY) % 2 else "broker"
            found.append(Cycle(number, kind, None, moment, cycle_seed))
            continue
        if draw.random() < RANDOM_SHARE:
            found.append(Cycle(number, _kinds_at_random(draw), None, moment, cycle_seed))
            continue
        if not names:
            names = draw.sample(sorted(POINTS), len(POINTS))
        kind, failpoint = _named(names.pop(), draw)
        found.append(Cycle(number, kind, failpoint, moment, cycle_seed))
    return found
