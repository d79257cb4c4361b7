"""`python -m rvc live`: a microphone through a stream to a loudspeaker, with level meters and settings typed in."""

from __future__ import annotations

import argparse
import math
import queue
import sys
import threading
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from rvc.cli import options
from rvc.cli.stream_session import Stop, check, lengths, open_stream, say, settings
from rvc.errors import BadInput, MissingExtra, RvcError
from rvc.realtime.block_times import BlockTimes, describe_stream, timed_block
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.io.sources import device_rate, mono
from rvc.realtime.stream import Stream
from rvc.realtime.tap import no_tap

METER = 20  # characters of a level meter, 3 dB each
NUMBERS = {
    "transpose": "transpose",
    "formant": "formant",
    "index-rate": "index_rate",
    "rms-mix-rate": "rms_mix_rate",
    "gate": "gate_db",
}
SWITCHES = {"input-denoise": "input_denoise", "output-denoise": "output_denoise"}


def run_live(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """The command.  Raises RvcError."""
    options.merge_config(args, parser)
    options.start(args)
    sound = open_sound()
    if args.list_devices:
        print(sound.query_devices())
        return 0
    check(args)
    if args.trace is not None or args.noise is not None:
        raise BadInput("a trace or a tape belongs to a recording; use stream for it")
    microphone = find_device(sound, args.input_device, "input")
    loudspeaker = find_device(sound, args.output_device, "output")
    rate = args.device_rate or device_rate(int(microphone["default_samplerate"]))
    stream = open_stream(args, lengths(args, rate), no_tap)
    stream.warm_up()
    with Stop().heeded() as stop:
        figures = listen_and_speak(sound, stream, microphone, loudspeaker, stop, args)
    figures |= {"input": microphone["name"], "output": loudspeaker["name"], **settings(args, stream)}
    say(figures, as_json=bool(args.json), out=sys.stdout)
    return 0


def open_sound() -> Any:
    """The sounddevice package, with a device in it.  Raises MissingExtra or BadInput."""
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


def find_device(sound: Any, wanted: str | None, kind: str) -> dict[str, Any]:
    """One device by name, number or default.  Raises BadInput when there is none, or it cannot do `kind`."""
    which = int(wanted) if wanted is not None and wanted.isdigit() else wanted
    try:
        found: dict[str, Any] = sound.query_devices(which, kind)
    except (ValueError, sound.PortAudioError) as error:
        asked = f"no {kind} device {wanted!r}" if wanted is not None else f"no default {kind} device"
        raise BadInput(f"there is {asked} ({error}); --list-devices shows what there is") from None
    return found


def listen_and_speak(
    sound: Any, stream: Stream, microphone: Any, loudspeaker: Any, stop: Stop, args: argparse.Namespace
) -> dict[str, Any]:
    """Block after block, until interrupted, told to quit, or `--seconds` are over; the figures."""
    sizes = stream.sizes
    timings = BlockTimes(sizes.block / sizes.rate)
    channels = min(microphone["max_input_channels"], 2), min(loudspeaker["max_output_channels"], 2)
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=read_orders, args=(sys.stdin, orders), daemon=True).start()
    lost = 0
    try:
        with sound.Stream(
            samplerate=sizes.rate,
            blocksize=sizes.block,
            dtype="float32",
            channels=channels,
            latency="low",
            device=(microphone["index"], loudspeaker["index"]),
        ) as device:
            latency = float(sum(device.latency))
            while not stop.asked and not over(timings, args.seconds) and obey(orders, stream, args):
                samples, overflowed = device.read(sizes.block)
                block = mono(samples)
                out = timed_block(stream, block, timings)
                lost += bool(device.write(np.repeat(out[:, None], channels[1], axis=1))) or bool(overflowed)
                show(sys.stderr, block, out, timings)
    except sound.PortAudioError as error:
        raise BadInput(f"the sound device refused the stream ({error}); try --device-rate or another device") from None
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
    return {**describe_stream(stream, latency), "blocks": timings.count, "broken_blocks": lost, **timings.summary()}


def over(timings: BlockTimes, seconds: float | None) -> bool:
    """Whether as much sound as was asked for has passed."""
    return seconds is not None and timings.count * timings.deadline >= seconds * 1000


def read_orders(lines: TextIO, orders: queue.Queue[str]) -> None:
    """What is typed, until its end."""
    for line in lines:
        orders.put(line)


def obey(orders: queue.Queue[str], stream: Stream, args: argparse.Namespace) -> bool:
    """Apply what was typed since the last block; False when told to quit. What cannot be done is said, not raised."""
    while not orders.empty():
        words = orders.get().split(maxsplit=1)
        if words[:1] == ["quit"]:
            return False
        try:
            if words:
                apply(words[0], words[1].strip() if len(words) > 1 else "", stream, args)
        except RvcError as error:
            print(f"\nrvc: {error}", file=sys.stderr)
    return True


def apply(name: str, value: str, stream: Stream, args: argparse.Namespace) -> None:
    """Move one slider, or change the voice.  Raises RvcError, and then nothing has changed."""
    if name in NUMBERS:
        try:
            stream.change(**{NUMBERS[name]: float(value)})
        except ValueError:
            raise BadInput(f"{name} is {value!r}; expected a number") from None
    elif name in SWITCHES and value in ("on", "off"):
        stream.change(**{SWITCHES[name]: value == "on"})
    elif name == "model" and value:
        from rvc.realtime.model_loading import load_models

        args.model, args.index = value, None
        stream.models = load_models(
            options.parts(args, keep=True), stream.models.profile.name, stream.controls, stream.models.exact_hits
        )
    else:
        known = ", ".join([*NUMBERS, *(f"{switch} on|off" for switch in SWITCHES), "model FILE", "quit"])
        raise BadInput(f"{name!r} is no setting; the settings are {known}")


@dataclass
class Meter:
    """A level in dB as a bar of characters."""

    samples: Samples

    def __str__(self) -> str:
        peak = float(np.abs(self.samples).max(initial=0.0))
        level = 20 * math.log10(max(peak, 1e-5))
        full = min(max(round(METER + level / 3), 0), METER)
        return "█" * full + "·" * (METER - full) + f" {level:6.1f} dB"


def show(terminal: TextIO, heard: Samples, said: Samples, timings: BlockTimes) -> None:
    """One line: both levels and the time the block took; nothing where nobody watches a terminal."""
    if terminal.isatty():
        took = timings.milliseconds[-1]
        line = f"\rin {Meter(heard)}  out {Meter(said)}  {took:4.0f} of {timings.deadline:.0f} ms"
        print(line, end=" ", file=terminal, flush=True)
