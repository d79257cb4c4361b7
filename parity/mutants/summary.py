"""The outcomes of a catalogue in figures: who was caught, who was blamed, what was suggested, and what was missed."""

from collections.abc import Sequence
from typing import Any

from parity.mutants.trial import Outcome, checks

SUBTLE, FINE = 1000.0, 100.0  # effects within so many times the limit
FINE_PER_STAGE = 3
TARGETS = {"killed": 1.0, "blamed": 0.95, "caused": 0.6, "subtle": 0.5}  # at least this share of all mutants
MISCAUSED = 0.05  # at most


def summary(found: Sequence[Outcome]) -> dict[str, Any]:
    """mutants, killed, blamed, caused and the like, and the lists of names behind them."""
    used = {check for outcome in found for check in outcome.needed}
    fine: dict[str, int] = {}
    for outcome in found:
        fine.setdefault(outcome.stage, 0)
        fine[outcome.stage] += within(outcome, FINE)
    return {
        "mutants": len(found),
        "killed": sum(o.killed for o in found),
        "blamed": sum(o.blamed for o in found),
        "caused": sum(o.right for o in found),
        "miscaused": sum(o.wrong for o in found),
        "subtle": sum(within(o, SUBTLE) for o in found),
        "fine_by_stage": fine,
        "survivors": [o.name for o in found if not o.killed],
        "misblamed": [o.name for o in found if o.killed and not o.blamed],
        "wrong_causes": [o.name for o in found if o.wrong],
        "idle_checks": [check for check in checks() if check not in used],
    }


def within(outcome: Outcome, times: float) -> bool:
    """Whether a fault's effect is so small."""
    return outcome.effect is not None and outcome.effect <= times


def missed(found: dict[str, Any]) -> list[str]:
    """The targets that a whole catalogue does not meet, one sentence each."""
    count = max(found["mutants"], 1)
    said = [
        f"{found[key]} of {count} mutants are {key}, expected {share:.0%} at least"
        for key, share in TARGETS.items()
        if found[key] < share * count
    ]
    if found["miscaused"] > MISCAUSED * count:
        said.append(f"{found['miscaused']} of {count} causes are wrong, expected {MISCAUSED:.0%} at most")
    few = [f"{stage} {number}" for stage, number in found["fine_by_stage"].items() if number < FINE_PER_STAGE]
    if few:
        said.append(f"fewer than {FINE_PER_STAGE} mutants within {FINE:g} times the limit: {listed(few)}")
    if found["null_accusations"]:
        said.append(f"{len(found['null_accusations'])} of {found['null_runs']} runs without a fault accuse somebody")
    if found["untried"]:
        said.append(f"untried: {listed(found['untried'])}")
    return said


def matrix(outcomes: Sequence[Outcome]) -> str:
    """One line for each fault: who it belongs to, how large it is, who was blamed, what was suggested."""
    head = ("fault", "stage", "times limit", "killed", "blamed", "cause")
    lines = [head]
    for o in outcomes:
        times = "" if o.effect is None else f"{o.effect:.3g}"
        who = "yes" if o.blamed else listed(o.accused, "nobody")
        mark = "+" if o.right else "!" if o.wrong else " "
        lines.append((o.name, o.stage, times, "yes" if o.killed else "NO", who, f"{mark} {o.cause}"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def closing(found: dict[str, Any]) -> str:
    """The figures that matter."""
    count = max(found["mutants"], 1)

    def share(key: str) -> str:
        return f"{found[key]} ({100 * found[key] / count:.0f} %)"

    return "\n".join(
        [
            "",
            f"mutants {found['mutants']}, killed {share('killed')}, blamed on the right stage alone {share('blamed')}, "
            f"cause right {share('caused')}, wrong {share('miscaused')}",
            f"subtle (within {SUBTLE:g} times the limit) {share('subtle')}; within {FINE:g}: "
            + listed([f"{stage} {number}" for stage, number in found["fine_by_stage"].items()]),
            f"{found['null_runs']} runs without a fault accused somebody {len(found['null_accusations'])} times",
            f"survivors: {listed(found['survivors'])}",
            f"misblamed: {listed(found['misblamed'])}; wrong causes: {listed(found['wrong_causes'])}",
            f"idle checks: {listed(found['idle_checks'])}",
        ]
    )


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names in a row."""
    return ", ".join(names) or none
