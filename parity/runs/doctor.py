"""The examination of an adapter before it is judged: handshake, form of its tensors, repeatability, use of its inputs.

Each finding has a code; docs/verifying-a-port.md lists them. A stage is examined on the shortest golden that has the
tensors it reads and makes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import NotOffered, Tensors
from parity.candidates.external import External
from parity.candidates.process import ProtocolError
from parity.errors import GivenUp, UsageError
from parity.goldens import golden_set, store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import metrics
from parity.own_noise import noise_stages
from parity.own_noise.statistical_mode import draws_own
from parity.runs.other_inputs import is_same, other_inputs

CODES = {
    "cannot-start": "the command does not start a program",
    "crash": "the program ended during a request",
    "hang": "no answer within the time limit",
    "memory": "the program and its children used more memory than allowed",
    "not-json": "an answer is not one line of JSON",
    "wrong-id": "an answer has another id than its request",
    "refused": "a declared operation was refused",
    "missing-field": "an answer lacks a field, or has one of the wrong kind",
    "wrong-protocol": "the adapter uses another version of the protocol",
    "unknown-stage": "a declared stage does not exist",
    "unknown-profile": "a declared profile does not exist",
    "nothing-offered": "neither a stage nor a conversion is declared",
    "missing-output": "the outputs were not written, or lack a tensor of the stage",
    "short-write": "the outputs are not a complete safetensors file",
    "strange-output": "the outputs hold a tensor that the stage does not make",
    "wrong-dtype": "a tensor has another dtype than the stage table states",
    "wrong-shape": "a tensor has another shape than the golden",
    "byte-order": "a tensor's bytes are in the wrong order",
    "not-finite": "a tensor holds NaN or infinity",
    "changes": "the same request gives another result the second time, beyond the limit",
    "ignores-inputs": "a stage gives the same tensor for other inputs",
    "undeclared-stage": "a stage was run that was not declared",
    "no-case": "no golden has what this stage reads, or every whole conversion is lacking",
}
_NO_AUDIO = 1 << 40  # samples: the length of a case without offline audio, which sorts it behind all others
_SWAPPED_ERROR = 0.01  # relative RMS below which byte-swapped values count as the golden's; an unrelated tensor has 1


@dataclass(frozen=True)
class Finding:
    """One result of the examination; `code` is "" where nothing is wrong."""

    where: str
    code: str
    sentence: str

    @property
    def well(self) -> bool:
        """Whether there is nothing to fix."""
        return not self.code


def examine(program: External, goldens: Path) -> Iterator[Finding]:
    """Examine the handshake, then each declared stage, an undeclared one, and the whole conversion.

    Args:
        program: the adapter.
        goldens: the folder of goldens.
    Yields:
        findings in the order in which a porter would fix them; only the handshake's where that fails, and none after
        calls in a row without an answer.
    Raises:
        UsageError: there is no golden of a profile that the adapter declares.
    """
    try:
        hello = program.hello
    except ProtocolError as error:
        yield Finding("handshake", error.code, str(error))
        return
    count = len(hello["stages"])
    offered = f"{count} {'stage' if count == 1 else 'stages'}{' and whole conversions' if hello['chain'] else ''}"
    yield Finding("handshake", "", f"{hello['name']} {hello['version']} offers {offered}")
    yield Finding("limits", "", f"{program.timeout:g} s for a call; {program.limits.sentence()}")
    cases = sorted((store.open_case(folder) for folder in store.cases(goldens)), key=_length)
    cases = [case for case in cases if program.takes(case)]
    if not cases:
        which = ", ".join(hello.get("profiles", [])) or "any profile"
        raise UsageError(f"there is no golden below {goldens} for {which}; {golden_set.ADVICE}")
    try:
        for stage in stages.every():
            if program.offers(stage):
                yield _examine_stage(program, stage, cases)
        yield from _examine_undeclared(program, cases[0])
        if program.chains:
            yield _examine_conversion(program, cases)
    except GivenUp as end:
        yield Finding("adapter", "hang", str(end))


def _length(case: Case) -> int:
    """Samples of the case's input at 16 kHz."""
    return int(case.entry("audio16k.raw")["shape"][0]) if "audio16k.raw" in case else _NO_AUDIO


