"""Leave one out: does every legitimate variant of the original pass under limits derived from the others?

python -m parity.calibrate [--spread parity/data/spread.json] [--traces out/spread] [--fresh out/fresh] [--out FILE]

Without traces each entry of the spread is one check (the worst over its cases); with them every case and segment is.
The truth in float64 is never left out: it is what the spread is measured against, and no program under judgement.
--fresh takes variants run on other noise than any golden's (python -m reference.spread --seed WORD): each is judged
against the first of them, with the committed limits. Exit codes: 0 at most one false alarm in a thousand checks,
1 more, 2 nothing to calibrate with.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from parity import stages
from parity.calibration import spread
from parity.errors import ParityError, UsageError
from parity.goldens import store, trace_file
from parity.goldens.recipes import Array
from parity.judge import limits as tolerance
from parity.judge import metrics as compare

ALLOWED = 1e-3  # false alarms per check
TRUTH = "float64"


@dataclass(frozen=True)
class Check:
    """One legitimate variant against one limit that does not know it."""

    variant: str
    tensor: str
    mode: str
    metric: str
    network_f0: bool
    value: float
    limit: float
    case: str = ""

    @property
    def alarm(self) -> bool:
        """Whether the variant would have been refused."""
        return not self.value <= self.limit


def without(document: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """The spread as it would be if one variant had never been run."""
    entries = []
    for entry in document["entries"]:
        others = {name: value for name, value in entry["by_variant"].items() if name != variant}
        if others:
            entries.append({**entry, "by_variant": others})
    return {**document, "entries": entries}


def judged(document: Mapping[str, Any]) -> list[str]:
    """The variants that stand for a program under judgement: all but the truth."""
    return [row["name"] for row in document["variants"] if not row["name"].endswith(TRUTH)]


def from_spread(document: Mapping[str, Any]) -> Iterator[Check]:
    """Every entry of every variant against the limit from the other variants."""
    for variant in judged(document):
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


def from_traces(document: Mapping[str, Any], folder: Path, goldens: Path) -> Iterator[Check]:
    """Every tensor of every trace against the limit from the other variants."""
    for variant in judged(document):
        limits = tolerance.Limits(without(document, variant))
        for path in sorted((folder / variant).glob("*/*.safetensors")):
            case = store.open_case(goldens / path.parent.name)
            yield from _checks(variant, case, trace_file.read(path), path.stem, limits)


def from_fresh(folder: Path, goldens: Path) -> Iterator[Check]:
    """Variants run on noise that no golden has, each against the first of them in the order of their names."""
    limits = tolerance.load()
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for path in sorted((folder / names[0]).glob("*/chained.safetensors")) if names else ():
        golden = store.open_case(goldens / path.parent.name)
        case = store.MemoryCase(
            golden.meta, {name: value for name, value in trace_file.read(path).items() if stages.known(name)}
        )
        for variant in names[1:]:
            other = folder / variant / path.parent.name / path.name
            if other.is_file():
                yield from _checks(variant, case, trace_file.read(other), path.stem, limits)


def _checks(
    variant: str, case: store.Case, made: Mapping[str, Array], mode: str, limits: tolerance.Limits
) -> Iterator[Check]:
    network = tolerance.network_f0(case.options)
    for name, metric, value in spread.values(case, made, mode):
        limit = limits.find(name, mode, metric, network).limit
        yield Check(variant, spread.entry_name(name), mode, metric, network, value, limit, case.name)


def summary(checks: Sequence[Check]) -> dict[str, Any]:
    """Counts, the alarms, and how near the legitimate variants come to their limits."""
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
    """How many limits there are, how many of them are measured, and the tensors of the rest."""
    total, missing = 0, list[str]()
    for name in stages.names(["seg0.", "rt.0."]):
        for mode, metric, network in product(("isolated", "chained"), compare.metrics(name), (False, True)):
            if metric == "unequal":
                continue  # a decision has a margin, not a limit
            total += 1
            if limits.find(name, mode, metric, network).spread is None:
                missing.append(f"{name} {mode}")
    return total, total - len(missing), sorted(set(missing))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.calibrate", description="Leave one variant out, judge it.")
    parser.add_argument("--spread", type=Path, default=tolerance.SPREAD)
    parser.add_argument("--traces", type=Path, help="what python -m reference.spread wrote")
    parser.add_argument("--fresh", type=Path, help="what python -m reference.spread --seed WORD wrote")
    parser.add_argument("--goldens", type=Path, default=Path("goldens") / "cases")
    parser.add_argument("--out", type=Path, default=Path("out") / "calibrate.json")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except ParityError as error:
        print(f"parity.calibrate: {error}", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    document = tolerance.read(given.spread)
    if given.fresh:
        checks = list(from_fresh(given.fresh, given.goldens))
    else:
        checks = list(from_traces(document, given.traces, given.goldens) if given.traces else from_spread(document))
    if not checks:
        raise UsageError(f"{given.spread} has no entry that two variants share; measure more: python -m parity.spread")
    found = summary(checks)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, row in found["by_variant"].items():
        print(f"{name:24} {row['checks']:6} checks  {row['alarms']:4} false alarms")
    for check in found["false_alarms"][:20]:
        times = compare.ratio(check["value"], check["limit"])
        where = f" in {check['case']}" if check["case"] else ""
        what = f"{check['tensor']} {check['mode']} {check['metric']}"
        print(f"  {check['variant']}: {what} {times:.3g} times its limit{where}")
    total, known, rest = measured(tolerance.Limits(document))
    print(f"{known} of {total} limits are measured; not run: {', '.join(rest[:6])}{', …' if len(rest) > 6 else ''}")
    share = found["share_of_limit"]
    print(
        f"{found['alarms']} false alarms in {found['checks']} checks ({found['rate']:.2e} each, allowed "
        f"{ALLOWED:g}); half of the checks stay below {100 * share['median']:.2g} % of their limit, 99 % below "
        f"{100 * share['p99']:.2g} %"
    )
    return 0 if found["rate"] <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
