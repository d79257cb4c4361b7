"""Recording changes no golden by itself, accepting needs a reason, and CI never writes goldens."""

from pathlib import Path

import pytest

from reference import record
from reference.errors import Refusal
from reference.recording import checkout


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Proposals and goldens in a folder of the test."""
    monkeypatch.setattr(record, "PROPOSED", tmp_path / "proposed")
    monkeypatch.setattr(record, "COMMITTED", tmp_path / "cases")
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def test_ci_never_writes_goldens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CI", "true")
    assert record.main(["--accept", "because it is right"]) == 2
    assert "CI never writes goldens" in capsys.readouterr().err


def test_accepting_without_a_proposal_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["--accept", "because it is right"]) == 2
    assert "holds no proposal; record first" in capsys.readouterr().err


def test_a_reason_that_is_too_short_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["--accept", "ok"]) == 2
    assert "state in a sentence" in capsys.readouterr().err


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert record.main(["--original", "webui-2026", "no-such-case"]) == 2
    assert "cases.toml has no case no-such-case" in capsys.readouterr().err


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:

    with pytest.raises(Refusal, match="needs a checkout of somebody/something at 1234567"):
        checkout.check(tmp_path, "infer/vc/pipeline.py", "somebody/something", "1234567890")
