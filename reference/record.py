"""Record goldens: run an original on a case, propose the tensors it computed, and accept proposals with a reason.

python -m reference.record [--original rvc-python] [CASE …]
python -m reference.record --original webui-2026|webui-classic --checkout DIR [CASE …]
python -m reference.record --accept "reason" [CASE …]

Recording writes out/proposed/CASE and prints, stage by stage, how it differs from goldens/cases/CASE. Only --accept
writes there, each case in one step, and never on CI.
"""

import argparse
import datetime
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch

from parity.goldens import store
from parity.goldens.trace_file import Trace
from parity.stages import profile_table
from reference.errors import Refusal
from reference.originals import open_original
from reference.originals.base import THREADS, Original
from reference.recording import case_weights, cases, environment, proposal
from reference.recording.cases import Spec
from reference.recording.options import PROFILES
from reference.stages_alone import given_values, recorder

ROOT = cases.HERE.parent
PROPOSED = ROOT / "out" / "proposed"
COMMITTED = cases.GOLDENS / "cases"
SOURCE = {"source": "made for this project by reference/inputs.py, see goldens/README.md", "licence": "MIT"}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: done; 1: a proposal differs from its golden by more than the original's own spread; 2: refused."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.record", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--original", choices=PROFILES, default="rvc-python")
    parser.add_argument("--checkout", type=Path, metavar="DIR")
    parser.add_argument("--accept", metavar="REASON", help="put the proposals in place; the reason is stored with them")
    options = parser.parse_args(arguments)
    try:
        if options.accept is not None:
            return accept(options.cases, options.accept)
        specs = cases.select(cases.read(), options.original, options.cases)
        return propose(specs, options.original, options.checkout)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2


def propose(specs: list[Spec], profile: str, checkout: Path | None) -> int:
    """Record each case into out/proposed and print how it differs from the committed golden."""
    if not specs:
        raise Refusal(f"cases.toml has no case for {profile}; add one")
    allowed = proposal.spread()
    changed, failed = 0, list[str]()
    with open_original(profile, case_weights.to_open_with(specs), checkout) as original:
        for spec in specs:
            try:
                lines = propose_one(spec, original, allowed)
            except (Refusal, store.GoldenError) as refusal:
                print(f"{spec.name}: {refusal}", file=sys.stderr, flush=True)
                failed.append(spec.name)
                continue
            print(proposal.table(spec.name, lines), flush=True)
            changed += any(line.state in (proposal.CHANGED, proposal.GONE) for line in lines)
    print(
        f"{len(specs) - len(failed)} proposals in {PROPOSED.relative_to(ROOT)}, {changed} of them changed; "
        'to put them in place: --accept "reason"'
    )
    if failed:
        raise Refusal(f"{len(failed)} cases could not be recorded: {', '.join(failed)}")
    return 1 if changed else 0


def propose_one(spec: Spec, original: Original, allowed: Any) -> list[proposal.Line]:
    """One case: its tensors and provenance into out/proposed, compared with what is committed."""
    if spec.input and not spec.audio.is_file():
        raise Refusal(f"{spec.name} needs goldens/inputs/{spec.input}, which is missing; restore it")
    original.weights = case_weights.of_case(spec).resolved()
    trace, reduced = record(spec, original)
    store.save_case(PROPOSED / spec.name, trace, meta(spec, original) | absent(trace) | reduced)
    committed = COMMITTED / spec.name
    old = store.open_case(committed) if committed.is_dir() else None
    network = profile_table.METHODS[spec.options.f0_method].is_neural
    return proposal.compare(old, trace, network, allowed)


def record(spec: Spec, original: Original, dtype: torch.dtype = torch.float32) -> tuple[Trace, dict[str, Any]]:
    """Run an original on a case.

    Args:
        spec: the case.
        original: the original, with the weights of the case.
        dtype: precision of networks that are run alone.
    Returns:
        the tensors of the golden, and the entry `reduced` of case.json, empty where no tensor is reduced.
    """
    if spec.realtime:
        with given_values.attenuated(original, spec.values):
            trace = record_stream(spec, original)
        trace = recorder.keep(spec, trace) if spec.isolated else trace
    elif spec.isolated:
        trace = recorder.record(spec, original, dtype)
    else:
        trace = original.convert(spec.audio, spec.absolute_options, spec.name)
    return trace, recorder.reduce(spec, trace)


