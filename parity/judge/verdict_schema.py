"""The closed schema of verdict.json; docs/verdict-schema.json is this, published for readers in any language."""

from typing import Any

from parity.judge.states import PASS_MARKS, Blame, CaseState, CellState, Metric, Mode, NotTried, Tier

FORMAT = "rvc-verdict/1"

CELL_STATES = [state.value for state in CellState]
BLAMES = [blame.value for blame in Blame]
METRICS = [metric.value for metric in Metric]
MODES = [mode.value for mode in Mode]

_TEXT = {"type": "string"}
_NUMBER = {"type": ["number", "null"]}
_INT = {"type": "integer", "minimum": 0}
_ANY_TEXT = {"type": ["string", "null"]}
_FREE = {"type": "object"}


def _object(
    required: dict[str, Any], optional: dict[str, Any] | None = None, together: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The schema of an object; the optional fields `together` are all there or all absent."""
    linked = {name: [other for other in together if other != name] for name in together}
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
        **({"dependentRequired": linked} if linked else {}),
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_NOT_TRIED = {
    **_list({"enum": [what.value for what in NotTried]}),
    "description": "what needs networks and was left out, because torch or rvc is not installed",
}
_WORST = _object(
    {
        "frame": {**_INT, "description": "position along the time axis"},
        "time_s": {**_NUMBER, "description": "seconds into the input file (negative inside the padding)"},
        "index": {**_list(_INT), "description": "the worst element of that frame"},
        "ours": _NUMBER,
        "golden": _NUMBER,
    },
    {"samples": {**_list({"type": "integer"}), "description": "that frame as [first, last) sample at 16 kHz"}},
)

_CELL = _object(
    {
        "tensor": _TEXT,
        "mode": {"enum": MODES},
        "metric": {"enum": METRICS},
        "state": {"enum": CELL_STATES},
        "value": {**_NUMBER, "description": "what was measured: the least limit that would have passed"},
        "limit": _NUMBER,
        "times_limit": {**_NUMBER, "description": "value / limit"},
        "sentence": {**_ANY_TEXT, "description": "a sentence for people; null where none is needed"},
    },
    {
        "unit": _TEXT,
        "max_abs": _NUMBER,
        "times_spread": {**_NUMBER, "description": "value / the original's own spread"},
        "worst": {"anyOf": [_WORST, {"type": "null"}]},
        "flips": {
            **_list(_FREE),
            "description": "hard decisions that differ, each with its margin and the upstream error",
        },
        "waiver": _TEXT,
    },
)

_TIER = {"enum": [tier.value for tier in Tier]}
_SHAPE = _object(
    {"kind": {"enum": ["edge", "transient", "persistent", "growing", "periodic", "none"]}, "sentence": _TEXT}
)
_EXPLAINS = {**_NUMBER, "description": "share of the error's energy that the cause explains, 0 to 1"}
_CAUSE = _object(
    {"name": _TEXT, "sentence": _TEXT, "explains": _EXPLAINS},
    {"divergence": {**_ANY_TEXT, "description": "number of the divergence, such as D1"}},
)

_STAGE = _object(
    {
        "stage": _TEXT,
        "prefix": {**_TEXT, "description": '"" for the file, "seg0." for a segment, "rt.0." for a block'},
        "blame": {"enum": BLAMES},
        "sentence": _ANY_TEXT,
        "times_limit": _object({"isolated": _NUMBER, "chained": _NUMBER}),
        "own": {**_NUMBER, "description": "relative RMS error with the golden's own inputs"},
        "inherited": {**_NUMBER, "description": "relative RMS of the chained error that isolation does not show"},
        "cells": _list({"$ref": "#/$defs/cell"}),
    },
    {
        "reads": _list(_TEXT),
        "first": {"anyOf": [_WORST, {"type": "null"}], "description": "the first frame above the limit"},
        "shape": {"anyOf": [_SHAPE, {"type": "null"}]},
        "cause": {"anyOf": [_CAUSE, {"type": "null"}]},
        "drift_cents": {**_NUMBER, "description": "F0 drift seen in a waveform, apart from its magnitude error"},
        "magnitude": {**_NUMBER, "description": "relative RMS of the waveform's short-time magnitudes, drift apart"},
        "tier": {**_TIER, "description": "the best tier whose limits all cells meet; absent: not tested"},
    },
)

_COUNTS = _object(dict.fromkeys(("expected", "compared", "passed", "failed", "waived", "not_tested"), _INT))

_DECIBELS = "the waveform's distance from the golden, in dB below it; null where it cannot be compared, or is exact"
_REPAIR = _object(
    {
        "stage": _TEXT,
        "prefix": _TEXT,
        "before_db": {**_NUMBER, "description": _DECIBELS},
        "after_db": {**_NUMBER, "description": f"with this stage and those before it repaired: {_DECIBELS}"},
        "exact": {"type": "boolean", "description": "whether the waveform then equals the golden bit by bit"},
    }
)

_CASE = _object(
    {
        "name": _TEXT,
        "state": {"enum": [state.value for state in CaseState]},
        "sentence": _ANY_TEXT,
        "counts": _COUNTS,
        "stages": {**_list({"$ref": "#/$defs/stage"}), "description": "in the order of the flow"},
        "first": {
            "anyOf": [
                _object(
                    {
                        "stage": _TEXT,
                        "tensor": _TEXT,
                        "mode": {"enum": MODES},
                        "frame": {"type": ["integer", "null"]},
                        "time_s": _NUMBER,
                    }
                ),
                {"type": "null"},
            ],
            "description": "the first diverging stage of the chained run (isolated where that is clean)",
        },
    },
    {
        "why": _TEXT,
        "profile": _TEXT,
        "voice": _FREE,
        "input": _FREE,
        "options": _FREE,
        "original": _FREE,
        "environment": _FREE,
        "seconds": {**_NUMBER, "description": "length of the input"},
        "wall_s": _NUMBER,
        "folder": {**_TEXT, "description": "the golden, relative to verdict.json's working folder"},
        "traces": _object({"isolated": _ANY_TEXT, "chained": _ANY_TEXT}),
        "reproduce": {**_TEXT, "description": "the command that shows this again"},
        "extra": {**_list(_TEXT), "description": "tensors that were handed over and are none of this case"},
        "outside": {"type": "boolean", "description": "true where the candidate does not declare the case's profile"},
        "not_tried": _NOT_TRIED,
        "repairs": {
            **_list(_REPAIR),
            "description": "every origin of the chain, in flow order: the golden's values take its place in every "
            "segment and block, and the stages behind it are run again; prefix is where it is wrong first",
        },
        "continuation": {**_TEXT, "description": "the repairs as a sentence, and why the chain was not continued"},
        "matches": {
            **_list(_TEXT),
            "description": "every other profile under which a differing case would have passed",
        },
        "tier": {**_TIER, "description": "the worst of the tiers of its stages; absent: nothing was compared"},
        "output_holds": {
            "type": "boolean",
            "description": "of a differing case: whether its output, waveform.final or the blocks of a stream, is "
            "within its limits; absent: not compared",
        },
    },
    together=("repairs", "continuation"),
)

_LIMIT = _object(
    {
        "tensor": {**_TEXT, "description": "without its prefix"},
        "mode": {"enum": MODES},
        "metric": {"enum": METRICS},
        "limit": {"type": "number"},
        "unit": _TEXT,
        "because": _TEXT,
        "spread": {**_NUMBER, "description": "how far the original is from itself"},
        "margin": {**_NUMBER, "description": "limit / spread"},
    },
    {
        "derivation": {**_FREE, "description": "the variants of the original that were run and what each gave"},
        "f0_from_network": {"type": "boolean"},
    },
)

_WAIVER = _object({"cell": _TEXT, "because": _TEXT, "until": _TEXT, "used": _INT})

_SCOPE = _object(
    {
        "modes": _list({"enum": MODES}),
        "of_cases": {"type": ["integer", "null"], "description": "how many goldens there are; null: all were judged"},
        "stage": {**_ANY_TEXT, "description": "the stage of --stage"},
        "against": {"enum": ["goldens", "rvc"], "description": "rvc: drawn cases that no golden has, never a pass"},
        "seed": {**_ANY_TEXT, "description": "of the drawn cases"},
    }
)

_DIGESTS = _object(
    {
        "limits": _TEXT,
        "spread": _TEXT,
        "waivers": _TEXT,
        "goldens": _FREE,
        "golden_set": {**_ANY_TEXT, "description": "the version of the set of goldens; null for goldens of no set"},
    }
)
_MANIFEST = _object(
    {
        "sha256": {**_TEXT, "description": "of the manifest of pinned digests"},
        "altered": {**_list(_TEXT), "description": "each pinned item that has another content, a failure of the run"},
        "notes": {**_list(_TEXT), "description": "what the manifest does not pin, and what is missing"},
        "judged_by": {**_DIGESTS, "description": "the digests of what this run was judged by"},
    }
)

_NOT_SHOWN = _object(
    {
        "what": {**_TEXT, "description": "a behavior that only other profiles have; see parity.stages.profile_table"},
        "stage": _TEXT,
        "profiles": {**_list(_TEXT), "description": "the judged profiles"},
        "because": _TEXT,
        "golden": {**_TEXT, "description": "a golden that shows it"},
        "golden_profile": _TEXT,
    }
)
_FINDING = _object(
    {
        "state": {**_TEXT, "description": "one of parity.runs.repeat_findings.RepeatState"},
        "case": _TEXT,
        "stage": {**_TEXT, "description": 'a stage, or "run" for a whole conversion'},
        "sentence": _TEXT,
    }
)
_REPEATS = _object(
    {"calls": _INT, "seconds": _NUMBER, "findings": _list(_FINDING), "notes": _list(_TEXT)}, {"not_tried": _NOT_TRIED}
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A verdict: what a candidate computed, against what the originals computed",
    **_object(
        {
            "format": {"const": FORMAT},
            "state": {"enum": ["pass", "partial", "differs", "nothing"]},
            "exit_code": {"enum": [0, 1, 3, 4]},
            "sentence": _TEXT,
            "scope": {**_SCOPE, "description": "what the run judged"},
            "failures": {**_list(_TEXT), "description": "failures that belong to no cell"},
            "manifest": _MANIFEST,
            "not_shown": {**_list(_NOT_SHOWN), "description": "what the judged profiles cannot show"},
            "repeats": {"anyOf": [_REPEATS, {"type": "null"}], "description": "calls beside those of the cases"},
            "candidate": _object(
                {"name": _TEXT, "version": _TEXT},
                {"command": _ANY_TEXT, "runtime": _TEXT, "environment": _FREE, "declares": _FREE},
            ),
            "started": _TEXT,
            "seconds": {"type": "number"},
            "counts": _COUNTS,
            "cases": _list({"$ref": "#/$defs/case"}),
            "limits": _list({"$ref": "#/$defs/limit"}),
            "waivers": _list({"$ref": "#/$defs/waiver"}),
        },
        {
            "speed": {**_FREE, "description": "what bench.budget or check --time measured"},
            "pending": {**_list(_TEXT), "description": "the selected cases that an unfinished run has not reached"},
            "notes": {**_list(_TEXT), "description": "what the run cannot show, in sentences"},
            "tier": _object(
                {
                    "required": {"enum": [tier.value for tier in PASS_MARKS], "description": "the tier that passes"},
                    "reached": {"anyOf": [_TIER, {"type": "null"}], "description": "the worst tier of the cases"},
                }
            ),
            "output_holds": {
                "type": "boolean",
                "description": "whether the output of every differing case is within its limits; absent: no case "
                "differs, or an output was not compared",
            },
        },
    ),
    "$defs": {"cell": _CELL, "stage": _STAGE, "case": _CASE, "limit": _LIMIT, "waiver": _WAIVER},
}
