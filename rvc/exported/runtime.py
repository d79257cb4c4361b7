"""ONNX Runtime sessions of exported graphs; the package is imported when the first session is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput, MissingExtra

Array = npt.NDArray[Any]


class Graph:
    """An opened graph."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open a graph.

        Args:
            path: the .onnx file.
            threads: processor threads.
        Raises:
            MissingExtra: ONNX Runtime is not installed.
            BadInput: the file is damaged.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnx", "an exported voice") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # errors are raised; ONNX Runtime's own lines would appear beside them
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A length occurs once in most conversions, so a plan of its memory would only grow the process.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a class of its own for each kind of damage
            raise BadInput(f"{path} cannot be opened by ONNX Runtime ({_first_line(error)}); export it again") from None
        self.path = path
        self.inputs = {item.name: item for item in self._session.get_inputs()}
        self.outputs = [item.name for item in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Array], outputs: list[str] | None = None) -> dict[str, Array]:
        """Run the graph.

        Args:
            inputs: name → array.
            outputs: names of the wanted outputs; None returns all.
        Returns:
            Name → array.
        Raises:
            BadInput: the inputs do not fit the graph.
        """
        names = self.outputs if outputs is None else outputs
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:  # see above
            raise BadInput(f"{self.path} cannot compute these inputs ({_first_line(error)})") from None
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    def refuse_without(self, outputs: Iterable[str]) -> None:
        """Raise BadInput when the graph lacks one of these outputs."""
        for name in outputs:
            if name not in self.outputs:
                raise BadInput(f"{self.path} has no output {name}, so it is another graph; export the voice again")

    def refuse_shape(self, output: str, value: Array, expected: Sequence[int | None]) -> None:
        """Raise BadInput when an output has another shape; None stands for any length."""
        fits = len(value.shape) == len(expected)
        if not fits or any(b not in (None, a) for a, b in zip(value.shape, expected, strict=True)):
            shape = "(" + ", ".join("n" if size is None else str(size) for size in expected) + ")"
            raise BadInput(
                f"{self.path} computed {output} of shape {value.shape}, expected {shape}; export the voice again"
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
