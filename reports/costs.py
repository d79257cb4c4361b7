"""Speed and memory as bars against their budgets, where the verdict brings them."""

from collections.abc import Iterator, Mapping
from typing import Any


def build(speed: Mapping[str, Any] | None, case: str = "") -> list[dict[str, Any]]:
    """Groups of bars for the template; none where nothing was measured."""
    return list(_groups(speed or {}))


def _groups(speed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from ()
