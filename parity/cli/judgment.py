"""The commands that end in a verdict: run, check, compare, live."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from parity.candidates import timing
from parity.candidates.candidate import Candidate
from parity.candidates.external import External
from parity.candidates.process import CALL_TIMEOUT
from parity.candidates.request_files import REQUESTS, OutputFolder
from parity.cli.command import (
    RUN_FOLDER,
    Command,
    add_candidate,
    add_choice,
    add_goldens,
    add_json,
    add_stage,
    add_waivers,
    external,
    print_verdict,
    read_waivers,
    repeated,
)
from parity.errors import GivenUp, ParityError, UsageError
from parity.foreign_dumps import name_map
from parity.judge.states import PASS_MARKS, Tier
from parity.output.verdict_json import Json
from parity.runs import dumps, fresh, watch
from parity.runs.repeats.program_calls import Reference
from parity.runs.run import RunOptions, run
from parity.runs.selection import golden_of
from parity.rvc_bridge import counterfactual
from parity.waveforms import pair, pair_output, sound_file

MOST_JOBS = 8  # largest default of --jobs: eight processes take about 5 GiB


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    add_choice(parser)
    add_goldens(parser)
    parser.add_argument(
        "--out", type=Path, default=RUN_FOLDER, metavar="FOLDER", help=f"where to write (default {RUN_FOLDER})"
    )
    add_waivers(parser)
    add_json(parser)
    parser.add_argument("--profile", metavar="NAME", help="only cases of this profile, such as webui-2026")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only a small set of goldens that reaches every stage; the verdict states what it cannot show",
    )
    _add_tier(parser)
    parser.add_argument("--fail-fast", action="store_true", help="end after the first case that fails")
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --out that Ctrl-C, a crash or --fail-fast ended"
    )


def _add_tier(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tier",
        choices=[tier.value for tier in PASS_MARKS],
        default=Tier.FLOAT32.value,
        help="the precision that passes: float16 and bfloat16 admit what the originals differ by in it "
        "(default float32)",
    )


def _run_options(
    options: argparse.Namespace,
    names: Sequence[str] | None = None,
    repeats: bool = True,
    reference: Callable[[], Reference] | None = None,
) -> RunOptions:
    names = None if names is None else tuple(names)
    return RunOptions(
        options.profile,
        options.quick,
        options.resume,
        options.fail_fast,
        names,
        repeats,
        reference,
        Tier(options.tier),
    )


def _add_rvc_options(parser: argparse.ArgumentParser) -> None:
    _add_run_options(parser)
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="cpu, cuda or mps (default cpu); a device that this machine lacks leaves every cell not tested",
    )

    parser.add_argument(
        "--runtime",
        choices=("torch", "onnx"),
        default="torch",
        help="torch: rvc itself (default); onnx: rvc with exported graphs (rvc export --format onnx)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="of the networks (default float32): float16 on a GPU or in exported graphs, bfloat16 on any device; "
        "judge it with the --tier of the same name",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(MOST_JOBS, os.cpu_count() or 1),
        metavar="N",
        help="processes that judge goldens at once, about 600 MiB each (default: one for each core, at most "
        f"{MOST_JOBS}); no state of the verdict depends on it",
    )


def _run(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise UsageError(f"--jobs is {options.jobs}; expected 1 or more processes")
    if options.jobs > 1:  # before torch is loaded: threads that spin take the other processes' cores
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from parity.rvc_bridge.rvc_onnx import RvcOnnx  # these import torch
    from parity.rvc_bridge.rvc_torch import RvcTorch
    from parity.rvc_bridge.threads import share_cores

    if options.runtime == "onnx" and options.device != "cpu":
        raise UsageError(f"--device is {options.device}, but exported graphs are run on the cpu; leave it out")
    if options.precision == "float16" and options.runtime != "onnx" and options.device == "cpu":
        raise UsageError("--precision float16 needs a GPU or exported graphs; add --device cuda or --runtime onnx")
    if options.precision == "bfloat16" and options.runtime == "onnx":
        raise UsageError("exported graphs have no bfloat16; choose --precision float16, or leave out --runtime onnx")
    make: Callable[[], Candidate]
    make = (
        partial(RvcOnnx, options.precision)
        if options.runtime == "onnx"
        else partial(RvcTorch, None, options.device, options.precision)
    )
    program = make()
    jobs = options.jobs if options.device == "cpu" else 1  # one process has a GPU
    if program.absent is not None:
        print(f"not tested: {program.absent}", file=sys.stderr)
    name = "rvc-parity run" + (" --runtime onnx" if options.runtime == "onnx" else "")
    name += f" --device {options.device}" if options.device != "cpu" else ""
    name += f" --precision {options.precision}" if options.precision != "float32" else ""
    command, waivers = repeated(name, options), read_waivers(options.waivers)
    document = run(
        program,
        options.goldens,
        options.out,
        options.case,
        options.stage,
        command,
        waivers,
        options=replace(_run_options(options), jobs=jobs, make=make, share_cores=share_cores),
    )
    return print_verdict(document, options.format)


RUN = Command(
    "run",
    "judge this project's own rvc on every golden",
    """Run rvc of this project on every golden, each stage on the golden's own inputs (isolated) and as one conversion
