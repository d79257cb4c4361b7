"""Small charts as SVG text that takes its colours from the page, so that they are light, dark and printable."""

from collections.abc import Mapping
from html import escape

import numpy as np

from parity.goldens.arrays import Array

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 200, 42, 24, 16
ROUND = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


def curves(found: Mapping[str, tuple[Array, Array]], across: str, up: str, low: float, high: float) -> str:
    """Curves (x > 0, y) by class name over a logarithmic x axis; y runs from `low` to `high`."""
    all_x = np.concatenate([x for x, _ in found.values()])
    first, last = float(np.log(all_x.min())), float(np.log(all_x.max()))

    def place(x: Array, y: Array) -> Array:
        across_share = (np.log(x) - first) / (last - first or 1.0)
        up_share = (y - low) / (high - low or 1.0)
        return np.stack(
            [LEFT + across_share * (WIDTH - LEFT - 4), HEIGHT - BOTTOM - up_share * (HEIGHT - BOTTOM - TOP)], 1
        )

    parts = [_level(level, place(all_x[:1], np.array([level]))[0, 1]) for level in _round_levels(low, high)]
    for hertz in ROUND:
        if first <= np.log(hertz) <= last:
            at = place(np.array([hertz]), np.array([low]))[0, 0]
            text = str(hertz) if hertz < 1000 else f"{hertz // 1000}k"
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>')
    for name, (x, y) in found.items():
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in place(x, y))
        parts.append(f'<polyline class="{escape(name)}" points="{points}"><title>{escape(name)}</title></polyline>')
    legend = "".join(_key(name, LEFT + 8 + 105 * number) for number, name in enumerate(found))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(up)} over {escape(across)}: {escape(", ".join(found))}">{"".join(parts)}{legend}</svg>'
    )


def points(found: Mapping[str, list[tuple[float, float]]], across: str, up: str) -> str:
    """Measured points by class name joined by lines, both axes linear from 0."""
    widest = max(x for pairs in found.values() for x, _ in pairs) or 1.0
    highest = max(y for pairs in found.values() for _, y in pairs) * 1.1 or 1.0
    parts = [
        _level(level, HEIGHT - BOTTOM - level / highest * (HEIGHT - BOTTOM - TOP))
        for level in _round_levels(0, highest)
    ]
    for name, pairs in found.items():
        places = [
            (LEFT + x / widest * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - y / highest * (HEIGHT - BOTTOM - TOP))
            for x, y in sorted(pairs)
        ]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline class="{escape(name)}" points="{line}"/>')
        parts += [
            f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="3"><title>'
            f"{escape(name)}: {x:g} {escape(across)}, {y:g} {escape(up)}</title></circle>"
            for (a, b), (x, y) in zip(places, sorted(pairs), strict=True)
        ]
    parts.append(f'<text x="{WIDTH - 6}" y="{HEIGHT - 8}" text-anchor="end">{widest:g} {escape(across)}</text>')
    legend = "".join(_key(name, LEFT + 8 + 105 * number) for number, name in enumerate(found))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(up)} over {escape(across)}">{"".join(parts)}{legend}</svg>'
    )


def _round_levels(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    base = 10.0 ** np.floor(np.log10(rough))
    step = next(times * base for times in (1, 2, 5, 10) if times * base >= rough)
    return [float(level) for level in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def _level(level: float, y: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 4}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>'
    )


def _key(name: str, x: float) -> str:
    line = f'<line class="{escape(name)}" x1="{x}" x2="{x + 18}" y1="8" y2="8"/>'
    return f'{line}<text x="{x + 23}" y="12">{escape(name)}</text>'
