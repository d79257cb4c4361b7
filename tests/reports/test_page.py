"""The data of a page against the verdict and the tensors it was made from."""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from parity import stages
from parity.goldens import store, time_axes
from parity.goldens.time_axes import TimeAxis
from reports.data import cells, formatting, load, measure, pack, timeline
from reports.pages import assembly
from reports.pages import case as page
from reports.panels import heat_strip, pitch_and_retrieval, players


@pytest.fixture(scope="module")
def cases(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in document["cases"]}


def unpacked(built: dict[str, Any]) -> dict[str, Any]:
    """The page's data with its arrays put back, as the script does it."""
    block = zlib.decompress(base64.b64decode(built["numbers"]))

    def put_back(node: Any) -> Any:
        if isinstance(node, dict) and "array" in node:
            kind, offset, count = node["array"]
            return np.frombuffer(block, pack.KINDS[kind], count, offset)
        if isinstance(node, dict):
            return {key: put_back(value) for key, value in node.items()}
        return [put_back(item) for item in node] if isinstance(node, list) else node

    return put_back(json.loads(built["data_json"]))


def test_time_of_every_tensor_is_the_judges(folder: Path) -> None:
    case = store.open_case(folder.parent / "goldens" / "tone-right")
    for name in case:
        assert timeline.start(name, case.meta, case) == time_axes.axis(name, case.meta, case).start, name


def test_later_segments_begin_at_their_floored_cut() -> None:
    golden = {"segment.cuts": np.array([16000 * 3 + 77])}
    meta = {"options": {"window": [2.0, 6, 38, 41]}}
    assert timeline.start("seg1.flow.z", meta, golden) == 3.0 - 2.0
    assert timeline.start("seg1.waveform.segment", meta, golden) == 3.0


def test_strip_reaches_exactly_what_the_judge_measured(
    folder: Path, document: dict[str, Any], cases: dict[str, Any]
) -> None:
    """The highest frame of a row, times its limit, is the judge's worst frame."""
    case = cases["tone-linear"]
    data = unpacked(page.build(case, document, load.evidence(case, folder)))
    checked = 0
    for row in data["rows"]:
        for mode, found in row["modes"].items():
            own = [
                cell for _, cell in cells.of_case(case) if stages.TensorName.parse(cell["tensor"]).local == row["name"]
            ]
            frame = [cell for cell in own if cell["mode"] == mode and cell["metric"] == "worst_frame"]
            mean = [cell for cell in own if cell["mode"] == mode and cell["metric"] == "relative_rms"]
            if not found or not found["pieces"] or not frame:
                continue
            highest = max(piece["values"].max() for piece in found["pieces"])
            worst, of_mean = frame[0]["value"] / frame[0]["limit"], frame[0]["value"] / mean[0]["limit"]
            expected = max(worst, of_mean if mean[0]["state"] == "differs" else min(of_mean, 1))
            assert highest == pytest.approx(expected, rel=1e-5), (row["name"], mode)
            assert (highest > 1) == (found["mark"] == "bad"), (row["name"], mode)
            checked += 1
    assert checked > 30


def test_every_state_comes_from_the_verdict(folder: Path, document: dict[str, Any], cases: dict[str, Any]) -> None:
    for name, case in cases.items():
        data = unpacked(page.build(case, document, load.evidence(case, folder)))
        for row in data["rows"]:
            for mode, found in row["modes"].items():
                states = {
                    cell["state"]
                    for _, cell in cells.of_case(case)
                    if stages.TensorName.parse(cell["tensor"]).local == row["name"] and cell["mode"] == mode
                }
                if found is None:
                    assert states == {"not tested"}, (name, row["name"], mode)
                else:
                    assert found["state"] in states
                    assert (found["mark"] == "bad") == ("differs" in states)


