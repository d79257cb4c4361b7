"""Patches: replacements for attributes of modules, classes and loaded networks that last for one `with` block."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

from parity.errors import ParityError
from parity.goldens.store import Case
from parity.rvc_bridge.rvc_torch import RvcTorch

Apply = Callable[[RvcTorch, Case], AbstractContextManager[None]]
Original = Callable[..., Any]  # the function or method that a patch replaces
Change = tuple[Any, str, Any]  # holder, attribute, new value
Changes = Callable[[Any], Iterable[Change]]  # a loaded network → the changes of it


class Network(Enum):
    """A network that is loaded for a case."""

    VOICE = "the voice's networks"
    HUBERT = "HuBERT"
    RMVPE = "rmvpe"
    FCPE = "fcpe"


@dataclass(frozen=True)
class Patch:
    """What one fault replaces.

    Attributes:
        apply: takes the program and the case; the replacement lasts while its context is open.
        targets: (holder, attribute) of every module or class that is changed.
        networks: the changes in loaded networks, which exist only once a case's voice is loaded.
    """

    apply: Apply
    targets: tuple[tuple[Any, str], ...] = ()
    networks: tuple[tuple[Network, Changes], ...] = ()


_ABSENT = object()  # the value of an attribute that an instance does not have itself


@dataclass(eq=False)
class Replacement:
    """One replaced attribute.

    Attributes:
        holder, name: the attribute.
        right: its value without the fault.
        other: the value that is not in place: the right one while the replacement is active.
    """

    holder: Any
    name: str
    right: Any
    other: Any

    def exchange(self) -> None:
        """Exchange the value in place and the other one."""
        present = _own_value(self.holder, self.name)
        if self.other is _ABSENT:
            delattr(self.holder, self.name)
        else:
            setattr(self.holder, self.name, self.other)
        self.other = present


def _own_value(holder: Any, name: str) -> Any:
    """The value of an attribute; `_ABSENT` where an instance only inherits it from its class."""
    descriptor = inspect.getattr_static(type(holder), name, None)
    if not hasattr(holder, "__dict__") or hasattr(descriptor, "__set__"):
        return getattr(holder, name)
    return vars(holder).get(name, _ABSENT)


_active: list[Replacement] = []  # in the order in which they became active


@contextmanager
def replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Make `holder.name` be `value` while the block runs.

    Raises:
        ParityError: the holder has no such attribute.
    """
    replacement = Replacement(holder, name, existing(holder, name), value)
    replacement.exchange()
    _active.append(replacement)
    try:
        yield
    finally:
        _active.remove(replacement)
        replacement.exchange()


class Planted:
    """A patch that is active, and that can be made inactive for a while without losing what it keeps between calls.

    Attributes:
        replacements: what it replaces, in the order in which it became active.
    """

    def __init__(self, replacements: tuple[Replacement, ...] = ()) -> None:
        self.replacements = replacements
        self._paused = False

    @property
    def is_active(self) -> bool:
        """Whether there is a patch that is active now."""
        return bool(self.replacements) and not self._paused

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Make the patch inactive while the block runs."""
        if self._paused:
            yield
            return
        self._paused = True
        for replacement in reversed(self.replacements):
            replacement.exchange()
        try:
            yield
        finally:
            for replacement in self.replacements:
                replacement.exchange()
            self._paused = False


@contextmanager
def planted(patch: Patch, program: RvcTorch, case: Case) -> Iterator[Planted]:
    """Make a patch active while the block runs."""
    before = len(_active)
    with patch.apply(program, case):
        yield Planted(tuple(_active[before:]))


def existing(holder: Any, name: str) -> Any:
    """The attribute that a patch is about to replace.

    Raises:
        ParityError: the holder has no such attribute; it was renamed or removed in `rvc`.
    """
    try:
        return getattr(holder, name)
    except AttributeError:
        where = getattr(holder, "__name__", type(holder).__name__)
        raise ParityError(
            f"a fault replaces {name} of {where}, which does not exist; adapt the fault in parity/mutants/catalog"
        ) from None


def put(holder: Any, name: str, value: Any) -> Patch:
    """Replace one attribute by a value.

    A function given for an attribute that is no function computes the new value from the original one.
    """

    def apply(program: RvcTorch, case: Case) -> AbstractContextManager[None]:
        right = existing(holder, name)
        return replaced(holder, name, value(right) if callable(value) and not callable(right) else value)

    return Patch(apply, ((holder, name),))


def around(holder: Any, name: str, change: Callable[..., Any]) -> Patch:
    """Replace a function or method by one that calls `change(original, *arguments)`."""

    def apply(program: RvcTorch, case: Case) -> AbstractContextManager[None]:
        original = existing(holder, name)
        return replaced(holder, name, lambda *args, **kwargs: change(original, *args, **kwargs))

    return Patch(apply, ((holder, name),))


def after(holder: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """Replace a function or method by one that returns `change(result)`."""
    return around(holder, name, lambda original, *args, **kwargs: change(original(*args, **kwargs)))


def both(*patches: Patch) -> Patch:
    """Several patches that make up one fault."""

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch.apply(program, case))
            yield

    return Patch(
        apply,
        tuple(target for patch in patches for target in patch.targets),
        tuple(network for patch in patches for network in patch.networks),
    )


def namespace(module: Any, **other: Any) -> SimpleNamespace:
    """A substitute for a module such as torch.nn.functional, with some of its functions replaced."""
    return SimpleNamespace(**{**{name: getattr(module, name) for name in dir(module)}, **other})


def in_voice(changes: Changes) -> Patch:
    """Replace attributes of the loaded voice; `changes` yields (holder, attribute, value)."""

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for holder, name, value in list(changes(program.voice(case).synthesizer)):
                stack.enter_context(replaced(holder, name, value))
            yield

    return Patch(apply, networks=((Network.VOICE, changes),))


def in_hubert(changes: Changes) -> Patch:
    """Replace attributes of the loaded HuBERT; a stream holds one of its own, loaded for low latency."""

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        with program.voice(case).borrow_hubert() as of_files, ExitStack() as stack:
            network = program.stream(case).models.hubert if case.facts.blocks else of_files
            for holder, name, value in list(changes(network)):
                stack.enter_context(replaced(holder, name, value))
            yield

    return Patch(apply, networks=((Network.HUBERT, changes),))


def in_f0_network(network: Network, changes: Changes) -> Patch:
    """Replace attributes of the loaded network of an F0 method."""

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for holder, name, value in list(changes(program.voice(case).f0_network(network.value))):
                stack.enter_context(replaced(holder, name, value))
            yield

    return Patch(apply, networks=((network, changes),))
