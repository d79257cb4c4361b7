"""The color scale of pages and pictures: an error as a multiple of its limit, in steps."""

import functools
import json
from importlib import resources
from typing import Any

from reports.data import cells


@functools.cache
def steps() -> list[dict[str, Any]]:
    """The steps of the color scale, an error as a multiple of its limit; the pages' scripts read the same file."""
    scale: list[dict[str, Any]] = json.loads(
        resources.files("reports").joinpath("assets/steps.json").read_text("utf-8")
    )
    return scale


def step_of(ratio: float | None, state: str) -> dict[str, Any]:
    """The colors of one cell of a table; a failure without a number takes the last step."""
    if state in ("none", "not tested"):
        return {"light": "transparent", "dark": "transparent", "ink_light": "inherit", "ink_dark": "inherit"}
    if ratio is None:
        return steps()[0] if cells.mark(state) == "good" else steps()[-1]
    fitting = (
        step for step in steps() if step["below"] is not None and (ratio < step["below"] or ratio == step["below"] == 1)
    )
    return next(fitting, steps()[-1])
