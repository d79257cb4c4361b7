"""The benchmark on a busy machine, and under caps on instructions: decided by fakes, without a conversion."""

import json
import os
import sys

import pytest

from bench.judge import goals
from bench.judge.goals import JudgedMeasurement
from bench.judge.intervals import Measurement, interval, interval_document
from bench.measure import child, other_load, unit
from bench.publish import table
from bench.sections import backend_choice, conversions, generators, instruction_caps, realtime_blocks
from bench.sections.conversions import TimedRun


def section(ours, original, load):
    """The section of two runs of rvc between runs of the original, each with its seconds and processor seconds."""
    run, other = (
        TimedRun("float32", ours, 1.0, {}, 2 * ours, load),
        TimedRun("original", original, 1.0, {}, original, 0),
    )
    exactness = {"float32": {"exact": True, "why": "the bytes of the traced run"}}
    part = conversions.summary([[other, run, other, run, other]], "webui-2026", exactness)
    return {"kind": "v2-40k-f0", "seconds_of_audio": 8.0, **part}


@pytest.mark.parametrize(("ours", "outcome"), [(1.0, "pass"), (4.0, "fail")])
def test_a_planted_load_makes_a_verdict_inconclusive(ours, outcome):
    quiet, busy = (goals.conversions(section(ours, 8.0, load))[0] for load in (0.02, 0.5))
    assert (quiet.outcome, busy.outcome) == (outcome, "inconclusive")
    assert quiet.document()["why"] == "the bytes of the traced run; by wall time"
    assert busy.document()["why"] == (
        "the bytes of the traced run; by wall time; other programs used 50% of the processors"
    )


def test_wrong_output_is_not_counted_whatever_the_load():
    judged = JudgedMeasurement(Measurement("x", interval([1.0]), "×", 2.0), exact=False, other_load=0.9)
    assert judged.outcome == "not counted"


def test_processor_seconds_stand_beside_wall_time():
    part = section(2.0, 8.0, 0.0)
    assert (part["ours"][0]["faster"]["middle"], part["ours"][0]["faster_cpu"]["middle"]) == (4.0, 2.0)
    text = table.conversions(part)
    assert "| times fewer processor seconds | 1" in text
    assert "Other programs used up to 0% of the processors." in text


def test_results_without_processor_seconds_can_still_be_read():
    runs = [TimedRun(who, 1.0, 1.0) for who in ("original", "float32", "original")]
    part = conversions.summary([runs], "webui-2026", {"float32": {"exact": True, "why": ""}})
    assert "faster_cpu" not in part["ours"][0]
    assert "times fewer" not in table.conversions({"kind": "x", "seconds_of_audio": 1.0, **part})


def test_the_share_of_other_programs():
    cores = os.cpu_count() or 1
    assert other_load.share(10.0, 10.0 + 4.0 * cores, 2.0 * cores, 4.0) == pytest.approx(0.5)
    assert other_load.share(10.0, 11.0, 5.0, 4.0) == 0.0
    assert other_load.share(None, None, 5.0, 4.0) == 0.0


@pytest.mark.skipif(not other_load.STAT.exists(), reason="no /proc/stat")
def test_the_processor_seconds_of_this_process_are_known():
    spent = sum(os.times()[:2])
    assert child.processor_seconds(os.getpid()) == pytest.approx(spent, abs=0.1)
    assert other_load.busy_seconds() > spent / 2


def test_each_set_of_the_processor_is_measured_with_its_tiers(monkeypatch):
    monkeypatch.setattr(unit, "facts", lambda: {"flags": "fma avx2 avx512f avx512bw avx512_vnni"})
    asked = []

    def offline(variables, precisions):
        asked.append((variables["ONEDNN_MAX_CPU_ISA"], precisions))
        return section(2.0, 8.0, 0.0)

    result = instruction_caps.measure(["float32", "bfloat16", "int8"], offline, None)
    assert asked == [("AVX2", ["float32"]), ("AVX512_CORE", ["float32"]), ("AVX512_CORE_VNNI", ["float32", "int8"])]
    assert result["missing"] == {"AVX-512 with bfloat16": "not measured: this processor lacks avx512_bf16"}
    assert json.loads(json.dumps(result))["sets"]["AVX2"]["variables"]["RVC_TILES"] == "0"
    judged = {one.measurement.what: one.outcome for one in goals.caps(result)}
    assert judged == {f"{name}, float32": "pass" for name in result["sets"]}
    rows = table.caps(result).splitlines()
    assert len(rows) == 2 + 3 + 1 and "not measured: this processor lacks avx512_bf16" in rows[-1]


