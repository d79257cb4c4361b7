"""A command of `rvc-parity`, and the options and outputs that several commands share."""

import argparse
import json
import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parity.candidates import resources
from parity.candidates.external import HELLO_TIMEOUT, External
from parity.errors import UsageError
from parity.goldens import golden_set, store
from parity.judge.states import Tier
from parity.judge.waivers import Waivers
from parity.judge.waivers import load as load_waivers
from parity.output import github, screen
from parity.output.verdict_json import Json
from parity.rvc_bridge import voice_files

AGAIN = "again"  # the folder of repeated cases, below that of the run
FORMATS = ("text", "json", "github")  # formats of a printed verdict
RUN_FOLDER = Path("out") / "parity"  # where `run` and `check` write unless --out names another folder


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: the word after `rvc-parity`.
        summary: one line for the list of commands.
        description: the text of its --help, laid out as it is printed.
        add_options: adds its arguments to a parser.
        execute: runs it and returns the exit code; may raise ParityError, which is exit code 2.
    """

    name: str
    summary: str
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    execute: Callable[[argparse.Namespace], int]


def add_goldens(parser: argparse.ArgumentParser) -> None:
    """--goldens FOLDER."""
    parser.add_argument(
        "--goldens",
        type=golden_set.cases_folder,
        default=golden_set.default_folder(),
        metavar="FOLDER",
        help=f"a set of goldens, or a folder of cases (default {store.GOLDENS}, else those of rvc-parity-goldens)",
    )


def add_choice(parser: argparse.ArgumentParser) -> None:
    """--case TEXT and --stage NAME."""
    parser.add_argument("--case", metavar="TEXT", help="only the case of this name, else those whose name contains it")
    add_stage(parser)


def add_stage(parser: argparse.ArgumentParser) -> None:
    """--stage NAME."""
    parser.add_argument(
        "--stage",
        metavar="NAME",
        help="only this stage, or all stages whose name begins with NAME.; several are separated by commas",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """--format NAME and --json."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text: a table and the faults (default); json: the document of verdict.json; github: the text, and "
        "annotations for GitHub Actions",
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def add_candidate(parser: argparse.ArgumentParser, timeout: float, or_outputs: bool = False) -> None:
    """--candidate COMMAND and --timeout SECONDS; with `or_outputs` also --outputs DIR in place of the command."""
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--candidate", metavar="COMMAND", help="the command line that starts the adapter, quoted")
    if or_outputs:
        one.add_argument(
            "--outputs", type=Path, metavar="DIR", help="a folder of rvc-parity cases with the outputs of a device"
        )
    parser.set_defaults(default_timeout=timeout)
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"how long one call may take, the handshake included (default {timeout:g}, the handshake "
        f"{HELLO_TIMEOUT:g}); after two calls in a row without an answer the run ends",
    )
    parser.add_argument(
        "--adapter-memory",
        type=float,
        metavar="GIB",
        help="on Linux: how much memory the adapter and its children may use, mapped files not counted (default "
        f"{100 * resources.SHARE:g} %% of this machine's or container's)",
    )


def external(options: argparse.Namespace) -> External:
    """The adapter of --candidate, with the limits of --timeout and --adapter-memory.

    Raises:
        UsageError: a limit is no positive number.
    """
    if options.timeout is not None and not options.timeout > 0:
        raise UsageError(f"--timeout is {options.timeout:g}; expected a positive number of seconds")
    memory = options.adapter_memory
    if memory is not None and not (memory > 0 and math.isfinite(memory)):
        raise UsageError(f"--adapter-memory is {memory:g}; expected a positive number of GiB")
    program = External(options.candidate, voice_files.paths, options.timeout or options.default_timeout)
    program.hello_timeout = options.timeout
    if memory is not None:
        program.limits = resources.Resources(int(memory * resources.GIB))
    return program


def repeated(command: str, options: argparse.Namespace) -> str:
    """A command line with what the user chose, to be repeated for single cases into a folder of their own.

    The folder is `again` below that of --out, so that the complete verdict stays as it is.
    """
    chosen = vars(options)
    if chosen.get("goldens") is not None and chosen["goldens"] != golden_set.default_folder():
        command += f" --goldens {shlex.quote(str(options.goldens))}"
    command += f" --timeout {options.timeout:g}" if chosen.get("timeout") else ""
    command += f" --adapter-memory {options.adapter_memory:g}" if chosen.get("adapter_memory") else ""
    command += f" --tier {options.tier}" if options.tier != Tier.FLOAT32 else ""
    command += f" --waivers {shlex.quote(str(options.waivers))}" if options.waivers else ""
    if options.out is None:
        return command
    out = options.out if options.out.name == AGAIN else options.out / AGAIN
    return f"{command} --out {shlex.quote(str(out))}"


def add_waivers(parser: argparse.ArgumentParser) -> None:
    """--waivers FILE."""
    parser.add_argument(
        "--waivers",
        type=Path,
        metavar="FILE",
        help="known failures that are no failure of the run: a JSON list of "
        '{"cell": "case/tensor/mode/metric", "because": TEXT, "until": "YYYY-MM-DD"}; tensor and metric may hold *',
    )


def read_waivers(path: Path | None) -> Waivers:
    """The waivers of a file that the user names, or the repository's own.

    Raises:
        UsageError: there is no such file, or it is not a list of waivers.
    """
    if path is None:
        return load_waivers()
    if not path.is_file():
        raise UsageError(f"there is no file of waivers at {path}; rvc-parity check --help shows the format")
    return load_waivers(path)


def print_verdict(document: Json, form: str = "text", written: bool = True) -> int:
    """Print a verdict in one of FORMATS.

    Args:
        document: the document of verdict.json.
        form: one of FORMATS.
        written: whether summary.md holds all of it, so that a text with faults may leave out what does not fit.
    Returns:
        The exit code of the run.
    """
    if form == "json":
        print(json.dumps(document, indent=1))
    else:
        if form == "github":
            print(github.annotations(document))
        print(screen.text(document) if written else screen.whole(document))
    return int(document["exit_code"])
