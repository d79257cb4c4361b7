"""Products on matrix tiles: beside exact sums, for every shape, on any number of threads; and what replaces them."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from rvc.nn.kernels import amx
from rvc.nn.kernels import conv as conv_module
from rvc.nn.kernels.amx import Product
from rvc.nn.kernels.conv import Conv

needs_tiles = pytest.mark.skipif(not amx.available(), reason="no matrix tiles here, or no C compiler for them")
ERRORS = {amx.FLOAT32: 5e-7, amx.HALFWAY: 2**-16, amx.BFLOAT16: 2**-8}  # of one product, at worst


def made(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def exact(x, weight, at, stride=1, pad=0):
    """The same in float64, tap by tap."""
    x = F.pad(x.double(), (0, 0, pad, pad))
    count = (len(x) - at[-1] - 1) // stride + 1
    return sum(x[a : a + (count - 1) * stride + 1 : stride] @ w.double().t() for a, w in zip(at, weight, strict=True))


def gap(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@needs_tiles
@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 700),
    into=st.integers(1, 130),
    out=st.integers(1, 130),
    gaps=st.lists(st.integers(1, 9), max_size=6),
    stride=st.integers(1, 3),
    pad=st.integers(0, 8),
    limbs=st.sampled_from(sorted(ERRORS)),
)
def test_any_shape_is_the_exact_sum(rows, into, out, gaps, stride, pad, limbs):
    at = (0, *torch.tensor(gaps, dtype=torch.int64).cumsum(0).tolist())
    x, weight = made(1, rows, into), made(2, len(at), out, into)
    product = Product(weight, at, limbs)
    ours = product(x, stride=stride, pad=pad)
    if rows + 2 * pad <= at[-1]:
        assert ours.shape == (0, out)
        return
    theirs = exact(x, weight, at, stride, pad)
    assert ours.shape == theirs.shape
    scale = exact(x.abs(), weight.abs(), at, stride, pad).norm()  # sums that cancel are no measure
    assert (ours - theirs).norm() <= ERRORS[limbs] * scale


@needs_tiles
@pytest.mark.parametrize("rows, into, out, taps", [(142, 768, 3072, 1), (142, 3072, 768, 1), (9000, 64, 64, 7)])
def test_float32_is_no_further_off_than_torchs(rows, into, out, taps):
    x, weight = made(1, rows, into), made(2, taps, out, into)
    theirs = exact(x, weight, range(taps))
    plain = F.conv1d(x.t()[None], weight.permute(1, 2, 0))[0].t()
    assert gap(Product(weight, tuple(range(taps)))(x), theirs) < max(1.5 * gap(plain, theirs), 2e-7)


@needs_tiles
def test_large_and_small_numbers_stand_side_by_side():
    """Each number has limbs of its own, so a loud row or channel takes nothing from a quiet one."""
    scale = 10.0 ** made(3, 200, 64).mul_(4).clamp_(-12, 12)
    x, weight = made(1, 200, 64) * scale, made(2, 1, 48, 64)
    theirs, plain = exact(x, weight, (0,)), x @ weight[0].t()
    size = exact(x.abs(), weight.abs(), (0,))
    assert float(((Product(weight)(x) - theirs).abs() / size).max()) < 2 * float(((plain - theirs).abs() / size).max())


@needs_tiles
def test_bits_depend_neither_on_threads_nor_on_how_rows_are_cut():
    weight = made(2, 7, 64, 96)
    product = Product(weight, tuple(range(0, 21, 3)))
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


@needs_tiles
def test_bias_other_slopes_and_gelu():
    x, weight, bias, other = made(1, 90, 40), made(2, 1, 50, 40), made(3, 50), made(4, 90, 50)
    product = Product(weight)
    plain = F.leaky_relu(x.double(), 0.1) @ weight[0].double().t() + bias.double()
    assert gap(product(x, bias, before=0.1), plain) < 5e-7
    assert gap(product(x, bias, before=0.1, after=0.2), F.leaky_relu(plain, 0.2)) < 5e-7
    assert gap(product(x, bias, before=0.1, gelu=True), F.gelu(plain)) < 5e-7
    assert gap(product(x, bias, before=0.1, other=other), plain + other) < 5e-7
    kept = other.clone()
    assert product(x, bias, before=0.1, other=other, into=other) is other
    assert gap(other, plain + kept) < 5e-7


@needs_tiles
def test_columns_of_wider_rows_go_in_and_out():
    wide, weight = made(1, 60, 100), made(2, 3, 20, 48)
    room = torch.zeros(58, 70)
    Product(weight, (0, 1, 2))(wide[:, 7:55], into=room[:, 11:31])
    assert gap(room[:, 11:31], exact(wide[:, 7:55], weight, (0, 1, 2))) < 5e-7
    assert not room[:, :11].any() and not room[:, 31:].any()


@needs_tiles
def test_a_weight_comes_back_as_it_went_in():
    weight = made(2, 5, 33, 47) * 10.0 ** made(3, 5, 33, 47)
    assert torch.equal(Product(weight, (0, 1, 2, 3, 4)).plain(), weight)
    assert torch.equal(Product(weight, (0, 1, 2, 3, 4), amx.BFLOAT16).plain(), weight.bfloat16().float())


@needs_tiles
def test_nan_and_infinity_stay_in_their_rows():
    x, product = made(1, 100, 32), Product(made(2, 3, 32, 32), (0, 1, 2))
    x[50, 3], x[70, 4] = float("nan"), float("inf")
    found = torch.isfinite(product(x)).all(1)
    assert (~found).nonzero()[:, 0].tolist() == [48, 49, 50, 68, 69, 70]


@needs_tiles
@pytest.mark.parametrize(
    "x, named",
    [
        (torch.zeros(9, 8, dtype=torch.bfloat16), {}),
        (torch.zeros(9, 7), {}),
        (torch.zeros(9, 8), {"other": torch.zeros(8, 4)}),
        (torch.zeros(9, 8), {"into": torch.zeros(9, 4, dtype=torch.float64)}),
        (torch.zeros(9, 8), {"bias": torch.zeros(5)}),
    ],
)
def test_rows_of_another_kind_are_refused(x, named):
    with pytest.raises(ValueError, match="must be float32"):
        Product(torch.zeros(1, 4, 8))(x, **named)


@needs_tiles
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_convolution_is_the_same_with_and_without(monkeypatch, dtype):
    weight, bias, x = made(1, 48, 32, 5), made(2, 48), made(3, 300, 32)
    with_them = Conv(weight, bias, 3, dtype)
    assert with_them.tiles is not None
    monkeypatch.setattr(amx, "available", lambda: False)
    without = Conv(weight, bias, 3, dtype)
    assert without.tiles is None
    bound = 1e-6 if dtype == torch.float32 else 2e-2
    other = made(4, 288, 48)

    def calls(conv):
        given = x.to(conv.signal)
        yield conv(given)
        yield conv(given, 2, 0.1, 0.2)
        yield conv.added(other.to(conv.signal), given, before=0.1)
        yield conv.add_to(other.to(conv.signal, copy=True), given)

    for ours, theirs in zip(calls(with_them), calls(without), strict=True):
        assert gap(ours.double(), theirs.double()) < bound
    assert torch.equal(with_them.dense(), without.dense())


@pytest.mark.parametrize("why", ["RVC_TILES", "library"])
def test_without_the_kernels_torch_computes_everything(why):
    """As on a processor without tiles, or where no compiler was at hand when the project was installed."""
    script = (
        "import torch; from pathlib import Path; from rvc.nn.kernels import amx\n"
        + ("amx.LIBRARY = Path('nowhere.so')\n" if why == "library" else "")
        + "from rvc.nn.kernels.conv import Conv\n"
        "made = Conv(torch.ones(32, 32, 3), None)\n"
        "print(amx.available(), made.tiles, float(made(torch.ones(5, 32))[0, 0]), amx.state())"
    )
    environment = os.environ | ({"RVC_TILES": "0"} if why == "RVC_TILES" else {})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    said = {"RVC_TILES": ("switched off",), "library": ("not used: install a C compiler", "none in this processor")}
    assert done.stdout.startswith(tuple(f"False None 96.0 {words}" for words in said[why]))


def test_the_kernels_are_there_where_the_processor_has_tiles():
    """A check that would see a kernel that no longer compiles: its absence is silent on purpose."""
    asked = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    if not asked() or os.environ.get(amx.OFF) == "0":
        pytest.skip("no tiles here")
    assert amx.available()
    assert Conv(torch.ones(32, 32, 3), None).tiles is not None and conv_module.LIMBS[torch.float32] == amx.FLOAT32
