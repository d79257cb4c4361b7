"""The WebUIs' realtime script without a window or a sound card: its own classes, called block by block.

The script defines its GUI class under `if __name__ == "__main__"` and opens the window at once. It is executed with
stand-ins of FreeSimpleGUI and sounddevice that raise at that point, after the classes are defined. Then the settings
are set as the window would set them, `start_vc` is called as by a click on the button, and `audio_callback` is called
with one block after another, as a sound card would call it.
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
from parity.hooks.interception import StandIn, locals_of, replaced
from parity.hooks.synthesizer import synthesizer_taps
from reference.errors import Refusal
from reference.hooks.replayed_noise import Draws

# Option of `python -m rvc stream` → attribute of the window's configuration.
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
    """Raised where the script would open a window or a sound card."""


def execute_script(script: Path) -> dict[str, Any]:
    """Execute the script until it opens its window; returns its global names, which hold its classes."""

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


class RealtimeWindow:
    """One stream through the original's realtime window.

    Args:
        names: what `execute_script` returned.
        config: the original's configuration object.
        realtime: the module that defines RVC.
        models: the module that defines the synthesizer.
        hubert_tap: called with the RVC object and a tap of (input, features); returns a context manager that installs
            the tap on HuBERT.
    """

    def __init__(
        self,
        names: dict[str, Any],
        config: Any,
        realtime: ModuleType,
        models: ModuleType,
        hubert_tap: Callable[[Any, Callable[[Any, Any], None]], Any],
    ) -> None:
        self.names, self.realtime, self.models, self.hubert_tap = names, realtime, models, hubert_tap
        self.gui = names["GUI"].__new__(names["GUI"])
        self.gui.gui_config, self.gui.config, self.gui.function = names["GUIConfig"](), config, "vc"
        self.gui.__dict__.update(start_stream=lambda: None, get_device_channels=lambda: 1)
        self.block = 0
        self.doubling = False

    @property
    def prefix(self) -> str:
        """The prefix of the current block's tensors: `rt.0.` for the first."""
        return f"rt.{self.block}."

    def run(
        self, samples: NDArray[np.float32], settings: dict[str, Any], model: Path, index: Path | None, seed: str
    ) -> Trace:
        """Convert `samples` block by block, the last block zero-padded, and record every stage.

        Args:
            samples: float32 (N,) at the stream's rate.
            settings: the keys of SETTINGS; `device_rate` in Hz (0: the voice's own rate); `changes`: block number to
                the settings that change before that block.
            model: the voice's .pth file.
            index: the voice's index, or None.
            seed: the key of the noise in the fixed random stream.
        """
        changes = {int(block): table for block, table in settings.get("changes", {}).items()}
        size = self.start(settings, model, index)
        self.record = Trace()
        self.draws = Draws(self.record, seed)
        count = -(-len(samples) // size)
        padded = np.pad(samples, (0, count * size - len(samples)))
        with ExitStack() as stack:
            self.install_taps(stack)
            for self.block in range(count):
                self.apply_settings(changes.get(self.block, {}), running=True)
                self.convert_block(padded[self.block * size : (self.block + 1) * size])
        return self.record

    def start(self, settings: dict[str, Any], model: Path, index: Path | None) -> int:
        """Start the conversion as the window's button does; returns the block size in samples at the stream's rate."""
        rate = int(settings.get("device_rate", 0))
        self.apply_settings({name: value for name, value in settings.items() if name in SETTINGS})
        window = self.gui.gui_config
        window.pth_path, window.index_path = str(model), str(index or "")
        window.sr_type = "sr_device" if rate else "sr_model"
        self.gui.__dict__["get_device_samplerate"] = lambda: rate
        self.gui.start_vc()
        return int(self.gui.block_frame)

    def convert_untapped(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert one block, float32 (B,) to float32 (B,), without taps and with the original's own noise."""
        out = np.zeros((len(block), 1), np.float32)
        self.gui.audio_callback(block[:, None].copy(), out, len(block), None, None)
        return out[:, 0]

    def apply_settings(self, table: dict[str, Any], running: bool = False) -> None:
        """Set settings as the window does; while the stream is running, also on the loaded voice.

        Raises:
            Refusal: a name is not in SETTINGS.
        """
        change = {"transpose": "change_key", "formant": "change_formant", "index_rate": "change_index_rate"}
        for name, value in table.items():
            if name not in SETTINGS:
                raise Refusal(f"realtime settings hold {name!r}, but only {', '.join(SETTINGS)} are known")
            setattr(self.gui.gui_config, SETTINGS[name], value)
            if running and name in change:
                getattr(self.gui.rvc, change[name])(value)

    def convert_block(self, block: NDArray[np.float32]) -> None:
        """Convert one block, float32 (B,), by the sound card's callback, and record it."""
        self.record(self.prefix + "in", block)
        self.draws.begin(self.prefix)
        self.doubling = True
        out = np.zeros((len(block), 1), np.float32)
        self.gui.audio_callback(block[:, None].copy(), out, len(block), None, None)
        self.record(self.prefix + "sola_buffer", self.gui.sola_buffer)
        self.record(self.prefix + "out", out[:, 0])

    def install_taps(self, stack: ExitStack) -> None:
        """Install taps on the callback, on `RVC.infer`, on HuBERT and on the synthesizer until `stack` is closed."""
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
        stack.enter_context(self.hubert_tap(rvc, self.hubert))
        stack.enter_context(synthesizer_taps(rvc.net_g, self.record, lambda: self.prefix))

    def hubert(self, _source: Any, features: Any) -> None:
        """Record the features, without the copy of the last frame that the loop appends."""
        self.record(self.prefix + "hubert.features", features)

    def infer(self, run: Any) -> Any:
        """`RVC.infer`: records its input, the ring at 16 kHz, and its result at the voice's rate."""

        def call(ring: Any, *arguments: Any, **named: Any) -> Any:
            self.record(self.prefix + "input16k", ring)
            result = run(ring, *arguments, **named)
            self.record(self.prefix + "waveform.model", result)
            return result

        return call

    def interpolate(self, run: Any, features: Any, *arguments: Any, **named: Any) -> Any:
        """The first `F.interpolate` of RVC.infer doubles the frames; retrieval has finished before it."""
        variables = locals_of("infer")
        if self.doubling and "feats" in variables:
            self.doubling = False
            if "score" in variables:
                mixed = (("weights", "weight"), ("mean", "npy")) if "weight" in variables else ()
                for name, local in (("distances", "score"), ("ids", "ix"), *mixed):
                    self.record(f"{self.prefix}retrieval.{name}", variables[local])
                frames = snapshot(features).transpose(0, 2, 1)[:, int(variables["skip_head"]) // 2 :]
                self.record(self.prefix + "retrieval.blended", frames)
        return run(features, *arguments, **named)

    def synthesizer(self, run: Any) -> Any:
        """`net_g.infer`: records its arguments and the generator's output."""

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
        """`torch.argmax` of the callback: records SOLA's normalized correlation and the offset that it selects."""
        offset = self.names["torch"]._original.argmax(correlation, *arguments, **named)
        self.record(self.prefix + "infer_wav", locals_of("audio_callback")["infer_wav"])
        self.record(self.prefix + "sola.cor", correlation)
        self.record(self.prefix + "sola.offset", offset.reshape(1))
        return offset
