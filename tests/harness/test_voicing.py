"""A pitch network's decisions: a frame on the edge of its threshold or between two bins, and one that is not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, golden, tensors

from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.judge import limits, verdict
from parity.judge.decisions import voicing
from parity.judge.diagnosis.registry import Guess
from parity.judge.judgment import Judgment
from parity.judge.states import NotTried
from parity.output import table

CENTS = 20 * np.arange(360) + 1997.3794084376191
FRAME = 40  # voiced in the small case


def hz_of(bin: int) -> float:
    return float(10 * 2 ** (CENTS[bin] / 1200))


class OnlySalience:
    """Counterfactuals of which only the salience is available."""

    refused = True
    not_tried: tuple[NotTried, ...] = ()

    def __init__(self, salience: Callable[[Array], voicing.Salience | None]) -> None:
        self.salience = salience

    def guesses(self, *_: Any) -> Iterator[Guess]:
        return iter(())

    def convert(self, case: store.Case) -> Tensors:
        raise CandidateError("there is no voice")

    def run_stage(self, *_: Any) -> None:
        return None


def judged_with(
    case: store.Case, program: Player, salience: Callable[[Array], voicing.Salience | None]
) -> verdict.CaseVerdict:
    counterfactuals = OnlySalience(salience)
    return verdict.judge(Judgment(case, limits.Limits(), candidate=program, counterfactuals=counterfactuals))


def salience_line(frames: int, strongest: int = 200, top: float = 0.9) -> Array:
    line = np.zeros((frames, 360))
    line[:, strongest] = top
    return line


def salience_of(line: Array, cents: Array | None = CENTS) -> voicing.Salience:
    return voicing.Salience(line, 0.03, cents)


def one(golden_hz: float, our_hz: float, there: Array, here: Array | None = None) -> dict[str, Any]:
    (flip,) = voicing.flips(
        np.array([golden_hz]), np.array([our_hz]), salience_of(there), salience_of(there if here is None else here)
    )
    return flip


def test_a_frame_near_the_voicing_threshold_is_explained() -> None:
    flip = one(220.0, 0.0, salience_line(1, top=0.030001))
    assert flip["explained"]
    assert flip["sentence"] == (
        "the strongest bin was 1e-06 from the voicing threshold; the upstream error 5e-06 reaches it"
    )


def test_a_frame_far_from_the_voicing_threshold_is_not_explained() -> None:
    flip = one(220.0, 0.0, salience_line(1, top=0.031))
    assert not flip["explained"]
    assert flip["sentence"] == (
        "the strongest bin was 0.001 from the voicing threshold; the upstream error 5e-06 does not reach it"
    )


def test_the_error_of_the_candidates_audio_counts_as_upstream() -> None:
    assert one(220.0, 0.0, salience_line(1, top=0.031), salience_line(1, top=0.0295))["explained"]


def test_two_bins_of_equal_salience_are_explained_and_others_are_not() -> None:
    near, far = salience_line(1, 200), salience_line(1, 200)
    near[0, 260], far[0, 260] = 0.9 - 2e-6, 0.8
    assert one(hz_of(200), hz_of(260), near)["explained"]
    flip = one(hz_of(200), hz_of(260), far)
    assert not flip["explained"]
    assert flip["sentence"] == "the strongest bin was 0.1 above its rival; the upstream error 1e-05 does not reach it"


def test_a_path_search_has_a_margin_for_voicing_only() -> None:
    line = salience_of(np.full((1, 1), 0.5), None)
    (flip,) = voicing.flips(np.array([200.0]), np.array([300.0]), line, line)
    assert not flip["explained"]
    assert flip["sentence"] == "a path through the bins has no margin in one frame"


def test_a_small_pitch_error_is_no_decision() -> None:
    assert not len(voicing.changed(np.array([220.0, 0.0]), np.array([220.02, 0.0])))
    assert list(voicing.changed(np.array([220.0, 0.0]), np.array([0.0, 0.0]))) == [0]


# ---- in a verdict ----------------------------------------------------------------------------------------------------


class Follower(Player):
    """A candidate whose later stages are the golden's where the pitch is, and others where it is not."""

    def run_stage(self, case: store.Case, stage: Any, prefix: str, inputs: Tensors) -> Tensors:
        made = super().run_stage(case, stage, prefix, inputs)
        right = all(name not in inputs or np.array_equal(inputs[name], case[name]) for name in ("f0.raw", "f0.hz"))
        return made if right else {name: self.chained[name] for name in made}


