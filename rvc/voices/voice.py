"""Open a voice file: check the name and shape of every tensor before a number is read, and infer the voice's facts.

Exported voices (.pth), training checkpoints (G_*.pth, with or without their config.json beside them) and the
.safetensors files of `rvc export` all become a `Voice`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import Sizes, layout, read_config
from rvc.voices.metadata import infer_facts
from rvc.weights import checkpoint
from rvc.weights.mapped_file import MappedTensors
from rvc.weights.policy import RESIDENT, WeightPolicy

if TYPE_CHECKING:
    from rvc.nn.synthesizer import Synthesizer

TRAINING_KEYS = ("iteration", "optimizer", "learning_rate")  # entries of a training checkpoint
KNOWN_KEYS = {"weight", "config", "info", "sr", "f0", "version", "model", *TRAINING_KEYS}
# Names of weight norm in torch's newer parametrization → the classic names (docs/spec/01 §1.4).
NEW_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
SHOWN = 3  # tensor names listed in a message
FORMAT = "rvc-voice-1"  # the entry `format` in the metadata of a .safetensors voice


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
    """

    kind: FileKind
    tensors: MappedTensors
    metadata: dict[str, Any]
    config: list[Any] | None
    config_origin: str
    left_out: dict[str, Tensor]
    original: dict[str, Tensor]
    odd: list[str]


@dataclass
class Voice:
    """A voice whose file has been checked; its networks are built when they are first used.

    Attributes:
        path: the file.
        kind: what the file is.
        sizes: the sizes of its synthesizer.
        config: the list of 18 entries with which the networks are built (docs/spec/01 §1.2).
        info: the file's info text.
        metadata: the file's other entries.
        inferred: fact → the tensors that show it.
        unverified: fact → the metadata that states it; no tensor's shape confirms it.
        odd: sentences about what is unusual in the file, though it can be used.
        device: where the networks run, "cpu", "cuda" or "mps".
        precision: the arithmetic of the networks; parity holds for "float32".
    """

    path: Path
    kind: FileKind
    sizes: Sizes
    config: list[Any]
    info: str
    metadata: dict[str, Any]
    inferred: dict[str, str]
    unverified: dict[str, str]
    odd: list[str]
    device: str = "cpu"
    precision: str = "float32"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def version(self) -> str:
        """ "v1" or "v2"."""
        return self.sizes.version

    @property
    def f0(self) -> bool:
        """Whether the voice is guided by F0."""
        return self.sizes.f0

    @property
    def rate(self) -> int:
        """Output samples per second."""
        return self.sizes.rate

    @property
    def upp(self) -> int:
        """Output samples per frame of 10 ms."""
        return self.sizes.upp

    @property
    def speakers(self) -> int:
        """Number of speakers; their ids are 0 to speakers − 1."""
        return self.sizes.speakers

    @property
    def notes(self) -> list[str]:
        """Where each fact comes from and what is unusual in the file, one sentence each."""
        inferred = [f"{fact}: inferred ({why})" for fact, why in self.inferred.items()]
        return inferred + [f"{fact}: unverified ({why})" for fact, why in self.unverified.items()] + self.odd

    @cached_property
    def _synthesizer(self) -> Synthesizer:
        return self.build()

    @property
    def synthesizer(self) -> Synthesizer:
        """The voice's networks, built once."""
        with self._lock:
            return self._synthesizer

    def build(self, policy: WeightPolicy = RESIDENT) -> Synthesizer:
        """Build the voice's networks from the file, without keeping them in this object.

        Args:
            policy: how the weights are held; with a streamed policy each network is built when it is run.
        Raises:
            BadCheckpoint: a number in the file is not finite; with a streamed policy, when the network is run.
        """
        from rvc.nn.synthesizer import Synthesizer

        contents = read_contents(self.path)
        check(contents.tensors, self.sizes, self.path.name)  # the file may have been replaced since it was opened
        facts = self.config, self.version, self.f0
        return Synthesizer(*facts, contents.tensors, self.device, self.precision, policy)


def load_voice(path: str | Path, *, device: str = "cpu", precision: str = "float32") -> Voice:
    """Open a voice file and check it: every tensor that its sizes require, of that shape, and no other.

    Args:
        path: an exported voice, a training checkpoint (G_*.pth) or a .safetensors file of `rvc export`.
        device: where the networks will run, "cpu", "cuda" or "mps".
        precision: the arithmetic of the networks; parity holds for "float32".
    Raises:
        BadCheckpoint: the file is damaged or hostile, contradicts itself, or lacks a tensor.
    """
    path = Path(path)
    contents = read_contents(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in (contents.tensors | contents.left_out).items()}
    facts = infer_facts(shapes, contents.metadata, contents.config, path.name)
    try:
        sizes = read_config(facts.config, facts.version, facts.f0)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path.name}: {error}") from None
    check(contents.tensors, sizes, path.name)
    if contents.config_origin:
        facts.unverified["config"] = contents.config_origin
    return Voice(
        path=path,
        kind=contents.kind,
        sizes=sizes,
        config=facts.config,
        info=str(contents.metadata.get("info", "")),
        metadata=contents.metadata,
        inferred=facts.inferred,
        unverified=facts.unverified,
        odd=contents.odd + _left_out_note(contents),
        device=device,
        precision=precision,
    )


