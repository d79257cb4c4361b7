"""Run an F0 method on a whole file, or on the newest part of a stream (docs/spec/03, docs/spec/07 §7.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.f0 import postprocessing, registry
from rvc.f0.network_files import F0Weights
from rvc.f0.registry import HOP, Input
from rvc.noise import NoiseSource
from rvc.scratch import blocks

Draw = Callable[[str, tuple[int, ...], str], npt.NDArray[np.float32]]

BLOCK_CONTEXT = 800  # samples at 16 kHz, 50 ms, tracked before a new block (docs/spec/07 §7.5)


class Networks(Protocol):
    """Gives the network of an F0 method, such as `F0Weights`."""

    def network(self, method: str) -> Any:
        """The network of a method, or None for one without."""


def track(
    padded: npt.NDArray[np.floating[Any]],
    method: str,
    *,
    weights: F0Weights,
    noise: NoiseSource | None = None,
    filter_radius: int = 3,
) -> npt.NDArray[np.floating[Any]]:
    """Track the F0 of a whole file exactly as the method's original does.

    Args:
        padded: float64 (L,) at 16 kHz, high-passed and padded.
        method: a name in `registry.METHODS`; `Profile.has` returns whether a profile's original offers it.
        weights: loads the method's network, where it has one.
        noise: the source of `noise.crepe`; only dithered methods need it.
        filter_radius: frames; only harvest reads it, and above 2 takes a median of three frames.
    Returns:
        `f0.raw`, Hz, 0 where unvoiced, at least L // 160 frames: float32 from crepe and fcpe, float64 from the others.
    Raises:
        BadInput: the sound is not finite or too short, or there is no such method.
        MissingExtra: the method's package is not installed.
        BadCheckpoint: the method's weights are damaged or of another network.
    """
    if not all(np.isfinite(block).all() for block in blocks(padded)):
        raise BadInput("the sound holds values that are not finite, so no pitch can be tracked; repair the file")
    entry = registry.named(method)
    if entry.is_dithered and noise is None:
        raise BadInput(f"the F0 method {method} needs a source of noise for its dither")
    frames = entry.frames.of(len(padded))
    inputs: dict[Input, Callable[[], Any]] = {
        Input.NETWORK: lambda: weights.network(method),
        Input.DITHER: lambda: noise.draw("noise.crepe", (frames,), "dither") if noise is not None else None,
        Input.FILTER_RADIUS: lambda: filter_radius,
        Input.WORKERS: lambda: 1,
    }
    f0: npt.NDArray[np.floating[Any]] = entry.track(padded, inputs)
    return f0


def block_length(block16: int, method: str) -> int:
    """The number of a stream's newest samples at 16 kHz in which F0 is tracked.

    Args:
        block16: samples of a block at 16 kHz.
        method: a name in `registry.METHODS`.
    Returns:
        The block and 50 ms before it, in samples; for rmvpe rounded up so that its frames are a multiple of 32.
    Raises:
        BadInput: there is no such method.
    """
    length, step = block16 + BLOCK_CONTEXT, registry.named(method).block_step
    return step * ((length - 1) // step + 1) - HOP if step else length


def track_block(
    at16k: npt.NDArray[np.float32],
    block16: int,
    method: str,
    semitones: float,
    *,
    weights: Networks,
    draw: Draw,
    fill_unvoiced: bool,
    workers: int = 1,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Track the F0 of a stream's newest samples and post-process it for the pitch cache.

    Args:
        at16k: float32 (window,) at 16 kHz, not high-passed; its last `block_length` samples are tracked.
        block16: samples of a block at 16 kHz.
        method: a name in `registry.METHODS`.
        semitones: the transposition minus the formant shift; it may be a fraction.
        weights: loads the method's network, where it has one.
        draw: makes `noise.crepe`; only dithered methods call it.
        fill_unvoiced: whether the profile interpolates unvoiced frames.
        workers: the number of processes among which the original divides harvest's sound.
    Returns:
        coarse int64 (F,) and hz float32 (F,), F = block_length // 160 + 1.
    Raises:
        BadInput: the block is too short for the method, or there is no such method.
        MissingExtra: the method's package is not installed.
        BadCheckpoint: the method's weights are damaged or of another network.
    """
    newest = at16k[-block_length(block16, method) :]
    raw = raw_block_f0(method, newest, weights=weights, draw=draw, workers=workers)
    return finish_block(raw, semitones, fill_unvoiced)


def finish_block(
    raw: npt.NDArray[np.floating[Any]], semitones: float, fill_unvoiced: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Post-process a method's F0 of a stream's newest samples.

    Args:
        raw: float (F,), Hz, 0 where unvoiced.
        semitones, fill_unvoiced: as in `track_block`.
    Returns:
        coarse int64 (F,) and hz float32 (F,).
    """
    f0 = postprocessing.fill_unvoiced(raw) if fill_unvoiced else raw
    hz = postprocessing.transpose(f0, semitones).astype(np.float32)
    return postprocessing.quantize_realtime(hz), hz


def raw_block_f0(
    method: str, newest: npt.NDArray[np.float32], *, weights: Networks, draw: Draw, workers: int = 1
) -> npt.NDArray[np.floating[Any]]:
    """The F0 that a method itself returns for a stream's newest samples, before post-processing.

    Args:
        newest: float32 (L,) at 16 kHz.
        method, weights, draw, workers: as in `track_block`.
    Returns:
        float (L // 160 + 1,), Hz, 0 where unvoiced.
    """
    entry = registry.named(method)
    frames = len(newest) // HOP + 1
    inputs: dict[Input, Callable[[], Any]] = {
        Input.NETWORK: lambda: weights.network(method),
        Input.DITHER: lambda: draw("noise.crepe", (frames,), "dither"),
        Input.FILTER_RADIUS: lambda: 3,  # the realtime originals have no such option and always take the median
        Input.WORKERS: lambda: workers,
    }
    f0: npt.NDArray[np.floating[Any]] = (entry.block or entry.track)(newest, inputs)
    return f0
