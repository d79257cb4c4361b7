"""Colors that Python shares with the pages: the scale of multiples of a limit, and variables of report.css."""

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from reports.data import cells, states
from reports.data.states import Mark

PACKAGE = Path(str(resources.files("reports")))


@dataclass(frozen=True)
class ColorStep:
    """One step of the scale: multiples of the limit below `below`, None for the last step.

    Attributes:
        light: background in the light theme.
        dark: background in the dark theme.
        ink_light: text in the light theme.
        ink_dark: text in the dark theme.
        label: entry of the legend.
    """

    below: float | None
    light: str
    dark: str
    ink_light: str
    ink_dark: str
    label: str


EMPTY = ColorStep(None, "transparent", "transparent", "inherit", "inherit", "")


@functools.cache
def color_scale() -> tuple[ColorStep, ...]:
    """The steps from the best to the worst."""
    text = (PACKAGE / "assets" / "color_scale.json").read_text(encoding="utf-8")
    return tuple(ColorStep(**step) for step in json.loads(text))


def light_color(name: str) -> str:
    """The value of the variable --`name` of report.css in the light theme, which stands first."""
    css = (PACKAGE / "assets" / "report.css").read_text(encoding="utf-8")
    match = re.search(rf"--{name}: (#[0-9a-f]+);", css)
    if match is None:
        raise KeyError(f"report.css has no variable --{name}")
    return match[1]


def step_of(ratio: float | None, state: str) -> ColorStep:
    """The colors of one cell of a table; a failure without a number gets the last step.

    Args:
        ratio: the multiple of the limit; exactly 1 is within the limit.
        state: a cell's state of the schema, or `states.NO_CELL`.
    """
    if state in (states.NO_CELL, states.NOT_TESTED):
        return EMPTY
    if ratio is None:
        return color_scale()[0] if cells.mark(state) == Mark.GOOD else color_scale()[-1]
    fitting = (
        step for step in color_scale() if step.below is not None and (ratio < step.below or ratio == step.below == 1)
    )
    return next(fitting, color_scale()[-1])
