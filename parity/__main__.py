"""`python -m parity VERB`: run, check, doctor, compare, diff, live.

Exit codes: 0 pass, 1 differs, 2 usage or bad input, 3 nothing comparable.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from parity.errors import ParityError
from parity.runs import run as running

VOICE_FILES = ("model", "hubert", "index", "rmvpe", "crepe", "fcpe")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.verb(options))
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m parity", description="Judge an RVC against goldens.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser("run", help="our rvc against every golden, stage by stage")
    _run_options(run)
    run.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda or mps; what is not here is not tested")
    run.set_defaults(verb=_run)
    compare = verbs.add_parser("compare", help="two dumps: a golden or a trace, and the trace to judge")
    compare.add_argument("golden", type=Path, metavar="GOLDEN_OR_TRACE")
    compare.add_argument("trace", type=Path, metavar="TRACE")
    compare.add_argument("--stage", help="only this stage")
    compare.add_argument("--json", action="store_true", help="print verdict.json instead of the table")
    compare.add_argument("--out", type=Path, help="also write verdict.json, junit.xml and summary.md into this folder")
    compare.set_defaults(verb=_compare)
    diff = verbs.add_parser("diff", help="what changed between two verdicts")
    diff.add_argument("before", type=Path, metavar="RUN_A")
    diff.add_argument("after", type=Path, metavar="RUN_B")
    diff.add_argument("--json", action="store_true")
    diff.set_defaults(verb=_diff)
    check = verbs.add_parser("check", help="any program against every golden, by protocol")
    check.add_argument("--candidate", required=True, metavar="COMMAND", help="the command that starts the adapter")
    check.add_argument("--timeout", type=float, default=600.0, help="seconds that one call may take")
    _run_options(check)
    check.set_defaults(verb=_check)
    doctor = verbs.add_parser("doctor", help="is an adapter fit to be judged?")
    doctor.add_argument("--candidate", required=True, metavar="COMMAND")
    doctor.add_argument("--timeout", type=float, default=120.0)
    doctor.add_argument("--goldens", type=Path, default=running.GOLDENS)
    doctor.set_defaults(verb=_doctor)
    live = verbs.add_parser("live", help="our rvc against an original's trace of your own files; nothing is stored")
    live.add_argument("--trace", type=Path, help="the original's trace, by python -m reference.run_live")
    for role in VOICE_FILES:
        live.add_argument(f"--{role}", type=Path, required=role == "model")
    live.add_argument("--json", action="store_true")
    live.set_defaults(verb=_live)
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--stage", help="only this stage")
    parser.add_argument("--goldens", type=Path, default=running.GOLDENS)
    parser.add_argument("--out", type=Path, default=running.OUT)
    parser.add_argument("--json", action="store_true", help="print verdict.json instead of the table")


def _run(options: argparse.Namespace) -> int:
    from parity.rvc_bridge.offline import RvcTorch

    program = RvcTorch(device=options.device)
    if program.absent is not None:
        print(f"not tested: {program.absent}", file=sys.stderr)
    document = running.run(program, options.goldens, options.out, options.case, options.stage)
    return running.report(document, options.json)


def _check(options: argparse.Namespace) -> int:
    from parity.candidates.external import External

    with External(options.candidate, timeout=options.timeout) as program:
        program.hello  # noqa: B018 (an adapter that cannot speak is bad input, before any case is opened)
        command = f"python -m parity check --candidate {shlex.quote(options.candidate)}"
        document = running.run(program, options.goldens, options.out, options.case, options.stage, command)
    return running.report(document, options.json)


def _doctor(options: argparse.Namespace) -> int:
    from parity.candidates.external import External
    from parity.runs import doctor

    with External(options.candidate, timeout=options.timeout) as program:
        return doctor.report(list(doctor.examine(program, options.goldens)))


def _compare(options: argparse.Namespace) -> int:
    from parity.runs import dumps

    document = dumps.compare(options.golden, options.trace, options.stage, options.out)
    return running.report(document, options.json)


def _diff(options: argparse.Namespace) -> int:
    from parity.output import diff as difference

    return difference.report(options.before, options.after, options.json)


def _live(options: argparse.Namespace) -> int:
    from parity.runs import user_files

    files = {role: getattr(options, role) for role in VOICE_FILES if getattr(options, role)}
    return running.report(user_files.judge(options.trace, files), options.json)


if __name__ == "__main__":
    sys.exit(main())
