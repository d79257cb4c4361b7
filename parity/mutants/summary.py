"""The outcomes of the catalog in figures: faults detected, stages blamed, causes that were right, targets missed."""

from collections.abc import Sequence
from typing import Any

from parity.mutants.trial import Outcome, checks

# Largest effect of a subtle fault and of a fine one, in multiples of the limit.
SUBTLE, FINE = 1000.0, 100.0
FINE_PER_STAGE = 3  # fine faults that each stage must have at least
TARGETS = {"killed": 1.0, "blamed": 1.0, "caused": 0.6, "subtle": 0.5}  # at least this share of all faults
FEWEST = 480  # faults in the catalog
MOST_MISCAUSED = 0.02  # at most this share of all faults gets a wrong cause

Summary = dict[str, Any]  # the object of out/mutants.json


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """Count the outcomes.

    Returns:
        mutants, killed, blamed, caused, miscaused, subtle: counts; fine_by_stage: stage → count; survivors, misblamed,
        wrong_causes: names of faults; idle_checks: checks without which every fault would be detected and blamed too.
        hidden: fault → why it is not visible in the tier; such a fault is neither a survivor nor misblamed.
    """
    every, outcomes = outcomes, [outcome for outcome in outcomes if outcome.hidden is None]
    used = {check for outcome in outcomes for check in outcome.needed}
    fine: dict[str, int] = {}
    for outcome in outcomes:
        fine.setdefault(outcome.stage, 0)
        fine[outcome.stage] += within(outcome, FINE)
    return {
        "mutants": len(outcomes),
        "killed": sum(o.killed for o in outcomes),
        "blamed": sum(o.blamed for o in outcomes),
        "caused": sum(o.right for o in outcomes),
        "miscaused": sum(o.wrong for o in outcomes),
        "subtle": sum(within(o, SUBTLE) for o in outcomes),
        "fine_by_stage": fine,
        "survivors": [o.name for o in outcomes if not o.killed],
        "misblamed": [o.name for o in outcomes if o.killed and not o.blamed],
        "wrong_causes": [o.name for o in outcomes if o.wrong],
        "idle_checks": [check for check in checks() if check not in used],
        "hidden": {o.name: o.hidden for o in every if o.hidden is not None},
    }


def within(outcome: Outcome, multiple: float) -> bool:
    """Whether the effect of a fault is a number and at most so many times the limit."""
    return outcome.effect is not None and outcome.effect <= multiple


def missed(summary: Summary) -> list[str]:
    """The targets that a run over the whole catalog misses, one sentence each."""
    count = max(summary["mutants"], 1)
    sentences = [
        f"{summary[key]} of {count} mutants are {key}, expected {share:.0%} at least"
        for key, share in TARGETS.items()
        if summary[key] < share * count
    ]
    if summary["mutants"] < FEWEST:
        sentences.append(f"{summary['mutants']} mutants were tried, expected {FEWEST} at least")
    if summary["miscaused"] > MOST_MISCAUSED * count:
        sentences.append(f"{summary['miscaused']} of {count} causes are wrong, expected {MOST_MISCAUSED:.0%} at most")
    few = [f"{stage} {number}" for stage, number in summary["fine_by_stage"].items() if number < FINE_PER_STAGE]
    if few:
        sentences.append(f"fewer than {FINE_PER_STAGE} mutants within {FINE:g} times the limit: {listed(few)}")
    if summary["null_accusations"]:
        accusing = len(summary["null_accusations"])
        sentences.append(f"{accusing} of {summary['null_runs']} runs without a fault blame a stage, expected none")
    if summary["untried"]:
        sentences.append(f"untried: {listed(summary['untried'])}")
    return sentences


def missed_in_tier(summary: Summary) -> list[str]:
    """The targets that a run in a reduced tier misses: every visible fault is detected and blamed on its stage.

    Those of the causes and of subtle faults do not apply, because fewer faults are visible.
    """
    sentences = [
        f"{summary[key]} of {summary['mutants']} visible mutants are {key}, expected all"
        for key in ("killed", "blamed")
        if summary[key] < summary["mutants"]
    ]
    return sentences + ([f"untried: {listed(summary['untried'])}"] if summary["untried"] else [])


def matrix(outcomes: Sequence[Outcome]) -> str:
    """A table with a line for each fault: its stage, its effect, the blamed stages, the cause."""
    header = ("fault", "stage", "times limit", "killed", "blamed", "cause")
    lines = [header]
    for o in outcomes:
        times = "" if o.effect is None else f"{o.effect:.3g}"
        who = "yes" if o.blamed else listed(o.accused, "nobody")
        if o.hidden is not None:
            lines.append((o.name, o.stage, times, "hidden", who, f"  {o.hidden}"))
            continue
        mark = "+" if o.right else "!" if o.wrong else " "
        lines.append((o.name, o.stage, times, "yes" if o.killed else "NO", who, f"{mark} {o.cause}"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def closing(summary: Summary) -> str:
    """The last lines of the output: the counts and the lists of names."""
    count = max(summary["mutants"], 1)

    def share(key: str) -> str:
        return f"{summary[key]} ({100 * summary[key] / count:.0f} %)"

    return "\n".join(
        [
            "",
            f"mutants {summary['mutants']}, killed {share('killed')}, "
            f"blamed on the right stage alone {share('blamed')}, "
            f"cause right {share('caused')}, wrong {share('miscaused')}",
            f"subtle (within {SUBTLE:g} times the limit) {share('subtle')}; within {FINE:g}: "
            + listed([f"{stage} {number}" for stage, number in summary["fine_by_stage"].items()]),
            f"{summary['null_runs']} runs without a fault blamed a stage {len(summary['null_accusations'])} times",
            f"survivors: {listed(summary['survivors'])}",
            f"misblamed: {listed(summary['misblamed'])}; wrong causes: {listed(summary['wrong_causes'])}",
            f"idle checks: {listed(summary['idle_checks'])}",
            *([f"not visible in this tier: {len(summary['hidden'])}"] if summary["hidden"] else []),
        ]
    )


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names separated by commas; `none` where there are none."""
    return ", ".join(names) or none
