"""The states of a verdict.json, recomputed from its cells: a document that was edited by hand contradicts itself.

A cell's state follows from its value and its limit, a case's state from its cells, and the state of the run from its
cases, its scope and its other failures.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema
from parity.judge.states import Blame, CaseState, CellState, Metric, Mode, Tier
from parity.judge.verdict import EXIT_CODES
from parity.judge.verdict_schema import FORMAT, SCHEMA
from parity.output.verdict_json import Json
from parity.stages import TensorName

# States of a case that its cells cannot give: the golden could not be opened, or the candidate declined the case.
_NOT_FROM_CELLS = (CaseState.UNREADABLE, CaseState.DECLINED)


def refuse_edited(document: Mapping[str, Any], where: object) -> None:
    """Raise ParityError where a document does not fit the schema or contradicts itself.

    Args:
        document: the content of a verdict.json.
        where: its path, for the message.
    """
    if wrong := closed_schema.check(dict(document), SCHEMA):
        raise ParityError(f"{where} does not fit {FORMAT}: {wrong[0]}; judge again with this version")
    contradiction = next(contradictions(document), None)
    if contradiction is not None:
        raise ParityError(f"{where} contradicts itself: {contradiction}; it was edited, so judge again")


def contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each statement of a document that its own cells contradict."""
    limits = {(row["tensor"], row["mode"], row["metric"], row["limit"]) for row in document["limits"]}
    reasons = {row["because"] for row in document["waivers"]}
    required = Tier(document["tier"]["required"] if "tier" in document else Tier.FLOAT32)
    known = {stage.name for stage in stages.every()}
    for case in document["cases"]:
        for cell in _cells(case):
            if sentence := _cell(cell, limits, reasons):
                yield f"{case['name']} {cell['tensor']} ({cell['mode']} {cell['metric']}) {sentence}"
        if counts(_cells(case)) != case["counts"]:
            yield f"the counts of {case['name']} are not those of its cells"
        state = case_state(case, document["scope"])
        if state != case["state"]:
            yield f"{case['name']} is stated as {case['state']!r}, and its cells give {state.value!r}"
        for stage in case["stages"]:
            if stage["stage"] not in known:
                yield f"{case['name']} has the stage {stage['stage']!r}, which is not a stage of RVC"
            failed = any(CellState(cell["state"]).failed for cell in stage["cells"])
            if failed and stage["blame"] in (Blame.CLEAN, Blame.NOT_TESTED):
                yield f"{stage['prefix']}{stage['stage']} of {case['name']} failed, and is stated as {stage['blame']!r}"
            if "tier" in stage and (sentence := _tier(stage, failed, required)):
                yield f"{stage['prefix']}{stage['stage']} of {case['name']} {sentence}"
        tiers = [stage["tier"] for stage in case["stages"] if "tier" in stage]
        if tiers and case.get("tier") != (worst := worst_tier(tiers)):
            yield f"the tier of {case['name']} is stated as {case.get('tier')!r}, and its stages give {worst.value!r}"
    total = counts(cell for case in document["cases"] for cell in _cells(case))
    if total != document["counts"]:
        yield "the counts of the run are not those of its cells"
    state = run_state(document)
    if state != document["state"]:
        yield f"the run is stated as {document['state']!r}, and its cells give {state.value!r}"
    if EXIT_CODES[state] != document["exit_code"]:
        yield f"the exit code is stated as {document['exit_code']}, and its cells give {EXIT_CODES[state]}"


def worst_tier(names: Iterable[str]) -> Tier:
    """The worst of some tiers, of which there is at least one."""
    return max(map(Tier, names), key=lambda tier: tier.rank)


def _tier(stage: Mapping[str, Any], failed: bool, required: Tier) -> str | None:
    """What is wrong with the tier of a stage; None where it agrees with the states of its cells."""
    tier, cells = Tier(stage["tier"]), [CellState(cell["state"]) for cell in stage["cells"]]
    if failed and tier.rank <= required.rank:
        return f"failed in the tier {required}, and its tier is stated as {tier.value!r}"
    if not failed and CellState.WAIVED not in cells and tier.rank > required.rank:
        return f"holds in the tier {required}, and its tier is stated as {tier.value!r}"
    if tier is Tier.BIT_EXACT and any(state is not CellState.SAME and not state.untested for state in cells):
        return "has values that are not equal, and its tier is stated as 'bit-exact'"
    return None


