"""Microphones and loudspeakers, through the optional package sounddevice (PortAudio)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput, MissingExtra


class DeviceStream(Protocol):
    """The parts of sounddevice.Stream that are used here."""

    latency: tuple[float, float]  # seconds, of input and output

    def read(self, frames: int, /) -> tuple[npt.NDArray[np.float32], bool]:
        """Record float32 (frames, channels); the flag is True when samples were lost."""

    def write(self, samples: npt.NDArray[np.float32], /) -> bool:
        """Play float32 (frames, channels); True when there was a gap."""


class SoundDevice(Protocol):
    """The parts of the package sounddevice that are used here."""

    PortAudioError: type[Exception]
    Stream: Callable[..., AbstractContextManager[DeviceStream]]

    def query_devices(self, device: int | str | None = None, kind: str | None = None, /) -> Any:
        """One device as a dictionary, or the list of all devices without arguments."""


@dataclass(frozen=True)
class AudioDevice:
    """One device as PortAudio lists it.

    Attributes:
        name: its name.
        index: its number.
        rate: its default rate in Hz.
        input_channels: channels that can be recorded, 0 for a loudspeaker.
        output_channels: channels that can be played, 0 for a microphone.
    """

    name: str
    index: int
    rate: int
    input_channels: int
    output_channels: int


def open_sounddevice() -> SoundDevice:
    """Import the package sounddevice.

    Raises:
        MissingExtra: the package is not installed.
        BadInput: the PortAudio library is missing, or the machine has no sound device.
    """
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise MissingExtra("live", "the live mode") from None
    except OSError:
        raise BadInput(
            "the PortAudio library was not found; install it (Debian: libportaudio2) or use stream"
        ) from None
    if not len(sounddevice.query_devices()):
        raise BadInput("this machine has no sound device; use stream with files or pipes")
    package: SoundDevice = sounddevice
    return package


def find_device(sounddevice: SoundDevice, requested: str | None, kind: Literal["input", "output"]) -> AudioDevice:
    """Look up a device.

    Args:
        sounddevice: the package.
        requested: a name or a number, None for the system's default.
        kind: what the device must be able to do.
    Raises:
        BadInput: there is no such device, or it cannot do `kind`.
    """
    key = int(requested) if requested is not None and requested.isdigit() else requested
    try:
        entry = sounddevice.query_devices(key, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        missing = f"no {kind} device {requested!r}" if requested is not None else f"no default {kind} device"
        raise BadInput(f"there is {missing} ({error}); choose one that rvc live --list-devices shows") from None
    return AudioDevice(
        name=str(entry["name"]),
        index=int(entry["index"]),
        rate=int(entry["default_samplerate"]),
        input_channels=int(entry["max_input_channels"]),
        output_channels=int(entry["max_output_channels"]),
    )
