"""The section load: loading times, and the speed of reading and writing audio.

python -m bench.sections.loading WHAT FILE …: run one of TASKS in this process and print its seconds as JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from bench.judge.intervals import interval_document
from bench.measure import child
from bench.measure.workload import Workload, speech
from parity.voices import cache

ROWS, CHANNELS = 100_000, 768  # size of the index: about half an hour of content features of a v2 voice
SOUND_SECONDS, SOUND_RATE = 60.0, 48000


def measure(threads: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Intervals of seconds by name. Imports of torch and of a conversion alternate, since their ratio is judged."""
    index, sound, python = big_index(), stereo(scratch), sys.executable
    workload = Workload(speech(1.0, scratch), 1.0)
    _, model, _, hubert, *_ = workload.voice_options()
    processes = {
        "import torch": [python, "-c", "import torch"],
        "import of a conversion": [python, "-c", "import rvc.pipeline.file_conversion, rvc.pipeline.voice_networks"],
        "rvc --help": [python, "-m", "rvc", "--help"],
    }
    tasks = {
        "voice and HuBERT": ["voice", model, hubert],
        "index of 100,000 × 768": ["index", str(index)],
        "audio handling": ["sound", str(sound), str(scratch / "handled.wav")],
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*processes, *tasks)}
    for _ in tqdm(range(rounds + 1), desc="loading", unit="round", disable=None):
        for name, command in processes.items():
            seconds[name].append(child.run(command, threads=threads).seconds)
        for name, arguments in tasks.items():
            done = child.run([python, "-m", "bench.sections.loading", *arguments], threads=threads)
            seconds[name].append(float(done.report["seconds"]))
    warm = {name: values[1:] for name, values in seconds.items()}  # the first round fills the system's file cache
    ratio = [a / b for a, b in zip(warm["import of a conversion"], warm["import torch"], strict=True)]
    speed = [SOUND_SECONDS / taken for taken in warm.pop("audio handling")]
    return {
        "seconds": {name: interval_document(values) for name, values in warm.items()},
        "import_over_torch": interval_document(ratio),
        "audio_times_real": interval_document(speed),
    }


def big_index() -> Path:
    """The path of an IVF,Flat index of ROWS × CHANNELS, made once in the cache of the synthetic voices."""
    target = cache.folder() / f"bench-index-{ROWS}.index"
    if target.exists():
        return target
    import faiss

    generator = np.random.default_rng(0)
    rows = generator.standard_normal((ROWS, CHANNELS), dtype=np.float32)
    lists = 39 * 64  # near the ROWS // 39 of the originals' training
    quantizer = faiss.IndexFlatL2(CHANNELS)
    quantizer.add(rows[:lists])
    index = faiss.IndexIVFFlat(quantizer, CHANNELS, lists, faiss.METRIC_L2)
    index.is_trained = True
    index.add(rows)
    fresh = target.with_suffix(".new")
    faiss.write_index(index, str(fresh))
    fresh.replace(target)
    return target


def stereo(scratch: Path) -> Path:
    """Write a minute of stereo noise at 48 kHz, which must be decoded, mixed and resampled."""
    path = scratch / "stereo.wav"
    noise = np.random.default_rng(0).standard_normal((round(SOUND_SECONDS * SOUND_RATE), 2)) * 0.1
    soundfile.write(path, noise, SOUND_RATE, subtype="PCM_16")
    return path


def load_voice(model: str, hubert: str) -> None:
    """Load a voice and the full-size HuBERT."""
    from rvc.pipeline.voice_networks import VoiceNetworks

    networks = VoiceNetworks(model, hubert)
    _ = networks.voice.synthesizer
    with networks.borrow_hubert():
        pass


def load_index(path: str) -> None:
    """Load a retrieval index."""
    from rvc.retrieval import search

    search.load_index(path)


def handle_sound(source: str, target: str) -> None:
    """Read, mix, resample to 16 kHz, filter, resample to 40 kHz, write."""
    from rvc.audio import output, preparation
    from rvc.audio.tools import resample
    from rvc.profiles import named

    samples = preparation.highpass(preparation.guard_peak(preparation.read(Path(source), named("webui-2026"))))
    resampled = resample(samples.astype(np.float32), preparation.RATE, 40000)
    output.write_audio(target, output.to_int16(resampled), 40000)


TASKS: Mapping[str, Callable[..., None]] = {"voice": load_voice, "index": load_index, "sound": handle_sound}


def main() -> int:
    """Run one task. Libraries are imported before the time is taken, since imports are measured separately."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.loading", description=__doc__)
    parser.add_argument("what", choices=TASKS)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    import faiss  # noqa: F401
    import torch  # noqa: F401

    import rvc.audio.decoding
    import rvc.pipeline.offline
    import rvc.pipeline.voice_networks  # noqa: F401

    start = time.perf_counter()
    TASKS[arguments.what](*arguments.files)
    print(json.dumps({"seconds": time.perf_counter() - start}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
