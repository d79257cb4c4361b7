"""Microphones and loudspeakers, through the optional package sounddevice (PortAudio)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rvc.errors import BadInput, MissingExtra


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


def open_sounddevice() -> Any:
    """The sounddevice package, which has no types.

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
    return sounddevice


def find_device(sounddevice: Any, requested: str | None, kind: Literal["input", "output"]) -> AudioDevice:
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
