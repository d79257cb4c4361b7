"""Measuring an original against itself, and counting how often its variants would be refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import golden, tensors

from parity.calibration import leave_one_out, spread, trace_checks
from parity.calibration.trace_checks import Check
from parity.cli import main as command_line
from parity.goldens import trace_file
from parity.judge import limits
from parity.judge.states import Tier
from parity.waveforms import tier_scale

WAVE = "waveform.concat"


def variant(folder: Path, name: str, mode: str = "chained", **changes: Any) -> None:
    """Traces of a variant of the small case."""
    trace_file.Trace(tensors() | changes).write(folder / name / "small" / f"{mode}.safetensors")


def louder(by: float) -> dict[str, Any]:
    return {WAVE: (tensors()[WAVE].astype(np.float64) * (1 + by)).astype(np.float32)}


def entry(document: dict[str, Any], tensor: str, metric: str = "relative_rms") -> dict[str, Any]:
    return next(row for row in document["entries"] if (row["tensor"], row["metric"]) == (tensor, metric))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    golden(tmp_path / "goldens")
    for name, by in (("a", 1e-5), ("b", 1.2e-5), ("c", 2e-5)):
        variant(tmp_path / "spread", name, **louder(by))
    return tmp_path / "spread", tmp_path / "goldens"


def test_a_spread_is_the_distance_from_the_golden(folders: tuple[Path, Path]) -> None:
    document = spread.measure(*folders)
    assert [row["name"] for row in document["variants"]] == ["a", "b", "c"]
    assert entry(document, WAVE)["by_variant"] == pytest.approx({"a": 1e-5, "b": 1.2e-5, "c": 2e-5}, rel=0.01)
    assert entry(document, "flow.z")["by_variant"] == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_another_machine_is_added_to_what_was_measured(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before = spread.measure(*folders)
    variant(tmp_path / "more", "spr-a", **louder(4e-5))
    after = spread.measure(tmp_path / "more", folders[1], before)
    assert [row["name"] for row in after["variants"]] == ["a", "b", "c", "spr-a"]
    assert entry(after, WAVE)["by_variant"] == pytest.approx(
        {"a": 1e-5, "b": 1.2e-5, "c": 2e-5, "spr-a": 4e-5}, rel=0.01
    )
    assert limits.Limits(after).find(WAVE, "chained", "relative_rms", False).limit == pytest.approx(2e-4, rel=0.01)


def test_further_cases_are_added_to_a_variant(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before = spread.measure(*folders)
    variant(tmp_path / "more", "a", **louder(1.5e-5))
    variant(tmp_path / "more", "b", **louder(1.1e-5))
    after = spread.measure(tmp_path / "more", folders[1], before, adds=True)
    assert [row["name"] for row in after["variants"]] == ["a", "b", "c"]
    assert entry(after, WAVE)["by_variant"] == pytest.approx({"a": 1.5e-5, "b": 1.2e-5, "c": 2e-5}, rel=0.01)


def test_behind_other_neighbors_the_frames_of_the_same_ones_are_measured(folders: tuple[Path, Path]) -> None:
    made = tensors()
    ids, blended, doubled = made["seg0.retrieval.ids"], made["seg0.retrieval.blended"], made["seg0.content.upsampled"]
    ids[3] = ids[3][::-1]
    blended *= np.float32(1 + 1e-3)
    blended[0, 3] = 0  # follows from the other neighbors
    doubled *= np.float32(1 + 2e-3)
    doubled[0, 6:8] = 0
    made["seg0.flow.z"] *= np.float32(2)  # computed from all frames
    variant(folders[0], "neighbors", **made)
    document = spread.measure(*folders)
    assert entry(document, "retrieval.ids", "unequal")["by_variant"]["neighbors"] > 0
    assert entry(document, "retrieval.blended")["by_variant"]["neighbors"] == pytest.approx(1e-3, rel=0.01)
    assert entry(document, "content.upsampled")["by_variant"]["neighbors"] == pytest.approx(2e-3, rel=0.01)
    assert "neighbors" not in entry(document, "flow.z")["by_variant"]


def test_the_sound_of_a_reduced_precision_is_kept_by_case(folders: tuple[Path, Path]) -> None:
    pytest.importorskip("librosa")
    pytest.importorskip("mir_eval")
    assert "sound" not in spread.measure(*folders)  # of variants in float32, the numbers alone
    final = tensors()["waveform.final"]
    variant(folders[0], "float16", **{"waveform.final": (final * 0.5).astype(np.int16)})
    (folders[0] / "float16" / "about.json").write_text(json.dumps({"environment": {"dtype": "float16"}}))
    document = spread.measure(*folders)
    (row,) = document["sound"]
    assert (row["case"], row["variant"]) == ("small", "float16")
    assert row["values"]["loudness"] == pytest.approx(6.02, abs=0.05)
    assert tier_scale.load(document)[Tier.FLOAT16]["loudness"].largest == row["values"]["loudness"]
    variant(folders[0].parent / "more", "spr-a")
    assert spread.measure(folders[0].parent / "more", folders[1], document)["sound"] == [row]
    for each in document["variants"]:
        each["environment"]["device"] = "cuda"
    assert not tier_scale.load(document)[Tier.FLOAT16]  # a card gives no scale


def test_the_committed_spread_has_the_sound_of_both_precisions() -> None:
    scales = tier_scale.load()
    for measure in ("log_spectral", "mel_cepstral", "loudness", "high_band"):
        half, brain = scales[Tier.FLOAT16][measure], scales[Tier.BFLOAT16][measure]
        assert half.goldens >= 10 and 0 < half.median < brain.median and half.median <= half.largest
    assert scales[Tier.FLOAT16]["cents"].goldens >= 2  # of the voices whose output has a pitch


def test_an_unexplained_flip_counts_and_tensors_downstream_do_not(folders: tuple[Path, Path]) -> None:
    right = tensors()
    coarse = right["f0.coarse"].copy()
    coarse[0, 40] += 3
    variant(folders[0], "d", **{"f0.coarse": coarse, "seg0.enc_p.m": right["seg0.enc_p.m"] * np.float32(2)})
    document = spread.measure(*folders)
    assert entry(document, "f0.coarse", "unequal")["by_variant"]["d"] == 1
    assert (
        "d" not in entry(document, "enc_p.m")["by_variant"]
    )  # it reads another F0 bin, so its error is not arithmetic
    assert "d" in entry(document, "hubert.features")["by_variant"]


def of_traces(folders: tuple[Path, Path]) -> list[Check]:
    """The checks of the spread of these traces and goldens."""
    path, document = folders[0].parent / "spread.json", spread.measure(*folders)
    path.write_text(json.dumps(document))
    tasks = trace_checks.of_variants(path, leave_one_out.left_out_variants(document), *folders)
    return trace_checks.results(tasks, path.with_name("out.json"), None, resumes=False)


def test_traces_are_judged_case_by_case_by_the_other_variants(folders: tuple[Path, Path]) -> None:
    checks = [check for check in of_traces(folders) if check.tensor == WAVE]
    assert {check.variant: check.case for check in checks} == dict.fromkeys("abc", "small")
    assert not any(check.alarm for check in checks)
    variant(folders[0], "c", **louder(2e-3))
    assert {check.variant for check in of_traces(folders) if check.alarm} == {"c"}


def test_fresh_noise_is_judged_against_the_first_variant(folders: tuple[Path, Path], tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    for name, by in (("a", 0.5), ("b", 0.5 + 1e-7), ("c", 0.6)):  # far from the golden: other noise
        variant(fresh, name, **louder(by))
    tasks = trace_checks.of_fresh(fresh, folders[1])
    checks = trace_checks.results(tasks, tmp_path / "out.json", None, resumes=False)
    checks = [check for check in checks if check.tensor == WAVE]
    assert {check.variant for check in checks} == {"b", "c"}
    assert {check.variant for check in checks if check.alarm} == {"c"}


def test_the_command_prints_counts_and_writes_json(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "spread.json", tmp_path / "calibrate.json"
    path.write_text(json.dumps(spread.measure(*folders)))
    arguments = ["--spread", str(path), "--traces", str(folders[0]), "--goldens", str(folders[1]), "--out", str(out)]
    assert command_line.main(["calibrate", *arguments]) == 0
    out_text = capsys.readouterr().out
    assert "0 false alarms in " in out_text and " limits are measured; not run: " in out_text
    document = json.loads(out.read_text())
    assert document["alarms"] == 0 and document["checks"] > 100
