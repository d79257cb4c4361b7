"""Headline, explanation and blame of a case: what differs, where, by how much, how to reproduce it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity import stages
from parity.output import faults
from reports.data import cells, formatting, states
from reports.data.load import Json
from reports.data.states import Mark


@dataclass(frozen=True)
class BlameCard:
    """A card of the section "Blame"; `command` reproduces the result, "" for none."""

    mark: Mark
    title: str
    lines: list[str]
    command: str = ""


@dataclass(frozen=True)
class StartView:
    """Where a page opens: tensor without prefix, seconds, and mode. app.js reads it."""

    stage: str
    time: float
    mode: str


def headline(case: Json) -> str:
    """One line: the case passes, or which stage is wrong, by how much, and from which time on."""
    rendering = states.CASES[case["state"]]
    if case["state"] == "pass":
        return f"Passes: all {case['counts']['compared']} checks hold"
    if rendering.headline:
        return rendering.headline
    blamed = origins(case)
    although = ", but the output is within its limits" if case.get("output_holds") else ""
    if not blamed:
        count = formatting.plural(case["counts"]["failed"], "check")
        return f"Differs in {count}; no stage is to blame alone{although}"
    stage = blamed[0]
    first = stage.get("first") or (
        case["first"] if case["first"] and case["first"]["stage"] == stage["stage"] else None
    )
    when = _since(stage["prefix"], first) if first and first.get("frame") is not None else ""
    more = f" (and {len(blamed) - 1} more)" if len(blamed) > 1 else ""
    return f"{_stage_name(stage)} is wrong{more}: {formatting.multiple_phrase(_worst_multiple(stage))}{when}{although}"


def _since(prefix: str, first: Json) -> str:
    """Where the error begins: the first frame above the limit and its time."""
    if stages.scope_of(prefix) is stages.Scope.BLOCK:
        return f", first in block {stages.index_of(prefix)}"
    seconds = first.get("time_s")
    return f", first at frame {first['frame']}" + (f" ({seconds:.2f} s)" if seconds is not None else "")


def explanation(case: Json) -> str:
    """The sentences below the headline."""
    blamed = origins(case)
    sentences = [case["sentence"]] if case["sentence"] else []
    if case["state"] == "differs" and blamed and _cause(blamed[0]):
        sentences.append(blamed[0]["cause"]["sentence"])
    if case.get("matches"):
        sentences.append(f"It would pass under the profile {' and '.join(case['matches'])}.")
    if case.get("continuation"):
        sentences.append(f"With the golden's values in its place: {case['continuation']}.")
    if case["state"] == "pass" and not sentences:
        sentences.append(_nearest_sentence(case))
    return " ".join(formatting.sentence(text) for text in sentences)


def _nearest_sentence(case: Json) -> str:
    nearest = nearest_limit(case)
    if nearest is None:
        return "Every element is bit for bit the original's"
    percent = formatting.percent(cells.limit_multiple(nearest))
    return f"Nearest to its limit: {nearest['tensor']} ({nearest['mode']}), at {percent} of it"


def nearest_limit(case: Json) -> Json | None:
    """The cell with the greatest multiple of its limit; None where every multiple is 0 or unknown."""
    known = [cell for _, cell in cells.of_case(case) if cells.limit_multiple(cell)]
    return max(known, key=lambda cell: cells.limit_multiple(cell) or 0.0, default=None)


def origins(case: Json) -> list[Json]:
    """The stages with the blame "origin" in the order of the conversion; a stage of several segments is listed once."""
    blamed: dict[str, Json] = {}
    for stage in case["stages"]:
        if stage["blame"] == "origin":
            blamed.setdefault(stage["stage"], stage)
    return list(blamed.values())


def worst_multiple(case: Json) -> float | None:
    """The multiple of the limit that the headline states; of a case without a blamed stage, the greatest one."""
    blamed = origins(case)
    if case["state"] == "differs" and blamed:
        return _worst_multiple(blamed[0])
    return cells.worst_multiple(cell for _, cell in cells.of_case(case))


def origin_names(case: Json) -> str:
    """The first stage of `origins` and the number of the others: "flow and 2 more"; "" where there is none."""
    names = [str(stage["stage"]) for stage in origins(case)]
    if not names:
        return ""
    return names[0] + (f" and {len(names) - 1} more" if names[1:] else "")


def key_facts(case: Json) -> list[tuple[str, str]]:
    """Name and value of each fact in the banner, beside the headline."""
    counts = case["counts"]
    facts = [("checks", f"{counts['passed']} hold, {counts['failed']} fail of {counts['expected']}")]
    if "output_holds" in case:
        facts.append(("output", f"{'within' if case['output_holds'] else 'beyond'} its limits"))
    if "tier" in case:
        facts.append(("tier", case["tier"]))
    if counts["waived"]:
        facts.append(("waived", str(counts["waived"])))
    if counts["not_tested"]:
        facts.append(("not tested", str(counts["not_tested"])))
    blamed = origins(case)
    if case["state"] == "differs" and blamed:
        facts += _origin_facts(case, blamed[0])
    inherited = {stage["stage"] for stage in case["stages"] if stage["blame"] in ("inherited", "amplifies")}
    if inherited:
        facts.append(("follow from it", formatting.plural(len(inherited), "stage")))
    return facts


def _origin_facts(case: Json, stage: Json) -> Iterator[tuple[str, str]]:
    cause = _cause(stage)
    yield "likely cause", cause["name"] if cause else "unknown"
    if stage.get("shape") and stage["shape"]["kind"] != "none":
        yield "shape of the error", _SHAPES.get(stage["shape"]["kind"], stage["shape"]["kind"])
    steps = next(
        (
            cell["value"]
            for _, cell in cells.of_case(case)
            if (cell["tensor"], cell["metric"], cell["mode"]) == ("waveform.final", "steps", "chained")
        ),
        None,
    )
    if steps is not None:
        several = f"up to {formatting.number(steps)} of 32768 steps"
        yield "in the waveform", several if steps else "nothing: every sample is equal"


def cards(case: Json) -> Iterator[BlameCard]:
    """A card per blamed stage, one that lists stages with inherited errors, and one for a case without an origin."""
    command = case.get("reproduce", "")
    for stage in case["stages"]:
        if stage["blame"] in states.BLAME_TITLES:
            yield BlameCard(
                Mark.BAD if stage["blame"] != "knife-edge" else Mark.QUIET,
                f"{states.BLAME_TITLES[stage['blame']]}: {_stage_name(stage)}",
                list(_lines(stage)),
                command if stage["blame"] == "origin" else "",
            )
    inherited = list(dict.fromkeys(_stage_name(stage) for stage in case["stages"] if stage["blame"] == "inherited"))
    if inherited:
        line = "These stages are right on the original's own inputs; their error comes from their inputs: "
        yield BlameCard(Mark.QUIET, "Inherited", [f"{line}{', '.join(inherited)}."])
    if case["state"] == "pass":
        yield BlameCard(Mark.GOOD, "No stage", ["No stage is blamed."], command)
    elif case["state"] == "partial":
        yield BlameCard(Mark.QUIET, "Partly compared", [case["sentence"] or "Not every cell was compared."], command)
    elif case["state"] == "declined":
        yield BlameCard(Mark.QUIET, "Not judged", [case["sentence"] or "The candidate declines this case."])
    elif not origins(case):
        yield BlameCard(Mark.BAD, "Not assigned", [case["sentence"] or "The judge blamed no stage."], command)


def _lines(stage: Json) -> Iterator[str]:
    if stage["sentence"]:
        yield stage["sentence"]
    known = next((row for row in stages.every() if row.name == stage["stage"]), None)
    if known:
        yield f"This stage: {known.what}."
    if stage["own"] is not None:
        own, inherited = formatting.number(stage["own"]), formatting.number(stage["inherited"])
        yield f"Error of its own: {own} relative RMS; inherited: {inherited}."
    cause = _cause(stage)
    if cause:
        explains = cause["explains"]
        share = f" (explains {100 * explains:.0f} % of the error)" if explains is not None else ""
        divergence = f", divergence {cause['divergence']}" if cause.get("divergence") else ""
        yield f"Likely cause: {cause['name']}{share}{divergence}. {cause['sentence']}"
    elif stage["blame"] == "origin":
        yield "Likely cause: unknown."
    if stage.get("shape"):
        yield f"Shape of the error: {stage['shape']['sentence']}"
    if stage.get("first"):
        first = stage["first"]
        when = f", {first['time_s']:.3f} s" if first["time_s"] is not None else ""
        yield (
            f"First above its limit at frame {first['frame']}{when}: candidate {formatting.number(first['ours'], 6)}, "
            f"original {formatting.number(first['golden'], 6)}."
        )
    if stage.get("drift_cents") is not None:
        drift, rest = formatting.number(stage["drift_cents"]), formatting.number(stage.get("magnitude"))
        yield f"F0 drift in the waveform: {drift} cents; magnitudes apart from it: {rest}."


def _stage_name(stage: Json) -> str:
    if stage["prefix"] in ("", "seg0."):
        return str(stage["stage"])
    return f"{stage['stage']} ({stage['prefix'].rstrip('.')})"


def _cause(stage: Json) -> Json | None:
    """The likely cause, if the judge has one other than "unknown"."""
    cause: Json | None = stage.get("cause")
    return cause if cause and cause["name"] != "unknown" else None


def _worst_multiple(stage: Json) -> float | None:
    """The multiple of the limit of the cell that the judge's sentence is about, so that a page states one number."""
    cell = faults.representative(stage)
    return None if cell is None else cells.limit_multiple(dict(cell))


