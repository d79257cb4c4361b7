"""Run `rvc live`: a microphone through a stream to a loudspeaker, with level meters and settings that can be typed."""

from __future__ import annotations

import argparse
import math
import queue
import sys
import threading
from typing import TextIO

import numpy as np

from rvc.cli import options
from rvc.cli.stream_command import block_sizes, check, open_stream, print_report, settings
from rvc.errors import BadInput, RvcError
from rvc.exported.streaming import open_models
from rvc.realtime.block_times import BlockTimes
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.io.devices import find_device, open_sounddevice
from rvc.realtime.io.sources import device_rate
from rvc.realtime.io.stop import StopSignal
from rvc.realtime.stream import Stream
from rvc.realtime.stream_runner import DevicePair, run_devices
from rvc.realtime.tap import no_tap

METER = 20  # characters of a level meter, 3 dB each
NUMBERS = {  # setting as typed → field of Controls
    "transpose": "transpose",
    "formant": "formant",
    "index-rate": "index_rate",
    "rms-mix-rate": "rms_mix_rate",
    "gate": "gate_db",
}
SWITCHES = {"input-denoise": "input_denoise", "output-denoise": "output_denoise"}


def run(args: argparse.Namespace) -> int:
    """Run the command until it is interrupted, `quit` is typed, or --seconds have passed.

    Returns:
        0.
    Raises:
        RvcError: an option, a file or a device cannot be used.
    """
    options.merge_config(args)
    options.start(args)
    sounddevice = open_sounddevice()
    if args.list_devices:
        print(sounddevice.query_devices())
        return 0
    check(args)
    if args.trace is not None or args.noise is not None:
        raise BadInput("a trace or a tape belongs to a recording; use stream for it")
    microphone = find_device(sounddevice, args.input_device, "input")
    loudspeaker = find_device(sounddevice, args.output_device, "output")
    rate = args.device_rate or device_rate(microphone.rate)
    stream = open_stream(args, block_sizes(args, rate), no_tap)
    stream.warm_up()
    commands = TypedCommands(stream, args)
    commands.start_reading(sys.stdin)

    def before_block(times: BlockTimes) -> bool:
        over = args.seconds is not None and times.count * times.deadline >= args.seconds * 1000
        return not over and commands.apply_pending()

    def after_block(block: Samples, out: Samples, times: BlockTimes) -> None:
        print_meters(sys.stderr, block, out, times)

    try:
        with StopSignal().installed() as stop:
            report = run_devices(
                stream, DevicePair(sounddevice, microphone, loudspeaker), stop, before_block, after_block
            )
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
    report |= {"input": microphone.name, "output": loudspeaker.name, **settings(args, stream)}
    print_report(report, as_json=bool(args.json), out=sys.stdout)
    return 0


class TypedCommands:
    """Commands typed while a stream runs: `SETTING VALUE`, `model FILE` and `quit`."""

    def __init__(self, stream: Stream, args: argparse.Namespace) -> None:
        self.stream, self.args = stream, args
        self.lines: queue.Queue[str] = queue.Queue()

    def start_reading(self, lines: TextIO) -> None:
        """Read lines in a thread of their own, until their end."""

        def read() -> None:
            for line in lines:
                self.lines.put(line)

        threading.Thread(target=read, daemon=True).start()

    def apply_pending(self) -> bool:
        """Apply the lines that came since the last block; a line that cannot be applied is reported on stderr.

        Returns:
            False once `quit` was typed.
        """
        while not self.lines.empty():
            command = self.lines.get().split(maxsplit=1)
            if command[:1] == ["quit"]:
                return False
            try:
                if command:
                    self.apply(command[0], command[1].strip() if len(command) > 1 else "")
            except RvcError as error:
                print(f"\nrvc: {error}", file=sys.stderr)
        return True

    def apply(self, name: str, value: str) -> None:
        """Change one setting or the voice.

        Raises:
            RvcError: there is no such setting, or its value or the voice file cannot be used; nothing is changed.
        """
        if name in NUMBERS:
            try:
                self.stream.change(**{NUMBERS[name]: float(value)})
            except ValueError:
                raise BadInput(f"{name} is {value!r}; expected a number") from None
        elif name in SWITCHES and value in ("on", "off"):
            self.stream.change(**{SWITCHES[name]: value == "on"})
        elif name == "model" and value:
            self.args.model, self.args.index = value, None
            before = self.stream.models
            networks = options.conversion_networks(self.args, keep=True)
            self.stream.models = open_models(networks, before.profile.name, self.stream.controls, before.exact_hits)
        else:
            known = ", ".join([*NUMBERS, *(f"{switch} on|off" for switch in SWITCHES), "model FILE", "quit"])
            raise BadInput(f"{name!r} is no setting; the settings are {known}")


def meter(samples: Samples) -> str:
    """The peak of float32 (n,) as a bar of 20 characters and in dB of full scale."""
    peak = float(np.abs(samples).max(initial=0.0))
    level = 20 * math.log10(max(peak, 1e-5))
    full = min(max(round(METER + level / 3), 0), METER)
    return "█" * full + "·" * (METER - full) + f" {level:6.1f} dB"


def print_meters(terminal: TextIO, block: Samples, out: Samples, times: BlockTimes) -> None:
    """Rewrite one line with both levels and the time of the newest block; nothing where it is not a terminal."""
    if terminal.isatty():
        took = times.milliseconds[-1]
        line = f"\rin {meter(block)}  out {meter(out)}  {took:4.0f} of {times.deadline:.0f} ms"
        print(line, end=" ", file=terminal, flush=True)
