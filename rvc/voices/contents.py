"""Read a voice file's parts: tensors under their classic names, config and metadata, whatever program wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.voice_kinds import VERSIONS
from rvc.voices import embedders
from rvc.voices.writers import DDPN_ENTRIES, FORMAT, HUB_KIND, TRAINING_KEYS, writer
from rvc.weights import checkpoint, recognizers
from rvc.weights.mapped_file import MappedTensors
from rvc.weights.torch_files.placeholders import NUMBERS_IN_ARRAY
from rvc.weights.wrapper_names import unwrapped, voice_prefixes

KNOWN_KEYS = {"weight", "config", "info", "sr", "f0", "version", "model", *TRAINING_KEYS}
READ_KEYS = {*embedders.ENTRIES, embedders.LAYER_ENTRY, "vocoder", "params"}  # entries of forks that are read
PLAIN_TEXTS = (*embedders.ENTRIES, embedders.LAYER_ENTRY, "vocoder", "version", "f0", "sr", "info")  # of safetensors
# Names of weight norm in torch's newer parametrization → the classic names (docs/spec/01 §1.4).
NEW_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
NORMED = re.compile(  # the layers with weight norm; a voice saved after remove_weight_norm has their plain weights
    r"((?:flow\.flows|enc_q)\.(?:\d+\.)?enc\.(?:cond_layer|(?:in|res_skip)_layers\.\d+)|dec\.ups\.\d+"
    r"|dec\.resblocks\.\d+\.convs\d?\.\d+)\.weight"
)
NUMBERS_IN_ENTRY = 64  # numbers of a tensor that is an entry of a config
SHOWN = 3  # tensor names listed in a message


class FileKind(StrEnum):
    """What a voice file is; the values are printed by `rvc inspect`."""

    VOICE = "voice"
    TRAINING_CHECKPOINT = "training checkpoint"
    SAFETENSORS_VOICE = "safetensors voice"


@dataclass(frozen=True)
class VoiceContents:
    """The parts of a voice file before they are checked.

    Attributes:
        kind: what the file is.
        tensors: the generator's tensors under their classic names.
        metadata: every entry beside the tensors and the config.
        config: the list of 18 entries, None where there is none.
        config_origin: where the config was read from, if not from the file itself.
        left_out: tensors of the posterior encoder, which only training uses.
        original: every tensor under the name that it has in the file.
        odd: sentences about what is unusual in the file.
        writer: the program that wrote the file, as far as its entries show it.
    """

    kind: FileKind
    tensors: MappedTensors
    metadata: dict[str, Any]
    config: list[Any] | None
    config_origin: str
    left_out: dict[str, Tensor]
    original: dict[str, Tensor]
    odd: list[str]
    writer: str = ""


def read_contents(path: Path) -> VoiceContents:
    """Read the parts of a voice file without checking them against each other.

    Raises:
        BadCheckpoint: the file is damaged or hostile, or is no voice; the message names what it seems to be.
    """
    opened = checkpoint.read(path)
    content = opened.content
    config, config_origin, odd = None, "", []
    held_by = _state_key(content, path)
    if opened.form is checkpoint.FileFormat.SAFETENSORS:
        kind, state, metadata = FileKind.SAFETENSORS_VOICE, content, unpack_metadata(opened.metadata, path)
        config = metadata.pop("config", None)
        _refuse_others(state, path)
        if config is None:
            odd.append("the file holds no config")
    elif held_by == "weight" or (held_by is not None and isinstance(content.get("config"), list)):
        kind, state = FileKind.VOICE, content[held_by]
        odd += [f"the tensors are under {held_by!r}, not under 'weight'"] if held_by != "weight" else []
        entries = {key: value for key, value in content.items() if key not in (held_by, "config")}
        entries |= embedders.readable(entries)
        metadata = {key: value for key, value in entries.items() if not isinstance(value, checkpoint.PassedOver)}
        config = content.get("config")
        odd += [f"unknown entry {key!r} is ignored" for key in metadata if key not in KNOWN_KEYS | READ_KEYS]
        odd += [f"entry {key!r}, {value}, is ignored" for key, value in entries.items() if key not in metadata]
        _refuse_others(state, path)
        if config is None:
            odd.append("the file holds no config")
    else:
        kind = FileKind.TRAINING_CHECKPOINT
        state = content if held_by is None else content[held_by]
        metadata = {key: content[key] for key in ("iteration", "learning_rate") if key in content}
        _refuse_others(state, path)
        config, config_origin = config_beside(path)
    if config is not None and not isinstance(config, list):
        shown = config if isinstance(config, checkpoint.PassedOver) else f"a {type(config).__name__}"
        raise BadCheckpoint(f"{path.name}'s config is {shown}, expected a list; the file is damaged, export it again")
    if config is not None:
        config = _plain_config(config, odd)
    named, renamed = _named(state, path)
    tensors = MappedTensors({n: tensor for n, tensor in named.items() if not n.startswith("enc_q.")}, opened.mapping)
    left_out = {name: tensor for name, tensor in named.items() if name.startswith("enc_q.")}
    original = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    if renamed:
        original = {name: tensor for name, tensor in named.items() if name not in left_out}
        odd.append(renamed)
    wrote = writer(opened.content, opened.metadata)
    return VoiceContents(kind, tensors, metadata, config, config_origin, left_out, original, odd, wrote)


def _state_key(content: Mapping[str, Any], path: Path) -> str | None:
    """The entry of a torch file that holds the tensors of a model, None where they are at the top.

    Raises:
        BadCheckpoint: the file holds several voices.
    """
    states = {key: value for key, value in content.items() if isinstance(value, dict)}
    names = {key: [str(n) for n, v in state.items() if isinstance(v, Tensor)] for key, state in states.items()}
    voices = [key for key in states if voice_prefixes(map(unwrapped, names[key]))]
    if len(voices) > 1 and not {"weight", "model"} & set(voices):
        raise BadCheckpoint(f"{path.name} holds several voices, under {some(voices)}; save one of them alone")
    usual = [key for key in ("weight", "model") if key in states]
    return next((key for key in (*usual, *voices) if key in voices or key in usual), None)


def vocoder(metadata: Mapping[str, Any]) -> str | None:
    """The generator that a voice file's entry `vocoder` names, None where it has none."""
    value = metadata.get("vocoder")
    return value.strip() if isinstance(value, str) and value.strip() else None


