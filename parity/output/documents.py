"""A run's verdicts for machines and people: verdict.json, junit.xml, summary.md, and the table on the screen."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from parity import stages
from parity.goldens import closed_schema
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.judge import ledger as cells
from parity.judge import limits as tolerance
from parity.judge.blame import StageVerdict
from parity.judge.verdict import CaseVerdict
from parity.judge.verdict_schema import FORMAT, SCHEMA


def stage_document(verdict: StageVerdict) -> dict[str, Any]:
    """One stage as verdict.json writes it."""
    times = {mode: _finite(verdict.times_limit(mode)) for mode in ("isolated", "chained")}
    return {
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


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def case_document(
    verdict: CaseVerdict, case: Case | None, traces: Mapping[str, str | None], wall: float, reproduce: str
) -> dict[str, Any]:
    """One case as verdict.json writes it."""
    found: dict[str, Any] = {
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
    if verdict.matches:
        found["matches"] = verdict.matches
    if case is not None:
        meta = case.meta
        found |= {
            "folder": os.path.relpath(case.folder),
            "why": case.why,
            "profile": case.profile,
            "voice": case.voice,
            "input": case.input,
            "options": case.options,
            "original": meta["original"],
            "environment": meta["environment"],
        }
        if "audio16k.raw" in case:
            found["seconds"] = case.entry("audio16k.raw")["shape"][0] / 16000
    return found


def limits_used(
    verdicts: Iterable[CaseVerdict], limits: tolerance.Limits, networks: Mapping[str, bool]
) -> list[dict[str, Any]]:
    """The card of every limit that judged a cell, once each."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for verdict in verdicts:
        network = networks.get(verdict.name, False)
        for cell in verdict.ledger.cells:
            if cell.metric != "form":
                limit = limits.find(cell.tensor, cell.mode, cell.metric, network)
                found.setdefault((limit.tensor, limit.mode, limit.metric, limit.network_f0), limit.document())
    return list(found.values())


def document(
    state: tuple[str, int, str],
    about: Mapping[str, Any],
    cases: Sequence[dict[str, Any]],
    verdicts: Sequence[CaseVerdict],
    limits: Sequence[dict[str, Any]],
    waivers: Sequence[dict[str, Any]],
    started: str,
    seconds: float,
) -> dict[str, Any]:
    """The whole verdict; it fits the published schema, or this raises AssertionError."""
    found = {
        "format": FORMAT,
        "state": state[0],
        "exit_code": state[1],
        "sentence": state[2],
        "candidate": dict(about),
        "started": started,
        "seconds": round(seconds, 3),
        "counts": cells.counts(cell for verdict in verdicts for cell in verdict.ledger.cells),
        "cases": list(cases),
        "limits": list(limits),
        "waivers": list(waivers),
    }
    if wrong := closed_schema.check(found, SCHEMA):
        raise AssertionError(f"the verdict does not fit its own schema: {wrong[0]}")
    return found


def write(folder: Path, verdict: Mapping[str, Any]) -> None:
    """verdict.json, junit.xml and summary.md into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "verdict.json": json.dumps(verdict, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "junit.xml": junit(verdict),
        "summary.md": summary(verdict),
    }
    for name, text in texts.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)


def write_traces(folder: Path, verdict: CaseVerdict) -> dict[str, str | None]:
    """What the candidate made, as safetensors; returns their paths relative to `folder`."""
    found: dict[str, str | None] = {"isolated": None, "chained": None}
    for mode, tensors in verdict.traces.items():
        if tensors:
            name = f"traces/{verdict.name}/{mode}.safetensors"
            Trace(tensors).write(folder / name, {"case": verdict.name, "mode": mode})
            found[mode] = name
    return found


def junit(verdict: Mapping[str, Any]) -> str:
    """One test case for each stage of each case."""
    suites = ElementTree.Element("testsuites", name="parity")
    for case in verdict["cases"]:
        suite = ElementTree.SubElement(suites, "testsuite", name=case["name"])
        rows = [(stage["prefix"] + stage["stage"], stage) for stage in case["stages"]] or [("case", None)]
        failures = skipped = 0
        for name, stage in rows:
            test = ElementTree.SubElement(suite, "testcase", classname=case["name"], name=name)
            said = [cell["sentence"] or "" for cell in (stage or {}).get("cells", []) if bad(cell)]
            if stage is None and case["state"] not in ("pass", "declined"):
                said = [case["sentence"] or ""]
            if said:
                failures += 1
                text = ElementTree.SubElement(test, "failure", message=said[0])
                text.text = "\n".join(said)
            elif stage is not None and stage["blame"] == "not tested":
                skipped += 1
                ElementTree.SubElement(test, "skipped", message=stage["sentence"] or "not tested")
        for key, value in (("tests", len(rows)), ("failures", failures), ("skipped", skipped)):
            suite.set(key, str(value))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def bad(cell: Mapping[str, Any]) -> bool:
    """Whether a cell of a verdict says no."""
    return cell["state"] not in ("same", "close", "explained", "waived", "not tested")


HEADS = ("stage", "cells", "same", "close", "differs", "nearest to its limit")


def rows(verdict: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One line for each stage over all cases: how many cells, and the one nearest to its limit (or furthest beyond)."""
    by_stage: dict[str, list[Mapping[str, Any]]] = {}
    for case in verdict["cases"]:
        for stage in case["stages"]:
            by_stage.setdefault(stage["stage"], []).extend(stage["cells"])
    found: list[tuple[str, ...]] = []
    order = [stage.name for stage in (*stages.OFFLINE, *stages.REALTIME)]
    for name, mine in sorted(by_stage.items(), key=lambda item: order.index(item[0])):
        states = [cell["state"] for cell in mine]
        ranked = [cell for cell in mine if cell["metric"] != "form" and cell["value"] is not None]
        ranked.sort(key=lambda cell: (bad(cell), cell["times_limit"] or 0), reverse=True)
        found.append(
            (
                name,
                str(len(mine)),
                str(states.count("same")),
                str(states.count("close") + states.count("explained") + states.count("waived")),
                str(sum(map(bad, mine))),
                _nearest(mine, ranked),
            )
        )
    return found


