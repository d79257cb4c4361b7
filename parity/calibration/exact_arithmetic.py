"""The distance of each golden from exact arithmetic, for the stages that are a formula and not a network.

No limit may lie below the golden's own distance from the exact result: otherwise an implementation that is more exact
than the original fails. `rvc-parity exact` measures the distances and compares them with the limits in force;
`--traces FOLDER` writes the exact results as a variant of the original, which `rvc-parity spread --keep FOLDER` adds to
the measured spread.

Each formula is the one of docs/spec/03 and 06 in extended precision: the initial state of the high-pass filter in
rational numbers, the resampler by its weights (parity/calibration/exact_resampling.py), the speaker by the drawn row of
the checkpoint, everything else in numpy's longdouble (64 bits of mantissa on x86-64), rounded once to the dtype of the
golden's tensor. Isolated, each reads the golden's own inputs. Chained, each reads the exact results before it, from the
decoded file on; a pitch method without a network is its library (Praat, WORLD) on the exact audio, so that its limit in
a chain admits what the exact filter does to it.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from parity import stages
from parity.calibration import exact_resampling, spread
from parity.errors import ParityError, UsageError
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.judge import limits, metrics
from parity.judge.states import Mode
from parity.stages import TensorKind
from parity.voices import synthesizer

Exact = NDArray[np.longdouble]
Formula = Callable[[Case, Mapping[str, Array]], Mapping[str, Exact]]  # the golden, and what the stage reads
Tracker = Callable[[NDArray[np.float64], int], Array]  # audio at 16 kHz, filter radius → F0 in Hz

MANTISSA = 63  # least bits of longdouble's mantissa that count as extended precision; 52 is that of float64
EDGE = 18  # samples of odd extension at each end: docs/spec/06 §6.4
QUIETEST = 1e-6  # least loudness of the voice in the mix: docs/spec/06 §6.7
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
    """The largest distance of the goldens from exact arithmetic, of one tensor, mode and metric, beside its limit."""

    tensor: str
    mode: Mode
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


def envelope(samples: Array, hop: int, length: int) -> Exact:
    """Loudness over 2·`hop` samples, every `hop` samples, resized to `length` values: docs/spec/06 §6.7.

    Args:
        samples: float (N,).
        hop: samples between two values.
        length: number of values of the result.
    Returns:
        longdouble (length,).
    """
    padded = np.pad(samples.astype(np.longdouble), hop)
    windows = [padded[at * hop : (at + 2) * hop] for at in range(1 + len(samples) // hop)]
    values = np.array([np.sqrt((window * window).mean()) for window in windows])
    position = np.clip(
        (np.arange(length, dtype=np.longdouble) + np.longdouble(0.5)) * len(values) / length - np.longdouble(0.5),
        0,
        len(values) - 1,
    )
    left = np.minimum(position.astype(np.int64), len(values) - 1)
    part = position - left
    return np.asarray(values[left] * (1 - part) + values[np.minimum(left + 1, len(values) - 1)] * part)


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


def _guard(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    raw = reads["audio16k.raw"].astype(np.longdouble)
    return {"audio16k": raw / max(np.abs(raw).max() / np.longdouble(0.95), np.longdouble(1))}


def _highpass(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    return {"highpassed": highpass(reads["audio16k"])}


def _quiet(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    return {"quiet.profile": quiet_profile(reads["highpassed"])}


def _padded(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    width = (len(case["padded"]) - len(reads["highpassed"])) // 2
    return {"padded": np.pad(reads["highpassed"].astype(np.longdouble), width, mode="reflect")}


def _filled(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    return {"f0.filled": fill(reads["f0.raw"][: len(case["f0.filled"])])}


def _segment_audio(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    exact = {}
    for prefix in stages.prefixes_of(case):
        number = stages.index_of(prefix)
        start = int(case["segment.cuts"][number - 1]) // stages.FRAME * stages.FRAME if number else 0
        length = case[f"{prefix}audio"].shape[1]
        exact[f"{prefix}audio"] = reads["padded"][None, start : start + length].astype(np.longdouble)
    return exact


def _trimmed(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    pad = round(float(case.options["window"][0]) * int(case.voice["rate"]))
    return {
        f"{prefix}waveform.segment": reads[f"{prefix}waveform.segment.full"][pad:-pad].astype(np.longdouble)
        for prefix in stages.prefixes_of(case)
    }


def _joined(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    pieces = [reads[f"{prefix}waveform.segment"].astype(np.longdouble) for prefix in stages.prefixes_of(case)]
    return {"waveform.concat": np.concatenate(pieces)}


def _mixed(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    rate, mix = int(case.voice["rate"]), np.longdouble(case.options["rms_mix_rate"])
    wave = reads["waveform.concat"].astype(np.longdouble)
    own = np.maximum(envelope(wave, rate // 2, len(wave)), np.longdouble(QUIETEST))
    return {"waveform.rmsmixed": wave * envelope(reads["highpassed"], 8000, len(wave)) ** (1 - mix) * own ** (mix - 1)}


def _resampled(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    before = next(name for name in ("waveform.rmsmixed", "waveform.concat") if name in reads)
    rates = int(case.voice["rate"]), int(case.options["resample_rate"])
    return {"waveform.resampled": exact_resampling.resampled(reads[before], *rates)}


def _speaker(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    row = synthesizer.speaker(str(case.voice["kind"]), int(case.options.get("speaker", 0)))
    exact = row.astype(np.longdouble)[None, :, None]
    return {f"{prefix}spk.g": exact for prefix in stages.prefixes_of(case)}


def _integers(case: Case, reads: Mapping[str, Array]) -> Mapping[str, Exact]:
    before = next(name for name in ("waveform.resampled", "waveform.rmsmixed", "waveform.concat") if name in reads)
    wave = reads[before].astype(np.longdouble)
    guard = max(np.abs(wave).max() / np.longdouble(0.99), np.longdouble(1))
    return {"waveform.final": np.trunc(wave * (32768 / guard))}


# Stages whose result is a formula of their inputs, in flow order; a stage is left out of a case that does not have it.
FORMULAS: dict[str, Formula] = {
    "audio16k": _guard,
    "highpassed": _highpass,
    "quiet.profile": _quiet,
    "padded": _padded,
    "f0.filled": _filled,
    "audio": _segment_audio,
    "waveform.segment": _trimmed,
    "waveform.concat": _joined,
    "spk.g": _speaker,
    "waveform.rmsmixed": _mixed,
    "waveform.resampled": _resampled,
    "waveform.final": _integers,
}
# Up to here a chain contains no network, so that the exact results of one stage are inputs of the next.
BEFORE_NETWORKS = ("audio16k", "highpassed", "quiet.profile", "padded", "f0.filled", "audio")


def _harvest(audio: NDArray[np.float64], radius: int) -> Array:
    import pyworld  # an optional library

    track, times = pyworld.harvest(audio, 16000, f0_floor=50.0, f0_ceil=1100.0, frame_period=10.0)
    refined = pyworld.stonemask(audio, track, times, 16000)
    return np.asarray(signal.medfilt(refined, 3) if radius > 2 else refined)


def _praat(audio: NDArray[np.float64], radius: int) -> Array:
    import parselmouth  # an optional library

    pitch = parselmouth.Sound(audio, 16000).to_pitch_ac(
        time_step=0.01, voicing_threshold=0.6, pitch_floor=50.0, pitch_ceiling=1100.0
    )
    track = pitch.selected_array["frequency"]
    missing = max(0, len(audio) // stages.FRAME - len(track))
    return np.pad(track, ((missing + 1) // 2, missing - (missing + 1) // 2))


# Pitch methods without a network: docs/spec/03 §3.2 and §3.3.
TRACKERS: dict[str, Tracker] = {"harvest": _harvest, "pm": _praat}


def results(case: Case) -> dict[str, Array]:
    """The exact results of one offline golden on its own inputs, each rounded once to the dtype of its tensor.

    Raises:
        ParityError: this machine's longdouble is no wider than float64.
    """
    _refuse_narrow_longdouble()
    exact: dict[str, Array] = {}
    for local, formula in FORMULAS.items():
        if _has(case, local):
            exact |= _rounded(case, formula, case)
    return exact


def chained_results(case: Case) -> dict[str, Array]:
    """The exact results of one offline golden from its decoded file on, up to the networks.

    Raises:
        ParityError: this machine's longdouble is no wider than float64.
    """
    _refuse_narrow_longdouble()
    exact: dict[str, Array] = {}
    if case.facts.isolated:  # such a golden holds no conversion
        return exact
    tracker = TRACKERS.get(str(case.options.get("f0_method"))) if "f0.raw" in case else None
    for local in BEFORE_NETWORKS:
        if local == "f0.filled" and tracker is not None and "padded" in exact:
            audio = np.ascontiguousarray(exact["padded"], np.float64)
            exact["f0.raw"] = tracker(audio, int(case.options.get("filter_radius", 3)))[: len(case["f0.raw"])]
        if _has(case, local):
            exact |= _rounded(case, FORMULAS[local], {**case, **exact})
    return exact


def _has(case: Case, local: str) -> bool:
    name = local if local in case else f"seg0.{local}"
    stage = stages.stage_of(name) if name in case else None
    return stage is not None and not case.facts.blocks and case.facts.has_stage(stage)


def _rounded(case: Case, formula: Formula, reads: Mapping[str, Array]) -> dict[str, Array]:
    """The result of a formula in the golden's dtypes.

    A golden of single stages may lack what a stage reads, or hold a long tensor as projections; then there is none.
    """
    try:
        exact = formula(case, reads)
    except KeyError:
        return {}
    return {
        name: value.astype(case[name].dtype)
        for name, value in exact.items()
        if name in case and case[name].shape == value.shape
    }


def _refuse_narrow_longdouble() -> None:
    if np.finfo(np.longdouble).nmant < MANTISSA:
        raise ParityError(
            f"longdouble has {np.finfo(np.longdouble).nmant} bits of mantissa on this machine, expected {MANTISSA} at "
            "least; measure exact arithmetic on an x86-64 processor"
        )


def distances(goldens: Path, in_force: limits.Limits) -> list[Distance]:
    """The largest distance of every formula, mode and metric over all goldens, beside its smallest limit.

    Raises:
        UsageError: there is no golden below `goldens`.
    """
    worst: dict[tuple[str, Mode, str, bool], tuple[float, str]] = {}
    cases: dict[str, set[str]] = {}
    for case in _cases(goldens):
        network = limits.network_f0(case.options)
        for mode, exact in ((Mode.ISOLATED, results(case)), (Mode.CHAINED, chained_results(case))):
            for name, metric, value in spread.values(case, exact, mode):
                tensor = spread.entry_name(name)
                cases.setdefault(tensor, set()).add(case.name)
                key = tensor, mode, metric, network
                worst[key] = max(worst.get(key, (-1.0, "")), (value, case.name))
    rows: dict[tuple[str, Mode, str], Distance] = {}
    for (tensor, mode, metric, network), (value, name) in worst.items():
        limit = in_force.find(limits.any_name(tensor), mode, metric, network).limit
        row = Distance(tensor, mode, metric, value, limit, name, len(cases[tensor]))
        other = rows.get((tensor, mode, metric))
        if other is None or _share(row) > _share(other):
            rows[tensor, mode, metric] = row
    return list(rows.values())


def _share(row: Distance) -> float:
    """Distance over limit; a limit of 0 is exceeded by any distance."""
    return metrics.ratio(row.distance, row.limit) if row.distance else 0.0


def typed_without_formula(in_force: limits.Limits) -> list[str]:
    """The stages' float tensors of a file whose limit was typed and not measured, and that have no formula here."""
    names = []
    for stage in stages.offline():
        for row in stage.makes:
            limit = in_force.find(limits.any_name(row.name), Mode.ISOLATED, metrics.METRICS[row.kind][0], False)
            if row.name not in FORMULAS and row.kind is not TensorKind.DECISION and limit.spread is None:
                names.append(row.name)
    return names


