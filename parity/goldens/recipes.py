"""Recipes: how a golden stores a tensor that follows, bit for bit, from other tensors or from the random stream.

A recipe is a small JSON object. `make` follows one, and the caller casts the result to the tensor's dtype and shape.
`find` searches for one that gives exactly the bits of a tensor, so a recipe never changes a value.

    {"how": "data"}                                      under its own name in tensors.safetensors
    {"how": "noise", "key": TEXT}                        parity.goldens.random_stream.normal(key, shape), a fixed stream
    {"how": "slice", "of": NAME, "axis": A, "start": S, "stop": E}
    {"how": "repeat", "of": NAME, "axis": A, "times": N} each element N times in a row (nearest upsampling)
    {"how": "join", "of": [NAME, ...]}                   one after another along axis 0
    {"how": "steps", "of": PART, "scale": X}             stored integers times X, in float32
    {"how": "mix", "of": [A, B], "repeat": [N, M], "weights": [X, Y]}   A·X + B·Y in float32, A repeated N times
                                                         along axis 1; a weight is a number or a PART along axis 1
A PART is an array of tensors.safetensors with `#` in its name: it serves a recipe and is no tensor of the case.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from parity import stages
from parity.goldens import random_stream, time_axes
from parity.goldens.arrays import Array, NamedArrays
from parity.stages import Scope, TensorKind, TensorName

Recipe = dict[str, Any]  # fits `case_schema.RECIPE`
Get = Callable[[str], Array]
Parts = dict[str, Array]  # name with "#" → array
Meta = Mapping[str, Any]  # the fields of case.json other than `tensors`

DATA: Recipe = {"how": "data"}
INT16_SCALE = 32768  # steps of a 16-bit sample in 1.0


def make(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    """Follow a recipe.

    Args:
        recipe: any recipe but DATA.
        shape: the shape of the tensor, which noise is drawn in.
        get: gives a tensor of the case by its full name.
        part: gives a stored part by its name.
    Returns:
        the values; their dtype and shape may differ from the tensor's.
    Raises:
        ValueError: there is no such way to store a tensor, or the sources do not fit together.
        KeyError: a source or a field of the recipe is missing.
    """
    how = recipe["how"]
    if how not in WAYS:
        raise ValueError(f"{how!r} is not a way to store a tensor")
    return WAYS[how](recipe, shape, get, part)


def _noise(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    return random_stream.normal(recipe["key"], shape)


def _slice(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    where = (slice(None),) * int(recipe["axis"]) + (slice(recipe["start"], recipe["stop"]),)
    return get(str(recipe["of"]))[where]


def _repeat(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    return np.repeat(get(str(recipe["of"])), recipe["times"], axis=recipe["axis"])


def _join(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    return np.concatenate([get(name) for name in recipe["of"]])


def _steps(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    return part(recipe["of"]).astype(np.float32) * np.float32(recipe["scale"])


def _mix(recipe: Mapping[str, Any], shape: tuple[int, ...], get: Get, part: Get) -> Array:
    terms: list[tuple[Array, Any]] = []
    for name, times, weight in zip(recipe["of"], recipe["repeat"], recipe["weights"], strict=True):
        base = get(name)
        base = base[None] if base.ndim == 2 else base  # (n, C) → (1, n, C)
        base = np.repeat(base, times, axis=1) if times > 1 else base
        terms.append((base, part(weight)[None, :, None] if isinstance(weight, str) else np.float32(weight)))
    length = min(base.shape[1] for base, _ in terms)
    (a, x), (b, y) = ((base[:, :length], weight) for base, weight in terms)
    return np.asarray(a * x + b * y)


WAYS: dict[str, Callable[[Mapping[str, Any], tuple[int, ...], Get, Get], Array]] = {
    "noise": _noise,
    "slice": _slice,
    "repeat": _repeat,
    "join": _join,
    "steps": _steps,
    "mix": _mix,
}


def sources(recipe: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The names of the tensors and of the parts that a recipe reads."""
    of = recipe.get("of", [])
    names = [of] if isinstance(of, str) else list(of)
    weights = [weight for weight in recipe.get("weights", []) if isinstance(weight, str)]
    return [name for name in names if "#" not in name], [name for name in names if "#" in name] + weights


def find(name: str, value: Array, tensors: NamedArrays, meta: Meta) -> tuple[Recipe, Parts]:
    """Search for a recipe that makes exactly the bits of a tensor.

    Args:
        name: its full name.
        value: its value.
        tensors: all tensors of the case.
        meta: the other fields of the case.
    Returns:
        the recipe and the parts that it needs; DATA and no part where no recipe gives these bits.
    """
    for recipe, parts in _proposals(name, value, tensors, meta):
        read, _ = sources(recipe)
        if any(source not in tensors for source in read):
            continue
        try:
            made = make(recipe, value.shape, tensors.__getitem__, parts.__getitem__)
        except (ValueError, IndexError):  # the proposal does not fit these shapes
            continue
        if made.size == value.size and same_bits(made.astype(value.dtype).reshape(value.shape), value):
            return recipe, parts
    return dict(DATA), {}


