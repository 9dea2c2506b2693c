"""What the kept results have to show, and what limits them where they do not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Kept = Mapping[str, Any]
"""A kept result, see `benchmarks.kept`; the readers below are given what the bench printed."""

PEERS, BACKFILL, RAMP, GROWTH, FRESHNESS, TRINO, QUERY = (
    "landing-peers", "backfill", "ramp", "growth", "freshness", "freshness-trino", "query",
)  # fmt: skip


@dataclass(frozen=True)
class Aim:
    """What a kept result has to show.

    Attributes:
        what: in words.
        bound: of the figure: the least, or with ``is_most`` the most.
        kept: name of the result.
        figure: reads it.
        limit: what limits it, where it is missed.
        absent: why there is no figure, where there is none.
    """

    what: str
    bound: float
    kept: str
    figure: Callable[[Kept], float | None]
    limit: str
    is_most: bool = False
    absent: str = ""

    def is_met(self, value: float) -> bool:
        """The figure keeps the bound."""
        return value <= self.bound if self.is_most else value >= self.bound


def _ratio(peer: str, per: str) -> Callable[[Kept], float | None]:
    def read(result: Kept) -> float | None:
        found = result["lander_to"].get(peer)
        return None if found is None else float(found[per]["median"])

    return read


def _rate(result: Kept) -> float:
    return float(result["entrants"]["lander"]["events_per_second"]["median"])


def _by_two(result: Kept) -> float:
    return 1 / float(result["lander_to"]["two_landers"]["per_second"]["median"])


def _optional(name: str) -> Callable[[Kept], float | None]:
    return lambda result: None if result.get(name) is None else float(result[name])


def _overhead(result: Kept) -> float:
    return float(result["gate_cpu_ratio"] + result["metrics_cpu_ratio"])


def _memory(process: str) -> Callable[[Kept], float | None]:
    return lambda result: float(result["rss_bytes"][process]) / 1e6


def _grown(axis: str) -> Callable[[Kept], float | None]:
    def read(result: Kept) -> float | None:
        ratios = [point["p95_to_base"] for point in result["points"] if point["axis"] == axis]
        return max((one for one in ratios if one is not None), default=None)

    return read


SPARK = "Spark's micro-batch: its plan, its offset logs and one shuffle, on two shared cores"
NOT_GROWN = "no kept result of `traffic bench growth` goes so far"
AIMS = (
    Aim("landing, one process, events/s", 200_000, PEERS, _rate,
        "one thread of Python reads and judges: a struct and ten columns a record"),
    Aim("landing against the bare loop, per second", 0.6, PEERS, _ratio("bare_loop", "per_second"),
        "a struct a record, so that one bad record costs only itself"),
    Aim("landing against plain Spark with the same commits, per CPU-second", 4, PEERS,
        _ratio("spark", "per_cpu_second"), "a struct and ten columns a record"),
    Aim("landing against kafka-delta-ingest, per CPU-second", 1.2, PEERS,
        _ratio("peer_command", "per_cpu_second"), "a struct and ten columns a record",
        absent="not on crates.io: build it from its repository, give it as `--peer-command`"),
    Aim("two landers against one", 1.7, PEERS, _by_two,
        "broker and landers share the CPUs, and the rebalance is within the time"),
    Aim("sustained through the whole pipeline, lag flat, events/s", 40_000, RAMP,
        _optional("sustained_events_per_second"), SPARK),
    Aim("the same against the naive medallion", 4, RAMP, _optional("sustained_to_medallion"),
        SPARK, absent="the medallion kept up at no rate that was asked"),
    Aim("freshness at 20,000 events/s, p95 s", 3, RAMP, _optional("p95_seconds_at_20000"), SPARK,
        is_most=True),
    Aim("freshness at 2,000 events/s, p50 s", 0.9, FRESHNESS, _optional("p50_seconds"), SPARK,
        is_most=True),
    Aim("the same, p95 s", 1.5, FRESHNESS, _optional("p95_seconds"), SPARK, is_most=True),
    Aim("the same, p99 s", 2.5, FRESHNESS, _optional("p99_seconds"), SPARK, is_most=True),
    Aim("freshness at 2,000 events/s, as a row that Trino returns, p95 s", 2.5, TRINO,
        _optional("trino_p95_seconds"), "what Trino takes is missing to the stream", is_most=True),
    Aim("five queries of the SQL guide on 10 million rows, slowest p95 s", 1, QUERY,
        _optional("slowest_p95_seconds"), "groups of a text over millions of rows", is_most=True),
    Aim("backfill bronze to gold, events/s", 200_000, BACKFILL,
        lambda result: float(result["events_per_second"]), "see its parts below"),
    Aim("freshness with 90 days of history against one, p95", 1.3, GROWTH, _grown("days"),
        "see Growth below", is_most=True, absent=NOT_GROWN),
    Aim("freshness with 40,000 segments against 500, p95", 1.3, GROWTH, _grown("segments"),
        "a merge writes every window anew that is still open, of every segment", is_most=True,
        absent=NOT_GROWN),
    Aim("gates and metrics, share of the CPU", 0.1, FRESHNESS, _overhead,
        "Great Expectations is asked once a batch and layer", is_most=True),
    Aim("lander's memory at 2,000 events/s, MB", 600, FRESHNESS, _memory("lander"),
        "PyArrow and one batch", is_most=True),
    Aim("lander's memory while it empties a topic, MB", 600, PEERS,
        lambda result: float(result["entrants"]["lander"]["rss_bytes"]) / 1e6,
        "two batches of 40,000 records as Python's objects, and what is fetched ahead",
        is_most=True),
    Aim("driver's memory, MB", 2500, FRESHNESS, _memory("stream"), "the JVM's heap and Python",
        is_most=True),
)  # fmt: skip
