"""Describe a model file: its kind and sizes, where they come from, and what is missing or unusual in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput, RvcError
from rvc.f0 import registry
from rvc.f0.network_files import check_weights
from rvc.voice_kinds import VERSIONS, version_of_width
from rvc.voices import embedders
from rvc.voices.contents import read_contents, vocoder
from rvc.voices.folder import find_index
from rvc.voices.voice import load_voice
from rvc.voices.writers import writer
from rvc.weights import checkpoint, recognizers
from rvc.weights.numbers import fault, refuse_nonfinite
from rvc.weights.onnx_file import describe as describe_onnx
from rvc.weights.wrapper_names import unwrapped

Report = dict[str, Any]  # plain values, as `rvc inspect --json` prints them
HASHED = 1 << 30  # bytes; the sha256 of a larger file would take longer than everything else and is left out


def inspect(path: str | Path) -> Report:
    """Describe a model file.

    Args:
        path: a voice (.pth, .safetensors), a training checkpoint, HuBERT (file or folder), RMVPE, CREPE, FCPE, an
            .index, or any file in `rvc.weights.recognizers`.
    Returns:
        `kind`, `bytes`, `sha256` (None above 1 GiB), `playable` (whether a conversion can use it), and by kind:
        `writer`, `embedder`, `vocoder`, `index` (the file that belongs to the voice), `version`, `rate`, `f0`,
        `speakers`, `info`, `parameters` (count by module, and `total`), `dtype` (number of tensors of each), `inferred`
        and `believed` (the `unverified` of `rvc.voices.metadata.VoiceFacts`), `missing` (problems for which the file
        cannot be used) and `odd` (what is unusual though it can be used).
    Raises:
        BadCheckpoint: the file is damaged or hostile, or no model.
        BadInput: there is no such file.
    """
    from rvc.content import features

    path = Path(path)
    if not path.exists():
        raise BadInput(f"there is no file {path}; check the path")
    if path.is_dir():
        file = features.weight_file(path)
        report = _identity(file) | _hubert(path, complete=file.stat().st_size <= HASHED)
    else:
        checkpoint.refuse_no_file(path)
        report = _identity(path) | describe(path, complete=path.stat().st_size <= HASHED)
    return report | {"playable": not report["missing"]}


def _identity(path: Path) -> Report:
    """The name, the size and the sha256 of a file."""
    size = path.stat().st_size
    return {"file": path.name, "bytes": size, "sha256": checkpoint.sha256(path) if size <= HASHED else None}


def inspect_folder(folder: Path) -> list[Report]:
    """One row for each file in a folder, with the entries of `inspect` but its sha256, and `why`.

    `why` is the first reason for which a file cannot be used; no number of a weight is read.

    Raises:
        BadInput: the folder holds no files.
    """
    from rvc.content.features import is_hubert_folder

    files = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path.is_file() or (path.is_dir() and is_hubert_folder(path)))
    )
    if not files:
        raise BadInput(f"the folder {folder} holds no files; give a folder of voices, or HuBERT's")
    rows = []
    for path in files:
        try:
            report = _hubert(path, False) if path.is_dir() else describe(path, complete=False)
        except RvcError as error:
            report = {"kind": "unknown", "missing": [str(error)]}
        why = report["missing"][0] if report["missing"] else None
        rows.append({"file": path.name, "odd": [], **report, "playable": why is None, "why": why})
    return rows


def describe(path: Path, complete: bool = True) -> Report:
    """Describe a file by its kind; `complete` also reads every number, to find those that are not finite.

    Raises:
        RvcError: the file is damaged or hostile, or of no kind that is known.
    """
    other = recognizers.by_content(path)
    if other is not None and other.role is recognizers.Role.INDEX:
        return _index(path, complete)
    if other is not None and other.name == "ONNX model":
        return describe_onnx(path) | {"bytes": path.stat().st_size}
    if other is not None:
        return _other(path, other)
    try:
        return _voice(path, complete)
    except BadCheckpoint as refusal:
        network = _network(path, complete)
        if network is None:
            raise refusal from None
        return network


def _other(path: Path, kind: recognizers.Recognizer) -> Report:
    """Describe a file that no conversion uses as a model."""
    refusal = recognizers.refusal(path.name, kind, recognizers.Role.VOICE)
    return {"kind": kind.name, "missing": [refusal], "odd": []}


def parameters(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The number of parameters by module (the first part of a tensor's name), and of all modules under `total`."""
    counts: Counter[str] = Counter()
    for name, tensor in tensors.items():
        counts[name.split(".")[0]] += tensor.numel()
    return dict(counts) | {"total": counts.total()}


def _voice(path: Path, complete: bool) -> Report:
    contents = read_contents(path)
    tensors = contents.tensors | contents.left_out
    embedder = embedders.of(contents.metadata)
    index = find_index(path, [path.parent])
    report: Report = {
        "kind": contents.kind,
        "writer": contents.writer,
        "embedder": embedder.name if embedder is not None else None,
        "vocoder": vocoder(contents.metadata),
        "index": index.name if index is not None else None,
    }
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
    if complete:
        missing += [f"{name} {problem}" for name, value in tensors.items() if (problem := fault(name, value))]
    report["metadata"] = {key: value for key, value in contents.metadata.items() if _plain(value)}
    return report | _about(tensors) | {"missing": missing, "odd": odd}


