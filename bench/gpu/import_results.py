"""Copy the results of a run on a GPU machine into the repository: the table, the file, and the original's spread."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.gpu.packages import PackError
from bench.measure.workload import ROOT
from bench.publish.table import markdown
from parity.judge import limits

FORMAT = "rvc-gpu/1"
DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"
MARKED = re.compile(r"(<!-- gpu -->\n).*?(<!-- /gpu -->)", re.DOTALL)
NOT_MEASURED = "not measured"
ROWS = ("parity float32", "parity float16", "original", "offline 30 s", "offline 600 s", "live 0.25 s", "live 0.1 s")


def read(path: Path) -> dict[str, Any]:
    """The results of a run on a GPU.

    Raises:
        PackError: the file is missing or of another format, or the run was a trial or ran on a processor.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackError(f"{path} cannot be read as results.json of a run: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise PackError(f"{path} is no results.json of a run; its format should be {FORMAT}")
    if document["trial"] or document["machine"]["device"] == "cpu":
        raise PackError(f"{path} is of a trial or of a processor, which measures no card; run run.sh on a GPU")
    return document


def write(path: Path, document: Path = DOCUMENT, results: Path = RESULTS, spread: Path = limits.SPREAD) -> list[Path]:
    """Write the table, a copy of the results, and the variants of the original on that card.

    Returns:
        the files that were written.
    Raises:
        PackError: the results cannot be used.
    """
    run = read(path)
    machine = run["machine"]
    card = re.sub(r"[^a-z0-9]+", "-", str(machine["card"]).lower()).strip("-")
    kept = results / f"{str(run['measured'])[:10]}_gpu_{card}.json"
    kept.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    text = document.read_text(encoding="utf-8")
    document.write_text(MARKED.sub(lambda mark: f"{mark[1]}{table(run)}\n{mark[2]}", text), encoding="utf-8")
    written = [kept, document]
    variants = run["parts"].get("original", {}).get("result")
    if variants:
        before = json.loads(spread.read_text(encoding="utf-8"))
        merged = with_variants(before, renamed(variants, card))
        spread.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
        written.append(spread)
    return written


def renamed(document: Mapping[str, Any], card: str) -> dict[str, Any]:
    """A document of a spread whose variants begin with the card's name, so that two cards stand side by side."""
    variants = [{**row, "name": f"{card}-{row['name']}"} for row in document["variants"]]
    entries = [
        {**row, "by_variant": {f"{card}-{name}": value for name, value in row["by_variant"].items()}}
        for row in document["entries"]
    ]
    sound = [{**row, "variant": f"{card}-{row['variant']}"} for row in document.get("sound", [])]
    return {**document, "variants": variants, "entries": entries, "sound": sound}


def with_variants(before: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """A document of the spread with the variants of another, which replace those of the same names."""
    fresh = {row["name"] for row in added["variants"]}
    keys = ("tensor", "mode", "metric", "network_f0")
    entries = {
        tuple(row[key] for key in keys): {
            **row,
            "by_variant": {name: value for name, value in row["by_variant"].items() if name not in fresh},
        }
        for row in before["entries"]
    }
    for row in added["entries"]:
        held = entries.setdefault(tuple(row[key] for key in keys), {**row, "by_variant": {}})
        held["by_variant"] = dict(sorted({**held["by_variant"], **row["by_variant"]}.items()))
    variants = [row for row in before["variants"] if row["name"] not in fresh] + list(added["variants"])
    sound = [row for row in before.get("sound", []) if row["variant"] not in fresh] + list(added.get("sound", []))
    ordered = sorted(entries, key=lambda key: tuple(map(str, key)))
    kept = [entries[key] for key in ordered if entries[key]["by_variant"]]
    return {**before, "variants": variants, "entries": kept, "sound": sound}


def table(run: Mapping[str, Any] | None) -> str:
    """The table of the performance page; without a run, every row reads "not measured"."""
    if run is None:
        return markdown([("on a GPU", "result"), *((name, NOT_MEASURED) for name in ROWS)])
    machine = run["machine"]
    head = f"{machine['card']}, driver {machine.get('driver', 'unknown')}, CUDA {machine.get('cuda')}"
    head += (
        f", torch {machine['torch']}; TF32 {'on' if machine.get('tf32') == 'True' else 'off'}; commit {run['commit']}"
    )
    rows = [(f"on {machine['card']}", "result")]
    for name in dict.fromkeys((*ROWS, *run["parts"])):
        if name != "voices":
            rows += part_rows(name, run["parts"].get(name))
    return f"{head}.\n\n{markdown(rows)}"


def part_rows(name: str, part: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The rows of one part: one for each program, else one."""
    if part is None or part["state"] == NOT_MEASURED:
        return [(name, NOT_MEASURED)]
    result = part.get("result")
    if result is None:
        return [(name, f"{part['state']}: {str(part.get('message', ''))[:120].splitlines()[0]}")]
    if "sentence" in result:
        return [(name, str(result["sentence"]))]
    if "variants" in result:
        names = ", ".join(row["name"] for row in result["variants"])
        return [(name, f"distances of {len(result['entries'])} tensors from its own goldens ({names})")]
    rows = [(f"{name}, {program}", speed(row)) for program, row in result["rows"].items()]
    return rows + [(f"{name}, {program}", NOT_MEASURED) for program in result["not_measured"]]


def speed(row: Mapping[str, Any]) -> str:
    """Times and peak memory of one program."""
    memory = "" if row.get("device_mib") is None else f", peak {row['device_mib']:.0f} MiB on the device"
    if "p95_ms" in row:
        missed = f"{row['missed_deadlines']} of {row['blocks']} missed"
        return f"p50 {row['p50_ms']:.1f} ms, p95 {row['p95_ms']:.1f} ms, {missed}{memory}"
    first = row.get("first_conversion_seconds")
    if not row.get("each", [True]):
        memory = f", loading included{memory}"
    start = "" if first is None else f", first conversion {first:.1f} s after start"
    return f"{row['seconds']:.2f} s, real-time factor {row['real_time_factor']:.4f}{start}{memory}"
