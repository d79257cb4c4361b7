"""How far an original is from itself: the same conversions in ways that must not matter.

python -m reference.spread [--original …] [--checkout DIR] [--variant NAME …] [--machine NAME] [--out DIR] [CASE …]
    [--of PROFILE] [--seed WORD]

Each variant runs in a process of its own and writes VARIANT/CASE/chained.safetensors (the whole conversion or stream
with the golden's noise) and isolated.safetensors (each network on the golden's own inputs; not of streams). What is
there already is not run again. On another machine than the recording's, `--machine NAME` puts NAME before each variant;
--of PROFILE runs the networks of --original on another original's cases, which is one runtime against another; --seed
WORD draws other noise than any golden's (`python -m parity.calibrate --fresh`).
`python -m parity.spread out/spread` turns them into parity/data/spread.json, from which the judge's limits follow.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from parity.goldens import store
from reference.hooks.interception import Refusal
from reference.originals import opened
from reference.originals.base import Original
from reference.record import COMMITTED, ROOT, live
from reference.recording import cases, environment, voice_files
from reference.recording.options import PROFILES
from reference.variants import float64_truth, isolated

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
PLAIN = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}


@dataclass(frozen=True)
class Variant:
    """One way to run that must not matter."""

    environment: dict[str, str] = field(default_factory=dict)
    threads: int = 2
    onednn: bool = True
    chained: bool = True
    dtype: torch.dtype = torch.float32


VARIANTS = {
    "again": Variant(),
    "1-thread": Variant(threads=1),
    "avx2": Variant(AVX2),
    "avx2-1-thread": Variant(AVX2, threads=1),
    "no-vectors": Variant(PLAIN, threads=1),
    "no-onednn": Variant(onednn=False),
    "float64": Variant(chained=False, dtype=torch.float64),
}


def main(arguments: list[str] | None = None) -> int:
    """0 measured, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m reference.spread", description="Run an original against itself.")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--original", choices=PROFILES, default="rvc-python")
    parser.add_argument("--checkout", type=Path, metavar="DIR")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="repeat it; all unless said")
    parser.add_argument("--of", choices=PROFILES, metavar="PROFILE", help="another original's cases, networks alone")
    parser.add_argument("--seed", default="", metavar="WORD", help="draw fresh noise; runs whole conversions only")
    parser.add_argument("--machine", default="", metavar="NAME", help="put before the variants' names")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "spread")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        specs = cases.chosen(cases.read(), given.of or given.original, given.cases)
        names = given.variant or list(VARIANTS)
        if given.child:
            folder = given.out.resolve() / "-".join(filter(None, (given.machine, names[0])))
            variant = replace(VARIANTS[names[0]], chained=VARIANTS[names[0]].chained and not given.of)
            measure(specs, variant, given.original, given.checkout, folder, given.seed)
            return 0
        for name in names:
            child(name, given, [spec.name for spec in specs])
        return 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2


def child(name: str, given: argparse.Namespace, names: list[str]) -> None:
    """One variant in a process that has its environment from the start: libraries read it when they load."""
    command = [sys.executable, "-m", "reference.spread", "--child", "--variant", name, "--original", given.original]
    command += ["--machine", given.machine] if given.machine else []
    command += ["--seed", given.seed] if given.seed else []
    command += ["--of", given.of] if given.of else []
    command += ["--out", str(given.out), *(["--checkout", str(given.checkout)] if given.checkout else []), *names]
    print(f"{name}: {', '.join(names)}", flush=True)
    done = subprocess.run(command, env=os.environ | VARIANTS[name].environment, check=False)
    if done.returncode:
        raise Refusal(f"variant {name} failed with exit code {done.returncode}; its message stands above")


def measure(
    specs: list[cases.Spec], variant: Variant, profile: str, checkout: Path | None, out: Path, seed: str = ""
) -> None:
    """Every case of one variant into the folder `out`."""
    wanted = [spec for spec in specs if not _done(spec, variant, out, seed)]
    if not wanted:
        return
    with (
        opened(profile, voice_files.for_opening(wanted), checkout, variant.threads) as original,
        isolated.onednn(variant.onednn),
    ):
        for spec in wanted:
            golden = store.open_case(COMMITTED / spec.name)
            if golden.input["sha256"] != voice_files.sha256(spec.audio):
                raise Refusal(f"{spec.input} is not what {spec.name} was recorded from; record the case again first")
            _one(spec, golden, variant, original, out / spec.name, seed)
        about = {"environment": environment.describe() | variant.environment | {"dtype": str(variant.dtype)[6:]}}
        about["environment"]["onednn"] = str(variant.onednn)
        (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _done(spec: cases.Spec, variant: Variant, out: Path, seed: str) -> bool:
    """Whether a case was run already, or has nothing that this variant can run."""
    if spec.realtime and seed:
        return True  # a stream's noise follows the case's name
    if spec.realtime or seed:
        return not variant.chained or (out / spec.name / "chained.safetensors").is_file()
    return (out / spec.name / "isolated.safetensors").is_file()


def _one(spec: cases.Spec, golden: store.Case, variant: Variant, original: Original, folder: Path, seed: str) -> None:
    original.weights = voice_files.of(spec).resolved()
    if spec.realtime:
        live(spec, original).write(folder / "chained.safetensors")
        return
    chained = original.convert(spec.audio, spec.wishes, spec.name + seed)
    if variant.chained:
        chained.write(folder / "chained.safetensors")
    if not seed:
        alone = isolated.run(*original.parts(), golden, variant.dtype)
        if variant.dtype == torch.float64:
            alone.update(float64_truth.small_stages(golden, original.weights.index))
        alone.write(folder / "isolated.safetensors")


if __name__ == "__main__":
    sys.exit(main())
