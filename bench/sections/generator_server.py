"""A server that runs the generator of one voice in one program, for `bench.sections.generators`.

python -m bench.sections.generator_server NAME VOICE.pth SECONDS OUT.npy [--threads 2]

NAME is ours-float32, ours-bfloat16, ours-int8 (rvc), torch, onnxruntime, openvino-float32 or openvino-bfloat16. The
server writes the output of a first pass to OUT.npy and prints one JSON line: {"ready": NAME}, or {"missing": reason}
where the program is not installed. For each line N on stdin it runs N passes and prints {"ms": [...]}.
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
from parity.voices import cache
from rvc.voices.voice import Voice, load_voice

Array = NDArray[np.float32]
Pass = Callable[[], Any]  # one pass of the generator; the result converts to an array


class ProgramMissing(Exception):
    """The program is not installed."""


class GeneratorInput:
    """A voice, and latents, source and speaker embedding, which are the same for every program."""

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
        """The fields of a case that the ONNX export reads: the voice, and its weights as safetensors."""
        facts = {"version": self.voice.version, "rate": self.voice.rate}
        return {"voice": facts, "files": {"voice": str(cache.plain_path_of(self.path.stem))}}

    def arrays(self) -> dict[str, Array]:
        """The inputs by their names in the exported graph."""
        return {"z": self.z.numpy(), "source": self.source.numpy(), "g": self.g.numpy()}


def rvc(inputs: GeneratorInput, precision: str) -> Pass:
    """The generator of rvc."""
    network = load_voice(inputs.path, precision=precision).synthesizer
    return lambda: network.generate(inputs.z, inputs.g, inputs.source)


def eager_torch(inputs: GeneratorInput, _precision: str) -> Pass:
    """The modules that the graph is exported from, in eager PyTorch."""
    make, *_ = onnx_runtime.GRAPHS["generator"]
    network = make(inputs.case())[0].eval()

    def run() -> Any:
        with torch.inference_mode():
            return network(inputs.z, inputs.source, inputs.g)

    return run


def onnx(inputs: GeneratorInput, _precision: str) -> Pass:
    """ONNX Runtime on the exported graph."""
    runtime = imported("onnxruntime")
    session_options = runtime.SessionOptions()
    session_options.intra_op_num_threads = inputs.threads
    path = str(onnx_runtime.graph("generator", inputs.case()))
    session = runtime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
    arrays = inputs.arrays()
    return lambda: session.run(None, arrays)[0]


def openvino(inputs: GeneratorInput, precision: str) -> Pass:
    """OpenVINO on the exported graph."""
    core = imported("openvino").Core()
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": inputs.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(str(onnx_runtime.graph("generator", inputs.case())), "CPU", settings)
    arrays = inputs.arrays()
    return lambda: compiled(arrays)[0]


PROGRAMS: Mapping[str, Callable[[GeneratorInput, str], Pass]] = {
    "ours": rvc,
    "torch": eager_torch,
    "onnxruntime": onnx,
    "openvino": openvino,
}


def imported(name: str) -> Any:
    """Import an optional package; raises ProgramMissing where it is not installed."""
    if importlib.util.find_spec(name) is None:
        raise ProgramMissing(f"{name} is not installed; pip install {name}")
    return importlib.import_module(name)


def send(message: Mapping[str, Any]) -> None:
    """Print one line of JSON and flush it."""
    print(json.dumps(message), file=sys.__stdout__, flush=True)


def main() -> int:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.sections.generator_server", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("voice", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sys.stdout = sys.stderr  # output of libraries must not mix with the JSON lines
    torch.set_num_threads(options.threads)
    program, _, precision = options.name.partition("-")
    try:
        run = PROGRAMS[program](GeneratorInput(options.voice, options.seconds, options.threads), precision or "float32")
    except ProgramMissing as error:
        send({"missing": str(error)})
        return 0
    np.save(options.out, np.asarray(run(), np.float32).reshape(-1))
    send({"ready": options.name})
    serve(run)
    return 0


def serve(run: Pass) -> None:
    """Answer each line N with the milliseconds of N passes."""
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            milliseconds.append((time.perf_counter() - start) * 1000)
        send({"ms": milliseconds})


if __name__ == "__main__":
    sys.exit(main())
