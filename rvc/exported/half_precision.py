"""An exported graph in float16: weights and most operations are rounded, and some values stay in float32.

ONNX Runtime's converter rounds every input of a graph, also those that only float32 operations read, and every value
between two such operations. Both roundings are removed here, and the nodes are sorted, as a valid graph has them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from rvc.errors import MissingExtra

# Operations that float16 graphs compute in float32: sums over time, whose error would grow with the length.
FLOAT32_OPERATIONS = ("CumSum", "Sin", "Floor", "Range", "Softmax", "LayerNormalization", "ReduceMean", "ReduceSum")
# Outputs that are computed in float32 from the inputs on, as an original in half precision does: the phase of the sine
# is a sum over the whole file, and F0 rounded to float16 is up to 0.8 cents off.
FLOAT32_OUTPUTS = ("nsf.sine",)
_CONVERTERS = re.compile(r"_cast(\d+|_to_fp16_node)$")  # the names of the casts that the converter adds


def to_float16(model: Any) -> Any:
    """The graph with its weights and most operations in float16; inputs and outputs keep their types.

    Each output of the graph is read by the layers that follow it, so that `onnx.utils.extract_model` can cut there.

    Raises:
        MissingExtra: ONNX Runtime's converter is not installed.
    """
    try:
        from onnxruntime.transformers import float16
    except ImportError as error:
        raise MissingExtra("onnx", "the export in float16") from error
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, *FLOAT32_OPERATIONS]
    kept = [node.name for node in _makers(model.graph, FLOAT32_OUTPUTS)]
    roundings = _roundings(model.graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers below float16's smallest become that one, which the verification sees
        half = float16.convert_float_to_float16(model, keep_io_types=True, op_block_list=blocked, node_block_list=kept)
    _keep_roundings(half.graph, roundings)
    _join_casts(half.graph)
    _read_outputs(half.graph)
    ordered = list(_sorted(half.graph))
    del half.graph.node[:]
    half.graph.node.extend(ordered)
    return half


def _makers(graph: Any, outputs: Iterable[str]) -> list[Any]:
    """The nodes that some outputs of a graph are computed by, in the order of the graph."""
    wanted, makers = set(outputs), []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            makers.append(node)
            wanted |= set(_read(node))
    return makers[::-1]


def _read(node: Any) -> Iterator[str]:
    """The values that a node reads, also within its subgraphs."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            for inner in graph.node:
                yield from _read(inner)


def _roundings(graph: Any) -> set[str]:
    """Outputs of the casts that round a float64 value to float32 within a computation in float64."""
    import onnx

    singles, doubles = (_casts(graph, kind) for kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE))
    of_other_readers = {name for node in graph.node if node.output[0] not in doubles for name in _read(node)}
    return set(singles) & set(doubles.values()) - of_other_readers


def _keep_roundings(graph: Any, roundings: set[str]) -> None:
    """Let the casts with these outputs round to float32; the converter makes every cast to float32 one to float16."""
    import onnx

    for node in graph.node:
        if node.op_type == "Cast" and node.output[0] in roundings:
            entry = next(entry for entry in node.attribute if entry.name == "to")
            entry.i = onnx.TensorProto.FLOAT
    for value in graph.value_info:
        if value.name in roundings:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _casts(graph: Any, to: int) -> dict[str, str]:
    """Output → input of every node that casts to a type."""
    return {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and any(entry.name == "to" and entry.i == to for entry in node.attribute)
    }


def _join_casts(graph: Any) -> None:
    """Let the readers of a value that was rounded to float16 and widened again read the value itself."""
    import onnx

    rounded, widened = (_casts(graph, kind) for kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT))
    # The input of a cast that is the network's own may have another type than float32.
    own = {node.output[0] for node in graph.node if node.op_type == "Cast" and not _CONVERTERS.search(node.name)}
    rounded = {output: name for output, name in rounded.items() if output not in own}
    whole = {output: rounded[half] for output, half in widened.items() if half in rounded}
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if whole.keys() & outputs & set(node.output):
            node.input[0] = whole[node.output[0]]
        for place, name in enumerate(node.input):
            if name in whole:
                node.input[place] = whole[name]


def _read_outputs(graph: Any) -> None:
    """Let the readers of the rounded form of an output read the output, rounded again, which changes no value."""
    import onnx

    outputs = {value.name for value in graph.output}
    rounded = {half: name for name, half in _casts(graph, onnx.TensorProto.FLOAT).items() if name in outputs}
    again = {half: f"{name}.rounded" for half, name in rounded.items()}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in again and not (node.op_type == "Cast" and node.output[0] == rounded[name]):
                node.input[place] = again[name]
    read = {name for node in graph.node for name in node.input}
    for half, name in again.items():
        if name in read:
            graph.node.append(
                onnx.helper.make_node("Cast", [rounded[half]], [name], name=f"cast {name}", to=onnx.TensorProto.FLOAT16)
            )


def _sorted(graph: Any) -> Iterator[Any]:
    """The nodes of a graph, each after those whose outputs it reads and otherwise in their order; unread ones go."""
    makers = {output: number for number, node in enumerate(graph.node) for output in node.output}
    nodes, placed = list(graph.node), set[int]()
    needed = {value.name for value in graph.output}
    pending = [makers[name] for name in sorted(needed, key=lambda name: makers[name], reverse=True)]
    while pending:  # depth first: a node is placed once all that it reads is
        number = pending[-1]
        missing = [makers[name] for name in _read(nodes[number]) if name in makers and makers[name] not in placed]
        if missing:
            pending += sorted(set(missing), reverse=True)
            continue
        pending.pop()
        if number not in placed:
            placed.add(number)
            yield nodes[number]
