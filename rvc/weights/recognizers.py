"""The table of file kinds that are given to a reader: what each file is, how it is recognized, and what to do with it.

A file is recognized by its first bytes, by the names in its zip directory, or by the names of its tensors. Every reader
(`convert`, `inspect`, `merge`, `export`, `--hubert`, the weight files of F0 methods, `--index`) looks a file up here
before anything long runs, so that a file in another one's place is named by what it is. To name another kind of file,
add an entry to `RECOGNIZERS`; the first entry that matches decides.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rvc.errors import BadCheckpoint
from rvc.weights import onnx_file
from rvc.weights.wrapper_names import unwrapped, voice_prefixes

EXPORTED, TRANSFORMERS = "voice.json", "config.json"  # what describes the folder of an exported voice, of a HuBERT
HEAD = 512  # bytes at the start of a file that are compared; tar writes its mark at 257


class Role(StrEnum):
    """What a file can be used as; the value is how messages name it."""

    VOICE = "an RVC voice"
    HUBERT = "HuBERT or ContentVec"
    RMVPE = "RMVPE's weights"
    CREPE = "CREPE's weights"
    FCPE = "FCPE's weights"
    F0_WEIGHTS = "the weights of an F0 method"
    INDEX = "a faiss index"
    NOISE = "a trace or a noise tape"
    SOUND = "a sound file"
    F0_CURVE = "text lines of seconds,hertz"
    NONE = "nothing that this program reads"


@dataclass(frozen=True)
class Recognizer:
    """One kind of file.

    Attributes:
        name: the kind as `rvc inspect` prints it.
        what: the file in the user's words, with its article, as in "FILE is WHAT".
        advice: what to do with it.
        role: what the file can be used as.
        head: takes the first `HEAD` bytes of the file and returns whether it is of this kind.
        entry: a pattern of which some name in the directory of a zip file must be a match.
        tensors: patterns; for each of them some tensor's name must be a match.
        detail: takes the path of a file of this kind and returns a more exact `what` and `advice`, or None.
    """

    name: str
    what: str
    advice: str
    role: Role = Role.NONE
    head: Callable[[bytes], bool] | None = None
    entry: str = ""
    tensors: tuple[str, ...] = ()
    detail: Callable[[Path], tuple[str, str] | None] | None = None


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_html(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))


def _is_sound(head: bytes) -> bool:
    riff = head[:4] in (b"RIFF", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return (
        riff
        or head.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1"))
        or (head[4:8] == b"ftyp")
    )


def _is_index(head: bytes) -> bool:
    """A faiss index starts with four letters for its kind, then binary numbers."""
    return re.match(rb"I[A-Za-z][A-Za-z0-9]{2}", head) is not None and b"\0" in head[4:40]


def _is_onnx(head: bytes) -> bool:
    """ONNX is a protocol buffer: field 1, the version of the format, then the producer or the graph."""
    return head[:1] == b"\x08" and 1 <= (head[1] if len(head) > 1 else 0) <= 20 and head[2:3] in b"\x12\x1a\x22\x3a\x42"


def _is_json(head: bytes) -> bool:
    return re.match(rb"(\xef\xbb\xbf)?\s*(\{\s*(\"|\})|\[\s*[\[{\"\d\]-])", head) is not None


DOWNLOAD = "download the file itself again"
OTHER_MODEL = "use it with the program that it was made for"
HIFIGAN = "this program plays voices with the HiFi-GAN generator only"

RECOGNIZERS = (
    Recognizer(
        "web page",
        "a web page (HTML), which a download link returned in place of the file",
        "open the link in a browser and " + DOWNLOAD,
        head=_is_html,
    ),
    Recognizer(
        "Git LFS pointer",
        "a Git LFS pointer, a text that names the file but does not contain it",
        "download the file with `git lfs pull`",
        head=_starts(b"version https://git-lfs"),
    ),
    Recognizer("rar archive", "a rar archive", "unpack it and give the file in it", head=_starts(b"Rar!\x1a\x07")),
    Recognizer("7z archive", "a 7z archive", "unpack it and give the file in it", head=_starts(b"7z\xbc\xaf\x27\x1c")),
    Recognizer("gzip archive", "a gzip archive", "unpack it and give the file in it", head=_starts(b"\x1f\x8b")),
    Recognizer("xz archive", "an xz archive", "unpack it and give the file in it", head=_starts(b"\xfd7zXZ\x00")),
    Recognizer(
        "zstd archive", "a zstd archive", "unpack it and give the file in it", head=_starts(b"\x28\xb5\x2f\xfd")
    ),
    Recognizer("bzip2 archive", "a bzip2 archive", "unpack it and give the file in it", head=_starts(b"BZh")),
    Recognizer(
        "tar archive",
        "a tar archive",
        "unpack it and give the file in it",
        head=lambda head: head[257:262] == b"ustar",
    ),
    Recognizer(
        "TorchScript",
        "a TorchScript program, which contains code",
        "export the weights alone, with torch.save(model.state_dict(), …)",
        entry=r"(.*/)?constants\.pkl",
    ),
    Recognizer(
        "NumPy archive",
        "a NumPy archive (.npz)",
        "`rvc index build` makes an index of the .npy arrays in it",
        entry=r".*\.npy",
    ),
    Recognizer(
        "NumPy array",
        "a NumPy array (.npy), such as the content features of a training",
        "`rvc index build` makes an index of it",
        head=_starts(b"\x93NUMPY"),
    ),
    Recognizer("index", "a retrieval index", "give it with --index", Role.INDEX, head=_is_index),
    Recognizer("sound", "a sound file", "give it as the recording to convert", Role.SOUND, head=_is_sound),
    Recognizer(
        "playlist",
        "a playlist, a text that names other files",
        "give the recording itself",
        head=lambda head: head.lstrip(b"\xef\xbb\xbf").lower().startswith((b"#extm3u", b"[playlist]", b"ffconcat")),
    ),
    Recognizer(
        "MIDI file",
        "a MIDI file, which holds notes and no sound",
        "render it as a sound file first",
        head=_starts(b"MThd"),
    ),
    Recognizer(
        "ONNX model",
        "an ONNX model",
        "give the .pth from which it was exported",
        head=_is_onnx,
        detail=onnx_file.voice_of,
    ),
    Recognizer("GGUF model", "a GGUF model", OTHER_MODEL, head=_starts(b"GGUF", b"lmgg", b"tjgg")),
    Recognizer("HDF5 file", "an HDF5 file (Keras)", OTHER_MODEL, head=_starts(b"\x89HDF")),
    Recognizer("picture", "a picture", "give the right file", head=_starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8")),
    Recognizer("PDF document", "a PDF document", "give the right file", head=_starts(b"%PDF")),
    Recognizer("program", "a program", "do not run it; give the right file", head=_starts(b"MZ\x90", b"\x7fELF")),
    Recognizer(
        "JSON text",
        "a JSON text, such as a model's settings",
        "give the file of weights beside it, or for --hubert the folder",
        head=_is_json,
    ),
    # Models, by the names of their tensors.
    Recognizer(
        "discriminator",
        "a discriminator (D_*.pth), which only training uses",
        "the voice is in the G_*.pth beside it",
        tensors=(r"discriminators\..*",),
    ),
    Recognizer(
        "GPT-SoVITS model",
        "a GPT-SoVITS model",
        OTHER_MODEL,
        tensors=(r"(enc_p\.)?ssl_proj\..*|enc_p\.mrte\..*|model\.ar_(text|audio)_embedding\..*",),
    ),
    Recognizer(
        "so-vits-svc model",
        "a so-vits-svc model",
        OTHER_MODEL,
        tensors=(r"emb_uv\..*|f0_decoder\..*|enc_p\.f0_emb\..*|enc_p\.enc_\..*",),
    ),
    Recognizer("DDSP-SVC model", "a DDSP-SVC model", OTHER_MODEL, tensors=(r"(model\.)?unit2ctrl\..*",)),
    Recognizer(
        "VITS text-to-speech model",
        "a VITS text-to-speech model, which reads text",
        OTHER_MODEL,
        tensors=(r"enc_p\.emb\.weight", r"(dp|sdp)\..*"),
    ),
    Recognizer(
        "RefineGAN voice",
        "a voice made with the RefineGAN vocoder (Applio)",
        HIFIGAN,
        tensors=(r"enc_p\.emb_phone\..*", r"dec\.(downsample_blocks|upsample_conv_blocks|mel_conv)\..*"),
    ),
    Recognizer(
        "MRF HiFi-GAN voice",
        "a voice made with the MRF HiFi-GAN vocoder (Applio)",
        HIFIGAN,
        tensors=(r"enc_p\.emb_phone\..*", r"dec\.mrfs\..*"),
    ),
    Recognizer(
        "RingFormer voice",
        "a voice made with the RingFormer vocoder (codename fork)",
        HIFIGAN,
        tensors=(r"enc_p\.emb_phone\..*", r"dec\.(conformers|alphas|stft)\b.*"),
    ),
    Recognizer(
        "VITS2 voice",
        "a voice with a VITS2 flow, whose couplings contain transformers",
        "train or download it with RVC's own flow",
        tensors=(r"enc_p\.emb_phone\..*", r"flow\.flows\.\d+\.(pre_transformer|post_transformer|enc\.attn_layers)\..*"),
    ),
    Recognizer("voice", "an RVC voice", "give it with --model", Role.VOICE, tensors=(r"enc_p\.emb_phone\.weight",)),
    Recognizer("RMVPE", "an RMVPE model", "it belongs to --rmvpe", Role.RMVPE, tensors=(r"unet\.encoder\..*",)),
    Recognizer(
        "CREPE", "a CREPE model", "it belongs to --crepe", Role.CREPE, tensors=(r"conv1\.weight", r"classifier\.weight")
    ),
    Recognizer(
        "FCPE",
        "an FCPE model",
        "it belongs to --fcpe",
        Role.FCPE,
        tensors=(r"(model\.)?(input_stack|net\.(encoder_)?layers)\..*",),
    ),
    Recognizer(
        "WavLM",
        "a WavLM model, whose attention has gated relative positions",
        "give HuBERT-base or ContentVec with --hubert",
        tensors=(r".*(gru_rel_pos|rel_attn_embed|grep_linear|relative_attention_bias).*", r".*encoder\.layers\..*"),
    ),
    Recognizer(
        "wav2vec2",
        "a wav2vec 2.0 model",
        "give HuBERT-base or ContentVec with --hubert",
        tensors=(r"(.*\.)?(quantizer|project_q)\..*", r".*feature_extractor\..*"),
    ),
    Recognizer(
        "HuBERT",
        "a HuBERT model",
        "it belongs to --hubert",
        Role.HUBERT,
        tensors=(
            r".*(feature_extractor\.conv_layers|post_extract_proj|encoder\.pos_conv|encoder\.layers\.\d+\.fc1).*",
        ),
    ),
    Recognizer(
        "Whisper model",
        "a Whisper model",
        OTHER_MODEL,
        tensors=(r"(model\.)?decoder\.(token_embedding|embed_tokens).*",),
    ),
)
F0_ROLES = (Role.RMVPE, Role.CREPE, Role.FCPE)


def by_content(path: Path) -> Recognizer | None:
    """The kind of a file by its first bytes or its zip directory; None for a weight file and for an unknown kind.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head[8:9] == b"{" and head[6:8] == b"\0\0":  # safetensors: the length of its header, then JSON
        return None
    recognizer = next((entry for entry in RECOGNIZERS if entry.head is not None and entry.head(head)), None)
    if recognizer is not None or head[:4] != b"PK\x03\x04":
        return recognizer
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError):
        return None  # damaged: the reader reports how
    return next((e for e in RECOGNIZERS if e.entry and any(re.fullmatch(e.entry, name) for name in names)), None)


