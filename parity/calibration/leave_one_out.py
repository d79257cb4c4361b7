"""Leave one out: is every legitimate variant of an original within limits that are derived from the other variants?

Without traces each entry of the spread is one check (the worst over its cases); with traces every case and segment is.
The truth (float64, exact arithmetic) is never left out: the spread is measured against it, and it is no program.
Variants that were run on noise of no golden (python -m reference.spread --seed WORD) are judged against the first of
them, with the committed limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity import stages
from parity.calibration import trace_checks
from parity.calibration.trace_checks import Check, without
from parity.errors import UsageError
from parity.goldens import text
from parity.judge import limits as tolerance
from parity.judge import metrics as compare

if TYPE_CHECKING:
    from parity.rvc_bridge.task_executors import Executor

ALLOWED = 1e-3  # false alarms per check, a goal of this project
TRUTH = ("float64", tolerance.EXACT)  # how the names of variants end that are no program: the measured truth


def left_out_variants(document: Mapping[str, Any]) -> list[str]:
    """The names of the variants that are left out in turn: all but the truth and those in a reduced precision."""
    return [row["name"] for row in document["variants"] if not row["name"].endswith(TRUTH) and not _is_reduced(row)]


def _is_reduced(variant: Mapping[str, Any]) -> bool:
    """Whether a variant gives no limit of float32: it has a tier of its own, or another device."""
    environment = variant["environment"]
    elsewhere = environment.get("device", tolerance.RECORDED_ON) != tolerance.RECORDED_ON
    return elsewhere or environment.get("dtype", "float32") not in tolerance.FULL_PRECISION


def from_spread(document: Mapping[str, Any]) -> Iterator[Check]:
    """One check for each variant and entry of the spread."""
    variants = left_out_variants(document)
    for row in filter(_is_reduced, document["variants"]):
        document = without(document, row["name"])
    for variant in variants:
        limits = tolerance.Limits(without(document, variant))
        for entry in document["entries"]:
            if variant in entry["by_variant"] and len(entry["by_variant"]) > 1:
                name = tolerance.any_name(entry["tensor"])
                network = bool(entry["network_f0"])
                limit = limits.find(name, entry["mode"], entry["metric"], network)
                yield Check(
                    variant,
                    entry["tensor"],
                    entry["mode"],
                    entry["metric"],
                    network,
                    entry["by_variant"][variant],
                    limit.limit,
                )


def summary(checks: Sequence[Check]) -> dict[str, Any]:
    """The result as JSON: counts, the false alarms, and the distribution of value over limit."""
    alarms = [check for check in checks if check.alarm]
    shares = sorted(compare.ratio(check.value, check.limit) for check in checks if not check.alarm)
    by_variant = {
        name: {
            "checks": sum(check.variant == name for check in checks),
            "alarms": sum(check.variant == name for check in alarms),
        }
        for name in sorted({check.variant for check in checks})
    }
    return {
        "checks": len(checks),
        "alarms": len(alarms),
        "rate": len(alarms) / len(checks),
        "allowed": ALLOWED,
        "margin": tolerance.MARGIN,
        "by_variant": by_variant,
        "share_of_limit": {
            "median": shares[len(shares) // 2] if shares else 0.0,
            "p99": shares[len(shares) * 99 // 100] if shares else 0.0,
        },
        "false_alarms": [vars(check) for check in alarms],
    }


def measured(limits: tolerance.Limits) -> tuple[int, int, list[str]]:
    """The number of limits, the number derived from a measured spread, and the tensors of the others."""
    total, missing = 0, list[str]()
    for name in stages.names(["seg0.", "rt.0."]):
        for mode, metric, network in product(("isolated", "chained"), compare.metrics(name), (False, True)):
            if metric == "unequal":
                continue  # a decision has a margin, not a limit
            total += 1
            if limits.find(name, mode, metric, network).spread is None:
                missing.append(f"{name} {mode}")
    return total, total - len(missing), sorted(set(missing))


def report(
    spread_file: Path,
    goldens: Path,
    out: Path,
    *,
    traces: Path | None = None,
    fresh: Path | None = None,
    executor: Executor | None = None,
    resumes: bool = False,
) -> int:
    """Judge every variant by the others, print the false alarms and write the result.

    Args:
        spread_file: the measured spread.
        goldens: the folder of goldens.
        out: the JSON file to write.
        traces: the variants' traces; without them each entry of the spread is one check.
        fresh: variants that were run on noise of no golden, judged against the first one instead.
        executor: runs the checks of the traces; None: this process does.
        resumes: take the results of traces that an interrupted run has stored beside `out`.
    Returns:
        0, or 1 where more than ALLOWED of the checks are false alarms.
    Raises:
        UsageError: there is nothing to check.
        ParityError: a file cannot be read.
    """
    document = tolerance.read(spread_file)
    if fresh:
        tasks = trace_checks.of_fresh(fresh, goldens)
    elif traces:
        tasks = trace_checks.of_variants(spread_file, left_out_variants(document), traces, goldens)
    else:
        tasks = []
    if fresh or traces:
        checks = trace_checks.results(tasks, out, executor, resumes=resumes)
    else:
        checks = list(from_spread(document))
    if not checks:
        raise UsageError(f"{spread_file} has no entry that two variants share; measure more: rvc-parity spread")
    result = summary(checks)
    out.parent.mkdir(parents=True, exist_ok=True)
    text.write_json(out, result)
    trace_checks.journal_of(out).unlink(missing_ok=True)
    for name, row in result["by_variant"].items():
        print(f"{name:24} {row['checks']:6} checks  {row['alarms']:4} false alarms")
    for check in result["false_alarms"][:20]:
        times = compare.ratio(check["value"], check["limit"])
        where = f" in {check['case']}" if check["case"] else ""
        what = f"{check['tensor']} {check['mode']} {check['metric']}"
        print(f"  {check['variant']}: {what} {times:.3g} times its limit{where}")
    total, known, rest = measured(tolerance.Limits(document))
    print(f"{known} of {total} limits are measured; not run: {', '.join(rest[:6])}{', …' if len(rest) > 6 else ''}")
    share = result["share_of_limit"]
    print(
        f"{result['alarms']} false alarms in {result['checks']} checks ({result['rate']:.2e} each, allowed "
        f"{ALLOWED:g}); half of the checks stay below {100 * share['median']:.2g} % of their limit, 99 % below "
        f"{100 * share['p99']:.2g} %"
    )
    return 0 if result["rate"] <= ALLOWED else 1
