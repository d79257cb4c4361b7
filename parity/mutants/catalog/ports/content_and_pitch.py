"""Faults of ports in F0, retrieval, doubling and protection of content features."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import interpolate

from parity.goldens.arrays import Array
from parity.mutants.catalog.behavior.hooks import INDEXED
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around
from rvc.content import alignment
from rvc.f0 import postprocessing, salience
from rvc.f0.methods import harvest, rmvpe
from rvc.retrieval import search


def _decode_strongest(original: Original, values: Array, threshold: float) -> Array:
    """The cents of the strongest bin alone, without an average of its neighbors."""
    hz = 10 * 2 ** (salience.CENTS[values.argmax(axis=1)] / 1200)
    return np.where(values.max(axis=1) > threshold, hz, 0.0)


def _power_mel(original: Original, framed: torch.Tensor, bank: torch.Tensor, *rest: Any) -> torch.Tensor:
    """Mel bands of the squared magnitude (torchaudio's default), with the logarithm halved."""
    window = torch.hann_window(1024)
    spectrum = torch.stft(framed, 1024, 160, 1024, window, center=False, return_complex=True)
    return ((bank @ spectrum.abs().square()).clamp(min=1e-10).log() / 2).T


def _fill_nearest(original: Original, f0: Array) -> Array:
    """Unvoiced frames take the F0 of the nearest voiced one."""
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return np.asarray(original(f0))
    places = np.arange(len(f0))
    behind = np.clip(np.searchsorted(voiced, places), 0, len(voiced) - 1)
    before = np.maximum(behind - 1, 0)
    is_nearer = np.abs(voiced[before] - places) <= np.abs(voiced[behind] - places)
    return np.asarray(f0[np.where(is_nearer, voiced[before], voiced[behind])])


def weigh(formula: Callable[[Array], Array]) -> Patch:
    """Weights by `formula(distances)`, in float64."""

    def weights(original: Original, distances: Array, *rest: Any) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(formula(distances.astype(np.float64)), np.float32)

    return around(search, "weights", weights)


def _shares(raw: Array) -> Array:
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _softmax(distances: Array) -> Array:
    return _shares(np.exp(distances.min(axis=1, keepdims=True) - distances))


def _blend_by(formula: Callable[[Array, Array, Any], Array]) -> Patch:
    """Blended features by `formula(features, mean, rate)`."""

    def blend(original: Original, features: Array, mean: Array, rate: float, *rest: Any) -> Array:
        made: Array = formula(features.reshape(1, *mean.shape), mean[None], np.float32(rate))
        blended: Array = made.astype(np.float32)
        return blended

    return around(search, "blend", blend)


def _double_with_zeros(original: Original, features: Array) -> Array:
    doubled: Array = np.zeros_like(original(features))
    doubled[:, ::2] = features
    return doubled


def _double_with_aligned_corners(original: Original, features: Array) -> Array:
    n = features.shape[1]
    at = np.arange(2 * n) * (n - 1) / (2 * n - 1)
    low = np.floor(at).astype(int)
    part = (at - low).astype(np.float32)[:, None]
    return np.asarray(features[:, low] * (1 - part) + features[:, np.minimum(low + 1, n - 1)] * part)


def _double_by_cubics(original: Original, features: Array) -> Array:
    """Natural half-pixel centers, cubic: `interpolate(mode="bicubic")` of a port."""
    n = features.shape[1]
    at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    return np.asarray(interpolate.CubicSpline(np.arange(n), features, axis=1)(at), np.float32)


def _protect_by(formula: Callable[[Array, Array, Array, Any], Array]) -> Patch:
    """Protected features by `formula(blended, unblended, is_unvoiced, amount)`."""

    def protect(original: Original, blended: Array, unblended: Array, hz: Array, amount: float) -> Array:
        if amount >= alignment.PROTECT_OFF:
            return np.asarray(original(blended, unblended, hz, amount))
        return np.asarray(formula(blended, unblended, (hz < 1)[..., None], np.float32(amount)), np.float32)

    return around(alignment, "protect", protect)


FAULTS = [
    Fault(
        "rmvpe-strongest-bin",
        "f0.raw",
        "F0 of the strongest bin alone",
        around(rmvpe, "decode", _decode_strongest),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("strongest bin only",),
    ),
    Fault(
        "rmvpe-power",
        "f0.raw",
        "mel bands of the power spectrum",
        around(rmvpe, "log_mel", _power_mel),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("mel or window variant",),
    ),
    Fault(
        "harvest-median-missing",
        "f0.raw",
        "harvest's track without the median of three",
        around(harvest, "track", lambda f, samples, *rest: f(samples, 0)),
        needs=(Need.HARVEST, Need.VOICED),
        causes=("missing median",),
    ),
    Fault(
        "harvest-median-5",
        "f0.raw",
        "a median of five frames",
        around(harvest, "medfilt", lambda f, track, width: f(track, 5)),
        needs=(Need.HARVEST, Need.VOICED),
        causes=("median filter",),
    ),
    Fault(
        "fill-nearest",
        "f0.filled",
        "unvoiced frames take the F0 of the nearest voiced one",
        around(postprocessing, "fill_unvoiced", _fill_nearest),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("nearest pitch",),
    ),
    Fault(
        "search-halved",
        "retrieval.search",
        "distances are halved",
        after(search.Index, "search", lambda result: (result[0] / 2, result[1])),
        needs=INDEXED,
        causes=("halved distances", "gain"),
    ),
    Fault(
        "weights-cubed",
        "retrieval.weights",
        "inverse cubes of the distances",
        weigh(lambda d: _shares(1 / d**3)),
        needs=INDEXED,
        causes=("cubed",),
    ),
    Fault(
        "weights-not-normalized",
        "retrieval.weights",
        "weights do not sum to 1",
        weigh(lambda d: 1 / d**2),
        needs=INDEXED,
        causes=("not normalised",),
    ),
    Fault(
        "weights-softmax",
        "retrieval.weights",
        "a softmax of negative distances",
        weigh(_softmax),
        needs=INDEXED,
        causes=("softmax", "nearest only"),
    ),
    Fault(
        "blend-sum",
        "retrieval.blended",
        "the neighbors are added to the features",
        _blend_by(lambda own, mean, rate: own + rate * mean),
        needs=INDEXED,
        causes=("sum",),
    ),
    Fault(
        "blend-index-only",
        "retrieval.blended",
        "the features themselves are left out",
        _blend_by(lambda own, mean, rate: mean),
        needs=INDEXED,
        causes=("index only", "another index rate"),
    ),
    Fault(
        "upsample-zeros",
        "content.upsampled",
        "zeros between the frames",
        around(alignment, "upsample", _double_with_zeros),
        causes=("zeros between",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-corners",
        "content.upsampled",
        "interpolated linearly with aligned corners",
        around(alignment, "upsample", _double_with_aligned_corners),
        causes=("linear upsampling",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-cubic",
        "content.upsampled",
        "interpolated by cubics",
        around(alignment, "upsample", _double_by_cubics),
        causes=("cubic upsampling",),
        also=("content.protected",),
    ),
    Fault(
        "protect-everywhere",
        "content.protected",
        "every frame is protected",
        _protect_by(lambda blended, own, unvoiced, p: blended * p + own * (1 - p)),
        needs=(Need.PROTECTED,),
        causes=("protect everywhere",),
    ),
    Fault(
        "protect-full",
        "content.protected",
        "unvoiced frames are those before retrieval",
        _protect_by(lambda blended, own, unvoiced, p: np.where(unvoiced, own, blended)),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("full protect", "another protect"),
    ),
]
