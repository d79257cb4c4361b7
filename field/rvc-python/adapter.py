"""rvc-python as a candidate: its submodules, because the package's own __init__ imports fairseq."""

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import replaced
from parity.hooks.pipeline import PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.window import set_window


class RvcPython(PipelineCandidate):
    """Driven through `VC.vc_single`."""

    name, version = "rvc-python", "0.1.5"
    methods = ("pm", "harvest", "crepe", "rmvpe")

    def open(self, case: Case) -> None:
        scratch = Scratch().folder
        stand_ins.torchaudio_extension()
        spec = importlib.util.find_spec("rvc_python")
        assert spec is not None and spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        shutil.copytree(package / "configs", scratch / "configs")  # on the CPU it rewrites its configuration
        (scratch / "modules" / "train").mkdir(parents=True)
        shutil.copy(package / "modules" / "train" / "preprocess.py", scratch / "modules" / "train")
        namespace = ModuleType("rvc_python")
        namespace.__path__ = [str(package)]
        sys.modules["rvc_python"] = namespace
        self.scratch = scratch
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        self.modules = importlib.import_module("rvc_python.modules.vc.modules")
        self.module = importlib.import_module("rvc_python.modules.vc.pipeline")
        config = importlib.import_module("rvc_python.configs.config").Config(str(scratch), "cpu")
        self.vc = self.modules.VC(str(scratch), config)
        self.vc.hubert_model = self.modules.load_hubert(config, str(scratch))
        self.content = FairseqContent(self.vc.hubert_model)

    def load(self, case: Case) -> None:
        link(case["files"].get("rmvpe"), self.scratch / "base_model" / "rmvpe.pt")
        set_window(self.vc.config, case["options"]["window"])
        self.vc.get_vc(case["files"]["model"], case["voice"]["version"])
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def convert(self, audio: Array, case: Case) -> Any:
        self.module.cache_harvest_f0.cache_clear()  # its cache is keyed by path, not by content
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_, **__: audio):
            answer = self.vc.vc_single(
                sid=options["speaker"],
                input_audio_path="input.wav",
                f0_up_key=options["transpose"],
                f0_file="",
                f0_method=options["f0_method"],
                file_index=index,
                file_index2="",
                index_rate=options["index_rate"],
                filter_radius=options["filter_radius"],
                resample_sr=options["resample_rate"],
                rms_mix_rate=options["rms_mix_rate"],
                protect=options["protect"],
            )
        if isinstance(answer, tuple):
            raise RuntimeError(answer[0].splitlines()[-1])
        return answer


if __name__ == "__main__":
    serve(RvcPython())
