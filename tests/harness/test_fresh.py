"""Drawn cases that no golden has, judged against `rvc`: never a pass, and no program can look them up."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, tensors

from parity import voices
from parity.candidates.candidate import Tensors
from parity.cli import main as command_line
from parity.errors import UsageError
from parity.goldens.store import Case, MemoryCase
from parity.judge import limits
from parity.judge.states import Metric, Mode
from parity.output import diff, table
from parity.runs import drawn_cases, fresh
from parity.stages.profile_table import PROFILES
from parity.voices import drawn, synthesizer

FACTOR = np.float32(0.7)  # the drawn cases of these tests are the small golden, this much as loud
STUB = Path(__file__).with_name("misbehaving.py")


def other_tensors() -> Tensors:
    """What the proven program makes of a drawn case."""
    return {
        name: (value * FACTOR).astype(value.dtype) if "waveform" in name or "z" in name.split(".")[-1] else value
        for name, value in tensors().items()
    }


class Proven:
    def record(self, case: Case, seed: int) -> Tensors:
        return other_tensors()


def drawn_small(seed: str, number: int, profiles: Any, folder: Path) -> MemoryCase:
    return MemoryCase(META | {"name": f"fresh-{seed}-{number}"}, {"audio16k.raw": tensors()["audio16k.raw"]})


@pytest.fixture(autouse=True)
def without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh.counterfactual, "RvcCounterfactuals", lambda *_: None)
    monkeypatch.setattr("parity.judge.verdict.match_profiles", lambda *_: None)


def judged(folder: Path, program: Player, count: int = 2) -> dict[str, Any]:
    return fresh.run(program, Proven(), count, "s1", folder, draw=drawn_small)


def test_a_right_candidate_is_partial_and_never_passes(tmp_path: Path) -> None:
    document = judged(tmp_path, Player(other_tensors()))
    assert (document["state"], document["exit_code"], document["counts"]["failed"]) == ("partial", 4, 0)
    count = document["counts"]["expected"]
    assert document["sentence"] == (
        f"against rvc, and no golden was judged: {count} of {count} cells: partial; nothing failed"
    )
    assert document["scope"]["against"] == "rvc" and document["scope"]["seed"] == "s1"
    assert table.heading(document) == "against rvc, on drawn cases of the seed s1: no golden was judged"
    assert document["cases"][0]["reproduce"] == "rvc-parity check --fresh 2 --seed s1"


def test_a_program_that_returns_goldens_is_exposed(tmp_path: Path) -> None:
    document = judged(tmp_path, Player(tensors()))
    assert (document["state"], document["exit_code"]) == ("differs", 1)
    assert document["sentence"].startswith("against rvc, and no golden was judged: 2 of 2 cases differ")


def test_a_verdict_against_rvc_that_is_edited_to_a_pass_is_refused(tmp_path: Path) -> None:
    document = judged(tmp_path, Player(other_tensors()), 1)
    assert diff.read(tmp_path) == document
    (tmp_path / "verdict.json").write_text(json.dumps(document | {"state": "pass", "exit_code": 0}))
    with pytest.raises(Exception, match="the run is stated as 'pass', and its cells give 'partial'"):
        diff.read(tmp_path)


def test_nothing_is_stored_as_a_golden(tmp_path: Path) -> None:
    judged(tmp_path, Player(other_tensors()), 1)
    assert list(tmp_path.rglob("case.json")) == []


def test_the_limits_contain_the_distance_of_rvc() -> None:
    plain = limits.load().find("seg0.flow.z", Mode.ISOLATED, Metric.RELATIVE_RMS, False)
    twice = fresh.LimitsAgainstRvc(limits.load()).find("seg0.flow.z", Mode.ISOLATED, Metric.RELATIVE_RMS, False)
    assert twice.limit == 2 * plain.limit
    assert twice.because.startswith("twice the limit for an original, since rvc may be one limit away from it; ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fresh", "0"], "--fresh 0 draws no case; give a number from 1 on"),
        (
            ["--fresh", "1", "--seed", "../x"],
            "the seed '../x' cannot be used; write 1 to 32 letters, digits or underscores",
        ),
        (["--seed", "a"], "--seed belongs to --fresh N, which draws cases; goldens have none"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["check", "--candidate", f"{sys.executable} {STUB} none", *arguments]) == 2
    assert capsys.readouterr().err == f"parity: {sentence}\n"


def test_files_of_a_device_hold_no_drawn_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["check", "--outputs", str(tmp_path), "--fresh", "1"]) == 2
    assert "--fresh draws new cases, which files cannot hold; give --candidate" in capsys.readouterr().err


def test_a_candidate_without_a_profile_is_named(tmp_path: Path) -> None:
    class Takes(Player):
        def takes(self, case: Case) -> bool:
            return False

    with pytest.raises(UsageError) as raised:
        judged(tmp_path, Takes({}))
    assert str(raised.value) == "the candidate declares no profile, so that no case can be drawn for it"


# ---- the draw --------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "write_voice", lambda kind, seed, folder: folder / f"{kind}.pth")


def test_a_seed_draws_the_same_cases_and_another_seed_others(without_weights: None, tmp_path: Path) -> None:
    def cases(seed: str) -> list[tuple[Any, bytes]]:
        made = [drawn_cases.draw(seed, number, list(PROFILES), tmp_path) for number in range(5)]
        return [(case.options, case["audio16k.raw"].tobytes()) for case in made]

    assert cases("a") == cases("a")
    assert all(one != other for one, other in zip(cases("a"), cases("b"), strict=True))


def test_drawn_cases_vary_every_option(without_weights: None, tmp_path: Path) -> None:
    cases = [drawn_cases.draw("vary", number, list(PROFILES), tmp_path) for number in range(60)]
    for option in cases[0].options:
        assert len({str(case.options[option]) for case in cases}) > 2, option
    assert {case.profile for case in cases} == set(PROFILES)
    assert len({case.voice["kind"] for case in cases} & set(voices.KINDS)) >= 8
    assert {case.voice["index"] is None for case in cases} == {True, False}
    assert all(case.options["f0_method"] in PROFILES[case.profile].methods for case in cases)
    lengths = {len(case["audio16k.raw"]) % 320 for case in cases}
    assert {0, 1, 79, 80, 319} & lengths and all(np.abs(case["audio16k.raw"]).max() <= 1 for case in cases)


def test_only_profiles_that_the_candidate_takes_are_drawn(without_weights: None, tmp_path: Path) -> None:
    cases = [drawn_cases.draw("one", number, ["webui-2026"], tmp_path) for number in range(10)]
    assert {case.profile for case in cases} == {"webui-2026"}


def test_a_drawn_voice_has_weights_of_its_own() -> None:
    def first(seed: str | None) -> bytes:
        return next(synthesizer.tensors("v1-32k-nof0", seed))[1].tobytes()

    assert first("fresh/a/0") == first("fresh/a/0")
    assert len({first(None), first("fresh/a/0"), first("fresh/a/1")}) == 3


@pytest.mark.slow
def test_rvc_is_judged_against_its_own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.rvc_bridge.rvc_torch import RvcTorch

    def draw(seed: str, number: int, profiles: Any, folder: Path) -> MemoryCase:
        case = drawn_cases.draw(seed, number, ["rvc-python"], folder)
        voice = case.voice | {"kind": "v1-32k-nof0", "rate": 32000, "version": "v1", "f0": False, "index": None}
        del voice["file"]  # the voice of the goldens, which is in the cache
        return MemoryCase(case.meta | {"voice": voice}, {"audio16k.raw": case["audio16k.raw"][:4880]})

    monkeypatch.setattr(drawn, "write_voice", lambda kind, seed, folder: folder / f"{kind}.pth")
    program = RvcTorch()
    document = fresh.run(program, program, 1, "self", tmp_path, draw=draw)
    assert (document["exit_code"], document["counts"]["failed"], document["counts"]["not_tested"]) == (4, 0, 0)
    assert {stage["stage"] for stage in document["cases"][0]["stages"]} >= {"flow", "generator", "final"}