(chained), and judge every tensor. Writes verdict.json, junit.xml, summary.md and the tensors (traces/).

  rvc-parity run
  rvc-parity run --case two-segments-rpy --stage flow      partial: exit code 4 where nothing failed
  RVC_TILES=0 rvc-parity run      without the AMX kernels""",
    _add_rvc_options,
    _run,
)


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    add_candidate(parser, CALL_TIMEOUT, or_outputs=True)
    _add_run_options(parser)
    parser.add_argument(
        "--fresh",
        type=int,
        metavar="N",
        help=f"judge N drawn cases that no golden has, against rvc, into {fresh.OUT}; never a pass (exit code 4)",
    )
    parser.add_argument(
        "--time", action="store_true", help="also ask the adapter how long conversions take (the request time)"
    )
    parser.add_argument("--seed", metavar="TEXT", help="draw the cases of --fresh from this seed (default: a new one)")
    parser.add_argument(
        "--watch", type=Path, metavar="PATH", help="check again whenever this file or folder changes; Ctrl-C ends"
    )


def _check(options: argparse.Namespace) -> int:
    """Check once, or again after each change of the watched path until Ctrl-C."""
    if options.watch is None:
        return _check_once(options)
    before = watch.stamps(options.watch)
    code = 0
    while True:
        try:
            code = _check_once(options)
        except (ParityError, GivenUp) as error:
            print(f"parity: {error}", file=sys.stderr)
            code = 2
        print(f"watching {options.watch}; Ctrl-C ends", file=sys.stderr)
        try:
            before = watch.wait_for_change(options.watch, before)
        except KeyboardInterrupt:
            return code


def _check_once(options: argparse.Namespace) -> int:
    if options.fresh is None and options.seed is not None:
        raise UsageError("--seed belongs to --fresh N, which draws cases; goldens have none")
    if options.time and (options.candidate is None or options.fresh is not None):
        raise UsageError("--time asks a program for the time of goldens; give --candidate and leave out --fresh")
    if options.outputs is not None:
        return _check_outputs(options)
    with external(options) as program:
        program.hello  # noqa: B018 (an adapter without a handshake is bad input, before any case is opened)
        if options.fresh is not None:
            return _check_fresh(options, program)
        speed = None
        if options.time:
            timing.refuse_without_conversions(program)
            speed = partial(timing.measure, program, str(program.hello["name"]))
        return _judge(options, program, f"--candidate {shlex.quote(options.candidate)}", speed=speed)


def _check_fresh(options: argparse.Namespace, program: External) -> int:
    """Judge drawn cases against `rvc`; the verdict is at most partial."""
    from parity.rvc_bridge.rvc_torch import RvcTorch  # imports torch

    out = fresh.OUT if options.out == RUN_FOLDER else options.out
    command = repeated(
        f"rvc-parity check --candidate {shlex.quote(options.candidate)}",
        argparse.Namespace(**{**vars(options), "out": out}),
    )
    document = fresh.run(program, RvcTorch(), options.fresh, options.seed, out, command)
    return print_verdict(document, options.format)


def _check_outputs(options: argparse.Namespace) -> int:
    """Judge what a device made; a request that the judge adds is one that the device has to run as well."""
    if options.fresh is not None:
        raise UsageError("--fresh draws new cases, which files cannot hold; give --candidate")
    if options.resume:
        raise UsageError("--resume continues a run of a program; files are judged from the start, so leave it out")
    program = OutputFolder(options.outputs)
    program.refuse_empty()
    code = _judge(options, program, f"--outputs {shlex.quote(str(options.outputs))}", program.cases)
    if program.added:
        print(
            f"{program.added} more {'request is' if program.added == 1 else 'requests are'} in "
            f"{options.outputs / REQUESTS}: stages on other inputs than the golden's, which separate an error of a "
            "stage from one of its inputs; run them, then check again",
            file=sys.stderr,
        )
    return code


def _judge(
    options: argparse.Namespace,
    program: Candidate,
    chosen: str,
    names: Sequence[str] | None = None,
    speed: Callable[[Sequence[Path]], Json] | None = None,
) -> int:
    repeats = names is None  # a device that answered files cannot be called again
    # One stage of one case is what a port repeats while it is written; `rvc`, which imports torch, would take longer.
    iterates = options.stage is not None and options.case is not None
    command, waivers = repeated(f"rvc-parity check {chosen}", options), read_waivers(options.waivers)
    reference = None if iterates else counterfactual.rvc_with_synthetic_voices
    document = run(
        program,
        options.goldens,
        options.out,
        options.case,
        options.stage,
        command,
        waivers,
        options=replace(_run_options(options, names, repeats, reference), speed=speed),
    )
    if "speed" in document and options.format != "json":
        print(f"{timing.sentence(document['speed'])}\n")
    return print_verdict(document, options.format)


CHECK = Command(
    "check",
    "judge any program on every golden, through its adapter",
    """Start an adapter, run what it declares on every golden and judge every tensor. The protocol, JSON lines and
