"""The generator of one voice in one program, asked for whole passes: one side of `bench.sections.rivals`.

python -m bench.sections.rival_engine NAME VOICE.pth SECONDS OUT.npy [--threads 2]

NAME is ours-float32, ours-bfloat16, ours-int8, torch, onnxruntime, openvino-float32 or openvino-bfloat16. One JSON line
when ready, {"missing": sentence} where the program is not installed; then for each line N that many passes and one line
{"ms": [...]}. The first pass's samples are kept in OUT.npy.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity.adapters import onnx_runtime
from parity.rvc_bridge import voice_files
from rvc.voices.voice import Voice, load_voice

Array = NDArray[np.float32]
Run = Callable[[], Any]


class Missing(Exception):
    """A program that is not on this machine."""


class Given:
    """One voice and what its generator is given: latents, source and speaker, the same for every program."""

    def __init__(self, path: Path, seconds: float, threads: int) -> None:
        self.path, self.threads = path, threads
        self.voice: Voice = load_voice(path)
        generator = torch.Generator().manual_seed(0)
        frames = round(seconds * 100)
        samples = torch.arange(frames * self.voice.upp) / self.voice.rate
        self.z = torch.randn(1, 192, frames, generator=generator)
        self.source = (torch.sin(2 * torch.pi * 200 * samples) * 0.1)[None, None]
        self.g = torch.randn(1, 256, 1, generator=generator)

    def case(self) -> Mapping[str, Any]:
        """What the exporter asks of a case: the voice, and its weights as safetensors."""
        facts = {"version": self.voice.version, "rate": self.voice.rate}
        return {"voice": facts, "files": {"voice": str(voice_files.plain(self.path))}}

    def arrays(self) -> dict[str, Array]:
        """The inputs by the names of the exported graph."""
        return {"z": self.z.numpy(), "source": self.source.numpy(), "g": self.g.numpy()}


def ours(given: Given, precision: str) -> Run:
    """`rvc`'s own generator."""
    network = load_voice(given.path, precision=precision).synthesizer
    return lambda: network.generate(given.z, given.g, given.source)


def plain(given: Given, _precision: str) -> Run:
    """The exported graph's own modules in eager PyTorch: whole tensors, nothing clever."""
    make, *_ = onnx_runtime.GRAPHS["generator"]
    network = make(given.case())[0].eval()

    def run() -> Any:
        with torch.inference_mode():
            return network(given.z, given.source, given.g)

    return run


def onnx(given: Given, _precision: str) -> Run:
    """ONNX Runtime on our export."""
    runtime = imported("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = given.threads
    path = str(onnx_runtime.graph("generator", given.case()))
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    arrays = given.arrays()
    return lambda: session.run(None, arrays)[0]


def openvino(given: Given, precision: str) -> Run:
    """OpenVINO on the same file."""
    core = imported("openvino").Core()
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": given.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(str(onnx_runtime.graph("generator", given.case())), "CPU", settings)
    arrays = given.arrays()
    return lambda: compiled(arrays)[0]


ENGINES: Mapping[str, Callable[[Given, str], Run]] = {
    "ours": ours,
    "torch": plain,
    "onnxruntime": onnx,
    "openvino": openvino,
}


def imported(name: str) -> Any:
    """A package that may not be here; raises Missing."""
    if importlib.util.find_spec(name) is None:
        raise Missing(f"{name} is not installed; pip install {name}")
    return importlib.import_module(name)


def say(words: Mapping[str, Any]) -> None:
    """One line of JSON, at once."""
    print(json.dumps(words), file=sys.__stdout__, flush=True)


def main() -> int:
    """0 when stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.rival_engine", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("voice", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    sys.stdout = sys.stderr  # whatever a library prints, the channel stays clean
    torch.set_num_threads(given.threads)
    engine, _, precision = given.name.partition("-")
    try:
        run = ENGINES[engine](Given(given.voice, given.seconds, given.threads), precision or "float32")
    except Missing as missing:
        say({"missing": str(missing)})
        return 0
    np.save(given.out, np.asarray(run(), np.float32).reshape(-1))
    say({"ready": given.name})
    serve(run)
    return 0


def serve(run: Run) -> None:
    """Answer each line N with the milliseconds of N passes."""
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            milliseconds.append((time.perf_counter() - start) * 1000)
        say({"ms": milliseconds})


if __name__ == "__main__":
    sys.exit(main())
