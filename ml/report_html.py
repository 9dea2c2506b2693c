"""An evaluation as one HTML page that opens without a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ml.report_data import Cost

WIDTH, HEIGHT, MARGIN = 320, 240, 36
WORST_ROADS = 15
COLOURS = {"model": "#0b6e99", "persistence": "#b3541e", "historical_average": "#6b7280"}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;
color:#1f2933}
table{border-collapse:collapse;margin:.6rem 0 1.4rem}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #e3e7eb}
td:first-child,th:first-child,td.words{text-align:left}
small{color:#667}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-size:.85rem}svg{background:#f8fafb}
.axis{stroke:#9aa5b1}.even{stroke:#9aa5b1;stroke-dasharray:4}text{font-size:10px;fill:#52606d}
"""

Point = tuple[float, float]


def page(evaluation: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Lay out what `ml.report_data.plain` gives.

    Args:
        evaluation: the figures.
        names: road name by segment id, where one is known.
    """
    title = f"Congestion forecasts of {evaluation['source']}"
    protocol = ", ".join(f"{name} {value}" for name, value in evaluation["protocol"].items())
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(evaluation['model'])}; targets from {evaluation['from']} to "
        f"{evaluation['to']}; {Cost(**evaluation['cost'])}. Small figures: the interval of a "
        "bootstrap over whole days.</p>",
        f"<p><small>{escape(protocol)}</small></p>",
    ]
    for horizon, figures in evaluation["horizons"].items():
        parts += _horizon(horizon, figures, names)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _horizon(horizon: str, figures: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    hours = {part["key"]: part for part in figures["by_hour"]}
    colour = COLOURS["model"]
    return [
        f"<h2>{horizon} minutes ahead</h2>",
        f"<p>{figures['row_count']:,} rows, {figures['congested_ratio']:.1%} congested; "
        f"{figures['onset_count']:,} of them not congested yet.</p>",
        "<h3>All rows</h3>", _estimates(figures["overall"]),
        "<h3>Onsets: rows where traffic still flows</h3>", _estimates(figures["onset"]),
        _plot("Reliability: share congested over forecast probability", (0, 1), (0, 1),
              [(colour, [(p["forecast"], p["observed"]) for p in figures["reliability"]])],
              even=True),
        _plot("Precision over recall; onsets dashed", (0, 1), (0, 1),
              [(colour, _curve(figures["precision_recall"])),
               (f"{colour};stroke-dasharray:3", _curve(figures["precision_recall_onset"]))]),
        _by_hour(hours),
        "<h3>How much of the hour before was observed</h3>", _slices(figures["by_sparsity"], {}),
        "<h3>Worst segments, by Brier score</h3>",
        _slices(sorted(figures["by_road"], key=_brier, reverse=True)[:WORST_ROADS], names),
    ]  # fmt: skip


def _brier(part: Mapping[str, Any]) -> float:
    return float(part["figures"]["model"]["brier"] or 0.0)


def _curve(points: Iterable[Mapping[str, float]]) -> list[Point]:
    return [(point["recall"], point["precision"]) for point in points]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def _estimates(estimates: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    metrics = list(next(iter(estimates.values())))
    rows = [
        [name.replace("_", " ")]
        + [
            _shown(one["value"])
            + (f" <small>{_shown(one['low'])}…{_shown(one['high'])}</small>" if one["low"] else "")
            for one in (measured[metric] for metric in metrics)
        ]
        for name, measured in estimates.items()
    ]
    return _table(["", *(metric.replace("_", " ") for metric in metrics)], rows)


def _slices(parts: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    forecasters = list(COLOURS)
    head = ["", "rows", "congested"]
    head += [f"{metric}, {who}" for metric in ("Brier", "MAE km/h") for who in forecasters]
    rows = []
    for part in parts:
        row = [escape(names.get(part["key"], part["key"])), f"{part['row_count']:,}"]
        row.append(f"{part['congested_ratio']:.1%}")
        for metric in ("brier", "mae_kmh"):
            row += [_shown(part["figures"][who][metric]) for who in forecasters]
        rows.append(row)
    return _table([name.replace("_", " ") for name in head], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )  # fmt: skip
    return f"<table><tr>{cells}</tr>{body}</table>"


def _by_hour(hours: Mapping[str, Mapping[str, Any]]) -> str:
    def line(who: str, metric: str) -> list[Point]:
        return [
            (int(key[:2]), part["figures"][who][metric])
            for key, part in hours.items()
            if part["figures"][who][metric] is not None
        ]

    plots = []
    for metric, words in (("mae_kmh", "Mean absolute error, km/h"), ("brier", "Brier score")):
        lines = [(COLOURS[who], line(who, metric)) for who in COLOURS]
        top = max((y for _, points in lines for _, y in points), default=1.0) or 1.0
        plots.append(_plot(f"{words}, by local hour of the target", (0, 23), (0, top), lines))
    legend = ", ".join(
        f'<span style="color:{colour}">{who.replace("_", " ")}</span>'
        for who, colour in COLOURS.items()
    )
    return f"{''.join(plots)}<p><small>{legend}</small></p>"


def _plot(
    words: str, across: Point, up: Point, lines: Sequence[tuple[str, Sequence[Point]]],
    *, even: bool = False,
) -> str:  # fmt: skip
    """An SVG of lines; with ``even`` also the diagonal of a forecast that keeps its word."""
    x, y = _scale(across, MARGIN, WIDTH - 8), _scale(up, HEIGHT - MARGIN, 8)
    bottom, left = HEIGHT - MARGIN, MARGIN
    drawn = [
        f'<path class="axis" fill="none" d="M{left} 8V{bottom}H{WIDTH - 8}"/>',
        f'<text x="{left}" y="{bottom + 14}">{across[0]:g}</text>',
        f'<text x="{WIDTH - 24}" y="{bottom + 14}">{across[1]:g}</text>',
        f'<text x="4" y="{bottom}">{up[0]:g}</text><text x="4" y="16">{up[1]:.3g}</text>',
    ]
    if even:
        drawn.append(f'<path class="even" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>')
    for style, points in lines:
        at = " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in points)
        drawn.append(
            f'<polyline fill="none" stroke-width="2" style="stroke:{style}" points="{at}"/>'
        )
    return (
        f'<figure><svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join(drawn)}</svg><figcaption>{escape(words)}</figcaption></figure>"
    )


def _scale(values: Point, start: float, stop: float) -> Callable[[float], float]:
    def at(value: float) -> float:
        return start + (value - values[0]) / ((values[1] - values[0]) or 1.0) * (stop - start)

    return at
