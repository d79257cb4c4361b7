"""Exported voices as a candidate of the judge, over its protocol (docs/verifying-a-port.md).

    rvc-parity check --candidate "python -m rvc_onnx.adapter FOLDER_OF_EXPORTED_VOICES [openvino]"

Each folder within FOLDER_OF_EXPORTED_VOICES is one exported voice; a case takes the one with its voice, F0 method and
index.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rvc_onnx import __version__, retrieval, signal, stream_stages
from rvc_onnx import f0 as pitch
from rvc_onnx.conversion import Conversion, Options
from rvc_onnx.files import read_safetensors, write_safetensors
from rvc_onnx.profiles import PROFILES
from rvc_onnx.runtimes import RUNTIMES
from rvc_onnx.signal import Window
from rvc_onnx.stream_stages import CaseStream
from rvc_onnx.voice import Voice, open_voice

Tensors = dict[str, Any]
OPTIONS = (
    "f0_method",
    "transpose",
    "index_rate",
    "protect",
    "rms_mix_rate",
    "filter_radius",
    "resample_rate",
    "speaker",
)


class Lacks(Exception):
    """There is no exported voice for a case, or a stage is not offered."""


class Exports:
    """The exported voices of a folder. The voice that was opened last stays open."""

    def __init__(self, root: Path, runtime: str) -> None:
        self.root, self.runtime = root, runtime
        self._last: tuple[Path, Voice] | None = None

    @cached_property
    def facts(self) -> dict[Path, dict[str, Any]]:
        """Folder of each voice → its voice.json, which a judgment does not change."""
        paths = sorted(self.root.glob("*/voice.json"))
        return {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in paths}

    def precision(self) -> str | None:
        """The precision of the voices; None where there is none, or where they differ."""
        precisions = {str(facts["precision"]) for facts in self.facts.values()}
        return precisions.pop() if len(precisions) == 1 else None

    def find(self, case: dict[str, Any], whole: bool) -> Voice:
        """The voice of a case.

        Args:
            case: the field of a request.
            whole: whether all of it is converted; the request for a stage that reads no index names none.
        Raises:
            Lacks: there is none.
        """
        method, index = case["options"].get("f0_method"), case["files"].get("index")
        last = [] if self._last is None else [self._last[0]]  # first, so that a golden's stages use one folder
        for folder in [*last, *self.facts]:
            facts = self.facts[folder]
            held = facts["retrieval"]["file"] if facts["retrieval"] else None
            has_method = not facts["f0"] or method in (*facts["f0_methods"], *pitch.LIBRARIES)
            has_index = (Path(index).stem if index else None) == (Path(held).stem if held else None)
            has_index = has_index or (index is None and not whole)
            if Path(facts["source"]["file"]).stem == case["voice"]["kind"] and has_method and has_index:
                return self.open(folder)
        raise Lacks(f"no exported voice for {case['voice']['kind']}, {method}, index {index} in {self.root}")

    def open(self, folder: Path) -> Voice:
        """The voice of a folder; the graphs that it has in common with the last one stay open."""
        if self._last is None or self._last[0] != folder:
            voice = open_voice(folder, 2, self.runtime)
            if self._last is not None:
                voice.keep_graphs(self._last[1])
            self._last = (folder, voice)
        return self._last[1]


def options(case: dict[str, Any]) -> Options:
    """The options of a case."""
    given = {name: value for name, value in case["options"].items() if name in OPTIONS}
    given["transpose"] = int(given.get("transpose", 0))
    if window := case["options"].get("window"):
        given["window"] = Window(*window)
    if curve := case.get("f0_curve"):
        given["f0_curve"] = np.array(curve, np.float32)
    return Options(profile=case["profile"], **given)


class Stages:
    """The stages of one case, each run alone.

    Methods return full name → tensor, with the shapes and dtypes of docs/spec/00 §0.3.
    """

    def __init__(self, voice: Voice, case: dict[str, Any], inputs: Tensors, prefix: str, frames: int = 0) -> None:
        self.frames = frames  # frames of the file or the segment, as the request states them
        self.inputs, self.prefix, self.made = inputs, prefix, Tensors()
        self.conversion = Conversion(voice, options(case), self.record, self.noise)
        self.voice, self.case = voice, case

    def record(self, name: str, value: Any) -> Any:
        """Keep a copy of a tensor."""
        self.made[name] = np.array(value)
        return value

    def noise(self, name: str, shape: tuple[int, ...], kind: str) -> Any:
        """The noise of the case."""
        return self.inputs[name].reshape(shape)

    def local(self, name: str) -> Any:
        """A tensor of the segment."""
        return self.inputs[self.prefix + name]

    def run(self, stage: str) -> Tensors:
        """The tensors that a stage makes.  Raises Lacks."""
        table: dict[str, Callable[[], Tensors]] = {
            "audio16k": lambda: {
                "audio16k": signal.guard_peak(self.inputs["audio16k.raw"], self.constants["input_peak"])
            },
            "highpassed": lambda: {"highpassed": signal.highpass(self.inputs["audio16k"], self.constants["highpass"])},
            "segment.cuts": self.cuts,
            "padded": lambda: {"padded": np.pad(self.inputs["highpassed"], self.window.samples("pad"), mode="reflect")},
            "f0.raw": lambda: {"f0.raw": self.conversion.raw_f0(self.inputs["padded"])},
            "f0.filled": lambda: {"f0.filled": pitch.fill_unvoiced(self.inputs["f0.raw"])},
            "f0.hz": lambda: self.finished("f0.hz"),
            "f0.coarse": lambda: self.finished("f0.coarse"),
            "hubert.features": self.features,
            "retrieval.search": self.search,
            "retrieval.weights": lambda: self.named(
                "retrieval.weights", retrieval.weights(self.local("retrieval.distances"))
            ),
            "retrieval.mean": self.mean,
            "retrieval.blended": self.blend,
            "content.upsampled": self.upsample,
            "rmsmixed": self.mix,
            "resampled": lambda: {
                "waveform.resampled": signal.resample(
                    self.waveform(), self.conversion.rate, self.conversion.options.resample_rate
                )
            },
            "final": lambda: {"waveform.final": signal.to_int16(self.waveform(), self.constants["output_peak"])},
        }
        if stage not in table:
            raise Lacks(f"{stage} is not offered alone")
        return table[stage]()

    @property
    def constants(self) -> dict[str, Any]:
        """`constants` of voice.json."""
        return self.conversion.constants

    @property
    def window(self) -> Window:
        """How the case is cut and padded."""
        return self.conversion.options.window

    def named(self, name: str, value: Any) -> Tensors:
        """A tensor under the segment's prefix."""
        return {self.prefix + name: value}

    def cuts(self) -> Tensors:
        """Compute `segment.cuts`, and `quiet.profile` of audio that is cut."""
        profile, cuts = signal.cut_points(self.inputs["highpassed"], self.window)
        return {"segment.cuts": cuts} | ({} if profile is None else {"quiet.profile": profile})

    def finished(self, name: str) -> Tensors:
        """Compute `f0.hz` or `f0.coarse`."""
        raw = self.inputs["f0.filled"] if "f0.filled" in self.inputs else self.inputs["f0.raw"]
        self.conversion.finish_f0(raw, self.frames or len(raw))
        return {name: self.made[name]}

    def features(self) -> Tensors:
        """Compute `hubert.features`."""
        return self.named("hubert.features", self.voice.features(self.local("audio")))

    def index(self) -> retrieval.Index:
        """The voice's index.  Raises Lacks."""
        if self.voice.index is None:
            raise Lacks("this voice has no index")
        return self.voice.index

    def search(self) -> Tensors:
        """Compute `retrieval.distances` and `retrieval.ids`."""
        distances, ids = self.index().search(self.local("hubert.features")[0])
        return self.named("retrieval.distances", distances) | self.named("retrieval.ids", ids)

    def mean(self) -> Tensors:
        """Compute `retrieval.mean`."""
        made = retrieval.mean(self.local("retrieval.weights"), self.local("retrieval.ids"), self.index())
        return self.named("retrieval.mean", made)

    def blend(self) -> Tensors:
        """Compute `retrieval.blended`."""
        mean = self.local("retrieval.mean")
        shares = np.ones((len(mean), 1), np.float32)
        features = self.local("hubert.features")
        return self.named("retrieval.blended", retrieval.blend(features, mean, self.conversion.index_rate, shares))

    def upsample(self) -> Tensors:
        """Compute `content.upsampled`."""
        blended = self.prefix + "retrieval.blended"
        source = self.inputs[blended] if blended in self.inputs else self.local("hubert.features")
        return self.named("content.upsampled", np.repeat(source, 2, axis=1))

    def mix(self) -> Tensors:
        """Compute `waveform.rmsmixed`."""
        floor = self.constants["loudness"]["floor"]
        concat, highpassed = self.inputs["waveform.concat"], self.inputs["highpassed"]
        mixed = signal.mix_loudness(concat, highpassed, self.conversion.rate, self.conversion.mix, floor)
        return {"waveform.rmsmixed": mixed}

    def waveform(self) -> Any:
        """The waveform of the last optional stage that was run."""
        names = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
        return self.inputs[next(name for name in names if name in self.inputs)]


