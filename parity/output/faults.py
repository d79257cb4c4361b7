"""The faults of a verdict: what differs, grouped by stage and cause over all cases, for every output and page.

An answer that is refused (its tensor is missing, or has another shape or dtype, or the call ended with an error) and
wrong numbers of the same stage are different faults: the remedies have nothing in common.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity import stages
from parity.judge.states import Blame, CaseState
from parity.output.verdict_json import cell_failed

Json = Mapping[str, Any]
UNKNOWN = "unknown"  # the name of a cause that is not a known mistake
ALIKE = 1.5  # factor between the largest and the smallest error of cases that count as the same error
_EXPONENT_FROM = 1e7  # multiples of a limit from which an exponent is easier to read than the digits
_FAULTY = (CaseState.DIFFERS, CaseState.UNREADABLE)  # states of cases that show a fault
_BLAMED = (Blame.ORIGIN, Blame.AMPLIFIES)  # blames of stages that are faults; inherited errors belong to others
NUMBERS = "numbers"  # the kind of a fault whose values are beyond a limit
_FORMS: Mapping[str, str] = {  # state of a cell without a number → what the fault states
    "missing": "not made",
    "shape": "wrong shape",
    "dtype": "wrong dtype",
    "nan": "NaN or infinity",
    "empty": "empty",
    "error": "ended with an error",
}
_METRIC_TEXTS: Mapping[str, str] = {
    "relative_rms": "relative RMS",
    "worst_frame": "relative RMS of the worst frame",
    "unequal": "unequal values",
    "steps": "steps of int16",
}


@dataclass(frozen=True)
class Occurrence:
    """One blamed stage of one case, with the failed cell that represents it.

    Attributes:
        case: The case of verdict.json.
        stage: The blamed stage; None where the case failed as a whole.
        cell: The failed cell of the stage with the largest ratio of value to limit; None without a stage.
    """

    case: Json
    stage: Json | None = None
    cell: Json | None = None

    @property
    def cause(self) -> str:
        """The name of its cause, UNKNOWN where there is none."""
        cause = (self.stage or {}).get("cause")
        return str(cause["name"]) if cause else UNKNOWN

    @property
    def kind(self) -> str:
        """What fails: NUMBERS, or the state of a cell whose answer is refused, with the reason of an error."""
        if self.cell is None or self.cell["state"] not in _FORMS:
            return NUMBERS
        state = str(self.cell["state"])
        return f"{state}: {_reason(str(self.cell.get('sentence')), self.case)}" if state == "error" else state

    @property
    def first(self) -> Json | None:
        """The first frame beyond the limit."""
        return (self.stage or {}).get("first")

    @property
    def alone(self) -> bool:
        """Whether the stage fails on the golden's own inputs."""
        return self.cell is not None and self.cell["mode"] == "isolated"