def test_a_live_block_under_a_cap_has_its_own_goal():
    row = {"exact": True, "why": "the bytes of the traced run"}
    live = {"faster": {"float32": interval_document([1.7, 1.8]), "noise": 0.0}, "rows": {"float32": row}}
    part = {"offline": section(2.0, 8.0, 0.0), "live": live}
    judged = goals.caps({"sets": {"AVX2": part}, "missing": {}})
    assert [(one.measurement.what, one.measurement.budget, one.outcome) for one in judged] == [
        ("AVX2, float32", 3.5, "pass"),
        ("AVX2, a live block", 1.6, "pass"),
    ]


CHOICES = {"measured": 8.0, "fixed": 10.0, "torch": 12.0}


def choice_part(seconds, load=0.0):
    """The part of one precision in the section choice: three rounds with the same seconds by choice."""
    runs = [conversions.TimedRun(name, value, 400.0, {}, 2 * value, load) for name, value in seconds.items()]
    return backend_choice.summary([runs] * 3, {name: {"exact": True, "why": ""} for name in seconds})


@pytest.mark.parametrize(
    ("measured", "load", "outcome"), [(8.0, 0.0, "pass"), (11.0, 0.0, "fail"), (11.0, 0.3, "inconclusive")]
)
def test_a_calibrated_choice_that_is_slower_than_a_pinned_one_misses_its_goal(measured, load, outcome):
    part = choice_part({**CHOICES, "measured": measured}, load)
    assert part["best"] == "fixed"
    section = {"precisions": {"float32": part}, "missing": {"int8": "refused: slow"}, "calibration_seconds": 20.0}
    (judged,) = goals.choice(section)
    assert (judged.measurement.what, judged.outcome) == ("calibrated beside fixed, float32", outcome)
    assert judged.measurement.value.middle == pytest.approx(measured / 10.0)
    assert "| calibrated " in table.choice(section) and "refused: slow" in table.choice(section)


def test_a_pinned_choice_whose_output_is_wrong_is_not_the_best_one():
    runs = [conversions.TimedRun(name, value, 400.0, {}, value) for name, value in CHOICES.items()]
    exact = {name: {"exact": name != "fixed", "why": ""} for name in CHOICES}
    assert backend_choice.summary([runs], exact)["best"] == "torch"


def test_the_backends_to_pin_are_those_that_the_calibration_measured_in_the_precision():
    rows = {"residual block float32 cpu 128x3": ("fast-2", "torch"), "residual block int8 cpu 128x3": ("int8",)}
    report = {"backends": {"rows": {name: {"seconds": dict.fromkeys(names, 1.0)} for name, names in rows.items()}}}
    assert backend_choice.backends(report, "float32") == ["fast-2", "torch"]
    assert backend_choice.backends(report, "int8") == ["int8"]


def live_section(block_ms, load):
    """The section live of two turns: the original's block takes 400 ms, and each side computes on two processors."""
    wall = {"float32": [[block_ms] * 3] * 2, "original": [[400.0] * 3] * 2}
    cpu = {"float32": [[2 * block_ms]] * 2, "original": [[400.0]] * 2}
    exactness = {"exact": True, "why": "the bytes of the traced run"}
    rows = {
        name: realtime_blocks.row(wall[name]) | realtime_blocks.row_of_processor(cpu[name]) | exactness for name in wall
    }
    ready = {"algorithmic_latency_seconds": 0.31, "block_seconds": 0.25}
    ratios = {"faster": realtime_blocks.faster(wall), "faster_cpu": realtime_blocks.faster(cpu)}
    return {"ready": ready, "rows": rows, **ratios, "other_load": load}


