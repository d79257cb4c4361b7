"""The WebUI of 2026 as a candidate, from a checkout: the control, which must pass every cell."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FunctionContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import replaced
from parity.hooks.pipeline import STAGES, PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.streams import block_stages, realtime
from parity.hooks.streams.realtime_window import RealtimeWindow, execute_script
from parity.hooks.window import set_window


class Webui2026(PipelineCandidate):
    """Driven through `VC.vc_single`, and for streams through the window of `realtime_gui.py`."""

    name, version, profiles = "webui-2026", "4338f12", ("webui-2026",)
    stages = (*STAGES, *block_stages.STAGES)

    def __init__(self, checkout: Path) -> None:
        super().__init__()
        self.checkout = checkout
        self.window: RealtimeWindow | None = None

    def open(self, case: Case) -> None:
        self.scratch = Scratch()
        stand_ins.torchaudio_extension()
        self.scratch.link_all(self.checkout, without=("assets", ".git"))
        os.environ.update(weight_root="", rmvpe_root=str(self.scratch.folder), RVC_CUDA_GRAPH="0")
        sys.path.insert(0, str(self.checkout))
        with replaced(sys, argv=["webui"]):
            self.config = importlib.import_module("configs.config").Config()
        self.hubert_module = importlib.import_module("infer.hubert")
        self.modules = importlib.import_module("infer.vc.modules")
        self.module = importlib.import_module("infer.vc.pipeline")
        self.hubert_module.__dict__["HUBERT_MODEL_PATH"] = Path(case["files"]["hubert"])
        self.vc = self.modules.VC(self.config)
        self.vc.hubert_model = self.modules.load_hubert(self.config)
        self.content = FunctionContent(self.module, "extract_hubert_features", self.vc.hubert_model)

    def load(self, case: Case) -> None:
        for place in ("rmvpe.pt", "assets/rmvpe/rmvpe.pt"):  # read by the web page, and by the realtime window
            link(case["files"].get("rmvpe"), self.scratch.folder / place)
        set_window(self.config, case["options"]["window"])
        self.vc.get_vc(case["files"]["model"].lstrip("/"))  # it prepends weight_root, here "", and "/"
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def convert(self, audio: Array, case: Case) -> Any:
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_, **__: audio):
            message, result = self.vc.vc_single(
                options["speaker"],
                "input.wav",
                options["transpose"],
                options["f0_method"],
                index,
                options["index_rate"],
                options["resample_rate"],
                options["rms_mix_rate"],
                options["protect"],
            )
        if result is None or result[1] is None:
            raise RuntimeError(message.splitlines()[-1])
        return result[1]

    def start_loop(self, case: Case) -> RealtimeWindow:
        if self.window is None:
            names = execute_script(self.checkout / "realtime_gui.py")
            module = sys.modules["infer.rtrvc"]
            self.window = RealtimeWindow(
                names, self.config, lambda rvc: FunctionContent(module, "extract_hubert_features", rvc.model)
            )
        self.window.start(realtime.settings_of(case), case["files"]["model"], case["files"].get("index"))
        return self.window


if __name__ == "__main__":
    serve(Webui2026(Path(sys.argv[1]).resolve()))
