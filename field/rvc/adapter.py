"""The package rvc as a candidate."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import replaced
from parity.hooks.pipeline import PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.window import set_window


class Rvc(PipelineCandidate):
    """Driven through `VC.vc_single`."""

    name, version = "rvc", "0.3.5"
    methods = ("pm", "harvest", "crepe", "rmvpe")

    def open(self, case: Case) -> None:
        self.folder = Scratch().folder
        stand_ins.torchaudio_extension()
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        os.environ.update(rmvpe_root=str(self.folder), index_root=str(self.folder), hubert_path="hubert")
        self.modules = importlib.import_module("rvc.modules.vc.modules")
        self.module = importlib.import_module("rvc.modules.vc.pipeline")
        with replaced(sys, argv=["rvc"]):
            self.vc = self.modules.VC()
        self.vc.hubert_model = self.modules.load_hubert(self.vc.config, "hubert")
        self.content = FairseqContent(self.vc.hubert_model)

    def load(self, case: Case) -> None:
        link(case["files"].get("rmvpe"), self.folder / "rmvpe.pt")
        set_window(self.vc.config, case["options"]["window"])
        self.vc.get_vc(case["files"]["model"])
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def values(self, **changes: Any) -> dict[str, Any]:
        return super().values(times={"npy": 0, "f0": 0, "infer": 0}, **changes)

    def convert(self, audio: Array, case: Case) -> Any:
        self.module.cache_harvest_f0.cache_clear()  # its cache is keyed by path, not by content
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_, **__: audio):
            _, samples, _, problem = self.vc.vc_single(
                sid=options["speaker"],
                input_audio_path=Path("input.wav"),
                f0_up_key=options["transpose"],
                f0_method=options["f0_method"],
                index_file=index,
                index_rate=options["index_rate"],
                filter_radius=options["filter_radius"],
                resample_sr=options["resample_rate"],
                rms_mix_rate=options["rms_mix_rate"],
                protect=options["protect"],
            )
        if problem:
            raise RuntimeError(problem.splitlines()[-1])
        return samples


if __name__ == "__main__":
    serve(Rvc())