def rival_section(seconds, load):
    """The section rivals of two rounds: the other program takes 3 s on one processor."""
    wall = {"ours-float32": [seconds] * 2, "torch": [3.0] * 2}
    cpu = {"ours-float32": [2 * seconds] * 2, "torch": [3.0] * 2}
    rows = {
        name: {"seconds": interval_document(wall[name]), "cpu_seconds": interval_document(cpu[name])}
        | {"peak_mib": 1.0, "snr_db": 110.0}
        for name in wall
    }
    ratios = {"faster": generators.faster(wall), "faster_cpu": generators.faster(cpu)}
    whole = {"seconds_of_audio": 8.0, "rows": rows, "missing": {}, "exact": {"float32": 60.0}}
    return {**whole, **ratios, "other_load": load}


@pytest.mark.parametrize(("block_ms", "outcomes"), [(200.0, ["pass", "pass"]), (300.0, ["fail", "fail"])])
def test_a_planted_load_makes_verdicts_on_live_blocks_inconclusive(block_ms, outcomes):
    quiet, busy = (goals.realtime(live_section(block_ms, load)) for load in (0.02, 0.5))
    assert [one.outcome for one in quiet] == outcomes
    assert [one.outcome for one in busy] == ["inconclusive"] * 2
    assert busy[0].reason().endswith("by wall time; other programs used 50% of the processors")


@pytest.mark.parametrize(("seconds", "outcome"), [(1.0, "pass"), (4.0, "fail")])
def test_a_planted_load_makes_verdicts_on_generators_inconclusive(seconds, outcome):
    quiet, busy = (goals.generators(rival_section(seconds, load))[0] for load in (0.02, 0.5))
    assert (quiet.outcome, busy.outcome) == (outcome, "inconclusive")
    assert quiet.reason() == "110.0 dB from the float32 graph (≥ 60); by wall time"


def test_processor_seconds_of_blocks_and_generators_stand_beside_wall_time():
    live, rival = live_section(200.0, 0.0), rival_section(1.0, 0.0)
    assert (live["faster"]["float32"]["middle"], live["faster_cpu"]["float32"]["middle"]) == (2.0, 1.0)
    assert live["rows"]["float32"]["cpu_ms"]["middle"] == 400.0
    assert rival["faster_cpu"]["float32"]["torch"]["middle"] == 1.5
    for text in (table.realtime(live), table.generators(rival)):
        assert "processor" in text.splitlines()[0]
        assert text.endswith("Other programs used up to 0% of the processors.")
    older = {key: value for key, value in live.items() if key not in ("faster_cpu", "other_load")}
    assert "Other programs" not in table.realtime(older)


def test_a_system_that_reports_no_processor_time_gives_no_ratio_of_it():
    none = {"float32": [[0.0]], "original": [[0.0]]}
    assert (realtime_blocks.faster(none), realtime_blocks.row_of_processor([[0.0]])) == ({}, {})
    assert generators.faster({"ours-float32": [0.0], "torch": [0.0]}) == {}


def test_a_server_counts_the_processor_seconds_of_each_request():
    program = "import sys, time\nprint('{}', flush=True)\nfor line in sys.stdin:\n"
    program += " end = time.process_time() + float(line)\n while time.process_time() < end: pass\n"
    program += " print('{}', flush=True)"
    with child.Server([sys.executable, "-c", program]) as server:
        for seconds in (0.3, 0.0):
            server.request(seconds)
            assert server.cpu_seconds == pytest.approx(seconds, abs=0.1)


def test_the_caps_reach_both_programs(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(conversions.child, "run", lambda command, *, threads, variables: seen.append(variables) or DONE)
    monkeypatch.setattr(conversions.same_output, "judge", lambda *rest: {"float32": EXACT})
    caps = instruction_caps.SETS[0].variables()
    workload = conversions.Workload(tmp_path / "in.wav", 1.0, variables=caps)
    monkeypatch.setattr(conversions.Workload, "rvc_command", lambda *rest, **named: ["rvc"])
    monkeypatch.setattr(conversions.Workload, "original_command", lambda *rest: ["original"])
    conversions.measure(workload, ["float32"], 1, "webui-2026", None, tmp_path)
    assert seen == [caps] * 3


DONE = child.FinishedProcess(1.0, 2.0, 100.0, {"seconds": {}}, 0.0)
EXACT = conversions.same_output.Exactness(True, "the bytes of the traced run")
