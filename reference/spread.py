"""Measure an original's own spread: the same conversions with other threads, instruction sets and precisions.

python -m reference.spread [--original …] [--checkout DIR] [--variant NAME …] [--machine NAME] [--out DIR] [CASE …]
    [--of PROFILE] [--seed WORD]

Each variant runs in a process of its own and writes VARIANT/CASE/chained.safetensors (the complete conversion or stream
with the golden's noise) and isolated.safetensors (each network on the golden's own inputs; not for streams). Files that
exist already are not computed again.
--machine NAME   prefix of the variants' names, for a machine other than the one that recorded the goldens
--of PROFILE     run the networks of --original on another original's cases, which compares two runtimes
--seed WORD      draw noise that no golden has (`python -m parity.calibrate --fresh`)
`python -m parity.spread out/spread` makes parity/data/spread.json of them, from which the judge's limits follow.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from parity import stages
from parity.goldens import store
from parity.goldens.trace_file import Trace
from reference.errors import Refusal
from reference.originals import open_original
from reference.originals.base import Original
from reference.record import COMMITTED, ROOT, record, record_stream
from reference.recording import case_weights, cases, environment
from reference.recording.options import PROFILES
from reference.runtime_options import ON_CPU, Runtime
from reference.variants import float64_truth, isolated, reduced

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
PLAIN = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}


@dataclass(frozen=True)
class Variant:
    """One way to run the original: one that should not change its result, or the precision of a tier."""

    environment: dict[str, str] = field(default_factory=dict)
    threads: int = 2
    onednn: bool = True
    chained: bool = True
    dtype: torch.dtype = torch.float32
    runtime: Runtime = ON_CPU

    def facts(self) -> dict[str, str]:
        """What the variant chooses, as `about.json` states it."""
        facts = self.environment | {"dtype": "float16" if self.runtime.half else str(self.dtype)[6:]}
        return facts | environment.of_device(self.runtime.device)


VARIANTS = {
    "again": Variant(),
    "1-thread": Variant(threads=1),
    "avx2": Variant(AVX2),
    "avx2-1-thread": Variant(AVX2, threads=1),
    "no-vectors": Variant(PLAIN, threads=1),
    "no-onednn": Variant(onednn=False),
    "float64": Variant(chained=False, dtype=torch.float64),
    "float16": Variant(dtype=torch.float16),
    "bfloat16": Variant(dtype=torch.bfloat16),
}
# On another device than the one that recorded the goldens, in the original's own precisions there: `nox -s gpu`.
ON_DEVICE = {
    "cpu-device": Variant(runtime=Runtime(plain_sound=True)),  # what `nox -s gpu -- --dry-run` runs in place of a GPU
    "cuda": Variant(runtime=Runtime("cuda", plain_sound=True)),
    "cuda-float16": Variant(runtime=Runtime("cuda", half=True, plain_sound=True)),
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: measured; 2: refused."""
    parser = argparse.ArgumentParser(prog="python -m reference.spread", description="Run an original against itself.")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--original", choices=PROFILES, default="rvc-python")
    parser.add_argument("--checkout", type=Path, metavar="DIR")
    parser.add_argument(
        "--variant",
        action="append",
        choices=(*VARIANTS, *ON_DEVICE),
        help="may be repeated; default: all but those of a GPU",
    )
    parser.add_argument(
        "--of", choices=PROFILES, metavar="PROFILE", help="cases of another original; runs the networks only"
    )
    parser.add_argument("--seed", default="", metavar="WORD", help="draw fresh noise; runs complete conversions only")
    parser.add_argument("--machine", default="", metavar="NAME", help="prefix of the variants' names")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "spread")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        specs = cases.select(cases.read(), options.of or options.original, options.cases)
        names = options.variant or list(VARIANTS)
        if options.child:
            folder = options.out.resolve() / "-".join(filter(None, (options.machine, names[0])))
            variant = (VARIANTS | ON_DEVICE)[names[0]]
            variant = replace(variant, chained=variant.chained and not options.of)
            measure(specs, variant, options.original, options.checkout, folder, options.seed)
            return 0
        for name in names:
            run_variant(name, options, [spec.name for spec in specs])
        return 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2


