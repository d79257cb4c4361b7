"""The verdict as workflow commands of GitHub Actions, which shows them as annotations of a run.

One `::error` for each fault, one `::notice` for a run that passes, and one `::warning` for a run that is partial,
compared nothing, or differs with an output within the limits. The syntax is that of GitHub's page "Workflow commands
for GitHub Actions".
"""

from collections.abc import Mapping
from typing import Any

from parity.goldens.text import printable
from parity.judge.states import CaseState
from parity.output import fault_summary, faults
from parity.output.verdict_json import state_text

TITLE = "rvc-parity"


def annotations(verdict: Mapping[str, Any]) -> str:
    """One line for each annotation of a verdict.json document."""
    fault_list = faults.of(verdict)
    lines = [_command("error", f"{TITLE}: {fault.title}", _lines(fault_summary.full(fault))) for fault in fault_list]
    sentence = f"{state_text(verdict)}: {verdict['sentence']}"
    if verdict["state"] == CaseState.PASS:
        lines.append(_command("notice", TITLE, sentence))
    elif verdict["state"] == CaseState.DIFFERS:
        lines += [] if fault_list else [_command("error", TITLE, sentence)]
        lines += [_command("warning", TITLE, sentence)] if fault_list and verdict.get("output_holds") else []
    else:
        lines.append(_command("warning", TITLE, sentence))
    return "\n".join(lines)


def _lines(lines: list[str]) -> str:
    return "\n".join(printable(line.strip()) for line in lines)


def _command(name: str, title: str, message: str) -> str:
    return f"::{name} title={_property(printable(title))}::{_data(message)}"


def _data(text: str) -> str:
    """A message without the characters that end a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property without the characters that separate properties."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
