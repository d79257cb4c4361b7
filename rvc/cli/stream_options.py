"""The options of `rvc stream` and `rvc live`."""

from __future__ import annotations

import argparse

from rvc.cli import options, paths

STREAM = """Convert IN to OUT block by block, as a live stream would. IN and OUT are files, or - for raw samples on
stdin and stdout: arecord -f S16_LE -r 48000 | rvc stream - - --model voice.pth … | aplay -f S16_LE -r 48000.
The defaults are those of the WebUI's live window: no index, the input's loudness, rmvpe, gate and noise reduction off.
Each block of input gives one block of output; at the end zeros are converted until the delay is output. --json prints
the delay: cut that many samples off the start of OUT to align it with IN. Ctrl-C ends the stream and keeps what was
written."""
LIVE = """Convert a microphone to a loudspeaker, with the same engine and defaults as `rvc stream`. While it runs, type
a setting and its value to change it: transpose 3, formant -0.5, index-rate 0.5, gate -40, model other.pth. Type quit to
end it."""


def add_commands(commands: options.Commands) -> None:
    """Add both commands to the parser."""
    stream = commands.add_parser("stream", help="convert a file or a pipe block by block", description=STREAM)
    stream.add_argument(
        "input", metavar="IN", type=paths.path_or_pipe, help="a sound file, or - for raw samples or a WAV file on stdin"
    )
    stream.add_argument(
        "out", metavar="OUT", type=paths.path_or_pipe, help=".wav or .flac, or - for raw samples on stdout"
    )
    _add_shared_options(stream)
    group = stream.add_argument_group("files and pipes")
    group.add_argument(
        "--device-rate",
        metavar="HZ",
        type=int,
        help="rate of the stream, of OUT and of pipes, a multiple of 100 (default: IN's own, 48000 for a pipe)",
    )
    group.add_argument(
        "--pcm-format", choices=("s16le", "f32le"), help="type of the samples in pipes and OUT (default s16le)"
    )
    group.add_argument(
        "--channels",
        metavar="N",
        type=int,
        help="channels in pipes, 1 to 64: input channels are averaged, output channels are equal (default 1)",
    )
    stream.set_defaults(run=_run_stream, parser=stream)

    live = commands.add_parser("live", help="convert a microphone to a loudspeaker", description=LIVE)
    _add_shared_options(live)
    group = live.add_argument_group("sound devices")
    group.add_argument("--list-devices", action="store_true", default=None, help="list the sound devices and exit")
    group.add_argument("--input-device", metavar="NAME_OR_NUMBER", help="microphone (default: the system's)")
    group.add_argument("--output-device", metavar="NAME_OR_NUMBER", help="loudspeaker (default: the system's)")
    group.add_argument("--device-rate", metavar="HZ", type=int, help="rate of both devices (default: the microphone's)")
    group.add_argument(
        "--seconds", metavar="S", type=float, help="end after S seconds of sound (default: run until interrupted)"
    )
    live.set_defaults(run=_run_live, parser=live)


def _run_stream(args: argparse.Namespace) -> int:
    from rvc.cli import stream_command  # imports torch

    return stream_command.run(args)


def _run_live(args: argparse.Namespace) -> int:
    from rvc.cli import live_command  # imports torch

    return live_command.run(args)


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    options.add_voice_options(parser)
    options.add_conversion_options(parser)
    group = parser.add_argument_group("stream")
    group.add_argument(
        "--formant",
        metavar="SEMITONES",
        type=float,
        help="formant shift, -12 to 12; above 0 shortens the vocal tract, the pitch stays (default 0)",
    )
    group.add_argument("--block-time", metavar="S", type=float, help="length of a block in seconds (default 0.25)")
    group.add_argument(
        "--crossfade-time", metavar="S", type=float, help="length of the crossfade between blocks (default 0.05)"
    )
    group.add_argument(
        "--extra-time", metavar="S", type=float, help="seconds of earlier input that give context (default 2.5)"
    )
    group.add_argument(
        "--input-gate-db",
        metavar="DB",
        type=float,
        help="silence input below this level; -60 and below is off (default -60)",
    )
    group.add_argument(
        "--input-denoise", action="store_true", default=None, help="reduce noise in the input (default: off)"
    )
    group.add_argument(
        "--output-denoise", action="store_true", default=None, help="reduce noise in the output (default: off)"
    )
    group.add_argument(
        "--crossfade",
        choices=("fade", "phase-vocoder"),
        help="how blocks are joined; phase-vocoder is an option of webui-classic (default fade)",
    )
    options.add_running_options(parser)