STAGES = (
    *("audio16k", "highpassed", "segment.cuts", "padded", "f0.raw", "f0.filled", "f0.hz", "f0.coarse"),
    *("hubert.features", "retrieval.search", "retrieval.weights", "retrieval.mean", "retrieval.blended"),
    *("content.upsampled", "rmsmixed", "resampled", "final"),
    *stream_stages.STAGES,
)


def hello(precision: str | None) -> dict[str, Any]:
    """What this adapter offers; `precision` is that of its voices, None where it is not one."""
    return {
        **({} if precision is None else {"precision": precision}),
        "protocol": "rvc-parity/1",
        "name": "rvc-onnx",
        "version": __version__,
        "stages": list(STAGES),
        "chain": True,
        "profiles": list(PROFILES),
        "dtypes": ["float32", "float64", "int64"],
        "noise": True,
    }


def answer(request: dict[str, Any], exports: Exports) -> dict[str, Any]:
    """The fields of one answer.

    Raises:
        Lacks: the case or the stage is not offered.
    """
    if request["op"] == "hello":
        return hello(exports.precision())
    case = request["case"]
    voice, inputs = exports.find(case, request["op"] == "run"), read_safetensors(Path(request["inputs"]))
    if "realtime" in case["options"]:
        made = of_stream(request, voice, case, inputs)
    elif request["op"] == "run_stage":
        made = Stages(voice, case, inputs, request["prefix"], int(request.get("frames", 0))).run(request["stage"])
    else:
        stages = Stages(voice, case, inputs, "")
        stages.conversion.run(inputs["audio16k.raw"])
        made = {name: value for name, value in stages.made.items() if name != "audio16k.raw"}
    if only := request.get("only"):
        made = {name: made[name] for name in only if name in made}
    write_safetensors(Path(request["outputs"]), {name: np.ascontiguousarray(value) for name, value in made.items()})
    return {}


