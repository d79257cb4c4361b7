"""Templates, styles and scripts put together into HTML files that load nothing else."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from reports.data import pack, states
from reports.data.color_scale import PACKAGE, color_scale, step_of
from reports.pages.case import CasePage
from reports.pages.field import FieldPage
from reports.pages.index import IndexPage
from reports.pages.matrix import MatrixPage
from reports.pages.sounds import SoundsPage
from reports.panels import static_figure
from reports.panels.costs import CostGroup
from reports.panels.pitch_and_retrieval import NEIGHBORS

CASE_SCRIPTS = (
    "numbers",
    "colors",
    "theme",
    "state",
    "panel",
    "heat",
    "waveforms",
    "spectrograms",
    "perceptual",
    "pitch",
    "levels",
    "retrieval",
    "player",
    "details",
    "app",
)
INDEX_SCRIPTS = ("theme", "overview")
MATRIX_SCRIPTS = ("theme", "matrix")


@cache
def _environment() -> Environment:
    """The templates; kept, so that each is compiled once."""
    loader = FileSystemLoader(PACKAGE / "templates")
    environment = Environment(
        loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["markup"] = Markup  # for text that this package made itself
    return environment


def asset(name: str) -> Markup:
    """The text of a style sheet or script of this package, as a page holds it."""
    text = (PACKAGE / "assets" / name).read_text(encoding="utf-8")
    return Markup(text)  # safe: tests/reports/test_command.py checks that no asset holds a closing tag


def html(template: str, scripts: Sequence[str], **values: object) -> str:
    """Render a template.

    Args:
        template: name of the file in templates/.
        scripts: names of files in assets/, without their suffix, in the order in which they run.
        values: variables of the template.
    """
    constants = {
        "STEPS": [asdict(step) for step in color_scale()],
        "NEIGHBORS": NEIGHBORS,
        "SPECTROGRAM": {"RANGE": static_figure.RANGE, "CHANGE": static_figure.CHANGE, "FLOOR": static_figure.FLOOR},
    }
    shared = Markup(f"globalThis.Report = {pack.script_json(constants)};")
    return (
        _environment()
        .get_template(template)
        .render(
            css=asset("report.css"),
            scripts=[shared, *(asset(f"{name}.js") for name in scripts)],
            steps=color_scale(),
            step_of=step_of,
            **values,
        )
    )


def case_page(page: CasePage) -> str:
    """The page of one case."""
    return html("case.html", CASE_SCRIPTS, page=page, costs=page.costs)


def index_page(page: IndexPage, costs: Sequence[CostGroup], up: str = "") -> str:
    """The index of one verdict; `up` is the address of the comparison that it belongs to."""
    return html("index.html", INDEX_SCRIPTS, page=page, costs=costs, up=up, case_states=states.CASES)


def matrix_page(page: MatrixPage) -> str:
    """The comparison of several candidates."""
    return html("matrix.html", MATRIX_SCRIPTS, page=page)


def field_page(page: FieldPage) -> str:
    """The matrix of public implementations."""
    return html("field.html", ("theme",), page=page)


def sounds_page(page: SoundsPage) -> str:
    """The page of two sounds."""
    return html("sounds.html", CASE_SCRIPTS, page=page)


def write(path: Path, text: str) -> None:
    """Write a page under a temporary name and rename it, so that no reader meets an incomplete file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
