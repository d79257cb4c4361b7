"""Reading of the input: the judge's document, the goldens and the traces."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from parity.goldens import store, trace_file
from parity.goldens.arrays import Array
from parity.goldens.text import parse_file
from parity.judge import verdict_schema
from parity.output import recomputed
from reports.errors import ReportError

Json = dict[str, Any]  # an object of verdict.json; `verdict` checks it against the schema


@dataclass(frozen=True)
class Evidence:
    """The arrays behind the verdict of one case.

    Attributes:
        golden: the original's arrays by tensor name; empty where the golden cannot be read.
        isolated: the candidate's arrays, each stage computed from the original's inputs.
        chained: the candidate's arrays of a complete conversion.
        meta: the meta of the golden, or what verdict.json holds of it.
        gaps: one sentence for each golden, tensor or trace that cannot be read.
    """

    golden: Mapping[str, Array]
    isolated: Mapping[str, Array]
    chained: Mapping[str, Array]
    meta: Json
    gaps: tuple[str, ...] = ()

    def candidate(self, mode: str) -> Mapping[str, Array]:
        """The candidate's arrays of a mode, "isolated" or "chained"."""
        return self.isolated if mode == "isolated" else self.chained


def verdict(folder: Path) -> Json:
    """Read `verdict.json` of `folder`, check it against its schema, and recompute its states from its cells.

    Raises:
        ReportError: the file is missing, is not JSON, does not fit the schema, or contradicts itself.
    """
    path = folder / "verdict.json"
    try:
        document = parse_file(path)
    except FileNotFoundError:
        raise ReportError(f"{folder} holds no verdict.json; judge first: rvc-parity check") from None
    except json.JSONDecodeError as error:
        raise ReportError(
            f"{path} is not JSON ({error}); was the judge interrupted? Judge again: rvc-parity check"
        ) from None
    try:
        recomputed.refuse_edited(document, path)
    except ParityError as error:
        raise ReportError(str(error)) from None
    return dict(document)


def evidence(case: Json, folder: Path, original: Path | None = None) -> Evidence:
    """Read golden and traces of one case. What cannot be read is noted in `gaps` and does not stop the page.

    Args:
        case: a case of verdict.json.
        folder: the folder of verdict.json.
        original: the golden's folder or an original's trace, where the verdict names none (`parity compare`).
    """
    gaps: list[str] = []
    golden: Mapping[str, Array] = {}
    meta: Json = {
        "name": case["name"],
        "options": case.get("options", {}),
        "voice": case.get("voice", {}),
        "profile": case.get("profile", ""),
    }
    try:
        opened = _golden(original or _find(case.get("folder", f"goldens/cases/{case['name']}"), folder))
        golden, meta = ReadableTensors(opened, gaps), opened.meta
    except ParityError as error:
        gaps.append(str(error))
    sides = {mode: _trace(case, mode, folder, gaps) for mode in verdict_schema.MODES}
    return Evidence(golden, sides["isolated"], sides["chained"], meta, tuple(gaps))


def _golden(path: Path) -> store.Case:
    if path.suffix != ".safetensors":
        return store.open_case(path)
    from parity.runs import dumps  # loads the judge's runs, which no other page needs

    return dumps.from_trace(path)


class ReadableTensors(Mapping[str, Array]):
    """The tensors of a golden without those that cannot be read; the reason for each is appended to `gaps`."""

    def __init__(self, case: store.Case, gaps: list[str]) -> None:
        self._case, self._values = case, dict[str, Array]()
        for name in case:
            try:
                self._values[name] = case[name]
            except ParityError as error:
                gaps.append(str(error))

    def __getitem__(self, name: str) -> Array:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _trace(case: Json, mode: str, folder: Path, gaps: list[str]) -> Mapping[str, Array]:
    named = case.get("traces", {}).get(mode)
    path = _find(named, folder) if named else folder / "traces" / case["name"] / f"{mode}.safetensors"
    try:
        return trace_file.read(path)
    except ParityError as error:
        gaps.append(f"no {mode} trace: {error}")
        return {}


def _find(named: str, folder: Path) -> Path:
    """Resolve a path of verdict.json, which is relative to the working folder of the judge or to its own folder."""
    path = Path(named)
    if path.is_absolute() or path.exists():
        return path
    beside = folder / path
    return beside if beside.exists() else path
