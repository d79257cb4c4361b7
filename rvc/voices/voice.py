"""A voice opened: every tensor's name and shape checked before a number is read, and what was inferred kept.

Exported voices (.pth), training checkpoints (G_*.pth, with or without their config.json beside them) and our own
.safetensors all become the same Voice.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import Sizes, layout, read_config
from rvc.voices.metadata import recognise
from rvc.weights import checkpoint
from rvc.weights.mapped_file import Tensors
from rvc.weights.policy import RESIDENT, WeightPolicy

if TYPE_CHECKING:
    from rvc.nn.synthesizer import Synthesizer

TRAINING = ("iteration", "optimizer", "learning_rate")
KNOWN_KEYS = {"weight", "config", "info", "sr", "f0", "version", "model", *TRAINING}
NEW_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
SHOWN = 3  # names listed in a refusal


@dataclass(frozen=True)
class Contents:
    """A voice file's parts before they are judged.

    kind : "voice", "training checkpoint" or "safetensors voice";  left_out : tensors of the posterior encoder
    original : every tensor under the name that it has in the file
    """

    kind: str
    tensors: Tensors
    metadata: dict[str, Any]
    config: list[Any] | None
    config_from: str
    left_out: dict[str, Tensor]
    original: dict[str, Tensor]
    odd: list[str]


@dataclass
class Voice:
    """A voice whose file has been checked; its networks are built when first asked for.

    rate : output samples per second;  upp : output samples per frame of 10 ms;  info : the file's own words
    inferred, believed : fact → what it rests on;  odd : what is strange about the file, though it works
    """

    path: Path
    kind: str
    sizes: Sizes
    config: list[Any]
    info: str
    metadata: dict[str, Any]
    inferred: dict[str, str]
    believed: dict[str, str]
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
        """Whether the voice is pitch-guided."""
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
        """How many speakers the voice has; they are 0 to speakers − 1."""
        return self.sizes.speakers

    @property
    def notes(self) -> list[str]:
        """What was inferred, what was believed and what is odd, one sentence each."""
        told = [f"{fact}: inferred ({why})" for fact, why in self.inferred.items()]
        return told + [f"{fact}: believed ({why})" for fact, why in self.believed.items()] + self.odd

    @cached_property
    def _synthesizer(self) -> Synthesizer:
        return self.build()

    @property
    def synthesizer(self) -> Synthesizer:
        """The voice's networks, built once."""
        with self._lock:
            return self._synthesizer

    def build(self, policy: WeightPolicy = RESIDENT) -> Synthesizer:
        """The voice's networks, built anew from the file; raises BadCheckpoint when a number in it is not finite.

        policy : each network of a streamed synthesizer is built when it is run, and raises then
        """
        from rvc.nn.synthesizer import Synthesizer

        found = contents(self.path)
        check(found.tensors, self.sizes, self.path.name)  # the file may be another by now
        facts = self.config, self.version, self.f0
        return Synthesizer(*facts, found.tensors, self.device, self.precision, policy)


def load_voice(path: str | Path, *, device: str = "cpu", precision: str = "float32") -> Voice:
    """Open a voice and check it, strictly: each tensor that its sizes ask for, of that shape, and no other.

    path    : an exported voice, a training checkpoint (G_*.pth) or our .safetensors
    raises  : BadCheckpoint when the file is damaged or hostile, contradicts itself, or lacks a tensor
    """
    path = Path(path)
    found = contents(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in (found.tensors | found.left_out).items()}
    facts = recognise(shapes, found.metadata, found.config, path.name)
    try:
        sizes = read_config(facts.config, facts.version, facts.f0)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path.name}: {error}") from None
    check(found.tensors, sizes, path.name)
    if found.config_from:
        facts.believed["config"] = found.config_from
    return Voice(
        path=path,
        kind=found.kind,
        sizes=sizes,
        config=facts.config,
        info=str(found.metadata.get("info", "")),
        metadata=found.metadata,
        inferred=facts.inferred,
        believed=facts.believed,
        odd=found.odd + _leftovers(found),
        device=device,
        precision=precision,
    )


