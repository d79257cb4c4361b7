"""summary.md: the verdict as Markdown tables, for the description of a pull request."""

from collections.abc import Mapping
from typing import Any

from parity.output import table


def summary(verdict: Mapping[str, Any]) -> str:
    """The Markdown of a verdict.json document: one table of stages, one of cases."""
    about = verdict["candidate"]
    lines = [
        f"# Parity: {verdict['state']}",
        "",
        f"{about['name']} {about['version']}: {verdict['sentence']}",
        "",
        "| " + " | ".join(table.HEADINGS) + " |",
        "|---|--:|--:|--:|--:|---|",
    ]
    lines += ["| " + " | ".join(line) + " |" for line in table.stage_lines(verdict)]
    lines += ["", "| case | state | cells | failed | what |", "|---|---|--:|--:|---|"]
    for case in verdict["cases"]:
        counts, sentence = case["counts"], (case["sentence"] or "").replace("|", "/")
        lines.append(f"| {case['name']} | {case['state']} | {counts['expected']} | {counts['failed']} | {sentence} |")
    return "\n".join(lines) + "\n"
