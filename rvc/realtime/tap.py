"""Taps of a stream: callables that receive every intermediate tensor of docs/spec/00 §0.4 under `rt.{block}.{name}`."""

from __future__ import annotations

from rvc.trace import T, Tap, no_tap

__all__ = ["Tap", "for_block", "no_tap"]


def for_block(tap: Tap, block: int) -> Tap:
    """A tap for one block that adds the prefix `rt.{block}.` to each name before it calls `tap`."""
    if tap is no_tap:
        return no_tap

    def prefixed(name: str, value: T, /) -> T:
        return tap(f"rt.{block}.{name}", value)

    return prefixed
