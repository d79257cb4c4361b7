"""The measurement of a corpus on executors."""

import json
from pathlib import Path

import pytest

from reliability import corpus


def test_a_corpus_has_the_same_bytes_when_a_worker_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    path = tmp_path / "figures.json"
    assert corpus.main(["--files", "8", "--runs", "serial", "dask=1 killed", "--figures", str(path)]) == 0
    serial, killed = json.loads(path.read_text())
    assert serial["killed"] is None and killed["killed"] >= 4
    assert serial["is_equal"] and killed["is_equal"] and 0 < killed["first"] < killed["seconds"]
