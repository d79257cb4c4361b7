"""huggingface-hub-rvc as a candidate: its converter on a 16 kHz tensor, with a WebUI's voice and faiss index."""

import importlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.hooks import stand_ins
from parity.hooks.content import Tap
from parity.hooks.folders import Scratch, link
from parity.hooks.inline.given_answers import GivenF0
from parity.hooks.interception import replaced, tapped
from parity.hooks.noise import Replay
from parity.hooks.pipeline import STAGES, Names, PipelineCandidate
from parity.hooks.serving import Array, Arrays, Case, Tape, serve
from parity.hooks.window import Seconds, set_window

WINDOW = {"x_pad": "pad", "x_query": "query", "x_center": "center", "x_max": "max"}


class ExtractorContent:
    """The program's HuBERT: an object with `extract(waveform, version)` → (n, C)."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @contextmanager
    def tapped(self, tap: Tap) -> Iterator[None]:
        """As `parity.hooks.content.Content.tapped`."""
        run = self.model.extract

        def extract(waveform: Any, **named: Any) -> Any:
            features = run(waveform, **named)
            tap(waveform.float()[None], features[None])
            return features

        with replaced(self.model, extract=extract):
            yield

    @contextmanager
    def answering(self, features: torch.Tensor, tap: Tap) -> Iterator[Any]:
        """As `parity.hooks.content.Content.answering`."""

        def extract(waveform: Any, **_: Any) -> Any:
            tap(waveform.float()[None], features)
            return features[0]

        with replaced(self.model, extract=extract):
            yield self.model


class HuggingfaceHubRvc(PipelineCandidate):
    """The program has no peak guard, and its result is a float waveform."""

    name, version = "huggingface-hub-rvc", "0.1.4"
    stages = tuple(stage for stage in STAGES if stage not in ("audio16k", "f0.raw", "final"))
    methods = ("pm", "rmvpe", "fcpe")
    reference: Array | None = None
    names = Names(
        pipeline="_convert_waveform",
        segment="_convert_segment",
        f0="_get_f0",
        audio="filtered",
        cuts="cut_points",
        segment_audio="audio_16k",
        neighbors=("score", "ix", "weight", "retrieved"),
    )

    def open(self, case: Case) -> None:
        self.folder = Scratch().folder
        stand_ins.torchaudio_extension()
        self.module = importlib.import_module("huggingface_hub_rvc._runtime")
        # The program rounds the window down to whole seconds; the goldens' windows are fractions of seconds.
        self.module.__dict__["int"] = lambda value: value if isinstance(value, Seconds) else int(value)
        hubert = self.folder / "hubert"  # a transformers folder with the file that it requires beside the model
        for path in Path(case["files"]["hubert"]).iterdir():
            link(path, hubert / path.name)
        settings = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False, "sampling_rate": 16000}
        if not (hubert / "preprocessor_config.json").exists():
            (hubert / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
        self.hubert = self.module._HubertFeatureExtractor(hubert, torch.device("cpu"), False)
        self.content = ExtractorContent(self.hubert)
        self.pipe = self.module.SimpleRVCConverter()

    def load(self, case: Case) -> None:
        files = case["files"]
        payload = self.module._load_model_payload(Path(files["model"]))
        self.net = self.module._make_generator_from_payload(payload, is_half=False)
        self.net.load_state_dict(payload["generator_state_dict"], strict=False)
        del self.net.enc_q
        self.net.float().eval()
        self.rmvpe = self.module.RMVPE(files["rmvpe"], is_half=False, device="cpu") if "rmvpe" in files else None
        self.pipe.t_pad = Seconds(case["options"]["window"][0]) * 16000
        self.pipe.t_pad_tgt = Seconds(case["options"]["window"][0]) * case["voice"]["rate"]
        self.pipe.t_center = Seconds(case["options"]["window"][2]) * 16000

    @property
    def loudness(self) -> tuple[Any, str]:
        return self.pipe, "_change_rms"

    def _settings(self, **changes: Any) -> dict[str, Any]:
        """The program's dictionary `conversion_cfg`."""
        values = self.values(**changes)
        window = type("Window", (), {})()
        set_window(window, self.case["options"]["window"])
        settings = {
            "retrieval_strength": values["index_rate"] if values.get("index") is not None or self.index else 0,
            "f0_method": values["f0_method"],
            "pitch_shift": values["f0_up_key"],
            "protect": values["protect"],
            "rms_mix_rate": values["rms_mix_rate"],
            "speaker_id": self.case["options"]["speaker"],
        }
        if getattr(self.pipe, "t_max", 0):  # set where a single stage needs an uncut input
            settings["chunk_max_seconds"] = Seconds(self.pipe.t_max)
        if values["resample_sr"] >= 16000:
            settings["output_sample_rate"] = values["resample_sr"]
        return {f"chunk_{name}_seconds": getattr(window, key) for key, name in WINDOW.items()} | settings

    def core(self, audio: Array, **changes: Any) -> Any:
        voice = self.case["voice"]
        settings = self._settings(**changes)
        if self.reference is not None:
            audio = self.reference
        return self.pipe._convert_waveform(
            torch.from_numpy(np.array(audio, dtype=np.float32)),
            self.net,
            self.hubert,
            self.rmvpe,
            self.index,
            self.vectors,
            settings,
            torch.device("cpu"),
            voice["version"],
            bool(voice["f0"]),
            voice["rate"],
        )

    def convert(self, audio: Array, case: Case) -> Any:
        return self.core(audio)

    @contextmanager
    def tapped_input(self, tape: Tape) -> Iterator[None]:
        yield  # it has no peak guard, and so no audio16k of its own

    @contextmanager
    def tapped(self, tape: Tape, replay: Replay) -> Iterator[None]:
        resample = tapped(self.pipe._resample_tensor, lambda it: tape("waveform.resampled", it))
        with super().tapped(tape, replay), replaced(self.pipe, _resample_tensor=resample):
            yield

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Without f0.filled: it cuts the last frame off before it fills, so that the curves have other lengths."""
        super().run(case, inputs, tape)
        tape.pop("f0.filled", None)
        tape.pop("f0.raw", None)

    @contextmanager
    def given_f0(self, f0: Array) -> Iterator[None]:
        with replaced(self, rmvpe=GivenF0(f0)):
            yield

    def estimate_f0(self, padded: Array, frames: int, method: str, key: int) -> Any:
        settings = self._settings(f0_method=method, f0_up_key=key)
        return self.pipe._get_f0(padded.astype(np.float32), frames, settings, torch.device("cpu"), self.rmvpe)

    def segment(self, **values: Any) -> Any:
        voice = self.case["voice"]
        return self.pipe._convert_segment(
            values["audio0"],
            values["net_g"],
            values["model"],
            values["pitch"],
            values["pitchf"],
            values["index"],
            values["big_npy"],
            self._settings(**values),
            torch.device("cpu"),
            voice["version"],
            bool(voice["f0"]),
        )

    def segment_result(self, full: Array) -> Any:
        return torch.from_numpy(full.copy())

    def _tail(self, full: Array, highpassed: Array, **changes: Any) -> Tape:
        tape = Tape()
        resample = tapped(self.pipe._resample_tensor, lambda it: tape("resampled", it))
        with ExitStack() as stack:
            stack.enter_context(replaced(self.pipe, _resample_tensor=resample))
            # The program's loudness mix reads the input without a high-pass, so that it gets the high-passed samples.
            stack.enter_context(replaced(self, reference=highpassed))
            made = super()._tail(full, highpassed, **changes)
        return Tape({**made, **tape})


if __name__ == "__main__":
    serve(HuggingfaceHubRvc())
