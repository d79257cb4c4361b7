"""Faults that depend on earlier calls: buffers that are not cleared, not filled, or prepared at the first use."""

from parity.mutants.catalog.behavior.hooks import OFFLINE, REALTIME, Hook
from parity.mutants.fault import Fault
from parity.mutants.repeated_calls import (
    added_twice,
    after_the_first_call,
    every_second_call,
    first_call_of_each_length,
    garbage,
    stale_tail,
)


def _uncleared(hook: Hook) -> Fault:
    return Fault(
        f"uncleared-{hook.label}",
        hook.stage,
        f"a buffer is not cleared: from the second call on it holds {hook.remains:g} of the result before",
        after_the_first_call(hook.holder, hook.name, added_twice(hook.remains)),
        needs=hook.needs,
        causes=("gain", "offset", "another amplitude", "only the first call is right"),
        also=hook.also,
    )


def _second(hook: Hook) -> Fault:
    return Fault(
        f"second-{hook.label}",
        hook.stage,
        "two buffers are used in turn, and the second is a tenth too short",
        every_second_call(hook.holder, hook.name, stale_tail),
        needs=hook.needs,
        causes=("some calls are wrong", "only the first call is wrong"),
        also=hook.also,
    )


def _first(hook: Hook) -> Fault:
    return Fault(
        f"first-{hook.label}",
        hook.stage,
        "the first call of each length returns what memory happens to hold",
        first_call_of_each_length(hook.holder, hook.name, garbage),
        needs=hook.needs,
        causes=("only the first call is wrong",),
        also=hook.also,
    )


# A conversion joins its segments once, so that no second call shows a fault there. The stages of F0 compute each
# other's results, which are not compared, between their own turns, so that single calls of two of them never show. The
# generator of a segment embeds the speaker again.
ONCE, NEVER_SECOND, NEVER_FIRST = ("join",), ("join", "transpose", "speaker"), ("quantize", "transpose")

FAULTS = [
    *(_uncleared(hook) for hook in (*OFFLINE, *REALTIME) if hook.label not in ONCE),
    *(_second(hook) for hook in (*OFFLINE, *REALTIME) if hook.label not in NEVER_SECOND),
    *(_first(hook) for hook in OFFLINE if hook.label not in NEVER_FIRST),
]
