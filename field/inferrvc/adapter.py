"""inferrvc as a candidate: `RVC.run` on the CPU, without its loudness normalization and output resampling."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch
from parity.hooks.interception import replaced
from parity.hooks.pipeline import Names, PipelineCandidate
from parity.hooks.serving import Array, Case, Lacks, Tape, serve, snapshot
from parity.hooks.window import set_window

_OF_VOICE = "f0.raw f0.filled f0.hz f0.coarse content.protected spk.g enc_p z_p flow nsf generator"
_OF_CONTENT = "hubert.features retrieval.search retrieval.weights retrieval.mean retrieval.blended content.upsampled"


class InferRvc(PipelineCandidate):
    """The program's pipeline works on tensors (1, N), has no peak guard, and returns a float waveform."""

    name, version = "inferrvc", "1.0"
    stages = ("highpassed", "segment.cuts", "padded", *_OF_VOICE.split(), *_OF_CONTENT.split())
    names = Names(audio="npaud")
    methods = ("pm", "crepe", "rmvpe")

    def prepare(self, case: Case) -> None:
        if not case["files"].get("index"):
            raise Lacks("it loads no voice without an index, and this case has none")
        super().prepare(case)

    def open(self, case: Case) -> None:
        Scratch()
        stand_ins.torchaudio_extension()
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        os.environ.update(RVC_OUTPUTFREQ="none", RVC_MODELDIR="/", RVC_INDEXDIR="/")
        move = torch.Tensor.to

        def to(tensor: Any, *arguments: Any, **named: Any) -> Any:  # it moves tensors to cuda:0 when it is imported
            places: list[Any] = ["cpu" if str(it).startswith("cuda") else it for it in arguments]
            return move(tensor, *places, **named)

        tensor_class: Any = torch.Tensor
        tensor_class.to = to
        hub: Any = importlib.import_module("huggingface_hub")
        hub.hf_hub_download = lambda _repository, name, **_: self.rmvpe if "rmvpe" in name else name
        with replaced(sys, argv=["inferrvc"]):
            self.modules = importlib.import_module("inferrvc.modules")
            self.module = importlib.import_module("inferrvc.pipeline")
            self.config = self.modules.Config()
        self.config.device, self.config.is_half = "cpu", False

    def load(self, case: Case) -> None:
        self.rmvpe = case["files"].get("rmvpe")
        set_window(self.config, case["options"]["window"])
        self.modules.RVC._pipeline = None
        self.rvc = self.modules.RVC(case["files"]["model"], case["files"]["index"], self.config)
        self.rvc.outputfreq = None
        self.pipe, self.net = self.rvc.pipeline, self.rvc.model
        self.content = FairseqContent(self.rvc.hubert_model)

    @property
    def loudness(self) -> tuple[Any, str]:
        return self, "no_mix"

    @staticmethod
    def no_mix(*_: Any) -> None:
        """The program has no loudness mix."""

    def core(self, audio: Array, **changes: Any) -> Any:
        values = self.values(**changes)
        return self.pipe.pipeline(
            values["model"],
            values["net_g"],
            0,
            torch.from_numpy(np.asarray(audio, np.float32))[None],
            values["times"],
            values["f0_up_key"],
            values["f0_method"],
            (self.index, self.vectors),
            values["index_rate"],
            values["if_f0"],
            values["filter_radius"],
            values["version"],
            values["protect"],
        )

    def convert(self, audio: Array, case: Case) -> Any:
        options = case["options"]
        made = self.rvc.run(
            torch.from_numpy(audio),
            options["transpose"],
            options["f0_method"],
            options["index_rate"],
            options["filter_radius"],
            options["protect"],
            output_volume=self.modules.RVC.NO_CHANGE,
        )
        return snapshot(made)

    @contextmanager
    def tapped_input(self, tape: Tape) -> Iterator[None]:
        yield  # it has no peak guard, and so no audio16k of its own

    def estimate_f0(self, padded: Array, frames: int, method: str, key: int) -> Any:
        radius = self.case["options"]["filter_radius"]
        return self.pipe.get_f0(torch.from_numpy(padded).float()[None], frames, key, method, radius)

    def segment(self, **values: Any) -> Any:
        values["audio0"] = torch.from_numpy(values["audio0"])[None]
        return super().segment(**values)


if __name__ == "__main__":
    serve(InferRvc())
