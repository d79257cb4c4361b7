"""Faults of the F0 methods."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Network, Original, Patch, after, around, in_f0_network, put
from rvc.f0 import mel, salience
from rvc.f0.methods import crepe, fcpe, harvest, pm, rmvpe
from rvc.nn import rmvpe as network
from rvc.nn.fcpe import Fcpe
from rvc.nn.rmvpe import Rmvpe
from rvc.pipeline import offline


def _pad_mel_by_reflection(
    original: Original, self: Rmvpe, spectrum: torch.Tensor
) -> Iterator[tuple[int, torch.Tensor]]:
    """Pad the mel frames to a multiple of 32 by reflection instead of zeros."""
    frames = len(spectrum)
    short = -frames % 32
    padded = torch.cat([spectrum, spectrum[-short - 1 : -1].flip(0)]) if short else spectrum
    for start, stretch in original(self, padded):
        yield start, stretch[: max(frames - start, 0)]


def _zeros_around(original: Original, framed: torch.Tensor, bank: torch.Tensor) -> Any:
    """Zeros instead of the half window that is reflected at both ends."""
    padded = torch.zeros_like(framed)
    half = mel.FFT // 2
    padded[half:-half] = framed[half:-half]
    return original(padded, bank)


def _floor_log_mel(original: Original, *args: Any, **kwargs: Any) -> torch.Tensor:
    return torch.clamp(original(*args, **kwargs), min=float(np.log(1e-3)))


def _praat_with(**other: Any) -> Patch:
    """Track with other options of Praat's To Pitch (ac)."""

    def praat(original: Original, samples: Array, floor: float) -> Any:
        import parselmouth

        options = {"time_step": 0.01, "voicing_threshold": 0.6, "pitch_floor": floor, "pitch_ceiling": 1100.0}
        return parselmouth.Sound(np.asarray(samples, np.float64), 16000).to_pitch_ac(**options | other)

    return around(pm, "praat", praat)