def _network(path: Path, complete: bool) -> Report | None:
    """Describe a network that is not a voice; None for a file of an unknown kind."""
    from rvc.content.features import read_weights

    try:
        tensors = read_weights(path)
    except RvcError:
        return None
    names = tensors.keys()
    if any(unwrapped(name).startswith("discriminators.") for name in names):
        odd = ["a discriminator, which only training uses; the voice is in the G_*.pth beside it"]
        return {"kind": "discriminator"} | _about(tensors) | {"missing": [], "odd": odd}
    shapes = {unwrapped(name): tuple(tensor.shape) for name, tensor in tensors.items()}
    for method in registry.METHODS.values():
        network = method.network
        if network is not None and network.recognize is not None and registry.resolve(network.recognize)(shapes):
            check = partial(check_weights, network, path, complete)
            return {"kind": network.title} | _about(tensors) | _checked(check)
    other = recognizers.by_tensors(names)
    if any("pos_conv" in name for name in names) and (other is None or other.role is recognizers.Role.HUBERT):
        return _hubert(path, complete)
    if other is None:
        return None
    return _other(path, other) | _stated(path, shapes) | _about(tensors)


def _stated(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Report:
    """What a voice of another program states about itself, nothing for a file that is no voice."""
    width = shapes.get("enc_p.emb_phone.weight", ())
    if len(width) != 2:
        return {}
    opened = checkpoint.read(path)
    entries = {**opened.metadata, **{key: value for key, value in opened.content.items() if _plain(value)}}
    embedder = embedders.of(entries)
    return {
        "writer": writer(opened.content, opened.metadata),
        "embedder": embedder.name if embedder is not None else None,
        "vocoder": vocoder(entries),
        "version": version_of_width(width[1]),
        "rate": entries.get("sr"),
        "f0": int("enc_p.emb_pitch.weight" in shapes),
        "speakers": shapes.get("emb_g.weight", (None,))[0],
        "info": entries.get("info"),
    }


def _hubert(path: Path, complete: bool) -> Report:
    """Describe HuBERT or ContentVec, a transformers folder or any of its files."""
    from rvc.content import features
    from rvc.nn.hubert_tensor_names import file_name, network_name

    file = features.weight_file(path) if path.is_dir() else path
    tensors = features.read_weights(file)
    # Fairseq's pickled configuration and the tensors of other networks have no name here.
    named = {ours: tensor for name, tensor in tensors.items() if (ours := network_name(name)) is not None}
    origin = (
        "transformers"
        if any(name.startswith(("encoder.layers.0.attention", "hubert.")) for name in tensors)
        else "fairseq"
    )
    has_new_names = any("parametrizations" in name for name in tensors)
    normed = "parametrizations" if has_new_names else "weight_g and weight_v"
    unused = [name for name in tensors if network_name(name) is None]
    report: Report = {
        "kind": "HuBERT",
        "origin": origin,
        "weight_norm": "folded" if "position.folded" in named else normed,
        "layers": len({name.split(".")[1] for name in named if name.startswith("layers.")}),
        "final_proj": "final_proj.weight" in named,
    }
    odd = [] if report["final_proj"] else ["no final_proj: v1 voices cannot use it"]
    odd += [f"{len(unused)} tensors that are not read: {', '.join(unused[:3])}"] if unused else []

    def check() -> None:
        _, weights = features.read_hubert(path)
        if complete:
            refuse_nonfinite(weights, file.name, file_name)

    checked = _checked(check)
    return report | _about(tensors) | {"missing": checked["missing"], "odd": odd + checked["odd"]}


def _index(path: Path, complete: bool) -> Report:
    """Describe a faiss index; `complete` also reads every vector of a kind that is not decoded."""
    from rvc.retrieval.index_file import UnusableIndex, code_of, kind_of

    try:
        return _usable_index(path, complete)
    except UnusableIndex as refusal:
        code = code_of(path)
        return {"kind": "index", "structure": f"{kind_of(code).what} ({code})", "missing": [str(refusal)], "odd": []}


def _usable_index(path: Path, complete: bool) -> Report:
    """Describe a faiss index from which vectors can be read.  Raises UnusableIndex."""
    from rvc.retrieval import index_probe
    from rvc.retrieval.search import empty, examine

    header = examine(path)
    facts: Report = {
        "kind": header.kind.what,
        "width": header.width,
        "total": header.total,
        "lists": header.lists,
        "probes": header.probes,
        "is_trained": header.is_trained,
        "problems": header.problems,
    }
    if header.is_checked:
        facts["irregular"] = header.count_irregular(complete=True) if complete and not header.problems else 0
    else:
        facts = index_probe.probe(path, header.describe())
    width, total, irregular = facts["width"], facts["total"], facts["irregular"]
    report: Report = {
        "kind": "index",
        "structure": f"{facts['kind']} ({header.code})",
        "dimension": width,
        "metric": header.metric_name,
        "ntotal": total,
        "nlist": facts["lists"],
        "nprobe": facts["probes"],
        "version": version_of_width(width),
        "trained": facts["is_trained"],
    }
    missing = [empty("it", facts["is_trained"])] if total == 0 else []
    missing += [f"it {problem}" for problem in facts["problems"]]
    known = ", ".join(f"{version.name}: {version.content_channels}" for version in VERSIONS.values())
    odd = [] if report["version"] else [f"vectors with {width} channels fit no RVC voice ({known})"]
    if irregular:
        sentence = f"{irregular} of {total} vectors hold NaN or infinity, or are in no list"
        (missing if irregular == total else odd).append(sentence)
    return report | {"missing": missing, "odd": odd}


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
