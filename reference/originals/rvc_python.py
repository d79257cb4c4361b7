"""rvc-python 0.1.5 from PyPI: its submodules, without the package's own __init__, which imports fairseq."""

import importlib
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.goldens.trace_file import Trace
from parity.hooks import stand_ins
from parity.hooks.window import set_window
from reference.errors import Refusal, refuse_failure
from reference.hooks.taps import OfflineTaps
from reference.originals.base import Original, require_file, suppress_output
from reference.recording.options import Options

VERSION = "0.1.5"


class RvcPython(Original):
    """The `rvc-python` profile's original."""

    profile = "rvc-python"
    rmvpe_module = "rvc_python.lib.rmvpe"
    vc: Any

    @suppress_output
    def open(self) -> None:
        stand_ins.torchaudio_extension()
        stand_ins.fairseq(self.weights.hubert.resolve())
        package = self.package()
        self.copy_files(package)
        namespace = ModuleType("rvc_python")
        namespace.__path__ = [str(package)]
        sys.modules["rvc_python"] = namespace
        self.modules = importlib.import_module("rvc_python.modules.vc.modules")
        self.pipeline = importlib.import_module("rvc_python.modules.vc.pipeline")
        self.models = importlib.import_module("rvc_python.lib.infer_pack.models")
        config = importlib.import_module("rvc_python.configs.config").Config(str(self.folder), "cpu")
        self.vc = self.modules.VC(str(self.folder), config)

    @staticmethod
    def package() -> Path:
        """The installed package's folder, located without importing it.

        Raises:
            Refusal: rvc-python is not installed, or in another version.
        """
        try:
            installed = importlib.metadata.version("rvc-python")
        except importlib.metadata.PackageNotFoundError:
            raise Refusal(
                f"rvc-python is not installed, but {VERSION} is the original here; run: nox -s record"
            ) from None
        if installed != VERSION:
            raise Refusal(f"rvc-python {installed} is installed, but the goldens come from {VERSION}; install that one")
        spec = importlib.util.find_spec("rvc_python")
        assert spec is not None and spec.submodule_search_locations
        return Path(next(iter(spec.submodule_search_locations)))

    def copy_files(self, package: Path) -> None:
        """Copy its library folder into the scratch folder, because on the CPU it rewrites its own configuration."""
        shutil.copytree(package / "configs", self.folder / "configs")
        train = self.folder / "modules" / "train"
        train.mkdir(parents=True)
        shutil.copy(package / "modules" / "train" / "preprocess.py", train)
        base = self.folder / "base_model"
        base.mkdir()
        if self.weights.rmvpe is not None:
            (base / "rmvpe.pt").symlink_to(self.weights.rmvpe.resolve())

    @suppress_output
    def load_voice(self) -> None:
        self.vc.get_vc(str(self.weights.model.resolve()), voice_version(self.weights.model))

    @suppress_output
    def convert(self, audio: Path, options: Options, seed: str) -> Trace:
        set_window(self.vc.config, options.window.seconds)
        if options.f0_method == "rmvpe":
            require_file(self.weights.rmvpe, "--rmvpe", "F0 method rmvpe")
        index = str(require_file(self.weights.index, "--index", "retrieval")) if options.index_rate else ""
        self.load_voice()
        self.pipeline.cache_harvest_f0.cache_clear()  # its cache is keyed by path, not by content
        taps = OfflineTaps(self.vc, modules=self.modules, pipeline=self.pipeline, models=self.models, seed=seed)
        if self.vc.hubert_model is None:
            self.vc.hubert_model = self.modules.load_hubert(self.vc.config, str(self.folder))
        self.vc.hubert_model.tap = taps.hubert
        with taps.installed() as record:
            answer = self.vc.vc_single(
                sid=options.speaker,
                input_audio_path=str(audio.resolve()),
                f0_up_key=options.transpose,
                f0_file="",
                f0_method=options.f0_method,
                file_index=index,
                file_index2="",
                index_rate=options.index_rate,
                filter_radius=options.filter_radius,
                resample_sr=options.resample_rate,
                rms_mix_rate=options.rms_mix_rate,
                protect=options.protect,
            )
            refuse_failure(answer)
        return record

    def networks(self) -> tuple[Any, Any, Callable[[Any, str], Any]]:
        return self.vc.net_g, self.models, self.vc.hubert_model.features

    def version(self) -> dict[str, str]:
        return {"name": "rvc-python", "version": VERSION}


def voice_version(model: Path) -> str:
    """`v1` or `v2`, from the model file; rvc-python takes it as an argument instead of reading it."""
    import torch

    return str(torch.load(model, map_location="cpu", weights_only=True).get("version", "v1"))