def run_variant(name: str, options: argparse.Namespace, names: list[str]) -> None:
    """Run one variant in its own process, because libraries read their environment variables when they load."""
    command = [sys.executable, "-m", "reference.spread", "--child", "--variant", name, "--original", options.original]
    command += ["--machine", options.machine] if options.machine else []
    command += ["--seed", options.seed] if options.seed else []
    command += ["--of", options.of] if options.of else []
    command += ["--out", str(options.out), *(["--checkout", str(options.checkout)] if options.checkout else []), *names]
    print(f"{name}: {', '.join(names)}", flush=True)
    done = subprocess.run(command, env=os.environ | (VARIANTS | ON_DEVICE)[name].environment, check=False)
    if done.returncode:
        raise Refusal(f"variant {name} failed with exit code {done.returncode}; its message is printed above")


def measure(
    specs: list[cases.Spec], variant: Variant, profile: str, checkout: Path | None, out: Path, seed: str = ""
) -> None:
    """Run every case of one variant into the folder `out`; existing files are not computed again."""
    missing = [spec for spec in specs if not _is_done(spec, variant, out, seed)]
    if not missing:
        return
    with (
        open_original(
            profile, case_weights.to_open_with(missing), checkout, variant.threads, variant.runtime
        ) as original,
        isolated.onednn(variant.onednn),
    ):
        about = {"environment": environment.describe() | variant.facts()}
        about["environment"]["onednn"] = str(variant.onednn)
        out.mkdir(parents=True, exist_ok=True)
        (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        for spec in missing:
            golden = store.open_case(COMMITTED / spec.name)
            if spec.input and golden.input["sha256"] != case_weights.sha256(spec.audio):
                raise Refusal(
                    f"{spec.input} differs from the file that {spec.name} was recorded from; record the case again"
                )
            _measure_case(spec, golden, variant, original, out / spec.name, seed)
            print(f"  {out.name}/{spec.name}", flush=True)


def _is_done(spec: cases.Spec, variant: Variant, out: Path, seed: str) -> bool:
    """True if a case has run already, or has nothing that this variant can run."""
    if (spec.realtime or spec.isolated) and seed:
        return True  # the noise of a stream and the values of stages alone are drawn by the case's name only
    if spec.isolated:
        return (out / spec.name / "isolated.safetensors").is_file()
    if spec.realtime or seed or variant.runtime.half:
        return not variant.chained or (out / spec.name / "chained.safetensors").is_file()
    return (out / spec.name / "isolated.safetensors").is_file()


def _measure_case(
    spec: cases.Spec, golden: store.Case, variant: Variant, original: Original, folder: Path, seed: str
) -> None:
    original.weights = case_weights.of_case(spec).resolved()
    if spec.isolated:
        _of_equal_inputs(record(spec, original, variant.dtype)[0], golden).write(folder / "isolated.safetensors")
        return
    with reduced.networks(original, variant.dtype):
        if spec.realtime:
            reduced.widened(record_stream(spec, original)).write(folder / "chained.safetensors")
            return
        chained = original.convert(spec.audio, spec.absolute_options, spec.name + seed)
    if variant.chained:
        reduced.widened(chained).write(folder / "chained.safetensors")
    if not seed and not variant.runtime.half:  # in half precision an original runs as a whole only
        alone = isolated.run(*original.networks(), golden, variant.dtype)
        if variant.dtype == torch.float64:
            alone.update(float64_truth.small_stages(golden, original.weights.index))
        if variant.dtype in reduced.FORMATS:
            alone.update(reduced.small_stages(golden, variant.dtype))
        alone.write(folder / "isolated.safetensors")


def _of_equal_inputs(made: Trace, golden: store.Case) -> Trace:
    """Of stages run again, what those made whose inputs are the golden's, bit for bit."""
    equal = {name for name in golden if name in made and made[name].tobytes() == golden[name].tobytes()}
    kept = Trace()
    for stage, prefix in stages.walk(stages.prefixes_of(golden)):
        if golden.facts.has_stage(stage) and equal.issuperset(stages.reads(stage, prefix, golden)):
            for name in (prefix + row.name for row in stage.makes):
                if name in made:
                    kept(name, made[name])
    return kept


if __name__ == "__main__":
    sys.exit(main())