def _first_place(stage: stages.Stage, cases: Sequence[Case]) -> tuple[Case, str] | None:
    """The first case that has a tensor of the stage, and the prefix where it has it.

    Of a stream it is the second block: the first has no state, so that its crossfade reads zeros.
    """
    for case in cases:
        for other, prefix in candidate.steps(case):
            if stages.scope_of(prefix) is stages.Scope.BLOCK and stages.index_of(prefix) == 0 and case.facts.blocks > 1:
                continue
            if other == stage and any(prefix + row.name in case for row in stage.makes):
                return case, prefix
    return None


def _examine_stage(program: candidate.Candidate, stage: stages.Stage, cases: Sequence[Case]) -> Finding:
    place = _first_place(stage, cases)
    if place is None:
        return Finding(stage.name, "no-case", f"no golden of this profile has the stage {stage.name} to try it on")
    case, prefix = place
    inputs = candidate.inputs(case, stage, prefix)
    try:
        made = program.run_stage(case, stage, prefix, inputs)
        names = [prefix + row.name for row in stage.makes if prefix + row.name in case and not row.optional]
        for check in (_check_names, _check_form):
            if finding := check(case, stage, prefix, names, made):
                return finding
        if stage.name in noise_stages.STAGES and draws_own(program):
            text = "form is right; its noise is its own, and check judges it by distribution"
            return Finding(stage.name, "", f"{', '.join(names)}: {text}")
        repeated = program.run_stage(case, stage, prefix, inputs)
        for name in names:
            if not is_same(case, name, made, repeated):
                return Finding(
                    stage.name,
                    "changes",
                    f"{name} differs beyond its limit when {stage.name} is run again on the "
                    "same inputs; is noise drawn inside, or memory uninitialized?",
                )
        if finding := _check_dependence(program, case, stage, prefix, inputs, made, names):
            return finding
        if finding := _check_other_inputs(program, stage, place, cases):
            return finding
    except ProtocolError as error:
        return Finding(stage.name, error.code, str(error))
    except NotOffered as error:
        return Finding(stage.name, "", f"not there for {case.name}: {error}")
    return Finding(stage.name, "", f"{', '.join(names) or 'its answer'}: form and repetition are right")


def _check_other_inputs(
    program: candidate.Candidate, stage: stages.Stage, place: tuple[Case, str], cases: Sequence[Case]
) -> Finding | None:
    """The stage must also answer where it gets other inputs, such as no F0, or content features without retrieval."""
    tried = {_read_names(stage, *place)}
    for case in cases:
        other = _first_place(stage, [case])
        if other is None or _read_names(stage, *other) in tried:
            continue
        prefix, reads = other[1], _read_names(stage, *other)
        tried.add(reads)
        where = f"in {case.name}, where {stage.name} reads {', '.join(sorted(reads)) or 'nothing'}"
        try:
            made = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
        except ProtocolError as error:
            return Finding(stage.name, error.code, f"{where}: {error}")
        except NotOffered:
            continue
        names = [prefix + row.name for row in stage.makes if prefix + row.name in case and not row.optional]
        for check in (_check_names, _check_form):
            if finding := check(case, stage, prefix, names, made):
                return Finding(stage.name, finding.code, f"{where}: {finding.sentence}")
    return None


def _read_names(stage: stages.Stage, case: Case, prefix: str) -> frozenset[str]:
    """The local names of what a stage reads in a case, but for those of earlier blocks."""
    parsed = [stages.TensorName.parse(name) for name in stages.reads(stage, prefix, case)]
    return frozenset(name.local for name in parsed if name.prefix in ("", prefix))


def _check_names(case: Case, stage: stages.Stage, prefix: str, names: Sequence[str], made: Tensors) -> Finding | None:
    """The outputs must hold `names` and nothing that the stage does not make."""
    for name in names:
        if name not in made:
            has = ", ".join(made) or "nothing"
            return Finding(stage.name, "missing-output", f"{stage.name} must write {name}; its outputs hold {has}")
    allowed = {prefix + row.name for row in stage.makes}
    strange = sorted(set(made) - allowed)
    if strange:
        return Finding(
            stage.name,
            "strange-output",
            f"{stage.name} wrote {strange[0]}, which it does not make; it makes {', '.join(sorted(allowed))}",
        )
    return None


