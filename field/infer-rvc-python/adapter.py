"""infer-rvc-python as a candidate."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.signal

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.folders import Scratch
from parity.hooks.interception import replaced
from parity.hooks.pipeline import Names, PipelineCandidate
from parity.hooks.serving import Array, Arrays, Case, Tape, serve, snapshot
from parity.hooks.synthesizer import Stopped
from parity.hooks.window import set_window


class InferRvcPython(PipelineCandidate):
    """Driven through `BaseLoader.infer`, with an array in place of a file."""

    name, version = "infer-rvc-python", "1.3.1"
    names = Names(pipeline="infer")
    methods = ("pm", "crepe", "rmvpe", "rmvpe+")  # harvest from an array raises ValueError

    def open(self, case: Case) -> None:
        Scratch()
        stand_ins.torchaudio_extension()
        self.module = importlib.import_module("infer_rvc_python.root_pipe")
        self.main = importlib.import_module("infer_rvc_python.main")
        files = case["files"]
        self.loader = self.main.BaseLoader(only_cpu=True, hubert_path=files["hubert"], rmvpe_path=files.get("rmvpe"))
        self.loader.hu_bert_model = self.main.load_hu_bert(self.loader.config, files["hubert"])
        self.content = FairseqContent(self.loader.hu_bert_model)

    def load(self, case: Case) -> None:
        set_window(self.loader.config, case["options"]["window"])
        voice = self.main.load_trained_model(case["files"]["model"], self.loader.config)
        _, self.rate, self.net, self.pipe, self.checkpoint, self.model_version = voice
        if case["files"].get("rmvpe"):
            self.loader.rmvpe_path = case["files"]["rmvpe"]
            self.loader._load_rmvpe()
            self.pipe.model_rmvpe = self.loader.model_pitch_estimator

    @property
    def loudness(self) -> tuple[Any, str]:
        return self.main, "change_rms"

    def core(self, audio: Array, **changes: Any) -> Any:
        values = self.values(**changes)
        parameters = {
            "pitch_algo": values["f0_method"],
            "pitch_lvl": values["f0_up_key"],
            "respiration_median_filtering": values["filter_radius"],
            "resample_sr": values["resample_sr"],
            "envelope_ratio": values["rms_mix_rate"],
            "consonant_breath_protection": values["protect"],
        }
        return self.loader.infer(
            "task",
            parameters,
            0,
            self.rate,
            self.net,
            self.pipe,
            self.checkpoint,
            self.model_version,
            self.checkpoint.get("f0", 1),
            values["index_rate"] if self.index is not None else 0,
            self.index,
            self.vectors,
            None,
            (np.array(audio), 16000),
            False,
            "array",
        )[0]

    def convert(self, audio: Array, case: Case) -> Any:
        return self.core(audio)

    @contextmanager
    def tapped_input(self, tape: Tape) -> Iterator[None]:
        filtfilt = scipy.signal.filtfilt

        def call(b: Any, a: Any, audio: Any, *arguments: Any, **named: Any) -> Any:
            if sys._getframe(1).f_code.co_name == self.names.pipeline:
                tape("audio16k", audio)
            return filtfilt(b, a, audio, *arguments, **named)

        with replaced(scipy.signal, filtfilt=call):
            yield

    def stage_audio16k(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        recorded: dict[str, Array] = {}

        def stop(_b: Any, _a: Any, audio: Any, *_: Any, **__: Any) -> Any:
            recorded["audio16k"] = snapshot(audio)
            raise Stopped

        with replaced(scipy.signal, filtfilt=stop), contextlib.suppress(Stopped):
            self.core(inputs["audio16k.raw"])
        return recorded


if __name__ == "__main__":
    serve(InferRvcPython())
