"""Record stages of an original alone, on values that no conversion of the input files reaches.

The original runs with stand-ins that answer with the given values (`reference/stages_alone/given_values.py`); its
networks run on given latents (`reference/variants/isolated.py`). The golden keeps what the case's stages read and make.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity import stages
from parity.goldens.reduction import Reduction
from parity.goldens.trace_file import Trace
from parity.voices.synthesizer import Kind
from reference.errors import Refusal
from reference.originals.base import Original
from reference.recording.cases import Spec
from reference.stages_alone import given_values, values
from reference.stages_alone.values import Values
from reference.variants import isolated

# Stages after the pipeline's own code: where none of them is recorded, the synthesizer is replaced by silence.
OF_SYNTHESIZER = ("spk.g", "enc_p", "z_p", "flow", "nsf", "generator")


def record(spec: Spec, original: Original, dtype: torch.dtype = torch.float32) -> Trace:
    """Run the stages of a case on its values.

    Args:
        spec: a case with `isolated` and `values`.
        original: the original, with the weights of the case.
        dtype: precision of the networks; the pipeline's own code always runs in its own.
    Returns:
        the tensors that the stages read and make.
    Raises:
        Refusal: a stage was not reached.
    """
    given = values.of(spec)
    if "audio16k.raw" in given.tensors:
        made = _by_pipeline(spec, original, given)
    else:
        made = _by_networks(spec, original, given, dtype)
    return keep(spec, {**given.tensors, **made})


def keep(spec: Spec, made: Mapping[str, NDArray[Any]]) -> Trace:
    """Of everything that was made, the tensors that the stages of a case read and make.

    Raises:
        Refusal: a stage was not reached.
    """
    kept = Trace()
    for name in _names(spec.isolated, made):
        kept(name, made[name])
    recorded = {stage.name for name in kept if (stage := stages.stage_of(name)) is not None}
    if missing := [name for name in spec.isolated if name not in recorded]:
        raise Refusal(f"{spec.name}: {', '.join(missing)} was not reached; do its values lead to it?")
    return kept


def _by_pipeline(spec: Spec, original: Original, given: Values) -> Trace:
    """The original's conversion, in which stand-ins answer with the given tensors."""
    silent = not set(spec.isolated) & set(OF_SYNTHESIZER)
    with given_values.answered(original, given.tensors, silent):
        made = original.convert(Path("given.wav"), spec.absolute_options, spec.name)
    if "padded" in given.tensors:
        made["padded"] = np.array(given.tensors["padded"])
    return made


def _by_networks(spec: Spec, original: Original, given: Values, dtype: torch.dtype) -> Trace:
    """The original's networks on the given latents."""
    original.load_voice()
    if "hubert.features" in spec.isolated:
        _load_hubert(spec, original)
    driver: Any = original  # each driver has `vc` and `models`
    net, models = driver.vc.net_g, driver.models
    tensors = dict(given.tensors)
    with torch.no_grad():
        for i, speaker in enumerate(given.speakers):
            embedding = net.emb_g(torch.tensor([speaker])).unsqueeze(-1)
            tensors[f"seg{i}.spk.g"] = embedding.numpy().copy()
    hubert = driver.networks()[2] if "hubert.features" in spec.isolated else None
    for stage in spec.isolated:  # a later network reads what an earlier one made
        tensors |= isolated.run(net, models, hubert, tensors, dtype, (stage,))
    return Trace(tensors)


def _load_hubert(spec: Spec, original: Original) -> None:
    """Load HuBERT as the original does, by a conversion of silence."""
    silence = {"audio16k.raw": np.zeros(8000, np.float32)}
    with given_values.answered(original, silence, silent=True):
        original.convert(Path("given.wav"), spec.absolute_options, spec.name)


# The ends of blocks around which frames are kept, in frames of 10 or 20 ms; of samples, those of the output's blocks.
_ENDS, _SAMPLE_ENDS, _BESIDE = (256, 320, 512, 1024), (262_144,), 2
_BLOCK, _PROJECTIONS = 128, 4  # frames in a projected block, and its projections
_SAMPLE_BLOCK, _SAMPLE_PROJECTIONS = 16384, 16


def reduce(spec: Spec, trace: Trace) -> dict[str, Any]:
    """Reduce what the stages of a case made, in place, where its entry in cases.toml has `reduced = true`.

    Returns:
        the entry `reduced` of case.json; empty where nothing was reduced.
    """
    entries: dict[str, Any] = {}
    for name in trace if spec.reduced else ():
        stage, row = stages.stage_of(name), stages.tensor(name)
        if stage is None or stage.name not in spec.isolated or row.time_axis is None:
            continue
        reduction = _reduction(spec, name, trace[name].shape, row.time_axis)
        trace[name] = reduction.reduce(trace[name])
        entries[name] = reduction.document()
    return {"reduced": entries} if entries else {}


def _reduction(spec: Spec, name: str, shape: tuple[int, ...], axis: int) -> Reduction:
    """The frames at both ends and around the ends of blocks, and the projections of every block."""
    count = shape[axis]
    of_samples = stages.tensor(name).axes[axis] in stages.RATE_AXES
    frame = Kind(spec.voice).rate * 10 if of_samples else 1
    ends = {0, count, *(end * frame for end in _ENDS), *(_SAMPLE_ENDS if of_samples else ())}
    kept: list[tuple[int, int]] = []
    for end in sorted(ends):
        start, stop = max(end - _BESIDE * frame, 0), min(end + _BESIDE * frame, count)
        if start < stop:
            kept.append((max(start, kept[-1][1] if kept else 0), stop))
    block, projections = (_SAMPLE_BLOCK, _SAMPLE_PROJECTIONS) if of_samples else (_BLOCK, _PROJECTIONS)
    return Reduction(shape, axis, tuple(kept), block, projections, f"reduction/{name}")


def _names(chosen: Collection[str], present: Collection[str]) -> Iterator[str]:
    """The tensors that the chosen stages read and make, as far as they are present, each once."""
    seen: set[str] = set()
    for stage, prefix in stages.walk(stages.prefixes_of(present)):
        if stage.name not in chosen:
            continue
        made = [prefix + row.name for row in stage.makes if prefix + row.name in present]
        for name in (*stages.reads(stage, prefix, present), *made):
            if made and name not in seen:
                seen.add(name)
                yield name


def given(spec: Spec) -> dict[str, Any]:
    """The entry `input` of case.json: the values take the place of a file."""
    return {"file": f"values: {spec.values}", "sha256": _digest(values.of(spec).tensors)}


def _digest(given: Any) -> str:
    """The SHA-256 of all given tensors by name."""
    total = hashlib.sha256()
    for name in sorted(given):
        total.update(name.encode() + np.ascontiguousarray(given[name]).tobytes())
    return total.hexdigest()
