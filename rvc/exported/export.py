"""Export a voice with its HuBERT, F0 networks and index to a folder of ONNX graphs (docs/exported-voice.md)."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rvc.audio import output, preparation, segments
from rvc.content import alignment, features
from rvc.errors import BadInput, MissingExtra, RvcError
from rvc.exported import half_precision, interface, retrieval_data
from rvc.exported.content_graph import ContentGraph
from rvc.exported.f0_graphs import GRAPHS as F0_GRAPHS
from rvc.exported.f0_graphs import OUTPUTS as F0_OUTPUTS
from rvc.exported.synthesizer_graph import SynthesizerGraph, example_inputs
from rvc.f0 import network_files, postprocessing, registry
from rvc.f0.optional_packages import shipped_file
from rvc.nn.hubert_config import HubertConfig
from rvc.nn.kernels.conv import Weights
from rvc.nn.synthesizer import TEMPERATURE
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.retrieval import search as retrieval
from rvc.voice_kinds import VERSIONS
from rvc.voices.contents import read_contents
from rvc.weights.checkpoint import sha256

EXAMPLE_SAMPLES = 16000  # samples at 16 kHz of the example with which a graph is recorded
LICENSE_ENTRIES = ("license", "licence", "author", "author_name", "creator", "credits", "url")
Progress = Callable[[str], None]
# The high-pass filter as second-order sections b0 b1 b2 a0 a1 a2: scipy.signal.butter(5, 48, "high", fs=16000, "sos").
SECTIONS = [
    [0.9699606451838447, -0.9699606451838447, 0.0, 1.0, -0.9813258904926881, 0.0],
    [1.0, -2.0, 1.0, 1.0, -1.9696106864374547, 0.9699606452559844],
    [1.0, -2.0, 1.0, 1.0, -1.9880652422382208, 0.9884184800471566],
]


@dataclass(frozen=True)
class GraphFile:
    """One graph to export.

    Attributes:
        name: the file.
        network: the network.
        inputs: example inputs by name.
        outputs: names of the outputs.
        lengths: input → the axes whose length varies, with a name for each.
    """

    name: str
    network: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    lengths: dict[str, dict[int, str]]


def export_folder(
    networks: VoiceNetworks,
    folder: Path,
    *,
    f0_methods: Sequence[str] | None = None,
    profile: str,
    precision: str = "float32",
    verify: bool = True,
    progress: Progress = lambda _: None,
) -> interface.ExportedVoice:
    """Write an exported voice; the folder appears when it is complete and verified.

    Args:
        networks: the voice, and the paths of its HuBERT, F0 weights and index.
        folder: the folder to create; one that an export wrote earlier is replaced.
        f0_methods: neural methods to export; None takes those whose weight file was named or found.
        profile: the original whose defaults voice.json states.
        precision: "float32", or "float16" for weights and most operations.
        verify: whether a short conversion through the folder is compared with `rvc` before the folder appears.
        progress: called with the name of each file before it is made.
    Returns:
        The folder, read again.
    Raises:
        MissingExtra: the package onnx is not installed.
        BadInput: the folder cannot be written, or a file that the export needs is missing or of an unsupported kind.
        RvcError: the exported graphs compute something else than `rvc`; the message names the stage.
    """
    try:
        import onnx  # noqa: F401 - the exporter of torch needs it
    except ImportError as error:
        raise MissingExtra("onnx", "the export to ONNX") from error
    methods = chosen_methods(networks, f0_methods)
    refuse_target(folder)
    with temporary_sibling(folder) as part:
        for name, build in planned_graphs(networks, methods).items():
            progress(name)
            write_graph(build(), part / name, precision)
        facts = write_index(networks, part, progress)
        description = describe(networks, methods, profile, precision, facts, part)
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (part / interface.DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        if verify:
            from rvc.exported.verification import verify_folder  # opens ONNX Runtime

            progress("verification")
            verify_folder(networks, part, methods, profile)
        if folder.is_dir():
            shutil.rmtree(folder)
        part.rename(folder)
    return interface.read_folder(folder)


def chosen_methods(networks: VoiceNetworks, asked: Sequence[str] | None) -> list[str]:
    """The F0 methods to export.

    Raises:
        BadInput: a method has no graph, or its weight file was not named.
    """
    if not networks.f0:
        return []
    if asked is None:
        roles = {role: methods[0].name for role, methods in registry.weight_files().items()}
        return [name for role, name in roles.items() if role in networks.paths]
    for name in asked:
        method = registry.named(name)
        if name not in F0_GRAPHS:
            raise BadInput(
                f"the F0 method {name} has no network to export; leave it out, its library computes it (methods "
                f"with a network are {', '.join(F0_GRAPHS)})"
            )
        if method.needs_file and method.network is not None and method.network.role not in networks.paths:
            raise method.missing_file()
    return list(dict.fromkeys(asked))


def refuse_target(folder: Path) -> None:
    """Raise BadInput when the folder cannot be created, or holds something else than an earlier export."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; name a folder for the exported voice")
    if not folder.parent.is_dir():
        raise BadInput(f"the folder {folder.parent} does not exist; make it first")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / interface.DESCRIPTION).is_file():
        raise BadInput(f"the folder {folder} holds other files; name a new folder for the exported voice")


