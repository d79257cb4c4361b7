"""`stream` and `live`: what can be asked of a stream. What runs them is imported when they are asked for."""

from __future__ import annotations

import argparse
from typing import Any

from rvc.cli import options

STREAM = """Convert IN to OUT block by block, as a live stream would. IN and OUT are files, or - for raw samples on
stdin and stdout: arecord -f S16_LE -r 48000 | python -m rvc stream - - --model voice.pth … | aplay -f S16_LE -r 48000.
Defaults are those of the WebUI's live window: no index, the input's loudness, rmvpe, gate and noise reduction off.
A block of sound comes out for each block that goes in; then silence goes in until the delay is out. --json tells the
delay: cut so much off the front and OUT lies on IN. Ctrl-C ends the stream and keeps what is out."""
LIVE = """Convert what a microphone hears to a loudspeaker, with the same engine and defaults as `stream`. While it
runs, type a setting and its value to change it: transpose 3, formant -0.5, index-rate 0.5, gate -40, model other.pth;
quit ends it."""


def add_commands(commands: Any) -> None:
    """Add both commands to the parser's subcommands."""
    from rvc.cli.main import later

    stream = commands.add_parser("stream", help="a file or a pipe in another voice, block by block", description=STREAM)
    stream.add_argument("input", metavar="IN", help="a file of sound, or - for raw samples on stdin")
    stream.add_argument("out", metavar="OUT", help=".wav or .flac, or - for raw samples on stdout")
    _add_options(stream)
    group = stream.add_argument_group("files and pipes")
    group.add_argument(
        "--device-rate",
        metavar="HZ",
        type=int,
        help="rate of the stream, OUT and any pipe (default: IN's own, 48000 for a pipe)",
    )
    group.add_argument("--pcm-format", choices=("s16le", "f32le"), help="samples in pipes and OUT (default s16le)")
    group.add_argument("--channels", metavar="N", type=int, help="channels in pipes: averaged in, the same out (1)")
    stream.set_defaults(run=later("rvc.cli.stream_session", "run_stream", stream))

    live = commands.add_parser("live", help="a microphone in another voice", description=LIVE)
    _add_options(live)
    group = live.add_argument_group("the sound device")
    group.add_argument("--list-devices", action="store_true", default=None, help="print the sound devices, and end")
    group.add_argument("--input-device", metavar="NAME_OR_NUMBER", help="microphone (default: the system's)")
    group.add_argument("--output-device", metavar="NAME_OR_NUMBER", help="loudspeaker (default: the system's)")
    group.add_argument("--device-rate", metavar="HZ", type=int, help="rate of the devices (default: the microphone's)")
    group.add_argument("--seconds", metavar="S", type=float, help="end after so much sound (default: when interrupted)")
    live.set_defaults(run=later("rvc.cli.live_session", "run_live", live))


def _add_options(parser: argparse.ArgumentParser) -> None:
    options.add_voice_options(parser)
    options.add_conversion_options(parser)
    group = parser.add_argument_group("the stream")
    group.add_argument("--formant", metavar="SEMITONES", type=float, help="shorter vocal tract, same pitch (default 0)")
    group.add_argument("--block-time", metavar="S", type=float, help="length of a block in seconds (default 0.25)")
    group.add_argument("--crossfade-time", metavar="S", type=float, help="of the joints, in seconds (default 0.05)")
    group.add_argument("--extra-time", metavar="S", type=float, help="past that gives context, seconds (default 2.5)")
    group.add_argument(
        "--input-gate-db",
        metavar="DB",
        type=float,
        help="silence input that is quieter; -60 (default) and below is off",
    )
    group.add_argument("--input-denoise", action="store_true", default=None, help="reduce noise in the input")
    group.add_argument("--output-denoise", action="store_true", default=None, help="reduce noise in the output")
    group.add_argument(
        "--crossfade",
        choices=("fade", "phase-vocoder"),
        help="phase-vocoder: the option of webui-classic (default fade)",
    )
    options.add_running_options(parser)
