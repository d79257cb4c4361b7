"""What is in a model file, in plain words: kind, sizes, what was inferred or believed, what is missing or odd."""

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
from rvc.voices.voice import contents, load_voice
from rvc.weights import checkpoint

Report = dict[str, Any]
INDEX_MAGIC = (b"Ix", b"Iw", b"IH", b"IB")  # faiss writes four letters that say the kind of index


def inspect(path: str | Path) -> Report:
    """Say what a model file is.

    path    : a voice (.pth, .safetensors), a training checkpoint, HuBERT (file or folder), RMVPE, CREPE, FCPE, .index
    returns : kind, bytes, sha256, and by kind: version, rate, f0, speakers, info, parameters (by module, and their
              total), dtype (how many tensors of each), inferred, believed, missing (problems for which it would be
              refused), odd
    raises  : BadCheckpoint for a file that is damaged or hostile, BadInput for one that is not there
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
        found = _network(path)
        if found is None:
            raise refusal from None
        return about | found


def parameters(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Numbers held by each module, the first part of a tensor's name, and `total`."""
    counted: Counter[str] = Counter()
    for name, tensor in tensors.items():
        counted[name.split(".")[0]] += tensor.numel()
    return dict(counted) | {"total": counted.total()}


def _voice(path: Path) -> Report:
    found = contents(path)
    everything = found.tensors | found.left_out
    report: Report = {"kind": found.kind}
    odd = list(found.odd)
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
            "believed": voice.believed,
        }
    except BadCheckpoint as error:
        missing.append(str(error))
    spoilt = [name for name, tensor in everything.items() if not torch.isfinite(tensor).all()]
    missing += [f"{name} holds NaN or infinity" for name in spoilt]
    report["metadata"] = {key: value for key, value in found.metadata.items() if _plain(value)}
    return report | _about(everything) | {"missing": missing, "odd": odd}


def _network(path: Path) -> Report | None:
    """A network that is not a voice; None when the file is none that we know."""
    from rvc.content.features import read_weights

    try:
        tensors = read_weights(path)
    except RvcError:
        return None
    names = tensors.keys()
    if any(name.startswith("discriminators.") for name in names):
        said = ["a discriminator, which only training uses; the voice is in the G_*.pth beside it"]
        return {"kind": "discriminator"} | _about(tensors) | {"missing": [], "odd": said}
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
    """HuBERT or ContentVec, from a transformers folder or any of its files."""
    from rvc.content import features
    from rvc.nn.hubert_tensor_names import translate

    file = features.weight_file(path) if path.is_dir() else path
    tensors = features.read_weights(file)
    report: Report = {"file": file.name, "bytes": file.stat().st_size, "sha256": checkpoint.sha256(file)}
    # The configuration that fairseq pickles beside the tensors, and the training's head, are left alone by design.
    ours = translate(tensors, file.name)
    origin = (
        "transformers"
        if any(name.startswith(("encoder.layers.0.attention", "hubert.")) for name in tensors)
        else "fairseq"
    )
    new = any("parametrizations" in name for name in tensors)
    unused = [name for name in ours if name.startswith(("mask", "label_embs"))]
    report |= {
        "kind": "HuBERT",
        "origin": origin,
        "weight_norm": "parametrizations" if new else "weight_g and weight_v",
        "layers": len({name.split(".")[1] for name in ours if name.startswith("layers.")}),
        "final_proj": "final_proj.weight" in ours,
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
        "version": {256: "v1", 768: "v2"}.get(int(index.d)),
        "trained": bool(index.is_trained),
    }
    empty = (
        ["it holds no vectors, only centres: use the file whose name begins with added"] if index.ntotal == 0 else []
    )
    wrong = [f"it {fault}" for fault in faults(index)]
    odd = [] if report["version"] else [f"vectors {index.d} wide fit no RVC voice (v1: 256, v2: 768)"]
    return report | {"missing": empty + wrong, "odd": odd}


def _checked(load: Callable[[], Any]) -> Report:
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
