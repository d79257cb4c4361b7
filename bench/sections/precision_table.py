"""The error of bfloat16 and int8 at each stage against float32 of the same seed, on speech and on singing.

python -m bench.tiers [--write docs/performance.md]   prints the table, or writes it between the tier marks of that file
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from bench.checks import same_output
from bench.measure import unit
from bench.measure.workload import ROOT
from bench.publish.table import markdown
from parity import voices
from parity.goldens.trace_file import Trace
from rvc.audio.decoding import decode
from rvc.config import Config
from rvc.nn.kernels.backends import selection
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks

SOUNDS = {"speech": "speech_en_pauses.flac", "singing": "sung_glide.flac"}
STAGES = {  # column of the table → tensor of the trace
    "HuBERT": "seg0.hubert.features",
    "F0": "f0.hz",
    "encoder": "seg0.enc_p.m",
    "flow": "seg0.flow.z",
    "waveform": "waveform.concat",
}
GENERATOR_ALONE = "generator alone"  # on the latents and the source of the float32 conversion
FFT, HOP = 1024, 256  # samples
FLOOR = (
    1e-4  # of the magnitude of the loudest bin (−80 dB); quieter bins are inaudible and would dominate the logarithm
)
MARKS = ("<!-- tiers: made by python -m bench.tiers --write -->", "<!-- /tiers -->")


def log_spectral_distance(truth: ArrayLike, other: ArrayLike) -> float:
    """The mean over frames of the RMS over bins of the difference of log magnitudes, in dB.

    Args:
        truth: float (N,).
        other: float (N,).
    """
    spectra = [_magnitudes(np.asarray(sound, np.float64).reshape(-1)) for sound in (truth, other)]
    floor = FLOOR * float(spectra[0].max() or 1.0)
    levels = [20 * np.log10(np.maximum(spectrum, floor)) for spectrum in spectra]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(axis=1)).mean())


def _magnitudes(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(sound, (0, max(FFT - len(sound), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(FFT), axis=1)))


def converted(sound: Path, precision: str, kind: str = "v2-40k-f0") -> tuple[Trace, Any]:
    """The trace of a conversion of `sound`, and the synthesizer that it used."""
    hubert, rmvpe = voices.make_hubert(), voices.make_rmvpe()
    selection.pin_unless_named(selection.FIXED)
    networks = VoiceNetworks(voices.make_voice(kind), hubert, rmvpe=rmvpe, precision=precision)
    trace = Trace()
    config = Config.of("webui-2026", f0_method="rmvpe")
    offline.convert(decode(sound), networks, config, noise=Seeded(0), tap=trace)
    with networks.borrow_synthesizer() as synthesizer:
        return trace, synthesizer


def generated(trace: Mapping[str, Any], synthesizer: Any) -> NDArray[np.float32]:
    """The output of the generator for the latents and the source of a trace, float32 (M,)."""
    import torch

    inputs = [torch.from_numpy(np.array(trace[f"seg0.{name}"])) for name in ("flow.z", "spk.g", "nsf.source")]
    return np.asarray(synthesizer.generate(*inputs).numpy())


def distances(truth: Mapping[str, Any], other: Mapping[str, Any], synthesizer: Any) -> dict[str, tuple[float, float]]:
    """Stage → SNR in dB, and log-spectral distance in dB, which is NaN for stages that are no waveform."""
    by_stage = {}
    for stage, name in STAGES.items():
        far = log_spectral_distance(truth[name], other[name]) if stage == "waveform" else float("nan")
        by_stage[stage] = same_output.snr(truth[name], other[name]), far
    alone, full = generated(truth, synthesizer), truth["seg0.waveform.segment.full"].reshape(-1)
    by_stage[GENERATOR_ALONE] = same_output.snr(full, alone), log_spectral_distance(full, alone)
    return by_stage


def table(precisions: Sequence[str]) -> str:
    """The Markdown table of all sounds, precisions and stages."""
    heads = [*STAGES, GENERATOR_ALONE]
    rows = [("sound, precision", *heads, "log-spectral distance")]
    for what, file in tqdm(SOUNDS.items(), desc="tiers", unit="sound", disable=None):
        sound = ROOT / "goldens" / "inputs" / file
        truth, _ = converted(sound, "float32")
        for precision in precisions:
            by_stage = distances(truth, *converted(sound, precision))
            signal = ["same" if by_stage[stage][0] == np.inf else f"{by_stage[stage][0]:.1f} dB" for stage in heads]
            rows.append((f"{what}, {precision}", *signal, f"{by_stage['waveform'][1]:.2f} dB"))
    return markdown(rows)


def write(path: Path, text: str) -> None:
    """Write `text` between the marks of a document.

    Raises:
        ValueError: the document does not have both marks once.
    """
    document = path.read_text(encoding="utf-8")
    if any(document.count(mark) != 1 for mark in MARKS):
        raise ValueError(f"{path} must hold {MARKS[0]} and {MARKS[1]} once each; put them where the table belongs")
    before, _, rest = document.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiers", description=__doc__.split("\n")[0])
    parser.add_argument("--write", type=Path, help="a Markdown file with the table's marks")
    options = parser.parse_args()
    text = table([name for name in ("bfloat16", "int8") if name != "bfloat16" or unit.has_bfloat16()])
    print(text)
    if options.write:
        write(options.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
