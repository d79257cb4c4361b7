"""The adapter examined before any number is compared: does it start, speak, declare, and hand over whole tensors?

Each finding has a code of its own; docs/verifying-a-port.md lists them. Stages are tried on the shortest golden that
has what they read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Lacks, Tensors
from parity.candidates.external import External, ProtocolError
from parity.errors import UsageError
from parity.goldens import store
from parity.goldens.recipes import Array
from parity.goldens.store import Case
from parity.judge import metrics

CODES = {
    "cannot-start": "the command does not start a program",
    "crash": "the program ended during a request",
    "hang": "no answer within the time limit",
    "not-json": "an answer is not one line of JSON",
    "wrong-id": "an answer has another id than its request",
    "refused": "a declared operation was refused",
    "missing-field": "an answer lacks a field, or has one of the wrong kind",
    "wrong-protocol": "the adapter speaks another version",
    "unknown-stage": "a declared stage does not exist",
    "nothing-offered": "neither a stage nor a conversion is declared",
    "missing-output": "the outputs were not written, or lack a tensor of the stage",
    "short-write": "the outputs are not a whole safetensors file",
    "strange-output": "the outputs hold a tensor that the stage does not make",
    "wrong-dtype": "a tensor has another dtype than the stage table says",
    "wrong-shape": "a tensor has another shape than the golden",
    "byte-order": "a tensor's bytes are in the wrong order",
    "not-finite": "a tensor holds NaN or infinity",
    "changes": "the same request gives other bits the second time",
    "deaf": "a stage gives the same tensor for other inputs",
    "undeclared-stage": "a stage was run that was not declared",
    "no-case": "no golden has what this stage reads",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `code` is "" where it is well."""

    where: str
    code: str
    sentence: str

    @property
    def well(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.code


def examine(program: External, goldens: Path) -> Iterator[Finding]:
    """Every finding, in the order in which a porter would mend them; ends at the first that makes the rest useless."""
    try:
        hello = program.hello
    except ProtocolError as error:
        yield Finding("handshake", error.code, str(error))
        return
    offered = f"{len(hello['stages'])} stages{' and whole conversions' if hello['chain'] else ''}"
    yield Finding("handshake", "", f"{hello['name']} {hello['version']} offers {offered}")
    cases = sorted((store.open_case(folder) for folder in store.cases(goldens)), key=_length)
    cases = [case for case in cases if program.takes(case)]
    if not cases:
        which = ", ".join(hello.get("profiles", [])) or "any profile"
        raise UsageError(f"there is no golden below {goldens} for {which}; is this the root of the repository?")
    for stage in (*stages.OFFLINE, *stages.REALTIME):
        if program.offers(stage):
            yield _stage(program, stage, cases)
    yield from _undeclared(program, cases[0])
    if program.chains:
        yield _chain(program, cases[0])


def _length(case: Case) -> int:
    return int(case.entry("audio16k.raw")["shape"][0]) if "audio16k.raw" in case else 1 << 40


def _place(stage: stages.Stage, cases: Sequence[Case]) -> tuple[Case, str] | None:
    """The first case that has what a stage reads and makes, and the prefix to try."""
    for case in cases:
        for other, prefix in candidate.steps(case):
            if other == stage and any(prefix + row.name in case for row in stage.makes):
                return case, prefix
    return None


def _stage(program: External, stage: stages.Stage, cases: Sequence[Case]) -> Finding:
    found = _place(stage, cases)
    if found is None:
        return Finding(stage.name, "no-case", f"no golden of this profile has the stage {stage.name} to try it on")
    case, prefix = found
    given = candidate.inputs(case, stage, prefix)
    try:
        made = program.run_stage(case, stage, prefix, given)
        names = [prefix + row.name for row in stage.makes if prefix + row.name in case and row.when != "optional"]
        for check in (_complete, _formed):
            if finding := check(case, stage, prefix, names, made):
                return finding
        again = program.run_stage(case, stage, prefix, given)
        for name in names:
            if name not in again or not np.array_equal(made[name], again[name]):
                return Finding(
                    stage.name,
                    "changes",
                    f"{name} has other bits when {stage.name} is run again on the "
                    "same inputs; is noise drawn inside, or memory uninitialised?",
                )
        if deaf := _deaf(program, case, stage, prefix, given, made, names):
            return deaf
    except ProtocolError as error:
        return Finding(stage.name, error.code, str(error))
    except Lacks as lacks:
        return Finding(stage.name, "", f"not there for {case.name}: {lacks}")
    return Finding(stage.name, "", f"{', '.join(names)}: form and repetition are right")


def _complete(case: Case, stage: stages.Stage, prefix: str, names: Sequence[str], made: Tensors) -> Finding | None:
    for name in names:
        if name not in made:
            has = ", ".join(made) or "nothing"
            return Finding(stage.name, "missing-output", f"{stage.name} must write {name}; its outputs hold {has}")
    mine = {prefix + row.name for row in stage.makes}
    strange = sorted(set(made) - mine)
    if strange:
        return Finding(
            stage.name,
            "strange-output",
            f"{stage.name} wrote {strange[0]}, which it does not make; it makes {', '.join(sorted(mine))}",
        )
    return None


def _formed(case: Case, stage: stages.Stage, prefix: str, names: Sequence[str], made: Tensors) -> Finding | None:
    for name in names:
        state, sentence = metrics.form(name, case[name], made[name])
        if state in ("dtype", "shape", "empty"):
            return Finding(stage.name, "wrong-dtype" if state == "dtype" else "wrong-shape", sentence)
        if _swapped(made[name], case[name]):
            return Finding(
                stage.name, "byte-order", f"{name} is right once its bytes are swapped; write little-endian values"
            )
        if state == "nan":
            return Finding(stage.name, "not-finite", sentence)
    return None


def _swapped(ours: Array, golden: Array) -> bool:
    """Whether the values are the golden's with their bytes in the other order."""
    if ours.dtype.itemsize == 1 or not golden.size or not np.any(golden):
        return False
    with np.errstate(all="ignore"):
        other = ours.byteswap().astype(np.float64)
        if not np.isfinite(other).all():
            return False
        near = metrics.rms(other - golden) <= 0.01 * metrics.rms(golden)
        return near and not metrics.rms(ours.astype(np.float64) - golden) <= 0.01 * metrics.rms(golden)


def _deaf(
    program: External, case: Case, stage: stages.Stage, prefix: str, given: Tensors, made: Tensors, names: Sequence[str]
) -> Finding | None:
    """Other inputs must give other outputs: floats are halved, so that they stay in range."""
    floats = {name: (value * 0.5).astype(value.dtype) for name, value in given.items() if value.dtype.kind == "f"}
    if not any(np.any(given[name] != value) for name, value in floats.items()):
        return None
    other = program.run_stage(case, stage, prefix, {**given, **floats})
    if all(name in other and np.array_equal(other[name], made[name]) for name in names):
        return Finding(
            stage.name,
            "deaf",
            f"{stage.name} gives the same {names[0]} for inputs half as large; does it read the file named in inputs?",
        )
    return None


def _undeclared(program: External, case: Case) -> Iterator[Finding]:
    """A stage that was not declared has to be refused."""
    for stage, prefix in candidate.steps(case):
        if not program.offers(stage):
            try:
                program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
            except ProtocolError as error:
                if error.code != "refused":
                    yield Finding("undeclared", error.code, f"asked for {stage.name}, which is not declared: {error}")
                return
            yield Finding(
                "undeclared",
                "undeclared-stage",
                f"{stage.name} was run although it is not declared; declare it in stages, or refuse it",
            )
            return


def _chain(program: External, case: Case) -> Finding:
    try:
        made = program.run(case)
    except ProtocolError as error:
        return Finding("run", error.code, str(error))
    if "waveform.final" not in made:
        has = ", ".join(list(made)[:5]) or "nothing"
        return Finding(
            "run",
            "missing-output",
            "a whole conversion must write waveform.final, and every stage's "
            f"tensors for blame; its outputs hold {has}",
        )
    for name, value in made.items():
        if name in case and (finding := _formed(case, stages.stage_of(name) or stages.OFFLINE[0], "", [name], made)):
            return Finding("run", finding.code, finding.sentence)
        if not stages.known(name):
            return Finding(
                "run",
                "strange-output",
                f"{name} is no name of the stage table (docs/spec/00-overview.md), {value.dtype}{list(value.shape)}",
            )
    return Finding("run", "", f"{len(made)} tensors of a whole conversion, well formed")


def report(findings: Sequence[Finding], say: Callable[[str], None] = print) -> int:
    """Print what was found; 0 where all is well, else 1."""
    for finding in findings:
        mark = "ok  " if finding.well else "MEND"
        say(f"{mark}  {finding.where:18}  {finding.code:16}  {finding.sentence}".rstrip())
    bad = [finding for finding in findings if not finding.well]
    say(
        "the adapter is well; judge it: python -m parity check --candidate …"
        if not bad
        else f"{len(bad)} to mend; docs/verifying-a-port.md explains each code"
    )
    return 1 if bad else 0
