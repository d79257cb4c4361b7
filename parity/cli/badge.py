"""The command `badge`: a verdict as the JSON of a badge."""

import argparse
import json
from pathlib import Path

from parity.cli.command import RUN_FOLDER, Command
from parity.output import badge, diff


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        nargs="?",
        type=Path,
        default=RUN_FOLDER,
        metavar="RUN",
        help=f"a run's folder, or its verdict.json (default {RUN_FOLDER})",
    )


def _badge(options: argparse.Namespace) -> int:
    print(json.dumps(badge.document(diff.read(options.run))))
    return 0


BADGE = Command(
    "badge",
    "print a verdict as the JSON of a badge",
    """Print the JSON that shields.io's endpoint badges read: the state of a run in a few words, and its color.

  rvc-parity badge > badge.json

exit codes: 0 printed, 2 usage or bad input""",
    _add_options,
    _badge,
)
