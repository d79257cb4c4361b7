"""The summary at the end of a run: the faults, the command that shows each again, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.judge.states import CaseState
from parity.output import faults
from parity.output.faults import Fault
from parity.output.verdict_json import state_text

MOST_LINES = 25  # lines of a terminal that shows the summary and the prompt
_FULL = 3  # faults that get four lines each; the next ones get one line
_BRIEF = 5  # faults that get one line; the rest are counted
_WIDTH = 200  # characters of a line; longer sentences are cut
CHART = "rvc-parity docs your-port-differs"


def text(verdict: Mapping[str, Any]) -> str:
    """The summary of a verdict.json document. Its last line is the state with its sentence."""
    parts = summary(verdict)
    if not parts.faults:
        return parts.state
    return "\n".join([parts.heading, "", *parts.faults, "", *parts.remarks.values(), *parts.next, "", parts.state])


@dataclass(frozen=True)
class Summary:
    """The lines of a summary.

    Attributes:
        heading: how many faults there are.
        faults: the faults; empty where there is none.
        remarks: what a remark is about → its line.
        next: what to do.
        state: the state with its sentence.
    """

    heading: str
    faults: list[str]
    remarks: dict[str, str]
    next: list[str]
    state: str


def summary(verdict: Mapping[str, Any]) -> Summary:
    """The parts of the summary of a verdict.json document."""
    fault_list = faults.of(verdict)
    state = f"{state_text(verdict)}: {verdict['sentence']}"
    if not fault_list:
        return Summary("", [], {}, [], state)
    lines = [_cut(line) for fault in fault_list[:_FULL] for line in full(fault)]
    lines += [_cut(brief(fault)) for fault in fault_list[_FULL : _FULL + _BRIEF]]
    if len(fault_list) > _FULL + _BRIEF:
        lines.append(f"… and {plural(len(fault_list) - _FULL - _BRIEF, 'more fault')}; summary.md lists all")
    following = [f"next: {line}" for line in _next_steps(fault_list)]
    return Summary(_heading(verdict, fault_list), lines, remarks(verdict), following, state)


def shown_stages(verdict: Mapping[str, Any]) -> set[str]:
    """The stages of the faults that the summary lists."""
    return {fault.stage for fault in faults.of(verdict)[: _FULL + _BRIEF] if fault.stage is not None}


def remarks(verdict: Mapping[str, Any]) -> dict[str, str]:
    """What a remark below the faults is about → its line."""
    named = {
        "inherited errors": _inherited(verdict),
        "other profiles": _matched(verdict),
        "the conversion with the golden's values": _continued(verdict),
    }
    return {about: lines[0] for about, lines in named.items() if lines}


def plural(count: int, one: str) -> str:
    """ "1 fault", "3 faults"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _heading(verdict: Mapping[str, Any], fault_list: Sequence[Fault]) -> str:
    about = verdict.get("candidate", {})
    name = f"{about.get('name', 'the candidate')} {about.get('version', '')}".strip()
    differing = {case for fault in fault_list for case in fault.cases}
    return f"{name}: {plural(len(fault_list), 'fault')} in {len(differing)} of {plural(len(verdict['cases']), 'case')}"


def full(fault: Fault) -> list[str]:
    """A fault in three or four lines: where, how large, why, and the command that shows it again."""
    meaning = f" ({fault.meaning})" if fault.meaning else ""
    if fault.stage is None:
        lines = [f"{fault.number}. {fault.title}", f"   {fault.error}"]
    else:
        unknown = f"; {fault.cause_text}" if fault.cause_text and fault.cause == faults.UNKNOWN else ""
        lines = [f"{fault.number}. {fault.title}: {fault.extent}{meaning}{unknown}", f"   {fault.error}"]
        lines += [f"   {fault.cause_text}"] if fault.cause_text and not unknown else []
    return [*lines, *([f"   again: {fault.command}"] if fault.command else [])]


def brief(fault: Fault) -> str:
    """A fault in one line."""
    if fault.stage is None:
        return f"{fault.number}. {fault.title}; {fault.error}"
    cause = "cause unknown" if fault.cause == faults.UNKNOWN else f"cause: {fault.cause}"
    line = f"{fault.number}. {fault.title}: {fault.extent}; {fault.error}"
    return f"{line}; {cause}" if fault.cause_text else line


def _matched(verdict: Mapping[str, Any]) -> list[str]:
    """The profiles under which differing cases would pass, one line for the commonest answer."""
    cases: dict[str, list[str]] = {}
    for case in verdict["cases"]:
        if case.get("matches") and ": " in (case["sentence"] or ""):
            cases.setdefault(case["sentence"].partition(": ")[0], []).append(case["name"])
    if not cases:
        return []
    sentence, names = max(cases.items(), key=lambda item: len(item[1]))
    return [_cut(f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {sentence}")]


def _continued(verdict: Mapping[str, Any]) -> list[str]:
    """What the waveform gains with the golden's values in the place of each origin, of the case with most origins."""
    cases = [case for case in verdict["cases"] if case.get("continuation")]
    if not cases:
        return []
    case = max(cases, key=lambda case: len(case["repairs"]))
    return [_cut(f"with the golden's values in {case['name']}: {case['continuation']}")]


def _inherited(verdict: Mapping[str, Any]) -> list[str]:
    names = faults.inherited(verdict)
    if not names:
        return []
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [f"inherited (the stage is right on the original's inputs; its own inputs were wrong): {shown}"]


def _next_steps(fault_list: Sequence[Fault]) -> list[str]:
    """What to do about the first fault."""
    first = fault_list[0]
    if first.stage is None:
        whole = first.example.case["state"] == CaseState.UNREADABLE
        return ["restore or record the golden again" if whole else "make the candidate answer, then check again"]
    again = ", repeat its command until it passes, then run the complete check"
    if first.refused:
        return [f"correct what {first.stage} hands over (fault 1), of which no number was compared{again}"]
    return [f"correct fault 1 ({first.stage}), which is first in the conversion{again}; {CHART} leads on"]


def _cut(line: str) -> str:
    if "   again: " in line or len(line) <= _WIDTH:  # a command is only useful when it is complete
        return line
    return f"{line[: _WIDTH - 1]}…"
