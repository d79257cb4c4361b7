"""How long it takes before anything can be said, and how fast sound is read and written.

python -m bench.sections.load WHAT …: one of the parts below in this process, its seconds as JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from bench.judge.verdict import interval
from bench.measure import child
from bench.measure.workload import Workload, speech
from parity.voices import cache

ROWS, WIDTH = 100_000, 768
SOUND_SECONDS, SOUND_RATE = 60.0, 48000


def measure(threads: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Intervals of seconds by name; torch's import and that of all a conversion needs take turns (`rvc` is lazy)."""
    index, sound, python = big_index(), stereo(scratch), sys.executable
    work = Workload(speech(1.0, scratch), 1.0)
    model, hubert = work.files()[1], work.files()[3]
    whole = {
        "import torch": [python, "-c", "import torch"],
        "import of a conversion": [python, "-c", "import rvc.pipeline.file_conversion, rvc.pipeline.voice_networks"],
        "rvc --help": [python, "-m", "rvc", "--help"],
    }
    inner = {
        "voice and HuBERT": ["voice", model, hubert],
        "index of 100,000 × 768": ["index", str(index)],
        "audio handling": ["sound", str(sound), str(scratch / "handled.wav")],
    }
    found: dict[str, list[float]] = {name: [] for name in (*whole, *inner)}
    for _ in tqdm(range(rounds + 1), desc="loading", unit="round", disable=None):
        for name, command in whole.items():
            found[name].append(child.run(command, threads=threads).seconds)
        for name, words in inner.items():
            done = child.run([python, "-m", "bench.sections.load", *words], threads=threads)
            found[name].append(float(done.report["seconds"]))
    warm = {name: values[1:] for name, values in found.items()}  # the first round fills the system's file cache
    ratio = [a / b for a, b in zip(warm["import of a conversion"], warm["import torch"], strict=True)]
    speed = [SOUND_SECONDS / seconds for seconds in warm.pop("audio handling")]
    return {
        "seconds": {name: asdict(interval(values)) for name, values in warm.items()},
        "import_over_torch": asdict(interval(ratio)),
        "audio_times_real": asdict(interval(speed)),
    }


def big_index() -> Path:
    """An IVF,Flat index as a voice of an hour or so has it: made once, kept beside the synthetic voices."""
    target = cache.folder() / f"bench-index-{ROWS}.index"
    if target.exists():
        return target
    import faiss

    generator = np.random.default_rng(0)
    rows = generator.standard_normal((ROWS, WIDTH), dtype=np.float32)
    lists = 39 * 64  # near the trainer's ROWS // 39
    quantizer = faiss.IndexFlatL2(WIDTH)
    quantizer.add(rows[:lists])
    index = faiss.IndexIVFFlat(quantizer, WIDTH, lists, faiss.METRIC_L2)
    index.is_trained = True
    index.add(rows)
    fresh = target.with_suffix(".new")
    faiss.write_index(index, str(fresh))
    fresh.replace(target)
    return target


def stereo(scratch: Path) -> Path:
    """A minute of noise at 48 kHz in stereo: what must be decoded, mixed and resampled."""
    path = scratch / "stereo.wav"
    noise = np.random.default_rng(0).standard_normal((round(SOUND_SECONDS * SOUND_RATE), 2)) * 0.1
    soundfile.write(path, noise, SOUND_RATE, subtype="PCM_16")
    return path


def load_voice(model: str, hubert: str) -> None:
    """A voice and the full-size HuBERT, ready to be used."""
    from rvc.pipeline.voice_networks import VoiceNetworks

    parts = VoiceNetworks(model, hubert)
    _ = parts.voice.synthesizer
    with parts.borrow_hubert():
        pass


def load_index(path: str) -> None:
    """A retrieval index, ready to be searched."""
    from rvc.retrieval import search

    search.load_index(path)


def handle_sound(source: str, target: str) -> None:
    """Read, mix, resample to 16 kHz, filter, resample to 40 kHz, write."""
    from rvc.audio import output, preparation
    from rvc.audio.tools import resample
    from rvc.profiles import named

    samples = preparation.highpass(preparation.guard_peak(preparation.read(Path(source), named("webui-2026"))))
    there = resample(samples.astype(np.float32), preparation.RATE, 40000)
    output.write_audio(target, output.to_int16(there), 40000)


PARTS: Mapping[str, Callable[..., None]] = {"voice": load_voice, "index": load_index, "sound": handle_sound}


def main() -> int:
    """0 measured; libraries are imported before the clock runs, since their import is measured on its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.load", description=__doc__)
    parser.add_argument("what", choices=PARTS)
    parser.add_argument("files", nargs="*")
    given = parser.parse_args()
    import faiss  # noqa: F401
    import torch  # noqa: F401

    import rvc.audio.decoding
    import rvc.pipeline.offline
    import rvc.pipeline.voice_networks  # noqa: F401

    start = time.perf_counter()
    PARTS[given.what](*given.files)
    print(json.dumps({"seconds": time.perf_counter() - start}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
