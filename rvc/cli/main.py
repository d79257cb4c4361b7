"""The command line: what can be asked. Each command is run by a module that is imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rvc import __version__
from rvc.cli import options
from rvc.errors import BadInput, RvcError, printable

USAGE, FAILED, INTERRUPTED = 2, 1, 130


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, like every other part, instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 done in part, 2 a refusal in one sentence on stderr."""
    try:
        args = build().parse_args(arguments)
        return int(args.run(args) or 0)
    except RvcError as error:
        print(f"rvc: {printable(str(error))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("rvc: interrupted; nothing half-written is left", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = Parser(
        prog="python -m rvc",
        description="Say a recording in another voice, exactly as the RVC original of your choice would.",
        epilog="Each command has its own --help. Example: python -m rvc convert in.wav out.wav --model voice.pth "
        "--hubert hubert_base --rmvpe rmvpe.pt",
    )
    parser.add_argument("--version", action="version", version=f"rvc {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_convert(commands)
    _add_index(commands)
    _add_small(commands)
    for name in ("rvc.cli.models", "rvc.cli.stream"):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).add_commands(commands)
    return parser


def later(module: str, function: str, parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    """The function that runs a command, imported when it is called; it is given the arguments and their parser."""

    def run(args: argparse.Namespace) -> int:
        code: int = getattr(importlib.import_module(module), function)(args, parser)
        return code

    return run


Commands = argparse._SubParsersAction  # argparse gives its own type no public name


def _add_convert(commands: Commands[Parser]) -> None:
    parser = commands.add_parser(
        "convert",
        help="a recording, several, or a folder, in another voice",
        description="Convert IN to OUT. With several INs, or a folder, OUT is a folder.",
    )
    parser.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="any file of sound, or a folder of them")
    parser.add_argument("out", metavar="OUT", type=Path, help=".wav or .flac, or a folder")
    options.add_voice_options(parser)
    options.add_conversion_options(parser)
    group = parser.add_argument_group("the sound written")
    group.add_argument("--resample-rate", metavar="HZ", type=int, help="0 (default) keeps the voice's rate")
    group.add_argument("--format", choices=("int16", "float"), help="samples of OUT (default int16)")
    group.add_argument(
        "--window",
        nargs=4,
        type=float,
        metavar=("PAD", "QUERY", "CENTER", "MAX"),
        help="how long audio is cut and padded, in seconds (default 1 6 38 41)",
    )
    options.add_running_options(parser)
    parser.set_defaults(run=later("rvc.cli.convert", "run", parser))


def _add_index(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("index", help="build a retrieval index, or look into one")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = actions.add_parser("build", help="an index from features or recordings, as the WebUI trains it")
    build.add_argument(
        "inputs",
        metavar="FEATURES_OR_AUDIO",
        nargs="+",
        type=Path,
        help=".npy files of features, recordings, or folders of either",
    )
    build.add_argument("out", metavar="OUT.index", type=Path)
    build.add_argument("--hubert", metavar="DIR_OR_FILE", type=Path, help="HuBERT, needed for recordings")
    build.add_argument("--version", choices=("v1", "v2"), help="of the voice, for recordings (default v2)")
    build.add_argument("--seed", metavar="N", type=int, default=0, help="of the permutation and the k-means")
    build.add_argument("--threads", metavar="N", type=int, help="processor threads")
    options.add_talk_options(build)
    build.set_defaults(run=later("rvc.cli.index", "build", build))
    inspect = actions.add_parser("inspect", help="what an index holds, how well it finds, what it would change")
    inspect.add_argument("file", metavar="FILE.index", type=Path)
    inspect.add_argument("--audio", metavar="FILE", type=Path, help="a recording: say what the index changes for it")
    inspect.add_argument("--hubert", metavar="DIR_OR_FILE", type=Path, help="HuBERT, needed with --audio")
    options.add_talk_options(inspect)
    inspect.set_defaults(run=later("rvc.cli.index", "inspect", inspect))


def _add_small(commands: Commands[Parser]) -> None:
    audio = commands.add_parser("audio", help="what is in a file of sound: length, levels, clipping, silence, noise")
    audio.add_argument("file", metavar="FILE", type=Path)
    profiles = commands.add_parser("profiles", help="where the originals differ, and their defaults")
    doctor = commands.add_parser("doctor", help="what is installed, what is missing, what to do")
    for name, parser in (("audio", audio), ("profiles", profiles), ("doctor", doctor)):
        options.add_talk_options(parser)
        parser.set_defaults(run=later("rvc.cli.info", name, parser))
