"""Dumps that differ as public implementations do get the right stage and cause, with no network at hand.

Each candidate's dump is a golden with one thing done as some implementation does it (docs/divergences.md). The golden's
side is a dump as well, whose voice is not known here, so that no oracle helps.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.candidates.candidate import Tensors
from parity.goldens import store, trace_file
from parity.runs import dumps

CASES = Path("goldens/cases")


def unvoiced_kept(right: Tensors) -> Tensors:
    """D1, as rvc-python and the classic WebUI on the 2026 WebUI's case: no filling, bin 1 where unvoiced."""
    silent = right["f0.raw"][: right["f0.hz"].shape[1]] == 0
    mine = {name: value for name, value in right.items() if name != "f0.filled"}
    return mine | {
        "f0.hz": np.where(silent, 0, right["f0.hz"]).astype(np.float32),
        "f0.coarse": np.where(silent, 1, right["f0.coarse"]),
    }


def padded_by_reflection(right: Tensors) -> Tensors:
    """D4: RMVPE's mel padded otherwise moves the last frames alone, which the padding's 32 reach."""
    raw = right["f0.raw"].copy()
    raw[-12:] = np.where(raw[-12:] > 0, raw[-12:] * 1.01, 0)
    voiced = np.flatnonzero(raw > 0)
    raw[voiced[-3:]] = 0
    return right | {"f0.raw": raw}


def last_layer(right: Tensors) -> Tensors:
    """D3: layer 12 projected where a v1 voice wants layer 9 is another content altogether."""
    features = right["seg0.hubert.features"]
    return right | {"seg0.hubert.features": np.roll(features, 37, axis=2) * np.float32(1.3)}


def signed_sum(right: Tensors) -> Tensors:
    """D13: |Σx| where Σ|x| belongs, so that the cut falls on a zero crossing and not on a pause."""
    edge = np.pad(right["highpassed"], 80, mode="reflect")
    total = np.concatenate([[0.0], np.cumsum(edge)])
    quiet = np.abs(total[160:] - total[:-160])[: len(right["highpassed"])]
    center, reach = 16000, 4000
    cut = center - reach + int(np.argmin(quiet[center - reach : center + reach]))
    return right | {"quiet.profile": quiet, "segment.cuts": np.array([cut])}


def without_high_pass(right: Tensors) -> Tensors:
    """D19: the sound as it was read."""
    dry = right["audio16k"].astype(np.float64)
    pad = (len(right["padded"]) - len(dry)) // 2
    return right | {"highpassed": dry, "padded": np.pad(dry, pad, mode="reflect")}


def fixed_speaker(right: Tensors) -> Tensors:
    """D29: speaker 0 whoever was asked for; the embedding is that of another golden of the same voice."""
    return right | {"seg0.spk.g": store.open_case(CASES / "v1-40k-harvest-rpy")["seg0.spk.g"]}


Change = Callable[[Tensors], Tensors]
PUBLIC: dict[str, tuple[str, Change, str, str, str]] = {
    "unvoiced frames": ("v2-48k-rmvpe-2026", unvoiced_kept, "f0.hz", "unvoiced frames kept at 0", "D1"),
    "RMVPE's padding": ("v2-40k-rmvpe-rpy", padded_by_reflection, "f0.raw", "mel padding", "D4"),
    "the content's layer": ("v1-40k-rmvpe-rpy", last_layer, "hubert.features", "wrong layer", "D3"),
    "the cut rule": ("two-segments-rpy", signed_sum, "segment.cuts", "sum without magnitude", "D13"),
    "the high-pass": ("v2-40k-rmvpe-rpy", without_high_pass, "highpassed", "missing high-pass", "D19"),
    "the speaker": ("v1-40k-rmvpe-rpy", fixed_speaker, "spk.g", "another speaker", "D29"),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's voice is known, so nothing is predicted by a network."""
    monkeypatch.setattr("parity.rvc_bridge.counterfactual.with_synthetic_voice", lambda case: None)


def compared(folder: Path, name: str, change: Change) -> dict[str, Any]:
    """The case of a verdict over two dumps, the second with a change of the first."""
    golden = store.open_case(CASES / name)
    right = {tensor: np.array(golden[tensor]) for tensor in golden}
    about = {"original": golden.profile, "options": json.dumps(golden.options)}
    ours = trace_file.Trace(right).write(folder / "original.safetensors", about)
    theirs = trace_file.Trace(change(right)).write(folder / "port.safetensors")
    case: dict[str, Any] = dumps.compare(ours, theirs)["cases"][0]
    return case


@pytest.mark.parametrize("what", PUBLIC)
def test_a_known_divergence_is_blamed_on_its_stage_and_cause(what: str, tmp_path: Path) -> None:
    name, change, stage, cause, divergence = PUBLIC[what]
    result = compared(tmp_path, name, change)
    assert result["first"]["stage"] == stage
    first = next(row for row in result["stages"] if row["blame"] == "origin")
    assert (first["stage"], first["cause"]["name"], first["cause"]["divergence"]) == (stage, cause, divergence)


def test_a_trace_of_rvc_holds_its_profile_and_options(tmp_path: Path) -> None:
    golden = store.open_case(CASES / "v1-40k-rmvpe-rpy")
    about = {"rvc": json.dumps({"profile": "rvc-python", "options": golden.options, "rate": 40000})}
    path = trace_file.Trace({tensor: golden[tensor] for tensor in golden}).write(tmp_path / "ours.safetensors", about)
    case = dumps.from_trace(path)
    assert (case.profile, case.voice["version"]) == ("rvc-python", "v1")
    assert case.options["speaker"] == 7
