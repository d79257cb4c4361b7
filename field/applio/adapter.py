"""Applio's offline converter as a candidate, from a checkout."""

import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import soundfile

from parity.hooks import stand_ins
from parity.hooks.content import ModuleContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import replaced
from parity.hooks.pipeline import STAGES, Names, PipelineCandidate
from parity.hooks.serving import Array, Arrays, Case, serve
from parity.hooks.window import set_window

# Imported by modules on the way and used by none of what is called here.
UNUSED = ("noisereduce", "pedalboard", "wget", "pydub", "stftpitchshift")


def _any_attribute(name: str) -> type:
    """An attribute of a package that is not called; none of those that Python itself reads, such as `__file__`."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


class GivenPitch:
    """A predictor that answers with a given curve."""

    def __init__(self, f0: Array) -> None:
        self.f0 = f0

    def __call__(self, *_: Any, **__: Any) -> "GivenPitch":
        """In place of the constructor."""
        return self

    def get_f0(self, *_: Any, **__: Any) -> Array:
        """The given curve."""
        return self.f0.copy()


class Applio(PipelineCandidate):
    """Driven through `VoiceConverter.convert_audio`."""

    name, version = "applio", "b9c0ccb"
    stages = tuple(stage for stage in STAGES if stage != "resampled")  # its pipeline does not resample
    names = Names(segment="voice_conversion")
    methods = ("rmvpe", "fcpe", "crepe")

    def __init__(self, checkout: Path) -> None:
        super().__init__()
        self.checkout = checkout

    def open(self, case: Case) -> None:
        self.folder = Scratch().folder
        stand_ins.torchaudio_extension()
        (self.folder / "rvc" / "models" / "predictors").mkdir(parents=True)
        for entry in (self.checkout / "rvc").iterdir():
            if entry.name != "models":
                link(entry, self.folder / "rvc" / entry.name)
        link(case["files"]["hubert"], self.folder / "rvc" / "models" / "embedders" / "contentvec")
        sys.path.insert(0, str(self.folder))
        importlib.import_module("transformers.models.hubert.modeling_hubert")  # before the stand-ins, which it examines
        for name in UNUSED:
            module = ModuleType(name)
            module.__dict__["__getattr__"] = _any_attribute
            sys.modules.setdefault(name, module)
        self.modules = importlib.import_module("rvc.infer.infer")
        self.module = importlib.import_module("rvc.infer.pipeline")
        self.converter = self.modules.VoiceConverter()
        self.converter.config.device = "cpu"
        hubert = importlib.import_module("rvc.lib.utils").HubertModelWithFinalProj
        self.converter.hubert_model = hubert.from_pretrained(case["files"]["hubert"]).float().eval()
        self.converter.last_embedder_model = "contentvec"
        self.content = ModuleContent(self.converter.hubert_model)

    def load(self, case: Case) -> None:
        link(case["files"].get("rmvpe"), self.folder / "rvc" / "models" / "predictors" / "rmvpe.pt")
        set_window(self.converter.config, case["options"]["window"])
        self.converter.loaded_model = None
        self.converter.get_vc(case["files"]["model"], case["options"]["speaker"])
        self.pipe, self.net = self.converter.vc, self.converter.net_g

    @property
    def loudness(self) -> tuple[Any, str]:
        return self.module.AudioProcessor, "change_rms"

    def convert(self, audio: Array, case: Case) -> Any:
        options = case["options"]
        out = str(self.folder / "out.wav")
        with replaced(self.modules, load_audio_infer=lambda *_, **__: audio):
            self.converter.convert_audio(
                "input.wav",
                out,
                case["files"]["model"],
                self.values()["file_index"],
                pitch=options["transpose"],
                f0_method=options["f0_method"] if case["voice"]["f0"] else "rmvpe",
                index_rate=options["index_rate"],
                volume_envelope=options["rms_mix_rate"],
                protect=options["protect"],
                resample_sr=options["resample_rate"],
                sid=options["speaker"],
            )
        return soundfile.read(out, dtype="int16")[0]

    def infer(self, phone: Any, lengths: Any, pitch: Any, hz: Any, speaker: Any) -> Any:
        """Applio's method `infer`, which converts voices with F0 and without."""
        curves = (pitch, hz) if self.case["voice"]["f0"] else (None, None)
        return self.net.infer(phone, lengths, *curves, speaker)

    @contextmanager
    def given_f0(self, f0: Array) -> Iterator[None]:
        with replaced(self.module, RMVPE=GivenPitch(f0)):
            yield

    def stage_final(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        return {"waveform.final": self._as_file(super().stage_final(prefix, inputs)["waveform.final"])}

    def _as_file(self, samples: Array) -> Any:
        """The 16-bit samples of the WAV file that it writes."""
        with io.BytesIO() as file:
            soundfile.write(file, samples, 16000, format="WAV")
            file.seek(0)
            return soundfile.read(file, dtype="int16")[0]


if __name__ == "__main__":
    serve(Applio(Path(sys.argv[1]).resolve()))
