"""Judgments on inputs that no golden has, against `rvc`.

A program that returns goldens, or that was fitted to them, passes every golden. Here sounds, options and voices are
drawn, `rvc` converts them, and the candidate is judged against it. `rvc` itself is within one limit of the originals,
which its own run over the goldens proves; a right candidate is within one limit too. Therefore twice the limit is
allowed. Such a verdict is no pass, because no original was run. It is never stored as a golden.
"""

import datetime
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from parity.candidates.candidate import Candidate, Tensors
from parity.errors import UsageError
from parity.goldens.store import Case, MemoryCase
from parity.judge import verdict
from parity.judge.judgment import Judgment
from parity.judge.limits import Limit, Limits, network_f0
from parity.judge.limits import load as load_limits
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers
from parity.output import files, verdict_json
from parity.output.verdict_json import Json
from parity.runs import drawn_cases, manifest
from parity.rvc_bridge import counterfactual
from parity.stages.profile_table import PROFILES

AGAINST = "rvc"
OUT = Path("out") / "fresh"
_SEED = re.compile(r"[A-Za-z0-9_]{1,32}")
_TWICE = 2.0  # limits: one for the candidate's distance from the originals, one for that of `rvc`
Draw = Callable[[str, int, Sequence[str], Path], MemoryCase]


class Recorder(Protocol):
    """A proven program that converts a case with drawn noise and records every tensor."""

    def record(self, case: Case, seed: int) -> Tensors:
        """Full name → array, the audio and the noise included; raises CandidateError where it fails."""
        ...


class LimitsAgainstRvc(Limits):
    """The limits for a comparison with `rvc` in place of an original."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._original = limits
        self.variants = limits.variants

    def find(self, name: str, mode: str, metric: str, network: bool) -> Limit:
        """Twice the limit that holds for an original."""
        limit = self._original.find(name, mode, metric, network)
        because = f"twice the limit for an original, since rvc may be one limit away from it; {limit.because}"
        return replace(limit, limit=_TWICE * limit.limit, because=because)


def run(
    program: Candidate,
    recorder: Recorder,
    count: int,
    seed: str | None = None,
    out: Path = OUT,
    command: str = "rvc-parity check",
    draw: Draw = drawn_cases.draw,
) -> Json:
    """Draw cases, convert them with `rvc` and judge the candidate against it.

    Args:
        program: the candidate.
        recorder: `rvc`.
        count: the number of cases.
        seed: determines the drawn cases; None draws a seed, which the verdict states.
        out: receives verdict.json, junit.xml, summary.md and traces/.
        command: the command line without --fresh and --seed.
        draw: makes a case, `drawn_cases.draw`.
    Returns:
        the document of verdict.json; its state is never "pass".
    Raises:
        UsageError: the number or the seed cannot be used, or the candidate takes no profile.
        CandidateError: `rvc` cannot convert a case.
    """
    if count < 1:
        raise UsageError(f"--fresh {count} draws no case; give a number from 1 on")
    seed = secrets.token_hex(4) if seed is None else seed
    if not _SEED.fullmatch(seed):
        raise UsageError(f"the seed {seed!r} cannot be used; write 1 to 32 letters, digits or underscores")
    profiles = _profiles(program)
    pinned, limits = manifest.compare([]), LimitsAgainstRvc(load_limits())
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    judged: list[tuple[CaseVerdict, Json]] = []
    networks: dict[str, bool] = {}
    reproduce = f"{command} --fresh {count} --seed {seed}"
    for number in range(count):
        with tempfile.TemporaryDirectory(prefix="rvc-parity-fresh-") as folder:
            case = recorded(recorder, draw(seed, number, profiles, Path(folder)), number)
            networks[case.name] = network_f0(case.options)
            judged.append(_judge(case, program, limits, out, reproduce))
    verdicts = [each for each, _ in judged]
    document = verdict_json.run_document(
        verdict.overall(verdicts, Waivers(), verdict.RunScope(against=AGAINST, seed=seed), pinned.altered),
        pinned.document(),
        None,
        [],
        program.about,
        [document for _, document in judged],
        verdicts,
        verdict_json.limits_used(verdicts, limits, networks),
        [],
        started,
        time.monotonic() - begin,
    )
    files.write(out, document)
    return document


def _profiles(program: Candidate) -> list[str]:
    """The profiles that the candidate takes."""
    metas: dict[str, Any] = {"name": "fresh", "voice": {"f0": True, "rate": 40000}, "options": {}}
    taken = [name for name in PROFILES if program.takes(MemoryCase({**metas, "profile": name}, {}))]
    if not taken:
        raise UsageError("the candidate declares no profile, so that no case can be drawn for it")
    return taken


def recorded(recorder: Recorder, case: MemoryCase, number: int) -> MemoryCase:
    """The case with every tensor that `rvc` makes of it."""
    tensors = recorder.record(case, number)
    segments = sum(name.endswith(".waveform.segment") for name in tensors)
    return MemoryCase({**case.meta, "segments": segments, "blocks": 0}, tensors)


def _judge(case: Case, program: Candidate, limits: Limits, out: Path, command: str) -> tuple[CaseVerdict, Json]:
    begin = time.monotonic()
    judgment = Judgment(
        case,
        limits,
        Waivers(),
        candidate=program,
        counterfactuals=counterfactual.RvcCounterfactuals(case, program),
    )
    result = verdict.judge(judgment)
    traces = files.write_traces(out, result)
    document = verdict_json.case_document(result, None, traces, time.monotonic() - begin, command)
    document |= {"profile": case.profile, "options": case.options, "why": case.why}
    document["voice"] = {name: value for name, value in case.voice.items() if name != "file"}
    result.traces.clear()
    return result, document
