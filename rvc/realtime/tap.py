"""Listening to a stream: every name of docs/spec/00 §0.4 under `rt.{block}.`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tap = Callable[[str, Any], Any]


def unheard(name: str, value: Any) -> Any:
    """Nobody listens."""
    return value


def within(tap: Tap, block: int) -> Tap:
    """The tap for one block, whose names lack the prefix."""
    if tap is unheard:
        return unheard
    return lambda name, value: tap(f"rt.{block}.{name}", value)
