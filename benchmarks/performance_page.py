"""docs/performance.md from the kept results; nothing in its figures is written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bar_chart import Bar, bar_chart

Kept = Mapping[str, Any]
PEERS, BACKFILL, RAMP, GROWTH, FRESHNESS, TRINO, QUERY = (
    "landing-peers", "backfill", "ramp", "growth", "freshness", "freshness-trino", "query",
)  # fmt: skip
LANDING_CHART, RAMP_CHART = "performance-landing.svg", "performance-ramp.svg"
NAMES = {
    "lander": "lander", "two_landers": "two landers", "bare_consumer": "bare consumer",
    "bare_loop": "bare loop", "spark": "Spark, same commits",
    "spark_large_batches": "Spark, commits ten times larger", "peer_command": "other program",
}  # fmt: skip


CONTENDERS = {"pipeline": "this pipeline", "medallion": "naive Spark medallion"}
SHOWN_CORES = 0.05


@dataclass(frozen=True)
class Aim:
    """What a kept result has to show.

    Attributes:
        what: in words.
        bound: of the figure: the least, or with ``is_most`` the most.
        kept: name of the result.
        figure: reads it.
        limit: what limits it, where it is missed.
    """

    what: str
    bound: float
    kept: str
    figure: Callable[[Kept], float | None]
    limit: str
    is_most: bool = False

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


def _grown(*axes: str) -> Callable[[Kept], float | None]:
    def read(result: Kept) -> float | None:
        ratios = [point["p95_to_base"] for point in result["points"] if point["axis"] in axes]
        return max((one for one in ratios if one is not None), default=None)

    return read


SPARK = "Spark's micro-batch: its plan, its offset logs and one shuffle, on two shared cores"
AIMS = (
    Aim("landing, one process, events/s", 200_000, PEERS, _rate,
        "one thread of Python reads and judges: a struct and ten columns a record"),
    Aim("landing against the bare loop, per second", 0.6, PEERS, _ratio("bare_loop", "per_second"),
        "a struct a record, so that one bad record costs only itself"),
    Aim("landing against plain Spark with the same commits, per CPU-second", 4, PEERS,
        _ratio("spark", "per_cpu_second"), "a struct and ten columns a record"),
    Aim("landing against kafka-delta-ingest, per CPU-second", 1.2, PEERS,
        _ratio("peer_command", "per_cpu_second"), "give it as `--peer-command`"),
    Aim("two landers against one", 1.7, PEERS, _by_two,
        "broker and landers share the CPUs, and the rebalance is within the time"),
    Aim("sustained through the whole pipeline, lag flat, events/s", 40_000, RAMP,
        _optional("sustained_events_per_second"), SPARK),
    Aim("the same against the naive medallion", 4, RAMP, _optional("sustained_to_medallion"),
        SPARK),
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
    Aim("freshness with more history or more segments against the base", 1.3, GROWTH,
        _grown("days", "segments"), "see Growth below", is_most=True),
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


def page(kept: Mapping[str, Kept]) -> str:
    """The page as Markdown."""
    lines = [
        "# Performance", "",
        "Made by `traffic bench page` from `benchmarks/results/*.json`. Machines differ, and a"
        " shared one is slower: read the ratios, which are made within a repetition.", "",
        "| goal | bound | measured | met | what limits it |", "|---|---|---|---|---|",
        *(_aim(aim, kept) for aim in AIMS), "",
    ]  # fmt: skip
    for name, part in PARTS.items():
        if name in kept:
            lines += part(kept[name])
    return "\n".join(lines)


def ramp_chart(kept: Kept) -> str:
    """The highest rate that each contender kept up with, as SVG."""
    bars = []
    for name, found in kept["result"]["contenders"].items():
        rate = found["sustained_events_per_second"]
        bars.append(Bar(CONTENDERS[name], rate, rate, rate, name == "pipeline"))
    return bar_chart("Events/s through the whole, lag flat", bars)


def landing_chart(kept: Kept) -> str:
    """Events per CPU-second of everyone who landed, as SVG."""
    bars = [
        Bar(NAMES[name], one["median"], one["lowest"], one["highest"], "lander" in name)
        for name, one in (
            (name, found["events_per_cpu_second"])
            for name, found in kept["result"]["entrants"].items()
        )
    ]
    return bar_chart("Events landed per CPU-second (median; line: lowest to highest)", bars)


def write(kept: Mapping[str, Kept], docs: Path) -> list[Path]:
    """Write the page and its chart to ``docs``; returns the files."""
    texts = {"performance.md": page(kept)}
    if PEERS in kept:
        texts[LANDING_CHART] = landing_chart(kept[PEERS])
    if RAMP in kept:
        texts[RAMP_CHART] = ramp_chart(kept[RAMP])
    for name, text in texts.items():
        (docs / name).write_text(text)
    return [docs / name for name in texts]


def _aim(aim: Aim, kept: Mapping[str, Kept]) -> str:
    found = aim.figure(kept[aim.kept]["result"]) if aim.kept in kept else None
    bound = f"{'≤' if aim.is_most else '≥'} {_number(aim.bound)}"
    if found is None:
        return f"| {aim.what} | {bound} | not measured | | |"
    met = aim.is_met(found)
    limit = "" if met else aim.limit
    verdict = "yes" if met else "no"
    return f"| {aim.what} | {bound} | {_number(found)} | {verdict} | {limit} |"


def _landing(kept: Kept) -> list[str]:
    result = kept["result"]
    rows = []
    for name, one in result["entrants"].items():
        ratio = result["lander_to"].get(name)
        shown = ("", "") if ratio is None else tuple(
            _spread(ratio[per]) for per in ("per_second", "per_cpu_second")
        )  # fmt: skip
        rows.append(
            f"| {NAMES[name]} | {_spread(one['events_per_second'])}"
            f" | {_spread(one['events_per_cpu_second'])} | {shown[0]} | {shown[1]}"
            f" | {one['rss_bytes'] / 1e6:,.0f} MB | {_spread(one['kafka_cpu_seconds'])} |"
        )
    return [
        "## Landing beside others", "", *_made(kept), "",
        f"![Events per CPU-second]({LANDING_CHART})", "",
        f"{result['records']:,} sound records, {len(result['entrants']['lander']['runs'])}"
        " repetitions after one to warm up; median (lowest to highest). The audit of each run"
        " held: every record is in its table once.", "",
        "| who | events/s | events per CPU-second | lander to it, per second"
        " | per CPU-second | memory | broker's CPU-seconds |",
        "|---|---|---|---|---|---|---|", *rows, "",
    ]  # fmt: skip


def _ramp(kept: Kept) -> list[str]:
    result, rows = kept["result"], []
    for name, found in result["contenders"].items():
        for step in found["steps"]:
            fresh = " | ".join(
                _number(step[one]) if one in step else "never"
                for one in ("p50_seconds", "p95_seconds", "p99_seconds")
            )
            cores = ", ".join(
                f"{process} {_number(used)}" for process, used in sorted(step["cores"].items())
                if used >= SHOWN_CORES
            )  # fmt: skip
            rows.append(
                f"| {CONTENDERS[name]} | {_number(step['rate'])}"
                f" | {_number(step['events_per_second'])} | {fresh} | {_number(step['drift'])}"
                f" | {'yes' if step['is_kept_up'] else 'no'} | {cores} |"
            )
    return [
        "## The whole pipeline, ramped", "", *_made(kept), "",
        f"![Events/s through the whole]({RAMP_CHART})", "",
        "Seconds from Kafka's timestamp to the gold commit that counts the reading, of both alike"
        " from gold's own log. The medallion has no rules, no dead letters, no gates, drops no"
        " second delivery, makes no percentiles, and scores by one expression.", "",
        "| who | readings/s asked | sent | p50 s | p95 s | p99 s | gold falls back, s/s | kept up"
        " | cores |", "|---|---|---|---|---|---|---|---|---|", *rows, "",
    ]  # fmt: skip


def _growth(kept: Kept) -> list[str]:
    rows = [
        f"| {point['axis']} | {_number(point['rate'])} | {point['segments']:,}"
        f" | {_number(point['days'])} | {point['landers']} | {_number(point['p50_seconds'])}"
        f" | {_number(point['p95_seconds'])} | {_number(point['p95_to_base'])}"
        f" | {_number(point['events_per_cpu_second'])}"
        f" | {_number(point['rss_bytes']['lander'] / 1e6)}"
        f" | {_number(point['rss_bytes']['stream'] / 1e6)} |"
        for point in kept["result"]["points"]
    ]
    return [
        "## Growth", "", *_made(kept), "",
        "| grows | readings/s | segments | days of history | landers | p50 s | p95 s"
        " | p95 to the base | events per CPU-second | lander MB | stream MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|", *rows, "",
    ]  # fmt: skip


def _backfill(kept: Kept) -> list[str]:
    result = kept["result"]
    parts = result["spread"]
    return [
        "## Backfill", "", *_made(kept), "",
        f"{result['records']:,} readings of bronze made silver and gold anew,"
        f" {len(result['runs'])} repetitions after one to warm up:"
        f" {_spread(parts['events_per_second'])} events/s;"
        f" silver {_spread(parts['silver_seconds'])} s,"
        f" gold {_spread(parts['gold_seconds'])} s; memory {result['rss_bytes'] / 1e6:,.0f} MB.",
        "",
    ]  # fmt: skip


def _freshness(kept: Kept) -> list[str]:
    result = kept["result"]
    rows = [
        f"| {process} | {_number(seconds / result['seconds'])}"
        f" | {_number(result['rss_bytes'][process] / 1e6)} |"
        for process, seconds in sorted(result["cpu_seconds"].items())
    ]
    return [
        "## Freshness", "", *_made(kept), "",
        f"{_number(result['events_per_second'])} readings/s for {_number(result['seconds'])} s;"
        f" from Kafka's timestamp to gold's commit p50 {_number(result['p50_seconds'])},"
        f" p95 {_number(result['p95_seconds'])}, p99 {_number(result['p99_seconds'])} s."
        f" Gates took {result['gate_cpu_ratio']:.1%} and metrics"
        f" {result['metrics_cpu_ratio']:.1%} of lander's and stream's CPU.", "",
        "| process | cores | peak memory, MB |", "|---|---|---|", *rows, "",
    ]  # fmt: skip


def _trino(kept: Kept) -> list[str]:
    result = kept["result"]
    return [
        "## Freshness through Trino", "", *_made(kept), "",
        f"{_number(result['events_per_second'])} readings/s for {_number(result['seconds'])} s, on"
        f" the same CPUs; from Kafka's timestamp to a row that Trino returns"
        f" p50 {_number(result['trino_p50_seconds'])}, p95 {_number(result['trino_p95_seconds'])},"
        f" p99 {_number(result['trino_p99_seconds'])} s by {result['trino_queries']} queries;"
        f" to gold's commit p95 {_number(result['p95_seconds'])} s. Trino took"
        f" {_number(result['cpu_seconds']['trino'] / result['seconds'])} cores.", "",
    ]  # fmt: skip


def _query(kept: Kept) -> list[str]:
    result, prefix = kept["result"], "question_"
    rows = [
        f"| {name.removeprefix(prefix)} | {_number(one['p50_seconds'])}"
        f" | {_number(one['p95_seconds'])} |"
        for name, one in result.items()
        if name.startswith(prefix)
    ]
    return [
        "## Queries", "", *_made(kept), "",
        f"{result['rows']:,} rows of silver.segment_metric, questions of [the SQL guide](sql.md),"
        f" each {result['load']['repetitions']} times, warm.", "",
        "| question | p50 s | p95 s |", "|---|---|---|", *rows, "",
    ]  # fmt: skip


def _made(kept: Kept) -> list[str]:
    machine = kept["machine"]
    return [
        f"`{kept['command']}`, {kept['at']}, {machine['cpus']} CPUs ({machine['cpu_model']}),"
        f" {machine['memory_bytes'] / 1e9:,.0f} GB, Python {machine['python']}."
    ]


def _spread(found: Mapping[str, float]) -> str:
    low, high = _number(found["lowest"]), _number(found["highest"])
    return f"{_number(found['median'])} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


PARTS: Mapping[str, Callable[[Kept], list[str]]] = {
    FRESHNESS: _freshness, TRINO: _trino, QUERY: _query, PEERS: _landing, RAMP: _ramp,
    BACKFILL: _backfill, GROWTH: _growth,
}  # fmt: skip
"""What the page tells of each kept result, in its order."""
