"""The verdict on a candidate that follows another original names that original's profile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import Player, golden, tensors

from parity import __main__ as command_line
from parity import stages
from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens import store, trace_file
from parity.goldens.arrays import Array
from parity.judge import limits, other_profiles, verdict
from parity.judge.diagnosis.registry import Guess
from parity.judge.judgment import Judgment
from parity.judge.states import NotTried
from parity.runs import dumps
from parity.rvc_bridge import counterfactual

VOICED = {name: value for name, value in tensors().items() if name != "f0.hz"}


def filled(**more: Any) -> Tensors:
    """The small case as the 2026 WebUI would convert it: a pitch in every frame, and another waveform."""
    hz = np.maximum(tensors()["f0.hz"], np.float32(100))
    return (
        VOICED
        | {
            "f0.hz": hz,
            "f0.filled": hz[0].astype(np.float64),
            "waveform.concat": tensors()["waveform.concat"] * np.float32(0.8),
        }
        | more
    )


def converted_as_2026(case: store.Case) -> Tensors:
    """Our pipeline under another profile; only the profile of 2026 converts this case."""
    if case.profile != "webui-2026":
        raise CandidateError("not here")
    return {name: value for name, value in filled().items() if stages.stage_of(name)}


class OnlyConversion:
    """Counterfactuals of which only the conversion is available."""

    refused = True
    not_tried: tuple[NotTried, ...] = ()

    def guesses(self, *_: Any) -> Iterator[Guess]:
        return iter(())

    def salience(self, padded: Array) -> None:
        return None

    def convert(self, case: store.Case) -> Tensors:
        return converted_as_2026(case)

    def run_stage(self, *_: Any) -> None:
        return None


def judgment_of(case: store.Case, chain: Tensors) -> Judgment:
    program = Player(tensors(), chain)
    return Judgment(case, limits.Limits(), candidate=program, counterfactuals=OnlyConversion())


def judged(case: store.Case, chain: Tensors) -> verdict.CaseVerdict:
    judgment = judgment_of(case, chain)
    result = verdict.judge(judgment)
    verdict.match_profiles(judgment, result)
    return result


def test_another_profile_is_named_with_its_distance(tmp_path: Path) -> None:
    near = filled()
    near["waveform.concat"] = near["waveform.concat"] * np.float32(1 + 4e-6)
    result = judged(golden(tmp_path), near)
    assert result.matches == ("webui-2026",)
    assert result.sentence is not None
    assert result.sentence.startswith("matches webui-2026 to 4e-06; you asked for rvc-python: f0.hz differs in small")


def test_every_profile_that_matches_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def converted(self: OnlyConversion, case: store.Case) -> Tensors:
        return {name: value for name, value in filled().items() if stages.stage_of(name)}

    monkeypatch.setattr(OnlyConversion, "convert", converted)
    monkeypatch.setattr(
        other_profiles, "_distance", lambda judgment, case: {"webui-2026": 2e-7}.get(case.profile, 1e-7)
    )
    result = judged(golden(tmp_path), filled())
    assert result.matches == ("webui-classic", "webui-2026")
    assert result.sentence is not None
    assert result.sentence.startswith("matches webui-classic and webui-2026 to 1e-07; you asked for rvc-python: ")


def test_an_equal_conversion_matches_bit_by_bit(tmp_path: Path) -> None:
    sentence = judged(golden(tmp_path), filled()).sentence
    assert sentence is not None
    assert sentence.startswith("matches webui-2026 bit by bit; you asked for rvc-python: ")


def test_a_conversion_with_one_wrong_stage_matches_no_profile(tmp_path: Path) -> None:
    assert judged(golden(tmp_path), filled(**{"seg0.flow.z": 2 * tensors()["seg0.flow.z"]})).matches == ()


def test_an_error_before_the_profiles_differ_is_not_tried(tmp_path: Path) -> None:
    case = golden(tmp_path)
    wrong = {**filled(), "padded": tensors()["padded"] * 2}
    judgment = judgment_of(case, wrong)
    assert verdict.judge(judgment).state == "differs"
    assert other_profiles.first_differing_stage(judgment) == "padded"
    assert other_profiles.matching(judgment, converted_as_2026) is None
    assert judged(case, tensors()).matches == ()


def test_a_candidate_without_a_waveform_matches_no_profile(tmp_path: Path) -> None:
    silent = {name: value for name, value in filled().items() if "waveform" not in name}
    assert judged(golden(tmp_path), silent).matches == ()


def test_our_own_conversion_under_another_profile_matches_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("goldens/cases/v2-40k-rmvpe-rpy")
    case = store.open_case(folder)
    given = {name: case[name] for name in case if stages.is_input(name)}
    made = counterfactual.rvc_with_synthetic_voices().run(
        store.MemoryCase({**case.meta, "profile": "webui-2026"}, given)
    )
    path = trace_file.Trace(given | made).write(tmp_path / "mine.safetensors")
    assert command_line.main(["compare", str(folder), str(path)]) == 1
    out = capsys.readouterr().out
    assert "matches webui-2026 bit by bit; you asked for rvc-python" in out
    assert dumps.compare(folder, path)["cases"][0]["matches"] == ["webui-2026"]
