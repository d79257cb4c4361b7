"""A PNG of a case for browsers without scripts: waveforms, spectrograms, F0 and the heat strip, by matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.goldens.arrays import Array
from reports.data import timeline
from reports.data.color_scale import color_scale, light_color
from reports.data.load import Evidence
from reports.panels.pitch_and_retrieval import pitch_tensor
from reports.panels.waveforms import Waveforms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RANGE = 90  # dB shown below the loudest level
CHANGE = 12  # dB to either side of 0 in a difference of levels
FLOOR = 80  # dB below the loudest level; lower levels count as silence in a difference of levels
ORIGINAL, CANDIDATE, DIFFERENCE = (light_color(name) for name in ("original", "candidate", "difference"))


@dataclass(frozen=True)
class StripRow:
    """A line of the heat strip: its name, and (start in s, step in s, multiples of the limit) of each piece."""

    name: str
    pieces: Sequence[tuple[float, float, Array]]


def figure_png(
    waveforms: Waveforms | None, evidence: Evidence, strip: Sequence[StripRow], span: tuple[float, float]
) -> str:
    """Draw the figure.

    Args:
        waveforms: None leaves out waveforms and spectrograms.
        evidence: source of F0.
        strip: lines of the heat strip.
        span: first and last second shown.
    Returns:
        A PNG as base64, about 1000 pixels wide; "" where matplotlib is not installed.
    """
    try:  # takes about a second to import; only pages of cases need it, and rvc-parity[figures] installs it
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return ""

    heights = ([1.0, 1.0, 1.0, 1.4, 1.4, 1.4] if waveforms else []) + [1.6, 0.24 * len(strip) + 0.2]
    figure = Figure(figsize=(11, sum(heights) + 0.8), dpi=84)
    figure.subplots_adjust(left=0.13, right=0.98, top=0.99, bottom=0.6 / figure.get_figheight(), hspace=0.12)
    axes = list(np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)))
    if waveforms:
        _draw_waveforms(axes[:3], waveforms)
        _draw_spectrograms(axes[3:6], waveforms)
    _draw_pitch(axes[-2], evidence)
    _draw_strip(axes[-1], strip)
    axes[-1].set_xlim(*span)
    axes[-1].set_xlabel("seconds")
    return base64.b64encode(_png(figure)).decode("ascii")


def _png(figure: Figure) -> bytes:
    """Encode the figure with a palette of 128 colors, which takes a third of the bytes of RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    image = Image.fromarray(pixels).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _draw_waveforms(axes: Sequence[Axes], waveforms: Waveforms) -> None:
    signals = (
        ("original", waveforms.original, ORIGINAL),
        ("candidate", waveforms.candidate, CANDIDATE),
        ("difference", waveforms.difference, DIFFERENCE),
    )
    for axis, (name, samples, color) in zip(axes, signals, strict=True):
        columns = min(1000, max(1, len(samples)))
        edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
        if len(samples):
            low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
            axis.fill_between(edges / waveforms.rate, low, high, color=color, linewidth=0.4, edgecolor=color)
        axis.set_ylabel(name, fontsize=8)
        axis.tick_params(labelsize=7)


def _draw_spectrograms(axes: Sequence[Axes], waveforms: Waveforms) -> None:
    left, times, hertz = _levels(waveforms.original, waveforms.rate)
    right, _, _ = _levels(waveforms.candidate, waveforms.rate)
    top, count = float(left.max()), min(left.shape[1], right.shape[1])
    change = np.maximum(right[:, :count], top - FLOOR) - np.maximum(left[:, :count], top - FLOOR)
    images = (
        ("original, dB", left, "cividis", top - RANGE, top),
        ("candidate, dB", right, "cividis", top - RANGE, top),
        ("candidate − original, dB", change, "PuOr_r", -CHANGE, CHANGE),
    )
    for axis, (name, values, colors, low, high) in zip(axes, images, strict=True):
        axis.imshow(
            values,
            origin="lower",
            aspect="auto",
            cmap=colors,
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
    """Levels in dB (bins, columns), the times of the first two columns in s, and the highest frequency in Hz."""
    hop = max(size // 4, len(samples) // columns)
    padded = np.pad(samples, size // 2)
    count = max(1, (len(padded) - size) // hop + 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    return 10 * np.log10(power.T + 1e-12), (0.0, hop / rate), rate / 2


def _draw_pitch(axis: Axes, evidence: Evidence) -> None:
    candidate: Mapping[str, Array] = evidence.chained or evidence.isolated
    name = pitch_tensor(evidence, candidate)
    axis.set_ylabel("F0, Hz", fontsize=8)
    axis.tick_params(labelsize=7)
    if name is None:
        axis.text(0.01, 0.5, "no F0", transform=axis.transAxes, fontsize=8)
        return
    for label, values, color, width, style in (
        ("original", evidence.golden[name], ORIGINAL, 3.0, "-"),
        ("candidate", candidate[name], CANDIDATE, 1.0, "--"),
    ):
        hertz = np.ravel(values).astype("f8")
        time = timeline.start(name, evidence.meta, evidence.golden) + timeline.FRAME_SECONDS * (
            np.arange(len(hertz)) + 0.5
        )
        voiced = np.where(hertz > 0, hertz, np.nan)
        axis.plot(time, voiced, label=label, color=color, linewidth=width, linestyle=style)
    axis.legend(fontsize=7, loc="upper right")


def _draw_strip(axis: Axes, strip: Sequence[StripRow]) -> None:
    """Draw each line of the heat strip in the colors of the page."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    colors = ListedColormap([step.light for step in color_scale()])
    limits = [step.below for step in color_scale() if step.below is not None]
    for row, line in enumerate(strip):
        for begin, step, ratios in line.pieces:
            steps = np.digitize(np.nan_to_num(ratios, nan=np.inf), limits)[None]
            axis.imshow(
                steps,
                aspect="auto",
                cmap=colors,
                vmin=-0.5,
                vmax=len(limits) + 0.5,
                interpolation="nearest",
                extent=(begin, begin + step * len(ratios), row + 0.45, row - 0.45),
            )
    axis.set_ylim(max(1, len(strip)) - 0.5, -0.5)
    axis.set_yticks(range(len(strip)), [line.name for line in strip], fontsize=7)
    axis.tick_params(labelsize=7)
    patches = [Patch(facecolor=step.light, edgecolor="#999999", label=step.label) for step in color_scale()]
    axis.legend(handles=patches, ncols=8, fontsize=6.5, loc="upper center", bbox_to_anchor=(0.45, -0.09), frameon=False)
