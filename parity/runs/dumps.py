"""The judgment of two dumps: a golden or a trace on one side, a trace on the other; no program is run."""

import datetime
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity import stages
from parity.candidates.candidate import Candidate, Tensors
from parity.errors import TraceError, UsageError
from parity.foreign_dumps import dump_file, forms, name_map
from parity.goldens import store, trace_file
from parity.goldens.store import Case, MemoryCase
from parity.goldens.text import parse as parse_json
from parity.judge import candidate_runs, verdict
from parity.judge.judgment import Absence, Judgment, ModeRun
from parity.judge.limits import network_f0
from parity.judge.states import CellState, Mode, Tier
from parity.judge.tiers import rating, tier_limits
from parity.judge.waivers import Waivers
from parity.output import files, verdict_json
from parity.output.verdict_json import Json
from parity.runs import manifest, not_shown
from parity.rvc_bridge import counterfactual

SHOWN = 6  # names in one note
_NO_SHA256 = "0" * 64  # the input file of a trace is not at hand
_DEFAULT_RATE = 40000  # Hz; the most common voice, for a trace whose tensors do not show the rate


def compare(
    golden: Path,
    candidate: Path,
    only_stage: str | None = None,
    out: Path | None = None,
    waivers: Waivers | None = None,
    tier: Tier = Tier.FLOAT32,
    names: str | None = None,
    chosen: str = "",
) -> Json:
    """Judge a candidate's trace.

    Args:
        golden: the folder of a golden, its case.json, or an original's trace.
        candidate: the dump to judge (parity/foreign_dumps/dump_file.py lists the kinds of files).
        only_stage: only this stage.
        out: receives verdict.json, junit.xml, summary.md and traces/; nothing is written without it.
        waivers: known failures; none unless given.
        tier: the tier that passes.
        names: a map from the dump's names, of the project or a file (parity/foreign_dumps/name_map.py).
        chosen: further options of the command line that reproduces the judgment, after a space.
    Returns:
        the document of verdict.json; a note lists names that the map does not have.
    Raises:
        UsageError: there is no such stage, the golden holds no conversion, the map is wrong, or the trace shares no
            tensor with the golden.
        GoldenError: the golden cannot be read.
        TraceError: a trace cannot be read.
    """
    verdict.refuse_unknown(only_stage)
    renaming = name_map.load(names) if names is not None else name_map.SPECIFIED
    case = open_golden_or_trace(golden, renaming)
    if case.facts.isolated:
        raise UsageError(
            f"{golden} holds stages that were recorded alone ({', '.join(case.facts.isolated)}) and no conversion; "
            "name the golden of a conversion"
        )
    held = dict(store.open_case(candidate).check()) if _is_golden(candidate) else dump_file.read(candidate)
    renamed = name_map.rename(held, renaming, case)
    made = renamed.tensors
    if not any(name in made for name in case):
        raise UsageError(
            f"{candidate} holds none of the tensors of {golden} (it has {', '.join(list(held)[:3])}, …); "
            "are they named as in rvc-parity docs spec/00-overview? --names MAP renames those of another program"
        )
    about: dict[str, object] = {"name": candidate.stem, "version": "a trace", "command": None}
    command = f"rvc-parity compare {shlex.quote(str(golden))} {shlex.quote(str(candidate))}"
    command += f"{'' if names is None else f' --names {shlex.quote(names)}'}{chosen}"
    return judge(
        case,
        dict(made),
        about,
        command,
        only_stage,
        out,
        waivers=waivers,
        tier=tier,
        notes=_notes(renamed, names, case),
    )


