"""RVC WebUI, commit 4338f12, from a checkout that the user names."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from parity.goldens.trace_file import Trace
from parity.hooks import stand_ins
from parity.hooks.content import FunctionContent
from parity.hooks.window import set_window
from reference.errors import refuse_failure
from reference.hooks.taps import OfflineTaps
from reference.originals.base import THREADS, Original, command_line, require_file, suppress_output
from reference.recording import checkout
from reference.recording.options import Options, Weights
from reference.runtime_options import choose_precision, read_plain_sound

REPOSITORY = "RVC-Project/Retrieval-based-Voice-Conversion-WebUI"
COMMIT = "4338f12c3c28c80b3ac015e2d0df66c41592746d"


class Webui2026(Original):
    """The `webui-2026` profile's original."""

    profile = "webui-2026"
    rmvpe_module = "infer.rmvpe"
    vc: Any

    def __init__(self, weights: Weights, folder: Path, threads: int = THREADS) -> None:
        super().__init__(weights, threads)
        self.checkout = folder.resolve()
        self.script_names: dict[str, Any] | None = None  # global names of the realtime script, after its first use

    @suppress_output
    def open(self) -> None:
        checkout.check(self.checkout, "infer/vc/pipeline.py", REPOSITORY, COMMIT)
        stand_ins.torchaudio_extension()
        checkout.link(self.checkout, self.folder)
        os.environ.update(weight_root="", rmvpe_root=str(self.folder / "assets" / "rmvpe"))
        os.environ["RVC_CUDA_GRAPH"] = "1" if self.runtime.graphs else "0"
        if self.weights.rmvpe is not None:
            (self.folder / "assets" / "rmvpe" / "rmvpe.pt").symlink_to(self.weights.rmvpe)
        sys.path.insert(0, str(self.checkout))
        with command_line():
            module = importlib.import_module("configs.config")
            if self.runtime.device != "cpu":
                choose_precision(module, torch.float16 if self.runtime.half else torch.float32)
            config = module.Config()
        importlib.import_module("transformers").utils.logging.disable_progress_bar()
        self.hubert_module = importlib.import_module("infer.hubert")
        self.hubert_module.__dict__["HUBERT_MODEL_PATH"] = self.weights.hubert
        self.modules = importlib.import_module("infer.vc.modules")
        self.pipeline = importlib.import_module("infer.vc.pipeline")
        self.models = importlib.import_module("infer.module.models")
        if self.runtime.plain_sound:
            self.modules.__dict__["load_audio"] = read_plain_sound
        self.config = config
        self.vc = self.modules.VC(config)

    @suppress_output
    def load_voice(self) -> None:
        self.vc.get_vc(str(self.weights.model).lstrip("/"))  # it prepends weight_root, here "", and "/"

    @suppress_output
    def convert(self, audio: Path, options: Options, seed: str) -> Trace:
        set_window(self.config, options.window.seconds)
        if options.f0_method == "rmvpe":
            require_file(self.weights.rmvpe, "--rmvpe", "F0 method rmvpe")
        index = str(require_file(self.weights.index, "--index", "retrieval")) if options.index_rate else ""
        self.load_voice()
        taps = OfflineTaps(self.vc, modules=self.modules, pipeline=self.pipeline, models=self.models, seed=seed)
        with taps.installed() as record, hubert(self.pipeline, None).tapped(taps.hubert):
            answer = self.vc.vc_single(
                options.speaker,
                str(audio.resolve()),
                options.transpose,
                options.f0_method,
                index,
                options.index_rate,
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
            self.script_names = gui.execute_script(self.checkout / "realtime_gui.py")
        realtime = sys.modules["infer.rtrvc"]
        window = gui.RecordedWindow(self.script_names, self.config, lambda rvc: hubert(realtime, rvc.model))
        window.models = self.models
        return window

    def networks(self) -> tuple[Any, Any, Callable[[Any, str], Any]]:
        model = self.vc.hubert_model

        def features(source: Any, version: str) -> Any:
            extracted = self.hubert_module.extract_hubert_features(model.to(source.dtype), source, version)
            model.float()
            return extracted

        return self.vc.net_g, self.models, features

    def version(self) -> dict[str, str]:
        return {"name": REPOSITORY, "version": COMMIT[:7], "commit": COMMIT}


def hubert(module: Any, model: Any) -> FunctionContent:
    """HuBERT as `module` calls it."""
    return FunctionContent(module, "extract_hubert_features", model)