def is_hifigan(name: str) -> bool:
    """Whether an entry `vocoder` names the generator of this program."""
    return re.sub(r"[\s_-]", "", name).lower() in ("hifigan", "hifigannsf", "nsfhifigan", "hifiganaa", "default")


def plain(value: Any) -> Any:
    """An entry as every program can read it: tensors become numbers, other objects and large tensors None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Tensor) and value.numel() <= NUMBERS_IN_ARRAY and not value.is_complex():
        return value.to(torch.float32).tolist() if value.is_floating_point() else value.tolist()
    return value if isinstance(value, checkpoint.PLAIN) else None


def pack_metadata(metadata: Mapping[str, Any], config: list[Any]) -> dict[str, str]:
    """Convert metadata and config to the texts of a safetensors header, each JSON except `format`."""
    return {"format": FORMAT, "config": json.dumps(config)} | {
        key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items() if key not in ("format", "config")
    }


def unpack_metadata(texts: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The inverse of `pack_metadata`, and the metadata of huggingface-hub-rvc; none for a plain state dict.

    Raises:
        BadCheckpoint: a text that should be JSON is not JSON.
    """
    if texts.get("format") == FORMAT:
        return {key: checkpoint.parse_json(text, path, key) for key, text in texts.items() if key != "format"}
    if texts.get("kind") == HUB_KIND:
        metadata: dict[str, Any] = {key: texts[key] for key in ("version", "f0") if key in texts}
        metadata |= {"sr": texts["sample_rate"]} if "sample_rate" in texts else {}
        if "config_json" in texts:
            metadata["config"] = checkpoint.parse_json(texts["config_json"], path, "config_json")
        return metadata
    stated: dict[str, Any] = {key: texts[key] for key in PLAIN_TEXTS if key in texts}
    if "config" in texts:
        stated["config"] = checkpoint.parse_json(texts["config"], path, "config")
    return stated


