"""The data of a page compared with the verdict and the tensors that it is made from."""

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
from parity.output import faults
from reports.data import cells, formatting, load, measure, pack, timeline
from reports.data.pack import ArrayBlock
from reports.pages import assembly, headline, index
from reports.pages import case as case_page
from reports.pages.case import CasePage
from reports.panels import heat_strip, pitch_and_retrieval, waveforms


@pytest.fixture(scope="module")
def cases(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in document["cases"]}


def unpacked(page: CasePage) -> dict[str, Any]:
    """The page's data with its arrays resolved, as state.js does."""
    block = zlib.decompress(base64.b64decode(page.arrays))

    def resolve(node: Any) -> Any:
        if isinstance(node, dict) and "array" in node:
            dtype, offset, count = node["array"]
            return np.frombuffer(block, pack.DTYPES[dtype], count, offset)
        if isinstance(node, dict):
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    return resolve(json.loads(page.data_json))


def test_time_of_every_tensor_equals_the_judges(folder: Path) -> None:
    case = store.open_case(folder.parent / "goldens" / "tone-right")
    for name in case:
        assert timeline.start(name, case.meta, case) == time_axes.axis(name, case.meta, case).start, name


def test_later_segments_begin_at_their_cut_rounded_down_to_a_frame() -> None:
    golden = {"segment.cuts": np.array([16000 * 3 + 77])}
    meta = {"options": {"window": [2.0, 6, 38, 41]}}
    assert timeline.start("seg1.flow.z", meta, golden) == 3.0 - 2.0
    assert timeline.start("seg1.waveform.segment", meta, golden) == 3.0


def test_maximum_of_the_strip_equals_the_judges_worst_frame(
    folder: Path, document: dict[str, Any], cases: dict[str, Any]
) -> None:
    """The greatest multiple of a row, times the limit, is the value of the judge's worst frame."""
    case = cases["tone-linear"]
    data = unpacked(case_page.build(case, document, load.evidence(case, folder)))
    checked = 0
    for row in data["rows"]:
        for mode, line in row["modes"].items():
            own = [
                cell for _, cell in cells.of_case(case) if stages.TensorName.parse(cell["tensor"]).local == row["name"]
            ]
            frame = [cell for cell in own if cell["mode"] == mode and cell["metric"] == "worst_frame"]
            mean = [cell for cell in own if cell["mode"] == mode and cell["metric"] == "relative_rms"]
            if not line or not line["pieces"] or not frame:
                continue
            highest = max(piece["values"].max() for piece in line["pieces"])
            worst, of_mean = frame[0]["value"] / frame[0]["limit"], frame[0]["value"] / mean[0]["limit"]
            expected = max(worst, of_mean if mean[0]["state"] == "differs" else min(of_mean, 1))
            assert highest == pytest.approx(expected, rel=1e-5), (row["name"], mode)
            assert (highest > 1) == (line["mark"] == "bad"), (row["name"], mode)
            checked += 1
    assert checked > 30


def test_every_state_comes_from_the_verdict(folder: Path, document: dict[str, Any], cases: dict[str, Any]) -> None:
    for name, case in cases.items():
        data = unpacked(case_page.build(case, document, load.evidence(case, folder)))
        for row in data["rows"]:
            for mode, line in row["modes"].items():
                states = {
                    cell["state"]
                    for _, cell in cells.of_case(case)
                    if stages.TensorName.parse(cell["tensor"]).local == row["name"] and cell["mode"] == mode
                }
                if line is None:
                    assert states == {"not tested"}, (name, row["name"], mode)
                else:
                    assert line["state"] in states
                    assert (line["mark"] == "bad") == ("differs" in states)


def test_audio_equals_the_tensors(folder: Path, cases: dict[str, Any]) -> None:
    evidence = load.evidence(cases["tone-linear"], folder)
    audio = waveforms.collect(evidence)
    assert audio is not None
    files = waveforms.flacs(audio)
    decoded, rate = soundfile.read(io.BytesIO(base64.b64decode(files["candidate"])), dtype="int16")
    assert rate == 40000
    assert np.array_equal(decoded, evidence.chained["waveform.final"])
    raised, _ = soundfile.read(io.BytesIO(base64.b64decode(files["difference"])))
    assert np.abs(raised).max() == pytest.approx(32767 / 32768)
    scale = waveforms.describe(audio)["differenceScale"]
    assert np.abs(raised / scale - audio.difference).max() <= audio.peak / 32767


def test_missing_tail_is_part_of_the_difference(folder: Path, cases: dict[str, Any]) -> None:
    complete = load.evidence(cases["tone-right"], folder)
    short = {name: value[:-4000] if name.startswith("waveform.") else value for name, value in complete.chained.items()}
    audio = waveforms.collect(load.Evidence(complete.golden, {}, short, complete.meta))
    assert audio is not None
    assert len(audio.difference) == len(audio.original) == len(audio.candidate) + 4000
    assert np.array_equal(audio.difference[-4000:], -complete.golden["waveform.final"][-4000:] / 32768)


