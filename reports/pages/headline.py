"""What a newcomer reads first: what is wrong, where, how bad, and what to run. Said from the judge's own findings."""

import math
from collections.abc import Iterator
from typing import Any

from parity import stages
from reports.data import cells, formatting

Json = dict[str, Any]


def headline(case: Json) -> str:
    """One line: passes, or which stage is at fault, since when, and by how much."""
    if case["state"] == "pass":
        return f"Passes: all {case['counts']['compared']} checks hold"
    if case["state"] in ("unreadable", "nothing"):
        return {"unreadable": "Could not be judged", "nothing": "Nothing was compared"}[case["state"]]
    accused = origins(case)
    if not accused:
        return f"Differs in {formatting.plural(case['counts']['failed'], 'check')}; no stage is to blame alone"
    stage = accused[0]
    ratio = _worst(stage)
    first = stage.get("first") or (
        case["first"] if case["first"] and case["first"]["stage"] == stage["stage"] else None
    )
    when = _moment(stage["prefix"], first["time_s"]) if first and first.get("time_s") is not None else ""
    more = f" (and {len(accused) - 1} more)" if len(accused) > 1 else ""
    return f"{_named(stage)} is wrong{more}: {formatting.spoken(ratio)}{when}"


def _moment(prefix: str, seconds: float) -> str:
    if stages.scope_of(prefix) is stages.Scope.BLOCK:
        return f", first in block {stages.index_of(prefix)}"
    return f", first at {seconds:.2f} s" if seconds >= 0 else ", from the very beginning"


def explanation(case: Json) -> str:
    """The sentences below the headline."""
    accused = origins(case)
    said = [case["sentence"]] if case["sentence"] else []
    if case["state"] == "differs" and accused and _cause(accused[0]):
        said.append(accused[0]["cause"]["sentence"])
    if case.get("matches"):
        said.append(f"It would pass under the profile {case['matches']}.")
    if case["state"] == "pass" and not said:
        nearest = nearest_limit(case)
        near = nearest and f"{nearest['tensor']} ({nearest['mode']}), at {formatting.share(cells.times(nearest))} of it"
        said.append(f"Nearest to its limit: {near}" if near else "Every element is bit for bit the original's")
    return " ".join(formatting.sentence(text) for text in said)


def nearest_limit(case: Json) -> Json | None:
    """The passing cell that is nearest to its limit."""
    known = [cell for _, cell in cells.of_case(case) if cells.times(cell)]
    return max(known, key=lambda cell: cells.times(cell) or 0.0, default=None)


def origins(case: Json) -> list[Json]:
    """The stages accused of an error of their own, in the order of the flow, each stage once over all segments."""
    found: dict[str, Json] = {}
    for stage in case["stages"]:
        if stage["blame"] == "origin":
            found.setdefault(stage["stage"], stage)
    return list(found.values())


def key_facts(case: Json) -> list[tuple[str, str]]:
    """What stands in the banner beside the headline."""
    counts = case["counts"]
    facts = [("checks", f"{counts['passed']} hold, {counts['failed']} fail of {counts['expected']}")]
    if counts["waived"]:
        facts.append(("waived", str(counts["waived"])))
    if counts["not_tested"]:
        facts.append(("not tested", str(counts["not_tested"])))
    accused = origins(case)
    if case["state"] == "differs" and accused:
        stage = accused[0]
        cause = _cause(stage)
        facts.append(("likely cause", cause["name"] if cause else "unknown"))
        if stage.get("shape") and stage["shape"]["kind"] != "none":
            facts.append(("shape of the error", stage["shape"]["kind"]))
        heard = [
            cell
            for _, cell in cells.of_case(case)
            if cell["tensor"] == "waveform.final" and cell["metric"] == "steps" and cell["mode"] == "chained"
        ]
        if heard and heard[0]["value"] is not None:
            steps = heard[0]["value"]
            said = f"up to {formatting.short(steps)} of 32768 steps" if steps else "nothing: every sample is equal"
            facts.append(("in the sound", said))
    inherited = sorted({stage["stage"] for stage in case["stages"] if stage["blame"] in ("inherited", "amplifies")})
    if inherited:
        facts.append(("follow from it", formatting.plural(len(inherited), "stage")))
    return facts