def config_beside(path: Path) -> tuple[list[Any] | None, str]:
    """Read the config list from the config.json of a training in the same folder.

    Returns:
        The list of 18 entries and a description of its origin; (None, "") when there is no config.json.
    Raises:
        BadCheckpoint: config.json is not one of a training.
    """
    beside = path.parent / "config.json"
    if not beside.is_file():
        return None, ""
    try:
        text = json.loads(beside.read_text(encoding="utf-8"))
        model, data = text["model"], text["data"]
        config = [
            int(data["filter_length"]) // 2 + 1,
            32,
            model["inter_channels"],
            model["hidden_channels"],
            model["filter_channels"],
            model["n_heads"],
            model["n_layers"],
            model["kernel_size"],
            model["p_dropout"],
            model["resblock"],
            model["resblock_kernel_sizes"],
            model["resblock_dilation_sizes"],
            model["upsample_rates"],
            model["upsample_initial_channel"],
            model["upsample_kernel_sizes"],
            model["spk_embed_dim"],
            model["gin_channels"],
            data["sampling_rate"],
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadCheckpoint(
            f"config.json beside {path.name} is not one of a training ({type(error).__name__}: {error}); "
            "correct it, or move it away to have the sizes read from the tensors"
        ) from None
    return config, "config.json beside the file"


def _plain_config(config: list[Any], odd: list[str]) -> list[Any]:
    """A config list with whole numbers as integers, and without the entry that only ddPn08's has."""
    plain = [_whole(entry) for entry in config]
    if len(plain) == DDPN_ENTRIES and plain[17] in {version.content_channels for version in VERSIONS.values()}:
        odd.append("the config has ddPn08's 19 entries; entry 17 is the width of the content features")
        del plain[17]
    return plain


def _whole(entry: Any) -> Any:
    """An entry of a config, in which a float or a tensor of a whole number becomes an integer."""
    if isinstance(entry, list):
        return [_whole(item) for item in entry]
    if isinstance(entry, Tensor) and entry.numel() <= NUMBERS_IN_ENTRY:
        return _whole(entry.tolist())
    return int(entry) if isinstance(entry, float) and entry.is_integer() and abs(entry) < 1 << 31 else entry


def _named(state: Mapping[Any, Any], path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors under the classic names, and a sentence where they are not in the file under these names.

    Raises:
        BadCheckpoint: a tensor is not of a float type, or has two different values.
    """
    named: dict[str, Tensor] = {}
    changes: list[str] = []
    stored = {str(key): tensor for key, tensor in state.items() if isinstance(tensor, Tensor)}
    prefixes = voice_prefixes(map(unwrapped, stored))
    if len(prefixes) > 1:
        raise BadCheckpoint(
            f"{path.name} holds several voices, whose names begin with {some([p or 'enc_p.' for p in prefixes])}; "
            "save one of them alone"
        )
    prefix = prefixes[0] if prefixes else ""
    for key, tensor in stored.items():
        if key.endswith("num_batches_tracked"):
            continue  # a counter of training, which no network reads
        name = unwrapped(key)
        if name != key:
            changes.append("the names contain those of wrappers, such as DataParallel's `module.`")
        if prefix and name.startswith(prefix):
            name = name.removeprefix(prefix)
            changes.append(f"the names begin with `{prefix}`")
        for new, old in NEW_NAMES.items():
            name = name.removesuffix(new) + old if name.endswith(f".{new}") else name
        if tensor.dtype not in checkpoint.FLOATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise BadCheckpoint(f"{path.name}'s tensor {key} is {kind}, expected float16, bfloat16, float32 or float64")
        if name not in named:
            named[name] = tensor
        elif torch.equal(named[name], tensor):
            changes.append(f"{name} is stored twice")
        else:
            raise BadCheckpoint(f"{path.name} has the tensor {name} under two names, and the two differ; remove one")
    plain = [name for name in named if NORMED.fullmatch(name) and f"{name}_g" not in named]
    for name in plain:
        weight = named.pop(name)
        if weight.ndim == 3:
            norm = torch.linalg.vector_norm(weight.float(), dim=(1, 2), keepdim=True)
            # A channel of zeros keeps its norm of 0 and any direction.
            named[f"{name}_v"] = weight if norm.all() else torch.where(norm == 0, torch.ones_like(weight), weight)
            named[f"{name}_g"] = norm
        else:
            named[name] = weight
    if plain:
        changes.append(f"the weight norm of {len(plain)} layers is folded")
    changes = list(dict.fromkeys(changes))
    more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return named, "; ".join(changes[:SHOWN]) + more


def _refuse_others(state: Mapping[Any, Any], path: Path) -> None:
    """Raise BadCheckpoint for a state dict that has no generator's tensors; the message names what it seems to be."""
    names = [str(name) for name, value in state.items() if isinstance(value, Tensor)]
    recognizers.refuse_other_tensors(path.name, names, recognizers.Role.VOICE)
    if voice_prefixes(map(unwrapped, names)):
        return
    if not any(re.match(r"(enc_p|dec|flow|emb_g)\.", unwrapped(name)) for name in names):
        entries = some([str(name) for name in state])
        held = some(names) or (f"no tensors, only {entries}" if entries else "nothing")
        raise BadCheckpoint(f"{path.name} holds {held}; expected an RVC voice with weight and config")


def some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
