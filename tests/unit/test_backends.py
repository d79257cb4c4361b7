"""Backends: each computes what it states, gives the bits of the operation beneath it, and is chosen as documented."""

import pytest
import torch
from torch.nn import functional as F

from rvc.errors import BadInput
from rvc.nn.kernels import amx, onednn
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.kernel_registry import BACKENDS, candidates
from rvc.nn.kernels.backends.shape_class import ShapeClass
from rvc.nn.kernels.bfloat16_weight import Bfloat16Weight
from rvc.nn.kernels.conv import Conv
from rvc.nn.kernels.dense import Dense, Grouped, attend
from rvc.nn.kernels.int8 import Int8
from rvc.nn.kernels.layout import as_frames, as_image

needs_onednn = pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch has no oneDNN")
TASKS = [
    Task(operation, out, into, width, dtype)
    for operation in Operation
    for out, into, width in ((48, 32, 7), (20, 24, 11), (4, 6, 1))
    for dtype in (torch.float32, torch.bfloat16, torch.int8)
]


def made(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def computed(task, backend):
    """The result of a task on fixed inputs, through the layer that networks use."""
    weight, bias = made(1, task.out_channels, task.in_channels, task.width), made(2, task.out_channels)
    x = made(3, 90, task.in_channels)
    with selection.pinned(backend):
        if task.operation is Operation.PRODUCT:
            layer = Dense(weight.transpose(1, 2).flatten(1), bias, task.dtype, width=task.width)
            return layer, layer(x, gelu=True)
        layer = Conv(weight, bias, 3, task.dtype, task.operation)
        return layer, layer(x.to(layer.signal_dtype), 2, 0.1, 0.2)


@pytest.mark.parametrize(
    "task", [t for t in TASKS if t.operation.is_in_time or t.operation is Operation.PRODUCT], ids=str
)
def test_every_backend_that_computes_a_task_is_close_to_torch(task):
    exact = computed(Task(task.operation, task.out_channels, task.in_channels, task.width), "torch")[1]
    bound = {torch.float32: 1e-6, torch.bfloat16: 2e-2, torch.int8: 3e-2}[task.dtype]
    for backend in candidates(task):
        layer, result = computed(task, backend.name)
        assert layer.backend is backend
        assert (result.float() - exact).norm() <= bound * exact.norm(), backend.name


def test_the_backend_torch_gives_the_bits_of_torch():
    weight, bias, x = made(1, 48, 32, 5), made(2, 48), made(3, 90, 32)
    with selection.pinned("torch"):
        conv, dense = Conv(weight, bias, 3), Dense(weight.flatten(1), bias, width=5, stride=2)
        grouped = Grouped(made(4, 32, 8, 1, 5), 4)
    image_weight = weight[:, :, None].contiguous(memory_format=torch.channels_last)
    expected = as_frames(F.conv2d(as_image(x), image_weight, bias, 1, (0, 2), (1, 3)))
    assert torch.equal(conv(x, 2), expected)
    assert torch.equal(conv(x, 2, 0.1), F.leaky_relu(expected, 0.1))
    assert torch.equal(conv.sum_with(expected, x, 2), expected + expected)
    unfolded = x.as_strided((43, 160), (64, 1))
    assert torch.equal(dense(x), F.linear(unfolded, weight.flatten(1), bias))
    expected = F.conv2d(as_image(x), made(4, 32, 8, 1, 5), bias[:32], padding=(0, 2), groups=4)
    assert torch.equal(grouped(x, bias[:32]), F.gelu(as_frames(expected)))


@needs_onednn
def test_the_backend_onednn_gives_the_bits_of_its_operators():
    weight, bias, x = made(1, 48, 32, 5), made(2, 48), made(3, 300, 32)
    ops = torch.ops.mkldnn
    with selection.pinned("onednn"):
        conv, dense = Conv(weight, bias, 3), Dense(weight.flatten(1), bias, width=5)
    packed = ops._reorder_convolution_weight(weight[:, :, None].contiguous(), [0, 0], [1, 1], [1, 3], 1)
    geometry = [0, 2], [1, 1], [1, 3], 1
    expected = ops._convolution_pointwise(as_image(x), packed, bias, *geometry, "leaky_relu", [0.1], "")
    assert torch.equal(conv(x, 2, 0.1), as_frames(expected))
    if dense.backend.name == "onednn":
        packed = ops._reorder_linear_weight(weight.flatten(1), 1024)
        expected = ops._linear_pointwise(x.as_strided((296, 160), (32, 1)), packed, bias, "gelu", [], "none")
        assert torch.equal(dense(x, gelu=True), expected)


@needs_onednn
def test_fast_filtering_convolves_short_signals_as_onednn_does():
    weight, x = made(1, 32, 32, 11), made(3, 90, 32)
    task = Task(Operation.RESIDUAL, 32, 32, 11)
    results = []
    for name in ("onednn", "fast-1", "fast-2"):
        with selection.pinned(name):
            results.append(Conv(weight, None, operation=task.operation)(x))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_held_and_integer_weights_give_the_bits_of_their_arithmetic(monkeypatch):
    monkeypatch.setattr(onednn, "packs_bfloat16", lambda: False)
    weight, bias, x = made(1, 20, 24, 5), made(2, 20), made(3, 90, 24)
    if onednn.has_fused_convolutions():
        with selection.pinned("widened"):
            assert torch.equal(Conv(weight, bias, 3, torch.bfloat16)(x, 2), Bfloat16Weight(weight, 3)(x, bias, 2))
    if onednn.has_integer_convolutions():
        expected = Int8(weight[:, :, None], 3)(as_image(x), bias, 2)
        assert torch.equal(Conv(weight, bias, 3, torch.int8)(x, 2), as_frames(expected))


def test_the_fixed_order_depends_on_the_instructions_of_the_processor_alone(monkeypatch):
    task = Task(Operation.RESIDUAL, 256, 256, 11)
    selection.install(lambda shape, length: {ShapeClass.of(task): "torch"}.get(shape))
    try:
        with selection.pinned("measured"):
            assert selection.choose(task).name == "torch"
        with selection.pinned("fixed"):
            assert selection.choose(task) is selection.usual(task, candidates(task))
            monkeypatch.setattr(amx, "available", lambda: False)
            if onednn.has_fused_convolutions():
                widths = [selection.choose(Task(Operation.RESIDUAL, 256, 256, width)).name for width in (3, 7, 11)]
                assert widths == ["onednn", "fast-1", "fast-2"]
            monkeypatch.setattr(onednn, "has_fused_convolutions", lambda: False)
            assert selection.choose(task).name == "torch"
    finally:
        selection.install(None)


def test_a_row_of_the_table_that_cannot_be_computed_here_is_passed_over():
    task = Task(Operation.PRODUCT, 8, 8)
    selection.install(lambda shape, length: "cuda")
    try:
        with selection.pinned("measured"):
            assert selection.choose(task).name != "cuda"
    finally:
        selection.install(None)


def test_the_environment_variable_pins_and_a_wrong_name_is_refused(monkeypatch):
    monkeypatch.setenv("RVC_BACKEND", "torch")
    assert selection.rule() == "torch"
    assert selection.choose(Task(Operation.PRODUCT, 8, 8)).name == "torch"
    monkeypatch.setenv("RVC_BACKEND", "fastest")
    known = ", ".join(("measured", "fixed", *BACKENDS))
    with pytest.raises(BadInput, match=rf"^\$RVC_BACKEND is 'fastest'; expected one of {known}$"):
        selection.rule()
    with pytest.raises(BadInput, match=r"^the backend is 'tpu'; expected one of "):
        selection.pin("tpu")


def test_the_choices_are_reported():
    with selection.pinned("torch"):
        Conv(made(1, 20, 24, 5), None)
        report = selection.report()
    assert report["rule"] == "torch"
    assert report["chosen"]["convolution float32 cpu 32x5"] == "torch"


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_class_of_shapes_can_be_read_back(task):
    assert ShapeClass.parse(str(ShapeClass.of(task))) == ShapeClass.of(task)


def test_attention_is_that_of_torch():
    q, k, v = made(5, 3, 40, 2, 16).unbind(0)
    expected = F.scaled_dot_product_attention(*(x.double().transpose(0, 1) for x in (q, k, v))).transpose(0, 1)
    for backend in candidates(Task(Operation.ATTENTION, 2, 16)):
        with selection.pinned(backend.name):
            torch.testing.assert_close(attend(q, k, v, 3).double(), expected, rtol=1e-5, atol=1e-5)
