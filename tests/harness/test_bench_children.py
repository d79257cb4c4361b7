"""Measured processes, continued and merged results, and their tables and charts."""

import json
import sys

import pytest

from bench.__main__ import parser
from bench.judge import goals
from bench.measure import child, unit
from bench.publish import plot, provenance, results, table
from bench.sections import memory_growth
from bench.sections.plan import SECTIONS, Plan

ECHO = "import sys, json; print(json.dumps({'up': 1}), flush=True)\nfor line in sys.stdin: print(json.dumps({'ms': [float(line)]}), flush=True)"  # noqa: E501


def side(seconds, **more):
    value = {"low": seconds, "middle": seconds, "high": seconds, "confidence": 0.5}
    stages = {"f0": value, "features": value, "synthesizer": value}
    return {"seconds": {**value, "middle": 4 * seconds}, "peak_mib": value, "stages": stages, **more}


def offline():
    faster = {"low": 3.9, "middle": 4.0, "high": 4.1, "confidence": 0.5}
    row = {"precision": "float32", "faster": faster, "exact": True, "why": "the bytes of the traced run"}
    return {
        "kind": "v2-40k-f0",
        "seconds_of_audio": 30.0,
        "original": {"name": "rvc-python", **side(8.0)},
        "noise": 0.02,
        "ours": [side(2.0, **row)],
    }


def growth(who):
    return {
        "who": who,
        "points": [
            [10.0, [500.0, 502.0], [5.0, 5.1]],
            [30.0, [510.0], [14.0]],
            [60.0, [512.0], [28.0]],
            [120.0, [515.0], [55.0]],
        ],
    }


@pytest.fixture
def result():
    sections = {"offline": offline(), "growth-ours": growth("ours"), "growth-original": growth("rvc-python")}
    machine = {"processor": "a test", "threads": 2, "torch": "2", "unit_ms": 10.0, "unit_gflops": 300.0}
    return {
        "format": "rvc-bench/1",
        "measured": "2026-11-22T10:00:00",
        "commit": "abc",
        "machine": machine,
        "original": "rvc-python",
        "quick": False,
        "sections": sections,
        "unit_ms": {},
        "not_measured": {"live": "no checkout"},
    }


def test_cost_and_report_of_a_process():
    done = child.run([sys.executable, "-c", "x = b'x' * 2**26; print('text'); print('{\"seconds\": {\"f0\": 1.5}}')"])
    assert done.report["seconds"]["f0"] == 1.5
    assert done.peak_mib > 64
    assert 0 < done.cpu_seconds <= 2 * done.seconds + 1


def test_memory_of_the_benchmark_is_not_counted():
    held = b"x" * 2**28
    assert child.run([sys.executable, "-c", "pass"]).peak_mib < len(held) / 2**20


def test_a_failing_process_raises_with_its_stderr():
    with pytest.raises(child.ChildFailed, match=r"exit code 3: .*it was I"):
        child.run([sys.executable, "-c", "import sys; print('it was I', file=sys.stderr); sys.exit(3)"])


def test_server_answers_each_line_and_has_a_peak():
    with child.Server([sys.executable, "-c", ECHO]) as server:
        assert server.ready == {"up": 1}
        assert [server.request(i)["ms"] for i in (1, 2)] == [[1.0], [2.0]]
    assert server.peak_mib > 1


def test_server_that_ends_raises_with_its_stderr():
    with pytest.raises(child.ChildFailed, match="no such voice"):
        child.Server([sys.executable, "-c", "import sys; sys.exit('no such voice')"])
    with child.Server([sys.executable, "-c", ECHO]) as server, pytest.raises(child.ChildFailed, match="could not"):
        server.request("nonsense")


def test_resident_memory_of_a_finished_process_is_unknown():
    now = child.resident_mib()
    assert now is None or now > 10
    assert child.resident_mib(2**22 + 1) is None


def test_bfloat16_is_left_out_where_it_is_emulated(monkeypatch):
    monkeypatch.setattr(unit, "facts", lambda: {"flags": "avx2 avx512f"})
    assert Plan.of(parser().parse_args([])).precisions == ["float32", "int8"]
    monkeypatch.setattr(unit, "facts", lambda: {"flags": "avx512f avx512_bf16"})
    assert Plan.of(parser().parse_args([])).fastest == "bfloat16"


