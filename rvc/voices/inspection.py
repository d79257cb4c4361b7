"""Describe a model file: its kind and sizes, where they come from, and what is missing or unusual in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput, RvcError
from rvc.f0 import registry
from rvc.voice_kinds import VERSIONS, version_of_width
from rvc.voices.voice import load_voice, read_contents
from rvc.weights import checkpoint

Report = dict[str, Any]  # plain values, as `rvc inspect --json` prints them
INDEX_MAGIC = (b"Ix", b"Iw", b"IH", b"IB")  # first two of the four letters at the start of a faiss index


def inspect(path: str | Path) -> Report:
    """Describe a model file.

    Args:
        path: a voice (.pth, .safetensors), a training checkpoint, HuBERT (file or folder), RMVPE, CREPE, FCPE, or an
            .index.
    Returns:
        `kind`, `bytes`, `sha256`, and by kind: `version`, `rate`, `f0`, `speakers`, `info`, `parameters` (count by
        module, and `total`), `dtype` (number of tensors of each), `inferred` and `believed` (the
        `unverified` of `rvc.voices.metadata.VoiceFacts`), `missing` (problems for which the file cannot be used) and
        `odd` (what is unusual though it can be used).
    Raises:
        BadCheckpoint: the file is damaged or hostile, or no model.
        BadInput: there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"there is no file {path}; check the path")
    if path.is_dir():
        return _hubert(path)
    checkpoint.refuse_no_file(path)
    with path.open("rb") as file:
        magic = file.read(4)
    about: Report = {"file": path.name, "bytes": path.stat().st_size, "sha256": checkpoint.sha256(path)}
    if magic[:2] in INDEX_MAGIC:
        return about | _index(path)
    try:
        return about | _voice(path)
    except BadCheckpoint as refusal:
        network = _network(path)
        if network is None:
            raise refusal from None
        return about | network


def parameters(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Count the numbers in each module (the first part of a tensor's name), and in all under `total`."""
    counts: Counter[str] = Counter()
    for name, tensor in tensors.items():
        counts[name.split(".")[0]] += tensor.numel()
    return dict(counts) | {"total": counts.total()}


def _voice(path: Path) -> Report:
    contents = read_contents(path)
    tensors = contents.tensors | contents.left_out
    report: Report = {"kind": contents.kind}
    odd = list(contents.odd)
    missing: list[str] = []
    try:
        voice = load_voice(path)
        odd = list(voice.odd)
        report |= {
            "version": voice.version,
            "rate": voice.rate,
            "f0": int(voice.f0),
            "speakers": voice.speakers,
            "info": voice.info,
            "config": voice.config,
            "inferred": voice.inferred,
            "believed": voice.unverified,  # the name that `--json` has always printed; programs read it
        }
    except BadCheckpoint as error:
        missing.append(str(error))
    missing += [f"{name} holds NaN or infinity" for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    report["metadata"] = {key: value for key, value in contents.metadata.items() if _plain(value)}
    return report | _about(tensors) | {"missing": missing, "odd": odd}


def _network(path: Path) -> Report | None:
    """Describe a network that is not a voice; None for a file of an unknown kind."""
    from rvc.content.features import read_weights

    try:
        tensors = read_weights(path)
    except RvcError:
        return None
    names = tensors.keys()
    if any(name.startswith("discriminators.") for name in names):
        odd = ["a discriminator, which only training uses; the voice is in the G_*.pth beside it"]
        return {"kind": "discriminator"} | _about(tensors) | {"missing": [], "odd": odd}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for method in registry.METHODS.values():
        network = method.network
        if network is not None and network.recognize is not None and registry.resolve(network.recognize)(shapes):
            check = partial(registry.resolve(network.check or network.build), tensors)
            return {"kind": network.title} | _about(tensors) | _checked(check)
    if any("pos_conv" in name for name in names):
        return _hubert(path)
    return None


def _hubert(path: Path) -> Report:
    """Describe HuBERT or ContentVec, a transformers folder or any of its files."""
    from rvc.content import features
    from rvc.nn.hubert_tensor_names import translate

    file = features.weight_file(path) if path.is_dir() else path
    tensors = features.read_weights(file)
    report: Report = {"file": file.name, "bytes": file.stat().st_size, "sha256": checkpoint.sha256(file)}
    # `translate` leaves out fairseq's pickled configuration and the tensors of the training's head.
    named = translate(tensors, file.name)
    origin = (
        "transformers"
        if any(name.startswith(("encoder.layers.0.attention", "hubert.")) for name in tensors)
        else "fairseq"
    )
    new = any("parametrizations" in name for name in tensors)
    unused = [name for name in named if name.startswith(("mask", "label_embs"))]
    report |= {
        "kind": "HuBERT",
        "origin": origin,
        "weight_norm": "parametrizations" if new else "weight_g and weight_v",
        "layers": len({name.split(".")[1] for name in named if name.startswith("layers.")}),
        "final_proj": "final_proj.weight" in named,
    }
    odd = [] if report["final_proj"] else ["no final_proj: v1 voices cannot use it"]
    odd += [f"{len(unused)} tensors that only training uses: {', '.join(unused[:3])}"] if unused else []
    checked = _checked(lambda: features.load_hubert(path))
    return report | _about(tensors) | {"missing": checked["missing"], "odd": odd + checked["odd"]}


def _index(path: Path) -> Report:
    import faiss

    from rvc.retrieval.search import faults, read_index

    index = read_index(path)
    metric = {faiss.METRIC_L2: "L2", faiss.METRIC_INNER_PRODUCT: "inner product"}.get(index.metric_type, "another")
    lists = faiss.try_extract_index_ivf(index)
    report: Report = {
        "kind": "index",
        "dimension": int(index.d),
        "metric": metric,
        "ntotal": int(index.ntotal),
        "nlist": int(lists.nlist) if lists is not None else None,
        "nprobe": int(lists.nprobe) if lists is not None else None,
        "version": version_of_width(int(index.d)),
        "trained": bool(index.is_trained),
    }
    empty = (
        ["it holds no vectors, only centers; use the file whose name begins with added"] if index.ntotal == 0 else []
    )
    wrong = [f"it {fault}" for fault in faults(index)]
    known = ", ".join(f"{version.name}: {version.content_channels}" for version in VERSIONS.values())
    odd = [] if report["version"] else [f"vectors with {index.d} channels fit no RVC voice ({known})"]
    return report | {"missing": empty + wrong, "odd": odd}


def _checked(load: Callable[[], Any]) -> Report:
    """Build a network, and report the message of its refusal."""
    try:
        load()
    except RvcError as error:
        return {"missing": [str(error)], "odd": []}
    return {"missing": [], "odd": []}


def _about(tensors: Mapping[str, Tensor]) -> Report:
    kinds = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())
    return {"tensors": len(tensors), "parameters": parameters(tensors), "dtype": dict(kinds)}


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | None)
