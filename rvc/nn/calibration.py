"""Measure the backends on this machine and install the fastest ones.

This is done before the first conversion, and by `rvc doctor --calibrate`.

A class of shape is measured with the layer that the networks run: residual blocks as blocks, because fast FIR filtering
pays for a block and not for one convolution. Two times are measured: to pack a layer, and to apply it to one frame. A
conversion that packs its weights for 4 s of sound chooses otherwise than a stream that packs them once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod

import torch
from torch import Tensor

from rvc.errors import BadInput
from rvc.nn.kernels.backends import measured_table, selection
from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.kernel_registry import candidates
from rvc.nn.kernels.backends.measured_table import Row, Table
from rvc.nn.kernels.backends.shape_class import ShapeClass
from rvc.nn.kernels.conv import ON_GPU_ONLY, PRECISIONS, Conv, Weights
from rvc.nn.kernels.conv2d import Conv2d
from rvc.nn.kernels.dense import Dense, Grouped
from rvc.nn.residual_blocks import ALIGNED, ResBlock1
from rvc.nn.streaming.ranges import FrameRange

Run = Callable[[], object]
Build = Callable[[], Run]  # packs a layer and returns a run of it
# Frames per 10 ms of the residual blocks by channels, in a voice of 40 kHz (upsampling by 10, 10, 2 and 2).
FRAMES_BY_CHANNELS = {256: 10, 128: 100, 64: 200, 32: 400}
# Frames of 10 ms of a residual block's thorough run: half of what the generator computes at a time (generator.PIECE).
PART_OF_PIECE = 50
WIDTHS = (3, 7, 11)  # taps of the residual blocks' kernels
NUMBERS = 4096  # random numbers, which weights and signals repeat: drawing all would take most of the quick budget
STEADY = 1.15  # factor by which the two best times of a backend may differ; otherwise the class is left out
SLOW = 3.0  # a backend whose first run takes more than this factor of the best one is not measured further
INT8_SLOWER = 1.05  # int8 is refused where its residual blocks take more than this factor of float32's time


@dataclass(frozen=True)
class Detail:
    """How thoroughly to measure.

    Attributes:
        name: the name that the table records.
        budget: seconds; the classes that are not measured by then keep the fixed order of backends.
        rounds: layers that each backend packs and runs twice, in turn; the best times count.
        most_rounds: rounds of a class whose times vary.
        scale: factor on the frames of each run.
        dilations: the dilations of the pairs of convolutions of a measured residual block.
    """

    name: str
    budget: float
    rounds: int
    most_rounds: int
    scale: int
    dilations: tuple[int, ...]


QUICK = Detail("quick", 0.25, 2, 3, 1, (1,))
THOROUGH = Detail("thorough", 60.0, 5, 20, 4, (1, 3, 5))


@dataclass(frozen=True)
class Times:
    """The times of one backend in seconds, one per round.

    Attributes:
        once: to pack a layer, run it, and release it.
        again: to run it once more.
    """

    once: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    @property
    def packing(self) -> float:
        """The seconds to pack the layer."""
        return max(min(self.once) - min(self.again), 0.0)


@dataclass(frozen=True)
class Probe:
    """A measurement.

    Attributes:
        task: the operation and its sizes.
        frames: the frames of one run.
        rate: the frames that one layer of the class computes for one second of sound, in a voice of 40 kHz.
        stride: the stride of a product's taps.
        thorough_frames: the frames of one thorough run; None for `frames` times the factor of the detail.
    """

    task: Task
    frames: int
    rate: float
    stride: int = 1
    thorough_frames: int | None = None

    def frames_of(self, detail: Detail) -> int:
        """The frames of one run."""
        if detail.name == THOROUGH.name and self.thorough_frames is not None:
            return self.thorough_frames
        return self.frames * detail.scale


def probes(precision: torch.dtype) -> Iterator[Probe]:
    """The classes of shape of a conversion in one precision, those that the choice matters most for first."""
    around = torch.float32 if precision == torch.int8 else precision
    image = {channels: image_probe(channels) for channels in (512, 256, 128, 64, 32, 16)}
    for channels, frames in ((128, 160), (256, 64), (64, 320), (32, 640)):
        per_hop = FRAMES_BY_CHANNELS[channels]
        for width in reversed(WIDTHS):
            task = Task(Operation.RESIDUAL, channels, channels, width, precision)
            yield Probe(task, frames, 100.0 * per_hop, thorough_frames=PART_OF_PIECE * per_hop)
        if channels == 128 and around == torch.float32:
            yield image.pop(512)  # RMVPE packs 300 MB of these weights for one conversion
    for out, into in ((3072, 768), (768, 3072), (2304, 768)):
        yield Probe(Task(Operation.PRODUCT, out, into, 1, around), 48, 50.0)
    for width, rate in ((3, 1500.0), (2, 150.0)):
        yield Probe(Task(Operation.PRODUCT, 512, 512, width), 150, rate, 2)
    for out, into, width in ((384, 192, 5), (768, 192, 3), (576, 192, 1)):
        yield Probe(Task(Operation.CONVOLUTION, out, into, width, around), 150, 100.0)
    for out, into, width, rate in ((2560, 512, 2, 100.0), (1280, 256, 2, 1e3), (512, 192, 7, 100.0)):
        yield Probe(Task(Operation.CONVOLUTION, out, into, width), 150, rate)
    for channels, rate in ((128, 1e4), (64, 2e4)):
        yield Probe(Task(Operation.CONVOLUTION, channels, channels, 2), 1000, rate)
    yield from image.values()
    yield Probe(Task(Operation.ATTENTION, 12, 64), 150, 50.0)
    yield Probe(Task(Operation.GROUPED, 768, 48, 128, around), 50, 50.0)


def image_probe(channels: int) -> Probe:
    """The convolution of RMVPE's level with so many channels, over its frames for 5 s of sound."""
    rate = 100.0 * 16 / channels  # 16 channels at 100 frames per second; each level doubles them and halves those
    return Probe(Task(Operation.IMAGE, channels, channels), round(5 * rate), rate)