def judged(folder: Path, top: float, method: str = "rmvpe") -> verdict.CaseVerdict:
    right = tensors()
    case = store.save_case(folder / "small", right, {**META, "options": {**META["options"], "f0_method": method}})
    chained = {name: value.copy() for name, value in right.items()}
    chained["f0.raw"][FRAME] = 0
    chained["f0.hz"][0, FRAME] = 0
    chained["f0.coarse"][0, FRAME] = 1
    line = salience_line(right["f0.raw"].size)
    line[FRAME] *= top / 0.9
    return judged_with(case, Follower(right, chained), lambda padded: salience_of(line))


def test_stages_after_an_explained_frame_are_judged_with_the_goldens_decision(tmp_path: Path) -> None:
    assert tensors()["f0.raw"][FRAME] > 0
    result = judged(tmp_path, 0.030001)
    assert result.state == "pass", result.sentence
    assert {stage.stage.name: stage.blame for stage in result.stages if stage.blame != "clean"} == {
        "f0.raw": "knife-edge"
    }
    cell = next(cell for cell in result.ledger.cells if cell.state == "explained")
    assert cell.flips[0]["index"] == [FRAME]


def test_the_table_lists_explained_decisions() -> None:
    cell = {"state": "explained", "tensor": "f0.raw", "mode": "chained", "flips": [{"sentence": "it was near"}]}
    stage = {"stage": "f0.raw", "cells": [cell, cell], "blame": "knife-edge"}
    counts = dict.fromkeys(("expected", "compared", "waived", "not_tested", "failed"), 0)
    lines = table.closing(
        {
            "counts": counts,
            "state": "pass",
            "sentence": "all hold",
            "failures": [],
            "not_shown": [],
            "manifest": {"judged_by": {"golden_set": None}},
            "cases": [{"name": "small", "state": "pass", "stages": [stage]}],
        }
    )
    assert lines.split("\n")[1:] == [
        "",
        "decisions that differ because the golden lies on a decision boundary:",
        "  small f0.raw (chained): it was near",
        "",
        "pass: all hold",
    ]


def test_a_frame_far_from_the_threshold_is_a_failure(tmp_path: Path) -> None:
    result = judged(tmp_path, 0.3)
    assert result.state == "differs"
    assert result.first is not None and result.first["stage"] == "f0.raw"


@pytest.mark.parametrize("mode", ["isolated", "chained"])
def test_without_salience_no_frame_is_explained(tmp_path: Path, mode: str) -> None:
    case, chained = golden(tmp_path), tensors()
    chained["f0.raw"][FRAME] = 0
    isolated = chained if mode == "isolated" else tensors()
    assert verdict.judge(Judgment(case, limits.Limits(), candidate=Player(isolated, chained))).state == "differs"


def test_a_dump_without_its_audio_has_no_margin(tmp_path: Path) -> None:
    right = {name: value for name, value in tensors().items() if name != "padded"}
    case = store.MemoryCase({**META, "segments": 1, "blocks": 0}, right)
    chained = {name: value.copy() for name, value in right.items()}
    chained["f0.raw"][FRAME] = 0
    result = judged_with(case, Player(right, chained), lambda padded: pytest.fail("there is no audio to analyze"))
    assert result.state == "differs"
