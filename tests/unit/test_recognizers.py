"""Files in each other's place are named by what they are, in every place in which they can be given."""

import gzip
import io
import tarfile
import zipfile

import faiss
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file

from rvc.config import Config
from rvc.errors import RvcError
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.weights import recognizers
from rvc.weights.recognizers import RECOGNIZERS, by_content, by_tensors


def archive(path):
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("a.pth"), io.BytesIO())


def zipped(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, "x")

    return write


def numpy_file(write):
    def make(path):
        buffer = io.BytesIO()
        write(buffer)
        path.write_bytes(buffer.getvalue())

    return make


def index(path):
    made = faiss.index_factory(256, "Flat")
    made.add(np.zeros((4, 256), np.float32))
    faiss.write_index(made, str(path))


FILES = {
    "web page": lambda p: p.write_text("\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>"),
    "Git LFS pointer": lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
    "rar archive": lambda p: p.write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(200)),
    "7z archive": lambda p: p.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(200)),
    "gzip archive": lambda p: p.write_bytes(gzip.compress(bytes(1000))),
    "tar archive": archive,
    "TorchScript": zipped("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"),
    "NumPy archive": numpy_file(lambda file: np.savez(file, a=np.zeros(3))),
    "NumPy array": numpy_file(lambda file: np.save(file, np.zeros((4, 768), np.float32))),
    "index": index,
    "sound": lambda p: p.write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40)),
    "ONNX model": lambda p: p.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x032.0" + bytes(40)),
    "picture": lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40)),
}
STATES = {
    "discriminator": ["discriminators.0.convs.0.bias"],
    "so-vits-svc model": ["emb_uv.weight", "f0_decoder.prenet.weight", "dec.conv_pre.weight", "emb_g.weight"],
    "GPT-SoVITS model": ["enc_p.ssl_proj.weight", "enc_p.mrte.c_post.weight", "dec.conv_pre.weight"],
    "VITS text-to-speech model": ["enc_p.emb.weight", "dp.flows.0.m", "dec.conv_pre.weight"],
    "RefineGAN voice": ["enc_p.emb_phone.weight", "dec.downsample_blocks.0.1.convs1.0.bias"],
    "MRF HiFi-GAN voice": ["enc_p.emb_phone.weight", "dec.mrfs.0.0.layers.0.conv1.bias"],
    "RingFormer voice": ["enc_p.emb_phone.weight", "dec.conformers.0.ff1.weight"],
    "VITS2 voice": ["enc_p.emb_phone.weight", "flow.flows.0.pre_transformer.attn_layers.0.conv_q.weight"],
    "RMVPE": ["unet.encoder.bn.weight", "cnn.weight"],
    "CREPE": ["conv1.weight", "classifier.weight"],
    "FCPE": ["input_stack.0.weight", "net.encoder_layers.0.conformer.net.0.weight"],
    "HuBERT": ["feature_extractor.conv_layers.0.0.weight", "encoder.layers.0.fc1.weight"],
    "WavLM": ["feature_extractor.conv_layers.0.conv.weight", "encoder.layers.0.attention.gru_rel_pos_const"],
    "wav2vec2": ["quantizer.vars", "project_q.weight", "feature_extractor.conv_layers.0.0.weight"],
    "voice": ["enc_p.emb_phone.weight", "dec.conv_pre.weight"],
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognized_by_its_content(tmp_path, name):
    FILES[name](tmp_path / "x")
    assert by_content(tmp_path / "x").name == name


@pytest.mark.parametrize("name", STATES)
def test_a_model_is_recognized_by_the_names_of_its_tensors(name):
    assert by_tensors(STATES[name]).name == name


def test_weight_files_are_not_taken_for_another_kind(tmp_path):
    tiny.write_voice(tmp_path / "v.pth")
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for count in range(1, 60):  # lengths of the header, whose first bytes could be those of another format
        save_file({"a" * count: torch.ones(2)}, tmp_path / "v.safetensors")
        assert by_content(tmp_path / "v.safetensors") is None
    assert by_content(tmp_path / "v.pth") is None
    assert by_content(tmp_path / "old.pth") is None
    assert by_tensors(["a", "b.weight"]) is None


def test_every_entry_names_the_file_and_what_to_do():
    for entry in RECOGNIZERS:
        assert entry.head or entry.entry or entry.tensors, entry.name
        assert entry.what.split()[0] in ("a", "an"), entry.name
        assert entry.advice, entry.name


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    folder = tmp_path_factory.mktemp("right")
    return {"model": tiny.write_voice(folder / "v.pth"), "hubert": tiny.write_hubert(folder / "hubert"), "index": None}


def refusal(right, **given):
    """The message for files in these places, all others being right."""
    files = right | given
    method = next((role for role in ("rmvpe", "crepe", "fcpe") if role in given), "pm")
    with pytest.raises(RvcError) as error:
        VoiceNetworks(**files).check(Config.of("webui-2026", f0_method=method, index_rate=0.5))
    message = str(error.value)
    assert "\n" not in message
    return message


ROLES = ("model", "hubert", "rmvpe", "crepe", "fcpe", "index")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", FILES)
def test_any_file_in_any_place_is_named(tmp_path, right, role, name):
    if (role, name) == ("index", "index"):
        return
    FILES[name](tmp_path / "x.pt")
    entry = next(entry for entry in RECOGNIZERS if entry.name == name)
    message = refusal(right, **{role: tmp_path / "x.pt"})
    assert message.startswith(f"x.pt is {entry.what}, expected ")
    assert message.endswith(entry.advice)


OWN = {"hubert": "HuBERT", "rmvpe": "RMVPE", "crepe": "CREPE", "fcpe": "FCPE", "model": "voice"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_any_model_in_any_place_is_named(tmp_path, right, role, name, suffix):
    if OWN.get(role) == name:
        return
    tensors = {tensor: torch.ones(1) for tensor in STATES[name]}
    path = tmp_path / f"x.{suffix}"
    torch.save({"model": tensors}, path) if suffix == "pt" else save_file(tensors, path)
    entry = next(entry for entry in RECOGNIZERS if entry.name == name)
    message = refusal(right, **{role: path})
    assert message.startswith(f"{path.name} is {entry.what}, expected ")
    assert message.endswith(entry.advice)


def test_roles_have_one_sentence_each():
    assert len({role.value for role in recognizers.Role}) == len(recognizers.Role)
