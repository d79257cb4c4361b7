"""The recursive filter gives scipy's bits, by its private compiled function and by the public one."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from scipy.signal import lfilter, lfilter_zi

from rvc.audio import preparation, recursive_filter


@pytest.fixture(params=["compiled", "public"])
def run(request, monkeypatch):
    recursive_filter.linear_filter.cache_clear()
    if request.param == "public":
        monkeypatch.setattr(recursive_filter, "_compiled", lambda: None)
    elif recursive_filter._compiled() is None:
        pytest.skip("this scipy has its compiled function elsewhere; the public function is used")
    yield recursive_filter.linear_filter()
    recursive_filter.linear_filter.cache_clear()


def test_both_functions_give_the_same_bits(run):
    samples = np.random.default_rng(0).standard_normal(1000)
    expected = lfilter(preparation.B, preparation.A, samples, zi=preparation.SETTLED)
    for filtered, reference in zip(
        run(preparation.B, preparation.A, samples, preparation.SETTLED), expected, strict=True
    ):
        assert np.array_equal(filtered, reference)


def test_reversed_arrays_are_filtered_too(run):
    samples = np.random.default_rng(0).standard_normal(1000)[::-1]
    expected = lfilter(preparation.B, preparation.A, samples, zi=preparation.SETTLED)
    assert np.array_equal(run(preparation.B, preparation.A, samples, preparation.SETTLED)[0], expected[0])


Rational = list[Fraction]


def settled_system() -> tuple[list[Rational], Rational]:
    """M and r of M·z = r, whose solution is the filter's state after a long constant 1, exactly as scipy defines it.

    lfilter_zi: M = I − companion(A)ᵀ and r = B[1:] − A[1:]·B[0].
    """
    a, b = ([Fraction(float(v)) for v in values] for values in (preparation.A, preparation.B))
    order = len(a) - 1
    matrix = [[Fraction(int(i == j)) - Fraction(int(j == i + 1)) for j in range(order)] for i in range(order)]
    for i in range(order):
        matrix[i][0] += a[i + 1]
    return matrix, [b[i + 1] - a[i + 1] * b[0] for i in range(order)]


def inverse(matrix: list[Rational]) -> list[Rational]:
    """By Gauss-Jordan elimination in exact arithmetic."""
    size = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(size))] for i, row in enumerate(matrix)]
    for c in range(size):
        pivot = next(i for i in range(c, size) if rows[i][c])
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [v / rows[c][c] for v in rows[c]]
        for i in range(size):
            if i != c:
                rows[i] = [v - rows[i][c] * w for v, w in zip(rows[i], rows[c], strict=True)]
    return [row[size:] for row in rows]


def times(matrix: list[Rational], vector: Rational) -> Rational:
    return [sum((m * v for m, v in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


def largest(vector: Rational) -> Fraction:
    return max(abs(v) for v in vector)


def norm(matrix: list[Rational]) -> Fraction:
    """The norm that belongs to the largest element: the largest sum of a row's magnitudes."""
    return max(sum((abs(v) for v in row), Fraction(0)) for row in matrix)


@pytest.mark.parametrize(
    "state",
    [preparation.SETTLED, lfilter_zi(preparation.B, preparation.A)],
    ids=["printed", "scipy"],
)
def test_the_settled_state_solves_its_equations_as_well_as_float64_can(state):
    """The printed state, and scipy's on this machine, against rational arithmetic.

    Gaussian elimination with partial pivoting is backward stable: its solution z solves (M + E)·z = r exactly, where
    ‖E‖ ≤ n·eps·‖M‖, and forming M and r in float64 adds one eps each. Hence the residual
        ‖M·z − r‖ ≤ n·eps·(‖M‖·‖z‖ + ‖r‖),
    about 1e-14, for every correct solver. Multiplied by ‖M⁻¹‖ it bounds the error of z: with the condition number
    κ = ‖M‖·‖M⁻¹‖ = 1.5e11, solvers may differ by 2·n·κ·eps·‖z‖ = 2e-3. That is why digits of the state depend on
    the processor and on LAPACK, and why the printed digits are compared by their residual.
    """
    matrix, right = settled_system()
    z = [Fraction(float(v)) for v in state]
    inverted = inverse(matrix)
    exact = times(inverted, right)
    unit = len(z) * Fraction(np.finfo(np.float64).eps)
    residual = largest([v - r for v, r in zip(times(matrix, z), right, strict=True)])
    assert residual <= unit * (norm(matrix) * largest(z) + largest(right))
    condition = norm(matrix) * norm(inverted)
    assert 1e11 < condition < 2e11
    assert largest([v - e for v, e in zip(z, exact, strict=True)]) <= 2 * unit * condition * largest(exact)


def test_scipy_signal_is_not_imported():
    if recursive_filter._compiled() is None:
        pytest.skip("this scipy has its compiled function elsewhere; the public function is used")
    code = (
        "import sys, numpy, rvc.audio.preparation; rvc.audio.preparation.highpass(numpy.ones(100, numpy.float32)); "
        "sys.exit('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
