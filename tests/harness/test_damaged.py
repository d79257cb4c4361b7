"""Each kind of damage to a golden or a candidate has a message of its own, compared word for word."""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_case import META, Player, changed, golden, judge, tensors

from parity.candidates.candidate import CandidateError, NotOffered
from parity.cli import main as command_line
from parity.errors import GoldenError, UsageError
from parity.goldens import store
from parity.goldens.fresh_folder import fresh_folder
from parity.judge import verdict_schema
from parity.judge.judgment import Judgment
from parity.runs import run as running
from reports import __main__ as reports

FLOW = "seg0.flow.z"


def rewrite(folder: Path, name: str, change: Any) -> None:
    """Change one array of the golden's data file, without updating its hash."""
    path = folder / "small" / "tensors.safetensors"
    data = load_file(path)
    data[name] = change(data[name].copy())
    save_file(data, path)


def rename(folder: Path, old: str, new: str) -> None:
    path = folder / "small" / "case.json"
    document = json.loads(path.read_text())
    document["tensors"] = {new if name == old else name: entry for name, entry in document["tensors"].items()}
    path.write_text(json.dumps(document))


def moved_by_one_sample(value: Any, by: float = 1e-4) -> Any:
    value.reshape(-1)[7] += np.float32(by)
    return value


def nan(value: Any) -> Any:
    value.reshape(-1)[7] = np.nan
    return value


def run(folder: Path, **options: Any) -> dict[str, Any]:
    return running.run(Player(tensors()), folder, folder / "out", **options)


def test_the_untouched_case_passes(tmp_path: Path) -> None:
    golden(tmp_path)
    document = run(tmp_path)
    assert document["state"] == "pass" and document["exit_code"] == 0
    assert document["counts"]["compared"] == document["counts"]["expected"] > 100


@pytest.mark.parametrize("spoil", [moved_by_one_sample, nan, np.zeros_like])
def test_a_changed_value_of_a_golden_is_reported(tmp_path: Path, spoil: Any) -> None:
    golden(tmp_path)
    rewrite(tmp_path, FLOW, spoil)
    document = run(tmp_path)
    assert document["exit_code"] == 1
    assert document["cases"][0]["state"] == "unreadable"
    assert document["cases"][0]["sentence"] == (
        "small cannot be judged: seg0.flow.z of small does not match its sha256 in case.json; "
        "restore the file, or install rvc-parity-goldens again"
    )


def test_a_golden_that_lacks_a_frame_is_reported(tmp_path: Path) -> None:
    golden(tmp_path)
    rewrite(tmp_path, FLOW, lambda value: np.ascontiguousarray(value[..., :-1]))
    assert run(tmp_path)["cases"][0]["sentence"] == (
        "small cannot be judged: seg0.flow.z of small is float32[1, 12, 97] in tensors.safetensors, but case.json "
        "states float32[1, 12, 98]; record the case again"
    )


def test_a_golden_of_another_dtype_is_reported(tmp_path: Path) -> None:
    golden(tmp_path)
    rewrite(tmp_path, FLOW, lambda value: value.astype(np.float64))
    assert run(tmp_path)["cases"][0]["sentence"] == (
        "small cannot be judged: seg0.flow.z of small is float64[1, 12, 98] in tensors.safetensors, but case.json "
        "states float32[1, 12, 98]; record the case again"
    )


def test_a_golden_with_a_renamed_stage_is_reported(tmp_path: Path) -> None:
    golden(tmp_path)
    rename(tmp_path, FLOW, "seg0.flow.zz")
    path = tmp_path / "small" / "case.json"
    assert run(tmp_path)["cases"][0]["sentence"] == (
        f"small cannot be judged: {path} holds 'seg0.flow.zz', which is not in the stage table "
        "(nearest: 'seg0.flow.z'); was a stage renamed?"
    )


def test_a_golden_without_a_stage_is_reported(tmp_path: Path) -> None:
    golden(tmp_path)
    path = tmp_path / "small" / "case.json"
    document = json.loads(path.read_text())
    del document["tensors"][FLOW]
    path.write_text(json.dumps(document))
    result = run(tmp_path)
    assert result["exit_code"] == 1
    assert result["cases"][0]["sentence"] == (
        "seg0.flow.z is missing in the golden small, but this conversion must have it; record it again"
    )


def test_a_misspelled_field_of_case_json_is_reported(tmp_path: Path) -> None:
    golden(tmp_path)
    path = tmp_path / "small" / "case.json"
    document = json.loads(path.read_text())
    document["optoins"] = document.pop("options")
    path.write_text(json.dumps(document))
    with pytest.raises(GoldenError) as raised:
        store.open_case(tmp_path / "small")
    assert str(raised.value) == f"{path} does not fit the schema of rvc-golden/1: it lacks the field 'options'"


