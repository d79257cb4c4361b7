"""Each registered divergence has a probe that names it, or a line in the guide why none can exist."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_case import META, changed, golden, judge, tensors

from parity.goldens import store
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis import divergences, realtime
from parity.judge.diagnosis.acceptance import Comparison, decide
from tools import divergences as pages

ROOT = Path(__file__).parents[2]
PROBES = (
    *(path for path in sorted((ROOT / "parity" / "judge" / "diagnosis").glob("*.py")) if path.stem != "divergences"),
    *sorted((ROOT / "parity" / "rvc_bridge").glob("*.py")),
)
# A loop cuts or joins blocks otherwise in many ways, which only the cells of the blocks show (D22). D26's other half
# happens on a GPU alone; the goldens state every option, so D28's defaults leave no tensor. Both have probes for what a
# tensor can show of them.
WRITTEN = {
    "D22": "no cause has this number",
    "D26": "the half that happens on a GPU alone cannot be probed on a CPU",
    "D28": "defaults cannot be probed: goldens state every option",
}


def registered() -> list[str]:
    text = (ROOT / "docs" / "divergences.md").read_text(encoding="utf-8")
    return re.findall(r"^\*\*(D\d+)\.", text, re.M)


def probed() -> set[str]:
    """Every number that a cause of the registry has."""
    return {row.number for row in divergences.REGISTRY if any(part.names for part in row.causes)}


def guessed() -> set[str]:
    """Every text in the modules of the causes, among them the names of all causes."""
    texts = set()
    for path in PROBES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


def rows() -> dict[str, str]:
    """The guide's table: number → description."""
    guide = (ROOT / "docs" / "verifying-a-port.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (D\d+) \| (.+) \|$", guide, re.M))


def test_the_register_has_no_gaps() -> None:
    assert registered() == [row.number for row in divergences.REGISTRY]
    assert registered() == [f"D{number}" for number in range(1, len(divergences.REGISTRY) + 1)]


def test_every_program_that_has_a_divergence_in_the_field_stands_in_the_registry() -> None:
    held = json.loads((ROOT / "field" / "field.json").read_text(encoding="utf-8"))["implementations"]
    who = {row.number: {name.casefold() for name in row.who} for row in divergences.REGISTRY}
    missing = {
        (entry["name"], origin["divergence"])
        for entry in held
        for result in entry["results"]
        for origin in result["origins"]
        if origin["divergence"] and entry["name"] not in who[origin["divergence"]]
    }
    assert not missing, "add the program to `who` in docs/divergences.toml"


def test_what_repeats_the_registry_is_up_to_date() -> None:
    for path, text in pages.made().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"python -m tools.divergences --write ({path})"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('number = "D2"', 'number = "D3"', "D3 stands at place 2, where D2 is expected"),
        ('title = "Protect"\n', "", "D2 has the fields"),
        ('evidence = ["read"]', 'evidence = ["guessed"]', "evidence is one of claimed, measured, read"),
        ('stages = ["content.protected"]\nwho', "stages = []\nwho", "are lists of at least one text"),
    ],
)
def test_an_entry_that_is_not_valid_is_refused_by_its_number(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / pages.SOURCE).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "docs").mkdir()
    (tmp_path / pages.SOURCE).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(pages.Invalid, match=message):
        pages.read(tmp_path)


@pytest.mark.parametrize("number", registered())
def test_each_divergence_has_a_probe_or_a_reason_why_not(number: str) -> None:
    assert number in probed() or number in WRITTEN


@pytest.mark.parametrize("number", registered())
def test_the_guide_lists_each_divergence(number: str) -> None:
    assert number in rows()
    if number in WRITTEN:
        assert WRITTEN[number] in rows()[number]


def test_every_cause_of_the_registry_is_a_cause() -> None:
    registered_names = {name for row in divergences.REGISTRY for part in row.causes for name in part.names}
    assert registered_names <= guessed()


