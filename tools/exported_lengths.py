"""Convert 0.1 s, 1 s, 41 s and a stream of 100 blocks through one exported folder, and compare each with `rvc`.

python tools/exported_lengths.py FOLDER_OF_EXPORTED_VOICES      takes the first that holds RMVPE
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import rvc_onnx
from parity import voices
from rvc import realtime
from rvc.config import Config
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks

SECONDS = (0.1, 1.0, 41.0)
BLOCKS, TIMES = 100, {"block": 0.1, "crossfade": 0.04, "extra": 0.5}
LEAST_SNR = 60.0  # dB, as for another order of summation in float32 (bench/sections/generators.py)
METHOD, PROFILE = "rmvpe", "webui-2026"

Samples = npt.NDArray[np.float32]


def sound(seconds: float, rate: int) -> Samples:
    """A tone of eight harmonics that glides between 110 and 260 Hz, float32 (N,)."""
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(185 + 75 * np.sin(2 * np.pi * 0.3 * time)) / rate
    return np.asarray(0.1 * sum(np.sin(k * phase) / k for k in range(1, 9)), np.float32)


def snr(expected: npt.NDArray[np.generic], made: npt.NDArray[np.generic]) -> float:
    """Signal-to-noise ratio in dB; minus infinity for another length."""
    if expected.shape != made.shape:
        return -np.inf
    a, b = expected.astype(np.float64), made.astype(np.float64)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.square(a).sum() / np.square(a - b).sum()))


def of_a_file(seconds: float, exported: rvc_onnx.Voice, networks: VoiceNetworks) -> float:
    """The SNR of one conversion."""
    raw = sound(seconds, 16000)
    own, _ = offline.convert(raw.copy(), networks, Config.of(PROFILE, f0_method=METHOD), noise=Seeded(0))
    return snr(own, exported.convert(raw, profile=PROFILE, f0_method=METHOD, index_rate=0)[0])


def of_a_stream(exported: rvc_onnx.Voice, networks: VoiceNetworks) -> float:
    """The SNR of a stream of `BLOCKS` blocks."""
    rate = int(exported.facts["rate"])
    controls = realtime.Controls(f0_method=METHOD)
    own = realtime.Stream(
        realtime.load_models(networks, PROFILE, controls),
        realtime.BlockSizes.of(rate, **TIMES),
        controls,
        noise=Seeded(0),
    )
    made = exported.stream(rvc_onnx.BlockSizes.of(rate, **TIMES), rvc_onnx.Controls(f0_method=METHOD), profile=PROFILE)
    blocks = sound(BLOCKS * TIMES["block"], rate).reshape(BLOCKS, -1)
    return snr(*(np.concatenate([stream.block(block) for block in blocks]) for stream in (own, made)))


def main(arguments: Sequence[str]) -> int:
    """Print the SNR of each conversion; 1 where one is below `LEAST_SNR`."""
    folders = sorted(path.parent for path in Path(arguments[0]).glob("*/voice.json"))
    folder = next(folder for folder in folders if (folder / "f0_rmvpe.onnx").is_file())
    exported = rvc_onnx.open_voice(folder, torch.get_num_threads())
    kind = Path(exported.facts["source"]["file"]).stem
    networks = VoiceNetworks(voices.make_voice(kind), voices.make_hubert(), rmvpe=voices.make_rmvpe(), keep=True)
    ratios = {f"{seconds:g} s": of_a_file(seconds, exported, networks) for seconds in SECONDS}
    ratios[f"{BLOCKS} blocks"] = of_a_stream(exported, networks)
    for what, ratio in ratios.items():
        print(f"{what:>11}: {ratio:.1f} dB (least {LEAST_SNR:.0f})")
    return int(min(ratios.values()) < LEAST_SNR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