safetensors files, is in rvc-parity docs verifying-a-port. Stages that the adapter does not declare are not tested,
and the run is then partial (exit code 4 where nothing failed). Exit code 0: every cell was compared and holds.

  rvc-parity check --candidate "./my-port --parity"
  rvc-parity check --candidate "./my-port --parity" --case two-segments-rpy --stage flow
  rvc-parity check --candidate "./my-port --parity" --waivers known-failures.json
  rvc-parity check --candidate "./my-port --parity" --tier float16        a port in half precision
  rvc-parity check --candidate "./my-port --parity" --fresh 3      sounds, options and voices that no golden has

While you work on a stage:
  rvc-parity check --candidate "./my-port --parity" --stage nsf,flow --case two-segments-rpy --watch ./my-port
  rvc-parity check --outputs requests              what a device made of the requests of rvc-parity cases
  rvc-parity check --candidate "./my-port --parity" --quick        a small set of goldens that reaches every stage
  rvc-parity check --candidate "./my-port --parity" --resume       continue what Ctrl-C or a crash ended""",
    _add_check_options,
    _check,
)


def _add_compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "golden",
        type=Path,
        metavar="GOLDEN_OR_TRACE",
        help="the name of a golden or its folder, an original's trace, or a sound (WAV, FLAC)",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the dump to judge, or a sound")
    parser.add_argument(
        "--names",
        metavar="MAP",
        help=f"a TOML file with the dump's own names, or a map of the project: {', '.join(name_map.shipped())}",
    )
    add_stage(parser)
    add_goldens(parser)
    _add_tier(parser)
    add_waivers(parser)
    add_json(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="also write verdict.json, junit.xml, summary.md and traces/ here, or sounds.json for two sounds",
    )


def _compare(options: argparse.Namespace) -> int:
    options.golden = golden_of(options.golden, options.goldens)
    if sound_file.is_sound(options.trace) or sound_file.is_sound(options.golden):
        return _compare_sounds(options)
    waivers = read_waivers(options.waivers) if options.waivers else None
    document = dumps.compare(
        options.golden,
        options.trace,
        options.stage,
        options.out,
        waivers,
        Tier(options.tier),
        options.names,
        repeated("", options),
    )
    return print_verdict(document, options.format, written=options.out is not None)


def _compare_sounds(options: argparse.Namespace) -> int:
    """Compare two sounds, or a sound with the final waveform of a golden. Exit code 0: the same samples; 1: not."""
    if not sound_file.is_sound(options.trace):
        raise UsageError(f"{options.golden} is a sound and {options.trace} is not; compare two sounds, or two dumps")
    if options.stage or options.waivers or options.names:
        raise UsageError("--stage, --waivers and --names belong to dumps of tensors; two sounds have none of them")
    if sound_file.is_sound(options.golden):
        reference = sound_file.read(options.golden)
    else:
        reference = sound_file.of_case(dumps.open_golden_or_trace(options.golden), str(options.golden))
    compared = pair.compare(reference, sound_file.read(options.trace))
    if options.out:
        pair_output.write(compared, options.out)
    print(json.dumps(pair_output.document(compared)) if options.format == "json" else pair_output.text(compared))
    return 0 if compared.state is pair.PairState.SAME else 1


COMPARE = Command(
    "compare",
    "judge a dump of tensors against a golden or another dump, or compare two sounds",
    """Judge a dump of tensors without running a program: a safetensors, .npy, .npz or .pt file, or a folder of them or
of raw files with their shapes, named as in rvc-parity docs spec/00-overview or by a map (rvc-parity docs
start/two-dumps). A golden is given by its name or its folder. Both sides must have used the same noise, that of the
golden (seg0.noise.z, seg0.noise.nsf). Two sounds are aligned and measured as sounds, which proves no parity
(rvc-parity docs start/two-sounds): exit code 0 where their samples are the same, else 1.

  rvc-parity compare two-segments-rpy mine.safetensors
  rvc-parity compare two-segments-rpy dump/ --names names.toml
  rvc-parity compare original.wav mine.wav
  rvc-parity compare original.safetensors mine.safetensors --stage flow""",
    _add_compare_options,
    _compare,
)
