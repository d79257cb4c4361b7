"""The statistical mode, for a candidate that declares `"noise": false`: what depends on noise, judged by distribution.

Stages before noise are judged numerically, as those of every candidate. Nothing that depends on noise is compared with
a golden: those cells are "not tested", so that the run is partial at best. In their place the program is called RUNS
times, and its noise and its sound are compared with those of the original over other noise (data/own_noise.json).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, NotOffered, Tensors
from parity.errors import GoldenError, ParityError
from parity.goldens.store import Case
from parity.own_noise import noise_stages, sound_scale
from parity.own_noise.distribution import Finding, resolution
from parity.waveforms import perceptual, tier_scale

RUNS = 4  # calls of each stage and of the conversion whose noise is examined
MOST_CONVERTED = 3  # cases of a run that are converted again to examine the sound
FORMAT, FILE = "rvc-own-noise/1", "own-noise.json"
LABEL = "own noise: what depends on it was judged by distribution, and is no numerical parity"
_FINAL = "waveform.final"


def draws_own(program: Candidate) -> bool:
    """Whether a candidate declares that it draws its own noise."""
    declares = program.about.get("declares")
    return isinstance(declares, Mapping) and declares.get("noise") is False


class NumericPart:
    """A candidate without what depends on its own noise."""

    def __init__(self, program: Candidate) -> None:
        self.program = program

    @property
    def about(self) -> Mapping[str, object]:
        """As the program's."""
        return self.program.about

    @property
    def chains(self) -> bool:
        """Whether the program converts."""
        return self.program.chains

    def takes(self, case: Case) -> bool:
        """Whether the program takes the case."""
        return self.program.takes(case)

    def offers(self, stage: stages.Stage) -> bool:
        """Whether the program offers a stage that draws no noise."""
        return stage.name not in noise_stages.STAGES and self.program.offers(stage)

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As the program."""
        return self.program.run_stage(case, stage, prefix, inputs)

    def run(self, case: Case) -> Tensors:
        """Raises NotOffered with the tensors that depend on no noise, so that the others are not tested."""
        made = self.program.run(case)
        kept = noise_stages.before_noise(case, stages.prefixes_of(case))
        known = {name: value for name, value in made.items() if name in kept or not stages.is_known(name)}
        raise NotOffered("it depends on noise that the candidate draws itself, which is judged by distribution", known)

    def run_final(self, case: Case) -> Tensors:
        """Raises NotOffered: the final waveform depends on noise."""
        raise NotOffered("the final waveform depends on noise that the candidate draws itself")

    def restart(self) -> bool:
        """As the program."""
        return self.program.restart()


@dataclass
class CaseResult:
    """What one case showed.

    Attributes:
        name: the case.
        findings: what is wrong with noise or sound.
        scales: part → (scale that was found, expected, relative resolution).
        sound: measure → (mean over the runs, lowest and highest that the original's spread allows); without the
            original's spread, the limits are None.
        notes: what could not be examined.
    """

    name: str
    findings: list[Finding] = field(default_factory=list)
    scales: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    sound: dict[str, tuple[float, float | None, float | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class StatisticalMode:
    """The examination of a candidate's own noise and sound over the cases of one run."""

    def __init__(self, program: Candidate) -> None:
        """Examine nothing yet.

        Args:
            program: the candidate itself; `NumericPart` of it is judged numerically.
        """
        self.program = program
        self.results: list[CaseResult] = []
        self._converted = 0

    def after_case(self, case: Case) -> CaseResult:
        """Call the program again on one case, and examine what it makes. Raises GoldenError."""
        result = CaseResult(case.name)
        prefixes = stages.prefixes_of(case)
        runs = self._stages_alone(case, result)
        offered = any(runs)
        scale = sound_scale.of_case(case.name)
        wanted = self.program.chains and not case.facts.isolated and not case.facts.blocks
        if wanted and self._converted < MOST_CONVERTED and (scale is not None or not offered):
            self._converted += 1
            whole = self._conversions(case, result)
            runs = [{**made, **alone} for made, alone in zip(whole, runs, strict=False)] if whole else runs
            self._examine_sound(case, whole, scale, result)
        result.findings += noise_stages.findings(case, prefixes, runs)
        for prefix in prefixes:
            for noise in noise_stages.noises(case, prefix, runs):
                size = float(np.sqrt(np.mean(noise.values**2))) * noise.scale
                result.scales[noise.name] = (size, noise.scale, resolution(noise))
        self.results.append(result)
        return result

    def _stages_alone(self, case: Case, result: CaseResult) -> list[Tensors]:
        """RUNS calls of each stage that draws, on the golden's inputs."""
        runs: list[Tensors] = [{} for _ in range(RUNS)]
        for stage, prefix in candidate.steps(case):
            if stage.name in noise_stages.STAGES and self.program.offers(stage):
                inputs = candidate.inputs(case, stage, prefix)
                try:
                    for run in runs:
                        run |= self.program.run_stage(case, stage, prefix, inputs)
                except GoldenError:
                    raise
                except ParityError as error:
                    result.notes.append(f"{prefix}{stage.name} was not examined: {error}")
        return runs

    def _conversions(self, case: Case, result: CaseResult) -> list[Tensors]:
        try:
            return [self.program.run(case) for _ in range(RUNS)]
        except GoldenError:
            raise
        except ParityError as error:
            result.notes.append(f"the sound was not examined: {error}")
            return []

    def _examine_sound(
        self, case: Case, whole: list[Tensors], scale: sound_scale.SoundScale | None, result: CaseResult
    ) -> None:
        """Compare the waveforms with the golden, and their distance with that of the original's own runs."""
        waves = [run[_FINAL] for run in whole if _FINAL in run and run[_FINAL].shape == case[_FINAL].shape]
        if len(waves) < RUNS:
            lengths = {run[_FINAL].size for run in whole if _FINAL in run}
            if lengths:
                sentence = f"{_FINAL} has {sorted(lengths)} samples; expected {case[_FINAL].size}"
                result.findings.append(Finding("length", sentence))
            return
        try:
            values = [tier_scale.measured(case, wave) for wave in waves]
        except ModuleNotFoundError as error:
            needs = f"the sound was not examined: it needs {error.name}"
            result.notes.append(f"{needs}; python -m pip install 'rvc-parity[perceptual]'")
            return
        for measure, unit in perceptual.UNITS.items():
            mean = float(np.mean([value[measure] for value in values]))
            if math.isnan(mean):
                continue
            low, high = scale.limits(measure, RUNS) if scale is not None else (None, None)
            result.sound[measure] = (mean, low, high)
            if low is not None and high is not None and not low <= mean <= high:
                sentence = (
                    f"the sound is outside of the original's spread over noise: {measure} is {mean:.3f} {unit}, "
                    f"expected {low:.3f} to {high:.3f}"
                )
                result.findings.append(Finding("sound", sentence))
        if scale is None:
            result.notes.append(
                "the sound has no scale: the original's spread over noise was not measured on this case"
            )

    def complaints(self) -> list[str]:
        """A sentence for each finding: each is a failure of the run."""
        return [f"{result.name}: {finding.sentence}" for result in self.results for finding in result.findings]

    def notes(self) -> list[str]:
        """The label of the mode, the scales that were found, and what could not be examined."""
        lines = [LABEL]
        for result in self.results:
            parts = [
                f"{name} {size:.4g} (expected {expected:.4g}, ±{100 * width:.1f} %)"
                for name, (size, expected, width) in result.scales.items()
            ]
            if parts:
                lines.append(f"{result.name}: scale of the noise over {RUNS} runs: {', '.join(parts)}")
            lines += [f"{result.name}: {note}" for note in result.notes]
        if not any(result.scales or result.sound for result in self.results):
            lines.append("own noise: nothing that depends on noise was examined")
        return lines

    def write(self, out: Path) -> None:
        """Write FILE into the folder of the run."""
        out.mkdir(parents=True, exist_ok=True)
        (out / FILE).write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """What was examined, as FILE holds it."""
        return {
            "format": FORMAT,
            "runs": RUNS,
            "cases": [
                {
                    "name": result.name,
                    "findings": [{"kind": each.kind, "sentence": each.sentence} for each in result.findings],
                    "scales": {
                        name: {"scale": size, "expected": expected, "resolution": width}
                        for name, (size, expected, width) in result.scales.items()
                    },
                    "sound": {
                        name: {"mean": mean, "lowest": low, "highest": high}
                        for name, (mean, low, high) in result.sound.items()
                    },
                    "notes": result.notes,
                }
                for result in self.results
            ],
        }