def _notes(renamed: name_map.Renamed, names: str | None, case: Case) -> tuple[str, ...]:
    """What was left out, what was done to the form, and values in the other byte order."""
    swapped = [
        name
        for name, value in renamed.tensors.items()
        if name in case and forms.has_other_byte_order(value, case[name])
    ]
    notes = {
        f"not in the {'specification' if names is None else 'map'}, and not compared": renamed.unknown,
        "brought to the form of the golden": renamed.changes,
        "in the other byte order (with it, the values are nearly the golden's)": swapped,
    }
    return tuple(f"{text}: {_listed(listed)}" for text, listed in notes.items() if listed)


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def judge(
    case: Case,
    made: Tensors,
    about: Mapping[str, object],
    command: str,
    only_stage: str | None = None,
    out: Path | None = None,
    program: Candidate | None = None,
    waivers: Waivers | None = None,
    tier: Tier = Tier.FLOAT32,
    notes: tuple[str, ...] = (),
) -> Json:
    """Judge one chained trace against one case.

    Args:
        case: the golden side.
        made: full name → array, the candidate's tensors.
        about: name and version of the candidate.
        command: the command line that reproduces this judgment.
        only_stage: only this stage.
        out: receives the files of the run; nothing is written without it.
        program: the candidate that made the tensors, where it can be run.
        waivers: known failures; none unless given.
        tier: the tier that passes.
        notes: sentences for the verdict.
    Returns:
        the document of verdict.json, of one case.
    """
    isolated = ModeRun(absence=Absence(CellState.NOT_TESTED, "not tested: two dumps show only the chained run"))
    return _judge(
        case,
        (isolated, candidate_runs.whole_run(case, made)),
        about,
        command,
        only_stage,
        out,
        networks=program,
        waivers=waivers,
        modes=(Mode.CHAINED,),
        tier=tier,
        notes=notes,
    )


def judge_runs(
    case: Case, runs: tuple[ModeRun, ModeRun], program: Candidate, command: str, networks: Candidate | None = None
) -> Json:
    """Judge what a candidate made of a case, in both modes.

    Args:
        case: the golden side.
        runs: the isolated and the chained run.
        program: the candidate.
        command: the command line that reproduces this judgment.
        networks: `rvc` with the case's voice, for predictions; None without it.
    Returns:
        the document of verdict.json, of one case.
    """
    return _judge(case, runs, program.about, command, networks=networks, program=program)


def _judge(
    case: Case,
    runs: tuple[ModeRun, ModeRun],
    about: Mapping[str, object],
    command: str,
    only_stage: str | None = None,
    out: Path | None = None,
    networks: Candidate | None = None,
    program: Candidate | None = None,
    waivers: Waivers | None = None,
    modes: tuple[Mode, ...] = tuple(Mode),
    tier: Tier = Tier.FLOAT32,
    notes: tuple[str, ...] = (),
) -> Json:
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    golden = case if not isinstance(case, MemoryCase) else None
    pinned = manifest.compare([case.folder] if golden else [], given_waivers=waivers)
    limits, waivers = tier_limits.load(tier), waivers if waivers is not None else Waivers()
    judgment = Judgment(
        case,
        limits,
        waivers,
        candidate=program,
        only_stage=only_stage,
        counterfactuals=counterfactual.RvcCounterfactuals(case, networks),
        modes=modes,
        isolated=runs[0],
        chained=runs[1],
    )
    case_verdict = verdict.judge_tensors(judgment)
    verdict.match_profiles(judgment, case_verdict)
    verdict.continue_chain(judgment, case_verdict)
    rating.rate(judgment, case_verdict)
    traces = files.write_traces(out, case_verdict) if out else {}
    document = verdict_json.case_document(case_verdict, golden, traces, time.monotonic() - begin, command)
    run_document = verdict_json.run_document(
        verdict.overall(
            [case_verdict], waivers, verdict.RunScope(modes, only_stage=only_stage, tier=tier), pinned.altered
        ),
        replace(pinned, notes=_pinned_notes(pinned, golden)).document(),
        None,
        not_shown.of_run([case.meta], list(store.cases(case.folder.parent)) if golden else [], lambda stage: True),
        about,
        [document],
        [case_verdict],
        verdict_json.limits_used([case_verdict], limits, {case_verdict.name: network_f0(case.options)}),
        waivers.document(),
        started,
        time.monotonic() - begin,
        notes=notes,
    )
    if out:
        files.write(out, run_document)
    return run_document


def _pinned_notes(pinned: manifest.Comparison, golden: Case | None) -> tuple[str, ...]:
    """The notes of a comparison of one golden: that others are missing does not matter."""
    notes = tuple(note for note in pinned.notes if "are missing" not in note)
    return notes if golden else (*notes, "the golden side is a trace, which the manifest does not pin")


def open_golden_or_trace(path: Path, names: name_map.NameMap = name_map.SPECIFIED) -> Case:
    """The golden of a folder (or of its case.json), every tensor checked; any other path is read as a dump.

    A folder without case.json is a dump where it holds one.
    """
    if path.name == store.JSON_NAME or (path.is_dir() and not _is_dump(path)):
        return store.open_case(path if path.is_dir() else path.parent).check()
    return from_trace(path, names=names)


def _is_golden(path: Path) -> bool:
    """Whether a path is the folder of a golden."""
    return (path / store.JSON_NAME).is_file()