def test_sounds_are_the_tensors(folder: Path, cases: dict[str, Any]) -> None:
    evidence = load.evidence(cases["tone-linear"], folder)
    heard = players.collect(evidence)
    assert heard is not None
    files = players.flacs(heard)
    decoded, rate = soundfile.read(io.BytesIO(base64.b64decode(files["ours"])), dtype="int16")
    assert rate == 40000
    assert np.array_equal(decoded, evidence.chained["waveform.final"])
    raised, _ = soundfile.read(io.BytesIO(base64.b64decode(files["difference"])))
    assert np.abs(raised).max() == pytest.approx(32767 / 32768)
    scale = players.describe(heard)["differenceScale"]
    assert np.abs(raised / scale - heard.difference).max() <= heard.peak / 32767


def test_a_trimmed_tail_is_heard_as_a_difference(folder: Path, cases: dict[str, Any]) -> None:
    whole = load.evidence(cases["tone-right"], folder)
    short = {name: value[:-4000] if name.startswith("waveform.") else value for name, value in whole.chained.items()}
    heard = players.collect(load.Evidence(whole.golden, {}, short, whole.meta))
    assert heard is not None
    assert len(heard.difference) == len(heard.original) == len(heard.ours) + 4000
    assert np.array_equal(heard.difference[-4000:], -whole.golden["waveform.final"][-4000:] / 32768)


def test_pitch_and_neighbours_are_the_tensors(folder: Path, cases: dict[str, Any]) -> None:
    evidence = load.evidence(cases["tone-octave"], folder)
    numbers = page.Keeping()
    pitch, pieces = pitch_and_retrieval.pitch(evidence, numbers), pitch_and_retrieval.retrieval(evidence, numbers)
    assert pitch is not None
    assert pieces is not None
    assert np.array_equal(numbers.of(pitch["ours"]), evidence.chained["f0.raw"])
    assert np.array_equal(numbers.of(pieces[0]["ids"]["original"]), evidence.golden["seg0.retrieval.ids"])
    assert pieces[0]["start"] == -1.0


def test_nan_of_ours_is_shown_not_hidden() -> None:
    golden = np.ones((1, 4, 50), np.float32)
    ours = golden.copy()
    ours[0, 2, 7] = np.nan
    values, step = measure.over_time("seg0.flow.z", golden, ours, TimeAxis(0.01))
    assert step == 0.01
    assert np.flatnonzero(np.isnan(values)).tolist() == [7]


def test_lengths_that_differ_are_laid_over_each_other() -> None:
    golden = np.ones((1, 4, 50), np.float32)
    both = measure.common("seg0.flow.z", golden, golden[..., :-3])
    assert both is not None
    assert both[0].shape == (1, 4, 47)
    assert measure.common("seg0.flow.z", golden, golden[:, :3]) is None


def test_histogram_counts_every_element() -> None:
    golden = np.full((1, 4, 50), 2.0, np.float32)
    ours = golden.copy()
    ours[0, 0, :10] += np.float32(2e-3)
    found = measure.histogram("seg0.flow.z", golden, ours, 1e-5)
    assert found is not None
    assert (found["zero"], found["total"], sum(found["counts"])) == (190, 200, 10)
    bin_ = found["counts"].index(10)
    assert found["low"] + bin_ * found["step"] <= -3 <= found["low"] + (bin_ + 1) * found["step"]
    assert found["limit"] == pytest.approx(-5)


def test_missing_traces_are_said_not_hidden(tmp_path: Path, folder: Path, document: dict[str, Any]) -> None:
    case = dict(document["cases"][0]) | {"traces": {"isolated": None, "chained": "nowhere.safetensors"}}
    evidence = load.evidence(case, tmp_path)
    built = page.build(case, document, evidence)
    assert "there is no file" in " ".join(evidence.gaps)
    text = assembly.case_page(built)
    assert "Missing from this page" in text
    assert "No sound to play" in text


