"""The closed schema of case.json. docs/golden-schema.json publishes it."""

from typing import Any

from parity.goldens import recipes
from parity.stages import every
from parity.stages.profile_table import METHODS, PROFILES

FORMAT = "rvc-golden/1"

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null", "integer"]}}
_SHA = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_INT = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
        **more,
    }


RECIPE = _object(
    {"how": {"enum": ["data", *recipes.WAYS]}},
    {
        "key": _TEXT,
        "of": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
        "axis": _INT,
        "start": _INT,
        "stop": _INT,
        "times": {"type": "integer", "minimum": 1},
        "scale": {"type": "number"},
        "repeat": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        "weights": {"type": "array", "items": {"anyOf": [{"type": "number"}, _TEXT]}, "minItems": 2, "maxItems": 2},
    },
)

TENSOR = _object(
    {
        "dtype": {"enum": ["float32", "float64", "int64", "int32", "int16"]},
        "shape": {"type": "array", "items": _INT},
        "axes": {"type": "array", "items": _TEXT},
        "unit": _TEXT,
        "step": {"type": ["number", "null"], "description": "seconds from one element to the next along the time axis"},
        "sha256": _SHA,
        "stored": RECIPE,
    }
)


def _options() -> dict[str, Any]:
    """The schema of the options of a conversion."""
    return _object(
        {},
        {
            "f0_method": {"enum": list(METHODS)},
            "transpose": {"type": "number"},
            "index_rate": {"type": "number", "minimum": 0},
            "protect": {"type": "number", "minimum": 0},
            "rms_mix_rate": {"type": "number", "minimum": 0},
            "resample_rate": _INT,
            "filter_radius": _INT,
            "speaker": _INT,
            "f0_file": {"type": ["string", "null"]},
            "window": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
                "description": "seconds: pad, query, center, max",
            },
            "realtime": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean", "integer", "null"]},
                "description": "settings of a live stream, docs/spec/07",
            },
        },
    )


def _fields() -> dict[str, Any]:
    """The schema of each field of case.json other than `tensors`."""
    return {
        "format": {"const": FORMAT},
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$"},
        "why": {"type": "string", "pattern": ".{10,}"},
        "profile": {"enum": list(PROFILES)},
        "input": _object({"file": _TEXT, "sha256": _SHA}, {"source": _TEXT, "licence": _TEXT}),
        "voice": _object(
            {
                "kind": _TEXT,
                "rate": {"enum": [32000, 40000, 48000]},
                "version": {"enum": ["v1", "v2"]},
                "f0": {"type": "boolean"},
            },
            {
                "index": {"type": ["string", "null"], "description": "the kind of index, null without retrieval"},
                "files": {
                    "type": "object",
                    "additionalProperties": _SHA,
                    "description": "role (voice, hubert, …) → sha256",
                },
            },
        ),
        "options": _options(),
        "seed": {"type": "string", "description": "the noise tensor T is the stream named SEED/T"},
        "segments": _INT,
        "blocks": _INT,
        "reduced": {
            "type": "object",
            "additionalProperties": _object(
                {
                    "shape": {"type": "array", "items": _INT, "minItems": 1},
                    "axis": _INT,
                    "kept": {"type": "array", "items": {"type": "array", "items": _INT, "minItems": 2, "maxItems": 2}},
                    "block": {"type": "integer", "minimum": 1},
                    "projections": _INT,
                    "key": _TEXT,
                }
            ),
            "description": "a tensor of which the case holds some elements and random projections",
        },
        "isolated": {
            "type": "array",
            "items": {"enum": [stage.name for stage in every()]},
            "minItems": 1,
            "description": "the stages recorded alone; the case holds what they read and make, and no conversion",
        },
        "original": _object({"name": _TEXT, "version": _TEXT}, {"commit": _TEXT, "command": _TEXT, "runtime": _TEXT}),
        "environment": _TEXTS,
        "absent": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "a tensor the stage table expects, and why this original has none",
        },
        "recorded": _TEXT,
        "accepted": _TEXT,
    }


_REQUIRED = ["name", "why", "profile", "input", "voice", "options", "seed", "original", "environment"]


def meta_schema() -> dict[str, Any]:
    """The schema of a case's fields without `format` and `tensors`, with the profiles and F0 methods now registered."""
    fields = _fields()
    return _object(
        {name: fields[name] for name in _REQUIRED}, {name: fields[name] for name in fields if name not in _REQUIRED}
    )


def schema() -> dict[str, Any]:
    """The schema of case.json, with the profiles and F0 methods now registered."""
    fields, required = _fields(), ["format", *_REQUIRED]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A golden case: what an original computed, stage by stage",
        **_object(
            {name: fields[name] for name in required} | {"tensors": {"type": "object", "additionalProperties": TENSOR}},
            {name: fields[name] for name in fields if name not in required},
        ),
    }