def _nearest(mine: Sequence[Mapping[str, Any]], ranked: Sequence[Mapping[str, Any]]) -> str:
    broken = [cell for cell in mine if cell["state"] in ("missing", "shape", "dtype", "nan", "empty", "error")]
    if broken:
        return f"{broken[0]['tensor']} {broken[0]['mode']}: {broken[0]['state']}"
    if not ranked:
        return "not tested" if mine and mine[0]["state"] == "not tested" else ""
    top = ranked[0]
    share = "" if top["times_limit"] is None else f"{100 * top['times_limit']:.3g} % of "
    return f"{top['tensor']} {top['mode']} {top['metric']} {share}{top['limit']:.2g}"


def table(verdict: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    lines = [HEADS, *rows(verdict)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADS))]
    right = (1, 2, 3, 4)
    return "\n".join(
        "  ".join(
            text.rjust(widths[i]) if i in right else text.ljust(widths[i]) for i, text in enumerate(line)
        ).rstrip()
        for line in lines
    )


def closing(verdict: Mapping[str, Any]) -> str:
    """What the run says after its table: the counts, each failing case with its sentence, and the verdict."""
    counts = verdict["counts"]
    lines = [
        f"cells: {counts['expected']} expected = {counts['compared']} compared + {counts['waived']} waived + "
        f"{counts['not_tested']} not tested; {counts['failed']} failed"
    ]
    for case in verdict["cases"]:
        if case["state"] not in ("pass", "declined"):
            lines += ["", f"{case['name']}: {case['state']}"]
            lines += [f"  {case['sentence']}"] if case["sentence"] else []
            lines += [
                f"  {stage['prefix']}{stage['stage']}: {stage['blame']}{_because(stage)}"
                for stage in case["stages"]
                if stage["blame"] in ("origin", "amplifies", "knife-edge")
            ]
            lines += [f"  again: {case['reproduce']}"] if "reproduce" in case else []
    return "\n".join([*lines, *_edges(verdict), "", f"{verdict['state']}: {verdict['sentence']}"])


def _edges(verdict: Mapping[str, Any]) -> list[str]:
    """The decisions that were explained, each with its margin, so that nothing passes in silence."""
    found = [
        f"{case['name']} {cell['tensor']} ({cell['mode']}): {cell['flips'][0]['sentence']}"
        for case in verdict["cases"]
        for stage in case["stages"]
        for cell in stage["cells"]
        if cell["state"] == "explained" and cell.get("flips")
    ]
    shown = list(dict.fromkeys(found))
    more = [f"  … and {len(shown) - 5} more"] if len(shown) > 5 else []
    return (
        ["", "decided otherwise where the golden stood on the edge:", *(f"  {line}" for line in shown[:5]), *more]
        if shown
        else []
    )


def _because(stage: Mapping[str, Any]) -> str:
    cause = stage.get("cause")
    return f", likely {cause['name']}: {cause['sentence']}" if cause and cause["name"] != "unknown" else ""


def summary(verdict: Mapping[str, Any]) -> str:
    """The same in Markdown, for a pull request."""
    about = verdict["candidate"]
    lines = [
        f"# Parity: {verdict['state']}",
        "",
        f"{about['name']} {about['version']}: {verdict['sentence']}",
        "",
        "| " + " | ".join(HEADS) + " |",
        "|---|--:|--:|--:|--:|---|",
    ]
    lines += ["| " + " | ".join(line) + " |" for line in rows(verdict)]
    lines += ["", "| case | state | cells | failed | what |", "|---|---|--:|--:|---|"]
    for case in verdict["cases"]:
        counts, sentence = case["counts"], (case["sentence"] or "").replace("|", "/")
        lines.append(f"| {case['name']} | {case['state']} | {counts['expected']} | {counts['failed']} | {sentence} |")
    return "\n".join(lines) + "\n"
