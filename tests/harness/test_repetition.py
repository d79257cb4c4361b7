"""Repeated calls: answers that depend on earlier calls, on the case's name, or on whether stages are recorded."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import Player, golden, tensors

from parity import stages
from parity.cli import main as command_line
from parity.goldens.arrays import Tensors
from parity.goldens.store import Case, MemoryCase
from parity.runs import run as running
from parity.runs.repeat_findings import RepeatState

STUB = Path(__file__).with_name("misbehaving.py")
GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"


def _moved(name: str, value: np.ndarray) -> float:
    """How far an input is from the golden's, of which a segment may read a part."""
    right = tensors().get(name, value)[..., : value.shape[-1]]
    return float(np.mean(np.abs(value - right), dtype=np.float64)) if value.shape == right.shape else 1.0


def _scaled(value: np.ndarray, moved: float) -> np.ndarray:
    if value.dtype.kind == "f":
        return (value * (1 + moved)).astype(value.dtype)
    return np.roll(value, 1) if moved else value


class Computing(Player):
    """A candidate whose stages depend on all of their inputs: right on the golden's, and scaled by other ones."""

    def __init__(self, lacks: tuple[str, ...] = (), chains: bool = True) -> None:
        super().__init__(tensors(), lacks=lacks, chains=chains)
        self.lengths: set[Any] = set()
        self.calls: Counter[str] = Counter()
        self.stored: dict[Any, Tensors] = {}

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        moved = sum(_moved(name, value) for name, value in inputs.items() if value.dtype.kind == "f")
        made = super().run_stage(case, stage, prefix, inputs)
        return {name: _scaled(value, moved) for name, value in made.items()}

    def run(self, case: Case) -> Tensors:
        moved = 1 + 0.1 * int(case.options.get("speaker", 0))
        return {
            name: (value * moved).astype(value.dtype) if name.startswith("waveform") else value
            for name, value in tensors().items()
        }


class StoresByCase(Computing):
    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        return self.stored.setdefault((case.name, prefix, stage.name), super().run_stage(case, stage, prefix, inputs))


class StoresConversions(Computing):
    def run(self, case: Case) -> Tensors:
        return self.stored.setdefault(case.name, super().run(case))


class Restartable(Computing):
    """A candidate that forgets everything at a restart."""

    def restart(self) -> bool:
        self.__init__(self.lacks, self.chains)  # type: ignore[misc]
        return True


class KeepsTheFirstSpeaker(Restartable):
    """The flow reads the speaker's embedding of the first call only."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        if stage.name == "flow":
            kept = self.stored.setdefault("g", {"seg0.spk.g": inputs["seg0.spk.g"].copy()})
            inputs = {**inputs, **kept}
        return super().run_stage(case, stage, prefix, inputs)


class KeepsTheFirstSpeakerOfConversions(Restartable):
    def run(self, case: Case) -> Tensors:
        """The speaker is that of the first call, the noise is that of every call."""
        speaker = self.stored.setdefault("speaker", {"id": np.array(case.options.get("speaker", 0))})["id"]
        noise = float(case["seg0.noise.z"][0, 0, 0] - tensors()["seg0.noise.z"][0, 0, 0])
        made = super().run(MemoryCase({**case.meta, "options": {**case.options, "speaker": int(speaker)}}, {}))
        return made | {"waveform.final": (made["waveform.final"] * (1 + 0.01 * noise)).astype(np.int16)}


class WrongAfterTen(Computing):
    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        self.calls["all"] += 1
        made = super().run_stage(case, stage, prefix, inputs)
        return {name: value[..., ::-1].copy() for name, value in made.items()} if self.calls["all"] > 10 else made


class WrongAtFirstLength(Computing):
    """Wrong at the first call of each stage and length of its inputs."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        key = (stage.name, *sorted((name, value.shape) for name, value in inputs.items()))
        made = super().run_stage(case, stage, prefix, inputs)
        if key in self.lengths or stage.name != "flow":
            return made
        self.lengths.add(key)
        return {name: value[..., ::-1].copy() for name, value in made.items()}


