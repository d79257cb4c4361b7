"""Run a stream from a source to a sink, or between two sound devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rvc.errors import BadInput
from rvc.noise import Draw, Kind, Seeded, Tape
from rvc.realtime.block_times import BlockTimes, describe_stream, timed_block
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.io.devices import AudioDevice, SoundDevice
from rvc.realtime.io.sinks import Sink
from rvc.realtime.io.sources import blocks, mono
from rvc.realtime.io.stop import StopSignal
from rvc.realtime.stream import Stream


class TapeThenSeed:
    """Noise from a tape, and from seed 0 for draws that the tape lacks.

    A tape recorded while there was input does not hold the blocks that output the delay.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape, self.rest = tape, Seeded(0)

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """See `NoiseSource.draw`."""
        return (self.tape if name in self.tape.tensors else self.rest).draw(name, shape, kind)


def run_stream(stream: Stream, pieces: Iterator[Samples], sink: Sink, stop: StopSignal) -> dict[str, Any]:
    """Convert all of the input, then zeros until the delay is output.

    Args:
        stream: the stream, warmed up.
        pieces: mono float32 (n,) each, at the device rate.
        sink: takes the output blocks.
        stop: ends the stream early.
    Returns:
        The entries of `describe_stream` and `BlockTimes.summary`, the numbers of blocks and samples, and whether the
        reader of the output closed it (`listener_left`).
    """
    size = stream.sizes.block
    times = BlockTimes(size / stream.sizes.rate)
    received, broken = 0, False
    input_blocks = blocks(pieces, size)
    try:
        while (step := stop.next(input_blocks)) is not None:
            block, real = step
            received += real
            sink.write(timed_block(stream, block, times))
        silence = np.zeros(size, np.float32)
        if isinstance(stream.noise, Tape):
            stream.noise = TapeThenSeed(stream.noise)
        needed = stream.sizes.blocks(received, denoised=stream.controls.input_denoise)
        while times.count < needed and not stop.requested:
            sink.write(timed_block(stream, silence, times))
    except BrokenPipeError:  # the reader has closed its end; stdout then must not be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        broken = True
    return {
        **describe_stream(stream),
        "blocks": times.count,
        "input_samples": received,
        "output_samples": times.count * size,
        "listener_left": broken,
        **times.summary(),
    }


@dataclass(frozen=True)
class DevicePair:
    """A microphone and a loudspeaker, and the package that opens them."""

    sounddevice: SoundDevice
    microphone: AudioDevice
    loudspeaker: AudioDevice


BeforeBlock = Callable[[BlockTimes], bool]  # times so far → whether to go on
AfterBlock = Callable[[Samples, Samples, BlockTimes], None]  # (input, output, times so far)


def run_devices(
    stream: Stream, devices: DevicePair, stop: StopSignal, before_block: BeforeBlock, after_block: AfterBlock
) -> dict[str, Any]:
    """Convert what the microphone records and play it, block after block.

    Args:
        stream: the stream, warmed up.
        devices: the devices, opened at the stream's rate with at most two channels each.
        stop: ends the stream after the block in progress.
        before_block: called before each block is recorded with the times so far; settings that it changes apply to that
            block, and the stream ends when it returns False.
        after_block: called after each block with its input and output, float32 (block,), and the times so far.
    Returns:
        The entries of `describe_stream` and `BlockTimes.summary`, and the numbers of blocks and of broken blocks, in
        which the device lost samples.
    Raises:
        BadInput: the device does not accept the rate or failed.
    """
    sizes = stream.sizes
    times = BlockTimes(sizes.block / sizes.rate)
    channels = min(devices.microphone.input_channels, 2), min(devices.loudspeaker.output_channels, 2)
    lost = 0
    try:
        with devices.sounddevice.Stream(
            samplerate=sizes.rate,
            blocksize=sizes.block,
            dtype="float32",
            channels=channels,
            latency="low",
            device=(devices.microphone.index, devices.loudspeaker.index),
        ) as device:
            latency = float(sum(device.latency))
            while not stop.requested and before_block(times):
                samples, overflowed = device.read(sizes.block)
                block = mono(samples)
                out = timed_block(stream, block, times)
                lost += bool(device.write(np.repeat(out[:, None], channels[1], axis=1))) or bool(overflowed)
                after_block(block, out, times)
    except devices.sounddevice.PortAudioError as error:
        raise BadInput(f"the sound device refused the stream ({error}); try --device-rate or another device") from None
    return {**describe_stream(stream, latency), "blocks": times.count, "broken_blocks": lost, **times.summary()}
