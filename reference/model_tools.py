"""Run the WebUIs' own model tools on synthetic checkpoints and write digests of the files they make.

python -m reference.model_tools --checkout DIR [--original webui-2026|webui-classic] OUT.json [KIND …]

The tools extract a small voice from a training checkpoint, for every kind, and merge two voices. OUT holds, for each
call, its arguments, its return value, and `parity.voices.exported_models.summary` of the file it wrote.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from parity.voices import KINDS, Kind, exported_models, make_voice
from reference.errors import Refusal
from reference.originals import webui_2026, webui_classic
from reference.recording import checkout

WHERE = {  # profile → module of the tools, repository, commit
    "webui-2026": ("train.process_ckpt", webui_2026.REPOSITORY, webui_2026.COMMIT),
    "webui-classic": ("infer.lib.train.process_ckpt", webui_classic.REPOSITORY, webui_classic.COMMIT),
}
MERGES = (  # kind, share of the first, speakers of the second
    ("v2-40k-f0", 0.5, 109),
    ("v2-40k-f0", 0.3, 20),
    ("v1-32k-nof0", 0.25, 109),
    ("v1-32k-nof0", 0.0, 109),
    ("v1-32k-nof0", 1.0, 109),
)
INFO = "extracted for the record"  # the `info` text stored in a voice; goldens/tools hold it


def extractions(run: Any, kinds: list[str], written: Path) -> Iterator[dict[str, Any]]:
    """`extract_small_model` with an info text and without, and the small voice that training saves (`savee`)."""
    for kind in kinds:
        facts = Kind(kind)
        with tempfile.TemporaryDirectory() as folder:
            source = exported_models.training(kind, Path(folder))
            for info in (INFO, "") if kind == kinds[0] else (INFO,):
                answer = run.extract_small_model(
                    str(source), "made", f"{facts.rate}k", int(facts.f0), info, facts.version
                )
                yield record_of({"tool": "extract", "kind": kind, "info": info}, answer, written / "made.pth")
            weights = torch.load(source, weights_only=True)["model"]
            settings = exported_models.settings(kind)
            hyperparameters = SimpleNamespace(**{name: SimpleNamespace(**table) for name, table in settings.items()})
            arguments = (f"{facts.rate}k", int(facts.f0), "made", exported_models.EPOCH, facts.version, hyperparameters)
            answer = run.savee(weights, *arguments)
            yield record_of({"tool": "training", "kind": kind}, answer, written / "made.pth")


def merges(run: Any, kinds: list[str], written: Path) -> Iterator[dict[str, Any]]:
    """`merge` of a synthetic voice and a second voice of the same kind (`exported_models.second_voice`)."""
    for kind, share, speakers in MERGES:
        if kind not in kinds:
            continue
        facts = Kind(kind)
        with tempfile.TemporaryDirectory() as folder:
            pair = str(make_voice(kind)), str(exported_models.second_voice(kind, Path(folder), speakers))
            pitch = run.i18n(
                "是" if facts.f0 else "否"
            )  # the tool compares this with the translated label of its radio button
            answer = run.merge(*pair, share, f"{facts.rate}k", pitch, INFO, "made", facts.version)
            about = {"tool": "merge", "kind": kind, "ratio": share, "speakers": speakers, "info": INFO}
            yield record_of(about, answer, written / "made.pth")


def record_of(about: dict[str, Any], answer: object, path: Path) -> dict[str, Any]:
    """One call's record: its arguments, the text it returned and a digest of the file it wrote, which is deleted.

    Raises:
        Refusal: the tool wrote no file; its text, often a traceback, is in the message.
    """
    if not path.exists():
        raise Refusal(f"{about} wrote nothing and returned: {answer}")
    made = exported_models.summary(path)
    path.unlink()
    return {**about, "answer": str(answer), "written": made}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: written; 2: the checkout is not the original, or a tool failed."""
    parser = argparse.ArgumentParser(prog="python -m reference.model_tools", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--original", choices=WHERE, default="webui-2026")
    parser.add_argument("--checkout", type=Path, required=True)
    options = parser.parse_args(arguments)
    module, repository, commit = WHERE[options.original]
    folder, out = options.checkout.resolve(), options.out.resolve()
    sys.dont_write_bytecode = True
    try:
        checkout.check(folder, module.replace(".", "/") + ".py", repository, commit)
        calls = in_scratch_folder(
            folder,
            lambda run, written: [*extractions(run, options.kinds, written), *merges(run, options.kinds, written)],
            module,
        )
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    record = {"original": options.original, "name": repository, "commit": commit, "torch": torch.__version__}
    out.write_text(json.dumps({**record, "calls": calls}, indent=1) + "\n", encoding="utf-8")
    print(f"{len(calls)} calls of {options.original}'s tools in {options.out}")
    return 0


def in_scratch_folder(
    folder: Path, call: Callable[[Any, Path], list[dict[str, Any]]], module: str
) -> list[dict[str, Any]]:
    """Import the tools' module in a scratch folder of links to the checkout; return `call(module, output folder)`."""
    previous = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="rvc-reference-") as name:
        scratch = Path(name)
        checkout.link(folder, scratch)
        sys.path.insert(0, str(folder))
        os.chdir(scratch)
        try:
            return call(importlib.import_module(module), scratch / "assets" / "weights")
        finally:
            os.chdir(previous)
            sys.path.remove(str(folder))


if __name__ == "__main__":
    sys.exit(main())
