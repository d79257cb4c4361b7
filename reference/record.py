"""A case in, a golden folder out: run an original and propose what it computed; put a proposal in place when told why.

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

from parity.goldens import store
from parity.goldens.trace_file import Trace
from reference.hooks.interception import Refusal
from reference.originals import opened
from reference.originals.base import THREADS, Original
from reference.recording import cases, environment, proposal, voice_files
from reference.recording.cases import Spec
from reference.recording.options import PROFILES

ROOT = cases.HERE.parent
PROPOSED = ROOT / "out" / "proposed"
COMMITTED = cases.GOLDENS / "cases"
SOURCE = {"source": "made for this project by reference/inputs.py, see goldens/README.md", "licence": "MIT"}


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 a proposal is further from the committed golden than the original from itself, 2 refused."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.record", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--original", choices=PROFILES, default="rvc-python")
    parser.add_argument("--checkout", type=Path, metavar="DIR")
    parser.add_argument("--accept", metavar="REASON", help="put the proposals in place; the reason is kept with them")
    given = parser.parse_args(arguments)
    try:
        if given.accept is not None:
            return accept(given.cases, given.accept)
        specs = cases.chosen(cases.read(), given.original, given.cases)
        return propose(specs, given.original, given.checkout)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2


def propose(specs: list[Spec], profile: str, checkout: Path | None) -> int:
    """Record each case into out/proposed and say what it changes."""
    if not specs:
        raise Refusal(f"cases.toml has no case for {profile}; add one")
    allowed = proposal.spread()
    changed, failed = 0, list[str]()
    with opened(profile, voice_files.for_opening(specs), checkout) as original:
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
    if not spec.audio.is_file():
        raise Refusal(f"{spec.name} wants goldens/inputs/{spec.input}, which is missing; restore it")
    original.weights = voice_files.of(spec).resolved()
    trace = live(spec, original) if spec.realtime else original.convert(spec.audio, spec.wishes, spec.name)
    store.save_case(PROPOSED / spec.name, trace, meta(spec, original))
    committed = COMMITTED / spec.name
    old = store.open_case(committed) if committed.is_dir() else None
    network = spec.options.f0_method in proposal.NETWORKS
    return proposal.compare(old, trace, network, allowed)


def live(spec: Spec, original: Original) -> Trace:
    """A stream: some blocks of the input, brought to the stream's rate, through the original's realtime window."""
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


def meta(spec: Spec, original: Original) -> dict[str, Any]:
    """The story of a golden, as case.json tells it."""
    checkout = "" if original.profile == "rvc-python" else f" --original {original.profile} --checkout DIR"
    options = spec.options.table()
    if options["f0_file"] is None:
        del options["f0_file"]
    if spec.realtime:
        options["realtime"] = dict(spec.realtime)
    return {
        "name": spec.name,
        "why": spec.why,
        "profile": spec.profile,
        "input": {"file": spec.input, "sha256": voice_files.sha256(spec.audio)} | SOURCE,
        "voice": voice_files.voice(spec),
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
    """Move proposals into goldens/cases, whole or not at all, with the reason; others are left alone."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        raise Refusal("CI is set, and CI never writes goldens; accept a proposal on a machine of your own")
    if len(reason.strip()) < 10:
        raise Refusal(f"the reason is {reason!r}; say in a sentence why these goldens are right")
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
            raise Refusal(f"cases.toml says something else about {case.name} than its proposal; record it again")
        proposals.append(case)
    for case in proposals:
        store.save_case(COMMITTED / case.name, {name: case[name] for name in case}, case.meta | {"accepted": reason})
        shutil.rmtree(case.folder)
        print(f"{case.name} is in place: {reason}")
    return 0


def fits(case: store.Case, spec: Spec) -> bool:
    """Whether the proposal was made from today's entry of cases.toml."""
    options = {name: value for name, value in spec.options.table().items() if value is not None}
    options |= {"realtime": spec.realtime} if spec.realtime else {}
    same_voice = case.voice["kind"] == spec.voice and case.input["file"] == spec.input
    return case.profile == spec.profile and case.why == spec.why and case.options == options and same_voice


if __name__ == "__main__":
    sys.exit(main())
