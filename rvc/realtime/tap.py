"""Taps of a stream: every name of docs/spec/00 §0.4 under `rt.{block}.`."""

from __future__ import annotations

from rvc.trace import T, Tap, no_tap

__all__ = ["Tap", "no_tap", "within"]


def within(tap: Tap, block: int) -> Tap:
    """A tap for one block: it takes names without the prefix `rt.{block}.`."""
    if tap is no_tap:
        return no_tap

    def prefixed(name: str, value: T, /) -> T:
        return tap(f"rt.{block}.{name}", value)

    return prefixed
