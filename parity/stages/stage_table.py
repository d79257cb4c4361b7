"""The registry of stages: what is registered, and what follows from it (names, flow order, inputs, dependencies).

`register` adds a stage and `register_input` an input of the conversion. Everything else is derived from these entries.
"""

from collections.abc import Iterable
from typing import NamedTuple

from parity.stages.stage import Earlier, Fact, Facts, Read, Stage, Tensor
from parity.stages.tensor_name import Scope, TensorName, index_of, prefix, scope_of


class _Row(NamedTuple):
    tensor: Tensor
    stage: Stage | None  # None for an input of the conversion


_STAGES: list[Stage] = []
_INPUTS: dict[Scope, list[Tensor]] = {scope: [] for scope in Scope}
_ROWS: dict[Scope, dict[str, _Row]] = {scope: {} for scope in Scope}


def register(stage: Stage, after: str | None = None) -> Stage:
    """Add a stage to the table.

    Args:
        stage: The stage; its name and the names of its tensors must be new in its scope.
        after: The name of the stage that precedes it in the flow; None appends it.
    Returns:
        The stage.
    Raises:
        ValueError: A stage or tensor of that name is registered already, or there is no stage `after`.
    """
    names = [other.name for other in _STAGES]
    taken = [tensor.name for tensor in stage.makes if tensor.name in _ROWS[stage.scope]]
    if stage.name in names or taken:
        raise ValueError(f"{stage.name} or one of its tensors {taken} is registered already")
    if after is not None and after not in names:
        raise ValueError(f"there is no stage {after!r} that {stage.name} could follow")
    _STAGES.insert(len(_STAGES) if after is None else names.index(after) + 1, stage)
    _ROWS[stage.scope] |= {tensor.name: _Row(tensor, stage) for tensor in stage.makes}
    return stage


def unregister(stage: Stage) -> None:
    """Remove a stage that `register` added, for tests."""
    _STAGES.remove(stage)
    for tensor in stage.makes:
        del _ROWS[stage.scope][tensor.name]


def register_input(scope: Scope, tensor: Tensor) -> Tensor:
    """Add an input of the conversion (the audio, a draw of noise), which no stage makes; returns it."""
    _INPUTS[scope].append(tensor)
    _ROWS[scope][tensor.name] = _Row(tensor, None)
    return tensor


def offline() -> tuple[Stage, ...]:
    """The stages of a file's conversion, in flow order."""
    return tuple(stage for stage in _STAGES if stage.scope is not Scope.BLOCK)


def realtime() -> tuple[Stage, ...]:
    """The stages of a block of a realtime stream, in flow order."""
    return tuple(stage for stage in _STAGES if stage.scope is Scope.BLOCK)


def every() -> tuple[Stage, ...]:
    """All stages: those of a file, then those of a stream."""
    return offline() + realtime()


def stage_named(name: str) -> Stage | None:
    """The stage of that name, None where there is none."""
    return next((stage for stage in _STAGES if stage.name == name), None)


def _row(name: str) -> _Row:
    parsed = TensorName.parse(name)
    return _ROWS[parsed.scope][parsed.local]


def is_known(name: str) -> bool:
    """Whether the table has a tensor of this full name."""
    parsed = TensorName.parse(name)
    return parsed.local in _ROWS[parsed.scope]


def tensor(name: str) -> Tensor:
    """The row of a full name such as `seg0.flow.z`; raises KeyError for a name that the table lacks."""
    return _row(name).tensor


def stage_of(name: str) -> Stage | None:
    """The stage that makes the tensor; None for an input of the conversion. Raises KeyError for an unknown name."""
    return _row(name).stage


def is_input(name: str) -> bool:
    """Whether the tensor is an input of the conversion: the audio, or a draw of noise."""
    return stage_of(name) is None


def names(prefixes: Iterable[str]) -> list[str]:
    """Every full name that a stage makes, in flow order, for prefixes such as "seg0." or "rt.3."."""
    return [prefix + row.name for stage, prefix in walk(prefixes) for row in stage.makes]


def walk(prefixes: Iterable[str]) -> list[tuple[Stage, str]]:
    """Each stage with each prefix it runs under, in flow order; the stages of one segment stay together."""
    ordered = sorted(prefixes, key=index_of)
    segments = [prefix for prefix in ordered if scope_of(prefix) is Scope.SEGMENT]
    blocks = [prefix for prefix in ordered if scope_of(prefix) is Scope.BLOCK]
    stages = offline()
    per_segment = [stage for stage in stages if stage.scope is Scope.SEGMENT]
    first = stages.index(per_segment[0])
    of_file = bool(segments) or not blocks
    before = [(stage, "") for stage in stages[:first]]
    after = [(stage, "") for stage in stages[first:] if stage.scope is Scope.FILE]
    within = [(stage, prefix) for prefix in segments for stage in per_segment]
    streamed = [(stage, prefix) for prefix in blocks for stage in realtime()]
    return (before + within + after if of_file else []) + streamed


