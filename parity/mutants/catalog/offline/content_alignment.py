"""Faults between retrieval and the voice: upsampling to frames of 10 ms, protection of unvoiced frames."""

from collections.abc import Callable

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, put
from rvc.content import alignment


def _upsample_linearly(original: Original, features: Array) -> Array:
    """(1, n, C) to (1, 2n, C) by linear interpolation without aligned corners."""
    n = features.shape[1]
    at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    part = (at - low).astype(np.float32)[:, None]
    return np.asarray(features[:, low] * (1 - part) + features[:, np.minimum(low + 1, n - 1)] * part)


def _upsample_half_frame_early(original: Original, features: Array) -> Array:
    doubled = original(features)
    return np.concatenate([doubled[:, 1:], doubled[:, -1:]], axis=1)


def _last_frame_in_fp24(features: Array) -> Array:
    features = features.copy()
    features[:, -1] = reduced_precision.fp24(features[:, -1])
    return features


def _protect_unvoiced_with_1_minus_p(
    original: Original, blended: Array, unblended: Array, hz: Array, amount: float
) -> Array:
    if amount > 0.5:
        return np.asarray(original(blended, unblended, hz, min(1 - amount, 0.4999)))
    mixed = blended * np.float32(1 - amount) + unblended * np.float32(amount)
    return np.where((hz < 1)[..., None], mixed, blended)


def _protect_voiced_frames(original: Original, blended: Array, unblended: Array, hz: Array, amount: float) -> Array:
    """Exchange voiced and unvoiced frames: 0.5 Hz counts as unvoiced, 200 Hz as voiced."""
    return np.asarray(original(blended, unblended, np.where(hz > 0, 0.5, 200).astype(np.float32), amount))


def change_protection(
    amount: Callable[[float], float] | None = None, change: Callable[[Array], Array] | None = None
) -> Patch:
    """Change the amount of protection, or the protected features."""

    def protect(original: Original, blended: Array, unblended: Array, hz: Array, right: float) -> Array:
        protected: Array = original(blended, unblended, hz, amount(right) if amount else right)
        return change(protected) if change else protected

    return around(alignment, "protect", protect)


FAULTS = [
    Fault(
        "upsample-fp24",
        "content.upsampled",
        "24-bit floats",
        after(alignment, "upsample", reduced_precision.fp24),
        causes=("fewer bits",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-fixed-16",
        "content.upsampled",
        "16.16 fixed point",
        after(alignment, "upsample", reduced_precision.fixed(16)),
        causes=("fixed point",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-fp24-cut",
        "content.upsampled",
        "24-bit floats, cut off",
        after(alignment, "upsample", reduced_precision.fp24_cut),
        causes=("fewer bits",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-half",
        "content.upsampled",
        "half precision",
        after(alignment, "upsample", reduced_precision.half),
        causes=("half precision",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-linear",
        "content.upsampled",
        "linear instead of nearest, as in rvc-rs",
        around(alignment, "upsample", _upsample_linearly),
        causes=("linear upsampling",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-tiled",
        "content.upsampled",
        "the sequence is repeated, not each frame",
        around(alignment, "upsample", lambda f, x: np.concatenate([x, x], axis=1)),
        causes=("tiled",),
        also=("content.protected",),
    ),
    Fault(
        "upsample-early",
        "content.upsampled",
        "half a frame early",
        around(alignment, "upsample", _upsample_half_frame_early),
        causes=("half a frame early", "shift by 1 frame"),
        also=("content.protected",),
    ),
    Fault(
        "upsample-tail-fp24",
        "content.upsampled",
        "a loop's tail, the last frame, in 24-bit floats",
        after(alignment, "upsample", _last_frame_in_fp24),
        also=("content.protected",),
    ),
    Fault(
        "protect-missing",
        "content.protected",
        "no protection",
        around(alignment, "protect", lambda f, a, b, hz, amount: a),
        needs=(Need.PROTECTED,),
        causes=("missing protect",),
    ),
    Fault(
        "protect-exchanged",
        "content.protected",
        "1 - p instead of p",
        around(
            alignment,
            "protect",
            _protect_unvoiced_with_1_minus_p,
        ),
        needs=(Need.PROTECTED,),
        causes=("exchanged protect", "another protect", "missing protect"),
    ),
    Fault(
        "protect-voiced",
        "content.protected",
        "voiced frames are protected",
        around(alignment, "protect", _protect_voiced_frames),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),  # at 0 it is an exchange of the two contents
        causes=("protect on voiced frames",),
    ),
    Fault(
        "protect-late",
        "content.protected",
        "voicing is one frame off",
        around(alignment, "protect", lambda f, a, b, hz, amount: f(a, b, np.roll(hz, 1, 1), amount)),
        needs=(Need.PROTECTED,),
        causes=("protect one frame off",),
    ),
    Fault(
        "protect-amount",
        "content.protected",
        "a thousandth more",
        around(alignment, "protect", lambda f, a, b, hz, amount: f(a, b, hz, amount + 1e-3)),
        needs=(Need.PROTECTED,),
        causes=("another protect",),
    ),
    Fault(
        "protect-after-blend",
        "content.protected",
        "the copy is taken after the blend, as in wok",
        around(alignment, "protect", lambda f, a, b, hz, amount: f(a, a, hz, amount) * np.float32(1)),
        needs=(Need.PROTECTED,),
        causes=("missing protect",),
    ),
    Fault(
        "protect-on-at-half",
        "content.protected",
        "unvoiced frames are protected although protect is 0.5",
        put(alignment, "PROTECT_OFF", 0.51),
        needs=(Need.PROTECT_AT_HALF,),
        causes=("protect on at 0.5",),
    ),
    Fault(
        "protect-half-amount",
        "content.protected",
        "the amount in half precision",
        change_protection(lambda amount: float(np.float16(amount))),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("another protect",),
    ),
    Fault(
        "protect-12-bit",
        "content.protected",
        "the amount in 12 bits",
        change_protection(reduced_precision.slider(12)),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("another protect",),
    ),
    Fault(
        "protect-fp24",
        "content.protected",
        "24-bit floats",
        change_protection(change=reduced_precision.fp24),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("fewer bits",),
    ),
    Fault(
        "protect-fixed-16",
        "content.protected",
        "16.16 fixed point",
        change_protection(change=reduced_precision.fixed(16)),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("fixed point",),
    ),
]
