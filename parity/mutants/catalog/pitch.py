"""Faults of pitch: the RMVPE and Praat methods, filling, transposition, the coarse scale."""

from typing import Any

import numpy as np
import torch

from parity.mutants.fault import Fault, after, around, namespace, put
from rvc.f0 import mel, pm, postprocessing, rmvpe, salience
from rvc.nn import rmvpe as network
from rvc.nn.rmvpe import Rmvpe


def _reflected(original: Any, self: Any, spectrum: Any) -> Any:
    frames = len(spectrum)
    short = -frames % 32
    whole = torch.cat([spectrum, spectrum[-short - 1 : -1].flip(0)]) if short else spectrum
    for start, stretch in original(self, whole):
        yield start, stretch[: max(frames - start, 0)]


def _floored(original: Any, *given: Any, **named: Any) -> Any:
    return torch.clamp(original(*given, **named), min=float(np.log(1e-3)))


def _praat(**other: Any) -> Any:
    def praat(original: Any, samples: Any, floor: float) -> Any:
        import parselmouth

        options = {"time_step": 0.01, "voicing_threshold": 0.6, "pitch_floor": floor, "pitch_ceiling": 1100.0}
        return parselmouth.Sound(np.asarray(samples, np.float64), 16000).to_pitch_ac(**options | other)

    return praat


