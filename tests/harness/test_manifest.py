"""The pinned manifest: changes since it was written stand in the first line, and edited verdicts are refused."""

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_case import META, Player, changed, golden, tensors

from parity.cli import main as command_line
from parity.errors import ParityError, UsageError
from parity.goldens import store
from parity.judge import limits, unmeasured_limits, waivers
from parity.output import diff
from parity.runs import manifest
from parity.runs import run as running
from reports.data import load
from reports.errors import ReportError

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
PIN = "restore it, or pin it: rvc-parity manifest --write"


@pytest.fixture(scope="module")
def two_goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    golden(folder)
    store.save_case(folder / "other", tensors(), META | {"name": "other"})
    return folder


@pytest.fixture
def pinned(two_goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two goldens that a manifest pins."""
    shutil.copytree(two_goldens, tmp_path / "goldens")
    path = tmp_path / "manifest.json"
    manifest.write(store.cases(tmp_path / "goldens"), path)
    monkeypatch.setattr(manifest, "FILE", path)
    return tmp_path / "goldens"


def run(folder: Path, **options: Any) -> dict[str, Any]:
    """The document of a run of the right candidate."""
    return running.run(Player(tensors()), folder, folder.parent / "out", **options)


def test_the_committed_manifest_is_current() -> None:
    committed = json.loads(manifest.FILE.read_text(encoding="utf-8"))
    current = manifest.document(manifest.material(store.cases(GOLDENS)))
    assert current == committed, (
        "a golden, a limit, the spread or a waiver changed; pin it: rvc-parity manifest --write"
    )


def test_a_run_over_what_is_pinned_has_no_first_line(pinned: Path) -> None:
    document = run(pinned)
    assert (document["state"], document["manifest"]["altered"], document["manifest"]["notes"]) == ("pass", [], [])
    assert document["manifest"]["judged_by"]["goldens"] == dict(manifest.read(manifest.FILE).goldens)


def test_a_golden_with_rewritten_hashes_is_stated_first_and_fails_the_run(
    pinned: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = changed("waveform.final", tensors()["waveform.final"] + 40)
    store.save_case(pinned / "small", made, META)  # its hashes are right
    document = run(pinned)
    assert document["manifest"]["altered"] == [f"the golden small is not the pinned one; {PIN}"]
    assert document["exit_code"] == 1
    from parity.cli import command

    command.print_verdict(document)
    assert capsys.readouterr().out.startswith(f"the golden small is not the pinned one; {PIN}\n")
    assert (pinned.parent / "out" / "summary.md").read_text().startswith("the golden small is not the pinned one; ")


def test_several_changed_goldens_are_one_sentence(pinned: Path) -> None:
    for name in ("small", "other"):
        store.save_case(pinned / name, tensors(), META | {"name": name, "why": "another reason than before"})
    assert run(pinned)["manifest"]["altered"] == [f"2 goldens are not the pinned ones: other, small; {PIN}"]


def test_a_run_without_a_pinned_golden_is_partial(pinned: Path) -> None:
    shutil.rmtree(pinned / "other")
    document = run(pinned)
    count = document["counts"]["expected"]
    assert document["exit_code"] == 4
    assert document["sentence"] == f"{count} of {count} cells of 1 of 2 cases: partial; nothing failed"
    assert document["manifest"]["notes"] == ["1 of 2 pinned goldens are missing: other"]


def test_goldens_of_ones_own_are_stated_and_can_pass(pinned: Path, tmp_path: Path) -> None:
    store.save_case(tmp_path / "own" / "mine", tensors(), META | {"name": "mine"})
    document = run(tmp_path / "own")
    assert document["state"] == "pass"
    assert document["manifest"]["notes"] == ["1 of 1 goldens are not in the manifest: mine"]


def test_an_edited_spread_is_stated_and_fails_the_run(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spread = json.loads(limits.SPREAD.read_text())
    entry = next(row for row in spread["entries"] if row["tensor"] == "flow.z" and row["metric"] == "relative_rms")
    entry["by_variant"] = {name: 1000 * value for name, value in entry["by_variant"].items()}
    edited = pinned.parent / "spread.json"
    edited.write_text(json.dumps(spread))
    read, load_limits = limits.read, limits.Limits(spread)
    monkeypatch.setattr(limits, "read", lambda: read(edited))
    monkeypatch.setattr(limits, "load", lambda: load_limits)
    document = run(pinned)
    assert document["exit_code"] == 1
    assert document["manifest"]["altered"] == [
        f"the measured spread, spread.json, is not the pinned one; {PIN}",
        f"the limits are not the pinned ones; {PIN}",
    ]


def test_an_edited_constant_of_the_limits_is_stated(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MARGIN", 50.0)
    assert run(pinned)["manifest"]["altered"] == [f"the limits are not the pinned ones; {PIN}"]


def test_an_edited_limit_that_was_not_measured_is_stated(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "unmeasured", lambda *key: (1.0, unmeasured_limits.unmeasured(*key)[1]))
    assert run(pinned)["manifest"]["altered"] == [f"the limits are not the pinned ones; {PIN}"]


def row(**changes: str) -> dict[str, str]:
    day = datetime.date.today() + datetime.timedelta(days=30)
    return {
        "cell": "small/seg0.flow.z/isolated/*",
        "because": "known since the last release",
        "until": day.isoformat(),
    } | changes


def test_an_edited_file_of_waivers_is_stated(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pinned.parent / "waivers.json"
    path.write_text(json.dumps([row()]))
    load_waivers = waivers.load
    monkeypatch.setattr(waivers, "load", lambda: load_waivers(path))
    assert run(pinned)["manifest"]["altered"] == [f"the waivers, waivers.json, are not the pinned ones; {PIN}"]


def test_waivers_of_ones_own_are_stated(pinned: Path) -> None:
    document = run(pinned, waivers=waivers.Waivers([row()]))
    assert document["manifest"]["notes"] == ["1 waivers were given that the manifest does not pin"]


def test_the_command_compares_and_pins(pinned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["manifest", "--goldens", str(pinned)]
    assert command_line.main(arguments) == 0
    assert capsys.readouterr().out == "2 goldens, the limits, the spread and the waivers are the pinned ones\n"
    store.save_case(pinned / "small", tensors(), META | {"why": "another reason than before"})
    assert command_line.main(arguments) == 1
    assert capsys.readouterr().out == f"the golden small is not the pinned one; {PIN}\n"
    assert command_line.main([*arguments, "--write"]) == 0
    assert command_line.main(arguments) == 0
    assert command_line.main(["manifest", "--goldens", str(pinned / "nowhere")]) == 2
    assert "there is no golden below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no {}; restore it from the release that you use"),
        ("{", "{} is not JSON (Expecting property name"),
        ('{"format": "x"}', "{} does not fit rvc-manifest/1: "),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ParityError) as raised:
        manifest.read(path)
    assert str(raised.value).startswith(sentence.format(path))
    assert str(raised.value).endswith("restore it from the release that you use")


# ---- waivers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"cell": "sm*/seg0.flow.z/isolated/*"},
            "the waiver for sm*/seg0.flow.z/isolated/* covers several cases; write one waiver for each case",
        ),
        (
            {"cell": "small/seg0.flow.z/*/*"},
            "the waiver for small/seg0.flow.z/*/* has the mode '*'; write isolated or chained",
        ),
        (
            {"until": "2999-01-01"},
            "the waiver for small/seg0.flow.z/isolated/* ends on 2999-01-01; write a day within a year, and renew it "
            "then",
        ),
        (
            {"until": "2030-02-31"},
            "the waiver for small/seg0.flow.z/isolated/* ends on 2030-02-31, which is no day; write YYYY-MM-DD",
        ),
    ],
)
def test_a_broad_or_endless_waiver_is_refused(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        waivers.Waivers([row(**change)])
    assert str(raised.value) == sentence


# ---- edited verdicts -------------------------------------------------------------------------------------------------


def first_failed(document: dict[str, Any]) -> dict[str, Any]:
    cells = [cell for stage in document["cases"][0]["stages"] for cell in stage["cells"]]
    failed: dict[str, Any] = next(cell for cell in cells if cell["state"] == "differs")
    return failed


def passes(document: dict[str, Any]) -> None:
    document |= {"state": "pass", "exit_code": 0}


def partial(document: dict[str, Any]) -> None:
    document |= {"state": "partial", "exit_code": 4}


def case_passes(document: dict[str, Any]) -> None:
    document["cases"][0]["state"] = "pass"
    passes(document)


def cell_passes(document: dict[str, Any]) -> None:
    first_failed(document)["state"] = "close"


def limit_is_wider(document: dict[str, Any]) -> None:
    first_failed(document).update(state="close", limit=10.0)


def cell_is_explained(document: dict[str, Any]) -> None:
    first_failed(document)["state"] = "explained"


def cell_is_waived(document: dict[str, Any]) -> None:
    first_failed(document).update(state="waived", waiver="nobody looked at it")


def failures_are_removed(document: dict[str, Any]) -> None:
    for stage in document["cases"][0]["stages"]:
        stage["cells"] = [cell for cell in stage["cells"] if cell["state"] not in ("differs", "shape")]
    document["cases"][0]["state"] = "pass"
    passes(document)


def exit_code(document: dict[str, Any]) -> None:
    document["exit_code"] = 0


def stage_is_unknown(document: dict[str, Any]) -> None:
    document["cases"][0]["stages"][0]["stage"] = "nonsense"


EDITS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (passes, "the run is stated as 'pass', and its cells give 'differs'"),
    (partial, "the run is stated as 'partial', and its cells give 'differs'"),
    (case_passes, "small is stated as 'pass', and its cells give 'differs'"),
    (cell_passes, "small seg0.flow.z (isolated relative_rms) is stated as 'close', and 1 of "),
    (limit_is_wider, "small seg0.flow.z (isolated relative_rms) has the limit 10, which is not one of the limits of"),
    (cell_is_explained, "small seg0.flow.z (isolated relative_rms) is stated as 'explained' without a decision"),
    (cell_is_waived, "small seg0.flow.z (isolated relative_rms) is waived, and no waiver has that reason"),
    (failures_are_removed, "the counts of small are not those of its cells"),
    (stage_is_unknown, "small has the stage 'nonsense', which is not a stage of RVC"),
    (exit_code, "the exit code is stated as 0, and its cells give 1"),
]


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The verdict on a candidate whose flow is wrong."""
    folder = tmp_path_factory.mktemp("differing")
    golden(folder)
    return running.run(Player(changed("seg0.flow.z", 2 * tensors()["seg0.flow.z"])), folder, folder / "out")


@pytest.mark.parametrize(("edit", "sentence"), EDITS, ids=[edit.__name__ for edit, _ in EDITS])
def test_an_edited_verdict_is_refused_by_diff_and_reports(
    differing: dict[str, Any], tmp_path: Path, edit: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    document, path = json.loads(json.dumps(differing)), tmp_path / "verdict.json"
    path.write_text(json.dumps(document))
    assert diff.read(path) == load.verdict(tmp_path) == document
    edit(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ParityError) as raised:
        diff.read(path)
    assert str(raised.value).startswith(f"{path} contradicts itself: ") and sentence in str(raised.value)
    assert str(raised.value).endswith("; it was edited, so judge again")
    with pytest.raises(ReportError, match="contradicts itself"):
        load.verdict(tmp_path)


def test_a_verdict_of_another_version_is_named(differing: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps({name: value for name, value in differing.items() if name != "manifest"}))
    with pytest.raises(ParityError) as raised:
        diff.read(path)
    assert str(raised.value) == (
        f"{path} does not fit rvc-verdict/1: it lacks the field 'manifest'; judge again with this version"
    )