@contextlib.contextmanager
def temporary_sibling(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, removed unless it was renamed.  Raises BadInput when it cannot be made."""
    try:
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}") from None
    try:
        part.chmod(0o755)
        yield part
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def planned_graphs(networks: VoiceNetworks, methods: Sequence[str]) -> dict[str, Callable[[], GraphFile]]:
    """File name → a function that builds its graph, so that one network is in memory at a time."""
    plan = {interface.CONTENT: partial(content_graph, networks)}
    plan |= {interface.f0_file(method): partial(f0_graph, networks, method) for method in methods}
    return {**plan, interface.SYNTHESIZER: partial(synthesizer_graph, networks)}


def content_graph(networks: VoiceNetworks) -> GraphFile:
    """HuBERT, up to the layer that the voice's version needs."""
    config, weights = features.read_hubert(networks.paths["hubert"])
    network = ContentGraph(config, weights, VERSIONS[networks.version])
    return GraphFile(interface.CONTENT, network, example_audio(), ["content"], {"audio": {1: "samples"}})


def f0_graph(networks: VoiceNetworks, method: str) -> GraphFile:
    """The network of an F0 method.  Raises RvcError when its weights are missing or damaged."""
    entry = registry.named(method)
    assert entry.network is not None
    path = networks.paths.get(entry.network.role)
    if path is None:
        assert entry.package is not None and entry.network.file is not None
        path = shipped_file(entry.package.module, entry.network.file, entry.extra or method)
    network = F0_GRAPHS[method](network_files.tensors(path, "cpu"))
    lengths = {"audio": {1: "samples"}}
    return GraphFile(interface.f0_file(method), network, example_audio(), F0_OUTPUTS[method], lengths)


def synthesizer_graph(networks: VoiceNetworks) -> GraphFile:
    """The voice's synthesizer."""
    voice = networks.voice
    network = SynthesizerGraph(voice.sizes, Weights(read_contents(voice.path).tensors))
    inputs = example_inputs(voice.sizes)
    varying = {"content": {1: "p"}, "coarse": {1: "p"}, "hz": {1: "p"}}
    varying |= {"noise_z": {2: "latent_frames"}, "noise_source": {1: "source_samples"}}
    lengths = {name: axes for name, axes in varying.items() if name in inputs}
    outputs = interface.synthesizer_outputs(voice.f0)
    return GraphFile(interface.SYNTHESIZER, network, inputs, outputs, lengths)


def example_audio() -> dict[str, Tensor]:
    """One second of silence."""
    return {"audio": torch.zeros(1, EXAMPLE_SAMPLES)}


def write_graph(graph: GraphFile, path: Path, precision: str) -> None:
    """Export one network.

    Args:
        graph: the network.
        path: the file to write.
        precision: "float32" or "float16".
    """
    import onnx

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns that it is deprecated, and about every constant it records
        torch.onnx.export(
            graph.network.eval(),
            tuple(graph.inputs.values()),
            str(path),
            input_names=list(graph.inputs),
            output_names=graph.outputs,
            dynamic_axes=graph.lengths,
            opset_version=interface.OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    model.ir_version = interface.IR_VERSION
    model.producer_name, model.producer_version = "rvc", ""
    for name, default in interface.STREAM_INPUTS.items():
        if name in graph.inputs:  # an input with an initializer may be left out
            model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [], [default]))
    if precision == "float16":
        model = half_precision.to_float16(model)
    onnx.save(model, str(path))


