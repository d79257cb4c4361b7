"""The spread of an original: how far its legitimate variants differ from the goldens, as `parity/data/spread.json`.

    FOLDER/VARIANT/about.json                      {"environment": {...}}: threads, instruction set, dtype, runtime
    FOLDER/VARIANT/CASE/chained.safetensors        a whole conversion of the case's input with the case's noise
    FOLDER/VARIANT/CASE/isolated.safetensors       each stage on the golden's own inputs, where stages were run alone

Every variant is compared with the committed golden. An entry holds the worst case of each variant; cases whose F0 comes
from a network have entries of their own, and so have streams (`rt.`). Of decisions, the flips that their margin does
not explain are counted. Tensors that depend on a flipped decision are left out, because their difference does not come
from arithmetic; of those that are computed frame by frame only the frames of other neighbors are.

Of variants in a reduced precision the perceptual measures of the final waveform are kept too, by case: a scale for the
sound of ports in that precision.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.errors import ParityError, UsageError
from parity.goldens import store, text, time_axes, trace_file
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import ledger, limits, metrics
from parity.judge.decisions import margins, phase_wraps
from parity.judge.states import Metric, Mode
from parity.waveforms import sound_file, tier_scale

# Tensor without the number of its segment or block, mode, metric, whether F0 comes from a network.
Key = tuple[str, str, str, bool]
# Tensors whose frames depend on the neighbors of the same frame alone: (…, frames of 20 ms or of 10 ms, channels).
_BY_FRAME = ("retrieval.weights", "retrieval.mean", "retrieval.blended", "content.upsampled", "content.protected")


def measure(
    folder: Path, goldens: Path, before: Mapping[str, Any] | None = None, *, adds: bool = False
) -> dict[str, Any]:
    """Measure every variant.

    Args:
        folder: the traces, as above.
        goldens: the folder of goldens.
        before: an earlier document; its variants that `folder` lacks are kept.
        adds: the variants of `folder` are measured on further cases; what `before` has of them is kept, too.
    Returns:
        the document of spread.json.
    Raises:
        UsageError: there is no trace.
        ParityError: a variant changes the dtype or shape of a tensor.
        ModuleNotFoundError: a variant is in a reduced precision, and librosa or mir_eval is not installed.
    """
    kept = {
        (row["tensor"], row["mode"], row["metric"], row["network_f0"]): row for row in (before or {}).get("entries", [])
    }
    fresh = set() if adds else {path.name for path in folder.iterdir() if path.is_dir()}
    entries: dict[Key, dict[str, float]] = {
        key: {name: value for name, value in row["by_variant"].items() if name not in fresh}
        for key, row in kept.items()
    }
    seen: dict[Key, set[str]] = {}
    sounds: dict[tuple[str, str], Mapping[str, float]] = {
        (row["case"], row["variant"]): row["values"]
        for row in (before or {}).get("sound", [])
        if row["variant"] not in fresh
    }
    variants = [row for row in (before or {}).get("variants", []) if row["name"] not in fresh]
    for variant in sorted(path for path in folder.iterdir() if path.is_dir()):
        about = variant / "about.json"
        environment = json.loads(about.read_text(encoding="utf-8"))["environment"] if about.is_file() else {}
        if all(row["name"] != variant.name for row in variants):
            variants.append({"name": variant.name, "environment": environment})
        for path in sorted(variant.glob("*/*.safetensors")):
            case = store.open_case(goldens / path.parent.name)
            reduced = environment.get("dtype", "float32") not in limits.FULL_PRECISION
            made = dict(trace_file.read(path))
            if reduced and path.stem == Mode.CHAINED and sound_file.FINAL in made:
                sounds[case.name, variant.name] = tier_scale.measured(case, made[sound_file.FINAL])
            for key, value in _values(case, made, path.stem, reduced).items():
                row = entries.setdefault(key, {})
                row[variant.name] = max(value, row.get(variant.name, 0.0))
                seen.setdefault(key, set()).add(case.name)
    if not entries:
        raise UsageError(f"{folder} holds no VARIANT/CASE/chained.safetensors; run the original's variants first")
    rows = [
        {
            "tensor": tensor,
            "mode": mode,
            "metric": metric,
            "network_f0": network,
            "by_variant": {name: float(f"{value:.3g}") for name, value in sorted(entries[key].items())},
            "cases": max(len(seen.get(key, ())), kept.get(key, {}).get("cases", 0)),
        }
        for key in sorted(entries)
        for tensor, mode, metric, network in [key]
        if entries[key]
    ]
    document = {"format": "rvc-spread/1", "variants": variants, "entries": rows}
    return document if not sounds else document | {"sound": _sound_rows(sounds)}


def _sound_rows(sounds: Mapping[tuple[str, str], Mapping[str, float]]) -> list[dict[str, Any]]:
    """The entries of `sound`; a measure without a value, such as F0 of a sound without pitch, is left out."""
    return [
        {
            "case": case,
            "variant": variant,
            "values": {name: float(f"{value:.3g}") for name, value in values.items() if math.isfinite(value)},
        }
        for (case, variant), values in sorted(sounds.items())
    ]


def _values(case: Case, made: dict[str, Array], mode: str, reduced: bool) -> dict[Key, float]:
    """Every metric of every tensor that both have, the worst over segments."""
    if mode not in ("chained", "isolated"):
        raise UsageError(f"{mode}.safetensors of {case.name} is neither chained nor isolated")
    network = limits.network_f0(case.options)
    worst: dict[Key, float] = {}
    for name, metric, value in values(case, made, mode, reduced):
        key = (entry_name(name), mode, metric, network)
        worst[key] = max(worst.get(key, 0.0), value)
    return worst


def entry_name(name: str) -> str:
    """`seg0.flow.z` → `flow.z`, `rt.3.flow.z` → `rt.flow.z`."""
    return stages.TensorName.parse(name).unnumbered


def values(case: Case, made: Mapping[str, Array], mode: str, reduced: bool = False) -> Iterator[tuple[str, str, float]]:
    """(full name, metric, value) of every tensor that a variant and the golden share and that depends on
    no flip.

    Args:
        case: the golden.
        made: the variant's tensors.
        mode: isolated or chained.
        reduced: whether the variant computes in a reduced precision. Its F0 differs by more than its bins show, so that
            what follows another bin is measured, too.
    """
    flipped: set[str] = set()  # decisions that differ
    for name in ledger.expected_tensors(case):
        if name not in made or stages.stage_of(name) is None:
            continue
        followed = flipped & stages.upstream(name, case) if mode == "chained" else set()
        state, sentence = metrics.form(name, case[name], made[name])
        if state:
            raise ParityError(f"a variant that must not matter changes the form of {case.name}: {sentence}")
        axis = time_axes.axis(name, case.document, case)
        if followed:
            yield from _of_same_neighbors(case, made, name, followed)
            continue
        numbers = metrics.compare(name, case[name], made[name], axis)
        if numbers.values.get(Metric.UNEQUAL):
            flips = margins.flips(name, case, {**case, **made}, mode == "chained", case.options)
            if not reduced or stages.tensor(name).name != "f0.coarse":
                flipped.add(name)
            yield name, "unequal", float(sum(not flip["explained"] for flip in flips))
            continue
        measured = dict(numbers.values)
        # With and without fused multiply-add, the original's sine wraps its phase at other places; the nearer of both
        # results counts.
        if (other := phase_wraps.otherwise(case, name)) is not None and (
            mode == "isolated" or phase_wraps.same_pitch(case, made)
        ):
            from_other = metrics.compare(name, other[0], made[name], axis).values
            measured = {metric: min(value, from_other[metric]) for metric, value in measured.items()}
        yield from ((name, metric, value) for metric, value in measured.items())


def _of_same_neighbors(
    case: Case, made: Mapping[str, Array], name: str, flipped: set[str]
) -> Iterator[tuple[str, str, float]]:
    """The metrics of a tensor that is computed frame by frame, over the frames whose neighbors are the golden's.

    Args:
        case: the golden.
        made: the variant's tensors.
        name: the full name of the tensor.
        flipped: the decisions that it depends on and that differ. Nothing is measured unless they are its neighbors.
    """
    parsed = stages.TensorName.parse(name)
    ids = str(parsed.sibling("retrieval.ids"))
    if parsed.local not in _BY_FRAME or flipped != {ids} or parsed.scope is stages.Scope.BLOCK:
        return
    kept = ~(case[ids] != made[ids]).any(axis=-1)
    axis = case[name].ndim - 2  # (…, frames, channels)
    count = case[name].shape[axis]
    frames = np.flatnonzero(np.repeat(kept, 1 if count <= len(kept) else 2)[:count])
    if len(frames):
        golden, ours = (np.take(each[name], frames, axis=axis) for each in (case, made))
        yield from ((name, metric, value) for metric, value in metrics.compare(name, golden, ours).values.items())


def write(folder: Path, goldens: Path, out: Path, *, keep: bool = False, adds: bool = False) -> int:
    """Measure the variants and write the document by one rename.

    Args:
        folder: the variants' traces.
        goldens: the folder of goldens.
        out: the file to write.
        keep: keep the variants of `out` that `folder` lacks.
        adds: keep what `out` has of the variants in `folder`, too, which were measured on further cases.
    Returns:
        0.
    Raises:
        UsageError: there is nothing to measure.
    """
    document = measure(folder, goldens, limits.read(out) if keep or adds else None, adds=adds)
    text.write_json(out, document)
    print(f"{out}: {len(document['entries'])} entries from {len(document['variants'])} variants")
    return 0