DAMAGE = [
    ("one sample moved", lambda v: moved_by_one_sample(v, 0.01), None),
    (
        "renamed",
        None,
        "seg0.flow.z is missing: the golden has float32[1, 12, 98], the candidate made none "
        "(small, isolated); it also handed over seg0.flow.zz, which this case does not have",
    ),
    (
        "missing",
        None,
        "seg0.flow.z is missing: the golden has float32[1, 12, 98], the candidate made none (small, isolated)",
    ),
    (
        "nan",
        nan,
        "seg0.flow.z holds 1 NaN or infinite values, the first at [0, 0, 7]; the golden none (small, isolated)",
    ),
    (
        "cut",
        lambda v: v[..., :-1],
        "seg0.flow.z is float32[1, 12, 97], the golden is float32[1, 12, 98]: 1 frame10 "
        "short; was a tail trimmed? (small, isolated)",
    ),
    (
        "too long",
        lambda v: np.repeat(v, 2, axis=2),
        "seg0.flow.z is float32[1, 12, 196], the golden is "
        "float32[1, 12, 98]: 98 frame10 too many; was a tail trimmed? (small, isolated)",
    ),
    (
        "transposed",
        lambda v: v.swapaxes(1, 2),
        "seg0.flow.z is float32[1, 98, 12], the golden is float32[1, 12, 98]; with transpose = [0, 2, 1] its values "
        "are nearly the golden's (small, isolated)",
    ),
    ("empty", lambda v: v[..., :0], "seg0.flow.z is empty: the golden has float32[1, 12, 98] (small, isolated)"),
    (
        "dtype",
        lambda v: v.astype(np.float64),
        "seg0.flow.z is float64, the golden is float32; convert it before it is handed over (small, isolated)",
    ),
    ("zeroed", np.zeros_like, None),
]


@pytest.mark.parametrize(("what", "change", "sentence"), DAMAGE, ids=[row[0] for row in DAMAGE])
def test_a_damaged_tensor_of_a_candidate_is_reported(
    tmp_path: Path, what: str, change: Any, sentence: str | None
) -> None:
    case = golden(tmp_path)
    spoiled = changed(FLOW, None if change is None else change(tensors()[FLOW]))
    if what == "renamed":
        spoiled["seg0.flow.zz"] = tensors()[FLOW]
    result = judge(case, spoiled)
    assert result.state == "differs"
    accused = [stage.stage.name for stage in result.stages if stage.blame == "origin"]
    assert accused == ["flow"]
    if sentence is not None:
        assert result.sentence == sentence


def test_the_sentence_of_a_large_error_states_value_limit_and_place(tmp_path: Path) -> None:
    case = golden(tmp_path)
    value = tensors()[FLOW]
    value[0, 3, 40] += 1
    assert judge(case, changed(FLOW, value)).sentence == (
        f"seg0.flow.z differs in small (isolated): needs {1 / np.sqrt((tensors()[FLOW].astype('f8') ** 2).sum()):.3g} "
        f"relative RMS, allowed 1e-05 (2900 times the limit); worst at frame 40 (0.15 s), "
        f"candidate {value[0, 3, 40]:.6g}, golden {tensors()[FLOW][0, 3, 40]:.6g}"
    )


def test_a_trimmed_waveform_is_reported_with_its_length(tmp_path: Path) -> None:
    case = golden(tmp_path)
    result = judge(case, changed("waveform.final", tensors()["waveform.final"][:-400]))
    assert result.sentence == (
        "waveform.final is int16[18800], the golden is int16[19200]: 400 sample.out short; "
        "was a tail trimmed? (small, isolated)"
    )


def test_comparing_nothing_fails(tmp_path: Path) -> None:
    golden(tmp_path)

    class Nothing(Player):
        def offers(self, stage: Any) -> bool:
            return False

    document = running.run(Nothing({}, {}, chains=False), tmp_path, tmp_path / "out")
    assert document["exit_code"] == 3
    assert document["sentence"] == "nothing was compared: no case has a stage that the candidate offers"
    with pytest.raises(UsageError, match="there is no case below"):
        run(tmp_path / "nowhere")


def test_a_case_that_lacks_every_stage_makes_a_run_partial(tmp_path: Path) -> None:
    golden(tmp_path)
    store.save_case(tmp_path / "other", tensors(), META | {"name": "other"})

    class Half(Player):
        def run_stage(self, case: Any, *rest: Any) -> Any:
            if case.name == "other":
                raise NotOffered("not for this one")
            return super().run_stage(case, *rest)

    document = running.run(Half(tensors(), chains=False), tmp_path, tmp_path / "out")
    assert (document["exit_code"], document["state"]) == (4, "partial")
    counts = document["counts"]
    assert document["sentence"] == (f"{counts['compared']} of {counts['expected']} cells: partial; nothing failed")


