"""Open a voice file: check the name and shape of every tensor before a number is read, and infer the voice's facts.

Exported voices (.pth), training checkpoints (G_*.pth, with or without their config.json beside them) and the
.safetensors files of `rvc export` all become a `Voice`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import Sizes, layout, read_config
from rvc.voice_kinds import VERSIONS
from rvc.voices import embedders
from rvc.voices.contents import FileKind, VoiceContents, is_hifigan, read_contents, some, vocoder
from rvc.voices.embedders import Embedder
from rvc.voices.metadata import VoiceFacts, infer_facts
from rvc.weights import recognizers
from rvc.weights.numbers import refuse_nonfinite
from rvc.weights.policy import RESIDENT, WeightPolicy

if TYPE_CHECKING:
    from rvc.nn.synthesizer import Synthesizer

GENERATOR_PARTS = {
    "conv_pre",
    "conv_post",
    "ups",
    "resblocks",
    "cond",
}  # of HiFi-GAN's tensors, after `dec.`
SOURCE_PARTS = {"m_source", "noise_convs"}  # further parts of a voice with F0, after `dec.`


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
        warnings: those of them that a conversion prints.
        corrected: entries of the metadata whose right value is another than the file's.
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
    warnings: list[str] = field(default_factory=list)
    corrected: dict[str, Any] = field(default_factory=dict)
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
    def embedder(self) -> Embedder | None:
        """The network that the file names as the source of its content features, None where it names none."""
        return embedders.of(self.metadata)

    @property
    def vocoder(self) -> str | None:
        """The generator that the file names, None where it names none."""
        return vocoder(self.metadata)

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

    def refuse_odd_numbers(self) -> None:
        """Raise BadCheckpoint when a tensor of the file holds NaN or infinity; reads all of them once."""
        refuse_nonfinite(read_contents(self.path).tensors, self.path.name)


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
    try:
        facts, sizes = _check_tensors(contents, path.name)
    except BadCheckpoint:
        _refuse_other_generator(contents, path.name)
        raise
    _check_layer(contents, sizes, path.name)
    made_with = vocoder(contents.metadata)
    if made_with is not None and not is_hifigan(made_with):
        facts.warnings.append(
            f"{path.name} states the vocoder {made_with}, but its tensors are those of HiFi-GAN, which is used"
        )
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
        odd=contents.odd + facts.warnings + _left_out_note(contents),
        warnings=facts.warnings,
        corrected=facts.corrected,
        device=device,
        precision=precision,
    )


def _check_tensors(contents: VoiceContents, file: str) -> tuple[VoiceFacts, Sizes]:
    """Infer the voice's facts from its tensors, and check that these are complete."""
    shapes = {name: tuple(tensor.shape) for name, tensor in (contents.tensors | contents.left_out).items()}
    facts = infer_facts(shapes, contents.metadata, contents.config, file)
    try:
        sizes = read_config(facts.config, facts.version, facts.f0)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{file}: {error}") from None
    try:
        check(contents.tensors, sizes, file)
    except BadCheckpoint:
        _refuse_vocoder(contents, file)
        raise
    return facts, sizes


def _refuse_vocoder(contents: VoiceContents, file: str) -> None:
    """Raise BadCheckpoint for a voice that failed its check and whose file names another vocoder than HiFi-GAN."""
    made_with = vocoder(contents.metadata)
    if made_with is not None and not is_hifigan(made_with):
        raise BadCheckpoint(
            f"{file} is a voice made with the vocoder {made_with} (its entry `vocoder`); {recognizers.HIFIGAN}"
        ) from None


def _refuse_other_generator(contents: VoiceContents, file: str) -> None:
    """Raise BadCheckpoint for a voice that failed its check and whose tensors are those of another generator."""
    parts = {name.split(".")[1] for name in contents.tensors if name.startswith("dec.")}
    foreign, lacking = sorted(parts - GENERATOR_PARTS - SOURCE_PARTS), GENERATOR_PARTS - parts
    if foreign or lacking:
        _refuse_vocoder(contents, file)
    if foreign and lacking:
        raise BadCheckpoint(
            f"{file} is a voice with another generator, whose parts are dec.{some(foreign)}; {recognizers.HIFIGAN}"
        ) from None


def _check_layer(contents: VoiceContents, sizes: Sizes, file: str) -> None:
    """Raise BadCheckpoint for a voice that was trained on another layer of its embedder than conversions use."""
    stated, used = embedders.layer(contents.metadata), VERSIONS[sizes.version].hubert_layer
    if stated is not None and stated != used:
        raise BadCheckpoint(
            f"{file} was trained on layer {stated} of its embedder (its entry {embedders.LAYER_ENTRY} states it), but "
            f"{sizes.version} voices are converted with layer {used}; use it with the program that made it"
        )


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
        f"{verb} {len(names)} {tail}: {some(names)}"
        for verb, names, tail in (
            ("lacks", missing, f"of {len(expected)} tensors"),
            ("has", misshaped, "of another shape"),
            ("has", unexpected, "that such a voice does not have"),
        )
        if names
    ]
    if problems:
        raise BadCheckpoint(f"checkpoint {file} {'; it '.join(problems)}; is it complete, and an RVC voice?")


def _left_out_note(contents: VoiceContents) -> list[str]:
    if not contents.left_out:
        return []
    return [f"{len(contents.left_out)} tensors of the posterior encoder enc_q, which only training uses, are left out"]
