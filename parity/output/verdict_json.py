"""The documents of verdict.json: one for a run, one for each case and one for each stage.

`parity.judge.verdict_schema.SCHEMA` is their schema; docs/verdict-schema.json publishes it.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parity import stages
from parity.goldens import closed_schema
from parity.goldens.store import Case
from parity.goldens.text import printable_values
from parity.judge import ledger
from parity.judge.blame import StageVerdict
from parity.judge.limits import Limits
from parity.judge.states import CaseState, CellState, Mode
from parity.judge.verdict import CaseVerdict, RunResult
from parity.judge.verdict_schema import FORMAT, SCHEMA

Json = dict[str, Any]

NEUTRAL_CASE_STATES = (CaseState.PASS, CaseState.PARTIAL, CaseState.DECLINED)  # no failure of the candidate


def cell_failed(cell: Mapping[str, Any]) -> bool:
    """Whether a cell of verdict.json failed: it neither passed nor was left untested."""
    return CellState(cell["state"]).failed


def case_failed(case: Mapping[str, Any]) -> bool:
    """Whether a case of verdict.json failed: it neither passed nor was declined by the candidate."""
    return CaseState(case["state"]) not in NEUTRAL_CASE_STATES


def state_text(document: Mapping[str, Any]) -> str:
    """The state of a case or of a run; of a differing one, whether its output is within its limits nevertheless."""
    state = str(document["state"])
    return f"{state}, but its output is within the limits" if document.get("output_holds") else state


def stage_document(verdict: StageVerdict) -> Json:
    """One stage of a case, with all its cells."""
    times = {mode: _finite(verdict.times_limit(mode)) for mode in Mode}
    document = {
        "stage": verdict.stage.name,
        "prefix": verdict.prefix,
        "blame": verdict.blame,
        "sentence": verdict.sentence,
        "times_limit": times,
        "own": verdict.own,
        "inherited": verdict.inherited,
        "reads": list(verdict.reads),
        "first": verdict.first.document() if verdict.first else None,
        "shape": verdict.shape,
        "cause": verdict.cause,
        "drift_cents": verdict.drift,
        "magnitude": verdict.magnitude,
        "cells": [cell.document() for cell in verdict.cells],
    }
    return document if verdict.tier is None else document | {"tier": verdict.tier}


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: a ratio to a limit of 0 becomes null."""
    return value if value is not None and abs(value) < float("inf") else None


def case_document(
    verdict: CaseVerdict, case: Case | None, traces: Mapping[str, str | None], wall: float, reproduce: str
) -> Json:
    """One case of a run.

    Args:
        verdict: the judgment of the case.
        case: its golden, which adds the recording's metadata; None for a golden that cannot be opened and for a trace.
        traces: mode → path of the candidate's trace, relative to the run's folder; None where the mode made nothing.
        wall: seconds that the judgment took.
        reproduce: the command line that judges this case alone.
    """
    document: Json = {
        "name": verdict.name,
        "state": verdict.state,
        "sentence": verdict.sentence,
        "counts": verdict.ledger.counts(),
        "first": verdict.first,
        "stages": [stage_document(stage) for stage in verdict.stages],
        "traces": {"isolated": traces.get("isolated"), "chained": traces.get("chained")},
        "wall_s": round(wall, 3),
        "reproduce": reproduce,
    }
    if verdict.extra_names:
        document["extra"] = list(verdict.extra_names)
    if verdict.outside:
        document["outside"] = True
    if verdict.matches:
        document["matches"] = list(verdict.matches)
    if verdict.continuation is not None and verdict.continuation.sentence:
        document["repairs"] = [repair.document() for repair in verdict.continuation.repairs]
        document["continuation"] = verdict.continuation.sentence
    if verdict.not_tried:
        document["not_tried"] = verdict.not_tried
    if verdict.tier is not None:
        document["tier"] = verdict.tier
    if verdict.state is CaseState.DIFFERS and verdict.output_holds is not None:
        document["output_holds"] = verdict.output_holds
    if case is None:
        return document
    document |= {
        "folder": _relative(case.folder),
        "why": case.why,
        "profile": case.profile,
        "voice": case.voice,
        "input": case.input,
        "options": case.options,
        "original": case.meta["original"],
        "environment": case.meta["environment"],
    }
    if "audio16k.raw" in case:
        document["seconds"] = case.entry("audio16k.raw")["shape"][0] / stages.SR16
    return document


