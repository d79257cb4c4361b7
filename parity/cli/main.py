"""`rvc-parity COMMAND`, also `python -m parity COMMAND`.

Exit codes: 0 pass, 1 differs, 2 usage or bad input, 3 nothing comparable, 4 partial: nothing failed, and not everything
was compared; 130 interrupted by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from parity.cli.badge import BADGE
from parity.cli.calibration import ACCURACY, CALIBRATE, COVERAGE, EXACT, INPUTS, SPREAD
from parity.cli.command import Command
from parity.cli.docs import DOCS
from parity.cli.exchange import CASES
from parity.cli.init import INIT
from parity.cli.judgment import CHECK, COMPARE, RUN
from parity.cli.live import LIVE
from parity.cli.own_noise import OWN_NOISE
from parity.cli.report import REPORT
from parity.cli.tools import DIFF, DOCTOR, MANIFEST, MUTANTS, VOICES
from parity.errors import GivenUp, ParityError
from parity.goldens.text import printable

PROGRAM = "rvc-parity"
# Library that a command may need and that an installation may lack → what pip installs for it.
OPTIONAL = {
    "torch": "'rvc-parity[torch]'",
    "rvc": "'rvc-parity[torch]'",
    "mir_eval": "'rvc-parity[perceptual]'",
    "librosa": "'rvc-parity[perceptual]'",
    "pyworld": "pyworld",
    "parselmouth": "praat-parselmouth",
}
INTERRUPTED = "parity: interrupted; a run keeps its finished cases, and the same command with --resume continues it"
COMMANDS = (
    RUN,
    CHECK,
    CASES,
    DOCTOR,
    COMPARE,
    REPORT,
    INIT,
    DOCS,
    DIFF,
    BADGE,
    COVERAGE,
    ACCURACY,
    CALIBRATE,
    SPREAD,
    EXACT,
    INPUTS,
    MANIFEST,
    MUTANTS,
    VOICES,
    OWN_NOISE,
    LIVE,
)

_DESCRIPTION = "Judge an implementation of RVC, stage by stage, against goldens recorded from the original programs."
_EPILOG = f"""first steps for a port:
  {PROGRAM} doctor --candidate COMMAND     does the adapter follow the protocol?
  {PROGRAM} check --candidate COMMAND      does it compute what the originals compute?
  {PROGRAM} compare GOLDEN TRACE           the same for a dump of tensors, without an adapter

exit codes: 0 pass, 1 differs, 2 usage or bad input, 3 nothing comparable, 4 partial (nothing failed, not all compared)
{PROGRAM} COMMAND --help shows the options of a command; {PROGRAM} docs verifying-a-port is the guide."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what follows the program's name, `sys.argv[1:]` unless given.
    Returns:
        the exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    selected = arguments[0] if arguments else None
    try:
        options = _parser(selected).parse_args(arguments)
        command: Command = options.command
        return command.execute(options)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in OPTIONAL:
            raise
        needs = f"{selected} needs {library}, which is not installed"
        print(f"parity: {needs}; python -m pip install {OPTIONAL[library]}", file=sys.stderr)
        return 2
    except ParityError as error:
        print(f"parity: {printable(str(error))}", file=sys.stderr)
        return 2
    except GivenUp as end:
        print(f"parity: {printable(str(end))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BrokenPipeError:  # the program that reads our output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:  # a full disk, a folder that cannot be written
        print(
            f"parity: the system refused: {printable(str(error))}; choose another place, or make room", file=sys.stderr
        )
        return 2


def _parser(selected: str | None) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of the selected one: those of `mutants` import torch."""

    def layout(prog: str) -> argparse.HelpFormatter:
        return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28)

    parser = argparse.ArgumentParser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=layout)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name, help=command.summary, description=command.description, formatter_class=layout
        )
        subparser.set_defaults(command=command)
        if command.name == selected:
            command.add_options(subparser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
