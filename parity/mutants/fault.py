"""What a fault is, and the tools to lay one: attributes of modules, classes and networks replaced for a while."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from parity import stages
from parity.errors import ParityError
from parity.goldens.store import Case
from parity.rvc_bridge.offline import RvcTorch

Lay = Callable[[RvcTorch, Case], AbstractContextManager[Any]]
Needs = Callable[[Case], bool]


@dataclass(frozen=True)
class Fault:
    """One planted bug.

    stage  : who has to be blamed
    causes : the causes that name it rightly; empty where "unknown" is the honest answer
    needs  : what a case must have for the fault to make a difference
    also   : stages that share the faulty code, so that blaming them as well is right
    """

    name: str
    stage: str
    why: str
    lay: Lay
    needs: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@contextmanager
def replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """`holder.name` is `value` while the block runs."""
    own = name in vars(holder) if hasattr(holder, "__dict__") else True
    old = _there(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        if own:
            setattr(holder, name, old)
        else:
            delattr(holder, name)


def _there(holder: Any, name: str) -> Any:
    """What a fault is about to replace.  Raises ParityError where it is gone."""
    try:
        return getattr(holder, name)
    except AttributeError:
        where = getattr(holder, "__name__", type(holder).__name__)
        raise ParityError(f"{where} has no {name} any more, which a fault replaces; plant it anew") from None


def put(holder: Any, name: str, value: Any) -> Lay:
    """A fault that replaces one attribute by a value, which may be made from the right one by a function of it."""

    def lay(program: RvcTorch, case: Case) -> AbstractContextManager[Any]:
        right = _there(holder, name)
        return replaced(holder, name, value(right) if callable(value) and not callable(right) else value)

    return lay


def around(holder: Any, name: str, change: Callable[..., Any]) -> Lay:
    """A fault that calls `change(original, *arguments)` in place of a function or method."""

    def lay(program: RvcTorch, case: Case) -> AbstractContextManager[Any]:
        original = _there(holder, name)
        return replaced(holder, name, lambda *given, **named: change(original, *given, **named))

    return lay


def after(holder: Any, name: str, change: Callable[[Any], Any]) -> Lay:
    """A fault that changes what a function or method returns."""
    return around(holder, name, lambda original, *given, **named: change(original(*given, **named)))


def both(*faults: Lay) -> Lay:
    """Several changes that are one fault."""

    @contextmanager
    def lay(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for fault in faults:
                stack.enter_context(fault(program, case))
            yield

    return lay


def namespace(module: Any, **other: Any) -> SimpleNamespace:
    """A stand-in for a module such as torch.nn.functional, with some functions replaced."""
    return SimpleNamespace(**{**{name: getattr(module, name) for name in dir(module)}, **other})


def _peak(case: Case) -> float:
    return float(np.abs(case["audio16k.raw"]).max())


def _evenness(sound: Any) -> float:
    """The quietest twentieth of a second beside the loudest."""
    rows = np.asarray(sound[: len(sound) // 800 * 800], np.float64).reshape(-1, 800)
    loudness = np.sqrt(np.mean(rows**2, axis=1))
    return float(loudness.min() / max(loudness.max(), 1e-9))


def _gap(track: Any) -> bool:
    """Whether unvoiced frames lie between voiced ones of another pitch."""
    voiced = np.flatnonzero(track > 0)
    return bool(len(voiced)) and bool((track[voiced[0] : voiced[-1]] == 0).any())


NEEDS: dict[str, Needs] = {
    "loud": lambda case: _peak(case) > 0.96,
    "quiet": lambda case: 0.1 < _peak(case) < 0.9,
    "cut": lambda case: case.facts.segments > 1,
    "rmvpe": lambda case: case.facts.f0 and case.options.get("f0_method") == "rmvpe",
    "pm": lambda case: case.facts.f0 and case.options.get("f0_method") == "pm",
    "f0": lambda case: case.facts.f0,
    "fill": lambda case: (
        case.facts.f0 and case.facts.fill and bool((case["f0.raw"] == 0).any()) and bool((case["f0.raw"] > 0).any())
    ),
    "gap": lambda case: case.facts.f0 and _gap(case["f0.raw"]),
    "pause": lambda case: _evenness(case["audio16k.raw"]) < 0.05,
    "two seconds": lambda case: case.entry("audio16k.raw")["shape"][0] > 32000,
    "unvoiced": lambda case: case.facts.f0 and bool((case["f0.hz"] == 0).any()) and bool((case["f0.hz"] > 0).any()),
    "voiced": lambda case: case.facts.f0 and bool((case["f0.hz"] > 0).any()),
    "transposed": lambda case: case.facts.f0 and int(case.options.get("transpose", 0)) % 12 != 0,
    "index": lambda case: case.facts.index and 0 < float(case.options.get("index_rate", 0)) < 1,
    "long lists": lambda case: bool((case["seg0.retrieval.ids"] >= 0).all()),
    "protected": lambda case: (
        case.facts.index
        and case.facts.f0
        and float(case.options.get("protect", 1)) < 0.5
        and bool((case["f0.hz"] < 1).any())
        and bool((case["f0.hz"] > 0).any())
    ),
    "partly protected": lambda case: float(case.options.get("protect", 1)) > 0,
    "mix": lambda case: case.facts.mix,
    "partly mixed": lambda case: 0 < float(case.options.get("rms_mix_rate", 1)) < 1,
    "resample": lambda case: case.facts.resample,
    "v1": lambda case: case.voice["version"] == "v1",
    "v2": lambda case: case.voice["version"] == "v2",
    "speaker": lambda case: int(case.options.get("speaker", 0)) > 0,
    "no speaker": lambda case: int(case.options.get("speaker", 0)) == 0,
    "heard live": lambda case: float(np.abs(case["rt.0.in"]).max()) > 0.01,
    "voiced live": lambda case: case.facts.f0 and all(bool((hz > 0).any()) for hz in _tracks(case)),
    "transposed live": lambda case: int(case.options.get("transpose", 0)) % 12 != 0,
    "unevenly blended": lambda case: float(case.options.get("index_rate", 0)) != 0.5,
    "unevenly mixed": lambda case: float(case.options.get("rms_mix_rate", 1)) != 0.5,
    "formant": lambda case: bool(_live(case).get("formant")),
    "gate": lambda case: float(_live(case).get("input_gate_db", -60)) > -60,
    "output denoise": lambda case: bool(_live(case).get("output_denoise")),
    "input denoise": lambda case: bool(_live(case).get("input_denoise")),
    "vocoder": lambda case: bool(_live(case).get("phase_vocoder")),
    "fade": lambda case: not _live(case).get("phase_vocoder"),
    "resampled input": lambda case: int(_live(case).get("rate", 16000)) != 16000,
    "crepe": lambda case: case.facts.crepe,
    "fcpe": lambda case: case.facts.f0 and case.options.get("f0_method") == "fcpe",
    "harvest": lambda case: case.facts.f0 and case.options.get("f0_method") == "harvest",
    "heard": lambda case: _peak(case) > 0.01,
    "A": lambda case: case.facts.f0 and case.profile != "webui-classic",
}


def _live(case: Case) -> dict[str, Any]:
    return dict(case.options.get("realtime", {}))


def _tracks(case: Case) -> list[Any]:
    return [case[name] for name in case if name.endswith(".f0.hz")]


def fits(fault: Fault, case: Case) -> bool:
    """Whether a case has all that a fault needs; a stage of blocks is judged on a stream, any other on a file."""
    live = stages.stage_named(fault.stage) in stages.realtime()
    return live == bool(case.facts.blocks) and all(NEEDS[need](case) for need in fault.needs)


SLOW_PITCH = {"harvest": 4, "crepe": 4, "rmvpe": 2, "fcpe": 2}  # times the cost of the rest


def cost(case: Case) -> int:
    """Samples that the networks hear, weighed by the pitch method: what a run of this case costs."""
    names = [name for name in case if stages.TensorName.parse(name).local in ("audio", "padded", "input16k")]
    heard = sum(int(case.entry(name)["shape"][-1]) for name in names)
    return heard * (SLOW_PITCH.get(str(case.options.get("f0_method")), 1) if case.facts.f0 else 1)
