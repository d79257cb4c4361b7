"""Voices exported by `rvc` to ONNX as the candidate: conversions, and single stages cut out of the same graphs."""

import hashlib
import inspect
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity import stages
from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens.arrays import Array
from parity.goldens.fresh_folder import fresh_folder
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge import offline_stages, realtime_stages
from parity.rvc_bridge.case_voice import CaseVoice, config
from parity.rvc_bridge.realtime_stages import RealtimeCase
from parity.rvc_bridge.rvc_torch import RvcTorch
from parity.voices import cache
from rvc.exported import (
    content_graph,
    export,
    f0_graphs,
    half_precision,
    interface,
    layers,
    streaming,
    synthesizer_graph,
)
from rvc.exported.f0_graphs import GRAPHS as F0_GRAPHS
from rvc.exported.interface import ExportedVoice
from rvc.exported.networks import ExportedNetworks
from rvc.exported.runtime import Graph
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.profiles import DEFAULT
from rvc.voice_kinds import VERSIONS

# What determines an exported graph, besides the weights.
EXPORTER: tuple[Any, ...] = (
    content_graph,
    f0_graphs,
    layers,
    synthesizer_graph,
    interface,
    export.write_graph,
    half_precision,
)
# Stage → its inputs and outputs within synthesizer.onnx, as local names of tensors; graph inputs have their own names.
PARTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "spk.g": ({}, ["spk.g"]),
    "enc_p": ({"content": "content.protected", "coarse": "f0.coarse"}, ["enc_p.m", "enc_p.logs"]),
    "z_p": ({"enc_p.m": "enc_p.m", "enc_p.logs": "enc_p.logs", "noise_z": "noise.z"}, ["z_p"]),
    "flow": ({"z_p": "z_p", "spk.g": "spk.g"}, ["flow.z"]),
    "nsf": ({"hz": "f0.hz", "noise_source": "noise.nsf"}, ["nsf.sine", "nsf.source"]),
    "generator": ({"flow.z": "flow.z", "nsf.source": "nsf.source", "spk.g": "spk.g"}, ["waveform"]),
}
SHARED = "shared"  # folder of the graphs that several exported folders have, and of their parts
BLOCK_NAMES = {"content.protected": "content"}  # local names of a file's tensors → those of a block's
# Part → the arguments of a stream that it reads.
BLOCK_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "enc_p": ("skip_head",),
    "nsf": ("skip_head", "return_length"),
    "generator": ("skip_head", "return_length", "resized_length"),
}


