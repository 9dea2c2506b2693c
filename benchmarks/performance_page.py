"""docs/performance.md from the kept results; nothing in its figures is written by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.aims import (
    AIMS,
    BACKFILL,
    FRESHNESS,
    GROWTH,
    PEERS,
    QUERY,
    RAMP,
    TRINO,
    Aim,
    Kept,
)
from benchmarks.bar_chart import Bar, bar_chart

LANDING_CHART, RAMP_CHART = "performance-landing.svg", "performance-ramp.svg"
NAMES = {
    "lander": "lander", "two_landers": "two landers", "bare_consumer": "bare consumer",
    "bare_loop": "bare loop", "spark": "Spark, same commits",
    "spark_large_batches": "Spark, commits ten times larger", "peer_command": "other program",
}  # fmt: skip


CONTENDERS = {"pipeline": "this pipeline", "medallion": "naive Spark medallion"}
SHOWN_CORES = 0.05


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
        return f"| {aim.what} | {bound} | not measured | | {aim.absent} |"
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
        f" | {_number(point['rss_bytes']['stream'] / 1e6)}"
        f" | {', '.join(_number(hop['p50_seconds']) for hop in point['hops'].values())} |"
        for point in kept["result"]["points"]
    ]
    return [
        "## Growth", "", *_made(kept), "",
        "| grows | readings/s | segments | days of history | landers | p50 s | p95 s"
        " | p95 to the base | events per CPU-second | lander MB | stream MB"
        " | p50 to bronze, on to silver, on to gold, s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|", *rows, "",
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
