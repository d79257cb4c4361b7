"""The parser of the command `rvc` and its exit codes.

The modules that run a command are imported when the command is run, so that `rvc --help` does not import torch.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rvc import __version__
from rvc.cli import model_commands, options, paths, stream_options
from rvc.errors import BadInput, RvcError, printable
from rvc.voice_kinds import VERSIONS

USAGE, INTERRUPTED = 2, 130  # exit codes; 130 is the shells' convention for SIGINT


class CommandParser(argparse.ArgumentParser):
    """A parser that reports a wrong option in one sentence, as the rest of the program does, without its usage."""

    def error(self, message: str) -> NoReturn:
        """Raise BadInput with argparse's message."""
        raise BadInput(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line without the program's name; `sys.argv` without it.
    Returns:
        The exit code: 0 done, 1 some files of a batch failed or a package is missing, 2 an input or option cannot be
        used (one sentence is on stderr), 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text in the terminal's encoding
    try:
        args = build().parse_args(arguments)
        return int(args.run(args) or 0)
    except RvcError as error:
        print(f"rvc: {printable(str(error))}", file=sys.stderr)
        return USAGE
    except MemoryError:
        print("rvc: the memory is not sufficient; convert a shorter recording, or one at a time", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("rvc: interrupted; nothing half-written is left", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has closed it, as `head` does; it must not be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser: argparse.ArgumentParser = CommandParser(
        prog="rvc",
        description="Convert recordings and live sound to another voice with RVC models, exactly as the RVC original "
        "of your choice does.",
        epilog="Each command has its own --help. Example: rvc convert in.wav out.wav --model voice.pth "
        "--hubert hubert_base --rmvpe rmvpe.pt",
    )
    parser.add_argument("--version", action="version", version=f"rvc {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_convert(commands)
    stream_options.add_commands(commands)
    model_commands.add_commands(commands)
    _add_index(commands)
    _add_info(commands)
    return parser


def _add_convert(commands: options.Commands) -> None:
    parser = commands.add_parser(
        "convert",
        help="convert one recording, several, or a folder of them",
        description="Convert the recording IN to the voice of --model and write it to OUT. With several INs, or a "
        "folder, OUT is a folder.",
    )
    parser.add_argument("inputs", metavar="IN", nargs="+", type=paths.path, help="a sound file, or a folder of them")
    parser.add_argument("out", metavar="OUT", type=paths.path, help=".wav or .flac, or a folder for several INs")
    options.add_voice_options(parser)
    options.add_conversion_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--resample-rate", metavar="HZ", type=int, help="rate of OUT, 16000 to 192000, or 0 for the voice's (default 0)"
    )
    group.add_argument("--format", choices=("int16", "float"), help="type of the samples in OUT (default int16)")
    group.add_argument(
        "--window",
        nargs=4,
        type=float,
        metavar=("PAD", "QUERY", "CENTER", "MAX"),
        help="how long recordings are cut into segments and padded, in seconds (default 1 6 38 41)",
    )
    options.add_running_options(parser)
    parser.add_argument(
        "--executor",
        metavar="EXECUTOR",
        help="what runs the files of a batch: processes[=N] of this machine, or dask[=N or ADDRESS], on a cluster "
        "where an ADDRESS is given (default: this process, one file after another)",
    )
    parser.set_defaults(run=_run_convert, parser=parser)


def _run_convert(args: argparse.Namespace) -> int:
    from rvc.cli import convert_command  # imports tqdm

    return convert_command.run(args)


def _add_index(commands: options.Commands) -> None:
    parser = commands.add_parser(
        "index",
        help="build or inspect a retrieval index",
        description="Build a retrieval index for a voice, or inspect one.",
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = actions.add_parser(
        "build",
        help="build an index from features or recordings",
        description="Build an index as the WebUI trains it, from .npy files of content features or from recordings.",
    )
    build.add_argument(
        "inputs",
        metavar="FEATURES_OR_AUDIO",
        nargs="+",
        type=paths.path,
        help=".npy files of content features, recordings, or folders of either",
    )
    build.add_argument("out", metavar="OUT.index", type=paths.path, help="the index to write")
    build.add_argument(
        "--hubert", metavar="DIR_OR_FILE", type=paths.path, help="HuBERT, needed for recordings (default: none)"
    )
    build.add_argument(
        "--version", choices=tuple(VERSIONS), help="version of the voice, needed for recordings (default v2)"
    )
    build.add_argument(
        "--seed", metavar="N", type=int, default=0, help="seed of the permutation and of k-means (default 0)"
    )
    build.add_argument("--threads", metavar="N", type=int, help="processor threads, 1 to 1024 (default: torch's own)")
    options.add_output_options(build)
    build.set_defaults(run=_run_index_build)
    inspect = actions.add_parser(
        "inspect",
        help="print what an index holds",
        description="Print what an index holds, how many true neighbors its search finds, and with --audio how much "
        "it changes a recording's content features.",
    )
    inspect.add_argument("file", metavar="FILE.index", type=paths.path, help="a faiss index")
    inspect.add_argument("--audio", metavar="FILE", type=paths.path, help="a recording to measure the change on")
    inspect.add_argument("--hubert", metavar="DIR_OR_FILE", type=paths.path, help="HuBERT, needed with --audio")
    options.add_output_options(inspect)
    inspect.set_defaults(run=_run_index_inspect)


def _run_index_build(args: argparse.Namespace) -> int:
    from rvc.cli import index_commands  # imports NumPy

    return index_commands.build(args)


def _run_index_inspect(args: argparse.Namespace) -> int:
    from rvc.cli import index_commands  # imports NumPy

    return index_commands.inspect(args)


def _add_info(commands: options.Commands) -> None:
    audio = commands.add_parser(
        "audio",
        help="measure a sound file",
        description="Print the length, levels, clipping, silence and noise floor of a sound file.",
    )
    audio.add_argument("file", metavar="FILE", type=paths.path, help="a sound file")
    audio.set_defaults(run=_run_audio)
    profiles = commands.add_parser(
        "profiles",
        help="list the originals, where they differ, and their defaults",
        description="List the originals that can be reproduced, where they differ, and the defaults of their options.",
    )
    profiles.set_defaults(run=_run_profiles)
    doctor = commands.add_parser(
        "doctor",
        help="check what is installed and print how to install the rest",
        description="Check which packages are installed, print how to install the missing ones, and list the devices.",
    )
    doctor.add_argument(
        "--calibrate",
        action="store_true",
        help="measure the backends of the networks' products for a minute or two, and use the fastest from now on",
    )
    doctor.add_argument("--threads", metavar="N", type=int, help="processor threads to measure with (default: torch's)")
    doctor.set_defaults(run=_run_doctor)
    for parser in (audio, profiles, doctor):
        options.add_output_options(parser)


def _run_audio(args: argparse.Namespace) -> int:
    from rvc.cli import info_commands  # not needed for --help

    return info_commands.audio(args)


def _run_profiles(args: argparse.Namespace) -> int:
    from rvc.cli import info_commands  # not needed for --help

    return info_commands.profiles(args)


def _run_doctor(args: argparse.Namespace) -> int:
    from rvc.cli import info_commands  # not needed for --help

    return info_commands.doctor(args)