def of_stream(request: dict[str, Any], voice: Voice, case: dict[str, Any], inputs: Tensors) -> Tensors:
    """What a stage of one block makes, or a stream of all blocks.  Raises Lacks."""
    made = Tensors()

    def record(name: str, value: Any) -> Any:
        made[name] = np.array(value)
        return value

    stream = CaseStream(voice, case, record, lambda name, shape, kind: inputs[name].reshape(shape))
    if request["op"] == "run":
        stream.run(inputs)
        return {name: value for name, value in made.items() if ".noise." not in name and not name.endswith(".in")}
    stage, prefix = request["stage"], request["prefix"]
    if stage not in stream_stages.STAGES:
        raise Lacks(f"{stage} is not offered alone")
    stream.run_stage(stage, int(prefix.split(".")[1]), inputs)
    kept = {name: value for name, value in made.items() if name.startswith(prefix) and ".noise." not in name}
    kept.pop(f"{prefix}rms_in", None)  # belongs to the stage rt.input_wav
    return kept


def main() -> int:
    """Serve until stdin ends or bye."""
    root, runtime = [*sys.argv[1:], "onnxruntime"][:2] if len(sys.argv) in (2, 3) else ("", "")
    if not root or not Path(root).is_dir() or runtime not in RUNTIMES:
        print(
            "rvc_onnx.adapter: give the folder that holds the exported voices, and optionally a runtime: "
            + ", ".join(RUNTIMES),
            file=sys.stderr,
        )
        return 2
    exports = Exports(Path(root), runtime)
    channel, sys.stdout = sys.stdout, sys.stderr  # what a library prints goes to stderr, not into the protocol
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        try:
            fields = {"ok": True, **answer(request, exports)}
        except Lacks as error:
            fields = {"ok": False, "lacks": str(error)}
        except Exception as error:  # the judge records it and goes on
            fields = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        channel.write(json.dumps({"id": request["id"], **fields}) + "\n")
        channel.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