def test_one_name_has_one_number_in_a_stage() -> None:
    assert divergences.number_of("nsf", "missing noise") == "D16"
    assert divergences.number_of("z_p", "missing noise") == divergences.number_of("rt.z_p", "missing noise") == "D18"
    assert divergences.number_of("final", "another guard") == "D20"
    assert divergences.number_of("generator", "missing tanh") is None
    assert divergences.number_of("flow", "half precision") == "D26"
    assert divergences.number_of("highpassed", "missing high-pass") == "D19"
    assert divergences.number_of("rmsmixed", "missing high-pass") == "D21"


def test_no_probe_names_a_number_that_is_not_registered() -> None:
    assert probed() <= set(registered())


# ---- those that no mutant of a file's conversion shows ---------------------------------------------------------------


def test_a_missing_resampling_is_recognized_by_its_length(tmp_path: Path) -> None:
    """D24: only the header has the requested rate."""
    right = tensors()
    right["waveform.resampled"] = right["waveform.concat"][::2].copy()
    right["waveform.final"] = (right["waveform.resampled"] * 32768).astype(np.int16)
    options = {**META["options"], "resample_rate": 20000}
    case = store.save_case(tmp_path / "small", right, {**META, "options": options})
    mine = {
        **right,
        "waveform.resampled": right["waveform.rmsmixed"],
        "waveform.final": (right["waveform.rmsmixed"] * 32768).astype(np.int16),
    }
    result = {stage.stage.name: stage.cause for stage in judge(case, mine).stages if stage.blame == "origin"}
    assert result["resampled"] == {
        "name": "missing resampling",
        "explains": 1.0,
        "divergence": "D24",
        "sentence": "the output is not resampled: it has the voice's own rate, whatever rate is written beside it",
    }


def test_another_length_is_not_called_missing_resampling(tmp_path: Path) -> None:
    result = judge(golden(tmp_path), changed("waveform.final", tensors()["waveform.final"][:-3]))
    final = next(stage for stage in result.stages if stage.stage.name == "final")
    assert final.cause is not None and final.cause["name"] == "another length"


@pytest.mark.parametrize(
    ("factor", "name"), [(2 ** (2 / 12), "missing formant shift"), (2 ** (4 / 12), "formant shift the other way")]
)
def test_a_missing_or_inverted_formant_shift_is_recognized(factor: float, name: str) -> None:
    """D23: only a stream has a formant shift."""
    case = store.open_case("goldens/cases/rt-formant-up-2026")
    pitch = "rt.1.f0.hz"
    ours = case[pitch] * np.float32(factor)
    fit = decide(realtime.guesses(case, "rt.f0", pitch), Comparison(ours, case[pitch])).fit
    assert fit is not None and fit.guess.name == name
    assert divergences.number_of("rt.f0", name) == "D23"


def test_a_pitch_that_was_not_scaled_to_the_output_frames_is_recognized() -> None:
    case = store.open_case("goldens/cases/rt-formant-up-2026")
    guess = list(realtime.guesses(case, "rt.f0", "rt.1.f0.hz"))[2]
    assert guess.name == "unscaled pitch"
    assert float(np.median(case["rt.1.f0.hz"] / guess.value)) == pytest.approx(2 ** (2 / 12), rel=0.04)


def test_another_threshold_of_fcpe_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    """D10, on a salience made by hand."""
    from parity.rvc_bridge import f0_decoders

    cents = 20 * np.arange(360) + 1997.38
    line = 0.9 * np.exp(-((np.arange(360)[None] - np.array([[100], [180], [220]])) ** 2) / 20)
    line[1] *= 0.02
    decided_on = Salience(line, 0.006, cents)
    monkeypatch.setattr(f0_decoders.f0_salience, "salience_of", lambda *_: decided_on)
    voice = SimpleNamespace(case=SimpleNamespace(options={"f0_method": "fcpe"}))
    right = f0_decoders.decode(decided_on, 0.006, f0_decoders.REACH)
    assert (right > 0).all()
    other = np.where(np.arange(3) == 1, 0, right).astype(np.float32)
    fit = decide(f0_decoders.guesses(voice, np.zeros(1)), Comparison(other, right)).fit
    assert fit is not None and divergences.number_of("f0.raw", fit.guess.name) == "D10"
    assert fit.guess.sentence == "the salience threshold is 0.03, not 0.006"
