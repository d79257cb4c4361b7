"""The commands around a verdict: doctor, diff, manifest, mutants, voices."""

import argparse
import json
from pathlib import Path

from parity.cli.command import Command, add_candidate, add_goldens, external
from parity.errors import UsageError
from parity.goldens import golden_set, store
from parity.output import diff
from parity.runs import doctor, manifest
from parity.voices import command as voices_command

_DOCTOR_TIMEOUT = 120.0  # seconds for one call: the examined goldens are the shortest ones


def _add_doctor_options(parser: argparse.ArgumentParser) -> None:
    add_candidate(parser, _DOCTOR_TIMEOUT)
    add_goldens(parser)


def _doctor(options: argparse.Namespace) -> int:
    with external(options) as program:
        return doctor.report(list(doctor.examine(program, options.goldens)))


DOCTOR = Command(
    "doctor",
    "examine an adapter: does it follow the protocol?",
    """Examine an adapter before its numbers are judged: handshake, dtype, shape and byte order of its tensors, the same
result for the same request, another result for other inputs. rvc-parity docs verifying-a-port explains each code.

  rvc-parity doctor --candidate "./my-port --parity"

exit codes: 0 nothing to fix, 1 something to fix, 2 usage or bad input""",
    _add_doctor_options,
    _doctor,
)


def _add_diff_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="RUN_A", help="a run's folder, or its verdict.json")
    parser.add_argument("after", type=Path, metavar="RUN_B", help="the later run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def _diff(options: argparse.Namespace) -> int:
    changes = diff.changes(diff.read(options.before), diff.read(options.after))
    print(json.dumps(changes, indent=1) if options.json else diff.text(changes))
    return 1 if changes["broken"] or changes["gone"] else 0


DIFF = Command(
    "diff",
    "list what changed between two verdicts",
    """List the cells that broke, were mended, disappeared, are new, got worse or got better from one run to another.

  rvc-parity diff out/before out/parity

exit codes: 0 nothing broke and nothing disappeared, 1 otherwise, 2 usage or bad input""",
    _add_diff_options,
    _diff,
)


def _add_manifest_options(parser: argparse.ArgumentParser) -> None:
    add_goldens(parser)
    parser.add_argument("--write", action="store_true", help="pin the goldens, limits, spread and waivers as they are")


def _manifest(options: argparse.Namespace) -> int:
    folders = store.cases(options.goldens)
    if not folders:
        raise UsageError(f"there is no golden below {options.goldens}; {golden_set.ADVICE}")
    if options.write:
        print(f"{len(manifest.write(folders).goldens)} goldens, the limits, the spread and the waivers are pinned")
        return 0
    comparison = manifest.compare(folders)
    for sentence in (*comparison.altered, *comparison.notes):
        print(sentence)
    if not comparison.altered and not comparison.notes:
        print(f"{len(folders)} goldens, the limits, the spread and the waivers are the pinned ones")
    return 1 if comparison.altered or comparison.notes else 0


MANIFEST = Command(
    "manifest",
    "compare goldens, limits, spread and waivers with the pinned digests, or pin them",
    """Compare everything that candidates are judged by with the digests in parity/data/manifest.json. After a change to
a golden, a limit, the spread or a waiver, --write pins the new state; commit the manifest together with the change.

  rvc-parity manifest
  rvc-parity manifest --write

exit codes: 0 everything is as pinned, 1 something is not, 2 usage or bad input""",
    _add_manifest_options,
    _manifest,
)


def _add_mutants_options(parser: argparse.ArgumentParser) -> None:
    from parity.mutants import __main__ as mutants_command  # imports torch

    mutants_command.add_options(parser)


def _mutants(options: argparse.Namespace) -> int:
    from parity.mutants import __main__ as mutants_command  # imports torch

    return mutants_command.execute(options)


MUTANTS = Command(
    "mutants",
    "prove the judge: plant known faults into rvc and judge each",
    """Plant every fault of the catalog into rvc, judge it on a golden, and print for each stage how many faults were
detected, blamed on the right stage and given the right cause. Writes out/mutants.json and one file a job into
out/mutants/, from which --resume continues.

  rvc-parity mutants --only flow
  rvc-parity mutants --slice 1/8 --minutes 50 --resume

exit codes: 0 every target is met, 1 otherwise, 2 usage or bad input""",
    _add_mutants_options,
    _mutants,
)

VOICES = Command(
    "voices",
    "write the synthetic weights that the goldens were recorded with",
    voices_command.DESCRIPTION,
    voices_command.add_options,
    voices_command.execute,
)