def test_row_without_a_golden_still_has_its_verdict(document: dict[str, Any]) -> None:
    case = document["cases"][0]
    empty = load.Evidence({}, {}, {}, {"options": {}, "voice": {}}, ("no golden",))
    found = heat_strip.build(case, document["limits"], empty, pack.Numbers())
    assert {row["modes"]["chained"]["ratio"] is not None for row in found} == {True}
    assert all(row["modes"]["chained"]["pieces"] == [] for row in found)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (None, "beyond any limit"),
        (float("inf"), "different where nothing may differ"),
        (1.53, "1.5 times its limit"),
        (25412.0, "25 000 times its limit"),
        (3e9, "3e9 times its limit"),
    ],
)
def test_how_bad_in_words(ratio: float | None, said: str) -> None:
    assert formatting.spoken(ratio) == said


def test_sentences_stand_in_a_row() -> None:
    assert formatting.sentence("no simple change") == "No simple change."
    assert formatting.sentence("f0.hz differs: 3 Hz") == "f0.hz differs: 3 Hz."
    assert formatting.sentence("") == ""


def live(blocks: int = 3) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Meta, golden and trace of a stream whose last block differs."""
    noise = np.random.default_rng(0)
    meta = {
        "options": {"realtime": {"rate": 48000, "block_time": 0.2}},
        "voice": {"rate": 40000},
        "blocks": blocks,
        "segments": 0,
    }
    golden: dict[str, np.ndarray] = {}
    for n in range(blocks):
        golden[f"rt.{n}.f0.hz"] = np.full((1, 60), 100.0 + n, np.float32)
        golden[f"rt.{n}.flow.z"] = noise.standard_normal((1, 4, 60)).astype("f4")
        golden[f"rt.{n}.out"] = (0.1 * noise.standard_normal(9600)).astype("f4")
    ours = {name: value * (1.5 if name.startswith(f"rt.{blocks - 1}.") else 1) for name, value in golden.items()}
    return meta, golden, {name: value.astype("f4") for name, value in ours.items()}


def test_a_stream_lies_block_after_block() -> None:
    meta, golden, ours = live()
    evidence = load.Evidence(golden, {}, ours, meta)
    heard, numbers = players.collect(evidence), page.Keeping()
    assert heard is not None
    assert (len(heard.ours), heard.rate, heard.heard) == (3 * 9600, 48000, "rt.*.out")
    assert np.abs(heard.difference[: 2 * 9600]).max() == 0 < heard.peak
    pitch = pitch_and_retrieval.pitch(evidence, numbers)
    assert pitch is not None
    assert pitch["count"] == 60
    assert np.unique(numbers.of(pitch["original"])).tolist() == [100.0, 101.0, 102.0]
    assert timeline.start("rt.2.flow.z", meta, golden) == pytest.approx(0.4)
    assert timeline.span(meta, golden, 0.0) == pytest.approx((0.0, 0.6))


def test_a_block_has_one_colour_and_a_door_at_its_time() -> None:
    meta, golden, ours = live()
    cell = {
        "mode": "chained",
        "metric": "worst_frame",
        "state": "differs",
        "value": 1.0,
        "limit": 1e-4,
        "times_limit": 1e4,
    }
    stage = {"blame": "origin", "cells": [cell | {"tensor": f"rt.{n}.flow.z", "sentence": None} for n in range(3)]}
    numbers = page.Keeping()
    (row,) = heat_strip.build({"stages": [stage]}, [], load.Evidence(golden, {}, ours, meta), numbers)
    pieces = row["modes"]["chained"]["pieces"]
    assert [(round(piece["start"], 3), piece["step"], piece["count"]) for piece in pieces] == [
        (0.0, 0.2, 1),
        (0.2, 0.2, 1),
        (0.4, 0.2, 1),
    ]
    assert [float(numbers.of(piece["values"])[0]) > 1 for piece in pieces] == [False, False, True]
    assert cells.moment({"options": meta["options"]}, "rt.2.flow.z", 0.01) == pytest.approx(0.4)