def read_contents(path: Path) -> VoiceContents:
    """Read the parts of a voice file without checking them against each other.

    Raises:
        BadCheckpoint: the file is damaged or hostile, or is no voice; the message names what it seems to be.
    """
    opened = checkpoint.read(path)
    content = opened.content
    config, config_origin, odd = None, "", []
    if opened.form is checkpoint.FileFormat.SAFETENSORS:
        kind, state, metadata = FileKind.SAFETENSORS_VOICE, content, unpack_metadata(opened.metadata, path)
        config = metadata.pop("config", None)
    elif isinstance(content.get("weight"), dict):
        kind, state = FileKind.VOICE, content["weight"]
        metadata = {key: value for key, value in content.items() if key not in ("weight", "config")}
        config = content.get("config")
        odd += [f"unknown entry {key!r} is ignored" for key in content if key not in KNOWN_KEYS]
        if config is None:
            odd.append("the file holds no config")
    else:
        kind = FileKind.TRAINING_CHECKPOINT
        state = content["model"] if isinstance(content.get("model"), dict) else content
        metadata = {key: content[key] for key in ("iteration", "learning_rate") if key in content}
        _refuse_others(state, path)
        config, config_origin = config_beside(path)
    if config is not None and not isinstance(config, list):
        raise BadCheckpoint(
            f"{path.name}'s config is a {type(config).__name__}, expected a list; the file is damaged, export it again"
        )
    named = _named(state, path)
    tensors = MappedTensors({n: tensor for n, tensor in named.items() if not n.startswith("enc_q.")}, opened.mapping)
    left_out = {name: tensor for name, tensor in named.items() if name.startswith("enc_q.")}
    original = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    return VoiceContents(kind, tensors, metadata, config, config_origin, left_out, original, odd)


def check(tensors: Mapping[str, Tensor], sizes: Sizes, file: str) -> None:
    """Compare the tensors' names and shapes with those that `sizes` require.

    Args:
        tensors: the generator's tensors.
        sizes: the sizes of the synthesizer.
        file: the file's name, for messages.
    Raises:
        BadCheckpoint: tensors are missing, unexpected or of another shape; the message lists them.
    """
    expected = layout(sizes)
    missing = [name for name in expected if name not in tensors]
    unexpected = [name for name in tensors if name not in expected]
    misshaped = [
        f"{name} {tuple(tensors[name].shape)} instead of {shape}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems = [
        f"{verb} {len(names)} {tail}: {_some(names)}"
        for verb, names, tail in (
            ("lacks", missing, f"of {len(expected)} tensors"),
            ("has", misshaped, "of another shape"),
            ("has", unexpected, "that such a voice does not have"),
        )
        if names
    ]
    if problems:
        raise BadCheckpoint(f"checkpoint {file} {'; it '.join(problems)}; is it complete, and an RVC voice?")


def pack_metadata(metadata: Mapping[str, Any], config: list[Any]) -> dict[str, str]:
    """Convert metadata and config to the texts of a safetensors header, each JSON except `format`."""
    return {"format": FORMAT, "config": json.dumps(config)} | {
        key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items() if key not in ("format", "config")
    }


def unpack_metadata(texts: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The inverse of `pack_metadata`.  Raises BadCheckpoint for a file that `rvc export` did not write."""
    if texts.get("format") != FORMAT:
        raise BadCheckpoint(
            f"{path.name} holds no metadata of a voice, expected what `rvc export` writes; export it from a .pth"
        )
    return {key: checkpoint.parse_json(text, path, key) for key, text in texts.items() if key != "format"}


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


def _named(state: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """The tensors under the classic names.  Raises BadCheckpoint for one that is not of a float type."""
    named: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if not isinstance(tensor, Tensor):
            continue  # training writes numbers beside the tensors; `check` reports a tensor that is missing
        name = str(key)
        for new, old in NEW_NAMES.items():
            name = name.removesuffix(new) + old if name.endswith(f".{new}") else name
        if tensor.dtype not in checkpoint.FLOATS:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise BadCheckpoint(f"{path.name}'s tensor {key} is {kind}, expected float16, bfloat16, float32 or float64")
        if name in named:
            raise BadCheckpoint(f"{path.name} has the tensor {name} under both namings of weight norm; remove one")
        named[name] = tensor
    return named


def _refuse_others(state: Mapping[Any, Any], path: Path) -> None:
    """Raise BadCheckpoint for a state dict that has no generator's tensors; the message names what it seems to be."""
    names = [str(name) for name in state]
    if "enc_p.emb_phone.weight" in names:
        return
    for pattern, what in (
        (r"discriminators\..*", "a discriminator (D_*.pth); the voice is in the G_*.pth beside it"),
        (r"unet\..*", "an RMVPE model, which belongs to --rmvpe"),
        (
            r"(encoder|hubert\.encoder|feature_extractor|post_extract_proj)\..*",
            "a HuBERT model; it belongs to --hubert",
        ),
    ):
        if any(re.fullmatch(pattern, name) for name in names):
            raise BadCheckpoint(f"{path.name} is {what}")
    raise BadCheckpoint(f"{path.name} holds {_some(names) or 'nothing'}; expected an RVC voice with weight and config")


def _left_out_note(contents: VoiceContents) -> list[str]:
    if not contents.left_out:
        return []
    return [f"{len(contents.left_out)} tensors of the posterior encoder enc_q, which only training uses, are left out"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
