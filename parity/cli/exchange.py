"""The command `cases`, which writes the requests of the protocol as files for a device on which no adapter can run."""

import argparse
import sys
from pathlib import Path

from parity import stages
from parity.candidates import request_files
from parity.cli.command import Command, add_choice, add_goldens
from parity.goldens import store
from parity.judge.candidate_runs import is_wanted
from parity.runs.selection import Selection, select
from parity.rvc_bridge import voice_files


def _add_cases_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder for the requests")
    add_choice(parser)
    add_goldens(parser)
    parser.add_argument("--profile", metavar="NAME", help="only cases of this profile, such as webui-2026")
    parser.add_argument("--quick", action="store_true", help="only a small set of goldens that reaches every stage")
    parser.add_argument(
        "--raw", action="store_true", help="raw little-endian files and a JSON of dtypes and shapes, not safetensors"
    )
    parser.add_argument("--no-run", action="store_true", help="leave the requests for whole conversions out")


def _cases(options: argparse.Namespace) -> int:
    selected = select(options.goldens, Selection(options.case, options.stage, options.profile, options.quick))
    cases = [store.open_case(folder).check() for folder in selected.folders]
    wanted = [stage.name for stage in stages.every() if is_wanted(stage, options.stage)]
    if options.stage is None and not options.no_run:
        wanted.append(request_files.WHOLE)
    count = request_files.write(options.folder, cases, wanted, voice_files.paths, options.raw)
    for note in selected.notes:
        print(note, file=sys.stderr)
    print(
        f"{options.folder / request_files.REQUESTS}: {count} requests of {len(cases)} "
        f"{'case' if len(cases) == 1 else 'cases'}; write each request's outputs, then: "
        f"rvc-parity check --outputs {options.folder}"
    )
    return 0


CASES = Command(
    "cases",
    "write the inputs of the goldens as files, for a device that cannot run an adapter",
    """Write every request of the protocol into a folder: the inputs of each stage of each golden, and of the whole
conversion. Run them on the device (a phone, an NPU, a browser), write what each makes to its path in `outputs`, and
judge the folder. rvc-parity docs devices leads through it.

  rvc-parity cases requests --stage nsf,flow --case two-segments-rpy
  rvc-parity check --outputs requests

exit codes: 0 written, 2 usage or bad input""",
    _add_cases_options,
    _cases,
)
