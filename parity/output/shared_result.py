"""A verdict that can be sent to others: numbers and names of this project, nothing of a voice, a file or a machine.

The form lists, stage by stage, what was measured. It holds no path, no name of a file, no sample, and no text that a
user or a candidate wrote except the candidate's name, version and runtime.
"""

from collections.abc import Mapping
from typing import Any

from parity.candidates import messages
from parity.goldens.store import Case
from parity.judge.states import Blame
from parity.judge.verdict_schema import FORMAT as VERDICT_FORMAT

Json = dict[str, Any]
FORMAT = "rvc-shared-result/1"
_CELL = ("tensor", "mode", "metric", "state", "value", "limit", "times_limit")
_TIER = ("required", "reached")
_COUNTS = ("expected", "compared", "passed", "failed", "waived", "not_tested")
_NUMBERS = tuple(name for name, entry in messages.OPTIONS.items() if entry["type"] in ("number", "integer"))


def document(case: Case, verdicts: list[Json]) -> Json:
    """The form.

    Args:
        case: the original's side; its options and its kind of voice are stated, its name is not.
        verdicts: the verdict.json documents of one case each.
    """
    options = {name: case.options[name] for name in _NUMBERS if name in case.options}
    if (method := case.options.get("f0_method")) is not None:
        options["f0_method"] = method
    return {
        "format": FORMAT,
        "judged_by": VERDICT_FORMAT,
        "profile": case.profile,
        "voice": {key: case.voice.get(key) for key in ("rate", "version", "f0")},
        "options": options,
        "results": [_result(verdict) for verdict in verdicts],
    }


def _result(verdict: Mapping[str, Any]) -> Json:
    about = verdict["candidate"]
    declared = about.get("declares") or {}
    return {
        "candidate": {key: about[key] for key in ("name", "version", "runtime") if key in about},
        "precision": declared.get("precision"),
        "state": verdict["state"],
        **({"tier": {key: verdict["tier"][key] for key in _TIER}} if "tier" in verdict else {}),
        **({"output_holds": verdict["output_holds"]} if "output_holds" in verdict else {}),
        "counts": {key: verdict["counts"][key] for key in _COUNTS},
        "stages": [_stage(stage) for case in verdict["cases"] for stage in case["stages"]],
    }


def _stage(stage: Mapping[str, Any]) -> Json:
    cause = stage.get("cause")
    return {
        "stage": stage["stage"],
        "prefix": stage["prefix"],
        "blame": stage["blame"],
        "cause": cause["name"] if cause and stage["blame"] == Blame.ORIGIN else None,
        "shape": (stage.get("shape") or {}).get("kind"),
        "cells": [{key: cell.get(key) for key in _CELL} for cell in stage["cells"]],
    }
