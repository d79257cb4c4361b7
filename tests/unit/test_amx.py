"""Split products on AMX: close to exact sums for every shape and number of threads; and torch where there is no AMX."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import SplitProduct
from rvc.nn.kernels.conv import Conv

needs_amx = pytest.mark.skipif(not amx.available(), reason="no AMX here, or no C compiler for its kernels")
ERRORS = {
    amx.FLOAT32: 5e-7,
    amx.INTERMEDIATE: 2**-16,
    amx.BFLOAT16: 2**-8,
}  # largest relative error of one product, by terms


def made(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def exact(x, weight, at, stride=1, pad=0):
    """The same in float64, tap by tap."""
    x = F.pad(x.double(), (0, 0, pad, pad))
    count = (len(x) - at[-1] - 1) // stride + 1
    return sum(x[a : a + (count - 1) * stride + 1 : stride] @ w.double().t() for a, w in zip(at, weight, strict=True))


def gap(result, expected):
    return float((result - expected).norm() / expected.norm())


@needs_amx
@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 700),
    into=st.integers(1, 130),
    out=st.integers(1, 130),
    gaps=st.lists(st.integers(1, 9), max_size=6),
    stride=st.integers(1, 3),
    pad=st.integers(0, 8),
    terms=st.sampled_from(sorted(ERRORS)),
)
def test_any_shape_is_the_exact_sum(frames, into, out, gaps, stride, pad, terms):
    at = (0, *torch.tensor(gaps, dtype=torch.int64).cumsum(0).tolist())
    x, weight = made(1, frames, into), made(2, len(at), out, into)
    product = SplitProduct(weight, at, terms)
    result = product(x, stride=stride, pad=pad)
    if frames + 2 * pad <= at[-1]:
        assert result.shape == (0, out)
        return
    expected = exact(x, weight, at, stride, pad)
    assert result.shape == expected.shape
    scale = exact(x.abs(), weight.abs(), at, stride, pad).norm()  # the sums themselves may cancel
    assert (result - expected).norm() <= ERRORS[terms] * scale


@needs_amx
@pytest.mark.parametrize("frames, into, out, taps", [(142, 768, 3072, 1), (142, 3072, 768, 1), (9000, 64, 64, 7)])
def test_float32_is_as_accurate_as_torch(frames, into, out, taps):
    x, weight = made(1, frames, into), made(2, taps, out, into)
    expected = exact(x, weight, range(taps))
    plain = F.conv1d(x.t()[None], weight.permute(1, 2, 0))[0].t()
    assert gap(SplitProduct(weight, tuple(range(taps)))(x), expected) < max(1.5 * gap(plain, expected), 2e-7)


@needs_amx
def test_large_numbers_do_not_reduce_the_accuracy_of_small_ones():
    """Each number has terms of its own, so a loud frame or channel does not affect a quiet one."""
    scale = 10.0 ** made(3, 200, 64).mul_(4).clamp_(-12, 12)
    x, weight = made(1, 200, 64) * scale, made(2, 1, 48, 64)
    expected, plain = exact(x, weight, (0,)), x @ weight[0].t()
    size = exact(x.abs(), weight.abs(), (0,))
    assert float(((SplitProduct(weight)(x) - expected).abs() / size).max()) < 2 * float(
        ((plain - expected).abs() / size).max()
    )


@needs_amx
def test_bits_depend_neither_on_threads_nor_on_pieces():
    weight = made(2, 7, 64, 96)
    product = SplitProduct(weight, tuple(range(0, 21, 3)))
    x, threads = made(1, 4000, 96), torch.get_num_threads()
    try:
        whole = product(x)
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            assert torch.equal(product(x), whole)
            for start, end in ((0, 19), (700, 1300), (3950, 4000)):
                part = product(x[start:end])
                assert torch.equal(part, whole[start : start + len(part)]), (count, start)
    finally:
        torch.set_num_threads(threads)


@needs_amx
def test_bias_addend_slopes_and_gelu():
    x, weight, bias, addend = made(1, 90, 40), made(2, 1, 50, 40), made(3, 50), made(4, 90, 50)
    product = SplitProduct(weight)
    plain = F.leaky_relu(x.double(), 0.1) @ weight[0].double().t() + bias.double()
    assert gap(product(x, bias, slope_before=0.1), plain) < 5e-7
    assert gap(product(x, bias, slope_before=0.1, slope_after=0.2), F.leaky_relu(plain, 0.2)) < 5e-7
    assert gap(product(x, bias, slope_before=0.1, gelu=True), F.gelu(plain)) < 5e-7
    assert gap(product(x, bias, slope_before=0.1, addend=addend), plain + addend) < 5e-7
    kept = addend.clone()
    assert product(x, bias, slope_before=0.1, addend=addend, out=addend) is addend
    assert gap(addend, plain + kept) < 5e-7


@needs_amx
def test_signal_and_result_can_be_slices_of_channels():
    wide, weight = made(1, 60, 100), made(2, 3, 20, 48)
    buffer = torch.zeros(58, 70)
    SplitProduct(weight, (0, 1, 2))(wide[:, 7:55], out=buffer[:, 11:31])
    assert gap(buffer[:, 11:31], exact(wide[:, 7:55], weight, (0, 1, 2))) < 5e-7
    assert not buffer[:, :11].any() and not buffer[:, 31:].any()


@needs_amx
def test_a_packed_weight_can_be_unpacked():
    weight = made(2, 5, 33, 47) * 10.0 ** made(3, 5, 33, 47)
    assert torch.equal(SplitProduct(weight, (0, 1, 2, 3, 4)).plain(), weight)
    assert torch.equal(SplitProduct(weight, (0, 1, 2, 3, 4), amx.BFLOAT16).plain(), weight.bfloat16().float())


@needs_amx
def test_nan_and_infinity_affect_only_the_frames_that_read_them():
    x, product = made(1, 100, 32), SplitProduct(made(2, 3, 32, 32), (0, 1, 2))
    x[50, 3], x[70, 4] = float("nan"), float("inf")
    finite = torch.isfinite(product(x)).all(1)
    assert (~finite).nonzero()[:, 0].tolist() == [48, 49, 50, 68, 69, 70]


@needs_amx
@pytest.mark.parametrize(
    "x, named",
    [
        (torch.zeros(9, 8, dtype=torch.bfloat16), {}),
        (torch.zeros(9, 7), {}),
        (torch.zeros(9, 8), {"addend": torch.zeros(8, 4)}),
        (torch.zeros(9, 8), {"out": torch.zeros(9, 4, dtype=torch.float64)}),
        (torch.zeros(9, 8), {"bias": torch.zeros(5)}),
    ],
)
def test_tensors_of_another_type_or_size_are_refused(x, named):
    with pytest.raises(ValueError, match="must be float32"):
        SplitProduct(torch.zeros(1, 4, 8))(x, **named)


@needs_amx
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_is_the_same_with_and_without_amx(monkeypatch, dtype):
    weight, bias, x = made(1, 48, 32, 5), made(2, 48), made(3, 300, 32)
    on_amx = Conv(weight, bias, 3, dtype)
    assert on_amx.backend.name == "amx"
    monkeypatch.setattr(amx, "available", lambda: False)
    elsewhere = Conv(weight, bias, 3, dtype)
    assert elsewhere.backend.name != "amx"
    bound = 1e-6 if dtype == torch.float32 else 2e-2
    other = made(4, 288, 48)

    def calls(conv):
        signal = x.to(conv.signal_dtype)
        yield conv(signal)
        yield conv(signal, 2, 0.1, 0.2)
        yield conv.sum_with(other.to(conv.signal_dtype), signal, slope_before=0.1)
        yield conv.add_to(other.to(conv.signal_dtype, copy=True), signal)

    for result, expected in zip(calls(on_amx), calls(elsewhere), strict=True):
        assert gap(result.double(), expected.double()) < bound
    assert torch.equal(on_amx.plain(), elsewhere.plain())


@pytest.mark.parametrize("why", ["RVC_TILES", "library"])
def test_without_the_kernels_torch_computes_everything(why):
    """As on a processor without AMX, or where the project was installed without a C compiler."""
    script = (
        "import torch; from pathlib import Path; from rvc.nn.kernels import amx\n"
        + ("amx.LIBRARY = Path('nowhere.so')\n" if why == "library" else "")
        + "from rvc.nn.kernels.conv import Conv\n"
        "made = Conv(torch.ones(32, 32, 3), None)\n"
        "print(amx.available(), made.backend.name, float(made(torch.ones(5, 32))[0, 0]), amx.state())"
    )
    environment = os.environ | ({"RVC_TILES": "0"} if why == "RVC_TILES" else {})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    phrases = {"RVC_TILES": ("switched off",), "library": ("not used: install a C compiler", "none in this processor")}
    assert done.stdout.startswith(tuple(f"False onednn 96.0 {phrase}" for phrase in phrases[why]))


def test_the_kernels_are_compiled_where_the_processor_has_amx():
    """Kernels that do not compile are left out without an error, so this test looks for them."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    if not supported() or os.environ.get(amx.SWITCH) == "0":
        pytest.skip("no AMX here")
    assert amx.available()
    assert Conv(torch.ones(32, 32, 3), None).backend.name == "amx" and amx.TERMS[torch.float32] == amx.FLOAT32
