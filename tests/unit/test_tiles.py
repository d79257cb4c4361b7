"""Products on matrix tiles: as exact as float32, row by row the same, and shared between threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from rvc.nn import tiles, workers

needs_tiles = pytest.mark.skipif(not tiles.available(), reason="this processor or this torch has no matrix tiles")


def error(limbs: int, rows: int = 70, into: int = 64, width: int = 5, columns: int = 128) -> float:
    """The relative RMS error of products over overlapping windows, against float64."""
    torch.manual_seed(0)
    signal, weight = torch.randn(rows + width - 1, into), torch.randn(columns, into * width)
    parts = [torch.empty_like(signal, dtype=torch.bfloat16) for _ in range(limbs)]
    tiles.split(signal, parts)
    out = torch.empty(rows, columns)
    tiles.TileProduct(weight, limbs)(out, parts, into, add=False)
    truth = signal.double().flatten().as_strided((rows, into * width), (into, 1)) @ weight.double().t()
    return float((out - truth).norm() / truth.norm())


@needs_tiles
@pytest.mark.parametrize(("limbs", "most", "least"), [(1, 3e-3, 1e-3), (2, 6e-6, 2e-6), (3, 5e-7, 0)])
def test_each_limb_makes_products_as_exact_as_it_says(limbs: int, most: float, least: float) -> None:
    assert least <= error(limbs) <= most


@needs_tiles
@pytest.mark.parametrize("columns", [16, 32, 48, 80, 192])
def test_every_number_of_columns_that_fits_is_right(columns: int) -> None:
    assert tiles.fits(columns, 320) and error(3, columns=columns) < 5e-7


@needs_tiles
def test_a_row_is_the_same_whatever_rows_are_computed_with_it() -> None:
    torch.manual_seed(1)
    signal, product = torch.randn(203, 48), tiles.TileProduct(torch.randn(64, 48 * 3))
    parts = [torch.empty_like(signal, dtype=torch.bfloat16) for _ in range(3)]
    tiles.split(signal, parts)
    whole, pieces = torch.zeros(201, 64), torch.zeros(201, 64)
    product(whole, parts, 48)
    for start in range(0, 201, 37):
        product(pieces[start : start + 37], [part[start:] for part in parts], 48)
    assert torch.equal(whole, pieces)


@needs_tiles
def test_threads_may_share_the_columns() -> None:
    torch.manual_seed(2)
    signal, product = torch.randn(33, 96), tiles.TileProduct(torch.randn(256, 96), 1)
    parts = [signal.to(torch.bfloat16)]
    alone, shared = torch.ones(33, 256), torch.ones(33, 256)
    product(alone, parts, 96)
    halves = (product.blocks[:2], product.blocks[2:])
    workers.work([lambda b=blocks: product(shared, parts, 96, blocks=b) for blocks in halves])  # type: ignore[misc]
    assert torch.equal(alone, shared)


def test_limbs_sum_to_the_number() -> None:
    x = torch.randn(1000) * torch.logspace(-20, 20, 1000)
    parts = [torch.empty_like(x, dtype=torch.bfloat16) for _ in range(3)]
    tiles.split(x, parts)
    assert torch.equal(sum(part.double() for part in parts).float(), x)  # type: ignore[union-attr]


def test_workers_raise_what_a_task_raised() -> None:
    def fail() -> None:
        raise ValueError("one of two")

    with pytest.raises(ValueError, match="one of two"):
        workers.work([fail, lambda: None])


def test_workers_leave_the_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    workers.work([lambda: None] * 4)
    with ThreadPoolExecutor(1) as new:
        assert torch.get_num_threads() == new.submit(torch.get_num_threads).result() == before


def test_each_worker_computes_on_one_thread() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen: list[int] = []
        workers.work([lambda: seen.append(torch.get_num_threads())] * 4)
    finally:
        torch.set_num_threads(threads)
    assert seen == [1] * 4
