"""What a verdict of a public program becomes in field.json: origins, expectations, and the size of an error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_verdict import judged_case, small_verdict

from field import document, effects
from field.programs import Expectation, programs
from parity.errors import ParityError
from parity.goldens import store
from parity.stages import TensorKind

PROGRAMS = programs()
EXPECTED = Expectation("differs", "f0.filled", "D1", "its F0")


def test_origins_have_their_cause_and_its_number() -> None:
    case = judged_case(
        "a",
        "differs",
        ("f0.raw", "clean", None),
        ("f0.filled", "origin", "unvoiced frames kept at 0"),
        ("nsf", "inherited", None),
    )
    made = document.result("webui-2026", small_verdict(case), EXPECTED)
    assert made["origins"] == [
        {"case": "a", "stage": "f0.filled", "cause": "unvoiced frames kept at 0", "divergence": "D1"}
    ]
    assert made["stages"] == [
        {"stage": "f0.raw", "state": "pass"},
        {"stage": "f0.filled", "state": "origin"},
        {"stage": "nsf", "state": "inherited"},
    ]
    assert (made["verdict"], made["expectation"]) == ("differs", "right")


def test_the_first_origin_is_the_first_in_the_flow_not_in_the_list_of_goldens() -> None:
    cases = [
        judged_case("a", "differs", ("generator", "origin", None)),
        judged_case("b", "differs", ("f0.raw", "origin", "mel padding"), ("generator", "origin", None)),
    ]
    made = document.result("webui-2026", small_verdict(*cases), Expectation("differs", "f0.raw", "D4", "its padding"))
    assert [(each["stage"], each["case"]) for each in made["origins"]] == [
        ("f0.raw", "b"),
        ("generator", "a"),
        ("generator", "b"),
    ]
    assert made["expectation"] == "right"


def test_the_gravest_blame_of_a_stage_is_shown() -> None:
    cases = [judged_case("a", "pass", ("flow", "clean", None)), judged_case("b", "differs", ("flow", "origin", None))]
    made = document.result("webui-2026", small_verdict(*cases), EXPECTED)
    assert made["stages"] == [{"stage": "flow", "state": "origin"}]
    assert made["expectation"] == "wrong"
    assert document.result("webui-2026", small_verdict(*cases), EXPECTED, ["a", "b", "c"])["expectation"] == "unknown"
    passing = Expectation("pass", None, None, "the control")
    assert document.result("webui-2026", small_verdict(*cases), passing, ["a", "b", "c"])["expectation"] == "wrong"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (small_verdict(judged_case("a", "pass")), "pass"),
        (small_verdict(judged_case("a", "pass"), judged_case("b", "partial")), "partial"),
        (small_verdict(), "partial"),
        (small_verdict(judged_case("a", "declined")), "partial"),
        (small_verdict(judged_case("a", "pass"), judged_case("b", "differs")), "differs"),
        (small_verdict(judged_case("a", "unreadable")), "differs"),
        ({**small_verdict(judged_case("a", "pass")), "failures": ["an altered golden"]}, "differs"),
    ],
)
def test_only_a_complete_run_without_failures_passes(verdict: dict[str, Any], word: str) -> None:
    assert document.result("webui-2026", verdict, None)["verdict"] == word


def test_a_golden_that_was_not_reached_leaves_the_result_partial() -> None:
    made = document.result("webui-2026", small_verdict(judged_case("a", "pass")), EXPECTED, ["a", "b"])
    assert (made["verdict"], made["cases"], made["not_reached"]) == ("partial", ["a"], ["b"])
    assert made["expectation"] == "unknown"
    assert (
        document.result("webui-2026", small_verdict(judged_case("a", "pass")), EXPECTED, ["a"])["expectation"]
        == "wrong"
    )


def test_a_program_whose_every_call_fails_is_not_installed() -> None:
    failed = {**judged_case("a", "differs"), "sentence": f"{document.SETUP_FAILED}: ImportError: no module"}
    made = document.result("webui-2026", small_verdict(failed), EXPECTED)
    assert (made["verdict"], made["expectation"]) == ("not installed", "unknown")
    assert made["reason"] == "every call of the candidate failed: ImportError: no module"


def test_results_replace_earlier_ones_of_the_same_program() -> None:
    def entry(name: str, date: str) -> dict[str, Any]:
        results = [document.not_installed("webui-2026", "why")]
        return document.implementation(PROGRAMS[name], f"goldens of {date}", date, "Linux", results)

    first = document.merged(None, "old", {name: entry(name, "2026-01-01") for name in ("rvc", "applio")})
    second = document.merged(first, "new", {"rvc": entry("rvc", "2026-02-02")})
    assert [(each["name"], each["date"], each["manifest"]) for each in second["implementations"]] == [
        ("applio", "2026-01-01", "goldens of 2026-01-01"),
        ("rvc", "2026-02-02", "goldens of 2026-02-02"),
    ]
    assert second["manifest"] == "new"
    with pytest.raises(ParityError, match=r"field\.json does not fit its schema"):
        document.check({**second, "extra": 1})


F0 = np.array([100.0, 0.0, 200.0, 0.0])


@pytest.mark.parametrize(
    ("kind", "expected", "value", "text"),
    [
        ("float", np.ones(4), np.ones(4), ""),
        ("float", np.ones(4), np.ones(3), "[3] in place of [4] values"),
        ("float", np.ones(4), np.full(4, 1.1), "error 20 dB below the values"),
        ("float", np.ones(4), np.full(4, 3.0), "error 6 dB above the values"),
        ("float", np.ones(4), np.zeros(4), "error as large as the values"),
        ("decision", np.arange(4), np.array([0, 1, 3, 3]), "1 of 4 values"),
        ("hz", F0, F0 * 2, "2 frames moved, median 1.2e+03 cents, at most 1200"),
        ("hz", F0, np.array([100.0, 50.0, 0.0, 0.0]), "2 of 4 frames voiced in one of the two only"),
        ("hz", F0, F0 * (1 + 1e-7), "less than 0.01 cents"),
    ],
)
def test_the_size_of_an_error_is_stated_in_the_unit_of_its_tensor(
    kind: str, expected: Any, value: Any, text: str
) -> None:
    assert effects.size(TensorKind(kind), expected, value) == text


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ({"isolated": 0.5, "chained": 90.0}, "error 6 dB above the values"),
        ({"isolated": 90.0, "chained": 90.0}, "error 20 dB below the values"),
    ],
)
def test_the_size_is_that_of_the_conversion_where_a_stage_holds_alone(times: dict[str, float], text: str) -> None:
    golden = store.open_case(store.GOLDENS / "v1-32k-pm-2026")
    z = np.asarray(golden["seg0.flow.z"])
    row = {"stage": "flow", "prefix": "seg0.", "times_limit": times}
    alone, chain = {"seg0.flow.z": z * 1.1}, {"seg0.flow.z": z * 3}
    assert list(effects._sizes(row, golden, alone, chain)) == [text]


def test_an_origin_has_a_size_and_a_conversion_a_sound(tmp_path: Path) -> None:
    golden = store.open_case(store.GOLDENS / "v1-32k-pm-2026")
    final = np.asarray(golden["waveform.final"])
    for mode, tensors in (
        ("isolated", {"f0.filled": np.asarray(golden["f0.filled"]) * 2}),
        ("chained", {"waveform.final": final // 2}),
    ):
        save_file(tensors, tmp_path / f"{mode}.safetensors")
    case = judged_case("v1-32k-pm-2026", "differs", ("f0.filled", "origin", None), ("flow", "origin", None))
    case["stages"] = [{"prefix": "", **row} for row in case["stages"]]
    case["traces"] = {mode: f"{mode}.safetensors" for mode in ("isolated", "chained")}
    sizes, sounds = effects.measured([case], tmp_path)
    assert [(each["stage"], each["text"].split(",")[0]) for each in sizes] == [("f0.filled", "64 frames moved")]
    assert sounds[0]["case"] == "v1-32k-pm-2026"
    assert sounds[0]["text"].startswith("mel-cepstral distortion 0.")
    assert "level 6.0 dB" in sounds[0]["text"]
