"""The name of a tensor as a value: its scope, the number of its segment or block, and its local name."""

import functools
import re
from dataclasses import dataclass, replace
from enum import StrEnum


class Scope(StrEnum):
    """What a stage runs on: the file, one segment of it, or one block of a realtime stream."""

    FILE = "file"
    SEGMENT = "segment"
    BLOCK = "block"


_SERIALIZED = {Scope.SEGMENT: "seg{}.", Scope.BLOCK: "rt.{}."}
_PREFIXED = re.compile(r"^(?:seg(?P<segment>\d+)|rt\.(?P<block>\d+))\.(?P<local>.*)$")


@dataclass(frozen=True)
class TensorName:
    """The parsed form of a name such as `audio16k`, `seg0.flow.z` or `rt.3.f0.hz`.

    Attributes:
        scope: Where the tensor belongs.
        index: The number of its segment or block, counted from 0; 0 for a tensor of the file.
        local: The name without its prefix, as the stage table lists it: `flow.z`.
    """

    scope: Scope
    index: int
    local: str

    @staticmethod
    def parse(name: str) -> "TensorName":
        """The parts of a full name. Any text without the prefix of a segment or block is a name of the file."""
        return _parse(name)

    @property
    def prefix(self) -> str:
        """ "" for the file, "seg0." for a segment, "rt.3." for a block."""
        return prefix(self.scope, self.index)

    @property
    def unnumbered(self) -> str:
        """The name without the number of its segment or block: `flow.z`, or `rt.flow.z` for a tensor of a stream."""
        return f"rt.{self.local}" if self.scope is Scope.BLOCK else self.local

    def sibling(self, local: str) -> "TensorName":
        """The tensor `local` of the same segment or block."""
        return replace(self, local=local)

    def __str__(self) -> str:
        return self.prefix + self.local


@functools.lru_cache(maxsize=1 << 16)
def _parse(name: str) -> TensorName:
    match = _PREFIXED.match(name)
    if match is None:
        return TensorName(Scope.FILE, 0, name)
    if match["segment"] is not None:
        return TensorName(Scope.SEGMENT, int(match["segment"]), match["local"])
    return TensorName(Scope.BLOCK, int(match["block"]), match["local"])


def prefix(scope: Scope, index: int = 0) -> str:
    """The text in front of the local names of one segment or block; "" for the file."""
    return _SERIALIZED[scope].format(index) if scope in _SERIALIZED else ""


def scope_of(prefix: str) -> Scope:
    """The scope of a prefix: SEGMENT for "seg0.", BLOCK for "rt.3.", FILE for ""."""
    return TensorName.parse(prefix).scope


def index_of(prefix: str) -> int:
    """The number in a prefix: 3 for "rt.3.", 0 for ""."""
    return TensorName.parse(prefix).index
