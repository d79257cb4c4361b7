"""Run `rvc index build` and `rvc index inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from rvc.cli import options
from rvc.cli.convert_command import recordings_in, visible
from rvc.cli.progress import StepProgress
from rvc.errors import BadInput
from rvc.retrieval import index_building
from rvc.retrieval.search import Floats, load_index
from rvc.voice_kinds import version_of_width

SHORTEST = 400  # samples at 16 kHz, 25 ms: the receptive field of HuBERT's first frame (docs/spec/02 §2.2)
PIECE = 30  # seconds of a recording that HuBERT is run on at a time, so that memory does not grow with its length


def build(args: argparse.Namespace) -> int:
    """Build an index from .npy features or from recordings.

    Raises:
        RvcError: an input cannot be read, the kinds are mixed, or the output cannot be written.
    """
    options.start(args)
    if not args.out.parent.is_dir() or args.out.suffix != ".index":
        raise BadInput(f"OUT {args.out} should be a name ending in .index, in a folder that exists")
    arrays, recordings = sort_inputs(args.inputs)
    if arrays and recordings:
        raise BadInput(f"features ({arrays[0].name}) and recordings ({recordings[0].name}) are mixed; give one kind")
    progress = StepProgress()
    if recordings:
        if args.hubert is None:
            raise BadInput("recordings need HuBERT to become features; give it with --hubert")
        features = extract_features(recordings, args.hubert, args.version or "v2", progress)
    else:
        features = index_building.read_features(arrays)
    index = index_building.build(features, args.seed, progress)
    index_building.save(index, args.out)
    facts = {
        "output": str(args.out),
        "rows": len(features),
        "ntotal": int(index.ntotal),
        "dimension": int(index.d),
        "nlist": int(index.nlist),
        "nprobe": int(index.nprobe),
        "seed": args.seed,
    }
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print(f"{args.out}: {facts['ntotal']} vectors of {facts['dimension']}, IVF{facts['nlist']},Flat, nprobe 1")
    return 0


def inspect(args: argparse.Namespace) -> int:
    """Print what an index holds, how well its search works, and with --audio what it would change.

    Raises:
        RvcError: a file cannot be read, or the index is not usable.
    """
    options.start(args)
    index = load_index(args.file)
    content = None
    if args.audio is not None:
        if args.hubert is None:
            raise BadInput("a recording needs HuBERT to become content features; give it with --hubert")
        version = version_of_width(index.width) or "v2"
        content = extract_features([args.audio], args.hubert, version, StepProgress())
    facts: dict[str, Any] = index_building.describe(index, content)
    if content is not None:
        facts["change_at_rate_1"] = index_building.change(index, content)
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):<{width}}  {value}")
    if facts["frames_hit_exactly"]:
        print("note: frames that equal an index vector become NaN in the originals; here they stay finite")
    return 0


def sort_inputs(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """The .npy files and the recordings among the inputs; of a folder with .npy files, only those.

    Raises:
        BadInput: an input does not exist, or a folder holds neither.
    """
    arrays, recordings = [], []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in visible(path) if file.suffix == ".npy")
            arrays += inside
            recordings += [] if inside else recordings_in(path)
        elif not path.is_file():
            raise BadInput(f"there is no file {path}")
        else:
            (arrays if path.suffix == ".npy" else recordings).append(path)
    return arrays, recordings


def extract_features(recordings: list[Path], hubert_path: Path, version: str, progress: StepProgress) -> Floats:
    """The content features of recordings, in pieces of at most 30 s.

    Args:
        recordings: sound files.
        hubert_path: a transformers folder or a HuBERT file.
        version: "v1" or "v2", the version of the voice.
        progress: called after each recording.
    Returns:
        float32 (V, C), C = 256 or 768, one row per 20 ms.
    Raises:
        RvcError: a file cannot be read, or all recordings together are shorter than 25 ms.
    """
    import torch  # not needed for an index built from .npy files

    from rvc.audio import preparation
    from rvc.audio.decoding import decode
    from rvc.content import features

    features.check_hubert(hubert_path, version)
    hubert = features.load_hubert(hubert_path)
    extracted: list[Floats] = []
    for i, path in enumerate(recordings):
        samples = preparation.highpass(preparation.guard_peak(decode(path))).astype(np.float32)
        for first in range(0, max(len(samples) - SHORTEST, 1), PIECE * preparation.RATE):
            piece = torch.from_numpy(samples[None, first : first + PIECE * preparation.RATE])
            if piece.shape[1] >= SHORTEST:
                extracted.append(features.extract(piece, hubert, version)[0].cpu().numpy())
        progress("extracting features", i + 1, len(recordings))
    if not extracted:
        raise BadInput("the recordings are shorter than 25 ms, expected 25 ms or more; give longer ones")
    return np.concatenate(extracted)