def cards(case: Json) -> Iterator[Json]:
    """A card per accused stage, then what follows from it, then how to see it again."""
    command = case.get("reproduce", "")
    for stage in case["stages"]:
        if stage["blame"] in ("origin", "amplifies", "knife-edge"):
            yield {
                "state": "bad" if stage["blame"] != "knife-edge" else "quiet",
                "title": f"{_WORDS[stage['blame']]}: {_named(stage)}",
                "lines": list(_lines(stage)),
                "command": command if stage["blame"] == "origin" else "",
            }
    inherited = list(dict.fromkeys(_named(stage) for stage in case["stages"] if stage["blame"] == "inherited"))
    if inherited:
        yield {
            "state": "quiet",
            "title": "Inherited",
            "command": "",
            "lines": [
                "These are right on the original's own inputs and only pass on what they were given: "
                + ", ".join(inherited)
                + "."
            ],
        }
    if case["state"] == "pass":
        yield {"state": "good", "title": "Nobody", "lines": ["No stage is accused."], "command": command}
    elif not origins(case):
        yield {
            "state": "bad",
            "title": "Not assigned",
            "lines": [case["sentence"] or "The judge accused no stage."],
            "command": command,
        }


_WORDS = {"origin": "Origin", "amplifies": "Amplifies what it is given", "knife-edge": "On a knife's edge"}


def _lines(stage: Json) -> Iterator[str]:
    if stage["sentence"]:
        yield stage["sentence"]
    table = next((row for row in stages.every() if row.name == stage["stage"]), None)
    if table:
        yield f"This stage: {table.what}."
    if stage["own"] is not None:
        own, inherited = formatting.short(stage["own"]), formatting.short(stage["inherited"])
        yield f"Error of its own: {own} relative RMS; inherited: {inherited}."
    if _cause(stage):
        explains = stage["cause"]["explains"]
        share = f" (explains {100 * explains:.0f} % of the error)" if explains is not None else ""
        number = f", divergence {stage['cause']['divergence']}" if stage["cause"].get("divergence") else ""
        yield f"Likely cause: {stage['cause']['name']}{share}{number}. {stage['cause']['sentence']}"
    elif stage["blame"] == "origin":
        yield "Likely cause: unknown."
    if stage.get("shape"):
        yield f"Shape of the error: {stage['shape']['sentence']}"
    if stage.get("first"):
        first = stage["first"]
        when = f", {first['time_s']:.3f} s" if first["time_s"] is not None else ""
        yield (
            f"First above its limit at frame {first['frame']}{when}: ours {formatting.short(first['ours'], 6)}, "
            f"original {formatting.short(first['golden'], 6)}."
        )
    if stage.get("drift_cents") is not None:
        drift, rest = formatting.short(stage["drift_cents"]), formatting.short(stage.get("magnitude"))
        yield f"F0 drift in the waveform: {drift} cents; magnitudes apart from it: {rest}."


def _named(stage: Json) -> str:
    return (
        f"{stage['stage']} ({stage['prefix'].rstrip('.')})"
        if stage["prefix"] not in ("", "seg0.")
        else str(stage["stage"])
    )


def _cause(stage: Json) -> Json | None:
    """The likely cause, if the judge has one better than "unknown"."""
    cause: Json | None = stage.get("cause")
    return cause if cause and cause["name"] != "unknown" else None


def _worst(stage: Json) -> float | None:
    """The greatest multiple of a limit in a stage; infinity (a decision that flipped) only where there is no other."""
    known = [ratio for cell in stage["cells"] if (ratio := cells.times(cell)) is not None]
    finite = [ratio for ratio in known if math.isfinite(ratio) and ratio > 1]
    return max(finite or known, default=None)


def beginning(case: Json, rows: list[Json]) -> Json:
    """Where a page opens: at the first diverging frame of the accused stage, else at the tensor nearest its limit."""
    names = [row["name"] for row in rows]
    first = case["first"]
    if first and stages.TensorName.parse(first["tensor"]).local in names:
        return {
            "stage": stages.TensorName.parse(first["tensor"]).local,
            "time": cells.moment(case, first["tensor"], first["time_s"]),
            "mode": "chained",
        }
    nearest = nearest_limit(case)
    if nearest and stages.TensorName.parse(nearest["tensor"]).local in names:
        worst = nearest.get("worst") or {}
        return {
            "stage": stages.TensorName.parse(nearest["tensor"]).local,
            "time": cells.moment(case, nearest["tensor"], worst.get("time_s")),
            "mode": nearest["mode"],
        }
    return {"stage": names[0] if names else "", "time": 0.0, "mode": "chained"}
