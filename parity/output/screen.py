"""What a run prints: where something differs, at most 25 lines, the state with its sentence last.

summary.md holds all of it. Without a fault the table and every part below it are printed in full.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from parity.output import fault_summary, table
from parity.output.fault_summary import MOST_LINES, Summary
from parity.output.table import Section


def text(verdict: Mapping[str, Any]) -> str:
    """The text of a verdict.json document for a terminal: of one with faults, what fits and where the rest is."""
    summary = fault_summary.summary(verdict)
    if not summary.faults:
        return whole(verdict)
    heading = table.heading(verdict)
    return "\n".join(_fitted(verdict, [heading] if heading else [], summary))


def whole(verdict: Mapping[str, Any]) -> str:
    """The text in full."""
    heading = table.heading(verdict)
    return "\n".join([*([heading, ""] if heading else []), table.text(verdict), "", table.closing(verdict)])


def _fitted(verdict: Mapping[str, Any], heading: Sequence[str], summary: Summary) -> list[str]:
    """The lines of a verdict with faults: what must be there, and of the rest as much as fits, in order of weight."""
    stages, sections = table.stage_rows(verdict), table.sections(verdict)
    needed = [section for section in sections if not section.short]
    optional = [section for section in sections if section.short]
    optional[:0] = [Section([line], about) for about, line in summary.remarks.items()]
    folded = _folded_rows(verdict, stages)
    fixed = [*heading, *folded, *_lines(needed), summary.heading, *summary.faults, *summary.next, summary.state]
    room = MOST_LINES - len(fixed) - 1  # one line names what is left out
    complete = table.lines(stages)
    if len(complete) - len(folded) <= room:
        room -= len(complete) - len(folded)
        folded = complete
    chosen: list[Section] = []
    for section in optional:
        if len(_lines([section])) <= room:
            chosen.append(section)
            room -= len(_lines([section]))
    left = [section.short for section in optional if section not in chosen]
    more = [f"also in summary.md: {'; '.join(left)}"] if left else []
    space = [""] if room > 0 else []
    remarks = [section for section in chosen if section.short in summary.remarks]
    below = [section for section in sections if section in needed or section in chosen]
    return [
        *heading,
        *folded,
        *_lines(below),
        *more,
        *space,
        summary.heading,
        *summary.faults,
        *_lines(remarks),
        *summary.next,
        summary.state,
    ]


def _lines(sections: Sequence[Section]) -> list[str]:
    """The lines of some sections without blank ones."""
    return [line for section in sections for line in section.lines if line]


def _folded_rows(verdict: Mapping[str, Any], rows: Sequence[table.StageRow]) -> list[str]:
    """The table with the stages of the listed faults, and one line each for the other stages and the untested ones."""
    shown = fault_summary.shown_stages(verdict)
    lines = table.lines([row for row in rows if row.name in shown or row.untested])
    others = [row for row in rows if row.name not in shown and not row.untested]
    if not others:
        return lines
    failed = sum(row.failed > 0 for row in others)
    hold = f"{fault_summary.plural(len(others) - failed, 'stage')} without a failed cell"
    parts = [hold] if failed < len(others) else []
    parts += [f"{fault_summary.plural(failed, 'stage')} with inherited errors or further faults"] if failed else []
    last = lines.pop() if any(row.untested for row in rows) else None
    return [*lines, f"summary.md lists {' and '.join(parts)}", *([last] if last is not None else [])]
