"""`python -m rvc stream`: options to a stream, sound through it, and what there is to say afterwards."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from rvc import profiles, trace
from rvc.audio.output import check_target
from rvc.cli import options
from rvc.errors import BadInput
from rvc.noise import Draw, Kind, Seeded, Tape
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import BlockTimes, describe_stream, timed_block
from rvc.realtime.controls import Controls
from rvc.realtime.io.sinks import FileSink, PipeSink
from rvc.realtime.io.sources import FileSource, PcmFormat, PipeSource, blocks
from rvc.realtime.model_loading import load_models
from rvc.realtime.stream import Stream
from rvc.realtime.tap import no_tap

log = logging.getLogger("rvc")
PIPE = "-"
PIPE_RATE = 48000
NOT_HERE = ("protect", "filter_radius")  # of `convert`; the realtime originals have none


class Stop:
    """Ctrl-C and SIGTERM end the stream after the block in work, or at once while input is waited for; twice: now."""

    def __init__(self) -> None:
        self.asked = False
        self.waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if self.waiting or again:
            raise KeyboardInterrupt

    @contextmanager
    def heeded(self) -> Iterator[Stop]:
        """Take the signals over while the block runs; outside the main thread they stay with their owner."""
        before = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self)
        except ValueError:
            before.clear()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def next(self, pieces: Iterator[Any]) -> Any:
        """The next piece of input, or None at its end or when the stream is to stop."""
        if self.asked:
            return None
        self.waiting = True
        try:
            return next(pieces, None)
        except KeyboardInterrupt:
            return None
        finally:
            self.waiting = False


class Continued:
    """A tape, and a seed where it ends: one recorded while there was input need not know how long the delay is."""

    def __init__(self, tape: Tape) -> None:
        self.tape, self.rest = tape, Seeded(0)

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        return (self.tape if name in self.tape.tensors else self.rest).draw(name, shape, kind)


def run_stream(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """The command.  Raises RvcError."""
    options.merge_config(args, parser)
    options.start(args)
    check(args)
    source, sizes, form = open_source(args)
    sink: FileSink | PipeSink
    if args.out == PIPE:
        sink = PipeSink(sys.stdout.buffer, form, args.channels or 1)
    else:
        check_target(Path(args.out))
    recorder = trace.Recorder() if args.trace is not None else None
    stream = open_stream(args, sizes, no_tap if recorder is None else recorder)
    stream.warm_up()
    if args.out != PIPE:
        sink = FileSink(Path(args.out), sizes.rate, form)
    with sink, Stop().heeded() as stop:
        figures = pump(stream, iter(source), sink, stop)
    figures |= {"input": args.input, "output": args.out, "interrupted": stop.asked, **settings(args, stream)}
    if recorder is not None:
        trace.write(args.trace, recorder, {"profile": stream.models.profile.name, **figures})
    say(figures, as_json=bool(args.json), out=sys.stderr if args.out == PIPE else sys.stdout)
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be, before anything is loaded.  Raises BadInput."""
    if args.f0_file is not None:
        raise BadInput("an F0 curve file cannot be followed by a stream, which has no beginning; use convert")
    if not profiles.named(args.profile or profiles.DEFAULT).realtime:
        realtime = [name for name, profile in profiles.PROFILES.items() if profile.realtime]
        raise BadInput(f"{args.profile} has no realtime conversion; choose one of {', '.join(realtime)}")
    if args.crossfade == "phase-vocoder" and args.profile != "webui-classic":
        raise BadInput("the phase vocoder is webui-classic's; add --profile webui-classic, or leave --crossfade out")
    for name in NOT_HERE:
        if getattr(args, name) is not None:
            log.warning(
                "note: --%s has no effect, since the originals' live conversion has none", name.replace("_", "-")
            )
    if args.trace is not None:
        check_target(args.trace, "TRACE", None)


