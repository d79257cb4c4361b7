"""The files of a run: verdict.json, junit.xml, summary.md and the candidate's traces."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.goldens.trace_file import Trace
from parity.judge.verdict import CaseVerdict
from parity.output import junit, markdown


def write(folder: Path, verdict: Mapping[str, Any]) -> None:
    """Write verdict.json, junit.xml and summary.md into `folder`, each complete or not at all, by one rename.

    Args:
        folder: created where it is missing.
        verdict: the document of a run (`verdict_json.run_document`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "verdict.json": json.dumps(verdict, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "junit.xml": junit.document(verdict),
        "summary.md": markdown.document(verdict),
    }
    for name, text in texts.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)


def write_traces(folder: Path, verdict: CaseVerdict) -> dict[str, str | None]:
    """Write the candidate's tensors of one case below `folder`, one safetensors file for each mode.

    Returns:
        mode → path relative to `folder`, None where the candidate made no tensor in that mode.
    """
    paths: dict[str, str | None] = {"isolated": None, "chained": None}
    for mode, tensors in verdict.traces.items():
        if tensors:
            path = f"traces/{verdict.name}/{mode}.safetensors"
            Trace(tensors).write(folder / path, {"case": verdict.name, "mode": mode})
            paths[mode] = path
    return paths