def _relative(folder: Path) -> str:
    """The folder from the working folder; as it is where it lies on another drive."""
    try:
        return os.path.relpath(folder)
    except ValueError:
        return str(folder)


def limits_used(verdicts: Iterable[CaseVerdict], limits: Limits, networks: Mapping[str, bool]) -> list[Json]:
    """The document of every limit that judged a cell, each once.

    Args:
        verdicts: the judged cases.
        limits: the limits they were judged with.
        networks: case name → whether the F0 of that case comes from a network, which has limits of its own.
    """
    documents: dict[tuple[str, str, str, bool, float], Json] = {}  # a stream's limit may differ from a file's
    for verdict in verdicts:
        network = networks.get(verdict.name, False)
        for cell in verdict.ledger.cells:
            if cell.metric != "form":
                limit = limits.find(cell.tensor, cell.mode, cell.metric, network)
                key = (limit.tensor, limit.mode, limit.metric, limit.network_f0, limit.limit)
                documents.setdefault(key, limit.document())
    return list(documents.values())


def run_document(
    result: RunResult,
    manifest: Mapping[str, Any],
    repeats: Mapping[str, Any] | None,
    not_shown: Sequence[Json],
    about: Mapping[str, Any],
    cases: Sequence[Json],
    verdicts: Sequence[CaseVerdict],
    limits: Sequence[Json],
    waivers: Sequence[Json],
    started: str,
    seconds: float,
    pending: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Json:
    """The document of a run, as verdict.json holds it.

    Args:
        result: the result of the run.
        manifest: what the run was judged by, beside the pinned digests.
        repeats: what repeated calls showed; None where none was repeated.
        not_shown: what the judged profiles cannot show.
        about: `Candidate.about`.
        cases: `case_document` of each case.
        verdicts: the judged cases, whose cells are counted.
        limits: `limits_used`.
        waivers: each waiver with the number of its uses.
        started: ISO 8601 time, UTC.
        seconds: duration of the run.
        pending: the names of selected cases that the run has not reached.
        notes: sentences about what the run cannot show.
    Raises:
        AssertionError: the document does not fit the published schema.
    """
    document: Json = {
        "format": FORMAT,
        "state": result.state,
        "exit_code": result.exit_code,
        "sentence": result.sentence,
        "scope": result.scope.document(),
        "failures": list(result.failures),
        "manifest": dict(manifest),
        "not_shown": list(not_shown),
        "repeats": None if repeats is None else dict(repeats),
        "candidate": dict(about),
        "started": started,
        "seconds": round(seconds, 3),
        "counts": ledger.counts(cell for verdict in verdicts for cell in verdict.ledger.cells),
        "cases": list(cases),
        "limits": list(limits),
        "waivers": list(waivers),
    }
    if result.tier is not None:
        document["tier"] = {"required": result.scope.tier, "reached": result.tier}
    if result.output_holds is not None:
        document["output_holds"] = result.output_holds
    if pending:
        document["pending"] = list(pending)
        document["sentence"] += f"; {len(pending)} not judged yet: the same command with --resume continues"
    if notes:
        document["notes"] = list(notes)
    document = printable_values(document)  # names of candidates and cases may hold any character
    if wrong := closed_schema.check(document, SCHEMA):
        raise AssertionError(f"the verdict does not fit its own schema: {wrong[0]}")
    return document
