"""The distance of each golden from exact arithmetic, for the stages that are a formula and not a network.

No limit may lie below the golden's own distance from the exact result: otherwise an implementation that is more exact
than the original fails. `rvc-parity exact` measures the distances and compares them with the limits in force;
`--traces FOLDER` writes the exact results as a variant of the original, which `rvc-parity spread --keep FOLDER` adds to
the measured spread.

Each formula is the one of docs/spec/03 and 06 on the golden's own inputs, in extended precision: the initial state of
the high-pass filter in rational numbers, everything else in numpy's longdouble (64 bits of mantissa on x86-64), rounded
once to the dtype of the golden's tensor.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from parity import stages
from parity.calibration import spread
from parity.errors import ParityError, UsageError
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.judge import limits
from parity.judge.states import Mode

Exact = NDArray[np.longdouble]
Formula = Callable[[Case], Mapping[str, Exact]]

VARIANT = "exact"
MANTISSA = 63  # least bits of longdouble's mantissa that count as extended precision; 52 is that of float64
EDGE = 18  # samples of odd extension at each end: docs/spec/06 §6.4
WINDOW = 160  # samples that one value of the quiet profile sums: docs/spec/06 §6.5

# butter(5, 48 Hz, "high", fs=16000): docs/spec/06 §6.4
NUMERATOR = (
    0.9699606451838447,
    -4.849803225919223,
    9.699606451838447,
    -9.699606451838447,
    4.849803225919223,
    -0.9699606451838447,
)
DENOMINATOR = (1.0, -4.939001819168364, 9.757863526739543, -9.639544849413458, 4.761506797356209, -0.9408236532054606)


@dataclass(frozen=True)
class Distance:
    """The largest distance of the goldens from exact arithmetic, of one tensor and metric, beside its limit."""

    tensor: str
    metric: str
    distance: float
    limit: float
    case: str
    cases: int

    @property
    def holds(self) -> bool:
        """Whether the limit admits the exact result."""
        return self.distance <= self.limit


def filter_state() -> tuple[Fraction, ...]:
    """The state in which the high-pass filter settles for a constant input of 1, in rational numbers.

    Solves the 5×5 system of scipy.signal.lfilter_zi for the printed coefficients. Its condition number is 1.2e11, so a
    float64 solution is exact to 1e-6 at best, and differs between processors.
    """
    b, a = [Fraction(value) for value in NUMERATOR], [Fraction(value) for value in DENOMINATOR]
    order = len(a) - 1
    rows = [[Fraction(int(i == j)) for j in range(order)] + [b[i + 1] - a[i + 1] * b[0]] for i in range(order)]
    for i in range(order):
        rows[i][0] += a[i + 1]
        if i + 1 < order:
            rows[i][i + 1] -= 1
    for column in range(order):
        pivot = next(row for row in range(column, order) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(order):
            if row != column and rows[row][column]:
                factor = rows[row][column]
                rows[row] = [value - factor * other for value, other in zip(rows[row], rows[column], strict=True)]
    return tuple(row[order] for row in rows)


def _extended(value: Fraction) -> np.longdouble:
    high = float(value)
    return np.longdouble(high) + np.longdouble(float(value - Fraction(high)))


def highpass(samples: NDArray[np.float32]) -> Exact:
    """The zero-phase high-pass of docs/spec/06 §6.4, exact to longdouble.

    Args:
        samples: float32 (N,), N > 18, the golden's `audio16k`. Its odd extension is formed in float32, as specified.
    Returns:
        longdouble (N,).
    """
    left = 2 * samples[:1] - samples[EDGE:0:-1]
    right = 2 * samples[-1:] - samples[-2 : -EDGE - 2 : -1]
    extended = np.concatenate([left, samples, right]).astype(np.longdouble)
    b, a = np.array(NUMERATOR, np.longdouble), np.array(DENOMINATOR, np.longdouble)
    state = np.array([_extended(value) for value in filter_state()])
    for _ in range(2):
        extended = signal.lfilter(b, a, extended, zi=state * extended[0])[0][::-1]
    return np.asarray(extended[EDGE:-EDGE])


def quiet_profile(highpassed: NDArray[np.float64]) -> Exact:
    """The sum of |x| over samples n-80 … n+79: docs/spec/06 §6.5; float64 (N,) → longdouble (N,)."""
    edge = np.abs(np.pad(highpassed, WINDOW // 2, mode="reflect")).astype(np.longdouble)
    total = np.concatenate([np.zeros(1, np.longdouble), np.cumsum(edge)])
    return np.asarray((total[WINDOW:] - total[:-WINDOW])[: len(highpassed)])


def fill(track: Array) -> Exact:
    """Unvoiced frames filled linearly from their voiced neighbors: docs/spec/03; float (P,) → longdouble (P,)."""
    exact = track.astype(np.longdouble)
    voiced = np.flatnonzero(track > 0)
    if not voiced.size:
        return exact
    exact[: voiced[0]], exact[voiced[-1] + 1 :] = exact[voiced[0]], exact[voiced[-1]]
    for first, last in itertools.pairwise(voiced):
        steps = np.arange(1, last - first, dtype=np.longdouble)
        exact[first + 1 : last] = exact[first] + (exact[last] - exact[first]) * steps / (last - first)
    return exact


def _guard(case: Case) -> Mapping[str, Exact]:
    raw = case["audio16k.raw"].astype(np.longdouble)
    return {"audio16k": raw / max(np.abs(raw).max() / np.longdouble(0.95), np.longdouble(1))}


def _highpass(case: Case) -> Mapping[str, Exact]:
    return {"highpassed": highpass(case["audio16k"])}


def _quiet(case: Case) -> Mapping[str, Exact]:
    return {"quiet.profile": quiet_profile(case["highpassed"])}


def _padded(case: Case) -> Mapping[str, Exact]:
    width = (len(case["padded"]) - len(case["highpassed"])) // 2
    return {"padded": np.pad(case["highpassed"].astype(np.longdouble), width, mode="reflect")}


def _filled(case: Case) -> Mapping[str, Exact]:
    return {"f0.filled": fill(case["f0.raw"][: len(case["f0.filled"])])}


def _segment_audio(case: Case) -> Mapping[str, Exact]:
    exact = {}
    for prefix in stages.prefixes_of(case):
        number = stages.index_of(prefix)
        start = int(case["segment.cuts"][number - 1]) // stages.FRAME * stages.FRAME if number else 0
        length = case[f"{prefix}audio"].shape[1]
        exact[f"{prefix}audio"] = case["padded"][None, start : start + length].astype(np.longdouble)
    return exact


# Stages whose result is a formula of their inputs; a stage is left out of a case that does not have it.
FORMULAS: dict[str, Formula] = {
    "audio16k": _guard,
    "highpassed": _highpass,
    "quiet.profile": _quiet,
    "padded": _padded,
    "f0.filled": _filled,
    "audio": _segment_audio,
}


def results(case: Case) -> dict[str, Array]:
    """The exact results of one offline golden, each rounded once to the dtype of the golden's tensor.

    Raises:
        ParityError: this machine's longdouble is no wider than float64.
    """
    if np.finfo(np.longdouble).nmant < MANTISSA:
        raise ParityError(
            f"longdouble has {np.finfo(np.longdouble).nmant} bits of mantissa on this machine, expected {MANTISSA} at "
            "least; measure exact arithmetic on an x86-64 processor"
        )
    if case.facts.blocks:
        return {}
    exact: dict[str, Array] = {}
    for local, formula in FORMULAS.items():
        if local in case or f"seg0.{local}" in case:
            exact |= {name: value.astype(case[name].dtype) for name, value in formula(case).items()}
    return exact


def distances(goldens: Path, in_force: limits.Limits) -> list[Distance]:
    """The largest distance of every formula and metric over all goldens, beside its limit.

    Raises:
        UsageError: there is no golden below `goldens`.
    """
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    cases: dict[str, set[str]] = {}
    for case in _cases(goldens):
        for name, metric, value in spread.values(case, results(case), Mode.ISOLATED):
            tensor = spread.entry_name(name)
            cases.setdefault(tensor, set()).add(case.name)
            worst[tensor, metric] = max(worst.get((tensor, metric), (-1.0, "")), (value, case.name))
    return [
        Distance(tensor, metric, value, _limit(tensor, metric, in_force), case, len(cases[tensor]))
        for (tensor, metric), (value, case) in worst.items()
    ]


def _limit(tensor: str, metric: str, in_force: limits.Limits) -> float:
    return in_force.find(limits.any_name(tensor), Mode.ISOLATED, metric, False).limit


def _cases(goldens: Path) -> Iterator[Case]:
    folders = store.cases(goldens)
    if not folders:
        raise UsageError(f"there is no case below {goldens}; give the folder of goldens")
    for folder in folders:
        yield store.open_case(folder)


def write_traces(goldens: Path, folder: Path) -> int:
    """Write the exact results as the variant `exact` for `rvc-parity spread`; returns the number of cases."""
    home = folder / VARIANT
    home.mkdir(parents=True, exist_ok=True)
    environment = {"arithmetic": "longdouble, filter state in rational numbers", "bits": np.finfo(np.longdouble).nmant}
    home.joinpath("about.json").write_text(json.dumps({"environment": environment}) + "\n", encoding="utf-8")
    count = 0
    for case in _cases(goldens):
        if exact := results(case):
            (home / case.name).mkdir(exist_ok=True)
            Trace(exact).write(home / case.name / "isolated.safetensors")
            count += 1
    return count


def report(goldens: Path, traces: Path | None = None) -> int:
    """Print the table of distances; returns 0 where every limit admits the exact result, else 1."""
    if traces is not None:
        print(f"{traces / VARIANT}: exact results of {write_traces(goldens, traces)} cases")
    rows = distances(goldens, limits.load())
    print(f"{'tensor':<16}{'metric':<14}{'distance':>10}{'limit':>10}  cases  farthest case")
    for row in rows:
        mark = "" if row.holds else "  LIMIT BELOW THE DISTANCE"
        print(
            f"{row.tensor:<16}{row.metric:<14}{row.distance:>10.3g}{row.limit:>10.3g}{row.cases:>7}  {row.case}{mark}"
        )
    failed = [row for row in rows if not row.holds]
    print(f"{len(rows) - len(failed)} of {len(rows)} limits admit the exact result")
    return int(bool(failed))
