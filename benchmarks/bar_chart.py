"""A bar chart as SVG text, the same for the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, ROW, HEAD, RIGHT = 720, 190, 30, 44, 90
"""Pixels: of the whole, of the names, of a row, of the title, of the figures."""


@dataclass(frozen=True)
class Bar:
    """One figure with the extremes of its repetitions."""

    name: str
    value: float
    lowest: float
    highest: float
    is_ours: bool = False


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars from zero; a thin line spans the repetitions.

    Args:
        title: with the unit.
        bars: at least one, the highest extreme above zero.
    """
    scale = (WIDTH - LABEL - RIGHT) / max(bar.highest for bar in bars)
    height = HEAD + ROW * len(bars) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="sans-serif" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" fill="#222222">{escape(title)}</text>',
    ]
    for row, bar in enumerate(bars):
        top, colour = HEAD + ROW * row, "#1f6feb" if bar.is_ours else "#9aa5b1"
        middle = top + ROW / 2 - 3
        ends = LABEL + bar.lowest * scale, LABEL + bar.highest * scale
        parts += [
            f'<text x="{LABEL - 10}" y="{middle + 4:.0f}" text-anchor="end" fill="#222222">'
            f"{escape(bar.name)}</text>",
            f'<rect x="{LABEL}" y="{top}" width="{bar.value * scale:.1f}" height="{ROW - 8}"'
            f' fill="{colour}"/>',
            f'<path d="M{ends[0]:.1f} {middle:.0f}H{ends[1]:.1f}" stroke="#222222"/>',
            f'<text x="{ends[1] + 8:.1f}" y="{middle + 4:.0f}" fill="#222222">'
            f"{bar.value:,.0f}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])
