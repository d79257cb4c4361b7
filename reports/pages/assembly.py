"""Templates, styles and scripts put together into files that need nothing but themselves."""

import os
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from reports.data import color_scale, pack

ROOT = Path(str(resources.files("reports")))
CASE_SCRIPTS = (
    "numbers",
    "colours",
    "theme",
    "state",
    "panel",
    "heat",
    "waveforms",
    "spectrograms",
    "pitch",
    "retrieval",
    "player",
    "details",
    "app",
)
INDEX_SCRIPTS = ("theme", "overview")
MATRIX_SCRIPTS = ("theme", "matrix")


def _environment() -> Environment:
    loader = FileSystemLoader(ROOT / "templates")
    return Environment(
        loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def asset(name: str) -> Markup:
    """A style sheet or script as it stands inside a page."""
    text = (ROOT / "assets" / name).read_text(encoding="utf-8")
    return Markup(text)  # ours, and it holds no closing tag; tests/reports/test_render.py watches that


def html(template: str, scripts: tuple[str, ...], **values: Any) -> str:
    """A whole page."""
    found = _environment().get_template(template)
    shared = Markup(f"globalThis.Report = {{ STEPS: {pack.script_json(color_scale.steps())} }};")
    return found.render(
        css=asset("report.css"),
        scripts=[shared, *(asset(f"{name}.js") for name in scripts)],
        steps=color_scale.steps(),
        step_of=color_scale.step_of,
        **values,
    )


def case_page(page: dict[str, Any]) -> str:
    """The page of one case from what `reports.pages.case.build` gives."""
    safe = page | {name: Markup(page[name]) for name in ("data_json", "numbers", "spectrum_svg")}
    if page["audio"]:
        safe["audio"] = {name: Markup(text) for name, text in page["audio"].items()}
    return html("case.html", CASE_SCRIPTS, page=safe, costs=_safe_costs(page["costs"]))


def index_page(page: dict[str, Any], costs: list[dict[str, Any]], up: str = "") -> str:
    """The index of one verdict; `up` is the address of the comparison it belongs to."""
    return html("index.html", INDEX_SCRIPTS, page=page, costs=_safe_costs(costs), up=up)


def matrix_page(page: dict[str, Any]) -> str:
    """The comparison of several candidates."""
    return html("matrix.html", MATRIX_SCRIPTS, page=page)


def _safe_costs(costs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [cost | {"svg": Markup(cost.get("svg", ""))} for cost in costs]


def write(path: Path, text: str) -> None:
    """Write a page whole: it is there, or it is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
