"""Whether programs in reduced precision receive their tier, and with a planted fault no longer do.

python -m parity.mutants.tier_trials [--traces FOLDER] [--case NAME …] [--out FILE]

The programs are `rvc` in bfloat16 and, with --traces, the originals in both precisions as `python -m reference.spread`
recorded them. Each must reach its tier on every case. Then each fault changes what its stage makes, alone and in the
conversion; it must be detected in that tier and blamed on its stage.

exit codes: 0 all as expected, 1 a program or a fault is not, 2 usage or bad input
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.candidates.candidate import Candidate
from parity.errors import ParityError, UsageError
from parity.goldens import golden_set, store, trace_file
from parity.goldens.arrays import Array, Tensors
from parity.goldens.store import Case
from parity.judge import candidate_runs, verdict
from parity.judge.judgment import Counterfactuals, Judgment, ModeRun
from parity.judge.states import Blame, Tier
from parity.judge.tiers import rating, tier_limits
from parity.mutants import reduced_precision
from parity.rvc_bridge.counterfactual import RvcCounterfactuals
from parity.stages import TensorName

CASES = ("v2-32k-pm-2026", "v1-32k-pm-2026")  # with an index and without one; half a second of input each


@dataclass(frozen=True)
class Planted:
    """A fault that changes one output of a stage.

    Attributes:
        name: the name of the fault.
        tensor: the local name of the output.
        change: array → array of the same form.
    """

    name: str
    tensor: str
    change: Callable[[Array], Array]

    @property
    def stage(self) -> str:
        """The stage that is to be blamed."""
        stage = stages.stage_of(next(iter(_names([self.tensor]))))
        return stage.name if stage is not None else self.tensor


def _names(locals_: Sequence[str]) -> Iterator[str]:
    """The full names of local names, in the first segment where they belong to one."""
    for local in locals_:
        yield next(name for name in (local, f"seg0.{local}") if stages.is_known(name))


def _scaled(factor: float) -> Callable[[Array], Array]:
    return lambda value: value * value.dtype.type(factor)


FAULTS = (
    Planted("content-one-frame-late", "hubert.features", lambda value: np.roll(value, 1, axis=1)),
    Planted("content-interpolated", "content.upsampled", lambda value: (value + np.roll(value, -1, axis=1)) / 2),
    Planted("protect-in-8-steps", "content.protected", lambda value: np.round(value * 8) / 8),
    Planted("wrong-speaker", "spk.g", lambda value: np.roll(value, 1, axis=1)),
    Planted("encoder-without-scale", "enc_p.m", _scaled(1.2)),
    Planted("prior-in-8-bits", "z_p", reduced_precision.fixed(3)),
    Planted("flow-channels-not-flipped", "flow.z", lambda value: value[:, ::-1]),
    Planted("source-half-as-loud", "nsf.source", _scaled(0.5)),
    Planted("generator-polarity", "waveform.segment.full", _scaled(-1.0)),
    Planted("f0-half-a-semitone-up", "f0.hz", _scaled(2 ** (0.5 / 12))),
)


def planted(fault: Planted, run: ModeRun) -> ModeRun:
    """What a program made, with a fault."""
    changed: Tensors = {}
    for name, value in run.tensors.items():
        if stages.is_known(name) and TensorName.parse(name).local == fault.tensor:
            changed[name] = np.ascontiguousarray(fault.change(value)).astype(value.dtype)
    return replace(run, tensors={**run.tensors, **changed})


@dataclass(frozen=True)
class Trial:
    """One program on one case.

    Attributes:
        program: its name.
        case: the golden.
        required: the tier that it has to reach.
        reached: the tier that it reaches.
        missed: faults that are not detected in the required tier, or not blamed on their stage alone.
    """

    program: str
    case: str
    required: Tier
    reached: Tier | None
    missed: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether the program reaches its tier and no fault is missed."""
        return self.reached is not None and self.reached.rank <= self.required.rank and not self.missed


