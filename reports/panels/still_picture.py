"""One still picture of a case for readers without scripts: waveforms, spectrograms, F0, heat strip; by matplotlib."""

import base64
import io
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from reports.data import color_scale, timeline
from reports.data.load import Evidence
from reports.panels.players import Sound

ORIGINAL, OURS, DIFFERENCE = "#56789c", "#111827", "#c4490b"


def picture(
    sound: Sound | None,
    evidence: Evidence,
    strips: list[tuple[str, list[tuple[float, float, Array]]]],
    span: tuple[float, float],
) -> str:
    """A PNG as base64, about 1000 pixels wide.

    strips : name and pieces (start, step, ratios) of each row of the heat strip, in the chain
    """
    from matplotlib.figure import Figure

    heights = ([1.0, 1.0, 1.0, 1.4, 1.4, 1.4] if sound else []) + [1.6, 0.24 * len(strips) + 0.2]
    figure = Figure(figsize=(11, sum(heights) + 0.8), dpi=84)
    figure.subplots_adjust(left=0.13, right=0.98, top=0.99, bottom=0.6 / figure.get_figheight(), hspace=0.12)
    axes = list(np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)))
    if sound:
        _waves(axes[:3], sound)
        _spectrograms(axes[3:6], sound)
    _pitch(axes[-2], evidence)
    _strip(axes[-1], strips)
    axes[-1].set_xlim(*span)
    axes[-1].set_xlabel("seconds")
    return base64.b64encode(_png(figure)).decode("ascii")


def _png(figure: Any) -> bytes:
    """The figure with 128 colours: a third of the bytes, no difference to the eye."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    image = Image.fromarray(pixels).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _waves(axes: list[Any], sound: Sound) -> None:
    for axis, (name, samples, colour) in zip(
        axes,
        (
            ("original", sound.original, ORIGINAL),
            ("ours", sound.ours, OURS),
            ("difference", sound.difference, DIFFERENCE),
        ),
        strict=True,
    ):
        columns = min(1000, max(1, len(samples)))
        edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
        if len(samples):
            low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
            axis.fill_between(edges / sound.rate, low, high, color=colour, linewidth=0.4, edgecolor=colour)
        axis.set_ylabel(name, fontsize=8)
        axis.tick_params(labelsize=7)


def _spectrograms(axes: list[Any], sound: Sound) -> None:
    left, times, hertz = _levels(sound.original, sound.rate)
    right, _, _ = _levels(sound.ours, sound.rate)
    top, count = float(left.max()), min(left.shape[1], right.shape[1])
    change = np.maximum(right[:, :count], top - 80) - np.maximum(left[:, :count], top - 80)
    for axis, (name, values, colours, low, high) in zip(
        axes,
        (
            ("original, dB", left, "cividis", top - 90, top),
            ("ours, dB", right, "cividis", top - 90, top),
            ("ours − original, dB", change, "PuOr_r", -12, 12),
        ),
        strict=True,
    ):
        axis.imshow(
            values,
            origin="lower",
            aspect="auto",
            cmap=colours,
            vmin=low,
            vmax=high,
            interpolation="nearest",
            extent=(times[0], times[0] + (times[1] - times[0]) * values.shape[1], 0, hertz / 1000),
        )
        axis.set_ylabel(f"{name}\nkHz", fontsize=7)
        axis.tick_params(labelsize=7)


def _levels(
    samples: Array, rate: int, size: int = 1024, columns: int = 700
) -> tuple[Array, tuple[float, float], float]:
    """Levels in dB (bins, columns), the times of the first two columns, and the highest frequency in Hz."""
    hop = max(size // 4, len(samples) // columns)
    padded = np.pad(samples, size // 2)
    count = max(1, (len(padded) - size) // hop + 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    return 10 * np.log10(power.T + 1e-12), (0.0, hop / rate), rate / 2


def _pitch(axis: Any, evidence: Evidence) -> None:
    ours = evidence.chained or evidence.isolated
    name = next((name for name in ("f0.raw", "f0.hz") if name in evidence.golden and name in ours), None)
    axis.set_ylabel("F0, Hz", fontsize=8)
    axis.tick_params(labelsize=7)
    if name is None:
        axis.text(0.01, 0.5, "no F0", transform=axis.transAxes, fontsize=8)
        return
    for label, values, style in (
        ("original", evidence.golden[name], {"color": ORIGINAL, "linewidth": 3}),
        ("ours", ours[name], {"color": OURS, "linewidth": 1, "linestyle": "--"}),
    ):
        hertz = np.ravel(values).astype("f8")
        time = timeline.start(name, evidence.meta, evidence.golden) + timeline.FRAME * (np.arange(len(hertz)) + 0.5)
        axis.plot(time, np.where(hertz > 0, hertz, np.nan), label=label, **style)
    axis.legend(fontsize=7, loc="upper right")


def _strip(axis: Any, strips: list[tuple[str, list[tuple[float, float, Array]]]]) -> None:
    """Every row as a line of colours, the steps of the page's own scale."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colours = ListedColormap([step["light"] for step in color_scale.steps()])
    limits = [step["below"] for step in color_scale.steps()[:-1]]
    for row, (_, pieces) in enumerate(strips):
        for begin, step, ratios in pieces:
            shown = np.digitize(np.nan_to_num(ratios, nan=np.inf), limits)[None]
            axis.imshow(
                shown,
                aspect="auto",
                cmap=colours,
                vmin=-0.5,
                vmax=len(limits) + 0.5,
                interpolation="nearest",
                extent=(begin, begin + step * len(ratios), row + 0.45, row - 0.45),
            )
    axis.set_ylim(max(1, len(strips)) - 0.5, -0.5)
    axis.set_yticks(range(len(strips)), [name for name, _ in strips], fontsize=7)
    axis.tick_params(labelsize=7)
    patches = [Patch(facecolor=step["light"], edgecolor="#999999", label=step["word"]) for step in color_scale.steps()]
    axis.legend(handles=patches, ncols=8, fontsize=6.5, loc="upper center", bbox_to_anchor=(0.45, -0.09), frameon=False)