def test_pitch_and_neighbors_equal_the_tensors(folder: Path, cases: dict[str, Any]) -> None:
    evidence = load.evidence(cases["tone-octave"], folder)
    arrays = ArrayBlock()
    pitch, pieces = pitch_and_retrieval.pitch(evidence, arrays), pitch_and_retrieval.retrieval(evidence, arrays)
    assert pitch is not None
    assert pieces is not None
    assert np.array_equal(arrays.array(pitch.candidate), evidence.chained["f0.raw"])
    assert np.array_equal(arrays.array(pieces[0].ids["original"]), evidence.golden["seg0.retrieval.ids"])
    assert pieces[0].start == -1.0


def test_nan_of_the_candidate_stays_nan() -> None:
    golden = np.ones((1, 4, 50), np.float32)
    candidate = golden.copy()
    candidate[0, 2, 7] = np.nan
    values, step = measure.error_over_time("seg0.flow.z", golden, candidate, TimeAxis(0.01))
    assert step == 0.01
    assert np.flatnonzero(np.isnan(values)).tolist() == [7]


def test_arrays_of_different_lengths_are_cut_to_the_shorter() -> None:
    golden = np.ones((1, 4, 50), np.float32)
    both = measure.overlap("seg0.flow.z", golden, golden[..., :-3])
    assert both is not None
    assert both[0].shape == (1, 4, 47)
    assert measure.overlap("seg0.flow.z", golden, golden[:, :3]) is None


def test_histogram_counts_every_element() -> None:
    golden = np.full((1, 4, 50), 2.0, np.float32)
    candidate = golden.copy()
    candidate[0, 0, :10] += np.float32(2e-3)
    histogram = measure.histogram("seg0.flow.z", golden, candidate, 1e-5)
    assert histogram is not None
    assert (histogram.zero, histogram.total, sum(histogram.counts)) == (190, 200, 10)
    bin_ = histogram.counts.index(10)
    assert histogram.low + bin_ * histogram.step <= -3 <= histogram.low + (bin_ + 1) * histogram.step
    assert histogram.limit == pytest.approx(-5)


def test_page_names_missing_traces(tmp_path: Path, folder: Path, document: dict[str, Any]) -> None:
    case = dict(document["cases"][0]) | {"traces": {"isolated": None, "chained": "nowhere.safetensors"}}
    evidence = load.evidence(case, tmp_path)
    page = case_page.build(case, document, evidence)
    assert "there is no file" in " ".join(evidence.gaps)
    text = assembly.case_page(page)
    assert "Missing from this page" in text
    assert "No audio to play" in text


def test_row_without_a_golden_has_its_verdict(document: dict[str, Any]) -> None:
    case = document["cases"][0]
    empty = load.Evidence({}, {}, {}, {"options": {}, "voice": {}}, ("no golden",))
    rows = [row.document() for row in heat_strip.build(case, document["limits"], empty, ArrayBlock())]
    assert {row["modes"]["chained"]["ratio"] is not None for row in rows} == {True}
    assert all(row["modes"]["chained"]["pieces"] == [] for row in rows)


@pytest.mark.parametrize(
    ("ratio", "phrase"),
    [
        (None, "beyond any limit"),
        (float("inf"), "different where nothing may differ"),
        (1.53, "1.5 times its limit"),
        (25412.0, "25 000 times its limit"),
        (3e9, "3e9 times its limit"),
    ],
)
def test_phrase_for_a_multiple_of_the_limit(ratio: float | None, phrase: str) -> None:
    assert formatting.multiple_phrase(ratio) == phrase


def test_sentences_get_a_capital_letter_and_a_full_stop() -> None:
    assert formatting.sentence("no simple change") == "No simple change."
    assert formatting.sentence("f0.hz differs: 3 Hz") == "f0.hz differs: 3 Hz."
    assert formatting.sentence("") == ""


def realtime(blocks: int = 3) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
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
    candidate = {name: value * (1.5 if name.startswith(f"rt.{blocks - 1}.") else 1) for name, value in golden.items()}
    return meta, golden, {name: value.astype("f4") for name, value in candidate.items()}


def test_blocks_of_a_stream_follow_each_other() -> None:
    meta, golden, candidate = realtime()
    evidence = load.Evidence(golden, {}, candidate, meta)
    audio, arrays = waveforms.collect(evidence), ArrayBlock()
    assert audio is not None
    assert (len(audio.candidate), audio.rate, audio.tensor) == (3 * 9600, 48000, "rt.*.out")
    assert np.abs(audio.difference[: 2 * 9600]).max() == 0 < audio.peak
    pitch = pitch_and_retrieval.pitch(evidence, arrays)
    assert pitch is not None
    assert pitch.count == 60
    assert np.unique(arrays.array(pitch.original)).tolist() == [100.0, 101.0, 102.0]
    assert timeline.start("rt.2.flow.z", meta, golden) == pytest.approx(0.4)
    assert timeline.span(meta, golden, 0.0) == pytest.approx((0.0, 0.6))


