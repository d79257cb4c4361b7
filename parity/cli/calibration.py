"""The commands that measure the goldens and the limits: coverage, accuracy, calibrate, spread, exact, inputs."""

import argparse
from pathlib import Path

from parity.cli.command import RUN_FOLDER, Command, add_goldens
from parity.errors import UsageError
from parity.judge import limits

_CALIBRATE_OUT = Path("out") / "calibrate.json"


def _coverage(options: argparse.Namespace) -> int:
    from parity.calibration import coverage, value_coverage  # slow to import; only this command needs it

    return coverage.report(options.goldens) | value_coverage.report(options.goldens, options.json)


def _add_coverage_options(parser: argparse.ArgumentParser) -> None:
    add_goldens(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the coverage of values as JSON")


COVERAGE = Command(
    "coverage",
    "show which combinations of options and which kinds of values the goldens cover",
    """Print which cells of voice kind x F0 method x profile have a golden, which are left out, and which goldens hold
the pairs of values of those. Then print for each stage which goldens reach each kind of values (lengths, silence, ties,
F0 at the ends of its range), and the range and length of every tensor.

exit codes: 0 every option, every pair of options and every kind of values is covered, 1 one is not, 2 usage or bad
input""",
    _add_coverage_options,
    _coverage,
)


def _add_accuracy_options(parser: argparse.ArgumentParser) -> None:
    add_goldens(parser)
    parser.add_argument(
        "--run", type=Path, default=RUN_FOLDER, metavar="FOLDER", help=f"a run of the judge (default {RUN_FOLDER})"
    )


def _accuracy(options: argparse.Namespace) -> int:
    from parity.calibration import accuracy  # imports mir_eval, which only this command needs
    from parity.rvc_bridge import extra_methods  # imports torch

    return accuracy.report(options.goldens, options.run, extra_methods.track)


ACCURACY = Command(
    "accuracy",
    "measure the F0 of rvc and of the originals where the true F0 is known",
    """Print raw pitch accuracy, voicing recall, voicing false alarm and octave errors (mir_eval) of each F0 method on
sung inputs that were synthesized from a known F0. Reads the traces of a finished run.

exit codes: 0 no method of rvc is worse than its original by more than 0.01 raw pitch accuracy, 1 one is,
2 usage or bad input""",
    _add_accuracy_options,
    _accuracy,
)


def _add_calibrate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--spread", type=Path, default=limits.SPREAD, metavar="FILE", help="the measured spread of the originals"
    )
    parser.add_argument(
        "--traces", type=Path, metavar="FOLDER", help="traces of the variants, written by python -m reference.spread"
    )
    parser.add_argument(
        "--fresh",
        type=Path,
        metavar="FOLDER",
        help="variants run on noise of no golden, written by python -m reference.spread --seed WORD",
    )
    add_goldens(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=_CALIBRATE_OUT,
        metavar="FILE",
        help=f"the result as JSON (default {_CALIBRATE_OUT})",
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        help="check the traces as tasks, with rvc: processes[=N], dask[=N], or dask=ADDRESS, a cluster's scheduler",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted run: traces that were checked are not read again"
    )


def _calibrate(options: argparse.Namespace) -> int:
    from parity.calibration import leave_one_out  # slow to import; only this command needs it

    if (options.executor or options.resume) and not (options.traces or options.fresh):
        raise UsageError("--executor and --resume are for traces, which are missing; give --traces or --fresh")
    executor = None
    if options.executor:
        from parity.rvc_bridge import task_executors  # needs rvc, which the other checks do not

        executor = task_executors.named(options.executor)
    return leave_one_out.report(
        options.spread,
        options.goldens,
        options.out,
        traces=options.traces,
        fresh=options.fresh,
        executor=executor,
        resumes=options.resume,
    )


CALIBRATE = Command(
    "calibrate",
    "count false alarms: judge each variant of an original by the others",
    """Leave one out: judge every legitimate variant of an original (threads, instruction sets, runtimes) by limits that
are derived from the other variants, and count how often it fails. Without --traces each entry of the spread is one
check; with --traces every case and segment is one; with --fresh each variant is judged against the first one.

exit codes: 0 at most one false alarm in a thousand checks, 1 more, 2 nothing to calibrate with""",
    _add_calibrate_options,
    _calibrate,
)


def _add_spread_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="traces, written by python -m reference.spread")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--keep", action="store_true", help="keep the variants in --out that FOLDER lacks")
    group.add_argument("--add", action="store_true", help="add further cases to the variants in --out")
    add_goldens(parser)
    parser.add_argument(
        "--out", type=Path, default=limits.SPREAD, metavar="FILE", help="the file to write (default spread.json)"
    )


def _spread(options: argparse.Namespace) -> int:
    from parity.calibration import spread  # slow to import; only this command needs it

    return spread.write(options.folder, options.goldens, options.out, keep=options.keep, adds=options.add)


SPREAD = Command(
    "spread",
    "measure how far variants of an original differ from its goldens",
    """Compare the traces of an original's variants with the goldens and write the worst differences of each tensor,
from which the limits are derived.

  python -m reference.spread && rvc-parity spread out/spread

exit codes: 0 written, 2 nothing to measure""",
    _add_spread_options,
    _spread,
)


def _add_exact_options(parser: argparse.ArgumentParser) -> None:
    add_goldens(parser)
    parser.add_argument(
        "--traces", type=Path, metavar="FOLDER", help="also write the exact results for rvc-parity spread --keep"
    )


def _exact(options: argparse.Namespace) -> int:
    from parity.calibration import exact_arithmetic  # slow to import; only this command needs it

    return exact_arithmetic.report(options.goldens, options.traces)


EXACT = Command(
    "exact",
    "measure how far the goldens are from exact arithmetic",
    """Compute every stage that is a formula in extended precision on the goldens' own inputs and compare the distance
of the golden with the limit in force. A limit below that distance would reject an implementation that is more exact
than the original.

exit codes: 0 every limit admits the exact result, 1 one does not, 2 usage or bad input""",
    _add_exact_options,
    _exact,
)


def _inputs(options: argparse.Namespace) -> int:
    from parity.calibration import stage_inputs  # only this command needs it
    from parity.rvc_bridge.rvc_torch import RvcTorch  # imports torch

    return stage_inputs.report(options.goldens, RvcTorch())


INPUTS = Command(
    "inputs",
    "check the stage table: each declared input changes the stage's output",
    """Check that every tensor is read only after it is made, and that each input that the stage table names for a stage
changes the output of that stage: a proven stage of rvc is run on a golden's inputs and again with one of them replaced.

exit codes: 0 the table holds, 1 an input is read before it is made or changes nothing in any golden,
2 usage or bad input""",
    add_goldens,
    _inputs,
)
