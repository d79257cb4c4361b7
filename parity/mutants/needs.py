"""Properties that a case must have for a fault to change its result."""

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.stages import SR16
from parity.stages.profile_table import PROFILES, Generation


class Need(Enum):
    """A property of a case, with the sentence that describes it."""

    AUDIBLE = "the input's peak is above 0.01"
    SILENT = "every sample of the input is 0"
    F0_FILE = "an F0 file replaces a part of the pitch"
    OUTPUT_ABOVE_GUARD = "the waveform's peak is above 1, so that the guard at 0.99 scales it"
    PEAK_ABOVE_GUARD = "the input's peak is above 0.96, so that the guard at 0.95 scales it"
    PEAK_BELOW_GUARD = "the input's peak lies between 0.1 and 0.9, so that the guard leaves it"
    PAUSE = "the quietest 50 ms are 26 dB below the loudest"
    OVER_TWO_SECONDS = "the input is longer than two seconds"
    SEVERAL_SEGMENTS = "the input is cut into several segments"
    QUIETER_OUTSIDE = "near some cut a place outside the search window is quieter"
    F0 = "the voice takes F0"
    RMVPE = "F0 comes from RMVPE"
    FCPE = "F0 comes from FCPE"
    CREPE = "F0 comes from CREPE"
    PM = "F0 comes from Praat"
    HARVEST = "F0 comes from WORLD's harvest"
    VOICED = "some frame is voiced"
    VOICED_AND_UNVOICED = "some frames are voiced, others are not"
    UNVOICED_FILLED = "the profile interpolates F0 over unvoiced frames, and there are some of both"
    UNVOICED_GAP = "unvoiced frames lie between voiced ones"
    TRANSPOSED = "F0 is transposed by other than whole octaves"
    INDEX = "an index is mixed in at a rate between 0 and 1"
    INDEX_RATE_NOT_HALF = "the index rate is not 0.5"
    EIGHT_NEIGHBORS = "every frame of the first segment has eight neighbors in the index"
    PROTECTED = "an index is used and some unvoiced frames are protected"
    PROTECT_AT_HALF = "protect is 0.5, the least value at which it is off, beside retrieval and both kinds of frames"
    PROTECT_ABOVE_0 = "the amount of protection is above 0"
    LOUDNESS_MIX = "the loudness of the input is mixed in"
    MIX_RATE_INSIDE = "the loudness mix rate lies between 0 and 1"
    MIX_RATE_NOT_HALF = "the loudness mix rate is not 0.5"
    OUTPUT_RESAMPLED = "the output is resampled"
    VOICE_V1 = "the voice is of version 1"
    VOICE_V2 = "the voice is of version 2"
    VOICE_OF_LATENTS = "the voice's waveform follows its latents and its speaker more than its source"
    SPEAKER_0 = "the speaker is number 0"
    SPEAKER_ABOVE_0 = "the speaker is not number 0"
    GENERATION_A = "the voice takes F0, and the profile makes its sine by a running sum (generation A)"
    BLOCK_AUDIBLE = "the first block's peak is above 0.01"
    BLOCKS_VOICED = "every block has a voiced frame"
    BLOCKS_TRANSPOSED = "the blocks are transposed by other than whole octaves"
    DEVICE_RATE = "the device's rate is not 16 kHz"
    FORMANT_SHIFT = "formants are shifted"
    INPUT_GATE = "the input gate is on"
    INPUT_DENOISE = "noise reduction of the input is on"
    OUTPUT_DENOISE = "noise reduction of the output is on"
    PHASE_VOCODER = "blocks are joined by the phase vocoder"
    CROSSFADE = "blocks are joined by a crossfade"
    EQUAL_JOINTS = "some block has several joints of equal correlation"


def _peak(case: Case) -> float:
    return float(np.abs(case["audio16k.raw"]).max())


def _output_peak(case: Case) -> float:
    names = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
    last = next(name for name in names if name in case)  # what the integers are made of
    return float(np.abs(case[last]).max())


