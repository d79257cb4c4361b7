"""A candidate that computes with ONNX Runtime: graphs of HuBERT, encoder, prior, flow and generator.

    rvc-parity check --candidate "python -m parity.adapters.onnx_runtime"

The graphs are exported from `parity.adapters.modules`, once for each weight file, into the cache. The prior's graph
takes standard normal noise and multiplies it by 0.66666; the classic WebUI's export does not, and its caller omits
the factor (divergence D17).
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from parity.adapters import modules
from parity.candidates import messages
from parity.goldens.arrays import Array
from parity.voices import Kind, cache

VERSION = "1"
TEMPERATURE = float(os.environ.get("RVC_ONNX_TEMPERATURE", "0.66666"))  # docs/spec/00; a test sets 1.0, which is D17


class Prior(nn.Module):
    """m, logs and noise to z_p."""

    def forward(self, m: Tensor, logs: Tensor, noise: Tensor) -> Tensor:
        """All (1, 192, p)."""
        return m + logs.exp() * noise * TEMPERATURE


Make = Callable[[Mapping[str, Any]], tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]]


def _voice(case: Mapping[str, Any]) -> dict[str, Tensor]:
    from safetensors.torch import load_file as load

    return dict(load(case["files"]["voice"]))


def _encoder(case: Mapping[str, Any]) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]:
    network = modules.Encoder(_voice(case))
    width = network.content.shape[1]
    return (
        network,
        (torch.zeros(1, 40, width), torch.ones(1, 40, dtype=torch.int64)),
        {"content": {1: "p"}, "coarse": {1: "p"}},
    )


def _prior(case: Mapping[str, Any]) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]:
    some = torch.zeros(1, 192, 40)
    return Prior(), (some, some, some), {name: {2: "p"} for name in ("m", "logs", "noise")}


def _flow(case: Mapping[str, Any]) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]:
    return modules.Flow(_voice(case)), (torch.zeros(1, 192, 40), torch.zeros(1, 256, 1)), {"z_p": {2: "p"}}


def _generator(case: Mapping[str, Any]) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]:
    kind = Kind(case["voice"]["version"] + f"-{int(case['voice']['rate']) // 1000}k-f0")
    network = modules.Generator(_voice(case), kind.strides, kind.kernels, [3, 7, 11], [[1, 3, 5]] * 3)
    upp = int(case["voice"]["rate"]) // 100
    inputs = (torch.zeros(1, 192, 40), torch.zeros(1, 1, 40 * upp), torch.zeros(1, 256, 1))
    return network, inputs, {"z": {2: "p"}, "source": {2: "samples"}}


def _hubert(case: Mapping[str, Any]) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, dict[int, str]]]:
    from safetensors.torch import load_file as load

    network = modules.Hubert(load(Path(case["files"]["hubert"]) / "model.safetensors"))
    return network, (torch.zeros(1, 8000),), {"audio": {1: "samples"}}


# stage → how to make its network, the weights it depends on, its inputs by graph name, its outputs
GRAPHS: dict[str, tuple[Make, str, dict[str, str], list[str]]] = {
    "hubert.features": (_hubert, "hubert", {"audio": "audio"}, ["hubert.features"]),
    "enc_p": (_encoder, "voice", {"content": "content.protected", "coarse": "f0.coarse"}, ["enc_p.m", "enc_p.logs"]),
    "z_p": (_prior, "", {"m": "enc_p.m", "logs": "enc_p.logs", "noise": "noise.z"}, ["z_p"]),
    "flow": (_flow, "voice", {"z_p": "z_p", "g": "spk.g"}, ["flow.z"]),
    "generator": (
        _generator,
        "voice",
        {"z": "flow.z", "source": "nsf.source", "g": "spk.g"},
        ["waveform.segment.full"],
    ),
}


def graph(stage: str, case: Mapping[str, Any]) -> Path:
    """The exported network of a stage, made when the cache lacks it."""
    make, weights, names, outputs = GRAPHS[stage]
    key = json.dumps([VERSION, torch.__version__, stage, case["files"].get(weights, ""), TEMPERATURE])
    target = cache.folder() / "onnx" / f"{stage}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.onnx"
    if target.is_file():
        return target
    network, inputs, dynamic_axes = make(case)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{os.getpid()}.{target.name}")
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")  # the exporter warns that it is deprecated
        torch.onnx.export(
            network.eval(),
            inputs,
            str(fresh),
            input_names=list(names),
            output_names=outputs,
            dynamic_axes=dynamic_axes,
            opset_version=17,
            dynamo=False,
        )
    fresh.replace(target)
    return target


class StageMissing(Exception):
    """This adapter does not have the stage for this case; the answer has the field `lacks`."""


class Sessions:
    """ONNX Runtime sessions by graph; the eight that were opened last stay open."""

    def __init__(self) -> None:
        self._open: dict[Path, Any] = {}

    def run(self, stage: str, case: Mapping[str, Any], inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs of a stage's graph."""
        import onnxruntime

        path = graph(stage, case)
        if path not in self._open:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            for old in list(self._open)[:-7]:
                del self._open[old]
            self._open[path] = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return list(self._open[path].run(None, dict(inputs)))


def hello() -> dict[str, Any]:
    """What this adapter can do."""
    import onnxruntime

    return {
        "protocol": "rvc-parity/1",
        "name": "onnxruntime",
        "version": VERSION,
        "stages": list(GRAPHS),
        "chain": False,
        "dtypes": ["float32"],
        "noise": True,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
    }


def answer(request: Mapping[str, Any], sessions: Sessions) -> dict[str, Any]:
    """The fields of one answer.

    Raises:
        ValueError: the adapter does not implement the operation or the stage.
        StageMissing: it does not have the stage for this case.
    """
    if request["op"] == "hello":
        return hello()
    stage = request.get("stage")
    if request["op"] != "run_stage" or stage not in GRAPHS:
        raise ValueError(f"this adapter has no {stage or request['op']}")
    case, prefix = request["case"], request["prefix"]
    if stage == "hubert.features" and case["voice"]["version"] != "v2":
        raise StageMissing("the exported HuBERT gives its last layer, which v1 voices do not use")
    if stage in ("enc_p", "generator") and not case["voice"]["f0"]:
        raise StageMissing("only pitch-guided voices are exported")
    tensors = load_file(request["inputs"])
    _, _, names, outputs = GRAPHS[stage]
    inputs = {name: tensors[local if local.startswith("f0.") else prefix + local] for name, local in names.items()}
    made = sessions.run(stage, case, inputs)
    named = {prefix + name: np.ascontiguousarray(value) for name, value in zip(outputs, made, strict=True)}
    save_file(named, request["outputs"])
    return {}


def main() -> int:
    """Serve until stdin ends or bye."""
    lacking = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        sys.exit(
            f"{' and '.join(lacking)} not installed, which this adapter needs; python -m pip install onnx onnxruntime"
        )
    channel, sys.stdout = sys.stdout, sys.stderr  # what a library prints goes to stderr, not into the protocol
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    sessions = Sessions()
    for line in sys.stdin:
        request = messages.check_request(json.loads(line))
        if request["op"] == "bye":
            break
        try:
            fields = {"ok": True, **answer(request, sessions)}
        except StageMissing as error:
            fields = {"ok": False, "lacks": str(error)}
        except Exception as error:
            fields = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        channel.write(json.dumps({"id": request["id"], **fields}) + "\n")
        channel.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