def held_by_no_golden(names: Sequence[str], goldens: Path) -> list[str]:
    """The local names, of those given, that no golden holds: optional tensors, which two dumps may have."""
    held = {stages.TensorName.parse(name).local for case in _cases(goldens) for name in case}
    return [name for name in names if name not in held]


def _cases(goldens: Path) -> Iterator[Case]:
    folders = store.cases(goldens)
    if not folders:
        raise UsageError(f"there is no case below {goldens}; give the folder of goldens")
    for folder in folders:
        yield store.open_case(folder)


def write_traces(goldens: Path, folder: Path) -> int:
    """Write the exact results as the variant `exact` for `rvc-parity spread`; returns the number of cases."""
    home = folder / limits.EXACT
    home.mkdir(parents=True, exist_ok=True)
    environment = {"arithmetic": "longdouble, filter state in rational numbers", "bits": np.finfo(np.longdouble).nmant}
    home.joinpath("about.json").write_text(json.dumps({"environment": environment}) + "\n", encoding="utf-8")
    count = 0
    for case in _cases(goldens):
        if exact := results(case):
            (home / case.name).mkdir(exist_ok=True)
            Trace(exact).write(home / case.name / f"{Mode.ISOLATED}.safetensors")
            Trace(chained_results(case)).write(home / case.name / f"{Mode.CHAINED}.safetensors")
            count += 1
    return count