def same_bits(one: Array, other: Array) -> bool:
    """Whether dtype, shape and bytes are equal; 0.0 and -0.0 differ."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _proposals(name: str, value: Array, tensors: NamedArrays, meta: Meta) -> Iterator[tuple[Recipe, Parts]]:
    """Recipes that may make a tensor, with their parts, the most likely one first."""
    parsed = TensorName.parse(name)
    prefix, local = parsed.prefix, parsed.local
    if stages.tensor(name).kind is TensorKind.NOISE or meta.get("isolated"):
        yield {"how": "noise", "key": f"{meta['seed']}/{name}"}, {}
    if value.dtype.kind == "f" and (local == "audio16k.raw" or meta.get("isolated")):
        steps = value * INT16_SCALE
        if np.array_equal(steps, np.round(steps)) and np.abs(steps).max(initial=0) < INT16_SCALE:
            part = f"{name}#steps"
            yield {"how": "steps", "of": part, "scale": 1 / INT16_SCALE}, {part: steps.astype(np.int16)}
    yield from ((recipe, {}) for recipe in _pieces(prefix, local, value, tensors, meta))
    features = prefix + "hubert.features"
    if local == "retrieval.blended":
        rate = float(meta["options"].get("index_rate", 0))
        of = [prefix + "retrieval.mean", features]
        yield {"how": "mix", "of": of, "repeat": [1, 1], "weights": [rate, 1 - rate]}, {}
    if local == "content.upsampled":
        yield {"how": "repeat", "of": prefix + "retrieval.blended", "axis": 1, "times": 2}, {}
        yield {"how": "repeat", "of": features, "axis": 1, "times": 2}, {}
    if local == "content.protected" and "f0.hz" in tensors:
        start = _first_frame(prefix, tensors)
        hz = tensors["f0.hz"][0, start : start + value.shape[1]]
        kept = np.where(hz < 1, np.float32(meta["options"].get("protect", 0.5)), np.float32(1))
        parts = {f"{name}#kept": kept.astype(np.float32), f"{name}#source": (1 - kept).astype(np.float32)}
        yield (
            {"how": "mix", "of": [prefix + "content.upsampled", features], "repeat": [1, 2], "weights": list(parts)},
            parts,
        )


def _pieces(prefix: str, local: str, value: Array, tensors: NamedArrays, meta: Meta) -> Iterator[Recipe]:
    """Recipes for tensors that are usually a piece of another one, or several joined."""
    pad = round(stages.SR16 * time_axes.pad_seconds(meta))
    rate = int(meta["voice"]["rate"])
    pieces: dict[str, list[tuple[str, int, int]]] = {  # local name → (source, axis, first element)
        "audio16k": [("audio16k.raw", 0, 0)],
        "f0.filled": [("f0.raw", 0, 0)],
        "f0.hz": [("f0.filled", 0, 0), ("f0.raw", 0, 0)],
        "highpassed": [("padded", 0, pad)],
        "audio": [("padded", 0, _first_frame(prefix, tensors) * stages.FRAME)],
        "content.protected": [(prefix + "content.upsampled", 1, 0)],
        "waveform.segment": [(prefix + "waveform.segment.full", 0, pad * rate // stages.SR16)],
        "waveform.rmsmixed": [("waveform.concat", 0, 0)],
        "waveform.resampled": [("waveform.rmsmixed", 0, 0), ("waveform.concat", 0, 0)],
        "retrieval.blended": [(prefix + "hubert.features", 1, 0)],
    }
    for base, axis, start in pieces.get(local, []):
        length = max(value.shape, default=0) if axis == 0 else value.shape[axis]
        yield {"how": "slice", "of": base, "axis": axis, "start": start, "stop": start + length}
    if local == "spk.g" and stages.index_of(prefix):
        first = stages.prefix(stages.scope_of(prefix)) + local
        yield {"how": "slice", "of": first, "axis": 0, "start": 0, "stop": 1}
    if local == "waveform.concat":
        segments = [other for other in stages.prefixes_of(tensors) if stages.scope_of(other) is Scope.SEGMENT]
        yield {"how": "join", "of": [f"{segment}waveform.segment" for segment in segments]}


def _first_frame(prefix: str, tensors: NamedArrays) -> int:
    """The F0 frame of 10 ms in which the segment of a prefix begins."""
    return time_axes.first_frame(stages.index_of(prefix), tensors.get("segment.cuts"))