def _cells(case: Mapping[str, Any]) -> Iterator[Json]:
    for stage in case["stages"]:
        yield from stage["cells"]


def _cell(cell: Mapping[str, Any], limits: set[tuple[str, str, str, float]], reasons: set[str]) -> str | None:
    """What is wrong with the state of a cell; None where it follows from its value and its limit."""
    state, value, limit = CellState(cell["state"]), cell["value"], cell["limit"]
    if state is CellState.WAIVED:
        return None if cell.get("waiver") in reasons else "is waived, and no waiver has that reason"
    if cell["metric"] == Metric.FORM:
        return None if value is None else "has a number, which the form of a tensor does not have"
    if state not in (CellState.SAME, CellState.CLOSE, CellState.EXPLAINED, CellState.DIFFERS):
        return None
    if value is None or limit is None:
        return None if state is CellState.DIFFERS else f"is stated as {state.value!r} without a number"
    if (TensorName.parse(cell["tensor"]).local, cell["mode"], cell["metric"], limit) not in limits:
        return f"has the limit {limit:.3g}, which is not one of the limits of the run"
    if state is CellState.EXPLAINED:
        return None if cell.get("flips") else "is stated as 'explained' without a decision"
    right = CellState.SAME if value == 0 else CellState.CLOSE if value <= limit else CellState.DIFFERS
    return (
        None if state is right else f"is stated as {state.value!r}, and {value:.3g} of {limit:.3g} is {right.value!r}"
    )


def counts(cells: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The counts of cells, as `parity.judge.ledger.counts` counts them."""
    states = [CellState(cell["state"]) for cell in cells]
    waived, untested = states.count(CellState.WAIVED), sum(state.untested for state in states)
    failed = sum(state.failed for state in states)
    return {
        "expected": len(states),
        "compared": len(states) - waived - untested,
        "passed": len(states) - waived - untested - failed,
        "failed": failed,
        "waived": waived,
        "not_tested": untested,
    }


def case_state(case: Mapping[str, Any], scope: Mapping[str, Any]) -> CaseState:
    """The state of a case that follows from its cells; the stated one where it depends on more than the cells."""
    stated, cells = CaseState(case["state"]), list(_cells(case))
    count = counts(cells)
    if count["failed"]:
        return CaseState.DIFFERS
    if stated is CaseState.UNREADABLE or (stated is CaseState.DIFFERS and not count["compared"] + count["waived"]):
        return stated  # the golden cannot be opened, or every call of the candidate failed for one reason
    if not count["compared"] + count["waived"]:
        return stated if stated in _NOT_FROM_CELLS else CaseState.NOTHING
    if scope["stage"] is not None or _any_untested(cells, scope):
        return CaseState.PARTIAL
    return CaseState.PASS


def _any_untested(cells: Iterable[Mapping[str, Any]], scope: Mapping[str, Any]) -> bool:
    """Whether a cell of the judged modes was not compared."""
    return any(CellState(cell["state"]).untested and Mode(cell["mode"]) in scope["modes"] for cell in cells)


def run_state(document: Mapping[str, Any]) -> CaseState:
    """The state that the cases of a run give."""
    scope, cases = document["scope"], document["cases"]
    states = [case_state(case, scope) for case in cases]
    if document["failures"] or any(state in (CaseState.DIFFERS, CaseState.UNREADABLE) for state in states):
        return CaseState.DIFFERS
    judged = [
        cell for case in cases if not case.get("outside") for cell in _cells(case) if cell["mode"] in scope["modes"]
    ]
    count = counts(judged)
    if not count["compared"] + count["waived"]:
        return CaseState.NOTHING
    if (
        scope["against"] != "goldens"
        or scope["of_cases"] is not None
        or scope["stage"] is not None
        or count["not_tested"]
    ):
        return CaseState.PARTIAL
    return CaseState.PASS