def test_a_case_without_a_declared_stage_is_not_tested(tmp_path: Path) -> None:
    """A candidate of one stage is judged on the cases that have it, and the others are no failure."""
    golden(tmp_path)
    store.save_case(
        tmp_path / "other",
        tensors() | {"waveform.resampled": tensors()["waveform.concat"]},
        META | {"name": "other", "options": META["options"] | {"resample_rate": 16000}},
    )

    class Resampler(Player):
        def offers(self, stage: Any) -> bool:
            return stage.name == "resampled"

    right = tensors() | {"waveform.resampled": tensors()["waveform.concat"]}
    document = running.run(Resampler(right, chains=False), tmp_path, tmp_path / "out")
    assert document["exit_code"] == 4, document["sentence"]
    assert {case["name"]: case["state"] for case in document["cases"]} == {"other": "partial", "small": "declined"}


def test_a_stage_that_raises_is_a_failure_with_its_reason(tmp_path: Path) -> None:

    case = golden(tmp_path)

    class Broken(Player):
        def run_stage(self, case: Any, stage: Any, *rest: Any) -> Any:
            if stage.name == "flow":
                raise CandidateError("out of memory")
            return super().run_stage(case, stage, *rest)

    from parity.judge import limits, verdict

    result = verdict.judge(Judgment(case, limits.Limits(), candidate=Broken(tensors())))
    assert result.sentence == "flow failed in small (isolated): out of memory"
    assert result.state == "differs"


def test_the_verdict_fits_its_published_schema(tmp_path: Path) -> None:
    import jsonschema

    golden(tmp_path)
    jsonschema.validate(run(tmp_path), verdict_schema.SCHEMA)
    spoiled = running.run(Player(changed(FLOW, np.zeros_like(tensors()[FLOW]))), tmp_path, tmp_path / "out")
    jsonschema.validate(spoiled, verdict_schema.SCHEMA)
    here = Path(__file__).parents[2] / "docs"
    assert json.loads((here / "verdict-schema.json").read_text()) == verdict_schema.SCHEMA
    from parity.goldens import case_schema

    assert json.loads((here / "golden-schema.json").read_text()) == case_schema.schema()
    jsonschema.validate(json.loads((tmp_path / "small" / "case.json").read_text()), case_schema.schema())


def test_outputs_are_written(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    golden(tmp_path)
    running.run(Player(changed(FLOW, np.zeros_like(tensors()[FLOW]))), tmp_path, tmp_path / "out")
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()[0]
    assert suite.get("failures") == "1"
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "| small | differs, but its output is within the limits | none |" in text and "# Parity: differs" in text
    assert (tmp_path / "out" / "traces" / "small" / "isolated.safetensors").is_file()


@pytest.mark.skipif(os.name == "nt", reason="a limit of the file size is a signal of POSIX systems")
def test_a_full_disk_is_one_sentence_and_leaves_the_golden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource  # not on Windows

    golden(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "small").iterdir()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
    try:
        with pytest.raises(OSError, match=r"tensors\.safetensors cannot be written \(.*File too large"):
            golden(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "small").iterdir()} == before


@pytest.mark.skipif(os.name == "nt", reason="a limit of the file size is a signal of POSIX systems")
def test_traces_that_do_not_fit_on_the_disk_end_a_command_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource  # not on Windows

    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_file(tensors(), first)
    save_file(tensors(), second)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
    try:
        code = command_line.main(["compare", str(first), str(second), "--out", str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    error = capsys.readouterr().err
    assert code == 2
    assert "parity: the system refused: " in error and "cannot be written (" in error and "make room" in error
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_a_place_that_the_system_refuses_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden(tmp_path)
    run(tmp_path)
    (tmp_path / "file").write_text("x")
    below = str(tmp_path / "file" / "report")
    capsys.readouterr()
    assert reports.main([str(tmp_path / "out"), below, "--quiet"]) == 2
    assert command_line.main(["diff", str(tmp_path / "out"), below]) == 2
    for line in capsys.readouterr().err.strip().splitlines():
        assert "the system refused: " in line and line.endswith("; choose another place, or make room")


def test_what_killed_processes_left_beside_a_golden_is_removed(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=fresh_folder, args=(tmp_path / "small",))
    process.start()
    process.join()
    mine = fresh_folder(tmp_path / "small")
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    golden(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, "small"}