def prepare(precision: str, device: str = "cpu") -> None:
    """Install the fastest backends for conversions in one precision; they are measured first if the cache has no table.

    Nothing happens where the choice is pinned, and on other devices than the CPU.

    Args:
        precision: "float32", "bfloat16" or "int8".
        device: where the networks will run.
    Raises:
        BadInput: int8 is slower than float32 here, or RVC_BACKEND has an unknown value.
    """
    if selection.rule() != selection.MEASURED or device != "cpu" or precision not in precisions_here():
        return
    table = before = measured_table.load()
    for name in ("float32", precision) if precision == "int8" else (precision,):
        if name not in table.precisions:
            table = table.with_rows(name, QUICK.name, measure(PRECISIONS[name], QUICK))
    if table is not before:  # else nothing was missing, or the machine was busy and the next conversion tries again
        measured_table.save(table)
    selection.install(table.chosen)
    if precision == "int8":
        refuse_slow_int8(table)


def precisions_here() -> list[str]:
    """The precisions that this machine computes."""
    channels = max(FRAMES_BY_CHANNELS)
    tasks = {name: Task(Operation.RESIDUAL, channels, channels, WIDTHS[0], dtype) for name, dtype in PRECISIONS.items()}
    return [name for name, task in tasks.items() if name not in ON_GPU_ONLY and candidates(task)]


def calibrate(precisions: list[str]) -> Table:
    """Measure thoroughly, keep the table in the cache folder and install its choice.

    Args:
        precisions: such as ["float32", "bfloat16"].
    Returns:
        The whole table of this machine.
    """
    table = measured_table.load()
    for name in precisions:
        table = table.with_rows(name, THOROUGH.name, measure(PRECISIONS[name], THOROUGH))
    measured_table.save(table)
    selection.install(table.chosen)
    return table