def record_stream(spec: Spec, original: Original) -> Trace:
    """Resample the input to the stream's rate and send some blocks of it through the original's realtime window."""
    table = spec.realtime
    sound, rate = soundfile.read(spec.audio, dtype="float32")
    target = table["rate"]
    at_rate = soxr.resample(sound, rate, target, quality="VHQ").astype(np.float32)
    first = round(table.get("start", 0) * target)
    size = round(table["block_time"] * 100) * (target // 100)
    block = at_rate[first : first + table["blocks"] * size]
    o = spec.options
    settings = {name: value for name, value in table.items() if name not in ("start", "blocks", "rate", "changes")}
    settings |= {"transpose": o.transpose, "index_rate": o.index_rate, "rms_mix_rate": o.rms_mix_rate}
    settings |= {"f0_method": o.f0_method, "device_rate": target, "changes": cases.changes(table.get("changes", ""))}
    return original.stream(block, settings, spec.name)


def absent(trace: Trace) -> dict[str, Any]:
    """The entry `absent` of case.json, for blocks of a stream that the original does not mix with its index."""
    reason = "a frame of the block has fewer than eight neighbors, so the original mixes none of its frames"
    unmixed = [
        name.removesuffix("ids") for name, ids in trace.items() if name.startswith("rt.") and _has_fewer(name, ids)
    ]
    names = [prefix + local for prefix in unmixed for local in ("weights", "mean")]
    return {"absent": dict.fromkeys(names, reason)} if names else {}


def _has_fewer(name: str, ids: Any) -> bool:
    return name.endswith("retrieval.ids") and bool((ids < 0).any())


def meta(spec: Spec, original: Original) -> dict[str, Any]:
    """The content of case.json: what was recorded, from which original, with which libraries and processor."""
    checkout = "" if original.profile == "rvc-python" else f" --original {original.profile} --checkout DIR"
    options = spec.options.table()
    if options["f0_file"] is None:
        del options["f0_file"]
    if spec.realtime:
        options["realtime"] = dict(spec.realtime)
    given = {"file": spec.input, "sha256": case_weights.sha256(spec.audio)} if spec.input else recorder.given(spec)
    alone = {"isolated": list(spec.isolated)} if spec.isolated else {}
    return {
        "name": spec.name,
        "why": spec.why,
        "profile": spec.profile,
        **alone,
        "input": given | SOURCE,
        "voice": case_weights.voice_facts(spec),
        "options": options,
        "seed": spec.name,
        "original": original.version()
        | {
            "command": f"python -m reference.record{checkout} {spec.name}",
            "runtime": f"float32, CPU, {THREADS} threads, HuBERT by transformers",
        },
        "environment": environment.describe(),
        "recorded": datetime.date.today().isoformat(),
    }


def accept(names: list[str], reason: str) -> int:
    """Move proposals into goldens/cases with the reason, each in one step; other cases are not touched."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        raise Refusal("CI is set, and CI never writes goldens; accept a proposal on a machine of your own")
    if len(reason.strip()) < 10:
        raise Refusal(f"the reason is {reason!r}; state in a sentence why these goldens are right")
    specs = {spec.name: spec for spec in cases.read()}
    folders = [PROPOSED / name for name in names] or store.cases(PROPOSED)
    if not folders:
        raise Refusal("out/proposed holds no proposal; record first: nox -s record")
    proposals = []
    for folder in folders:
        if not folder.is_dir():
            raise Refusal(f"out/proposed holds no {folder.name}; record it first: nox -s record -- {folder.name}")
        case = store.open_case(folder).check()
        spec = specs.get(case.name)
        if spec is None or not fits(case, spec):
            raise Refusal(f"the entry of {case.name} in cases.toml differs from its proposal; record it again")
        proposals.append(case)
    for case in proposals:
        store.save_case(COMMITTED / case.name, {name: case[name] for name in case}, case.meta | {"accepted": reason})
        accepted = case.folder.with_name(f".{case.name}.accepted")  # hidden first, so that no half of it is a proposal
        shutil.rmtree(accepted, ignore_errors=True)
        case.folder.rename(accepted)
        shutil.rmtree(accepted)
        print(f"{case.name} is in place: {reason}")
    print("pin what is in place: rvc-parity manifest --write")
    return 0


def fits(case: store.Case, spec: Spec) -> bool:
    """True if the proposal was recorded from the current entry of cases.toml."""
    options = {name: value for name, value in spec.options.table().items() if value is not None}
    options |= {"realtime": spec.realtime} if spec.realtime else {}
    same_voice = case.voice["kind"] == spec.voice and case.facts.isolated == spec.isolated
    same_voice &= not spec.input or case.input["file"] == spec.input
    return case.profile == spec.profile and case.why == spec.why and case.options == options and same_voice


if __name__ == "__main__":
    sys.exit(main())
