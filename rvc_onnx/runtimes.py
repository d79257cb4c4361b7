"""The programs that run a graph: ONNX Runtime, and OpenVINO as a second one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError

Array = npt.NDArray[Any]
STREAM_INPUTS = {"skip_head": 0, "return_length": -1, "resized_length": -1}  # inputs that may be left out

NO_RECIPROCAL = "nonconvertable_divide_0"  # OpenVINO's attribute of a division that it leaves as it is


class Graph(Protocol):
    """An opened graph."""

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in order; an output may have several."""

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Compute the outputs, name → array; `outputs` names those to compute, None all."""


class OnnxRuntimeGraph:
    """A graph in ONNX Runtime, on the processor."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open a file with a number of threads; 0 takes the runtime's default."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors are raised; the library's own lines would appear beside them
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else other programs lose their cores
        # A length occurs once in most conversions, so a plan of its memory would only grow the process.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.outputs = [port.name for port in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """As `Graph.run`."""
        names = list(outputs or self.outputs)
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


class OpenVinoGraph:
    """A graph in OpenVINO, on the processor, in the precision of the file."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open a file with a number of threads; 0 takes the runtime's default."""
        import openvino

        model = openvino.Core().read_model(str(path))
        self._defaults = _free_constants(model)
        _keep_divisions(model)
        properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            properties["INFERENCE_NUM_THREADS"] = threads
        self._compiled = openvino.compile_model(model, "CPU", properties)
        self._request = self._compiled.create_infer_request()
        # OpenVINO leaves out nodes that only pass a value on, and its output then has the names of all of them.
        self.outputs = [name for port in self._compiled.outputs for name in sorted(port.get_names())]

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """As `Graph.run`; every output is computed."""
        made = self._request.infer({**self._defaults, **inputs}, share_inputs=False)
        names = outputs or self.outputs
        return {name: np.array(made[name]) for name in names}


def _free_constants(model: Any) -> dict[str, Array]:
    """Make inputs of the constants as which OpenVINO reads inputs with an initializer; returns their defaults."""
    from openvino import opset13

    defaults: dict[str, Array] = {}
    for node in model.get_ops():
        name = node.get_friendly_name()
        if node.get_type_name() == "Constant" and name in STREAM_INPUTS:
            parameter = opset13.parameter([], np.int64, name=name)
            parameter.output(0).get_tensor().set_names({name})
            node.output(0).replace(parameter.output(0))
            model.add_parameters([parameter])
            defaults[name] = np.array(STREAM_INPUTS[name], np.int64)
    model.validate_nodes_and_infer_types()
    return defaults


def _keep_divisions(model: Any) -> None:
    """Keep OpenVINO from multiplying by a reciprocal instead, whose other rounding adds up in the sine's phase."""
    for node in model.get_ops():
        if node.get_type_name() == "Divide":
            node.get_rt_info()[NO_RECIPROCAL] = ""


RUNTIMES: dict[str, Callable[[Path, int], Graph]] = {"onnxruntime": OnnxRuntimeGraph, "openvino": OpenVinoGraph}

# The runtime of the F0 graphs, whichever runs the others. OpenVINO 2026.4.1 gives other statistics in FCPE's group norm
# (a salience that differs by up to 0.9 from ONNX Runtime's; its intermediate values are right when they are outputs),
# and twice the error in RMVPE's F0, which adds up in the sine's phase: 2.5 limits where a voice follows the sine.
F0_RUNTIME = "onnxruntime"


def open_graph(path: Path, threads: int, runtime: str) -> Graph:
    """Open a file.

    Raises:
        OnnxVoiceError: there is no such runtime, it is not installed, or the file is damaged.
    """
    if runtime not in RUNTIMES:
        raise OnnxVoiceError(f"there is no runtime {runtime!r}; choose one of {', '.join(RUNTIMES)}")
    try:
        return RUNTIMES[runtime](path, threads)
    except ImportError:
        raise OnnxVoiceError(f"{runtime} is not installed; pip install {runtime}") from None
    except Exception as error:  # a class of its own for each kind of damage
        raise OnnxVoiceError(f"{path} cannot be opened ({str(error)[:160]})") from None