def start_view(case: Json, modes: Mapping[str, Sequence[str]]) -> StartView:
    """Where a page opens: at the first diverging frame, else at the tensor nearest its limit, else at the first line.

    Args:
        case: a case of the verdict.
        modes: name of each line of the heat strip → the modes that have something to show.
    """
    first, nearest = case["first"], nearest_limit(case)
    if first and stages.TensorName.parse(first["tensor"]).local in modes:
        local = stages.TensorName.parse(first["tensor"]).local
        return StartView(
            local, cells.page_time(case, first["tensor"], first["time_s"]), _mode(first["mode"], modes[local])
        )
    if nearest and stages.TensorName.parse(nearest["tensor"]).local in modes:
        worst = nearest.get("worst") or {}
        local = stages.TensorName.parse(nearest["tensor"]).local
        time = cells.page_time(case, nearest["tensor"], worst.get("time_s"))
        return StartView(local, time, _mode(nearest["mode"], modes[local]))
    names = list(modes)
    return StartView(names[0] if names else "", 0.0, _mode("chained", modes[names[0]]) if names else "chained")


def _mode(wanted: str, shown: Sequence[str]) -> str:
    """The wanted mode where it has something to show, else the first one that has."""
    return wanted if wanted in shown or not shown else shown[0]


# Shape of an error → how the page names it.
_SHAPES: Mapping[str, str] = {
    "edge": "at the edges only",
    "transient": "in single frames",
    "persistent": "constant, in every frame",
    "growing": "growing with time",
    "periodic": "periodic",
}


