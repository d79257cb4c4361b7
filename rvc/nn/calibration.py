"""Measure the backends on this machine and install the fastest ones.

This is done before the first conversion, and by `rvc doctor --calibrate`.

A class of shape is measured with the layer that the networks run: residual blocks as blocks, because fast FIR filtering
pays for a block and not for one convolution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from rvc.nn.kernels.dense import Dense, Grouped, attend
from rvc.nn.residual_blocks import ALIGNED, ResBlock1
from rvc.nn.streaming.ranges import FrameRange

Run = Callable[[], object]
# Frames per 10 ms of the residual blocks by channels, in a voice of 40 kHz (upsampling by 10, 10, 2 and 2).
FRAMES_BY_CHANNELS = {256: 10, 128: 100, 64: 200, 32: 400}
WIDTHS = (3, 7, 11)  # taps of the residual blocks' kernels
STEADY = 1.15  # factor by which the two best times of a backend may differ; otherwise the class is left out
SLOW = 3.0  # a backend whose first run takes more than this factor of the best one is not measured further
INT8_SLOWER = 1.05  # int8 is refused where its residual blocks take more than this factor of float32's time


@dataclass(frozen=True)
class Detail:
    """How thoroughly to measure.

    Attributes:
        name: the name that the table records.
        budget: seconds; the classes that are not measured by then keep the fixed order of backends.
        rounds: runs of each backend, in turn; the best time counts.
        scale: factor on the frames of each run.
        dilations: the dilations of the pairs of convolutions of a measured residual block.
    """

    name: str
    budget: float
    rounds: int
    scale: int
    dilations: tuple[int, ...]


QUICK = Detail("quick", 0.25, 2, 1, (1,))
THOROUGH = Detail("thorough", 60.0, 7, 4, (1, 3, 5))


@dataclass(frozen=True)
class Probe:
    """A measurement.

    Attributes:
        task: the operation and its sizes.
        frames: the frames of one run.
        stride: the stride of a product's taps.
    """

    task: Task
    frames: int
    stride: int = 1


def probes(precision: torch.dtype) -> Iterator[Probe]:
    """The classes of shape of a conversion in one precision, those that take most of its time first."""
    for channels, frames in ((128, 160), (256, 64), (64, 320), (32, 640)):
        for width in reversed(WIDTHS):
            yield Probe(Task(Operation.RESIDUAL, channels, channels, width, precision), frames)
    around = torch.float32 if precision == torch.int8 else precision
    for out, into in ((3072, 768), (768, 3072), (2304, 768)):
        yield Probe(Task(Operation.PRODUCT, out, into, 1, around), 48)
    for width in (3, 2):
        yield Probe(Task(Operation.PRODUCT, 512, 512, width), 150, 2)
    for out, into, width in ((384, 192, 5), (768, 192, 3), (576, 192, 1)):
        yield Probe(Task(Operation.CONVOLUTION, out, into, width, around), 48)
    for out, into, width in ((2560, 512, 2), (1280, 256, 2), (512, 192, 7)):
        yield Probe(Task(Operation.CONVOLUTION, out, into, width), 48)
    for channels in (32, 128, 512):
        yield Probe(Task(Operation.IMAGE, channels, channels), 8192 // channels)
    yield Probe(Task(Operation.ATTENTION, 12, 64), 150)
    yield Probe(Task(Operation.GROUPED, 768, 48, 128, around), 50)


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
    selection.install(table.choices())
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
    selection.install(table.choices())
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
        Seconds per frame by class and backend. Classes beyond the budget, and those whose times vary because the
        machine is busy, are left out: they keep the fixed order.
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
        frames = probe.frames * detail.scale
        runs = {}
        for backend in able:
            with selection.pinned(backend.name):
                runs[backend.name] = runner(probe, frames, detail)
        times, usual = times_in_turn(runs, detail.rounds, clock, end), selection.usual(probe.task, able).name
        best = {name: min(seconds) / frames for name, seconds in times.items() if seconds}
        if usual in best and all(is_steady(times[name]) for name in (usual, min(best, key=best.__getitem__))):
            rows[ShapeClass.of(probe.task)] = Row(usual, best)
    return rows


def times_in_turn(runs: dict[str, Run], rounds: int, clock: Callable[[], float], end: float) -> dict[str, list[float]]:
    """The seconds of each run of each backend, all in turn.

    The first round prepares kernels and is not counted. Backends that are far slower in it than the best are dropped,
    and no run of a further round starts after `end`.
    """

    def timed(run: Run) -> float:
        start = clock()
        run()
        return max(clock() - start, 1e-9)

    first = {name: timed(run) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs if first[name] <= SLOW * min(first.values())}
    for _ in range(rounds):
        for name, seconds in times.items():
            if clock() >= end:
                return times
            seconds.append(timed(runs[name]))
    return times


def is_steady(seconds: list[float]) -> bool:
    """Whether the two best times agree, as they do where no other program takes the processor."""
    best = sorted(seconds)[:2]
    return len(best) == 2 and best[1] <= STEADY * best[0]


def runner(probe: Probe, frames: int, detail: Detail) -> Run:
    """Build the layer of a probe with the backend that is pinned, and return a run over `frames` frames."""
    task, made = probe.task, torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=made)

    operation, bias = task.operation, torch.zeros(task.out_channels)
    if operation is Operation.RESIDUAL:
        return block_runner(task, frames, detail.dilations, draw)
    if operation is Operation.PRODUCT:
        weight = draw(task.out_channels, task.in_channels * task.width)
        dense, x = (
            Dense(weight, bias, task.dtype, width=task.width, stride=probe.stride),
            draw(frames, task.in_channels),
        )
        return lambda: dense(x)
    if operation is Operation.IMAGE:
        image = draw(1, task.in_channels, frames, 16).contiguous(memory_format=torch.channels_last)
        convolution = Conv2d(draw(task.out_channels, task.in_channels, 3, 3), bias, (1, 1))
        return lambda: convolution(image, relu=True)
    if operation is Operation.GROUPED:
        groups = task.out_channels // task.in_channels
        grouped = Grouped(draw(task.out_channels, task.in_channels, 1, task.width), groups, task.dtype)
        x = draw(frames, task.out_channels)
        return lambda: grouped(x, bias)
    if operation is Operation.ATTENTION:
        q, k, v = draw(3, frames, task.out_channels, task.in_channels).to(task.dtype).unbind(0)
        name = selection.rule()

        def attention() -> Tensor:
            with selection.pinned(name):
                return attend(q, k, v, 3)

        return attention
    conv = Conv(draw(task.out_channels, task.in_channels, task.width), bias, 1, task.dtype, operation)
    x = draw(frames + task.width - 1, task.in_channels).to(conv.signal_dtype)
    return lambda: conv(x)


def block_runner(task: Task, frames: int, dilations: tuple[int, ...], draw: Callable[..., Tensor]) -> Run:
    """A residual block over `frames` frames of a longer signal: by fast filtering where its backend has levels."""
    shape = (task.out_channels, task.in_channels, task.width)
    names = [f"b.convs{n}.{l}" for n in (1, 2) for l in range(len(dilations))]
    tensors = {f"{name}.weight_v": draw(*shape) for name in names}
    tensors |= {f"{name}.weight_g": torch.ones(len(tensors[f"{name}.weight_v"]), 1, 1) for name in names}
    tensors |= {f"{name}.bias": torch.zeros(task.out_channels) for name in names}
    block = ResBlock1(Weights(tensors, dtype=task.dtype), "b", dilations)
    outputs = FrameRange(4096, 4096 + frames // ALIGNED * ALIGNED, 1 << 20)
    fast = block.fast if block.fast is not None and block.fast.levels else None
    inputs = fast.input_range(outputs) if fast is not None else outputs.widened(block.reach)
    x, total = draw(len(inputs), task.in_channels), torch.zeros(len(outputs), task.out_channels)
    if fast is not None:
        return lambda: fast.add_to(total, x, inputs, outputs)
    return lambda: total.add_(block(x, inputs, outputs))