def _is_dump(folder: Path) -> bool:
    """Whether a folder is no golden, and holds tensors."""
    if _is_golden(folder):
        return False
    try:
        return bool(dump_file.read(folder))
    except TraceError:
        return False


def from_trace(
    path: Path, voice: Mapping[str, Any] | None = None, names: name_map.NameMap = name_map.SPECIFIED
) -> MemoryCase:
    """A trace or another dump as the golden side.

    Profile and options come from the metadata of a safetensors file where the writer stored them; rate, version and
    padding are derived from the tensors' shapes.

    Args:
        path: a dump (parity/foreign_dumps/dump_file.py lists the kinds of files); tensors that are not of the stage
            table are ignored.
        voice: fields of case.json's `voice` that are known and replace the derived ones.
        names: from the dump's names to those of the stage table.
    Raises:
        TraceError: the file cannot be read, or holds no tensor of the stage table.
    """
    renamed = name_map.rename(dump_file.read(path), names, {}).tensors
    tensors = {name: forms.of_table(name, value) for name, value in renamed.items() if stages.is_known(name)}
    if not any(stages.stage_of(name) for name in tensors):
        raise TraceError(
            f"{path} holds no tensor of the specification (rvc-parity docs spec/00-overview); record one with --trace"
        )
    about = _metadata(path)
    prefixes = stages.prefixes_of(tensors)
    segments = sum(stages.scope_of(prefix) is stages.Scope.SEGMENT for prefix in prefixes)
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
        "input": {"file": str(path), "sha256": _NO_SHA256},
        "options": _options(about, tensors),
        "seed": about.get("seed", ""),
        "segments": segments,
        "blocks": len(prefixes) - segments,
        "environment": {},
        "original": {"name": about.get("original", "unknown"), "version": "a trace"},
    }
    return MemoryCase(document, tensors)


def _metadata(path: Path) -> dict[str, str]:
    """`original` and `options` of a trace's metadata, written by `reference` or by `rvc convert --trace`.

    `rvc` stores one JSON object under the key `rvc`; its fields `profile` and `options` take the place of `original`
    and `options`.
    """
    about = trace_file.metadata(path) if dump_file.is_safetensors(path) else {}
    try:
        written_by_rvc: dict[str, Any] = dict(parse_json(about.get("rvc", "{}")))
    except (ValueError, TypeError):
        return about
    if "profile" in written_by_rvc:
        about["original"] = written_by_rvc["profile"]
    if "options" in written_by_rvc:
        about["options"] = json.dumps(written_by_rvc["options"])
    return about


def _options(about: Mapping[str, str], tensors: Mapping[str, Any]) -> Json:
    """The options in a trace's metadata; without them, the ones that its tensors show.

    The F0 method of a trace without metadata is unknown. "rmvpe" selects the wider limits of F0 networks.
    """
    if "options" in about:
        try:
            stored: Json = dict(parse_json(about["options"]))
        except (ValueError, TypeError) as error:
            raise TraceError(f"the options in the metadata of the trace are no JSON object ({error})") from None
        return {name: value for name, value in stored.items() if value is not None}
    pad = 1.0  # seconds, the padding of float32 devices (docs/spec/06 §6.2)
    if "padded" in tensors and "highpassed" in tensors:
        pad = (len(tensors["padded"]) - len(tensors["highpassed"])) / 2 / stages.SR16
    options: Json = {"window": [pad, 6.0, 38.0, 41.0], "f0_method": "rmvpe"}  # query, center, max: as above
    return options | ({"rms_mix_rate": 0.25} if "waveform.rmsmixed" in tensors else {})


def _version(tensors: Mapping[str, Any]) -> str:
    """v1 voices read 256 content channels, v2 voices 768."""
    features = [value for name, value in tensors.items() if name.endswith("hubert.features")]
    return "v1" if any(value.shape[-1] == 256 for value in features) else "v2"


def _rate(tensors: Mapping[str, Any]) -> int:
    """The voice's sampling rate in Hz: the samples of a segment divided by its 10 ms frames, times 100."""
    for name, wave in tensors.items():
        parsed = stages.TensorName.parse(name)
        if parsed.local in ("waveform.segment.full", "nsf.source"):
            for latent in ("enc_p.m", "flow.z", "z_p"):
                if (sibling := str(parsed.sibling(latent))) in tensors:
                    return int(wave.size // tensors[sibling].shape[-1] * 100)
    return _DEFAULT_RATE
