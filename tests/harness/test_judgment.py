"""Limits, margins, waivers, blame and causes, on a small case."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, changed, golden, judge, spread, tensors

from parity import __main__ as command_line
from parity import stages
from parity.calibration import leave_one_out
from parity.candidates import candidate
from parity.errors import GoldenError, ParityError, TraceError, UsageError
from parity.goldens import store, trace_file
from parity.judge import limits as tolerance
from parity.judge import metrics as compare
from parity.judge import verdict, waivers
from parity.judge.decisions import f0_bins, margins
from parity.judge.judgment import Judgment
from parity.judge.ledger import Cell
from parity.judge.states import CellState, Metric, Mode
from parity.runs import run as running


def test_a_limit_is_a_multiple_of_the_largest_variant() -> None:
    limit = tolerance.Limits(spread({"avx2": 1e-6, "two-threads": 3e-7})).find(
        "seg1.flow.z", "isolated", "relative_rms", True
    )
    assert limit.limit == pytest.approx(5e-6)
    assert limit.because == "5 × 1e-06, the original's own spread (widest: avx2, of 2 variants)"
    assert limit.document()["margin"] == pytest.approx(5)


def test_a_measured_limit_replaces_the_unmeasured_one() -> None:
    limit = tolerance.Limits(spread({"avx2": 4e-6})).find("seg0.flow.z", "isolated", "relative_rms", True)
    assert limit.limit == pytest.approx(2e-5)
    assert limit.spread == 4e-6


def test_a_decision_that_differed_in_a_variant_has_limit_zero() -> None:
    document = spread({"avx2": 3.0}, "unequal")
    document["entries"][0]["tensor"] = "f0.coarse"
    limit = tolerance.Limits(document).find("f0.coarse", "isolated", "unequal", True)
    assert limit.limit == 0
    assert limit.because == ("a decision is equal or it is not (1 variants); a flip must be explained by its margin")


def test_a_stream_uses_the_spread_of_a_file_unless_three_variants_were_measured() -> None:
    document = spread({"avx2": 4e-6})
    limits = tolerance.Limits(document)
    assert limits.find("rt.3.flow.z", "isolated", "relative_rms", True).limit == pytest.approx(2e-5)
    stream = {**document["entries"][0], "tensor": "rt.flow.z", "by_variant": {"avx2": 1e-6}}
    document["entries"].append(stream)
    assert tolerance.Limits(document).find("rt.3.flow.z", "isolated", "relative_rms", True).limit == pytest.approx(2e-5)
    stream["by_variant"] |= {"1-thread": 0.0, "no-onednn": 5e-7}  # three variants are enough
    assert tolerance.Limits(document).find("rt.3.flow.z", "isolated", "relative_rms", True).limit == pytest.approx(5e-6)


def test_a_chained_limit_includes_the_isolated_spread() -> None:
    document = spread({"float64": 2e-6})
    document["entries"].append({**document["entries"][0], "mode": "chained", "by_variant": {"avx2": 0.0}})
    limit = tolerance.Limits(document).find("seg0.flow.z", "chained", "relative_rms", True)
    assert limit.limit == pytest.approx(1e-5)
    assert limit.derivation == {"avx2": 0.0, "float64": 2e-6}


def test_an_isolated_pitch_method_has_its_chained_limit() -> None:
    document = spread({"avx2": 4e-7})
    document["entries"][0] |= {"tensor": "f0.raw", "mode": "chained"}
    limit = tolerance.Limits(document).find("f0.raw", "isolated", "relative_rms", True)
    assert limit.limit == pytest.approx(2e-6)


def test_a_limit_never_falls_below_the_number_format() -> None:
    limit = tolerance.Limits(spread({"avx2": 0.0})).find("seg0.flow.z", "isolated", "relative_rms", False)
    assert limit.limit == tolerance.FLOORS["float32"]


def test_every_tensor_has_a_limit_with_a_reason() -> None:
    limits = tolerance.Limits()
    for name in stages.names(["seg0.", "rt.0."]):
        for mode in ("isolated", "chained"):
            for metric in compare.metrics(name):
                limit = limits.find(name, mode, metric, False)
                assert limit.limit >= 0 and len(limit.because) > 10


def test_a_misspelled_field_of_spread_json_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "spread.json"
    path.write_text(json.dumps({**spread({"avx2": 1e-6}), "variant": []}))
    with pytest.raises(ParityError, match="it has the unknown field 'variant' \\(did you mean 'variants'\\?\\)"):
        tolerance.read(path)


def test_leaving_one_variant_out_reports_its_false_alarm() -> None:
    good = list(leave_one_out.from_spread(spread({"a": 2e-6, "b": 1e-6, "c": 3e-6})))
    assert len(good) == 3 and not any(check.alarm for check in good)
    bad = leave_one_out.summary(list(leave_one_out.from_spread(spread({"a": 2e-6, "b": 1e-6, "c": 3e-3}))))
    assert bad["alarms"] == 1 and bad["false_alarms"][0]["variant"] == "c"


def test_the_truth_is_never_left_out() -> None:
    checks = list(leave_one_out.from_spread(spread({"avx2": 2e-6, "float64": 2e-6})))
    assert [check.variant for check in checks] == ["avx2"]
    assert checks[0].limit == pytest.approx(1e-5)


def test_a_sentence_states_the_error_in_multiples_of_the_limit(tmp_path: Path) -> None:
    case, value = golden(tmp_path), tensors()["seg0.flow.z"]
    limits = tolerance.Limits(spread({"avx2": 1e-6}))
    result = verdict.judge(Judgment(case, limits, candidate=Player(changed("seg0.flow.z", value * np.float32(1.0001)))))
    assert result.sentence is not None and result.sentence.startswith(
        "seg0.flow.z differs in small (isolated): needs 0.0001 relative RMS, allowed 5e-06 (20 times the limit); "
        "worst at frame "
    )


def test_the_document_of_a_limit_lists_its_variants() -> None:
    card = (
        tolerance.Limits(spread({"avx2": 1e-6, "float64": 4e-7}))
        .find("seg0.flow.z", "isolated", "relative_rms", True)
        .document()
    )
    assert card["derivation"] == {"avx2": 1e-6, "float64": 4e-7}
    assert (card["spread"], card["margin"]) == (1e-6, pytest.approx(5))


# ---- waivers ---------------------------------------------------------------------------------------------------------

NEXT_MONTH = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
ROW = {"cell": "small/seg0.flow.z/chained/*", "because": "known since the last release", "until": NEXT_MONTH}


def waived(folder: Path, row: dict[str, str], **options: Any) -> dict[str, Any]:
    golden(folder)
    value = changed("seg0.flow.z", tensors()["seg0.flow.z"] * np.float32(1.01))
    return running.run(Player(tensors(), value, **options), folder, folder / "out", waivers=waivers.Waivers([row]))


def test_a_waived_cell_passes_and_is_counted(tmp_path: Path) -> None:
    document = waived(tmp_path, ROW)
    assert document["state"] == "pass"
    assert document["counts"]["waived"] == document["waivers"][0]["used"] == 2


def test_an_ended_waiver_is_a_failure(tmp_path: Path) -> None:
    document = waived(tmp_path, {**ROW, "until": "2020-01-01"})
    assert document["exit_code"] == 1 and document["counts"]["waived"] == 0


def test_an_unused_waiver_is_a_failure(tmp_path: Path) -> None:
    golden(tmp_path)
    document = running.run(Player(tensors()), tmp_path, tmp_path / "out", waivers=waivers.Waivers([ROW]))
    assert document["exit_code"] == 1
    assert document["sentence"] == "the waiver for small/seg0.flow.z/chained/* waives nothing any more; delete it"


def test_a_waiver_without_reason_or_last_day_is_refused() -> None:
    with pytest.raises(UsageError, match="a waiver needs cell, because and until"):
        waivers.Waivers([{"cell": "a/b/c/d", "because": "", "until": "2099-01-01"}])
    with pytest.raises(UsageError, match="lacks the field 'until'"):
        waivers.Waivers([{"cell": "a/b/c/d", "because": "known since long"}])


def test_a_waiver_does_not_apply_after_its_last_day() -> None:
    row = waivers.Waivers([ROW | {"until": "2030-05-01"}], datetime.date(2030, 5, 2))
    assert (
        row.apply("small", Cell("seg0.flow.z", Mode.ISOLATED, Metric.RELATIVE_RMS, CellState.DIFFERS)).state
        == "differs"
    )
    assert row.complaints(False)[0].startswith("the waiver for small/seg0.flow.z/chained/* ended on 2030-05-01")


# ---- blame -----------------------------------------------------------------------------------------------------------


class Scaler(Player):
    """A candidate whose flow scales the golden by the error of its input, so that errors are passed on."""

    def run_stage(
        self, case: store.Case, stage: stages.Stage, prefix: str, inputs: candidate.Tensors
    ) -> candidate.Tensors:
        made = super().run_stage(case, stage, prefix, inputs)
        if stage.name == "flow":
            share = np.float32(np.mean(inputs[f"{prefix}z_p"]) / np.mean(case[f"{prefix}z_p"]))
            return {name: case[name] * share for name in made}
        return made


def blames(result: verdict.CaseVerdict) -> dict[str, str]:
    return {stage.stage.name: stage.blame for stage in result.stages if stage.blame != "clean"}


def test_a_stage_that_differs_on_the_goldens_inputs_is_the_origin(tmp_path: Path) -> None:
    case = golden(tmp_path)
    wrong = changed("seg0.z_p", tensors()["seg0.z_p"] * np.float32(1.5))
    assert blames(judge(case, wrong)) == {"z_p": "origin"}


def test_a_stage_that_passes_an_error_on_inherits_it(tmp_path: Path) -> None:
    case, right = golden(tmp_path), tensors()
    isolated = {**right, "seg0.z_p": right["seg0.z_p"] * np.float32(1.5)}
    chained = {**isolated, "seg0.flow.z": right["seg0.flow.z"] * np.float32(1.5)}
    result = verdict.judge(Judgment(case, tolerance.Limits(), candidate=Scaler(isolated, chained)))
    assert blames(result) == {"z_p": "origin", "flow": "inherited"}


def test_a_stage_that_differs_only_within_the_chain_is_an_origin(tmp_path: Path) -> None:
    case, right = golden(tmp_path), tensors()
    chained = {**right, "seg0.flow.z": np.roll(right["seg0.flow.z"], 1, 2)}
    result = verdict.judge(Judgment(case, tolerance.Limits(), candidate=Scaler(right, chained)))
    assert blames(result) == {"flow": "origin"}
    sentence = next(stage.sentence for stage in result.stages if stage.stage.name == "flow")
    assert sentence == (
        "seg0.flow is right on the golden's inputs, but within the chain it does not make of its "
        "inputs what it makes of them alone: is a slice, a state or an option wrong?"
    )


def test_two_dumps_name_the_first_stage_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden(tmp_path)
    right = tensors()
    wrong = {
        **right,
        "seg0.z_p": right["seg0.enc_p.m"] + np.exp(right["seg0.enc_p.logs"]) * right["seg0.noise.z"],
        "seg0.flow.z": right["seg0.flow.z"] * np.float32(1.2),
    }
    right["seg0.z_p"] = right["seg0.enc_p.m"] + np.exp(right["seg0.enc_p.logs"]) * right["seg0.noise.z"] * np.float32(
        0.66666
    )
    ours, theirs = (
        trace_file.Trace(side).write(tmp_path / f"{name}.safetensors")
        for name, side in (("ours", right), ("theirs", wrong))
    )
    assert command_line.main(["compare", str(ours), str(theirs)]) == 1
    out = capsys.readouterr().out
    assert "1. z_p: 1 case (ours), first at frame 0" in out
    assert "cause: missing 0.66666: the noise is not scaled by 0.66666" in out
    assert "\n2. " not in out  # flow is inherited: only what has to be mended is a fault


# ---- decisions -------------------------------------------------------------------------------------------------------


def test_an_f0_bin_within_its_margin_is_explained() -> None:
    low, high = f0_bins.MEL_LOW, f0_bins.MEL_HIGH
    edge = 700 * (np.exp((low + (100.5 - 1) * (high - low) / 254) / 1127) - 1)
    there = {
        "f0.raw": np.array([edge * (1 - 1e-9)]),
        "f0.hz": np.array([[edge]], np.float32),
        "f0.coarse": np.array([[100]]),
    }
    here = {**there, "f0.raw": np.array([edge * (1 + 1e-5)]), "f0.coarse": np.array([[101]])}
    assert margins.flips("f0.coarse", there, here, True)[0]["explained"]
    far = {**here, "f0.coarse": np.array([[102]])}
    assert not margins.flips("f0.coarse", there, far, True)[0]["explained"]
    off = {**there, "f0.raw": np.array([edge * 0.999]), "f0.hz": np.array([[edge * 0.999]], np.float32)}
    assert not margins.flips("f0.coarse", off, {**off, "f0.coarse": np.array([[101]])}, True)[0]["explained"]


def test_only_neighbors_of_nearly_equal_distance_may_change_places() -> None:
    ids = np.arange(8)[None]
    distances = np.array([[10, 20, 20.00001, 40, 50, 60, 70, 80]], np.float32)
    there = {"seg0.retrieval.ids": ids, "seg0.retrieval.distances": distances}
    near, far = ids.copy(), ids.copy()
    near[0, 1:3], far[0, 3:5] = [2, 1], [4, 3]
    name = "seg0.retrieval.ids"
    assert all(flip["explained"] for flip in margins.flips(name, there, {**there, name: near}, False))
    assert not any(flip["explained"] for flip in margins.flips(name, there, {**there, name: far}, False))


def test_a_wrong_id_with_an_equal_distance_is_not_explained() -> None:
    name, distances = "seg0.retrieval.ids", np.array([[10, 20, 30, 40, 50, 60, 70, 80]], np.float32)
    there = {name: np.arange(8)[None], "seg0.retrieval.distances": distances}
    other = there[name].copy()
    other[0, 7] = 8
    near = distances.copy()
    near[0, 7] = np.nextafter(np.float32(80), np.float32(90))
    assert not margins.flips(name, there, {**there, name: other}, False)[0]["explained"]
    assert margins.flips(name, there, {name: other, "seg0.retrieval.distances": near}, False)[0]["explained"]


# ---- messages --------------------------------------------------------------------------------------------------------


def test_diff_lists_the_cells_that_broke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden(tmp_path)
    running.run(Player(tensors()), tmp_path, tmp_path / "a")
    running.run(Player(changed("seg0.flow.z", tensors()["seg0.flow.z"] * 2)), tmp_path, tmp_path / "b")
    assert command_line.main(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("4 broken, 0 mended, 0 gone, 0 new, 0 worse, 0 better\n")
    assert "small seg0.flow.z isolated relative_rms: same 0 → differs 1" in out
    assert command_line.main(["diff", str(tmp_path / "b"), str(tmp_path / "a")]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["run", "--goldens", "{}"],
            "parity: there is no case below {}; name their folder with --goldens, or install rvc-parity-goldens",
        ),
        (
            ["run", "--goldens", "{}", "--case", "x"],
            "parity: there is no case whose name contains 'x' below {}; name their folder with --goldens, "
            "or install rvc-parity-goldens",
        ),
        (
            ["compare", "{}/a", "{}/b"],
            "parity: there is no file {}/a; give the path of a trace (.safetensors) or another dump",
        ),
        (
            ["diff", "{}/a.json", "{}/b.json"],
            "parity: there is no {}/a.json; make one with rvc-parity check --out FOLDER",
        ),
        (
            ["live", "--model", "{}/v.pth"],
            "parity: live needs the original's trace; make one where the original is "
            "installed: python -m reference.run_live IN TRACE.safetensors --model … --hubert …",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert command_line.main([argument.replace("{}", str(tmp_path)) for argument in arguments]) == 2
    assert capsys.readouterr().err == sentence.replace("{}", str(tmp_path)) + "\n"


def test_a_trace_without_known_tensors_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = trace_file.Trace({"mel": np.zeros(3, np.float32)}).write(tmp_path / "a.safetensors")
    assert command_line.main(["compare", str(path), str(path)]) == 2
    assert capsys.readouterr().err == (
        f"parity: {path} holds no tensor of the specification (rvc-parity docs spec/00-overview); "
        "record one with --trace\n"
    )
    (tmp_path / "b.safetensors").write_bytes(b"not this")
    with pytest.raises(TraceError, match=r"b\.safetensors is not a complete safetensors file"):
        trace_file.read(tmp_path / "b.safetensors")


def test_a_tap_that_records_twice_is_an_error() -> None:
    recorder = trace_file.Trace()
    recorder("f0.hz", np.zeros(3))
    with pytest.raises(TraceError, match=r"'f0\.hz' was recorded twice in one run; give each tap its own name"):
        recorder("f0.hz", np.zeros(3))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "seg0.flow.zz",
            np.zeros(3, np.float32),
            "small was recorded with 'seg0.flow.zz', which is not in the stage table "
            "(nearest: 'seg0.flow.z'); was a stage renamed?",
        ),
        ("seg0.flow.z", np.zeros((1, 12, 98)), "seg0.flow.z of small is float64, but the stage table requires float32"),
        (
            "seg0.flow.z",
            np.full((1, 12, 98), np.nan, np.float32),
            "seg0.flow.z of small holds NaN or infinity; the original failed here",
        ),
        (
            "seg0.flow.z",
            np.zeros((1, 12, 0), np.float32),
            "seg0.flow.z of small is empty; was the original interrupted?",
        ),
    ],
)
def test_an_invalid_golden_is_not_saved(tmp_path: Path, name: str, value: Any, sentence: str) -> None:
    with pytest.raises(GoldenError) as raised:
        store.save_case(tmp_path / "small", {**tensors(), name: value}, META)
    assert str(raised.value) == sentence
    assert not (tmp_path / "small").exists()


def test_an_interrupted_save_leaves_the_golden_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "small").iterdir()}

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("parity.goldens.tensor_file.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        golden(tmp_path, why="an interrupted recording of the same")
    assert {path.name: path.read_bytes() for path in (tmp_path / "small").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_recipes_store_no_tensor_twice(tmp_path: Path) -> None:
    case = golden(tmp_path)
    how = {name: case.entry(name)["stored"]["how"] for name in case}
    assert how["seg0.noise.z"] == how["seg0.noise.nsf"] == "noise"
    assert how["seg0.retrieval.blended"] == how["seg0.content.protected"] == "mix"
    assert how["seg0.content.upsampled"] == "repeat" and how["waveform.concat"] == "join"
    for name, value in tensors().items():
        assert case[name].tobytes() == value.tobytes(), name
