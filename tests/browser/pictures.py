"""python -m tests.browser.pictures: judge rvc with and without planted faults, and write the pictures in docs/images.

Each picture should show at first sight what is wrong, where, and by how much: look at them before committing them.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from parity import stages
from parity.candidates.candidate import Candidate, Tensors
from parity.goldens import store
from parity.goldens.store import Case
from parity.mutants import all_faults
from parity.mutants.fault import Fault
from parity.runs import run as judging
from parity.runs.run import RunOptions
from parity.rvc_bridge.rvc_torch import RvcTorch
from reports.__main__ import run as render
from tests.browser.conftest import FLAGS, chromium

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CASES = ("sung-up-2026", "two-segments-rpy", "v2-40k-rmvpe-rpy", "retrieval-loudness-2026", "v1-48k-rmvpe-2026")
PLANTED = {"linear upsampling": "upsample-linear", "1/d for 1/d²": "weights-1/d"}
HEIGHT = 1040


class Planted(RvcTorch):
    """rvc with a fault of the catalog; its name contains the fault."""

    def __init__(self, description: str, fault: Fault) -> None:
        super().__init__()
        self._description, self._fault = description, fault

    @property
    def about(self) -> dict[str, object]:
        return {**super().about, "name": f"rvc, {self._description}"}

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        with self._fault.patch.apply(self, case):
            return super().run_stage(case, stage, prefix, inputs)

    def run(self, case: Case) -> Tensors:
        with self._fault.patch.apply(self, case):
            return super().run(case)


def main() -> None:
    """Make verdicts and pages in a temporary folder, and the pictures in docs/images."""
    with tempfile.TemporaryDirectory() as there, chromium_running() as browser:
        root = Path(there)
        verdicts = judged(root)
        render([verdicts[0]], root / "right")
        render([verdicts[1]], root / "planted")
        render(verdicts, root / "both")
        picture(browser, root / "right" / "index.html", "report-index", 640)
        picture(browser, root / "right" / "two-segments-rpy.html", "report-passing")
        picture(browser, root / "planted" / "sung-up-2026.html", "report-planted-fault")
        picture(browser, root / "both" / "index.html", "report-two-candidates", 640)


def judged(root: Path) -> list[Path]:
    """Folders with the verdicts on a few cases: of rvc, then of rvc with each planted fault."""
    faults = {fault.name: fault for fault in all_faults()}
    programs: dict[str, Candidate] = {"rvc": RvcTorch()}
    programs |= {name: Planted(description, faults[name]) for description, name in PLANTED.items()}
    folders = [root / name.replace("/", "-") for name in programs]
    for folder, program in zip(folders, programs.values(), strict=True):
        judging.run(program, store.GOLDENS, folder, options=RunOptions(names=CASES))
    return folders


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield running
        running.close()


def picture(browser: Browser, page: Path, name: str, height: int = HEIGHT) -> None:
    """Write the part of a page that is visible without scrolling."""
    with browser.new_context(viewport={"width": 1280, "height": height}, color_scheme="light") as context:
        shown = context.new_page()
        shown.goto(page.as_uri())
        shown.wait_for_selector("html[data-ready=yes]")
        shown.wait_for_timeout(500)
        shown.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