def refuse_slow_int8(table: Table) -> None:
    """Raise BadInput where the residual blocks are slower in int8 than in float32."""
    seconds = {"int8": 0.0, "float32": 0.0}
    for channels, per_hop in FRAMES_BY_CHANNELS.items():
        for width in WIDTHS:
            rows = {
                name: table.rows.get(ShapeClass(Operation.RESIDUAL.value, name, "cpu", channels, width))
                for name in seconds
            }
            for name, row in rows.items():
                if row is not None and all(rows.values()):
                    seconds[name] += per_hop * min(row.seconds.values())
    if seconds["int8"] > INT8_SLOWER * seconds["float32"]:
        raise BadInput(
            f"int8 takes {seconds['int8'] / seconds['float32']:.1f} times as long as float32 on this processor, as "
            "`rvc doctor --calibrate` measures; choose --precision float32 or bfloat16, or take int8 for its memory "
            "with --backend fixed"
        )


@torch.inference_mode()
def measure(
    precision: torch.dtype, detail: Detail, clock: Callable[[], float] = time.perf_counter
) -> dict[ShapeClass, Row]:
    """Measure every class of shape that more than one backend computes, and the residual blocks in any case.

    Args:
        precision: the type to compute in.
        detail: how thoroughly.
        clock: returns seconds.
    Returns:
        The times of each backend by class. Classes beyond the budget, and those whose times vary because the machine
        is busy, are left out: they keep the fixed order.
    """
    with selection.unrecorded():
        return _measure(precision, detail, clock)


def _measure(precision: torch.dtype, detail: Detail, clock: Callable[[], float]) -> dict[ShapeClass, Row]:
    end, rows = clock() + detail.budget, {}
    for probe in probes(precision):
        able = candidates(probe.task)
        if not able or (len(able) == 1 and probe.task.operation is not Operation.RESIDUAL):
            continue
        if clock() >= end:
            break
        frames = probe.frames_of(detail)
        builds = {backend.name: layer(probe, frames, detail, backend.name) for backend in able}
        usual = selection.usual(probe.task, able).name
        times = times_in_turn(builds, usual, detail, clock, end)
        if is_steady(times, usual):
            best = {name: min(each.again) / frames for name, each in times.items() if each.again}
            packing = {name: times[name].packing for name in best}
            rows[ShapeClass.of(probe.task)] = Row(usual, best, packing, probe.rate)
    return rows


def layer(probe: Probe, frames: int, detail: Detail, backend: str) -> Build:
    """A function that packs the layer of a probe with a backend."""
    build = builder(probe, frames, detail)

    def packed() -> Run:
        with selection.pinned(backend):
            return build()

    return packed


def times_in_turn(
    builds: dict[str, Build], usual: str, detail: Detail, clock: Callable[[], float], end: float
) -> dict[str, Times]:
    """The times of each backend, all in turn.

    The first round prepares kernels and is not counted. Backends that are far slower in it than the best are dropped,
    and no round of a backend starts after `end`. Where the times vary there are up to `detail.most_rounds`.
    """

    def timed(build: Build, times: Times) -> float:
        start = clock()
        run = build()
        run()
        between = clock()
        run()
        again = max(clock() - between, 1e-9)
        del run
        times.again.append(again)
        times.once.append(clock() - start - again)
        return again

    first = {}
    for name, build in builds.items():
        if clock() >= end:
            return {}
        first[name] = timed(build, Times())
    times = {name: Times() for name in builds if first[name] <= SLOW * min(first.values())}
    for number in range(detail.most_rounds):
        if number >= detail.rounds and is_steady(times, usual):
            return times
        for name, each in times.items():
            if clock() >= end:
                return times
            timed(builds[name], each)
    return times


def is_steady(times: dict[str, Times], usual: str) -> bool:
    """Whether the two best times of the usual and of the fastest backend agree, as without load by other programs."""
    best = {name: sorted(each.again)[:2] for name, each in times.items() if each.again}
    if usual not in best:
        return False
    compared = (best[usual], min(best.values()))
    return all(len(seconds) == 2 and seconds[1] <= STEADY * seconds[0] for seconds in compared)


