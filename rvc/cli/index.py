"""`index build` and `index inspect`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from rvc.cli import options
from rvc.errors import BadInput
from rvc.retrieval import index_building
from rvc.retrieval.search import Floats, load_index


def build(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Build an index from .npy features or recordings.  Raises RvcError."""
    options.start(args)
    if not args.out.parent.is_dir() or args.out.suffix != ".index":
        raise BadInput(f"OUT {args.out} should be a name ending in .index, in a folder that exists")
    arrays, recordings = _sources(args.inputs)
    if arrays and recordings:
        raise BadInput(f"features ({arrays[0].name}) and recordings ({recordings[0].name}) are mixed; give one kind")
    if recordings:
        if args.hubert is None:
            raise BadInput("recordings need HuBERT to become features; give it with --hubert")
        features = _heard(recordings, args.hubert, args.version or "v2")
    else:
        features = index_building.read_features(arrays)
    index = index_building.build(features, args.seed, _report())
    index_building.save(index, args.out)
    found = {
        "output": str(args.out),
        "rows": len(features),
        "ntotal": int(index.ntotal),
        "dimension": int(index.d),
        "nlist": int(index.nlist),
        "nprobe": int(index.nprobe),
        "seed": args.seed,
    }
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"{args.out}: {found['ntotal']} vectors of {found['dimension']}, IVF{found['nlist']},Flat, nprobe 1")
    return 0


def inspect(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Say what an index holds.  Raises RvcError."""
    options.start(args)
    index = load_index(args.file)
    content = None
    if args.audio is not None:
        if args.hubert is None:
            raise BadInput("a recording needs HuBERT to become content; give it with --hubert")
        content = _heard([args.audio], args.hubert, {256: "v1", 768: "v2"}.get(index.width, "v2"))
    found: dict[str, Any] = index_building.describe(index, content)
    if content is not None:
        found["change_at_rate_1"] = index_building.change(index, content)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<{width}}  {value}")
    if found["frames_hit_exactly"]:
        print("note: frames that meet a vector exactly become NaN in the originals; here they stay finite")
    return 0


def _sources(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """.npy files, and everything else, with folders opened."""
    from rvc.cli.convert import sounds_in

    arrays, recordings = [], []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.npy"))
            arrays += inside
            recordings += [] if inside else sounds_in(path)
        elif not path.is_file():
            raise BadInput(f"there is no file {path}")
        else:
            (arrays if path.suffix == ".npy" else recordings).append(path)
    return arrays, recordings


def _heard(recordings: list[Path], hubert_path: Path, version: str) -> Floats:
    """Content of recordings, (V, C), in stretches of at most 30 s."""
    import torch

    from rvc.audio import preparation
    from rvc.audio.decoding import decode
    from rvc.content import features

    hubert = features.load_hubert(hubert_path)
    report, found = _report(), []
    for i, path in enumerate(recordings):
        samples = preparation.highpass(preparation.guard_peak(decode(path))).astype(np.float32)
        for first in range(0, max(len(samples) - 400, 1), 30 * preparation.RATE):
            piece = torch.from_numpy(samples[None, first : first + 30 * preparation.RATE])
            if piece.shape[1] >= 400:
                found.append(features.extract(piece, hubert, version)[0].cpu().numpy())
        report("listening", i + 1, len(recordings))
    if not found:
        raise BadInput("the recordings are shorter than 25 ms; nothing can be heard in them")
    return np.concatenate(found)


def _report() -> index_building.Report:
    """A progress bar on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        return index_building.no_progress
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        bar = bars.get(what)
        if bar is None:
            bar = bars[what] = tqdm(total=total, desc=what, file=sys.stderr)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return report
