"""The exact result of soxr's resampling, from the resampler's own response to single samples.

A resampler is linear: each output is a weighted sum of the inputs. The weights are the outputs that soxr makes of a
signal that is 1 in one sample and 0 elsewhere. Within the signal they repeat after each period of the two rates; near
its beginning soxr uses others, so that each of the first samples has a response of its own. The sums are then formed
in longdouble, which leaves the rounding of the weights as the only one.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from parity.errors import ParityError
from parity.goldens.arrays import Array

Exact = NDArray[np.longdouble]

# Input samples that no response exceeds on either side. From 40 to 16 kHz, the steepest of the goldens' rates, HQ's
# response ends 1030 samples after its input.
REACH = 1280
# Largest output, as a share of a response's largest, that the rounding of soxr's float32 sums makes where there would
# be none: float32's step at 1. The goldens' rates reach 0.55 of it on a Zen 3.
ROUNDING = float(np.finfo(np.float32).eps)
QUALITY = "HQ"  # docs/spec/06 §6.8


@dataclass(frozen=True)
class Responses:
    """What soxr makes of single samples, from one rate to another.

    Attributes:
        inputs, outputs: samples in one period of the two rates.
        repeated: float64 (inputs, n), the response to a sample at each place of a period within the signal.
        origin: the place in `repeated` of the output at which that period begins.
        first: float64 (REACH rounded up to periods, n), the responses to the first samples; they begin at output 0.
    """

    inputs: int
    outputs: int
    repeated: NDArray[np.float64]
    origin: int
    first: NDArray[np.float64]


@functools.cache
def responses(source: int, target: int) -> Responses:
    """The responses from one rate to another, in samples per second.

    Raises:
        ParityError: a response is longer than REACH.
    """
    common = math.gcd(source, target)
    inputs, outputs = source // common, target // common
    start = -(-REACH // inputs) * inputs

    def response(place: int) -> NDArray[np.float64]:
        signal = np.zeros(2 * start + inputs)
        signal[place] = 1.0
        return np.asarray(soxr.resample(signal, source, target, quality=QUALITY), np.float64)

    repeated = np.stack([response(start + place) for place in range(inputs)])
    if np.abs(repeated[:, [0, -1]]).max() > ROUNDING * np.abs(repeated).max():
        raise ParityError(
            f"soxr's response from {source} to {target} Hz is longer than {REACH} samples; raise REACH in "
            "parity/calibration/exact_resampling.py"
        )
    return Responses(
        inputs,
        outputs,
        repeated,
        start // inputs * outputs,
        np.stack([response(place) for place in range(start)]),
    )


def resampled(samples: Array, source: int, target: int) -> Exact:
    """`samples` at another rate.

    Args:
        samples: float (N,).
        source: their rate, in samples per second.
        target: the rate of the result.
    Returns:
        longdouble (⌈N · target / source⌉,).
    """
    known = responses(source, target)
    length = math.ceil(len(samples) * known.outputs / known.inputs)
    exact = samples.astype(np.longdouble)
    early, late = exact[: len(known.first)], exact[len(known.first) :]
    periods = np.pad(late, (0, -len(late) % known.inputs)).reshape(-1, known.inputs)
    width = known.repeated.shape[1]
    result = np.zeros(length + 2 * width, np.longdouble)
    result[: known.first.shape[1]] += early @ known.first[: len(early)]
    for number, period in enumerate(periods):  # the first of them begins where `origin` lies in its response
        begin = number * known.outputs
        result[begin : begin + width] += period @ known.repeated
    return np.asarray(result[:length])