def builder(probe: Probe, frames: int, detail: Detail) -> Build:
    """Draw the weight of a probe's layer; returns what packs it with the backend that is pinned then.

    Args:
        probe: what to measure.
        frames: the frames of one run.
        detail: gives the dilations of a residual block.
    """
    task, numbers = probe.task, torch.randn(NUMBERS, generator=torch.Generator().manual_seed(0))

    def draw(*shape: int) -> Tensor:
        count = prod(shape)
        return numbers.repeat(-(-count // NUMBERS))[:count].view(shape)

    operation, bias = task.operation, torch.zeros(task.out_channels)
    if operation is Operation.RESIDUAL:
        return block_builder(task, frames, detail.dilations, draw)
    if operation is Operation.PRODUCT:
        weight, x = draw(task.out_channels, task.in_channels * task.width), draw(frames, task.in_channels)
        return lambda: partial(Dense(weight, bias, task.dtype, width=task.width, stride=probe.stride), x)
    if operation is Operation.IMAGE:
        bands = 2048 // task.in_channels  # 128 at RMVPE's level of 16 channels
        image = draw(1, task.in_channels, frames, bands).contiguous(memory_format=torch.channels_last)
        # The copy stands for the folding of a norm, and lets the memory be allocated as in a conversion.
        weight = draw(task.out_channels, task.in_channels, 3, 3).contiguous(memory_format=torch.channels_last)
        return lambda: partial(Conv2d(weight.clone(), bias, (1, 1)), image, relu=True)
    if operation is Operation.GROUPED:
        groups = task.out_channels // task.in_channels
        weight, x = draw(task.out_channels, task.in_channels, 1, task.width), draw(frames, task.out_channels)
        return lambda: partial(Grouped(weight, groups, task.dtype), x, bias)
    if operation is Operation.ATTENTION:
        q, k, v = draw(3, frames, task.out_channels, task.in_channels).to(task.dtype).unbind(0)
        return lambda: partial(selection.choose(task).attend, q, k, v, 3)
    weight, signal = (
        draw(task.out_channels, task.in_channels, task.width),
        draw(frames + task.width - 1, task.in_channels),
    )

    def convolution() -> Run:
        conv = Conv(weight, bias, 1, task.dtype, operation)
        return partial(conv, signal.to(conv.signal_dtype))

    return convolution


def block_builder(task: Task, frames: int, dilations: tuple[int, ...], draw: Callable[..., Tensor]) -> Build:
    """A residual block over `frames` frames of a longer signal: by fast filtering where its backend has levels."""
    shape = (task.out_channels, task.in_channels, task.width)
    names = [f"b.convs{n}.{l}" for n in (1, 2) for l in range(len(dilations))]
    tensors = {f"{name}.weight_v": draw(*shape) for name in names}
    tensors |= {f"{name}.weight_g": torch.ones(len(tensors[f"{name}.weight_v"]), 1, 1) for name in names}
    tensors |= {f"{name}.bias": torch.zeros(task.out_channels) for name in names}
    outputs = FrameRange(4096, 4096 + frames // ALIGNED * ALIGNED, 1 << 20)
    total = torch.zeros(len(outputs), task.out_channels)
    signal = draw(len(outputs) + 256, task.in_channels)  # more frames than any backend reads

    def packed() -> Run:
        block = ResBlock1(Weights(tensors, dtype=task.dtype), "b", dilations)
        fast = block.fast if block.fast is not None and block.fast.levels else None
        inputs = fast.input_range(outputs) if fast is not None else outputs.widened(block.reach)
        x = signal[: len(inputs)]
        if fast is not None:
            return lambda: fast.add_to(total, x, inputs, outputs)
        return lambda: total.add_(block(x, inputs, outputs))

    return packed