def _align_praat_left(original: Original, samples: Array) -> Array:
    """Append all missing frames at the end instead of half of them at each end."""
    track = pm.praat(samples, pm.FLOOR).selected_array["frequency"]
    return np.pad(track, (0, max(0, len(samples) // 160 - len(track))))


def _scale_rmvpe_input(by: float) -> Patch:
    return in_f0_network(Network.RMVPE, lambda net: iter([(net, "input_scale", net.input_scale * by)]))


def _recurrent_weights_in_bfloat16(net: Rmvpe) -> Iterator[Change]:
    for unit in net.gru.values():
        yield unit, "state_sigmoid", reduced_precision.bfloat16(unit.state_sigmoid)
        yield unit, "state_new", reduced_precision.bfloat16(unit.state_new)


def _cents_in_half(net: Fcpe) -> Iterator[Change]:
    yield net, "cents", reduced_precision.half(net.cents)


FAULTS = [
    Fault(
        "rmvpe-threshold-0.3",
        "f0.raw",
        "the threshold of some ONNX ports",
        put(rmvpe, "THRESHOLD", 0.3),
        needs=(Need.RMVPE,),
        causes=("voicing threshold",),
    ),
    Fault(
        "rmvpe-threshold-0.003",
        "f0.raw",
        "a tenth of the threshold",
        put(rmvpe, "THRESHOLD", 0.003),
        needs=(Need.RMVPE,),
        causes=("voicing threshold",),
    ),
    Fault(
        "rmvpe-mel-slaney",
        "f0.raw",
        "librosa's default mel scale",
        around(rmvpe, "filterbank", lambda f, low, high, scale: f(low, high, "slaney")),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-mel-fmin-0",
        "f0.raw",
        "mel bands from 0 Hz",
        around(rmvpe, "filterbank", lambda f, low, high, scale: f(0.0, high, scale)),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-mel-unnormalised",
        "f0.raw",
        "triangles of height 1",
        after(rmvpe, "filterbank", lambda bank: bank / bank.amax(1, keepdim=True)),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-window-symmetric",
        "f0.raw",
        "a symmetric Hann window",
        put(mel, "hann", lambda: torch.hann_window(1024, periodic=False)),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-log-floor",
        "f0.raw",
        "the log floor is 1e-3",
        around(rmvpe, "log_mel", _floor_log_mel),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-log10",
        "f0.raw",
        "log10 instead of ln",
        after(rmvpe, "log_mel", lambda x: x / np.log(10)),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-pad-reflect",
        "f0.raw",
        "mel frames are padded by reflection",
        around(Rmvpe, "salience", _pad_mel_by_reflection),
        needs=(Need.RMVPE,),
        causes=("mel padding",),
    ),
    Fault(
        "rmvpe-center-zero",
        "f0.raw",
        "the audio's ends are padded by zeros",
        around(rmvpe, "log_mel", _zeros_around),
        needs=(Need.RMVPE,),
        causes=("mel or window variant",),
    ),
    Fault("rmvpe-average-7", "f0.raw", "seven bins averaged, not nine", put(salience, "REACH", 3), needs=(Need.RMVPE,)),
    Fault(
        "rmvpe-cents-offset",
        "f0.raw",
        "1997.4 instead of 1997.3794",
        put(salience, "CENTS", salience.CENTS + 0.0206),
        needs=(Need.RMVPE,),
        causes=("gain",),
    ),
    Fault(
        "rmvpe-late",
        "f0.raw",
        "the track comes one frame late",
        after(rmvpe, "track", lambda x: np.concatenate([x[:1], x[:-1]])),
        needs=(Need.RMVPE,),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "rmvpe-octave",
        "f0.raw",
        "an octave high",
        after(rmvpe, "track", lambda x: 2 * x),
        needs=(Need.RMVPE,),
        causes=("octave",),
    ),
    Fault(
        "rmvpe-gru-forward",
        "f0.raw",
        "the backward GRU runs forward",
        around(network.GruDirection, "run", lambda f, self, rows, reverse=False: f(self, rows)),
        needs=(Need.RMVPE,),
    ),
    Fault(
        "rmvpe-relu-after",
        "f0.raw",
        "ReLU after the sum, not before",
        around(network.Block, "__call__", lambda f, self, image: f(self, image).relu_()),
        needs=(Need.RMVPE,),
    ),
    Fault(
        "pm-floor-65",
        "f0.raw",
        "the realtime floor offline",
        put(pm, "FLOOR", 65.0),
        needs=(Need.PM,),
        causes=("another pitch floor",),
    ),
    Fault(
        "pm-voicing-0.45",
        "f0.raw",
        "Praat's default voicing threshold",
        _praat_with(voicing_threshold=0.45),
        needs=(Need.PM, Need.VOICED_AND_UNVOICED, Need.PAUSE),
        causes=("voicing threshold",),
    ),
    Fault(
        "pm-left-aligned",
        "f0.raw",
        "missing frames are all appended at the end",
        around(pm, "track", _align_praat_left),
        needs=(Need.PM,),
        causes=("shift by 3 frames", "shift by 2 frames", "shift by 1 frame"),
    ),
    Fault(
        "rmvpe-window-half",
        "f0.raw",
        "the Hann window in half precision",
        after(mel, "hann", reduced_precision.half),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-bank-bfloat16",
        "f0.raw",
        "the mel filters in bfloat16",
        after(rmvpe, "filterbank", reduced_precision.bfloat16),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-log-added",
        "f0.raw",
        "ln(x + 1e-5), not clamped at 1e-5",
        after(rmvpe, "log_mel", lambda x: (x.exp() + 1e-5).log()),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("mel or window variant",),
    ),
    Fault(
        "rmvpe-norm-epsilon",
        "f0.raw",
        "the input's batch norm with 1e-3",
        _scale_rmvpe_input(0.9995),
        needs=(Need.RMVPE, Need.VOICED),
    ),
    Fault(
        "rmvpe-gru-bfloat16",
        "f0.raw",
        "the recurrent weights in bfloat16",
        in_f0_network(Network.RMVPE, _recurrent_weights_in_bfloat16),
        needs=(Need.RMVPE, Need.VOICED),
    ),
    Fault(
        "rmvpe-cents-20-to-12",
        "f0.raw",
        "2^(1/60) a bin, in six digits",
        after(
            rmvpe,
            "track",
            lambda hz: np.where(hz > 0, 32.70319 * 1.011619 ** (np.log2(np.maximum(hz, 1e-3) / 32.70319566) * 60), 0),
        ),
        needs=(Need.RMVPE, Need.VOICED),
    ),
    Fault(
        "rmvpe-fixed-6",
        "f0.raw",
        "6 bits behind the point",
        after(rmvpe, "track", reduced_precision.fixed(6)),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("fixed point", "fewer bits"),
    ),
    Fault(
        "fcpe-epsilon",
        "f0.raw",
        "1e-5 in the squared magnitude, not 1e-9",
        put(fcpe, "EPSILON", 1e-5),
        needs=(Need.FCPE, Need.VOICED),
    ),
    Fault(
        "fcpe-cents-half",
        "f0.raw",
        "the table of cents in half precision",
        in_f0_network(Network.FCPE, _cents_in_half),
        needs=(Need.FCPE, Need.VOICED),
    ),
    Fault("fcpe-reach", "f0.raw", "seven bins averaged", put(fcpe, "REACH", 3), needs=(Need.FCPE, Need.VOICED)),
    Fault(
        "fcpe-threshold",
        "f0.raw",
        "a threshold of 0.3",
        put(fcpe, "THRESHOLD", 0.3),
        needs=(Need.FCPE, Need.VOICED, Need.PAUSE),
        causes=("voicing threshold", "another threshold of FCPE"),
    ),
    Fault(
        "crepe-undithered",
        "f0.raw",
        "no dither",
        around(crepe, "track", lambda f, x, net, d: f(x, net, 0 * d)),
        needs=(Need.CREPE,),
        causes=("missing dither",),
    ),
    Fault(
        "crepe-median",
        "f0.raw",
        "the median instead of the mean of three",
        put(crepe, "mean_of_three", lambda x: crepe.median_of_three(x)),
        needs=(Need.CREPE,),
    ),
    Fault(
        "harvest-unrefined",
        "f0.raw",
        "no StoneMask",
        around(harvest, "track", lambda f, x, radius=3: harvest.track_block(x)),
        needs=(Need.HARVEST,),
        causes=("no StoneMask",),
    ),
    Fault(
        "pm-half",
        "f0.raw",
        "Praat's result in half precision",
        after(pm, "track", reduced_precision.half),
        needs=(Need.PM, Need.VOICED),
        causes=("half precision",),
    ),
    Fault(
        "track-later",
        "f0.raw",
        "the pipeline gives the F0 method its input one frame late",
        around(offline, "track_f0", lambda f, padded, *rest: f(np.roll(padded, -160), *rest)),
        needs=(Need.PM, Need.VOICED),
        causes=("shift by 1 frame",),
    ),
]
