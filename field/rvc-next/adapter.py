"""rvc-next as a candidate: its offline converter and its stream."""

import contextlib
import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from parity.hooks import stand_ins
from parity.hooks.content import FunctionContent
from parity.hooks.folders import Scratch, link
from parity.hooks.interception import at_return, locals_of, replaced, tapped
from parity.hooks.noise import Replay
from parity.hooks.pipeline import STAGES, Names, PipelineCandidate
from parity.hooks.serving import Array, Arrays, Case, Tape, serve, snapshot
from parity.hooks.streams import block_stages, realtime
from parity.hooks.synthesizer import Stopped
from parity.hooks.window import set_window

# Setting of a stream → field of its parameters of a voice, or of a stream.
OF_VOICE = {"transpose": "pitch", **{name: name for name in ("formant", "f0_method", "index_rate", "rms_mix_rate")}}
OF_STREAM = {"input_gate_db": "threshold_db", **{name: name for name in ("input_denoise", "output_denoise")}}
TIMES = {"block_time": "block_ms", "crossfade_time": "crossfade_ms", "extra_time": "context_ms"}  # in milliseconds


class Loop:
    """The program's `StreamEngine` as a `parity.hooks.streams.realtime.Loop`."""

    converts, callback = "_infer", "_process"

    def __init__(self, engine: Any, content: FunctionContent) -> None:
        self.engine, self.content = engine, content

    def change(self, settings: Mapping[str, Any]) -> None:
        self.engine.update(dataclasses.replace(self.engine.params, **renamed(settings, OF_VOICE)))
        self.engine.reconfigure(dataclasses.replace(self.engine.stream, **renamed(settings, OF_STREAM)))

    def block(self, samples: Array) -> Any:
        return self.engine.process(samples)

    def convert(self, ring: Any) -> Any:
        self.engine.input_wav_res[:] = ring
        return self.engine._infer()

    def silence(self) -> Any:
        return torch.zeros(self.engine.return_length * (self.engine.tgt_sr // 100))

    def using(self, _model: Any) -> contextlib.nullcontext[None]:
        return contextlib.nullcontext()

    def leave_as_converted(self, resampled: bool) -> None:
        self.change({"rms_mix_rate": 1.0, "output_denoise": False})
        if resampled:
            self.engine.resampler2 = None

    @property
    def net(self) -> Any:
        return self.engine.voice.net_g

    @property
    def conversion(self) -> tuple[Any, str]:
        return self.engine, "_infer"

    @property
    def f0(self) -> tuple[Any, str, Any]:
        return self.engine, "_get_f0", (torch.zeros(8, dtype=torch.long), torch.zeros(8), torch.zeros(8) > 0)

    @property
    def ring(self) -> Any:
        return self.engine.input_wav_res

    @property
    def tail(self) -> Any:
        return self.engine.sola.buffer


def renamed(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The settings in `names`, under its values."""
    return {names[name]: value for name, value in settings.items() if name in names}


class RvcNext(PipelineCandidate):
    """Driven through `OfflineConverter.convert`, and for streams through `StreamEngine.process`."""

    name, version, profiles = "rvc-next", "0.2.16", ("webui-2026",)
    stages = (*STAGES, *block_stages.STAGES)
    names = Names(pipeline="convert", segment="_vc")
    methods = ("pm", "rmvpe", "fcpe")  # crepe needs an asset that is downloaded

    def open(self, case: Case) -> None:
        self.folder = Scratch().folder
        stand_ins.torchaudio_extension()
        link(case["files"]["hubert"], self.folder / "hubert_base")
        fcpe = importlib.util.find_spec("torchfcpe")
        assert fcpe is not None and fcpe.origin
        link(Path(fcpe.origin).parent / "assets" / "fcpe_c_v001.pt", self.folder / "fcpe" / "fcpe_c_v001.pt")
        runtime = importlib.import_module("rvc_next.engine.runtime")
        self.module = importlib.import_module("rvc_next.engine.convert.offline")
        self.base = importlib.import_module("rvc_next.engine.f0.base")
        self.retrieval = importlib.import_module("rvc_next.engine.index.retrieval")
        self.parameters = importlib.import_module("rvc_next.engine.convert.params").VoiceParams
        self.runtime = runtime.Runtime(self.folder, device="cpu", precision="fp32")
        self.content = FunctionContent(self.module, "extract_features", self.runtime.hubert())

    def load(self, case: Case) -> None:
        link(case["files"].get("rmvpe"), self.folder / "rmvpe" / "rmvpe.pt")
        window = SimpleNamespace()
        set_window(window, case["options"]["window"])
        self.runtime.chunk = window
        self.voice = self.runtime.voice(case["files"]["model"])
        self.net = self.voice.net_g
        self.pipe = self.module.OfflineConverter(self.runtime)
        self.pipe.t_pad_tgt = self.voice.tgt_sr * window.x_pad

    def core(self, audio: Array, **changes: Any) -> Any:
        values = self.values(**changes)
        index = self.runtime.index(values["index_file"]) if self.index is not None else None
        return self.pipe.convert(
            np.array(audio),
            self.voice,
            self._parameters(values["rms_mix_rate"]),
            index=index,
            resample_to=values["resample_sr"],
        )[0]

    def _parameters(self, rms_mix_rate: float) -> Any:
        options = self.case["options"]
        return self.parameters(
            speaker_id=options["speaker"],
            pitch=options["transpose"],
            f0_method=options["f0_method"],
            index_rate=options["index_rate"],
            protect=options["protect"],
            rms_mix_rate=rms_mix_rate,
        )

    def convert(self, audio: Array, case: Case) -> Any:
        return self.core(audio)

    def start_loop(self, case: Case) -> Loop:
        settings = realtime.settings_of(case)
        milliseconds = {name: round(1000 * value) for name, value in settings.items() if name in TIMES}
        engine = importlib.import_module("rvc_next.engine.stream.engine")
        stream = importlib.import_module("rvc_next.engine.stream.params").StreamParams
        index = self.runtime.index(case["files"]["index"]) if self.index is not None else None
        return Loop(
            engine.StreamEngine(
                self.runtime,
                self.voice,
                self.parameters(speaker_id=case["options"]["speaker"], **renamed(settings, OF_VOICE)),
                stream(**renamed(milliseconds, TIMES), **renamed(settings, OF_STREAM)),
                settings["device_rate"] or case["voice"]["rate"],
                index,
            ),
            FunctionContent(engine, "extract_features", self.runtime.hubert()),
        )

    # ---- whole runs

    @contextmanager
    def tapped_input(self, tape: Tape) -> Iterator[None]:
        with replaced(self.module, prepare_input=tapped(self.module.prepare_input, lambda it: tape("audio16k", it))):
            yield

    @contextmanager
    def tapped(self, tape: Tape, replay: Replay) -> Iterator[None]:
        fill, shift, resample = self.base.interpolate_unvoiced, self.base.shift, self.module.resample

        def filled(f0: Any) -> Any:
            tape("f0.raw", f0)
            return tape("f0.filled", fill(f0))

        def shifted(f0: Any, semitones: float) -> Any:
            if "f0.raw" not in tape:
                tape("f0.raw", f0)
            return shift(f0, semitones)

        with (
            super().tapped(tape, replay),
            replaced(self.base, interpolate_unvoiced=filled, shift=shifted),
            replaced(self.module, resample=tapped(resample, lambda it: tape("waveform.resampled", it))),
            self._tapped_blend(tape, lambda: replay.prefix),
        ):
            yield

    @contextmanager
    def _tapped_blend(self, tape: Tape, prefix: Any) -> Iterator[None]:
        """Record retrieval from the local variables of `blend`, and its result."""
        blend = self.module.blend

        def call(*arguments: Any, **named: Any) -> Any:
            recorded: dict[str, Any] = {}
            with at_return(blend=recorded.update):
                mean = blend(*arguments, **named)
            for tensor, local in (("distances", "score"), ("ids", "ix"), ("weights", "weight")):
                tape(f"{prefix()}retrieval.{tensor}", recorded[local])
            return tape(prefix() + "retrieval.mean", mean)

        with replaced(self.module, blend=call):
            yield

    # ---- stages alone

    def stage_audio16k(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        return {"audio16k": self.module.prepare_input(inputs["audio16k.raw"])}

    def _front(self, audio: Array, highpassed: Array | None = None) -> dict[str, Any]:
        recorded: dict[str, Any] = {}

        def stop(*_: Any, **__: Any) -> Any:
            recorded.update(locals_of("convert"))
            raise Stopped

        with self._given(stop, highpassed), contextlib.suppress(Stopped):
            self.core(audio)
        return recorded

    @contextmanager
    def _given(self, segment: Any, highpassed: Array | None, t_max: int | None = None) -> Iterator[None]:
        """Stand-ins for a segment, for F0 and, where it is given, for the high-pass."""
        track = self.base.OfflinePitch(np.ones(9999, np.int32), np.ones(9999), np.ones(9999, bool))
        names: dict[str, Any] = {"offline_f0": lambda *_, **__: track}
        if highpassed is not None:
            names["highpass_16k"] = lambda _audio: highpassed.copy()
        limit = {} if t_max is None else {"t_max": t_max}
        with replaced(self.pipe, _vc=segment, **limit), replaced(self.module, **names):
            yield

    def stage_f0_raw(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        padded = inputs["padded"]
        return {"f0.raw": self.runtime.f0(self.case["options"]["f0_method"]).compute(padded, len(padded) // 160)}

    def stage_f0_filled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        return {"f0.filled": self.base.interpolate_unvoiced(inputs["f0.raw"].copy())}

    def _shifted(self, inputs: Arrays) -> tuple[Array, Array]:
        curve = inputs.get("f0.filled", inputs.get("f0.raw"))
        assert curve is not None
        frames = len(curve) - (self.case["options"]["f0_method"] != "pm")
        hz = self.base.shift(curve[:frames].copy(), self.case["options"]["transpose"])
        return snapshot(self.base.to_coarse(hz)), snapshot(hz)

    def _middle(self, prefix: str, audio: Array | None, *arguments: Any, **named: Any) -> Tape:
        tape = Tape()
        with self._tapped_blend(tape, lambda: prefix):
            made = super()._middle(prefix, audio, *arguments, **named)
        return Tape({**made, **tape})

    def segment(self, **values: Any) -> Any:
        index, vectors = values["index"], values["big_npy"]
        return self.pipe._vc(
            values["model"],
            dataclasses.replace(self.voice, net_g=values["net_g"]),
            values["sid"],
            values["audio0"],
            values["pitch"],
            values["pitchf"],
            None if index is None else self.retrieval.LoadedIndex(None, index, vectors),
            values["index_rate"],
            self._parameters(1.0),
        )

    def _segments(self, highpassed: Array, cut: bool, segment: Any, padded: Array | None = None) -> Tape:
        with self._given(segment, highpassed):
            return super()._segments(highpassed, cut, segment, padded)

    def _tail(self, full: Array, highpassed: Array, **changes: Any) -> Tape:
        tape = Tape()
        resample = self.module.resample
        with ExitStack() as stack:
            stack.enter_context(self._given(lambda *_, **__: full.copy(), highpassed, 1 << 40))
            stack.enter_context(replaced(self.module, resample=tapped(resample, lambda it: tape("resampled", it))))
            made = super()._tail(full, highpassed, **changes)
        return Tape({**made, **tape})


if __name__ == "__main__":
    torch.set_num_threads(2)
    serve(RvcNext())