def open_source(args: argparse.Namespace) -> tuple[FileSource | PipeSource, BlockSizes, PcmFormat]:
    """IN, the stream's lengths at its rate, and the format of samples in pipes.  Raises BadInput."""
    form: PcmFormat = args.pcm_format or "s16le"
    channels = 1 if args.channels is None else args.channels
    if not 1 <= channels <= 64:
        raise BadInput(f"--channels is {channels}; expected 1 to 64")
    if args.input == PIPE:
        sizes = lengths(args, args.device_rate or PIPE_RATE)
        return PipeSource(sys.stdin.buffer, sizes.rate, form, channels, sizes.block), sizes, form
    source = FileSource(Path(args.input), args.device_rate)
    if args.out != PIPE and Path(args.out).exists() and Path(args.out).samefile(args.input):
        raise BadInput(f"{args.out} is the input too, and would be overwritten; give another name")
    return source, lengths(args, source.rate), form


def lengths(args: argparse.Namespace, rate: int) -> BlockSizes:
    """The stream's sizes from the options.  Raises BadInput."""
    times = {"block": args.block_time, "crossfade": args.crossfade_time, "extra": args.extra_time}
    return BlockSizes.of(rate, **{name: value for name, value in times.items() if value is not None})


def controls(args: argparse.Namespace) -> Controls:
    """The sliders from the options; what is not said is the original's setting.  Raises BadInput."""
    wishes = {
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
    return Controls(**{name: value for name, value in wishes.items() if value is not None})


def open_stream(args: argparse.Namespace, sizes: BlockSizes, tap: Any) -> Stream:
    """Load what is needed.  Raises RvcError."""
    sliders = controls(args)
    noise = options.noise_source(args)
    models = load_models(
        options.parts(args, keep=True), args.profile or profiles.DEFAULT, sliders, args.exact_hits or "finite"
    )
    return Stream(models, sizes, sliders, noise=noise, tap=tap)


def pump(stream: Stream, pieces: Iterator[Any], sink: FileSink | PipeSink, stop: Stop) -> dict[str, Any]:
    """All of the input through the stream, then zeros until the delay is out; the figures."""
    size = stream.sizes.block
    timings = BlockTimes(size / stream.sizes.rate)
    heard, broken = 0, False
    cut = blocks(pieces, size)
    try:
        while (step := stop.next(cut)) is not None:
            block, real = step
            heard += real
            sink.write(timed_block(stream, block, timings))
        silence = np.zeros(size, np.float32)
        if isinstance(stream.noise, Tape):
            stream.noise = Continued(stream.noise)
        wanted = stream.sizes.blocks(heard, denoised=stream.controls.input_denoise)
        while timings.count < wanted and not stop.asked:
            sink.write(timed_block(stream, silence, timings))
    except BrokenPipeError:  # whoever listened has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        broken = True
    return {
        **describe_stream(stream),
        "blocks": timings.count,
        "input_samples": heard,
        "output_samples": timings.count * size,
        "listener_left": broken,
        **timings.summary(),
    }


def settings(args: argparse.Namespace, stream: Stream) -> dict[str, Any]:
    """The choices of a stream as plain values."""
    from dataclasses import asdict

    noise = str(args.noise) if args.noise is not None else f"seed {args.seed or 0}"
    return {"profile": stream.models.profile.name, "controls": asdict(stream.controls), "noise": noise}


def say(figures: dict[str, Any], *, as_json: bool, out: Any) -> None:
    """Print the figures; on stderr where stdout carries sound."""
    if as_json:
        print(json.dumps(figures, indent=2), file=out)
        return
    took = figures["block_ms"]
    print(
        f"{figures['output']}: {figures['blocks']} blocks of {figures['deadline_ms']:.0f} ms in {took['p50']:.0f} ms "
        f"(95 %: {took['p95']:.0f}, {figures['missed_deadlines']} too late), {figures['delay_seconds'] * 1000:.0f} ms "
        "behind the input",
        file=out,
    )
