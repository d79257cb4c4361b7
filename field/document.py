"""The results as a document: field.json, its closed schema, and what a verdict contributes to it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from field import effects
from field.programs import Expectation, Lock, Program
from parity import stages
from parity.errors import ParityError
from parity.goldens import closed_schema
from parity.judge.diagnosis import divergences
from parity.judge.states import Blame, CaseState

Json = dict[str, Any]
FORMAT = "rvc-field/1"
NOT_INSTALLED, NO_ANSWER = "not installed", "does not answer"
VERDICTS = ("pass", "differs", "partial", NOT_INSTALLED, NO_ANSWER)
_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_TEXT_OR_NULL, _NUMBER_OR_NULL = {"type": ["string", "null"]}, {"type": ["number", "null"]}


def _closed(**properties: Any) -> Json:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _list(of: Any) -> Json:
    return {"type": "array", "items": of}


_ORIGIN = _closed(case=_TEXT, stage=_TEXT, cause=_TEXT_OR_NULL, divergence=_TEXT_OR_NULL)
_STAGE = _closed(stage=_TEXT, state={"enum": ["pass", *(blame.value for blame in Blame if blame is not Blame.CLEAN)]})
# What a file's waveform gains where an origin and those before it are repaired: dB of its distance from the golden.
_EFFECT = _closed(case=_TEXT, stage=_TEXT, before_db=_NUMBER_OR_NULL, after_db=_NUMBER_OR_NULL)
# How large an origin is in the tensors of its stage, and how the whole conversion sounds, in words.
_SIZE = _closed(case=_TEXT, stage=_TEXT, text=_TEXT)
_SOUND = _closed(case=_TEXT, text=_TEXT)
_RESULT = _closed(
    profile=_TEXT,
    verdict={"enum": list(VERDICTS)},
    tier=_TEXT_OR_NULL,
    origins=_list(_ORIGIN),
    stages=_list(_STAGE),
    effects=_list(_EFFECT),
    sizes=_list(_SIZE),
    sounds=_list(_SOUND),
    cases=_list(_TEXT),
    not_reached=_list(_TEXT),
    seconds=_NUMBER,
    expectation={"enum": ["right", "wrong", "unknown"]},
    reason=_TEXT_OR_NULL,
)
_IMPLEMENTATION = _closed(
    name=_TEXT,
    version=_TEXT,
    source=_TEXT,
    lock=_TEXT,
    manifest={**_TEXT, "description": "the SHA-256 of the pinned goldens and limits that it was judged by"},
    date=_TEXT,
    machine=_TEXT,
    results=_list(_RESULT),
)
SCHEMA = _closed(
    format={"const": FORMAT},
    manifest={
        **_TEXT,
        "description": "the SHA-256 of the pinned goldens and limits that the newest entry was judged by",
    },
    implementations=_list(_IMPLEMENTATION),
)
SETUP_FAILED = "every call of the candidate failed"  # how the sentence of a case begins whose program did not start
_ORDER = (Blame.ORIGIN, Blame.AMPLIFIES, Blame.KNIFE_EDGE, Blame.INHERITED, Blame.CLEAN, Blame.NOT_TESTED)


def check(document: Json) -> Json:
    """The document, where it fits SCHEMA.

    Raises:
        ParityError: it does not.
    """
    if wrong := closed_schema.check(document, SCHEMA):
        raise ParityError(f"field.json does not fit its schema: {wrong[0]}; make it again with python -m field")
    return document


def not_installed(profile: str, reason: str) -> Json:
    """The result of a program that cannot be run here."""
    return _result(profile, NOT_INSTALLED, reason=reason)


def no_answer(profile: str, reason: str) -> Json:
    """The result of a program that runs and does not answer `hello` as the protocol states."""
    return _result(profile, NO_ANSWER, reason=reason)


def result(
    profile: str,
    verdict: Json,
    expectation: Expectation | None,
    goldens: Sequence[str] = (),
    out: Path | None = None,
) -> Json:
    """The result of one run.

    Args:
        profile: the profile of the judged goldens.
        verdict: the document of verdict.json.
        expectation: what was expected; None where nothing was.
        goldens: the goldens of the profile; those that the verdict does not have were not reached.
        out: the folder of the run, whose traces give the sizes; None: no sizes.
    Returns:
        the result; its origins are in the order of the flow, those of one stage in the order of the goldens.
    """
    cases = verdict["cases"]
    if cases and all((case.get("sentence") or "").startswith(SETUP_FAILED) for case in cases):
        return not_installed(profile, str(cases[0]["sentence"]))
    flow = [stage.name for stage in stages.every()]
    origins = sorted(
        (origin for case in cases for origin in _origins(case)), key=lambda origin: flow.index(origin["stage"])
    )
    judged = [case["name"] for case in cases]
    not_reached = [name for name in goldens if name not in judged]
    word = _word(verdict, cases, not_reached)
    sizes, sounds = effects.measured(cases, out) if out is not None else ([], [])
    return _result(
        profile,
        word,
        origins=origins,
        stages=_stages(cases),
        effects=[
            {"case": case["name"], **{key: repair[key] for key in ("stage", "before_db", "after_db")}}
            for case in cases
            for repair in case.get("repairs", ())
        ],
        sizes=sizes,
        sounds=sounds,
        cases=judged,
        not_reached=not_reached,
        seconds=round(sum(case.get("wall_s") or 0.0 for case in cases), 1),
        expectation=_compared(expectation, word, origins, not_reached),
        reason=verdict["failures"][0] if verdict["failures"] else None,
    )


def _result(profile: str, verdict: str, **fields: Any) -> Json:
    empty: Json = {"profile": profile, "verdict": verdict, "tier": None, "origins": [], "stages": [], "effects": []}
    empty |= {"sizes": [], "sounds": []}
    empty |= {"cases": [], "not_reached": [], "seconds": 0.0, "expectation": "unknown", "reason": None}
    return empty | fields


def _word(verdict: Json, cases: Sequence[Json], not_reached: Sequence[str]) -> str:
    """ "pass" only where every cell of every chosen golden was compared and holds."""
    if verdict["failures"] or any(case["state"] in ("differs", "unreadable") for case in cases):
        return "differs"
    complete = bool(cases) and all(case["state"] == CaseState.PASS.value for case in cases)
    return "pass" if complete and not not_reached else "partial"


def _origins(case: Json) -> Iterable[Json]:
    """Each stage of a case that is an origin, once, in the order of the flow."""
    seen: set[str] = set()
    for stage in case["stages"]:
        if stage["blame"] in (Blame.ORIGIN.value, Blame.AMPLIFIES.value) and stage["stage"] not in seen:
            seen.add(stage["stage"])
            cause = stage.get("cause") or {}
            name = cause.get("name")
            number = divergences.number_of(stage["stage"], name) if name else None
            yield {"case": case["name"], "stage": stage["stage"], "cause": name, "divergence": number}


def _stages(cases: Sequence[Json]) -> list[Json]:
    """Each stage of the judged cases with the gravest blame that it has in one of them."""
    blames: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        for stage in case["stages"]:
            blames[stage["stage"]].add(stage["blame"])
    gravest = {name: next(blame for blame in _ORDER if blame.value in held) for name, held in blames.items()}
    return [
        {"stage": name, "state": "pass" if blame is Blame.CLEAN else blame.value} for name, blame in gravest.items()
    ]


def _compared(
    expectation: Expectation | None, verdict: str, origins: Sequence[Json], not_reached: Sequence[str]
) -> str:
    """Whether the verdict and the first origin are the expected ones; unknown while a golden may still show it."""
    if expectation is None:
        return "unknown"
    first = origins[0] if origins else {"stage": None, "divergence": None}
    same = first["stage"] == expectation.stage and first["divergence"] == expectation.divergence
    if same and verdict == expectation.verdict:
        return "right"
    contradicted = bool(origins) and expectation.stage is None
    return "unknown" if not_reached and not contradicted else "wrong"


def merged(before: Json | None, manifest: str, implementations: Mapping[str, Json]) -> Json:
    """The document with new entries in place of earlier ones of the same names, sorted by name."""
    held = {entry["name"]: entry for entry in before["implementations"]} if before else {}
    held |= implementations
    return check({"format": FORMAT, "manifest": manifest, "implementations": [held[name] for name in sorted(held)]})


def implementation(program: Program, manifest: str, date: str, machine: str, results: Sequence[Json]) -> Json:
    """The entry of one program; `manifest` is the digest of the goldens and limits that it was judged by."""
    return {
        "name": program.name,
        "version": program.version,
        "source": program.source,
        "lock": Lock.read(program.lock).digest,
        "manifest": manifest,
        "date": date,
        "machine": machine,
        "results": list(results),
    }