def by_tensors(names: Iterable[str]) -> Recognizer | None:
    """The kind of model with tensors of these names; None for an unknown one."""
    known = [unwrapped(str(name)) for name in names]
    prefix = next(iter(voice_prefixes(known)), "")
    known = [name.removeprefix(prefix) for name in known]
    for entry in RECOGNIZERS:
        if entry.tensors and all(any(re.fullmatch(p, name) for name in known) for p in entry.tensors):
            return entry
    return None


def folder_kind(path: Path) -> tuple[str, str] | None:
    """What a folder holds and what to do with it; None for a folder that no option takes."""
    if (path / EXPORTED).is_file():
        return "an exported voice", "give it with --model"
    if not (path / TRANSFORMERS).is_file():
        return None
    try:
        family = json.loads((path / TRANSFORMERS).read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None
    if family is None:  # another program's config.json
        return None
    if family == "hubert":
        return "the folder of a HuBERT model", "it belongs to --hubert"
    return f"the folder of a {str(family)[:40]} model", "give HuBERT-base or ContentVec with --hubert"


def refuse_known_folder(path: Path, role: Role) -> None:
    """Raise BadCheckpoint for a folder that another option takes."""
    kind = folder_kind(path)
    if kind is not None:
        raise BadCheckpoint(f"{path} is {kind[0]}, expected {role.value}; {kind[1]}")


def refuse_folder(path: Path, role: Role) -> None:
    """Raise BadCheckpoint when a folder is given in the place of a file, with what the folder holds."""
    refuse_known_folder(path, role)
    if path.is_dir():
        raise BadCheckpoint(f"{path} is a folder, expected {role.value}; give the file in it")


def refuse_other_content(path: Path, role: Role) -> None:
    """Raise BadCheckpoint when the first bytes of a file show that it is something else than `role`."""
    try:
        recognizer = by_content(path)
    except OSError:
        return  # the reader reports why
    if recognizer is not None and recognizer.role is not role:
        if recognizer.detail is not None and (detail := recognizer.detail(path)) is not None:
            recognizer = replace(recognizer, what=detail[0], advice=detail[1])
        raise BadCheckpoint(refusal(path.name, recognizer, role))


def refuse_other_tensors(file: str, names: Iterable[str], role: Role) -> None:
    """Raise BadCheckpoint when the names of a file's tensors are those of something else than `role`."""
    recognizer = by_tensors(names)
    if (
        recognizer is not None
        and recognizer.role is not role
        and not (role is Role.F0_WEIGHTS and recognizer.role in F0_ROLES)
    ):
        raise BadCheckpoint(refusal(file, recognizer, role))


def unknown_weights(file: str, start: bytes) -> str:
    """The message for a file that begins as no file of weights does.

    Args:
        file: the name of the file.
        start: its first bytes.
    """
    what = "is neither a torch file nor a safetensors file"
    if not start.strip(b"\0"):
        what = "holds only zeros, as after a broken download" if start else "is empty"
    return f"{file} {what}; expected what torch.save or safetensors writes, download it again"


def refusal(file: str, recognizer: Recognizer, role: Role) -> str:
    """The message for a file that is something else than the role in which it was given."""
    return f"{file} is {recognizer.what}, expected {role.value}; {recognizer.advice}"