def test_a_checkout_selects_the_webui(tmp_path):
    plan = Plan.of(parser().parse_args(["--checkout", str(tmp_path), "--quick"]))
    assert (plan.original, plan.checkout) == ("webui-2026", tmp_path)
    assert plan.seconds < Plan.of(parser().parse_args([])).seconds


def test_memory_of_the_original_is_measured_up_to_two_minutes(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(memory_growth, "measure", lambda who, lengths, *rest: calls.append((who, max(lengths))) or {})
    for name in ("growth-ours", "growth-original"):
        SECTIONS[name](Plan.of(parser().parse_args([])), tmp_path)
    assert calls == [("ours, float32", 600.0), ("rvc-python", 120.0)]


def test_a_result_is_continued_on_the_same_machine_and_commit_only(tmp_path):
    options, path = parser().parse_args([]), tmp_path / "result.json"
    first = provenance.resume(path, options)
    first["sections"]["load"] = {"seen": 1}
    path.write_text(json.dumps(first))
    assert provenance.resume(path, options)["sections"] == {"load": {"seen": 1}}
    path.write_text(json.dumps({**first, "commit": "another"}))
    assert provenance.resume(path, options)["sections"] == {}
    path.write_text("{")
    assert provenance.resume(path, options)["sections"] == {}


def test_charts_and_tables_of_a_result(result, tmp_path):
    assert [path.name for path in plot.draw(result["sections"], tmp_path)] == ["growth.svg", "stages.svg"]
    for path in tmp_path.iterdir():
        assert "rvc-python" in path.read_text() or "<svg" in path.read_text()
    judged = goals.judge_all(result["sections"])
    assert [one.outcome for one in judged] == ["pass", "pass", "pass", "pass"]
    text = table.document(result, judged)
    for part in ("a test, 2 threads", "≥ 3.5 ×", "real-time factor", "live: not measured: no checkout", "120"):
        assert part in text


def test_speed_of_wrong_output_is_not_counted(result):
    result["sections"]["offline"]["ours"][0] |= {"exact": False, "why": "other bytes"}
    assert [one.outcome for one in goals.judge_all(result["sections"])][:2] == ["not counted", "not counted"]


def test_name_of_a_result_has_day_and_original(result):
    assert results.name_of(result) == "2026-11-22_rvc-python_30s"


def test_merged_result_has_each_section_from_the_later_run(result):
    older = json.loads(json.dumps(result)) | {"commit": "0ld", "not_measured": {"offline": "too late"}}
    older["sections"]["more"] = {"of": "the older run"}
    newer = json.loads(json.dumps(result))
    merged = results.merge([older, newer])
    assert merged["sections"] == newer["sections"] | {"more": {"of": "the older run"}}
    assert merged["commit"] == newer["commit"] and merged["earlier"][0]["commit"] == "0ld"
    assert merged["earlier"][0]["sections"] == ["more"] and "more: commit 0ld" in table.head(merged)
    assert "offline" not in merged["not_measured"]  # the later run measured it
    with pytest.raises(ValueError, match="a result has threads 9"):
        results.merge([older | {"machine": older["machine"] | {"threads": 9}}, newer])


def test_tables_are_written_between_the_marks_of_a_document():
    text = "a\n<!-- bench: live -->\nold\n<!-- /bench -->\nand\n<!-- bench: goals -->\n<!-- /bench -->\nz\n"
    filled = results.fill(text, {"live": "| new |", "goals": "| figures |"})
    assert filled == text.replace("old", "| new |").replace("goals -->\n", "goals -->\n| figures |\n")
    with pytest.raises(KeyError):
        results.fill(text, {"live": ""})


def test_every_mark_of_the_document_has_a_table():
    marks = {mark[2] for mark in results.MARKED.finditer(results.DOCUMENT.read_text(encoding="utf-8"))}
    assert marks == {"goals", *results.SECTIONS_OF_MARK}
    assert {name for names in results.SECTIONS_OF_MARK.values() for name in names} == set(SECTIONS) - {"parity"}
