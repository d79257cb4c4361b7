"""Extension of griffe, which reads docstrings for mkdocstrings: accept three habits of this project's docstrings.

- `Returns:` may follow `Args:` without a blank line, and likewise for other sections.
- `low, high: ends of the range in Hz.` describes two parameters.
- A line `python -m …` of a module, with the indented lines below it, is a command and no prose.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(r"(?<=[^\n])\n( *(?:Args|Attributes|Returns|Yields|Raises|Example|Examples):\n)")
SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+)(: .*(?:\n\1 +.*)*)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:python -m|rvc|rvc-parity) .*(?:\n(?: {4,}|python -m |rvc).*)*", re.MULTILINE)


def code_block(match: re.Match[str]) -> str:
    """A command as a Markdown code block."""
    return "\n" + "\n".join(f"    {line}" for line in match[0].splitlines()) + "\n"


def one_entry_each(match: re.Match[str]) -> str:
    """An entry for several names as one entry for each name, all with the same description."""
    indent, names, description = match.groups()
    return "\n".join(f"{indent}{name}{description}" for name in names.split(", "))


class DocstringSections(griffe.Extension):
    """Rewrites docstrings before griffe divides them into sections."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class, function and attribute that griffe has read."""
        if obj.docstring is None:
            return
        head, *sections = re.split(r"(?m)^(?= *(?:Args|Attributes):$)", SECTION.sub(r"\n\n\1", obj.docstring.value))
        if obj.is_module:
            head = COMMAND.sub(code_block, head)
        obj.docstring.value = head + "".join(SEVERAL.sub(one_entry_each, section) for section in sections)