def _left_aligned(original: Any, samples: Any) -> Any:
    found = pm.praat(samples, pm.FLOOR).selected_array["frequency"]
    return np.pad(found, (0, max(0, len(samples) // 160 - len(found))))


def _narrow(original: Any, f0: Any) -> Any:
    return original(f0).astype(np.int32)


def _filled(make: Any) -> Any:
    def fill(original: Any, f0: Any) -> Any:
        voiced = np.flatnonzero(f0 > 0)
        return make(f0, voiced, np.arange(len(f0))).astype(f0.dtype) if len(voiced) else f0.copy()

    return fill


def _held(f0: Any, voiced: Any, frames: Any) -> Any:
    return f0[voiced[np.clip(np.searchsorted(voiced, frames, "right") - 1, 0, len(voiced) - 1)]]


def _early(f0: Any, voiced: Any, frames: Any) -> Any:
    return np.where(f0 > 0, f0, np.interp(frames + 1, voiced, f0[voiced]))


def _hz(change: Any) -> Any:
    """Change f0.hz alone, after the coarse bins are made."""

    def finish(original: Any, raw: Any, frames: int, config: Any) -> Any:
        filled, hz, coarse = original(raw, frames, config)
        return filled, change(hz, config).astype(np.float32), coarse

    return finish


def _coarse(change: Any) -> Any:
    return lambda original, f0: change(np.asarray(f0, np.float64))


def _scaled(
    hz: Any,
    low: float = float(postprocessing.LOWEST_MEL),
    high: float = float(postprocessing.HIGHEST_MEL),
    steps: int = 254,
    line: Any = None,
) -> Any:
    m = 1127 * np.log(1 + hz / 700) if line is None else line
    return np.clip(np.where(m > 0, (m - low) * steps / (high - low) + 1, m), 1, 255)


def _bins(values: Any) -> Any:
    return np.rint(values).astype(np.int64)


RMVPE = ("rmvpe",)
SHARED = ("f0.coarse",)
FAULTS = [
    Fault(
        "rmvpe-threshold-0.3",
        "f0.raw",
        "the threshold of some ONNX ports",
        put(rmvpe, "THRESHOLD", 0.3),
        RMVPE,
        ("voicing threshold",),
    ),
    Fault(
        "rmvpe-threshold-0.003",
        "f0.raw",
        "a tenth of the threshold",
        put(rmvpe, "THRESHOLD", 0.003),
        RMVPE,
        ("voicing threshold",),
    ),
    Fault(
        "rmvpe-mel-slaney",
        "f0.raw",
        "librosa's default mel scale",
        around(rmvpe, "filterbank", lambda f, low, high, scale: f(low, high, "slaney")),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-mel-fmin-0",
        "f0.raw",
        "mel bands from 0 Hz",
        around(rmvpe, "filterbank", lambda f, low, high, scale: f(0.0, high, scale)),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-mel-unnormalised",
        "f0.raw",
        "triangles of height 1",
        after(rmvpe, "filterbank", lambda bank: bank / bank.amax(1, keepdim=True)),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-window-symmetric",
        "f0.raw",
        "a symmetric Hann window",
        put(mel, "hann", lambda: torch.hann_window(1024, periodic=False)),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-log-floor",
        "f0.raw",
        "the log floor is 1e-3",
        around(rmvpe, "log_mel", _floored),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-log10",
        "f0.raw",
        "log10 for ln",
        after(rmvpe, "log_mel", lambda x: x / np.log(10)),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault(
        "rmvpe-pad-reflect",
        "f0.raw",
        "mel frames are padded by reflection",
        around(Rmvpe, "salience", _reflected),
        RMVPE,
        ("mel padding",),
    ),
    Fault(
        "rmvpe-center-zero",
        "f0.raw",
        "the audio's ends are padded by zeros",
        put(
            rmvpe,
            "torch",
            namespace(
                torch,
                nn=namespace(
                    torch.nn,
                    functional=namespace(
                        torch.nn.functional, pad=lambda x, by, mode="constant": torch.nn.functional.pad(x, by)
                    ),
                ),
            ),
        ),
        RMVPE,
        ("mel or window variant",),
    ),
    Fault("rmvpe-average-7", "f0.raw", "seven bins averaged, not nine", put(salience, "REACH", 3), RMVPE),
    Fault(
        "rmvpe-cents-offset",
        "f0.raw",
        "1997.4 for 1997.3794",
        put(salience, "CENTS", salience.CENTS + 0.0206),
        RMVPE,
        ("gain",),
    ),
    Fault(
        "rmvpe-late",
        "f0.raw",
        "the track comes one frame late",
        after(rmvpe, "track", lambda x: np.concatenate([x[:1], x[:-1]])),
        RMVPE,
        ("shift by 1 frame",),
    ),
    Fault("rmvpe-octave", "f0.raw", "an octave high", after(rmvpe, "track", lambda x: 2 * x), RMVPE, ("octave",)),
    Fault(
        "rmvpe-gru-forward",
        "f0.raw",
        "the backward GRU runs forward",
        around(network.Recurrent, "run", lambda f, self, rows, reverse=False: f(self, rows)),
        RMVPE,
    ),
    Fault(
        "rmvpe-relu-after",
        "f0.raw",
        "ReLU after the sum, not before",
        around(network.Block, "__call__", lambda f, self, image: f(self, image).relu_()),
        RMVPE,
    ),
    Fault(
        "pm-floor-65", "f0.raw", "the realtime floor offline", put(pm, "FLOOR", 65.0), ("pm",), ("another pitch floor",)
    ),
    Fault(
        "pm-voicing-0.45",
        "f0.raw",
        "Praat's default voicing threshold",
        around(pm, "praat", _praat(voicing_threshold=0.45)),
        ("pm", "unvoiced", "pause"),
        ("voicing threshold",),
    ),
    Fault(
        "pm-left-aligned",
        "f0.raw",
        "the track is not centred",
        around(pm, "track", _left_aligned),
        ("pm",),
        ("shift by 3 frames", "shift by 2 frames", "shift by 1 frame"),
    ),
    Fault(
        "fill-missing",
        "f0.filled",
        "unvoiced frames stay 0",
        around(postprocessing, "fill_unvoiced", lambda f, x: x.copy()),
        ("fill",),
        ("unvoiced frames kept at 0",),
        ("f0.hz", "f0.coarse"),
    ),
    Fault(
        "fill-held",
        "f0.filled",
        "the last pitch is held",
        around(postprocessing, "fill_unvoiced", _filled(_held)),
        ("fill", "gap"),
        ("held pitch",),
    ),
    Fault(
        "fill-log",
        "f0.filled",
        "straight in cents",
        around(postprocessing, "fill_unvoiced", _filled(lambda f0, v, t: np.exp(np.interp(t, v, np.log(f0[v]))))),
        ("fill", "gap"),
        ("filled in logarithm",),
        ("f0.hz", "f0.coarse"),
    ),
    Fault(
        "fill-ends",
        "f0.filled",
        "ends stay unvoiced",
        around(postprocessing, "fill_unvoiced", _filled(lambda f0, v, t: np.interp(t, v, f0[v], left=0, right=0))),
        ("fill", "gap"),
        ("ends not filled",),
    ),
    Fault(
        "fill-early",
        "f0.filled",
        "the lines come one frame early",
        around(postprocessing, "fill_unvoiced", _filled(_early)),
        ("fill", "gap"),
        ("filled one frame early",),
    ),
    Fault(
        "transpose-missing",
        "f0.hz",
        "no transposition",
        around(postprocessing, "transpose", lambda f, x, by: x),
        ("transposed",),
        ("missing transposition",),
        SHARED,
    ),
    Fault(
        "transpose-twice",
        "f0.hz",
        "transposed twice",
        around(postprocessing, "transpose", lambda f, x, by: f(x, 2 * by)),
        ("transposed",),
        ("transposed twice", "gain"),
        SHARED,
    ),
    Fault(
        "transpose-sign",
        "f0.hz",
        "the wrong way",
        around(postprocessing, "transpose", lambda f, x, by: f(x, -by)),
        ("transposed",),
        ("transposed the other way", "gain"),
        SHARED,
    ),
    Fault(
        "transpose-1.05946",
        "f0.hz",
        "1.05946 to the power of semitones",
        around(postprocessing, "transpose", lambda f, x, by: x * 1.05946**by),
        ("transposed",),
        ("gain",),
        SHARED,
    ),
    Fault(
        "hz-rounded",
        "f0.hz",
        "rounded to 0.1 Hz, as dio's helper does",
        around(postprocessing, "finish", _hz(lambda hz, config: np.round(hz, 1))),
        ("voiced",),
        ("rounded pitch",),
    ),
    Fault(
        "hz-whole",
        "f0.hz",
        "whole hertz",
        around(postprocessing, "finish", _hz(lambda hz, config: np.rint(hz))),
        ("voiced",),
        ("whole hertz",),
    ),
    Fault(
        "hz-late",
        "f0.hz",
        "one frame late",
        around(postprocessing, "finish", _hz(lambda hz, config: np.concatenate([hz[:, :1], hz[:, :-1]], 1))),
        ("voiced",),
        ("shift by 1 frame",),
    ),
    Fault("coarse-int32", "f0.coarse", "bins are 32-bit integers", around(postprocessing, "quantize", _narrow)),
    Fault(
        "coarse-truncated",
        "f0.coarse",
        "astype(int)",
        around(postprocessing, "quantize", _coarse(lambda hz: _scaled(hz).astype(np.int64))),
        ("voiced",),
        ("truncated bins",),
    ),
    Fault(
        "coarse-hertz-bounds",
        "f0.coarse",
        "50 and 1100 for their mel values",
        around(postprocessing, "quantize", _coarse(lambda hz: _bins(_scaled(hz, 50, 1100)))),
        ("voiced",),
        ("hertz as mel bounds",),
    ),
    Fault(
        "coarse-255-steps",
        "f0.coarse",
        "255 steps",
        around(postprocessing, "quantize", _coarse(lambda hz: _bins(_scaled(hz, steps=255)))),
        ("voiced",),
        ("255 steps",),
    ),
    Fault(
        "coarse-from-0",
        "f0.coarse",
        "bins from 0",
        around(postprocessing, "quantize", _coarse(lambda hz: _bins(_scaled(hz)) - 1)),
        ("voiced",),
        ("bins from 0", "offset"),
    ),
    Fault(
        "coarse-linear",
        "f0.coarse",
        "even in hertz",
        around(postprocessing, "quantize", _coarse(lambda hz: _bins(np.clip((hz - 50) * 254 / 1050 + 1, 1, 255)))),
        ("voiced",),
        ("linear scale",),
    ),
    Fault(
        "coarse-ceiling-1000",
        "f0.coarse",
        "the scale ends at 1000 Hz",
        around(postprocessing, "quantize", _coarse(lambda hz: _bins(_scaled(hz, high=1127 * np.log(1 + 1000 / 700))))),
        ("voiced",),
        ("another ceiling",),
    ),
]