def _check_form(case: Case, stage: stages.Stage, prefix: str, names: Sequence[str], made: Tensors) -> Finding | None:
    """Each output must have the golden's dtype and shape, its byte order, and no NaN or infinity."""
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


def _swapped(made: Array, golden: Array) -> bool:
    """Whether the values are the golden's with their bytes in the other order."""
    if made.dtype.itemsize == 1 or not golden.size or not np.any(golden):
        return False
    with np.errstate(all="ignore"):
        swapped = made.byteswap().astype(np.float64)
        if not np.isfinite(swapped).all():
            return False
        allowed = _SWAPPED_ERROR * metrics.rms(golden)
        return metrics.rms(swapped - golden) <= allowed and not metrics.rms(made.astype(np.float64) - golden) <= allowed


def _check_dependence(
    program: candidate.Candidate,
    case: Case,
    stage: stages.Stage,
    prefix: str,
    inputs: Tensors,
    made: Tensors,
    names: Sequence[str],
) -> Finding | None:
    """Other inputs must give other outputs."""
    changed = other_inputs(stage, inputs)
    if all(np.array_equal(inputs[name], value) for name, value in changed.items()):
        return None
    other = program.run_stage(case, stage, prefix, changed)
    if names and all(name in other and is_same(case, name, made, other) for name in names):
        return Finding(
            stage.name,
            "ignores-inputs",
            f"{stage.name} gives the same {names[0]} for other inputs; does it read the file named in inputs?",
        )
    return None


def _examine_undeclared(program: candidate.Candidate, case: Case) -> Iterator[Finding]:
    """The first stage of the case that is not declared has to be refused."""
    for stage, prefix in candidate.steps(case):
        if not program.offers(stage):
            try:
                program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
            except ProtocolError as error:
                if error.code != "refused":
                    yield Finding(
                        "undeclared", error.code, f"{stage.name} was requested, which is not declared: {error}"
                    )
                return
            except NotOffered:
                return
            yield Finding(
                "undeclared",
                "undeclared-stage",
                f"{stage.name} was run although it is not declared; declare it in stages, or refuse it",
            )
            return


def _examine_conversion(program: candidate.Candidate, cases: Sequence[Case]) -> Finding:
    """Examine the first whole conversion of a file that the program does not lack."""
    files = [case for case in cases if "waveform.final" in case]
    lacking = "there is no golden of a whole file"
    for case in files:
        try:
            return _examine_tensors(case, program.run(case))
        except ProtocolError as error:
            return Finding("run", error.code, str(error))
        except NotOffered as error:
            lacking = f"the adapter lacks all {len(files)} goldens of whole files, the last because of: {error}"
    return Finding("run", "no-case", f"whole conversions are declared, but {lacking}")


def _examine_tensors(case: Case, made: Tensors) -> Finding:
    """Examine the names and the form of what a whole conversion of a case wrote."""
    if "waveform.final" not in made:
        has = ", ".join(list(made)[:5]) or "nothing"
        return Finding(
            "run",
            "missing-output",
            "a whole conversion must write waveform.final, and every stage's "
            f"tensors for blame; its outputs hold {has}",
        )
    for name, value in made.items():
        stage = stages.stage_of(name) if stages.is_known(name) else None
        if name in case and (finding := _check_form(case, stage or stages.offline()[0], "", [name], made)):
            return Finding("run", finding.code, finding.sentence)
        if not stages.is_known(name):
            return Finding(
                "run",
                "strange-output",
                f"{name}, {value.dtype}{list(value.shape)}, is no name of the stage table "
                "(rvc-parity docs spec/00-overview)",
            )
    return Finding("run", "", f"{len(made)} tensors of a whole conversion, well formed")


def report(findings: Sequence[Finding], write: Callable[[str], None] = print) -> int:
    """Print the findings, one a line; returns 0 where nothing is wrong, else 1."""
    for finding in findings:
        mark = "ok " if finding.well else "FIX"
        write(f"{mark}  {finding.where:18}  {finding.code:16}  {finding.sentence}".rstrip())
    wrong = [finding for finding in findings if not finding.well]
    write(
        "the adapter is ready to be judged: rvc-parity check --candidate …"
        if not wrong
        else f"{len(wrong)} to fix; rvc-parity docs verifying-a-port explains each code"
    )
    return 1 if wrong else 0