def report(goldens: Path, traces: Path | None = None) -> int:
    """Print the table of distances; returns 0 where every limit admits the exact result, else 1."""
    if traces is not None:
        print(f"{traces / limits.EXACT}: exact results of {write_traces(goldens, traces)} cases")
    in_force = limits.load()
    rows = distances(goldens, in_force)
    print(f"{'tensor':<18}{'mode':<10}{'metric':<14}{'distance':>10}{'limit':>10}  cases  farthest case")
    for row in rows:
        mark = "" if row.holds else "  LIMIT BELOW THE DISTANCE"
        print(
            f"{row.tensor:<18}{row.mode:<10}{row.metric:<14}{row.distance:>10.3g}{row.limit:>10.3g}{row.cases:>7}  "
            f"{row.case}{mark}"
        )
    failed = [row for row in rows if not row.holds]
    print(f"{len(rows) - len(failed)} of {len(rows)} limits admit the exact result")
    typed = typed_without_formula(in_force)
    unheld = held_by_no_golden(typed, goldens)
    rest = [name for name in typed if name not in unheld]
    print(f"typed limits of tensors without a formula: {', '.join(rest) or 'none'}")
    print(f"typed limits of tensors that no golden holds: {', '.join(unheld) or 'none'}")
    return int(bool(failed))
