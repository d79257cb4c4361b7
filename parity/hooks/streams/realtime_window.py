"""The WebUIs' realtime script without a window or a sound card: its own classes, called block by block.

The script defines its GUI class under `if __name__ == "__main__"` and opens the window at once. It is executed with
stand-ins of FreeSimpleGUI and sounddevice that raise at that point, after the classes are defined. Then the settings
are set as the window would set them, `start_vc` is called as by a click on the button, and `audio_callback` is called
with one block after another, as a sound card would call it.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from parity.hooks.content import Content
from parity.hooks.interception import replaced
from parity.hooks.serving import Array, Lacks

# Option of a conversion, or setting of a stream → attribute of the window's configuration.
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
# What a running stream applies to the loaded voice as well: setting → method of the script's RVC.
_OF_VOICE = {"transpose": "change_key", "formant": "change_formant", "index_rate": "change_index_rate"}


class _Opened(BaseException):
    """Raised where the script would open a window or a sound card."""


def execute_script(script: Path) -> dict[str, Any]:
    """Execute the script until it opens its window; returns its global names, which hold its classes.

    Raises:
        Lacks: it ended without a window.
    """

    def stop(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _Opened(name)

    for name in ("FreeSimpleGUI", "sounddevice"):
        module = ModuleType(name)
        module.__dict__["__getattr__"] = stop
        sys.modules[name] = module
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    try:
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    except _Opened:
        return names
    raise Lacks(f"{script.name} opened no window, so it is not the realtime script; check the checkout")


class RealtimeWindow:
    """The script's window, a `parity.hooks.streams.realtime.Loop` once it has started.

    Attributes:
        gui: the script's object; `gui.rvc` holds the voice.
    """

    converts, callback = "infer", "audio_callback"

    def __init__(self, names: dict[str, Any], config: Any, content: Callable[[Any], Content]) -> None:
        """A window that is not started.

        Args:
            names: what `execute_script` returned.
            config: the program's configuration object.
            content: returns the HuBERT of a loaded voice (the script's RVC).
        """
        self.gui = names["GUI"].__new__(names["GUI"])
        self.gui.gui_config, self.gui.config, self.gui.function = names["GUIConfig"](), config, "vc"
        self.gui.__dict__.update(start_stream=lambda: None, get_device_channels=lambda: 1)
        self._content = content

    def start(self, settings: Mapping[str, Any], model: str, index: str | None) -> int:
        """Start the conversion as the window's button does; returns the block size in samples at the device's rate.

        Args:
            settings: keys of SETTINGS; `device_rate` in Hz (0 or missing: the voice's own rate).
            model: path of the voice.
            index: path of its index, or None.
        """
        rate = int(settings.get("device_rate") or 0)
        self._set({name: value for name, value in settings.items() if name in SETTINGS})
        window = self.gui.gui_config
        window.pth_path, window.index_path = model, index or ""
        window.sr_type = "sr_device" if rate else "sr_model"
        self.gui.__dict__["get_device_samplerate"] = lambda: rate
        self.gui.start_vc()
        return int(self.gui.block_frame)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Set settings between two blocks, also on the loaded voice."""
        self._set(settings)
        for name, value in settings.items():
            if name in _OF_VOICE:
                getattr(self.gui.rvc, _OF_VOICE[name])(value)

    def _set(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            setattr(self.gui.gui_config, SETTINGS[name], value)

    def block(self, samples: Array) -> Array:
        """Convert one block, float32 (B,) to float32 (B,), by the sound card's callback."""
        out = np.zeros((len(samples), 1), np.float32)
        self.gui.audio_callback(samples[:, None].copy(), out, len(samples), None, None)
        return out[:, 0]

    # ---- where the tensors are

    @property
    def net(self) -> Any:
        """The synthesizer."""
        return self.gui.rvc.net_g

    @property
    def content(self) -> Content:
        """HuBERT, as the loop calls it."""
        return self._content(self.gui.rvc)

    @property
    def conversion(self) -> tuple[Any, str]:
        """Owner and name of the method that converts the ring."""
        return self.gui.rvc, "infer"

    @property
    def f0(self) -> tuple[Any, str, Any]:
        """Owner and name of the method that estimates F0, and an answer of eight unvoiced frames."""
        return self.gui.rvc, "get_f0", (torch.zeros(8, dtype=torch.long), torch.zeros(8))

    @property
    def ring(self) -> Any:
        """The input at 16 kHz, float32 (samples,)."""
        return self.gui.input_wav_res

    @property
    def tail(self) -> Any:
        """The end of the block before, which the next is joined to, float32 (samples,)."""
        return self.gui.sola_buffer

    def convert(self, ring: Any) -> Any:
        """What the loop makes of a ring, float32 (samples,) at the voice's rate."""
        gui = self.gui
        return gui.rvc.infer(ring, gui.block_frame_16k, gui.skip_head, gui.return_length, gui.gui_config.f0method)

    def silence(self) -> Any:
        """Silence as long as a converted block."""
        return torch.zeros(self.gui.return_length * (self.gui.rvc.tgt_sr // 100))

    def using(self, model: Any) -> AbstractContextManager[None]:
        """Take another HuBERT while the block runs."""
        return replaced(self.gui.rvc, model=model)

    def leave_as_converted(self, resampled: bool) -> None:
        """Join what `conversion` returns without loudness mix and noise reduction.

        Args:
            resampled: it is at the device's rate already.
        """
        self._set({"rms_mix_rate": 1.0, "output_denoise": False})
        if resampled:
            self.gui.resampler2 = None
