"""The classic WebUI (2023-24): kingfree's fork at 33ef97e, from a checkout that the user names."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from parity.goldens.trace_file import Trace
from parity.hooks import stand_ins
from parity.hooks.interception import replaced
from parity.hooks.window import set_window
from reference.errors import refuse_failure
from reference.hooks.taps import OfflineTaps
from reference.originals.base import THREADS, Original, command_line, require_file, suppress_output
from reference.recording import checkout
from reference.recording.options import Options, Weights

COMMIT = "33ef97eb288a8ce37e3fbabdf092f766b59a8eca"
REPOSITORY = "kingfree/Retrieval-based-Voice-Conversion-WebUI"


class WebuiClassic(Original):
    """The `webui-classic` profile's original, with transformers' HuBERT because fairseq no longer installs."""

    profile = "webui-classic"
    rmvpe_module = "infer.lib.rmvpe"
    vc: Any

    def __init__(self, weights: Weights, folder: Path, threads: int = THREADS) -> None:
        super().__init__(weights, threads)
        self.checkout = folder.resolve()
        self.script_names: dict[str, Any] | None = None  # global names of the realtime script, after its first use

    @suppress_output
    def open(self) -> None:
        checkout.check(self.checkout, "infer/modules/vc/pipeline.py", REPOSITORY, COMMIT)
        stand_ins.torchaudio_extension()
        stand_ins.fairseq(self.weights.hubert)
        checkout.link(self.checkout, self.folder, copied=("configs",))  # it rewrites configs/inuse on the CPU
        for version in ("v1", "v2"):
            (self.folder / "configs" / "inuse" / version).mkdir(parents=True, exist_ok=True)
        os.environ.update(weight_root="", rmvpe_root=str(self.folder / "assets" / "rmvpe"), index_root="")
        if self.weights.rmvpe is not None:
            (self.folder / "assets" / "rmvpe" / "rmvpe.pt").symlink_to(self.weights.rmvpe)
        sys.path.insert(0, str(self.checkout))
        with command_line():
            self.config = importlib.import_module("configs.config").Config()
        self.modules = importlib.import_module("infer.modules.vc.modules")
        self.pipeline = importlib.import_module("infer.modules.vc.pipeline")
        self.models = importlib.import_module("infer.lib.infer_pack.models")
        self.vc = self.modules.VC(self.config)

    @suppress_output
    def load_voice(self) -> None:
        self.vc.get_vc(str(self.weights.model).lstrip("/"))  # it prepends weight_root, here "", and "/"

    @suppress_output
    def convert(self, audio: Path, options: Options, seed: str) -> Trace:
        set_window(self.config, options.window.seconds)
        if options.f0_method == "rmvpe":
            require_file(self.weights.rmvpe, "--rmvpe", "F0 method rmvpe")
        index = str(require_file(self.weights.index, "--index", "retrieval")) if options.index_rate else ""
        curve = (
            SimpleNamespace(name=options.f0_file) if options.f0_file else None
        )  # the web page passes an object with a `name`
        self.load_voice()
        self.pipeline.cache_harvest_f0.cache_clear()  # its cache is keyed by path, not by content
        taps = OfflineTaps(self.vc, modules=self.modules, pipeline=self.pipeline, models=self.models, seed=seed)
        if self.vc.hubert_model is None:
            self.vc.hubert_model = self.modules.load_hubert(self.config)
        self.vc.hubert_model.tap = taps.hubert
        with taps.installed() as record:
            answer = self.vc.vc_single(
                options.speaker,
                str(audio.resolve()),
                options.transpose,
                curve,
                options.f0_method,
                index,
                "",
                options.index_rate,
                options.filter_radius,
                options.resample_rate,
                options.rms_mix_rate,
                options.protect,
            )
            refuse_failure(answer)
        return record

    @suppress_output
    def window(self) -> Any:
        """The realtime window, not started."""
        from reference.originals import gui

        if self.script_names is None:
            self.script_names = gui.execute_script(self.checkout / "gui_v1.py")
        window = gui.RecordedWindow(self.script_names, self.config, hubert)
        window.models = self.models
        window.gui.gui_config.n_cpu = 1
        return window

    def networks(self) -> tuple[Any, Any, Callable[[Any, str], Any]]:
        return self.vc.net_g, self.models, self.vc.hubert_model.features

    def version(self) -> dict[str, str]:
        return {"name": REPOSITORY, "version": COMMIT[:7], "commit": COMMIT}


def hubert(rvc: Any) -> Any:
    """The HuBERT of a loaded voice, whose stand-in calls `tap` once for the features of the voice's version."""
    return SimpleNamespace(tapped=lambda tap: replaced(rvc.model, tap=tap))
