"""Fixtures: a small verdict with its goldens and traces."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reports import synthetic


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A verdict folder of one passing and two failing cases, and a candidate that offers no flow alone."""
    root = tmp_path_factory.mktemp("verdict")
    faults = {"tone-right": None, "tone-linear": synthetic.linear_upsampling, "tone-octave": synthetic.octave_slip}
    return synthetic.judged(root, faults, "planted", ("flow",))


@pytest.fixture(scope="session")
def document(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "verdict.json").read_text()))
