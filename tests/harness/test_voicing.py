"""A pitch network's decisions: a frame on the edge of its threshold or between two bins, and one that is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, golden, tensors

from parity.candidates.candidate import Tensors
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.judge import limits, verdict, waivers
from parity.judge.decisions import voicing
from parity.output import table

CENTS = 20 * np.arange(360) + 1997.3794084376191
FRAME = 40  # voiced in the small case


def hz_of(bin: int) -> float:
    return float(10 * 2 ** (CENTS[bin] / 1200))


def salience(frames: int, strongest: int = 200, top: float = 0.9) -> Array:
    found = np.zeros((frames, 360))
    found[:, strongest] = top
    return found


def heard(line: Array, cents: Array | None = CENTS) -> voicing.Heard:
    return voicing.Heard(line, 0.03, cents)


def one(golden_hz: float, our_hz: float, there: Array, here: Array | None = None) -> dict[str, Any]:
    (flip,) = voicing.flips(
        np.array([golden_hz]), np.array([our_hz]), heard(there), heard(there if here is None else here)
    )
    return flip


def test_a_frame_near_the_voicing_threshold_may_fall_either_way() -> None:
    flip = one(220.0, 0.0, salience(1, top=0.030001))
    assert flip["explained"]
    assert flip["sentence"] == (
        "the strongest bin was 1e-06 from the voicing threshold; the upstream error 5e-06 reaches it"
    )


def test_a_frame_far_from_it_may_not() -> None:
    flip = one(220.0, 0.0, salience(1, top=0.031))
    assert not flip["explained"]
    assert flip["sentence"] == (
        "the strongest bin was 0.001 from the voicing threshold; the upstream error 5e-06 does not reach it"
    )


def test_the_candidates_own_sound_may_reach_the_threshold() -> None:
    assert one(220.0, 0.0, salience(1, top=0.031), salience(1, top=0.0295))["explained"]


def test_two_bins_of_one_strength_and_one_that_is_stronger() -> None:
    near, far = salience(1, 200), salience(1, 200)
    near[0, 260], far[0, 260] = 0.9 - 2e-6, 0.8
    assert one(hz_of(200), hz_of(260), near)["explained"]
    flip = one(hz_of(200), hz_of(260), far)
    assert not flip["explained"]
    assert flip["sentence"] == "the strongest bin was 0.1 above its rival; the upstream error 1e-05 does not reach it"


def test_a_path_has_no_margin_but_for_voicing() -> None:
    line = heard(np.full((1, 1), 0.5), None)
    (flip,) = voicing.flips(np.array([200.0]), np.array([300.0]), line, line)
    assert not flip["explained"]
    assert flip["sentence"] == "a path through the bins has no margin in one frame"


def test_a_moved_pitch_is_no_decision() -> None:
    assert not len(voicing.changed(np.array([220.0, 0.0]), np.array([220.02, 0.0])))
    assert list(voicing.changed(np.array([220.0, 0.0]), np.array([0.0, 0.0]))) == [0]


# ---- in a verdict ----------------------------------------------------------------------------------------------------


class Follower(Player):
    """A candidate whose later stages are the golden's where the pitch is, and others where it is not."""

    def run_stage(self, case: store.Case, stage: Any, prefix: str, inputs: Tensors) -> Tensors:
        made = super().run_stage(case, stage, prefix, inputs)
        right = all(name not in inputs or np.array_equal(inputs[name], case[name]) for name in ("f0.raw", "f0.hz"))
        return made if right else {name: self.whole[name] for name in made}


def judged(folder: Path, top: float, method: str = "rmvpe") -> verdict.CaseVerdict:
    right = tensors()
    case = store.save_case(folder / "small", right, {**META, "options": {**META["options"], "f0_method": method}})
    whole = {name: value.copy() for name, value in right.items()}
    whole["f0.raw"][FRAME] = 0
    whole["f0.hz"][0, FRAME] = 0
    whole["f0.coarse"][0, FRAME] = 1
    line = salience(right["f0.raw"].size)
    line[FRAME] *= top / 0.9
    return verdict.judge(
        case, Follower(right, whole), limits.Limits(), waivers.Waivers(), hear=lambda padded: heard(line)
    )


def test_what_follows_a_voicing_on_the_edge_is_judged_with_the_goldens(tmp_path: Path) -> None:
    assert tensors()["f0.raw"][FRAME] > 0
    found = judged(tmp_path, 0.030001)
    assert found.state == "pass", found.sentence
    assert {stage.stage.name: stage.blame for stage in found.stages if stage.blame != "clean"} == {
        "f0.raw": "knife-edge"
    }
    cell = next(cell for cell in found.ledger.cells if cell.state == "explained")
    assert cell.flips[0]["index"] == [FRAME]


def test_the_terminal_names_what_was_explained() -> None:
    cell = {"state": "explained", "tensor": "f0.raw", "mode": "chained", "flips": [{"sentence": "it was near"}]}
    stage = {"stage": "f0.raw", "cells": [cell, cell], "blame": "knife-edge"}
    counts = dict.fromkeys(("expected", "compared", "waived", "not_tested", "failed"), 0)
    lines = table.closing(
        {
            "counts": counts,
            "state": "pass",
            "sentence": "all hold",
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


def test_a_voicing_that_was_not_on_the_edge_is_a_fault(tmp_path: Path) -> None:
    found = judged(tmp_path, 0.3)
    assert found.state == "differs"
    assert found.first is not None and found.first["stage"] == "f0.raw"


@pytest.mark.parametrize("mode", ["isolated", "chained"])
def test_without_an_ear_nothing_is_explained(tmp_path: Path, mode: str) -> None:
    case, whole = golden(tmp_path), tensors()
    whole["f0.raw"][FRAME] = 0
    alone = whole if mode == "isolated" else tensors()
    assert verdict.judge(case, Player(alone, whole), limits.Limits(), waivers.Waivers()).state == "differs"


def test_a_dump_without_its_sound_has_no_margin(tmp_path: Path) -> None:
    right = {name: value for name, value in tensors().items() if name != "padded"}
    case = store.MemoryCase({**META, "segments": 1, "blocks": 0}, right)
    whole = {name: value.copy() for name, value in right.items()}
    whole["f0.raw"][FRAME] = 0
    found = verdict.judge(
        case,
        Player(right, whole),
        limits.Limits(),
        waivers.Waivers(),
        hear=lambda padded: pytest.fail("there is nothing to hear"),
    )
    assert found.state == "differs"
