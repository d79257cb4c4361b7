"""summary.md: the verdict as Markdown tables, for the description of a pull request."""

from collections.abc import Mapping
from typing import Any

from parity.goldens.text import printable
from parity.output import fault_summary, faults, table
from parity.output.verdict_json import state_text

# Characters with a meaning in Markdown that a name or a sentence could hold. An underscore inside a word has none.
_SPECIAL = "\\`*[]<>|#!~&$"


def escaped(text: str) -> str:
    """A text that Markdown shows as it is: no link, no HTML, no further column of a table."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in printable(text))


def document(verdict: Mapping[str, Any]) -> str:
    """The Markdown of a verdict.json document: its faults, one table of stages, one of cases."""
    about = verdict["candidate"]
    lines = [
        f"# Parity: {state_text(verdict)}",
        "",
        escaped(f"{about['name']} {about['version']}: {verdict['sentence']}"),
        "",
        *_faults(verdict),
        *(f"- {escaped(line.strip())}" for line in verdict["failures"]),
        *([""] if verdict["failures"] else []),
        "| " + " | ".join(table.HEADINGS) + " |",
        "|---|--:|--:|--:|--:|---|---|",
    ]
    if heading := table.heading(verdict):
        lines[:0] = [escaped(heading), ""]
    lines += ["| " + " | ".join(map(escaped, line)) + " |" for line in table.stage_lines(verdict)]
    lines += ["", "| case | state | tier | cells | failed | what |", "|---|---|---|--:|--:|---|"]
    for case in verdict["cases"]:
        counts, sentence = case["counts"], escaped(case["sentence"] or "")
        lines.append(
            f"| {escaped(case['name'])} | {state_text(case)} | {case.get('tier', '')} | {counts['expected']} "
            f"| {counts['failed']} | {sentence} |"
        )
    lines += _below(verdict)
    extra = [f"{case['name']}: {', '.join(case['extra'])}" for case in verdict["cases"] if case.get("extra")]
    if extra:
        lines += ["", "Tensors that were not requested:", "", *(f"- {escaped(line)}" for line in extra)]
    return "\n".join(lines) + "\n"


def _below(verdict: Mapping[str, Any]) -> list[str]:
    """What stands below the table on a terminal, each part as a list."""
    lines: list[str] = []
    decisions = table.explained_decisions(verdict)
    parts = {
        "Remarks:": list(fault_summary.remarks(verdict).values()),
        "Decisions that differ because the golden lies on a decision boundary:": decisions,
        "Not shown:": [line.strip() for line in table.not_shown(verdict)],
        "Notes:": [*verdict.get("notes", ()), *table.remaining(verdict)],
    }
    for title, entries in parts.items():
        if entries:
            lines += ["", title, "", *(f"- {escaped(line)}" for line in entries)]
    return lines


def _faults(verdict: Mapping[str, Any]) -> list[str]:
    """A numbered list of all faults; nothing where there is none."""
    lines: list[str] = []
    for fault in faults.of(verdict):
        first, *rest = (line.strip() for line in fault_summary.full(fault))
        lines.append(f"{fault.number}. {escaped(first.removeprefix(f'{fault.number}. '))}")
        lines += [f"   - {escaped(line)}" for line in rest]
    return [f"## {fault_summary.plural(len(faults.of(verdict)), 'fault')}", "", *lines, ""] if lines else []
