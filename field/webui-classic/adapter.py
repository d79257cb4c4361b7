"""The classic WebUI of 2023 and 2024 as a candidate, from a checkout."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import replaced
from parity.hooks.pipeline import STAGES, PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.streams import block_stages, realtime
from parity.hooks.streams.realtime_window import RealtimeWindow, execute_script
from parity.hooks.window import set_window


class WebuiClassic(PipelineCandidate):
    """Driven through `VC.vc_single`, and for streams through the window of `gui_v1.py`."""

    name, version = "webui-classic", "33ef97e"
    stages = (*STAGES, *block_stages.STAGES)
    methods = ("pm", "harvest", "crepe", "rmvpe")

    def __init__(self, checkout: Path) -> None:
        super().__init__()
        self.checkout = checkout
        self.window: RealtimeWindow | None = None

    def open(self, case: Case) -> None:
        scratch = Scratch()
        self.folder = scratch.folder
        stand_ins.torchaudio_extension()
        scratch.link_all(self.checkout, copied=("configs",), without=("assets", ".git"))  # it rewrites configs/inuse
        for version in ("v1", "v2"):
            (self.folder / "configs" / "inuse" / version).mkdir(parents=True, exist_ok=True)
        os.environ.update(weight_root="", rmvpe_root=str(self.folder), index_root="")
        sys.path.insert(0, str(self.checkout))
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        with replaced(sys, argv=["webui"]):
            self.config = importlib.import_module("configs.config").Config()
        self.modules = importlib.import_module("infer.modules.vc.modules")
        self.module = importlib.import_module("infer.modules.vc.pipeline")
        self.vc = self.modules.VC(self.config)
        self.vc.hubert_model = self.modules.load_hubert(self.config)
        self.content = FairseqContent(self.vc.hubert_model)

    def load(self, case: Case) -> None:
        for place in ("rmvpe.pt", "assets/rmvpe/rmvpe.pt"):  # read by the web page, and by the realtime window
            link(case["files"].get("rmvpe"), self.folder / place)
        set_window(self.config, case["options"]["window"])
        self.vc.get_vc(case["files"]["model"].lstrip("/"))  # it prepends weight_root, here "", and "/"
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def convert(self, audio: Array, case: Case) -> Any:
        self.module.cache_harvest_f0.cache_clear()  # its cache is keyed by path, not by content
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_, **__: audio):
            message, result = self.vc.vc_single(
                options["speaker"],
                "input.wav",
                options["transpose"],
                None,
                options["f0_method"],
                index,
                "",
                options["index_rate"],
                options["filter_radius"],
                options["resample_rate"],
                options["rms_mix_rate"],
                options["protect"],
            )
        if result is None or result[1] is None:
            raise RuntimeError(message.splitlines()[-1])
        return result[1]

    def start_loop(self, case: Case) -> RealtimeWindow:
        if self.window is None:
            names = execute_script(self.checkout / "gui_v1.py")
            self.window = RealtimeWindow(names, self.config, lambda rvc: FairseqContent(rvc.model))
            self.window.gui.gui_config.n_cpu = 1  # harvest in this process
        self.window.start(realtime.settings_of(case), case["files"]["model"], case["files"].get("index"))
        return self.window


if __name__ == "__main__":
    serve(WebuiClassic(Path(sys.argv[1]).resolve()))