def judge(
    name: str,
    case: Case,
    required: Tier,
    runs: tuple[ModeRun, ModeRun],
    program: Candidate | None = None,
    networks: Counterfactuals | None = None,
) -> Trial:
    """Judge what a program made of a case, and the same with each fault.

    Args:
        name: the name of the program.
        case: the golden.
        required: the tier that it has to reach.
        runs: the program's tensors, of each stage alone and of the whole conversion.
        program: the program itself, where it can be run again on other inputs; else None.
        networks: what runs the stages behind an explained decision again in the program's place; None without it.
    """
    limits = tier_limits.load(required)
    judgment = Judgment(case, limits, candidate=program, counterfactuals=networks, isolated=runs[0], chained=runs[1])
    judged = verdict.judge_tensors(judgment)
    rating.rate(judgment, judged)
    missed = []
    for fault in FAULTS:
        isolated, chained = (planted(fault, run) for run in runs)
        with_fault = verdict.judge_tensors(
            Judgment(case, limits, counterfactuals=networks, isolated=isolated, chained=chained)
        )
        blamed = {row.stage.name for row in with_fault.stages if row.blame is Blame.ORIGIN}
        if blamed != {fault.stage}:
            missed.append(fault.name)
    return Trial(name, case.name, required, judged.tier, tuple(missed))


def try_program(name: str, program: Candidate, case: Case, required: Tier) -> Trial:
    """Run a program on a case, and judge it."""
    isolated = candidate_runs.run_isolated(case, program)
    return judge(name, case, required, (isolated, candidate_runs.run_chained(case, program, isolated)), program)


def try_traces(folder: Path, case: Case, required: Tier) -> Trial | None:
    """Judge the originals in a precision, as `reference.spread` recorded them; None where the case was not run.

    Alone, the originals ran the networks and the arithmetic between them; other stages count as the golden has them.
    """
    traces = folder / required / case.name
    if not (traces / "chained.safetensors").is_file() or not (traces / "isolated.safetensors").is_file():
        return None
    alone = {name: case[name] for name in case} | dict(trace_file.read(traces / "isolated.safetensors"))
    runs = (ModeRun(alone), candidate_runs.whole_run(case, dict(trace_file.read(traces / "chained.safetensors"))))
    return judge(f"originals in {required}", case, required, runs, networks=RvcCounterfactuals(case))


def programs() -> Iterator[tuple[str, Candidate, Tier]]:
    """(name, program, tier) of the programs of this project in reduced precision that can run here."""
    from parity.rvc_bridge.rvc_onnx import RvcOnnx  # these import torch
    from parity.rvc_bridge.rvc_torch import RvcTorch

    yield "rvc in bfloat16", RvcTorch(precision="bfloat16"), Tier.BFLOAT16
    yield "rvc exported in float16", RvcOnnx("float16"), Tier.FLOAT16


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every program on every case."""
    parser = argparse.ArgumentParser(
        prog="python -m parity.mutants.tier_trials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="traces of the originals (default: none)")
    parser.add_argument("--case", action="append", metavar="NAME", help=f"may be repeated (default {', '.join(CASES)})")
    parser.add_argument("--out", type=Path, default=Path("out") / "tiers.json", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        trials = list(_trials(options.case or CASES, options.traces))
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps([_document(trial) for trial in trials], indent=1) + "\n", encoding="utf-8")
    return 0 if all(trial.as_expected for trial in trials) else 1


def _trials(names: Sequence[str], traces: Path | None) -> Iterator[Trial]:
    by_name = {folder.name: folder for folder in store.cases(golden_set.default_folder())}
    if unknown := [name for name in names if name not in by_name]:
        raise UsageError(f"there is no golden {unknown[0]!r}; name one of goldens/cases")
    cases = [store.open_case(by_name[name]).check() for name in names]
    for name, program, required in programs():
        for case in cases:
            yield _printed(try_program(name, program, case, required))
    for tier in tier_limits.REDUCED if traces is not None else ():
        for case in cases:
            if traces is not None and (trial := try_traces(traces, case, tier)) is not None:
                yield _printed(trial)


def _printed(trial: Trial) -> Trial:
    detected = len(FAULTS) - len(trial.missed)
    rest = f"; missed: {', '.join(trial.missed)}" if trial.missed else ""
    print(
        f"{trial.program}, {trial.case}: reaches {trial.reached} (required: {trial.required}); {detected} of "
        f"{len(FAULTS)} faults detected in {trial.required} and blamed{rest}",
        flush=True,
    )
    return trial


def _document(trial: Trial) -> Mapping[str, Any]:
    return vars(trial) | {"as_expected": trial.as_expected}


if __name__ == "__main__":
    sys.exit(main())
