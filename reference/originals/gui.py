"""The WebUIs' realtime window without its window: the script's own classes, driven block by block.

The script defines its GUI class under `if __name__ == "__main__"` and opens it at once. It is executed with a
FreeSimpleGUI and a sounddevice that stop it there; its classes stay. The settings are then put where the window would
have put them, `start_vc` runs as after a click on the button, and `audio_callback` gets one block after another, as a
sound card would call it.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity.goldens.trace_file import Trace, snapshot
from reference.hooks.interception import Refusal, StandIn, locals_of, replaced
from reference.hooks.replayed_noise import Draws
from reference.hooks.taps import synthesizer_hooks

# The words of `python -m rvc stream` → the names the window's configuration has for them.
SETTINGS = {
    "formant": "formant",
    "transpose": "pitch",
    "index_rate": "index_rate",
    "rms_mix_rate": "rms_mix_rate",
    "f0_method": "f0method",
    "block_time": "block_time",
    "crossfade_time": "crossfade_time",
    "extra_time": "extra_time",
    "input_gate_db": "threhold",
    "input_denoise": "I_noise_reduce",
    "output_denoise": "O_noise_reduce",
    "phase_vocoder": "use_pv",
}


class Stopped(BaseException):
    """The script reached the point where it would open a window or a sound card."""


def classes(script: Path) -> dict[str, Any]:
    """The script's names after it was executed up to its window."""

    def stop(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Stopped(name)

    for name in ("FreeSimpleGUI", "sounddevice"):
        module = ModuleType(name)
        module.__dict__["__getattr__"] = stop
        sys.modules[name] = module
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    try:
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    except Stopped:
        return names
    raise Refusal(f"{script.name} opened no window, so it is not the realtime script; check the checkout")


class Live:
    """One stream through the original's realtime window.

    names      : what `classes` returned; config: the original's configuration object
    realtime   : the module that defines RVC; models: the synthesizer's
    set_hubert : lays the tap on HuBERT, given a function of (input, features); returns a context manager
    """

    def __init__(
        self,
        names: dict[str, Any],
        config: Any,
        realtime: ModuleType,
        models: ModuleType,
        set_hubert: Callable[[Any, Callable[[Any, Any], None]], Any],
    ) -> None:
        self.names, self.realtime, self.models, self.set_hubert = names, realtime, models, set_hubert
        self.gui = names["GUI"].__new__(names["GUI"])
        self.gui.gui_config, self.gui.config, self.gui.function = names["GUIConfig"](), config, "vc"
        self.gui.__dict__.update(start_stream=lambda: None, get_device_channels=lambda: 1)
        self.block = 0
        self.doubling = False

    @property
    def prefix(self) -> str:
        """`rt.0.` for the first block."""
        return f"rt.{self.block}."

    def run(
        self, samples: NDArray[np.float32], settings: dict[str, Any], model: Path, index: Path | None, seed: str
    ) -> Trace:
        """Every block of `samples` (N,) at the stream's rate, the last one zero-padded.

        settings : the words of SETTINGS; `device_rate` in Hz (0: the voice's); `changes`: block → settings from it on
        """
        changes = {int(block): table for block, table in settings.get("changes", {}).items()}
        size = self.begin(settings, model, index)
        self.record = Trace()
        self.draws = Draws(self.record, seed)
        count = -(-len(samples) // size)
        padded = np.pad(samples, (0, count * size - len(samples)))
        with ExitStack() as stack:
            self.lay(stack)
            for self.block in range(count):
                self.apply(changes.get(self.block, {}), live=True)
                self.one(padded[self.block * size : (self.block + 1) * size])
        return self.record

    def begin(self, settings: dict[str, Any], model: Path, index: Path | None) -> int:
        """Start the conversion as the window's button does; returns the samples of a block at the stream's rate."""
        rate = int(settings.get("device_rate", 0))
        self.apply({name: value for name, value in settings.items() if name in SETTINGS})
        window = self.gui.gui_config
        window.pth_path, window.index_path = str(model), str(index or "")
        window.sr_type = "sr_device" if rate else "sr_model"
        self.gui.__dict__["get_device_samplerate"] = lambda: rate
        self.gui.start_vc()
        return int(self.gui.block_frame)

    def unheard(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """A block in, a block out, float32 (B,) each, with no tap laid and the original's own noise."""
        out = np.zeros((len(block), 1), np.float32)
        self.gui.audio_callback(block[:, None].copy(), out, len(block), None, None)
        return out[:, 0]

    def apply(self, table: dict[str, Any], live: bool = False) -> None:
        """Settings as the window would set them; while the stream runs also to the running voice."""
        change = {"transpose": "change_key", "formant": "change_formant", "index_rate": "change_index_rate"}
        for name, value in table.items():
            if name not in SETTINGS:
                raise Refusal(f"realtime settings hold {name!r}, but only {', '.join(SETTINGS)} are known")
            setattr(self.gui.gui_config, SETTINGS[name], value)
            if live and name in change:
                getattr(self.gui.rvc, change[name])(value)

    def one(self, block: NDArray[np.float32]) -> None:
        """A block in, a block out, as the sound card would ask for it."""
        self.record(self.prefix + "in", block)
        self.draws.begin(self.prefix)
        self.doubling = True
        out = np.zeros((len(block), 1), np.float32)
        self.gui.audio_callback(block[:, None].copy(), out, len(block), None, None)
        self.record(self.prefix + "sola_buffer", self.gui.sola_buffer)
        self.record(self.prefix + "out", out[:, 0])

    def lay(self, stack: ExitStack) -> None:
        """Taps on the callback, on RVC.infer and on the synthesizer."""
        rvc, realtime, models = self.gui.rvc, self.realtime, self.models
        noise = StandIn(torch, randn_like=self.draws.randn_like, rand=self.draws.rand)
        for owner, names in (
            (rvc, {"infer": self.infer(rvc.infer)}),
            (rvc.net_g, {"infer": self.synthesizer(rvc.net_g.infer)}),
            (realtime, {"F": StandIn(realtime.F, interpolate=partial(self.interpolate, realtime.F.interpolate))}),
            (models, {"torch": noise}),
        ):
            stack.enter_context(replaced(owner, **names))
        before = self.names["torch"]
        self.names["torch"] = StandIn(before, argmax=self.argmax)
        stack.callback(self.names.__setitem__, "torch", before)
        stack.enter_context(self.set_hubert(rvc, self.hubert))
        stack.enter_context(synthesizer_hooks(rvc.net_g, self.record, lambda: self.prefix))

    def hubert(self, _given: Any, features: Any) -> None:
        """The features without the copy of the last frame."""
        self.record(self.prefix + "hubert.features", features)

    def infer(self, run: Any) -> Any:
        """`RVC.infer`: the ring at 16 kHz in, the voice at its own rate out."""

        def call(ring: Any, *arguments: Any, **named: Any) -> Any:
            self.record(self.prefix + "input16k", ring)
            result = run(ring, *arguments, **named)
            self.record(self.prefix + "waveform.model", result)
            return result

        return call

    def interpolate(self, run: Any, features: Any, *arguments: Any, **named: Any) -> Any:
        """The first `F.interpolate` of RVC.infer doubles the frames; before it retrieval is done."""
        found = locals_of("infer")
        if self.doubling and "feats" in found:
            self.doubling = False
            if "weight" in found:
                for name, local in (("distances", "score"), ("ids", "ix"), ("weights", "weight"), ("mean", "npy")):
                    self.record(f"{self.prefix}retrieval.{name}", found[local])
                rows = snapshot(features).transpose(0, 2, 1)[:, int(found["skip_head"]) // 2 :]
                self.record(self.prefix + "retrieval.blended", rows)
        return run(features, *arguments, **named)

    def synthesizer(self, run: Any) -> Any:
        """`net_g.infer`: its arguments, and what the generator gave."""

        def call(phone: Any, lengths: Any, *arguments: Any, **named: Any) -> Any:
            self.record(self.prefix + "content", phone)
            if self.gui.rvc.if_f0 == 1:
                self.record(self.prefix + "f0.coarse", arguments[0])
                self.record(self.prefix + "f0.hz", arguments[1])
            result = run(phone, lengths, *arguments, **named)
            self.record(self.prefix + "waveform.raw", result[0][:, 0])
            return result

        return call

    def argmax(self, correlation: Any, *arguments: Any, **named: Any) -> Any:
        """`torch.argmax` of the callback: SOLA's normalised correlation and the offset it chooses."""
        offset = self.names["torch"]._original.argmax(correlation, *arguments, **named)
        self.record(self.prefix + "infer_wav", locals_of("audio_callback")["infer_wav"])
        self.record(self.prefix + "sola.cor", correlation)
        self.record(self.prefix + "sola.offset", offset.reshape(1))
        return offset