@dataclass(frozen=True)
class Fault:
    """One fault of the candidate, with every case that shows it.

    Attributes:
        number: Its position in the list, from 1, in the order of the conversion.
        title: The stage; for a failure of whole cases their names and state.
        blame: "origin", "amplifies", "inherited" where no stage is blamed, or the state of the cases.
        occurrences: One for each segment, block and case that shows it. The first is the example: that of the shortest
            case in which the cause is recognized. Its error, first frame and command are those of the fault.
        cause: The known mistake that explains it, UNKNOWN for none.
        cause_sentence: What that mistake is; "" for UNKNOWN.
        command: The command line that shows the example again; "" where there is none.
    """

    number: int
    title: str
    blame: str
    occurrences: tuple[Occurrence, ...]
    cause: str
    cause_sentence: str
    command: str

    @property
    def stage(self) -> str | None:
        """The name of the stage; None for a failure of whole cases."""
        stage = self.example.stage
        return None if stage is None else str(stage["stage"])

    @property
    def example(self) -> Occurrence:
        """The occurrence that stands for all."""
        return self.occurrences[0]

    @property
    def refused(self) -> bool:
        """Whether the answer is refused for its form, or the call failed, so that no number was compared."""
        return self.example.kind != NUMBERS

    @property
    def cases(self) -> list[str]:
        """The names of the cases that show it, each once."""
        return list(dict.fromkeys(str(occurrence.case["name"]) for occurrence in self.occurrences))

    @property
    def extent(self) -> str:
        """How many cases show it, whether their errors are the same, and the first frame: "56 cases, the same error,
        first at frame 0"."""
        cases = self.cases
        text = f"{len(cases)} cases" if len(cases) > 1 else f"1 case ({cases[0]})"
        frames = [occurrence.first["frame"] for occurrence in self.occurrences if occurrence.first is not None]
        if len(cases) > 1 and self._is_same(frames):
            text += ", the same error"
        if len(set(frames)) == 1:
            text += f", first at frame {frames[0]}"
        elif frames and self.example.first is not None:
            own = self.example.first["frame"]
            text += f", first at frame {own} in {self.example.case['name']} ({_span(frames)} over all)"
        elif frames:
            text += f", first at frames {_span(frames)}"
        return text

    def _is_same(self, frames: Sequence[int]) -> bool:
        """Whether all occurrences have one first frame, one cell state, and errors of about one size."""
        failed_cells = [occurrence.cell for occurrence in self.occurrences if occurrence.cell is not None]
        if len(set(frames)) > 1 or len({cell["state"] for cell in failed_cells}) > 1:
            return False
        values = [cell["value"] for cell in failed_cells if cell["value"] is not None]
        return not values or max(values) <= ALIKE * min(values)

    @property
    def error(self) -> str:
        """The error of the example and its limit, "error 1.3e-2, limit 1e-9", and the largest where that is another."""
        cell = self.example.cell
        if cell is None:
            return str(self.example.case.get("sentence") or self.example.case["state"])
        if cell["state"] in _FORMS:
            return f"{_FORMS[cell['state']]}: {cell.get('sentence') or cell['tensor']}"
        times = cell.get("times_limit")
        factor = f" ({factor_text(times)} the limit)" if times else ""
        metric = _METRIC_TEXTS.get(cell["metric"], cell["metric"])
        where = f" in {self.example.case['name']}" if len(self.cases) > 1 else ""
        text = (
            f"error {short(cell['value'])}, limit {short(cell['limit'])}{factor}, {metric} of {cell['tensor']}{where}"
        )
        return text + self._largest(cell)

    def _largest(self, shown: Json) -> str:
        """The cell with the largest ratio of value to limit of all occurrences, where that is not the shown ratio."""
        failed = [
            (cell, str(occurrence.case["name"]))
            for occurrence in self.occurrences
            for cell in (occurrence.stage or {}).get("cells", ())
            if cell_failed(cell) and cell.get("times_limit")
        ]
        if not failed:
            return ""
        cell, case = max(failed, key=lambda pair: float(pair[0]["times_limit"]))
        most = factor_text(float(cell["times_limit"]))
        if most == factor_text(float(shown.get("times_limit") or 0)):
            return ""
        where = f" in {case}" if len(self.cases) > 1 else ""
        return f"; at most {most} ({cell['tensor']} {cell['mode']} {cell['metric']}{where})"

    @property
    def cause_text(self) -> str:
        """The cause, and in how many cases it was recognized where that is not all; "" where the error states it."""
        if self.example.cell is not None and self.example.cell["state"] in _FORMS:
            return ""
        if self.cause == UNKNOWN:
            return "cause unknown"
        named = {str(occurrence.case["name"]) for occurrence in self.occurrences if occurrence.cause == self.cause}
        share = f" (in {len(named)} of {len(self.cases)} cases)" if len(named) < len(self.cases) else ""
        return f"cause: {self.cause}{share}: {self.cause_sentence}"

    @property
    def meaning(self) -> str:
        """What the blame means, in words that need no glossary."""
        if self.blame == Blame.ORIGIN and self.example.alone:
            return "wrong on the original's own inputs"
        if self.blame == Blame.ORIGIN:
            return "wrong within the complete conversion"
        if self.blame == Blame.AMPLIFIES:
            return "inputs within their limits, output beyond its limit"
        return "its inputs differ already" if self.blame == Blame.INHERITED else ""


def of(verdict: Json) -> list[Fault]:
    """The faults of a verdict.json document, in the order of the conversion; failures of whole cases stand last."""
    groups: dict[tuple[str, str], list[Occurrence]] = {}
    for case in verdict["cases"]:
        if case["state"] in _FAULTY:
            for occurrence in _occurrences(case):
                groups.setdefault((_place(occurrence), occurrence.cause), []).append(occurrence)
    ordered = sorted(
        _with_unknown_causes(groups).values(), key=lambda group: (_order(group[0]), group[0].kind == NUMBERS)
    )
    return [_fault(number, group) for number, group in enumerate(ordered, 1)]


def inherited(verdict: Json) -> list[str]:
    """The stages with inherited errors that are no fault of the verdict, each once, in the order of the conversion."""
    blamed = {fault.stage for fault in of(verdict)}
    names = dict.fromkeys(
        stage["stage"]
        for case in verdict["cases"]
        for stage in case["stages"]
        if stage["blame"] == Blame.INHERITED and stage["stage"] not in blamed
    )
    return sorted(names, key=_position)


