"""Run `rvc stream`: options to a stream, sound through it, and a report afterwards."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from rvc import profiles, trace
from rvc.audio.output import check_target
from rvc.cli import options
from rvc.errors import BadInput, printable
from rvc.exported.streaming import open_models
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.io.sinks import FileSink, PipeSink, Sink
from rvc.realtime.io.sources import FileSource, PcmFormat, PipeSource, device_rate
from rvc.realtime.io.stop import StopSignal
from rvc.realtime.io.wav_pipe import read_start
from rvc.realtime.stream import Stream
from rvc.realtime.stream_runner import run_stream
from rvc.realtime.tap import Tap, no_tap

log = logging.getLogger("rvc")
PIPE = "-"
PIPE_RATE = 48000  # Hz, the default for raw samples, which carry no rate
WITHOUT_EFFECT = ("protect", "filter_radius")  # options of `convert` that the originals' realtime conversion lacks


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0, also when the stream was interrupted.
    Raises:
        RvcError: an option or a file cannot be used.
    """
    options.merge_config(args)
    options.start(args)
    check(args)
    source, sizes, form = open_source(args)
    if args.out != PIPE:
        check_target(Path(args.out))
    recorder = trace.Recorder() if args.trace is not None else None
    stream = open_stream(args, sizes, no_tap if recorder is None else recorder)
    stream.warm_up()
    sink: Sink
    if args.out == PIPE:
        sink = PipeSink(sys.stdout.buffer, form, args.channels or 1)
    else:
        sink = FileSink(Path(args.out), sizes.rate, form)
    with sink, StopSignal().installed() as stop:
        report = run_stream(stream, iter(source), sink, stop)
    report |= {"input": args.input, "output": args.out, "interrupted": stop.requested, **settings(args, stream)}
    if recorder is not None:
        trace.write(args.trace, recorder, {"profile": stream.models.profile.name, **report})
    print_report(report, as_json=bool(args.json), out=sys.stderr if args.out == PIPE else sys.stdout)
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse options that exclude each other, before anything is loaded.  Raises BadInput."""
    if args.f0_file is not None:
        raise BadInput("an F0 curve file cannot be followed by a stream, which has no beginning; use convert")
    if not profiles.named(options.profile(args)).realtime:
        realtime = [name for name, profile in profiles.PROFILES.items() if profile.realtime]
        raise BadInput(f"{options.profile(args)} has no realtime conversion; choose one of {', '.join(realtime)}")
    if args.crossfade == "phase-vocoder" and options.profile(args) != "webui-classic":
        raise BadInput("the phase vocoder is webui-classic's; add --profile webui-classic, or leave --crossfade out")
    for name in WITHOUT_EFFECT:
        if vars(args)[name] is not None:
            log.warning(
                "note: --%s has no effect, since the originals' live conversion has none", name.replace("_", "-")
            )
    if args.trace is not None:
        check_target(args.trace, "TRACE", None)


def open_source(args: argparse.Namespace) -> tuple[FileSource | PipeSource, BlockSizes, PcmFormat]:
    """Open IN.

    Returns:
        The source, the stream's lengths at its rate, and the format of samples in pipes.
    Raises:
        BadInput: IN cannot be read or is also OUT, or a rate, time or number of channels is out of range.
    """
    form: PcmFormat = args.pcm_format or "s16le"
    channels = 1 if args.channels is None else args.channels
    if not 1 <= channels <= 64:
        raise BadInput(f"--channels is {channels}; expected 1 to 64")
    if args.input == PIPE:
        sizes = block_sizes(args, args.device_rate or PIPE_RATE)
        start = read_start(sys.stdin.buffer)
        if (wav := start[0]) is not None:
            log.warning("note: stdin carries a WAV file (%s), which is read as its header declares", wav)
            sizes = block_sizes(args, args.device_rate or device_rate(wav.rate))
        return PipeSource(sys.stdin.buffer, sizes.rate, form, channels, sizes.block, start), sizes, form
    source = FileSource(Path(args.input), args.device_rate)
    if args.out != PIPE and Path(args.out).exists() and Path(args.out).samefile(args.input):
        raise BadInput(f"{args.out} is the input too, and would be overwritten; give another name")
    return source, block_sizes(args, source.rate), form


def block_sizes(args: argparse.Namespace, rate: int) -> BlockSizes:
    """The lengths that the options ask for, at `rate` Hz.  Raises BadInput."""
    times = {"block": args.block_time, "crossfade": args.crossfade_time, "extra": args.extra_time}
    return BlockSizes.of(rate, **{name: value for name, value in times.items() if value is not None})


def controls(args: argparse.Namespace) -> Controls:
    """The settings that the options ask for, else the original's defaults.  Raises BadInput."""
    requested = {
        "transpose": args.transpose,
        "formant": args.formant,
        "index_rate": args.index_rate,
        "speaker": args.speaker,
        "rms_mix_rate": args.rms_mix_rate,
        "gate_db": args.input_gate_db,
        "input_denoise": args.input_denoise,
        "output_denoise": args.output_denoise,
        "crossfade": args.crossfade,
        "f0_method": args.f0_method,
    }
    return Controls(**{name: value for name, value in requested.items() if value is not None})


def open_stream(args: argparse.Namespace, sizes: BlockSizes, tap: Tap) -> Stream:
    """Load the models and create the stream.  Raises RvcError."""
    first = controls(args)
    noise = options.noise_source(args)
    networks = options.conversion_networks(args, keep=True)
    for sentence in networks.warnings():
        log.warning("note: %s", printable(sentence))
    models = open_models(networks, options.profile(args), first, args.exact_hits or "finite")
    return Stream(models, sizes, first, noise=noise, tap=tap)


def settings(args: argparse.Namespace, stream: Stream) -> dict[str, Any]:
    """The profile, settings and noise of a stream as plain values for JSON."""
    noise = str(args.noise) if args.noise is not None else f"seed {args.seed or 0}"
    return {"profile": stream.models.profile.name, "controls": asdict(stream.controls), "noise": noise}


def print_report(report: dict[str, Any], *, as_json: bool, out: TextIO) -> None:
    """Print the report as JSON or in one sentence; `out` is stderr where stdout carries sound."""
    if as_json:
        print(json.dumps(report, indent=2), file=out)
        return
    took = report["block_ms"]
    print(
        f"{report['output']}: {report['blocks']} blocks of {report['deadline_ms']:.0f} ms in {took['p50']:.0f} ms "
        f"(95 %: {took['p95']:.0f}, {report['missed_deadlines']} too late), {report['delay_seconds'] * 1000:.0f} ms "
        "behind the input",
        file=out,
    )