class CarriesOver(Computing):
    """The flow adds what is left of the call before."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        made = super().run_stage(case, stage, prefix, inputs)
        if stage.name == "flow":
            made = {name: value + np.float32(0.01) * self.calls["left"] for name, value in made.items()}
        self.calls["left"] = int(stage.name == "flow")
        return made


class OtherWhenUntraced(Computing):
    """As a decoder with another branch where nobody records its stages."""

    def run_final(self, case: Case) -> Tensors:
        return {"waveform.final": np.roll(self.run(case)["waveform.final"], 1)}


class Draws(Computing):
    """Every conversion draws its own noise."""

    def run(self, case: Case) -> Tensors:
        self.calls["run"] += 1
        made = super().run(case)
        return made if self.calls["run"] == 1 else made | {"waveform.final": made["waveform.final"] + 50}


class SumsInAnotherOrder(Computing):
    """Other bits at each call, within every limit, as on a GPU."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        self.calls["sum"] += 1
        made = super().run_stage(case, stage, prefix, inputs)
        if stage.name not in ("flow", "generator", "enc_p"):
            return made
        return {name: value * np.float32(1 + self.calls["sum"] % 5 * 1e-7) for name, value in made.items()}


def _mixed_up(value: np.ndarray) -> np.ndarray:
    """The same values in another order, which no known mistake makes."""
    return np.random.default_rng(3).permuted(value, axis=-1)


class WrongFlowAtSomeCalls(Computing):
    """A flow that is right at the first call; the flow of a conversion is one call.

    Attributes:
        wrong: Whether a call, counted from 1, is wrong.
    """

    def __init__(self, wrong: Callable[[int], bool]) -> None:
        super().__init__()
        self.wrong = wrong

    def _call(self, made: Tensors) -> Tensors:
        self.calls["flow"] += 1
        mixed = {name: _mixed_up(value) if name.endswith("flow.z") else value for name, value in made.items()}
        return mixed if self.wrong(self.calls["flow"]) else made

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        made = super().run_stage(case, stage, prefix, inputs)
        return self._call(made) if stage.name == "flow" else made

    def run(self, case: Case) -> Tensors:
        return self._call(super().run(case))


FLOW_ALONE = tuple(stage.name for stage in stages.every() if stage.name != "flow")


def judged(folder: Path, program: Player, **options: Any) -> dict[str, Any]:
    golden(folder)
    options = {"reference": Computing} | options
    chosen = running.RunOptions(repeats=True, reference=options.pop("reference"))
    return running.run(program, folder, folder / "out", options=chosen, **options)


def states(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(row["stage"], row["state"]): row["sentence"] for row in document["repeats"]["findings"]}


@pytest.mark.parametrize("program", [Computing, SumsInAnotherOrder])
def test_a_right_candidate_is_not_accused(tmp_path: Path, program: Callable[[], Player]) -> None:
    document = judged(tmp_path, program())
    assert (document["state"], states(document)) == ("pass", {})
    assert document["repeats"]["calls"] > 20


@pytest.mark.parametrize(
    ("program", "stage", "state"),
    [
        (StoresByCase(), "flow", RepeatState.STORED),
        (StoresConversions(), "run", RepeatState.STORED),
        (KeepsTheFirstSpeaker(), "flow", RepeatState.DEPENDS),
        (KeepsTheFirstSpeakerOfConversions(), "run", RepeatState.DEPENDS),
        (WrongAfterTen(FLOW_ALONE, chains=False), "flow", RepeatState.DEPENDS),
        (WrongAtFirstLength(), "flow", RepeatState.SECOND_RIGHT),
        (OtherWhenUntraced(), "run", RepeatState.UNTRACED),
        (Draws(), "run", RepeatState.DEPENDS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Player) else None,
)
def test_a_fault_that_only_repeated_calls_show_is_found(
    tmp_path: Path, program: Player, stage: str, state: RepeatState
) -> None:
    document = judged(tmp_path, program)
    assert (stage, state) in states(document)
    assert document["exit_code"] == 1
    assert any(failure.startswith(f"{state}: ") for failure in document["failures"])


def test_state_that_is_carried_over_is_found(tmp_path: Path) -> None:
    seen = states(judged(tmp_path, CarriesOver()))
    assert ("flow", RepeatState.DEPENDS) in seen or ("flow", RepeatState.OTHER_INPUTS) in seen


def test_a_stage_that_is_right_at_the_second_call_is_described_so(tmp_path: Path) -> None:
    document = judged(tmp_path, WrongAtFirstLength())
    sentences = {stage["stage"]: stage["sentence"] for stage in document["cases"][0]["stages"]}
    assert sentences["flow"] == "seg0.flow differs on the golden's own inputs; the second call is right"
    assert states(document)["flow", RepeatState.SECOND_RIGHT] == (
        "seg0.flow of small was wrong at the first call and right at the second, on the same inputs; is something "
        "prepared at the first call, or memory uninitialized?"
    )


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [(lambda call: call % 2 == 0, "some calls are wrong"), (lambda call: call > 1, "only the first call is right")],
    ids=["every second call", "after the first call"],
)
def test_a_stage_that_is_right_alone_and_wrong_in_a_conversion_is_called_again(
    tmp_path: Path, wrong: Callable[[int], bool], cause: str
) -> None:
    document = judged(tmp_path, WrongFlowAtSomeCalls(wrong))
    flow = next(stage for stage in document["cases"][0]["stages"] if stage["stage"] == "flow")
    assert flow["blame"] == "origin" and flow["cause"]["name"] == cause
    assert flow["sentence"].endswith("; answers depend on earlier calls")
    assert states(document)["flow", RepeatState.DEPENDS] == (
        "seg0.flow of small was right at the first call and wrong when it was called again, on the same inputs; what "
        "is kept between calls?"
    )


