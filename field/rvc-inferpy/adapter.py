"""rvc-inferpy as a candidate: its submodules, because the package's own __init__ has a syntax error."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch
from parity.hooks.interception import replaced
from parity.hooks.pipeline import PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.window import set_window


class RvcInferpy(PipelineCandidate):
    """Driven through `VC.vc_single`."""

    name, version = "rvc-inferpy", "0.10.2"
    methods = ("harvest", "pm", "crepe", "crepe-tiny", "rmvpe", "fcpe")

    def open(self, case: Case) -> None:
        folder = Scratch().folder
        (folder / "input.wav").touch()  # it requires that the file exists, and its loader is replaced
        stand_ins.torchaudio_extension()
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        spec = importlib.util.find_spec("rvc_inferpy")
        assert spec is not None and spec.submodule_search_locations
        namespace = ModuleType("rvc_inferpy")
        namespace.__path__ = list(spec.submodule_search_locations)
        sys.modules["rvc_inferpy"] = namespace
        os.environ["hubert_model_path"] = str(folder)  # noqa: SIM112 (the names of its own variables)
        self.modules = importlib.import_module("rvc_inferpy.modules")
        self.module = importlib.import_module("rvc_inferpy.pipeline")
        self.vc = self.modules.VC(SimpleNamespace(device="cpu", is_half=False, n_cpu=2))
        # vc_single passes the two arguments of load_hubert in the wrong order, so that only a loaded model works.
        self.vc.hubert_model = self.modules.load_hubert(self.vc.config, str(folder))
        self.content = FairseqContent(self.vc.hubert_model)

    def load(self, case: Case) -> None:
        set_window(self.vc.config, case["options"]["window"])
        rmvpe = case["files"].get("rmvpe")
        os.environ["rmvpe_model_path"] = rmvpe or ""  # noqa: SIM112
        # The program loads RMVPE for every voice, whichever F0 method is chosen.
        absent = {} if rmvpe else {"RMVPE": lambda *_, **__: None}
        with replaced(self.module, **absent):
            self.vc.get_vc(case["files"]["model"])
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def values(self, **changes: Any) -> dict[str, Any]:
        own = {"crepe_hop_length": 160, "f0_min": 50, "f0_max": 1100}
        return super().values(**own, **changes)

    def convert(self, audio: Array, case: Case) -> Any:
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_, **__: audio):
            status, (_, samples), _ = self.vc.vc_single(
                options["speaker"],
                "input.wav",
                options["transpose"],
                options["f0_method"],
                index,
                index,
                options["index_rate"],
                options["filter_radius"],
                options["resample_rate"],
                options["rms_mix_rate"],
                options["protect"],
                "wav",
                160,
                False,
                1.0,
                1.0,
                "50",
                "1100",
                False,
            )
        if samples is None:
            raise RuntimeError(status[0].splitlines()[-1])
        return samples


if __name__ == "__main__":
    serve(RvcInferpy())