def contents(path: Path) -> Contents:
    """The parts of a voice file; raises BadCheckpoint, saying what the file seems to be, when it is no voice."""
    opened = checkpoint.read(path)
    content = opened.content
    config, config_from, odd = None, "", []
    if opened.form == "safetensors":
        kind, state, metadata = "safetensors voice", content, unpack_metadata(opened.metadata, path)
        config = metadata.pop("config", None)
    elif isinstance(content.get("weight"), dict):
        kind, state = "voice", content["weight"]
        metadata = {key: value for key, value in content.items() if key not in ("weight", "config")}
        config = content.get("config")
        odd += [f"unknown entry {key!r} is ignored" for key in content if key not in KNOWN_KEYS]
        if config is None:
            odd.append("the file holds no config")
    else:
        kind = "training checkpoint"
        state = content["model"] if isinstance(content.get("model"), dict) else content
        metadata = {key: content[key] for key in ("iteration", "learning_rate") if key in content}
        _refuse_others(state, path)
        config, config_from = config_beside(path)
    if config is not None and not isinstance(config, list):
        raise BadCheckpoint(f"{path.name}'s config is a {type(config).__name__}, expected a list; the file is damaged")
    named = _named(state, path)
    mine = Tensors({n: tensor for n, tensor in named.items() if not n.startswith("enc_q.")}, opened.mapping)
    left_out = {name: tensor for name, tensor in named.items() if name.startswith("enc_q.")}
    original = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    return Contents(kind, mine, metadata, config, config_from, left_out, original, odd)


def check(tensors: Mapping[str, Tensor], sizes: Sizes, file: str) -> None:
    """Compare names and shapes with what `sizes` ask for; raises BadCheckpoint listing what does not fit."""
    wanted = layout(sizes)
    missing = [name for name in wanted if name not in tensors]
    unexpected = [name for name in tensors if name not in wanted]
    misshaped = [
        f"{name} {tuple(tensors[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems = [
        f"{verb} {len(names)} {tail}: {_some(names)}"
        for verb, names, tail in (
            ("lacks", missing, f"of {len(wanted)} tensors"),
            ("has", misshaped, "of another shape"),
            ("has", unexpected, "that such a voice does not have"),
        )
        if names
    ]
    if problems:
        raise BadCheckpoint(f"checkpoint {file} {'; it '.join(problems)}; is it complete, and an RVC voice?")


def pack_metadata(metadata: Mapping[str, Any], config: list[Any]) -> dict[str, str]:
    """A voice's metadata as the texts that a safetensors file carries, each JSON but the format's name."""
    return {"format": "rvc-voice-1", "config": json.dumps(config)} | {
        key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items() if key not in ("format", "config")
    }


def unpack_metadata(texts: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The inverse of pack_metadata; raises BadCheckpoint for a file that is not a voice of ours."""
    if texts.get("format") != "rvc-voice-1":
        raise BadCheckpoint(
            f"{path.name} carries no metadata of a voice; expected what `python -m rvc export` writes from a .pth"
        )
    return {key: checkpoint.parsed(text, path, key) for key, text in texts.items() if key != "format"}


def config_beside(path: Path) -> tuple[list[Any] | None, str]:
    """The config list from config.json in the same folder, and in words where it is from; (None, "") without one."""
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
            "mend it, or move it away to have the sizes read from the tensors"
        ) from None
    return config, "config.json beside the file"


def _named(state: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """The tensors under the classic names, each of a float type."""
    named: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if not isinstance(tensor, Tensor):
            continue  # training keeps numbers beside the tensors; the strict check misses nothing by it
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
    """Say what a file seems to be that has neither a voice's entries nor a generator's tensors."""
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


def _leftovers(found: Contents) -> list[str]:
    if not found.left_out:
        return []
    return [f"{len(found.left_out)} tensors of the posterior encoder enc_q, which only training uses, are left out"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