def _evenness(samples: Array) -> float:
    """The RMS of the quietest 50 ms (800 samples) over that of the loudest."""
    pieces = np.asarray(samples[: len(samples) // 800 * 800], np.float64).reshape(-1, 800)
    loudness = np.sqrt(np.mean(pieces**2, axis=1))
    return float(loudness.min() / max(loudness.max(), 1e-9))


def _has_gap(f0: Array) -> bool:
    """Whether unvoiced frames (0) lie between voiced ones."""
    voiced = np.flatnonzero(f0 > 0)
    return bool(len(voiced)) and bool((f0[voiced[0] : voiced[-1]] == 0).any())


def _f0_method(name: str) -> Callable[[Case], bool]:
    return lambda case: case.facts.f0 and case.options.get("f0_method") == name


def _realtime(case: Case) -> dict[str, Any]:
    return dict(case.options.get("realtime", {}))


def _f0_of_blocks(case: Case) -> list[Array]:
    return [case[name] for name in case if name.endswith(".f0.hz")]


def _windows(case: Case, times: int) -> list[Array]:
    """The loudness profile in the search window of each cut, `times` as wide as the original's."""
    _, reach, center, _ = (round(float(seconds) * SR16) for seconds in case.options["window"])
    profile, middles = case["quiet.profile"], [(n + 1) * center for n in range(len(case["segment.cuts"]))]
    return [profile[max(middle - times * reach, 0) : middle + times * reach] for middle in middles]


def _is_quieter_outside(case: Case) -> bool:
    pairs = zip(_windows(case, 1), _windows(case, 2), strict=True)
    return any(wide.min() < window.min() for window, wide in pairs)


def _count_best(values: Array) -> int:
    return int((values == values.max()).sum())


def _can_protect(case: Case) -> bool:
    """Whether retrieval changes features that unvoiced frames would keep, and other frames would not."""
    if not case.facts.index or not case.facts.f0:
        return False
    return bool((case["f0.hz"] < 1).any()) and bool((case["f0.hz"] > 0).any())


CHECKS: dict[Need, Callable[[Case], bool]] = {
    Need.AUDIBLE: lambda case: _peak(case) > 0.01,
    Need.SILENT: lambda case: _peak(case) == 0,
    Need.F0_FILE: lambda case: case.facts.f0 and bool(case.options.get("f0_file")),
    Need.OUTPUT_ABOVE_GUARD: lambda case: _output_peak(case) > 1,
    Need.PEAK_ABOVE_GUARD: lambda case: _peak(case) > 0.96,
    Need.PEAK_BELOW_GUARD: lambda case: 0.1 < _peak(case) < 0.9,
    Need.PAUSE: lambda case: _evenness(case["audio16k.raw"]) < 0.05,
    Need.OVER_TWO_SECONDS: lambda case: case.entry("audio16k.raw")["shape"][0] > 32000,
    Need.SEVERAL_SEGMENTS: lambda case: case.facts.segments > 1,
    Need.QUIETER_OUTSIDE: _is_quieter_outside,
    Need.F0: lambda case: case.facts.f0,
    Need.RMVPE: _f0_method("rmvpe"),
    Need.FCPE: _f0_method("fcpe"),
    Need.CREPE: lambda case: case.facts.crepe,
    Need.PM: _f0_method("pm"),
    Need.HARVEST: _f0_method("harvest"),
    Need.VOICED: lambda case: case.facts.f0 and bool((case["f0.hz"] > 0).any()),
    Need.VOICED_AND_UNVOICED: lambda case: (
        case.facts.f0 and bool((case["f0.hz"] == 0).any()) and bool((case["f0.hz"] > 0).any())
    ),
    Need.UNVOICED_FILLED: lambda case: (
        case.facts.f0 and case.facts.fill and bool((case["f0.raw"] == 0).any()) and bool((case["f0.raw"] > 0).any())
    ),
    Need.UNVOICED_GAP: lambda case: case.facts.f0 and _has_gap(case["f0.raw"]),
    Need.TRANSPOSED: lambda case: case.facts.f0 and int(case.options.get("transpose", 0)) % 12 != 0,
    Need.INDEX: lambda case: case.facts.index and 0 < float(case.options.get("index_rate", 0)) < 1,
    Need.INDEX_RATE_NOT_HALF: lambda case: float(case.options.get("index_rate", 0)) != 0.5,
    Need.EIGHT_NEIGHBORS: lambda case: bool((case["seg0.retrieval.ids"] >= 0).all()),
    Need.PROTECTED: lambda case: _can_protect(case) and float(case.options.get("protect", 1)) < 0.5,
    Need.PROTECT_AT_HALF: lambda case: _can_protect(case) and float(case.options.get("protect", 1)) == 0.5,
    Need.PROTECT_ABOVE_0: lambda case: float(case.options.get("protect", 1)) > 0,
    Need.LOUDNESS_MIX: lambda case: case.facts.mix,
    Need.MIX_RATE_INSIDE: lambda case: 0 < float(case.options.get("rms_mix_rate", 1)) < 1,
    Need.MIX_RATE_NOT_HALF: lambda case: float(case.options.get("rms_mix_rate", 1)) != 0.5,
    Need.OUTPUT_RESAMPLED: lambda case: case.facts.resample,
    Need.VOICE_V1: lambda case: case.voice["version"] == "v1",
    Need.VOICE_V2: lambda case: case.voice["version"] == "v2",
    Need.VOICE_OF_LATENTS: lambda case: not str(case.voice["kind"]).endswith("-harmonic"),
    Need.SPEAKER_0: lambda case: int(case.options.get("speaker", 0)) == 0,
    Need.SPEAKER_ABOVE_0: lambda case: int(case.options.get("speaker", 0)) > 0,
    Need.GENERATION_A: lambda case: case.facts.f0 and PROFILES[case.profile].generation is Generation.A,
    Need.BLOCK_AUDIBLE: lambda case: float(np.abs(case["rt.0.in"]).max()) > 0.01,
    Need.BLOCKS_VOICED: lambda case: case.facts.f0 and all(bool((hz > 0).any()) for hz in _f0_of_blocks(case)),
    Need.BLOCKS_TRANSPOSED: lambda case: int(case.options.get("transpose", 0)) % 12 != 0,
    Need.DEVICE_RATE: lambda case: int(_realtime(case).get("rate", 16000)) != 16000,
    Need.FORMANT_SHIFT: lambda case: bool(_realtime(case).get("formant")),
    Need.INPUT_GATE: lambda case: float(_realtime(case).get("input_gate_db", -60)) > -60,
    Need.INPUT_DENOISE: lambda case: bool(_realtime(case).get("input_denoise")),
    Need.OUTPUT_DENOISE: lambda case: bool(_realtime(case).get("output_denoise")),
    Need.PHASE_VOCODER: lambda case: bool(_realtime(case).get("phase_vocoder")),
    Need.EQUAL_JOINTS: lambda case: any(_count_best(case[name]) > 1 for name in case if name.endswith(".sola.cor")),
    Need.CROSSFADE: lambda case: not _realtime(case).get("phase_vocoder"),
}
