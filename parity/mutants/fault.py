"""What a fault is, and the tools to lay one: attributes of modules, classes and networks replaced for a while."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from parity import stages
from parity.candidates.rvc_torch import RvcTorch
from parity.store import Case

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
    old = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        if own:
            setattr(holder, name, old)
        else:
            delattr(holder, name)


def put(holder: Any, name: str, value: Any) -> Lay:
    """A fault that replaces one attribute by a value."""
    return lambda program, case: replaced(holder, name, value)


def around(holder: Any, name: str, change: Callable[..., Any]) -> Lay:
    """A fault that calls `change(original, *arguments)` in place of a function or method."""

    def lay(program: RvcTorch, case: Case) -> AbstractContextManager[Any]:
        original = getattr(holder, name)
        return replaced(holder, name, lambda *given, **named: change(original, *given, **named))

    return lay


def after(holder: Any, name: str, change: Callable[[Any], Any]) -> Lay:
    """A fault that changes what a function or method returns."""
    return around(holder, name, lambda original, *given, **named: change(original(*given, **named)))


def namespace(module: Any, **other: Any) -> SimpleNamespace:
    """A stand-in for a module such as torch.nn.functional, with some functions replaced."""
    return SimpleNamespace(**{**{name: getattr(module, name) for name in dir(module)}, **other})


def _peak(case: Case) -> float:
    return float(np.abs(case["audio16k.raw"]).max())


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
    "gap": lambda case: _gap(case["f0.raw"]),
    "two seconds": lambda case: case.entry("audio16k.raw")["shape"][0] > 32000,
    "unvoiced": lambda case: case.facts.f0 and bool((case["f0.hz"] == 0).any()) and bool((case["f0.hz"] > 0).any()),
    "voiced": lambda case: case.facts.f0 and bool((case["f0.hz"] > 0).any()),
    "transposed": lambda case: case.facts.f0 and int(case.options.get("transpose", 0)) % 12 != 0,
    "index": lambda case: case.facts.index and 0 < float(case.options.get("index_rate", 0)) < 1,
    "long lists": lambda case: bool((case["seg0.retrieval.ids"] >= 0).all()),
    "protected": lambda case: (
        case.facts.index
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
    "A": lambda case: case.facts.f0 and case.profile != "webui-classic",
}


def fits(fault: Fault, case: Case) -> bool:
    """Whether a case has all that a fault needs."""
    return all(NEEDS[need](case) for need in fault.needs)


def cost(case: Case) -> int:
    """Samples that the networks hear: what a run of this case costs."""
    return sum(case.entry(name)["shape"][-1] for name in case if stages.split(name)[1] in ("audio", "padded"))
