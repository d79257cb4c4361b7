"""Judging two dumps: a golden or a trace on one side, a trace on the other; no program is run."""

import datetime
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity import stages
from parity.candidates.candidate import Candidate
from parity.errors import TraceError, UsageError
from parity.goldens import store, trace_file
from parity.goldens.recipes import Array
from parity.goldens.store import Case, MemoryCase
from parity.judge import ledger, verdict, waivers
from parity.judge import limits as tolerance
from parity.output import documents
from parity.rvc_bridge import counterfactual


def compare(golden: Path, candidate: Path, only_stage: str | None = None, out: Path | None = None) -> dict[str, Any]:
    """The verdict document over a candidate's trace; a golden is a case's folder or an original's trace."""
    verdict.refuse_unknown(only_stage)
    case = open_either(golden)
    made = trace_file.read(candidate)
    if not any(name in made for name in case):
        raise UsageError(
            f"{candidate} holds none of the tensors of {golden} (it has {', '.join(list(made)[:3])}, …); "
            "are they named as in docs/spec/00-overview.md?"
        )
    about: dict[str, Any] = {"name": candidate.stem, "version": "a trace", "command": None}
    return judge(case, dict(made), about, f"python -m parity compare {golden} {candidate}", only_stage, out)


def judge(
    case: Case,
    made: dict[str, Array],
    about: Mapping[str, Any],
    command: str,
    only_stage: str | None = None,
    out: Path | None = None,
    program: Candidate | None = None,
) -> dict[str, Any]:
    """The verdict document of one chained trace against one case; `program` made it, where that is known."""
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    limits, waive = tolerance.load(), waivers.Waivers()
    names = [name for name in ledger.expected_tensors(case) if stages.stage_of(name) is not None]
    alone = dict.fromkeys(names, "not tested: two dumps show only the chained run")
    found = verdict.judge_tensors(
        case,
        {},
        made,
        limits,
        waive,
        only_stage,
        alone,
        oracle=counterfactual.Ours(case, program),
        hear=counterfactual.hear(case, program),
    )
    found.match(case, limits, counterfactual.conversion(case, program))
    traces = documents.write_traces(out, found) if out else {}
    wall = time.monotonic() - begin
    document = documents.case_document(found, case if not isinstance(case, MemoryCase) else None, traces, wall, command)
    network = {found.name: tolerance.network_f0(case.options)}
    state = verdict.overall([found], waive, False)
    whole = documents.document(
        state,
        about,
        [document],
        [found],
        documents.limits_used([found], limits, network),
        [],
        started,
        time.monotonic() - begin,
    )
    if out:
        documents.write(out, whole)
    return whole


def open_either(path: Path) -> Case:
    """A golden's folder, or a trace as an original's dump."""
    if path.is_dir() or path.name == store.JSON_NAME:
        return store.open_case(path if path.is_dir() else path.parent).check()
    return from_trace(path)


def from_trace(path: Path, voice: Mapping[str, Any] | None = None) -> MemoryCase:
    """A trace as the golden side: what it cannot say (rate, padding) is read off its tensors."""
    tensors = {name: value for name, value in trace_file.read(path).items() if stages.known(name)}
    if not any(stages.stage_of(name) for name in tensors):
        raise TraceError(f"{path} holds no tensor of docs/spec/00-overview.md; record one with --trace")
    about = _told(path)
    prefixes = stages.prefixes_of(tensors)
    segments = sum(prefix.startswith("seg") for prefix in prefixes)
    document = {
        "name": path.stem,
        "why": "an original's trace",
        "profile": about.get("original", "webui-2026"),
        "voice": {
            "kind": "unknown",
            "rate": _rate(tensors),
            "version": _version(tensors),
            "f0": "f0.hz" in tensors,
            "index": "unknown" if any(name.endswith("retrieval.ids") for name in tensors) else None,
            **(voice or {}),
        },
        "input": {"file": str(path), "sha256": "0" * 64},
        "options": _options(about, tensors),
        "seed": about.get("seed", ""),
        "segments": segments,
        "blocks": len(prefixes) - segments,
        "environment": {},
        "original": {"name": about.get("original", "unknown"), "version": "a trace"},
    }
    return MemoryCase(document, tensors)


def _told(path: Path) -> dict[str, str]:
    """What a trace's header says, be it written by `reference` or by `python -m rvc convert --trace`."""
    about = trace_file.metadata(path)
    try:
        ours: dict[str, Any] = json.loads(about.get("rvc", "{}"))
    except json.JSONDecodeError:
        return about
    return (
        about
        | ({"original": ours["profile"]} if "profile" in ours else {})
        | ({"options": json.dumps(ours["options"])} if "options" in ours else {})
    )


def _options(about: Mapping[str, str], tensors: Mapping[str, Array]) -> dict[str, Any]:
    if "options" in about:
        found: dict[str, Any] = json.loads(about["options"])
        return {name: value for name, value in found.items() if value is not None}
    pad = 1.0
    if "padded" in tensors and "highpassed" in tensors:
        pad = (len(tensors["padded"]) - len(tensors["highpassed"])) / 2 / stages.SR16
    # Without its options a trace may have a network's F0; the wider limits are for that.
    found = {"window": [pad, 6.0, 38.0, 41.0], "f0_method": "rmvpe"}
    return found | ({"rms_mix_rate": 0.25} if "waveform.rmsmixed" in tensors else {})


def _version(tensors: Mapping[str, Array]) -> str:
    """v1 voices hear 256 channels of content, v2 voices 768."""
    return (
        "v1"
        if any(name.endswith("hubert.features") and value.shape[-1] == 256 for name, value in tensors.items())
        else "v2"
    )


def _rate(tensors: Mapping[str, Array]) -> int:
    """The voice's rate: the samples of a segment over its frames."""
    for name, wave in tensors.items():
        prefix, local = stages.split(name)
        if local in ("waveform.segment.full", "nsf.source"):
            for other in ("enc_p.m", "flow.z", "z_p"):
                if prefix + other in tensors:
                    return int(wave.size // tensors[prefix + other].shape[-1] * 100)
    return 40000
