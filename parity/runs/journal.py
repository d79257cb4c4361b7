"""The finished cases of a run that has not ended, so that `--resume` can continue it after Ctrl-C, a crash or a kill.

`OUT/unfinished/run.json` states what the run judges and by what; `OUT/unfinished/NAME.json` is one finished case. The
folder is removed when the run ends. A finished case is used again only by the same run: the same candidate and program
files, stages, limits, waivers and goldens.
"""

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import UsageError
from parity.goldens import store
from parity.goldens.text import parse as parse_json
from parity.goldens.text import printable_values
from parity.judge.blame import StageVerdict
from parity.judge.ledger import Cell, Ledger
from parity.judge.states import Blame, CaseState, CellState, Metric, Mode, Tier
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers
from parity.output.verdict_json import Json

FOLDER = "unfinished"  # below the folder of the run
_RUN = "run.json"


def program_files(command: object) -> dict[str, str]:
    """The sha256 of each file that a command line names, by its path: the program and its arguments."""
    try:
        words = shlex.split(str(command)) if command else []
    except ValueError:
        return {}
    paths = [Path(shutil.which(words[0]) or words[0]), *map(Path, words[1:])] if words else []
    return {str(path): _digest(path) for path in paths if path.is_file()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """The finished cases of one run."""

    def __init__(self, out: Path, identity: Mapping[str, Any], resume: bool) -> None:
        """Begin, or continue, a run.

        Args:
            out: the folder of the run.
            identity: what the run judges and by what, JSON values; a later run continues this one only with the same.
            resume: whether to continue the run that is in `out`; else it is deleted.
        Raises:
            UsageError: there is no run to continue, or it is another run.
        """
        self._folder = out / FOLDER
        self._identity = _plain(identity)
        if resume:
            self._refuse_other()
        else:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._write(_RUN, self._identity)

    def _refuse_other(self) -> None:
        path = self._folder / _RUN
        if not path.is_file():
            raise UsageError(
                f"there is no unfinished run in {self._folder.parent}; leave out --resume, "
                "or name its folder with --out"
            )
        before = _read(path)
        if before == self._identity:
            return
        keys = [key for key in self._identity if before.get(key) != self._identity[key]]
        raise UsageError(
            f"the unfinished run in {self._folder.parent} has another {keys[0] if keys else 'format'}; "
            "its cases cannot be mixed with this one's: leave out --resume to judge all cases again"
        )

    def add(self, folder: Path, verdict: CaseVerdict, document: Json, network_f0: bool) -> None:
        """Store a finished case.

        Args:
            folder: the golden.
            verdict: its judgment, without tensors.
            document: its case document.
            network_f0: whether its F0 comes from a network.
        """
        self._write(
            f"{folder.name}.json",
            {
                "golden": _digest_of_golden(folder),
                "setup_failed": verdict.setup_failed,
                "outside": verdict.outside,
                "network_f0": network_f0,
                "order": [[cell.tensor, cell.mode, cell.metric] for cell in verdict.ledger.cells],
                "document": printable_values(document),
            },
        )

    def get(self, folder: Path, waivers: Waivers) -> tuple[CaseVerdict, Json, bool] | None:
        """A finished case as `add` received it, its waivers counted; None where it has to be judged."""
        path = self._folder / f"{folder.name}.json"
        entry = _read(path) if path.is_file() else {}
        if entry.get("golden") != _digest_of_golden(folder):
            return None
        try:
            document: Json = entry["document"]
            verdict = _verdict(document, waivers)
            places = {tuple(key): place for place, key in enumerate(entry["order"])}
            verdict.ledger.cells.sort(key=lambda cell: places[cell.tensor, cell.mode, cell.metric])
            verdict.setup_failed, verdict.outside = bool(entry["setup_failed"]), bool(entry["outside"])
            return verdict, document, bool(entry["network_f0"])
        except (KeyError, TypeError, ValueError):  # an incomplete file
            return None

    def has(self, folder: Path) -> bool:
        """Whether a golden is finished, and has not changed since."""
        path = self._folder / f"{folder.name}.json"
        return path.is_file() and _read(path).get("golden") == _digest_of_golden(folder)

    def close(self) -> None:
        """Delete the cases, because the run has ended."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, name: str, value: Json) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f".{name}.new"
        fresh.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
        os.replace(fresh, self._folder / name)


def _plain(value: Mapping[str, Any]) -> Json:
    """The value as a reader of its JSON gets it."""
    return dict(json.loads(json.dumps(printable_values(dict(value)))))


def _read(path: Path) -> Json:
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _digest_of_golden(folder: Path) -> str:
    """The sha256 of case.json, which holds those of the tensors."""
    try:
        return _digest(folder / store.JSON_NAME)
    except OSError:
        return "unreadable"


def _verdict(document: Json, waivers: Waivers) -> CaseVerdict:
    """The parts of a case's verdict that the result of a run is derived from."""
    verdict = CaseVerdict(
        document["name"], CaseState(document["state"]), document["sentence"], Ledger(document["name"])
    )
    verdict.first, verdict.matches = document["first"], tuple(document.get("matches", ()))
    verdict.tier = Tier(document["tier"]) if "tier" in document else None
    for entry in document["stages"]:
        stage = stages.stage_named(entry["stage"])
        if stage is None:
            raise ValueError(f"{entry['stage']} is no stage")
        cells = [_cell(verdict.name, cell, waivers) for cell in entry["cells"]]
        names = list(dict.fromkeys(cell.tensor for cell in cells))
        verdict.stages.append(StageVerdict(stage, entry["prefix"], names, Blame(entry["blame"]), cells))
        verdict.ledger.cells += cells
    return verdict


def _cell(case: str, document: Json, waivers: Waivers) -> Cell:
    """A cell with its state; a waiver that it used is counted again."""
    cell = Cell(
        document["tensor"],
        Mode(document["mode"]),
        Metric(document["metric"]),
        CellState(document["state"]),
        document["value"],
        document["limit"],
        document["sentence"],
        waiver=document.get("waiver"),
    )
    return waivers.apply(case, replace(cell, state=CellState.DIFFERS)) if cell.state is CellState.WAIVED else cell