def test_an_error_that_is_made_in_the_conversion_alone_is_not_one_of_calls(tmp_path: Path) -> None:
    class OnlyInConversions(WrongFlowAtSomeCalls):
        def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
            return Computing.run_stage(self, case, stage, prefix, inputs)

    document = judged(tmp_path, OnlyInConversions(lambda call: True))
    flow = next(stage for stage in document["cases"][0]["stages"] if stage["stage"] == "flow")
    assert flow["blame"] == "origin" and flow["cause"]["name"] == "unknown"
    assert ("flow", RepeatState.DEPENDS) not in states(document)


def test_a_plain_fault_is_no_finding(tmp_path: Path) -> None:
    class Halved(Computing):
        def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
            made = super().run_stage(case, stage, prefix, inputs)
            return {name: value / 2 for name, value in made.items()} if stage.name == "flow" else made

    document = judged(tmp_path, Halved())
    assert document["exit_code"] == 1 and states(document) == {}


def test_without_a_reference_only_the_candidates_own_answers_are_compared(tmp_path: Path) -> None:
    document = judged(tmp_path, Computing(), reference=None)
    assert (document["state"], document["repeats"]["findings"]) == ("pass", [])


def test_a_reference_that_cannot_run_is_a_note(tmp_path: Path) -> None:
    def absent() -> Any:
        raise ImportError("no module named torch")

    document = judged(tmp_path, Computing(), reference=absent)
    assert document["state"] == "pass"
    assert (
        document["repeats"]["notes"].count(
            "answers to other inputs were not compared with those of rvc: not tried without torch"
        )
        == 1
    )


def test_the_first_conversion_of_a_file_is_repeated_and_not_single_stages(tmp_path: Path) -> None:
    from parity.judge import limits
    from parity.judge.ledger import Ledger
    from parity.judge.states import CaseState
    from parity.judge.verdict import CaseVerdict
    from parity.runs.repeats.repetition import Repetition

    whole = golden(tmp_path)
    alone = MemoryCase({**whole.meta, "name": "alone", "isolated": ["f0.hz"]}, {"f0.raw": tensors()["f0.raw"]})
    later = MemoryCase({**whole.meta, "name": "later"}, tensors())
    repetition = Repetition(Computing(), limits.Limits())
    for case in (alone, whole, later):
        repetition.after_case(case, CaseVerdict(case.name, CaseState.PASS, None, Ledger(case.name)))
    assert repetition._first is not None and repetition._first.case.name == "small"


def test_only_the_chosen_stage_is_repeated(tmp_path: Path) -> None:
    program = Computing()
    document = judged(tmp_path, program, only_stage="flow")
    assert document["repeats"]["calls"] < 15 and document["state"] == "partial"


# ---- through a process -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("none", None),
        ("cache-by-case", RepeatState.STORED),
        ("after-10", RepeatState.DEPENDS),
        ("first-of-each-length", RepeatState.SECOND_RIGHT),
    ],
)
def test_check_finds_it_in_a_program(
    tmp_path: Path, fault: str, state: RepeatState | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stub computes content.upsampled with numpy, and the proven program is `rvc` itself."""
    command = f"{sys.executable} {STUB} {fault}"
    arguments = ["check", "--candidate", command, "--case", "v1-48k-nof0-2026", "--goldens", str(GOLDENS)]
    code = command_line.main([*arguments, "--out", str(tmp_path)])
    document = json.loads((tmp_path / "verdict.json").read_text())
    shown = [row["state"] for row in document["repeats"]["findings"]]
    assert (shown, code) == (([], 4) if state is None else ([state], 1)), document["repeats"]
    assert state is None or f"  {state}: " in capsys.readouterr().out