def test_a_block_has_one_color_and_a_link_to_its_time() -> None:
    meta, golden, candidate = realtime()
    cell = {
        "mode": "chained",
        "metric": "worst_frame",
        "state": "differs",
        "value": 1.0,
        "limit": 1e-4,
        "times_limit": 1e4,
    }
    stage = {"blame": "origin", "cells": [cell | {"tensor": f"rt.{n}.flow.z", "sentence": None} for n in range(3)]}
    arrays = ArrayBlock()
    (row,) = heat_strip.build({"stages": [stage]}, [], load.Evidence(golden, {}, candidate, meta), arrays)
    chained = row.modes["chained"]
    assert chained is not None
    pieces = chained.pieces
    assert [(round(piece.start, 3), piece.step, piece.count) for piece in pieces] == [
        (0.0, 0.2, 1),
        (0.2, 0.2, 1),
        (0.4, 0.2, 1),
    ]
    assert [float(arrays.array(piece.values)[0]) > 1 for piece in pieces] == [False, False, True]
    assert cells.page_time({"options": meta["options"]}, "rt.2.flow.z", 0.01) == pytest.approx(0.4)


def test_a_page_opens_on_a_mode_that_has_data(folder: Path, document: dict[str, Any], cases: dict[str, Any]) -> None:
    for case in cases.values():
        page = unpacked(case_page.build(case, document, load.evidence(case, folder)))
        start = page["start"]
        shown = next(row for row in page["rows"] if row["name"] == start["stage"])["modes"][start["mode"]]
        assert shown is not None and shown["pieces"], case["name"]
    only = headline.start_view(cases["tone-linear"], {"content.upsampled": ["chained"]})
    assert (only.stage, only.mode) == ("content.upsampled", "chained")


def test_tensors_that_were_not_tested_are_folded(folder: Path, document: dict[str, Any]) -> None:
    case = json.loads(json.dumps(next(case for case in document["cases"] if case["name"] == "tone-linear")))
    for stage in case["stages"]:
        if stage["stage"] == "flow":
            for cell in stage["cells"]:
                cell |= {"state": "not tested", "value": None, "limit": None, "times_limit": None}
    page = case_page.build(case, document, load.evidence(case, folder))
    assert page.untested == ["flow.z"]
    assert "flow.z" not in [row["name"] for row in unpacked(page)["rows"]]
    text = assembly.case_page(page)
    assert "1 tensors not tested" not in text and "1 tensor not tested" in text


def test_headline_index_and_fault_state_one_number_and_one_frame(document: dict[str, Any]) -> None:
    case = next(case for case in document["cases"] if case["name"] == "tone-linear")
    fault = next(fault for fault in faults.of(document) if fault.stage == headline.origins(case)[0]["stage"])
    cell = faults.representative(headline.origins(case)[0])
    assert cell is not None and f"{cell['tensor']} differs in" in case["sentence"]
    assert f"allowed {cell['limit']:.3g}" in case["sentence"]
    row = next(row for row in index.build(document).rows if row.name == "tone-linear")
    assert row.worst == formatting.multiple(cell["times_limit"])
    assert formatting.multiple_phrase(cell["times_limit"]) in headline.headline(case)
    first = headline.origins(case)[0]["first"]
    assert case["first"]["frame"] == first["frame"]
    assert f"first at frame {first['frame']} " in headline.headline(case)
    assert f"first at frame {first['frame']}" in fault.extent


def test_each_state_of_a_case_has_a_next_step(document: dict[str, Any]) -> None:
    differing = next(case for case in document["cases"] if case["name"] == "tone-linear")
    assert headline.next_step(differing).title == "Correct content.upsampled"
    assert headline.next_step(differing).lines[0] == (
        "Correct the known mistake in content.upsampled: " + headline.origins(differing)[0]["cause"]["sentence"] + "."
    )
    assert headline.next_step(differing).command == differing["reproduce"]
    titles = {"pass": "Nothing", "partial": "Add stages", "nothing": "Add stages", "declined": "Declare the profile"}
    for state, title in {**titles, "unreadable": "Restore the golden"}.items():
        assert headline.next_step({**differing, "state": state}).title == title
    assert headline.next_step({**differing, "matches": "webui-classic"}).title == "Compare the profiles"
    nobody = {**differing, "stages": [{**stage, "blame": "inherited"} for stage in differing["stages"]]}
    assert headline.next_step(nobody).title == "Find the first difference"


def test_the_values_of_every_stage_are_drawn(folder: Path, document: dict[str, Any], cases: dict[str, Any]) -> None:
    evidence = load.evidence(cases["tone-linear"], folder)
    data = unpacked(case_page.build(cases["tone-linear"], document, evidence))
    row = next(row for row in data["rows"] if row["name"] == "content.upsampled")
    (piece,) = row["modes"]["isolated"]["levels"]
    name = "seg0.content.upsampled"
    golden, made = evidence.golden[name].astype("f8"), evidence.isolated[name].astype("f8")
    expected = np.sqrt(((made - golden) ** 2).mean(axis=2))[0]
    assert np.allclose(piece["difference"], expected, rtol=1e-5)
    assert np.allclose(piece["original"], np.sqrt((golden**2).mean(axis=2))[0], rtol=1e-5)
