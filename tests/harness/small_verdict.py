"""Verdicts of a few rows, as verdict.json holds them."""

from typing import Any


def small_verdict(*cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A verdict of these cases, without failures."""
    return {"cases": list(cases), "failures": [], **fields}


def judged_case(name: str, state: str, *stages: tuple[str, str, str | None]) -> dict[str, Any]:
    """A case with the (stage, blame, cause) of its stages."""
    rows = [
        {"stage": stage, "blame": blame, **({"cause": {"name": cause}} if cause else {})}
        for stage, blame, cause in stages
    ]
    return {"name": name, "state": state, "stages": rows, "wall_s": 2.0}