def prefixes_of(present: Iterable[str]) -> list[str]:
    """The prefixes that occur in a collection of names, in the order of their numbers."""
    return sorted({TensorName.parse(name).prefix for name in present} - {""}, key=index_of)


def expected(facts: Facts) -> list[str]:
    """The full names that a recording with these facts must hold, the inputs of the conversion first.

    A recording of stages alone must hold what they make, and the inputs of the conversion that they read.
    """
    prefixes = [prefix(Scope.SEGMENT, number) for number in range(facts.segments)]
    prefixes += [prefix(Scope.BLOCK, number) for number in range(facts.blocks)]
    steps = [(stage, place) for stage, place in walk(prefixes) if facts.has_stage(stage)]
    made = [place + row.name for stage, place in steps for row in stage.makes if facts.require(row)]
    inputs = [row.name for row in _INPUTS[Scope.FILE] if (facts.segments or facts.isolated) and facts.require(row)]
    for place in prefixes:
        inputs += [place + row.name for row in _INPUTS[scope_of(place)] if facts.require(row)]
    if facts.isolated:
        read = {name for stage, place in steps for name in reads(stage, place, inputs)}
        inputs = [name for name in inputs if name in read]
    return inputs + made


def reads(stage: Stage, prefix: str, present: Iterable[str]) -> list[str]:
    """The full names that a stage reads under `prefix`, as far as they are `present`; of all segments for a join.

    The tensors of earlier blocks are named in time order.
    """
    available = set(present)
    addresses: list[str] = []
    for read in stage.reads:
        if isinstance(read, Earlier):
            addresses += [name for name in _of_earlier_blocks(read, prefix) if name in available]
            continue
        for local in alternatives(read):
            if here := _addresses(local, stage, prefix, available):
                addresses += here
                break
    return addresses


def lacks_without_f0(stage: Stage, read: Read) -> bool:
    """Whether a stage that every voice has gets this input for voices with F0 only."""
    if not isinstance(read, str) or all(Fact.F0 in row.needs for row in stage.makes):
        return False
    return any(Fact.F0 in row.needs for other in every() for row in other.makes if row.name == read)


def alternatives(read: Read) -> tuple[str, ...]:
    """The local names of which the first that exists is read."""
    if isinstance(read, Earlier):
        return (read.local,)
    return (read,) if isinstance(read, str) else read


def _of_earlier_blocks(read: Earlier, place: str) -> list[str]:
    block = index_of(place)
    first = 0 if read.all_blocks else max(block - 1, 0)
    return [prefix(Scope.BLOCK, number) + read.local for number in range(first, block)]


def misplaced_reads() -> list[str]:
    """A sentence for each input of a stage that no stage makes before it; empty for a correct table."""
    made = {(scope, row.name) for scope, rows in _INPUTS.items() for row in rows}
    all_of_block = {row.name for stage in realtime() for row in stage.makes} | {
        row.name for row in _INPUTS[Scope.BLOCK]
    }
    sentences = []
    for stage in every():
        for read in stage.reads:
            for local in alternatives(read):
                if isinstance(read, Earlier):
                    known = stage.scope is Scope.BLOCK and local in all_of_block
                else:
                    scopes = (Scope.BLOCK,) if stage.scope is Scope.BLOCK else (Scope.FILE, Scope.SEGMENT)
                    known = any((scope, local) in made for scope in scopes)
                if not known:
                    sentences.append(f"{stage.name} reads {local}, which no stage before it makes")
        made |= {(stage.scope, row.name) for row in stage.makes}
    return sentences


def _addresses(local: str, stage: Stage, place: str, available: set[str]) -> list[str]:
    if place + local in available:
        return [place + local]
    if stage.scope is Scope.FILE and local in _ROWS[Scope.SEGMENT]:
        numbered = (prefix(Scope.SEGMENT, number) + local for number in range(len(available)))
        return [name for name in numbered if name in available]
    return [local] if local in available else []


def upstream(name: str, present: Iterable[str]) -> set[str]:
    """Every present tensor that `name` depends on, directly or through others."""
    available, sources, todo = set(present), set[str](), [name]
    while todo:
        current = todo.pop()
        stage = stage_of(current)
        if stage is None:
            continue
        new = set(reads(stage, TensorName.parse(current).prefix, available)) - sources
        sources |= new
        todo += new
    return sources
