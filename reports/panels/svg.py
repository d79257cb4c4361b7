"""Small charts as SVG text. Their colors come from the page's style sheet, which has a light and a dark theme."""

from collections.abc import Mapping
from html import escape

import numpy as np

from parity.goldens.arrays import Array

# Size of a chart and the margins of its plot, in units of the viewBox (CSS pixels at full size).
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 200, 42, 24, 16
LEGEND_STEP = 105  # from one entry of the legend to the next
HERTZ_TICKS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


def curves(series: Mapping[str, tuple[Array, Array]], across: str, up: str, low: float, high: float) -> str:
    """A chart of curves over a logarithmic x axis.

    Args:
        series: x and y of each curve, each float (N,) with x > 0, by its name, which is also its CSS class.
        across: unit of x.
        up: unit of y.
        low: y at the lower edge.
        high: y at the upper edge.
    Returns:
        An SVG element.
    """
    all_x = np.concatenate([x for x, _ in series.values()])
    first, last = float(np.log(all_x.min())), float(np.log(all_x.max()))

    def place(x: Array, y: Array) -> Array:
        across_share = (np.log(x) - first) / (last - first or 1.0)
        up_share = (y - low) / (high - low or 1.0)
        return np.stack(
            [LEFT + across_share * (WIDTH - LEFT - 4), HEIGHT - BOTTOM - up_share * (HEIGHT - BOTTOM - TOP)], 1
        )

    elements = [_grid_line(level, place(all_x[:1], np.array([level]))[0, 1]) for level in _round_levels(low, high)]
    for hertz in HERTZ_TICKS:
        if first <= np.log(hertz) <= last:
            at = place(np.array([hertz]), np.array([low]))[0, 0]
            text = str(hertz) if hertz < 1000 else f"{hertz // 1000}k"
            elements.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>')
    for name, (x, y) in series.items():
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in place(x, y))
        elements.append(f'<polyline class="{escape(name)}" points="{points}"><title>{escape(name)}</title></polyline>')
    legend = "".join(_legend_entry(name, LEFT + 8 + LEGEND_STEP * number) for number, name in enumerate(series))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(up)} over {escape(across)}: {escape(", ".join(series))}">'
        f"{''.join(elements)}{legend}</svg>"
    )


def points(series: Mapping[str, list[tuple[float, float]]], across: str, up: str) -> str:
    """A chart of measured points joined by lines; both axes are linear from 0.

    Args:
        series: pairs (x, y) of each line by its name, which is also its CSS class.
        across: unit of x.
        up: unit of y.
    Returns:
        An SVG element.
    """
    widest = max(x for pairs in series.values() for x, _ in pairs) or 1.0
    highest = max(y for pairs in series.values() for _, y in pairs) * 1.1 or 1.0
    elements = [
        _grid_line(level, HEIGHT - BOTTOM - level / highest * (HEIGHT - BOTTOM - TOP))
        for level in _round_levels(0, highest)
    ]
    for name, pairs in series.items():
        places = [
            (LEFT + x / widest * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - y / highest * (HEIGHT - BOTTOM - TOP))
            for x, y in sorted(pairs)
        ]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        elements.append(f'<polyline class="{escape(name)}" points="{line}"/>')
        elements += [
            f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="3"><title>'
            f"{escape(name)}: {x:g} {escape(across)}, {y:g} {escape(up)}</title></circle>"
            for (a, b), (x, y) in zip(places, sorted(pairs), strict=True)
        ]
    elements.append(f'<text x="{WIDTH - 6}" y="{HEIGHT - 8}" text-anchor="end">{widest:g} {escape(across)}</text>')
    legend = "".join(_legend_entry(name, LEFT + 8 + LEGEND_STEP * number) for number, name in enumerate(series))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(up)} over {escape(across)}">{"".join(elements)}{legend}</svg>'
    )


def _round_levels(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 × 10ⁿ between `low` and `high`, about five of them."""
    rough = (high - low) / 5
    base = 10.0 ** np.floor(np.log10(rough))
    step = next(times * base for times in (1, 2, 5, 10) if times * base >= rough)
    return [float(level) for level in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def _grid_line(level: float, y: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 4}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>'
    )


def _legend_entry(name: str, x: float) -> str:
    line = f'<line class="{escape(name)}" x1="{x}" x2="{x + 18}" y1="8" y2="8"/>'
    return f'{line}<text x="{x + 23}" y="12">{escape(name)}</text>'
