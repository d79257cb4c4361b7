"""Tiers: their limits, the tier that a stage and a case reach, and where it is reported."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from small_case import Player, golden, judge, tensors

from parity import stages
from parity.calibration import leave_one_out
from parity.cli.main import main
from parity.errors import ParityError
from parity.goldens import trace_file
from parity.judge import limits, metrics, verdict
from parity.judge.judgment import Judgment, ModeRun
from parity.judge.states import PASS_MARKS, CaseState, Metric, Mode, Tier
from parity.judge.tiers import rating, tier_limits
from parity.judge.verdict import CaseVerdict
from parity.mutants import summary, tier_trials, trial
from parity.output import badge, github, junit, markdown, recomputed, table
from parity.runs import run as running
from parity.runs.run import RunOptions

FLOW = "seg0.flow.z"


def spread(values: dict[str, float], tensor: str = "flow.z", metric: str = "relative_rms") -> dict[str, Any]:
    """A spread of one tensor; variants named after a reduced precision were run in it."""
    reduced = [tier.value for tier in tier_limits.REDUCED]
    return {
        "format": "rvc-spread/1",
        "variants": [
            {"name": name, "environment": {"dtype": name if name in reduced else "float32"}} for name in values
        ],
        "entries": [
            {"tensor": tensor, "mode": mode, "metric": metric, "network_f0": None, "by_variant": values, "cases": 3}
            for mode in ("isolated", "chained")
        ],
    }


def limit(document: dict[str, Any], tier: Tier, name: str = FLOW, metric: str = "relative_rms") -> limits.Limit:
    return tier_limits.TierLimits(document, tier).find(name, "isolated", metric, False)


def test_the_spread_in_a_reduced_precision_changes_no_limit_of_float32() -> None:
    plain, more = {"avx2": 1e-6}, {"avx2": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}
    for name in stages.names(["seg0.", "rt.0."]):
        for mode in Mode:
            for metric in metrics.metrics(name):
                one, other = (limits.Limits(spread(values)).find(name, mode, metric, True) for values in (plain, more))
                assert one == other


def test_a_tier_has_a_multiple_of_the_original_in_its_precision() -> None:
    document = spread({"avx2": 1e-6, "float16": 2e-3, "bfloat16": 2e-2})
    assert limit(document, Tier.FLOAT16).limit == pytest.approx(1e-2)
    assert limit(document, Tier.FLOAT16).because == (
        "5 × 0.002, the original's own spread in float16 (widest: float16)"
    )
    assert limit(document, Tier.BFLOAT16).limit == pytest.approx(0.1)
    assert limit(document, Tier.BIT_EXACT).limit == 0


def test_a_tier_never_falls_below_the_format_of_a_tensor_that_is_rounded_to_it() -> None:
    rounded = limit(spread({"avx2": 1e-7, "float16": 3e-4}), Tier.FLOAT16)
    assert rounded.limit == 4 * 2.0**-10
    assert rounded.because == "the original in float16 differs by 0.0003, so four steps of that format are allowed"
    averaged = limit(spread({"avx2": 1e-7, "float16": 1e-5}), Tier.FLOAT16)  # such as F0, a mean of many scores
    assert averaged.limit == pytest.approx(5e-5)


def test_a_tensor_that_the_originals_keep_in_float32_has_one_limit_in_all_tiers() -> None:
    document = spread({"avx2": 1e-6, "float16": 1e-6, "bfloat16": 1e-6}, "audio16k")
    same = {limit(document, tier, "audio16k").limit for tier in (Tier.FLOAT32, *tier_limits.REDUCED)}
    assert len(same) == 1


def test_silence_reaches_no_tier_unless_the_original_itself_is_as_far() -> None:
    assert limit(spread({"avx2": 1e-6, "bfloat16": 0.4}), Tier.BFLOAT16).limit == tier_limits.CEILING < 1
    assert limit(spread({"avx2": 1e-6, "bfloat16": 1.1}), Tier.BFLOAT16).limit == tier_limits.UNRELATED


def test_every_tier_admits_what_a_better_one_admits() -> None:
    by_tier = [tier_limits.load(tier) for tier in PASS_MARKS]
    for name in stages.names(["seg0.", "rt.0."]):
        for mode in Mode:
            for metric in metrics.metrics(name):
                values = [each.find(name, mode, metric, True).limit for each in by_tier]
                assert values == sorted(values), (name, mode, metric)


def test_the_committed_spread_holds_the_originals_in_both_precisions() -> None:
    document = limits.read()
    dtypes = {row["name"]: row["environment"].get("dtype") for row in document["variants"]}
    for tier in tier_limits.REDUCED:
        assert dtypes[tier.value] == tier
        measured = {row["tensor"] for row in document["entries"] if tier.value in row["by_variant"]}
        for network in ("hubert.features", "enc_p.m", "flow.z", "nsf.source", "waveform.segment.full", "f0.raw"):
            assert network in measured
        alone = tier_limits.load(tier).find("seg0.waveform.segment.full", Mode.ISOLATED, Metric.RELATIVE_RMS, False)
        assert 1e-3 < alone.limit < 0.5


def test_a_variant_in_a_reduced_precision_is_no_variant_of_float32() -> None:
    document = spread({"a": 2e-6, "b": 1e-6, "float16": 2e-3})
    checks = list(leave_one_out.from_spread(document))
    assert {check.variant for check in checks} == {"a", "b"} and all(check.limit < 1e-3 for check in checks)


def rounded(dtype: Any, names: tuple[str, ...] = (FLOW,)) -> dict[str, Any]:
    """The right tensors, of which some are rounded to a format."""
    made = tensors()
    return made | {name: made[name].astype(dtype).astype(made[name].dtype) for name in names}


def rated(folder: Path, made: dict[str, Any], tier: Tier = Tier.FLOAT32) -> CaseVerdict:
    case = golden(folder)
    judgment = Judgment(case, tier_limits.load(tier), candidate=Player(made))
    judged = verdict.judge(judgment)
    rating.rate(judgment, judged)
    return judged


def of_stage(judged: CaseVerdict, name: str) -> Tier | None:
    return next(stage.tier for stage in judged.stages if stage.stage.name == name)


def test_each_stage_has_the_best_tier_that_it_reaches(tmp_path: Path) -> None:
    judged = rated(tmp_path, rounded(np.float16))
    assert judged.state is CaseState.DIFFERS
    assert of_stage(judged, "flow") is Tier.FLOAT16 and of_stage(judged, "z_p") is Tier.BIT_EXACT
    assert judged.tier is Tier.FLOAT16


def test_a_case_has_the_worst_tier_of_its_stages(tmp_path: Path) -> None:
    made = rounded(np.float16) | {"seg0.z_p": tensors()["seg0.z_p"] * np.float32(1.02)}
    judged = rated(tmp_path, made)
    assert (of_stage(judged, "z_p"), of_stage(judged, "flow")) == (Tier.BFLOAT16, Tier.FLOAT16)
    assert judged.tier is Tier.BFLOAT16


def test_a_wrong_stage_reaches_no_tier(tmp_path: Path) -> None:
    judged = rated(tmp_path, tensors() | {FLOW: tensors()[FLOW][:, ::-1].copy()})
    assert of_stage(judged, "flow") is Tier.NONE and judged.tier is Tier.NONE


def test_a_stage_that_was_not_tested_has_no_tier(tmp_path: Path) -> None:
    case = golden(tmp_path)
    judgment = Judgment(case, limits.load(), candidate=Player(tensors(), lacks=("flow",), chains=False))
    judged = verdict.judge(judgment)
    rating.rate(judgment, judged)
    assert of_stage(judged, "flow") is None and judged.tier is Tier.BIT_EXACT


def test_a_required_tier_passes_what_is_within_its_limits(tmp_path: Path) -> None:
    assert rated(tmp_path, rounded(np.float16), Tier.FLOAT16).state is CaseState.PASS
    assert rated(tmp_path, rounded(np.float16), Tier.BIT_EXACT).state is CaseState.DIFFERS
    far = tensors() | {FLOW: tensors()[FLOW] * np.float32(1.02)}
    assert rated(tmp_path, far, Tier.FLOAT16).state is CaseState.DIFFERS
    assert rated(tmp_path, far, Tier.BFLOAT16).state is CaseState.PASS


def run(folder: Path, made: dict[str, Any], chained: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    golden(folder / "goldens")
    program = Player(made, chained)
    return running.run(program, folder / "goldens", folder / "out", options=RunOptions(**options))


def test_a_run_reports_the_required_and_the_reached_tier(tmp_path: Path) -> None:
    document = run(tmp_path, rounded(np.float16))
    assert document["state"] == "differs" and document["tier"] == {"required": "float32", "reached": "float16"}
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["tier"] == document["tier"]
    assert badge.document(document)["message"] == "flow differs; all reach float16"
    assert "tier: float16 (required: float32)" in table.closing(document)
    lines = {line[0]: line[table.HEADINGS.index("tier")] for line in table.stage_lines(document)}
    assert lines["flow"] == "float16" and lines["z_p"] == "bit-exact"
    assert "| small | differs, but its output is within the limits | float16 |" in markdown.document(document)


def test_a_run_in_a_required_tier_names_it(tmp_path: Path) -> None:
    document = run(tmp_path, rounded(np.float16), tier=Tier.FLOAT16)
    assert document["state"] == "partial" or document["state"] == "pass"
    assert document["sentence"].endswith("in the tier float16")
    assert document["tier"] == {"required": "float16", "reached": "float16"}
    assert badge.document(document)["message"].endswith(" in float16")
    assert any("own spread in float16" in row["because"] for row in document["limits"]) or any(
        "four steps" in row["because"] for row in document["limits"]
    )


def test_differs_and_differs_with_an_output_within_the_limits_are_distinguished(tmp_path: Path) -> None:
    wrong = tensors() | {FLOW: tensors()[FLOW] * np.float32(1.5)}
    document = run(tmp_path / "one", wrong, tensors())
    assert document["output_holds"] is True and document["cases"][0]["output_holds"] is True
    assert table.closing(document).splitlines()[-1].startswith("differs, but its output is within the limits: ")
    assert badge.document(document)["message"] == "flow differs; the output holds"
    assert "# Parity: differs, but its output is within the limits\n" in markdown.document(document)
    suites = {suite.get("name"): suite for suite in ElementTree.fromstring(junit.document(document))}
    for name in ("faults", "small"):
        properties = {row.get("name"): row.get("value") for row in suites[name].iter("property")}
        assert properties["state"] == "differs, but its output is within the limits" and "tier" in properties
    assert "::warning title=rvc-parity::differs, but its output is within the limits: " in github.annotations(document)
    final = wrong | {"waveform.final": (tensors()["waveform.final"] // 2).astype(np.int16)}
    assert judge(golden(tmp_path / "other"), wrong, final).output_holds is False
    document |= {"output_holds": False}
    assert table.closing(document).splitlines()[-1].startswith("differs: ")
    assert "within the limits" not in github.annotations(document)


def test_an_edited_tier_contradicts_its_cells(tmp_path: Path) -> None:
    document = run(tmp_path, rounded(np.float16))
    flow = next(stage for stage in document["cases"][0]["stages"] if stage["stage"] == "flow")
    flow["tier"] = "float32"
    with pytest.raises(ParityError, match="flow of small failed in the tier float32"):
        recomputed.refuse_edited(document, "verdict.json")


def test_a_dump_is_judged_in_the_required_tier(tmp_path: Path) -> None:
    golden(tmp_path / "goldens")
    arguments = ["compare", str(tmp_path / "goldens" / "small"), str(tmp_path / "made.safetensors")]
    trace_file.Trace(rounded(np.float16)).write(tmp_path / "made.safetensors")
    assert main([*arguments, "--format", "json"]) == 1
    assert main([*arguments, "--tier", "float16"]) in (0, 4)


def test_a_judgment_of_tensors_alone_needs_no_tier(tmp_path: Path) -> None:
    assert judge(golden(tmp_path), tensors()).tier is None


REDUCED_STAGES = ("hubert.features", "content.upsampled", "content.protected", "enc_p.m", "enc_p.logs", "z_p", "flow.z")


@pytest.mark.parametrize(("dtype", "tier"), [(np.float16, Tier.FLOAT16), (np.float16, Tier.BFLOAT16)])
def test_ten_faults_are_detected_in_a_tier_and_blamed(tmp_path: Path, dtype: Any, tier: Tier) -> None:
    made = rounded(dtype, tuple(f"seg0.{name}" for name in REDUCED_STAGES))
    run = ModeRun(made, answered=True)
    judged = tier_trials.judge("rounded", golden(tmp_path), tier, (run, run))
    assert judged.reached is Tier.FLOAT16 and judged.missed == () and judged.as_expected
    assert len(tier_trials.FAULTS) == 10


def test_a_program_beyond_its_tier_is_not_as_expected(tmp_path: Path) -> None:
    run = ModeRun(tensors() | {FLOW: tensors()[FLOW] * np.float32(1.02)}, answered=True)
    judged = tier_trials.judge("far", golden(tmp_path), Tier.FLOAT16, (run, run))
    assert judged.reached is Tier.BFLOAT16 and not judged.as_expected


def test_a_planted_fault_is_hidden_in_a_tier_only_where_its_stage_is_within_the_noise(tmp_path: Path) -> None:
    def of_flow(factor: float, tier: Tier) -> str | None:
        judged = rated(tmp_path / f"{factor}-{tier}", tensors() | {FLOW: tensors()[FLOW] * np.float32(factor)}, tier)
        return trial.hidden([stage for stage in judged.stages if stage.stage.name == "flow"], tier)

    assert of_flow(1.02, Tier.FLOAT16) is None
    sentence = of_flow(1.02, Tier.BFLOAT16)
    assert sentence is not None
    assert sentence.startswith("seg0.flow.z (isolated, relative_rms) is 0.02 away, and the originals in bfloat16 are ")
    assert of_flow(1.0, Tier.BFLOAT16) == "its stage is equal to the golden or was not compared"
    assert of_flow(1.00000001, Tier.FLOAT32) is None  # where no fault is hidden, one that passes is a survivor


def test_hidden_faults_are_listed_and_visible_ones_have_to_be_blamed() -> None:
    def outcome(name: str, blamed: bool, hidden: str | None = None) -> trial.Outcome:
        return trial.Outcome(
            name, "flow", "small", blamed, blamed, ["flow"] * blamed, "unknown", False, False, 2.0, hidden=hidden
        )

    outcomes = [outcome("caught", True), outcome("below", False, "flow.z is 0.01 away"), outcome("missed", False)]
    counts = summary.summarize(outcomes) | {"untried": []}
    assert counts["hidden"] == {"below": "flow.z is 0.01 away"} and counts["survivors"] == ["missed"]
    assert summary.missed_in_tier(counts) == [
        "1 of 2 visible mutants are killed, expected all",
        "1 of 2 visible mutants are blamed, expected all",
    ]
    assert summary.missed_in_tier(summary.summarize(outcomes[:2]) | {"untried": []}) == []
    (line,) = (line for line in summary.matrix(outcomes).splitlines() if line.startswith("below"))
    assert line.split() == ["below", "flow", "2", "hidden", "nobody", "flow.z", "is", "0.01", "away"]