def write_index(networks: VoiceNetworks, folder: Path, progress: Progress) -> dict[str, Any] | None:
    """Write the index as arrays; returns the facts for voice.json, None without an index."""
    if "index" not in networks.paths:
        return None
    from safetensors.numpy import save_file

    progress(interface.RETRIEVAL)
    index = retrieval.load_index(networks.paths["index"])
    index.refuse_other_width(VERSIONS[networks.version].content_channels)
    arrays, facts = retrieval_data.to_arrays(index)
    save_file(arrays, str(folder / interface.RETRIEVAL))
    return {**facts, "neighbors": retrieval.NEIGHBORS, "file": networks.paths["index"].name}


def describe(
    networks: VoiceNetworks,
    methods: Sequence[str],
    profile: str,
    precision: str,
    index: Mapping[str, Any] | None,
    folder: Path,
) -> dict[str, Any]:
    """The contents of voice.json."""
    voice = networks.voice
    embedder = voice.embedder
    stated = {name: value for name, value in voice.metadata.items() if name.lower() in LICENSE_ENTRIES}
    return {
        "format": interface.FORMAT,
        "specification": interface.SPECIFICATION,
        "opset": interface.OPSET,
        "ir_version": interface.IR_VERSION,
        "precision": precision,
        "version": voice.version,
        "rate": voice.rate,
        "f0": voice.f0,
        "speakers": voice.speakers,
        "hop": voice.upp,
        "latent_channels": voice.sizes.inter,
        "upsample_rates": list(voice.sizes.upsample_rates),
        "profile": profile,
        "info": voice.info,
        "embedder": embedder.name if embedder is not None else None,
        "f0_methods": {method: interface.f0_file(method) for method in methods},
        "retrieval": dict(index) if index is not None else None,
        "constants": constants(),
        "license": {name: value for name, value in stated.items() if isinstance(value, str | int | float | bool)},
        "source": {"file": voice.path.name, "sha256": sha256(voice.path)},
        "files": {path.name: sha256(path) for path in sorted(folder.iterdir())},
    }


def constants() -> dict[str, Any]:
    """Every number that a program needs outside the graphs, as docs/spec states them."""
    window = segments.Window()
    return {
        "input_rate": preparation.RATE,
        "input_peak": preparation.PEAK,
        "highpass": {
            "b": preparation.B.tolist(),
            "a": preparation.A.tolist(),
            "initial_state": preparation.SETTLED.tolist(),
            "edge": preparation.EDGE,
            "sections": SECTIONS,
        },
        "window_seconds": {"pad": window.pad, "query": window.query, "center": window.center, "max": window.max},
        "f0_hop": registry.HOP,
        "f0_bins": {
            "lowest_hz": postprocessing.LOWEST,
            "highest_hz": postprocessing.HIGHEST,
            "count": postprocessing.BINS,
        },
        "content_field": HubertConfig().field,
        "content_hop": HubertConfig().hop,
        "protect_off": alignment.PROTECT_OFF,
        "noise_z_scale_in_graph": TEMPERATURE,
        "output_peak": output.PEAK,
        "int16_scale": 32768,
        "loudness": {"frame_seconds": 1.0, "hop_seconds": 0.5, "floor": output.QUIETEST},
    }


class ExportDiffers(RvcError):
    """An exported graph computes something else than `rvc`."""
