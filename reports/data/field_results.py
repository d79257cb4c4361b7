"""Reading of field.json: the results of public implementations (format `rvc-field/1`, package `field`)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.goldens.text import parse
from reports.errors import ReportError

FILE = "field.json"
FORMAT = "rvc-field/1"
_NAME = re.compile(r"\w[\w.-]*")  # names become folders of pages


@dataclass(frozen=True)
class Origin:
    """A stage of one golden in which a mistake is made; `cause` and `divergence` are None where they are unknown."""

    case: str
    stage: str
    cause: str | None
    divergence: str | None


@dataclass(frozen=True)
class Effect:
    """What a repaired stage gains: the waveform's distance from the golden in dB, before and after; None: equal."""

    case: str
    stage: str
    before_db: float | None
    after_db: float | None


@dataclass(frozen=True)
class Result:
    """One program judged by the goldens of one profile.

    Attributes:
        name: the name of the program.
        version: the pinned version of the program.
        source: where the program comes from.
        date: the date of the run, ISO 8601.
        profile: the profile of the goldens.
        verdict: "pass", "differs", "partial", "not installed" or "does not answer".
        tier: the best tier that it reaches; None where there is none.
        stages: stage → "pass" or the gravest blame of the stage in one of the goldens.
        origins: the origins of every golden, in the order of the goldens and of the flow.
        effects: the effects of repairs, where the judge could continue from a stage.
        sizes: (golden, stage) → how large an origin is in the tensors of its stage, in words.
        sounds: golden → how the whole conversion sounds, in words.
        cases: the goldens.
        not_reached: goldens that its time did not reach.
        expectation: "right", "wrong" or "unknown": what about.toml expected, beside the verdict.
        reason: why it could not be judged; None where it could.
    """

    name: str
    version: str
    source: str
    date: str
    profile: str
    verdict: str
    tier: str | None
    stages: Mapping[str, str]
    origins: Sequence[Origin]
    effects: Sequence[Effect]
    sizes: Mapping[tuple[str, str], str]
    sounds: Mapping[str, str]
    cases: Sequence[str]
    not_reached: Sequence[str]
    expectation: str
    reason: str | None


def read(path: Path) -> list[Result]:
    """The results of a field.json, one for each program and profile.

    Raises:
        ReportError: the file is missing, is not JSON, or lacks what the format demands.
    """
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} does not exist; make it first: nox -s field") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{path} is not JSON ({error}); make it again: nox -s field") from None
    form = document.get("format") if isinstance(document, dict) else None
    if form != FORMAT:
        raise ReportError(f"{path} has the format {form!r}, expected {FORMAT!r}; make it again: nox -s field")
    try:
        return [_result(one, row) for one in document["implementations"] for row in one["results"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path} does not fit {FORMAT} ({error}); make it again: nox -s field") from None


def _result(one: Mapping[str, Any], row: Mapping[str, Any]) -> Result:
    for name in (one["name"], row["profile"], *row["cases"]):
        if not _NAME.fullmatch(name):
            raise ReportError(f"{name!r} in {FILE} cannot name a folder; expected letters, digits, '.', '_' and '-'")
    return Result(
        name=one["name"],
        version=one["version"],
        source=one["source"],
        date=one["date"],
        profile=row["profile"],
        verdict=row["verdict"],
        tier=row["tier"],
        stages={stage["stage"]: stage["state"] for stage in row["stages"]},
        origins=[Origin(each["case"], each["stage"], each["cause"], each["divergence"]) for each in row["origins"]],
        effects=[Effect(each["case"], each["stage"], each["before_db"], each["after_db"]) for each in row["effects"]],
        sizes={(each["case"], each["stage"]): each["text"] for each in row["sizes"]},
        sounds={each["case"]: each["text"] for each in row["sounds"]},
        cases=row["cases"],
        not_reached=row["not_reached"],
        expectation=row["expectation"],
        reason=row["reason"],
    )