def next_step(case: Json) -> BlameCard:
    """What to do about a case: the next step of the chart in "Your port differs: what now"."""
    command, blamed = case.get("reproduce", ""), origins(case)
    chart = "The chart of rvc-parity docs your-port-differs leads on."
    if case["state"] == "pass":
        return BlameCard(Mark.GOOD, "Nothing", ["Every check of this case holds."])
    if case["state"] == "declined":
        return BlameCard(Mark.QUIET, "Declare the profile", ["Add it to profiles in the handshake to have it judged."])
    if case["state"] in ("partial", "nothing"):
        lines = ["Offer more stages, or hand over more tensors of the whole conversion, to have them compared."]
        return BlameCard(Mark.QUIET, "Add stages", lines, command)
    if case["state"] == "unreadable":
        return BlameCard(Mark.BAD, "Restore the golden", [case["sentence"] or "The golden cannot be read."], command)
    if case.get("matches"):
        lines = [f"The results are those of {case['matches']}: declare that profile, or reproduce {case['profile']}."]
        return BlameCard(Mark.BAD, "Compare the profiles", lines)
    if not blamed:
        lines = [case["sentence"] or "", "No stage is blamed as origin. See No origin in the guide.", chart]
        return BlameCard(Mark.BAD, "Find the first difference", [line for line in lines if line], command)
    stage, cause = blamed[0], _cause(blamed[0])
    if cause:
        lines = [f"Correct the known mistake in {_stage_name(stage)}: {cause['sentence']}."]
    else:
        lines = [f"Compare {_stage_name(stage)} with the specification; its cause is unknown."]
        shape = (stage.get("shape") or {}).get("kind", "none")
        lines += (
            [f"The error is {_SHAPES[shape]}; the table of shapes lists likely reasons."] if shape in _SHAPES else []
        )
    lines += ["Repeat the command until it passes, then run the complete check.", chart]
    return BlameCard(Mark.BAD, f"Correct {_stage_name(stage)}", lines, command)