def number_of(faults: Iterable[Fault]) -> dict[tuple[str, str, str], Fault]:
    """(case, prefix, stage) → the fault that this stage of the case belongs to."""
    return {
        (occurrence.case["name"], occurrence.stage["prefix"], occurrence.stage["stage"]): fault
        for fault in faults
        for occurrence in fault.occurrences
        if occurrence.stage is not None
    }


def _occurrences(case: Json) -> list[Occurrence]:
    """The blamed stages of a failed case; else its first failed stage; else the case itself."""
    failed = [stage for stage in case["stages"] if any(map(cell_failed, stage["cells"]))]
    blamed = [stage for stage in failed if stage["blame"] in _BLAMED]
    return [Occurrence(case, stage, representative(stage)) for stage in blamed or failed[:1]] or [Occurrence(case)]


def representative(stage: Json) -> Json | None:
    """The failed cell that stands for a stage: alone before chained, the form before the numbers; None without one.

    The judge's sentence on a case states the same cell.
    """
    failed = list(filter(cell_failed, stage["cells"]))
    return min(failed, key=lambda cell: (cell["mode"] != "isolated", cell["metric"] != "form"), default=None)


def _place(occurrence: Occurrence) -> str:
    """What cases must have in common to show one fault, beside its cause."""
    if occurrence.stage is not None:
        return f"{occurrence.stage['blame']} {occurrence.stage['stage']} {occurrence.kind}"
    return f"{occurrence.case['state']}: {_without_name(occurrence.case)}"


def _reason(sentence: str, case: Json) -> str:
    """The sentence of an error without what differs from case to case: the name of the case and numbers."""
    unnamed = re.sub(rf"(?<!\w){re.escape(str(case['name']))}(?!\w)", "CASE", sentence)
    return re.sub(r"\d+", "0", unnamed)


def _without_name(case: Json) -> str:
    return str(case.get("sentence") or "").replace(str(case["name"]), "")


def _with_unknown_causes(
    groups: Mapping[tuple[str, str], list[Occurrence]],
) -> dict[tuple[str, str], list[Occurrence]]:
    """The groups, where occurrences of unknown cause belong to the only named cause of their stage."""
    merged = {key: list(group) for key, group in groups.items()}
    for place, cause in groups:
        named = [other for at, other in groups if at == place and other != UNKNOWN]
        if cause == UNKNOWN and len(named) == 1:
            merged[place, named[0]] += merged.pop((place, UNKNOWN))
    return merged


def _position(name: str) -> int:
    names = [stage.name for stage in stages.every()]
    return names.index(name) if name in names else len(names)


def _order(occurrence: Occurrence) -> int:
    return len(stages.every()) + 1 if occurrence.stage is None else _position(str(occurrence.stage["stage"]))


def _fault(number: int, group: Sequence[Occurrence]) -> Fault:
    ordered = sorted(
        group,
        key=lambda occurrence: (
            occurrence.cause == UNKNOWN,
            occurrence.case.get("seconds") or math.inf,
            str(occurrence.case["name"]),
        ),
    )
    example = ordered[0]
    cause = example.stage["cause"] if example.stage is not None and example.cause != UNKNOWN else None
    names = list(dict.fromkeys(str(occurrence.case["name"]) for occurrence in ordered))
    rest = f" and {len(names) - 1} more {'cases' if len(names) > 2 else 'case'}" if len(names) > 1 else ""
    return Fault(
        number=number,
        title=f"{names[0]}{rest}: {example.case['state']}" if example.stage is None else str(example.stage["stage"]),
        blame=str(example.case["state"] if example.stage is None else example.stage["blame"]),
        occurrences=tuple(ordered),
        cause=UNKNOWN if cause is None else str(cause["name"]),
        cause_sentence="" if cause is None else str(cause["sentence"]),
        command=_command(example),
    )


def _command(occurrence: Occurrence) -> str:
    """The command line of the case, with the stage of the fault in place of the case's first one."""
    command = str(occurrence.case.get("reproduce") or "").partition(" --stage ")[0]
    return f"{command} --stage {occurrence.stage['stage']}" if command and occurrence.stage is not None else command


def _span(frames: Sequence[int]) -> str:
    return f"{min(frames)} to {max(frames)}"


def short(value: float | None) -> str:
    """A number with two significant digits: "1.3e-2", "1e-9", "3", "0"."""
    if value is None:
        return "none"
    if abs(value) < 1e4 and value == int(value):
        return str(int(value))
    return f"{value:.2g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def factor_text(times: float) -> str:
    """A multiple of a limit with two significant digits: "1.8 times", "420 times", "13000 times", "1.3e7 times"."""
    if not 10 <= times < _EXPONENT_FROM:
        return f"{short(times)} times"
    return f"{round(times, 1 - int(math.log10(times))):.0f} times"