class RvcOnnx(RvcTorch):
    """`rvc` with exported graphs in place of its networks; stages without a network are those of `rvc`."""

    def __init__(self, precision: str = "float32") -> None:
        """Export nothing yet; graphs are kept in the cache of synthetic voices."""
        super().__init__()
        self._precision = precision
        self._torch = RvcTorch()  # predicts what known mistakes compute
        self._exported: dict[str, ExportedNetworks] = {}
        self._parts: dict[str, Graph] = {}

    @property
    def about(self) -> dict[str, object]:
        """name, version, runtime, environment and what it declares: the precision of the graphs."""
        import onnxruntime

        return {
            **super().about,
            "name": "rvc exported to ONNX",
            "runtime": f"onnxruntime {onnxruntime.__version__}",
            "declares": {"precision": self._precision},
        }

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As `Candidate.run_stage`."""
        exported = self.exported(case)
        try:
            if stage.name.removeprefix("rt.") in PARTS:
                return self.run_part(exported, stage, prefix, inputs, case)
            if stage.scope is stages.Scope.BLOCK:
                return realtime_stages.run_stage(self.stream(case), stage.name, prefix, inputs)
            voice: Any = CaseVoice(case, exported)  # type: ignore[arg-type]
            copies = {name: value.copy() for name, value in inputs.items()}
            return offline_stages.STAGES[stage.name](voice, prefix, copies)
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}") from error

    def stream(self, case: Case) -> RealtimeCase:
        """As `RvcTorch.stream`, with the graphs of the exported folder."""
        if self._stream is None or self._stream.case is not case:
            self._stream = RealtimeCase(case, self.networks(case), streaming.load_models)
        return self._stream

    def run_part(
        self, exported: ExportedNetworks, stage: stages.Stage, prefix: str, inputs: Tensors, case: Case
    ) -> Tensors:
        """Run a stage's part of synthesizer.onnx."""
        of_block = stage.scope is stages.Scope.BLOCK
        part = stage.name.removeprefix("rt.")
        needed, outputs = PARTS[part]
        without_f0 = ("f0.coarse", "nsf.source")
        names = {port: name for port, name in needed.items() if case.voice["f0"] or name not in without_f0}
        if of_block:
            names = {port: BLOCK_NAMES.get(name, name) for port, name in names.items()}
        of_file = ("f0.coarse", "f0.hz")  # named without a prefix in a conversion of a file
        feeds = {
            port: inputs[name if name in of_file and not of_block else prefix + name] for port, name in names.items()
        }
        if part == "spk.g":
            speaker = self.stream(case).controls(0).speaker if of_block else config(case).speaker
            feeds = {"speaker": np.array([speaker], np.int64)}
        if part in ("nsf", "generator"):  # the number of frames, which these parts read from the shape of `content`
            frames = self.frames(case, prefix, inputs, of_block, part)
            feeds["content"] = np.zeros((1, frames, VERSIONS[exported.version].content_channels), np.float32)
        if of_block:
            sizes, formant = self.stream(case).sizes, self.stream(case).formant(stages.index_of(prefix))
            arguments = (sizes.skip_head, formant.frames, formant.synthesized)
            stream_inputs = dict(zip(interface.STREAM_INPUTS, arguments, strict=True))
            feeds |= {port: np.array(stream_inputs[port], np.int64) for port in BLOCK_ARGUMENTS.get(part, ())}
        graph = self.part(exported.exported, stage.name, list(feeds), outputs)
        made = graph.run(feeds)
        if part == "generator" and not of_block:
            made["waveform"] = made["waveform"][0]
        waveform = "waveform.raw" if of_block else "waveform.segment.full"
        return {
            prefix + (waveform if name == "waveform" else name): np.ascontiguousarray(value)
            for name, value in made.items()
        }

    def frames(self, case: Case, prefix: str, inputs: Tensors, of_block: bool, part: str) -> int:
        """p, the frames of the content that a part would have read."""
        if of_block:
            return self.stream(case).sizes.window16 // 160
        return int(inputs["f0.hz"].shape[1] if part == "nsf" else inputs[prefix + "flow.z"].shape[2])

    def part(self, exported: ExportedVoice, stage: str, inputs: list[str], outputs: list[str]) -> Graph:
        """A stage's part of a voice's graph, cut out when the cache lacks it; folders with the same graph share it."""
        from onnx.utils import extract_model

        digest = exported.fields["files"][interface.SYNTHESIZER][:12]
        target = exported.folder.parent / SHARED / f"part-{stage}-{digest}.onnx"
        if str(target) not in self._parts:
            if not target.is_file():
                fresh = target.with_name(f".{os.getpid()}.{target.name}")
                extract_model(str(exported.folder / interface.SYNTHESIZER), str(fresh), inputs, outputs)
                fresh.replace(target)
            self._parts = dict(list(self._parts.items())[-5:])  # the six that were opened last stay open
            self._parts[str(target)] = Graph(target, torch.get_num_threads())
        return self._parts[str(target)]

    def networks(self, case: Case) -> VoiceNetworks:
        """The exported folder of a case's voice, in place of its networks."""
        networks: Any = self.exported(case)
        return networks  # type: ignore[no-any-return]

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """As `PredictionSource.guesses`."""
        return self._torch.guesses(case, stage, prefix, name, inputs)

    def f0_decoder_guesses(self, case: Case, padded: Array) -> Iterator[Guess]:
        """As `PredictionSource.f0_decoder_guesses`."""
        return self._torch.f0_decoder_guesses(case, padded)

    def f0_salience(self, case: Case, padded: Array) -> Salience | None:
        """As `PredictionSource.f0_salience`."""
        return self._torch.f0_salience(case, padded)

    def exported(self, case: Case) -> ExportedNetworks:
        """The exported folder of a case's voice, with the index of the case."""
        source = super().networks(case)
        method = str(case.options.get("f0_method", ""))
        methods = [method] if case.voice["f0"] and method in F0_GRAPHS else []
        key = json.dumps([case.voice["kind"], methods, str(case.voice.get("index"))])
        if key not in self._exported:
            opened = ExportedNetworks.open(export_from(source, methods, self._precision))
            for previous in self._exported.values():
                keep_graphs(previous, opened)
            self._exported = {key: opened}  # one voice in memory at a time
        return self._exported[key]


