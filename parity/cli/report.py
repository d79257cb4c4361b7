"""The command `report`, which starts the program `reports` of this installation; no package of `parity` imports it."""

import argparse
import subprocess
import sys
from pathlib import Path

from parity.cli.command import RUN_FOLDER, Command

REPORT_FOLDER = Path("out") / "report"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verdicts",
        nargs="*",
        type=Path,
        default=[RUN_FOLDER],
        metavar="RUN",
        help=f"a folder with verdict.json and traces/ (default {RUN_FOLDER}); several are compared side by side; or "
        "what compare --out wrote of two sounds",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=REPORT_FOLDER,
        metavar="FOLDER",
        help=f"folder of the pages (default {REPORT_FOLDER})",
    )
    parser.add_argument("--case", metavar="TEXT", help="only pages of cases whose name contains TEXT")
    parser.add_argument("--golden", type=Path, metavar="PATH", help="the golden or trace that `compare` compared with")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _report(options: argparse.Namespace) -> int:
    arguments = [str(path) for path in (*options.verdicts, options.out)]
    arguments += ["--case", options.case] if options.case is not None else []
    arguments += ["--golden", str(options.golden)] if options.golden is not None else []
    arguments += ["--quiet"] if options.quiet else []
    return subprocess.run([sys.executable, "-m", "reports", *arguments], check=False).returncode


REPORT = Command(
    "report",
    "make pages of a verdict, with players and charts",
    """Make HTML pages of one or several verdicts, which open from disk in any browser.

  rvc-parity report
  rvc-parity report out/before out/parity --out out/comparison
  rvc-parity compare original.wav mine.wav --out out/sounds; rvc-parity report out/sounds

exit codes: 0 written, 2 usage or bad input""",
    _add_options,
    _report,
)