def keep_graphs(previous: ExportedNetworks, opened: ExportedNetworks) -> None:
    """Use the graphs that the previous folder has opened for the same files of a folder."""
    known = previous.exported.fields["files"]
    for name, digest in opened.exported.fields["files"].items():
        if name in previous.graphs and known.get(name) == digest:
            opened.graphs[name] = previous.graphs[name]


def exported_folder(precision: str = "float32") -> Path:
    """Where the exported voices of the goldens are kept, by what exports them: another exporter has another folder."""
    parts = [*(inspect.getsource(item) for item in EXPORTER), torch.__version__, precision]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return cache.folder() / "exported" / f"{precision}-{digest}"


def export_from(networks: VoiceNetworks, methods: list[str], precision: str) -> Path:
    """An exported folder of synthetic files in the cache; files that several voices share are links to one.

    It appears by one rename, so that two processes that export the same voice at once do not mix their files, and the
    description names no file that another process is writing.
    """
    root = exported_folder(precision)
    # The cache names the folder of each synthetic file by a digest of its contents.
    index = networks.paths["index"].parent.name if "index" in networks.paths else "no-index"
    folder = root / "-".join([networks.model.parent.name, *methods, index])
    if (folder / interface.DESCRIPTION).is_file():
        return folder
    shared, unfinished = root / SHARED, root / "unfinished"
    for path in (shared, unfinished):
        path.mkdir(parents=True, exist_ok=True)
    owners = {interface.SYNTHESIZER: networks.model.parent.name}
    owners[interface.CONTENT] = f"{networks.paths['hubert'].parent.name}-{networks.version}"
    fresh = fresh_folder(unfinished / folder.name)
    try:
        for name, build in export.planned_graphs(networks, methods).items():
            stem = f"{Path(name).stem}-{owners[name]}.onnx" if name in owners else name
            link(shared / stem, fresh / name, build, precision)
        facts = export.write_index(networks, fresh, lambda _: None)
        described = export.describe(networks, methods, DEFAULT, precision, facts, fresh)
        (fresh / interface.DESCRIPTION).write_text(json.dumps(described, indent=2), encoding="utf-8")
        put(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def put(fresh: Path, folder: Path) -> None:
    """Rename an exported folder to its place; a complete one of another process stays there."""
    try:
        fresh.rename(folder)
    except OSError:  # a folder is there that is not empty
        if (folder / interface.DESCRIPTION).is_file():
            return
        shutil.rmtree(folder)
        fresh.rename(folder)


def link(shared: Path, target: Path, build: Callable[[], export.GraphFile], precision: str) -> None:
    """Make `target` the same file as `shared`, whose graph is exported first where it is missing."""
    if not shared.is_file():
        export.write_graph(build(), target, precision)
        try:
            os.link(target, shared)
            return
        except FileExistsError:  # another process was faster
            target.unlink()
    os.link(shared, target)


if __name__ == "__main__":
    print(exported_folder(*sys.argv[1:2]))
