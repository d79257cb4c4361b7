"""Any combination of entries, types, names and places: a voice is played, or refused in one sentence."""

import datetime
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from rvc.content.features import check_hubert
from rvc.errors import RvcError
from rvc.f0 import registry
from rvc.f0.network_files import check_weights
from rvc.noise import Tape
from rvc.retrieval.search import load_index
from rvc.voices.inspection import inspect
from rvc.voices.model_tools import export, merge
from rvc.voices.voice import load_voice
from tests.unit.tiny import CONFIGS, tiny_tensors

quick = settings(max_examples=80, deadline=None, derandomize=True)
few = settings(max_examples=20, deadline=None, derandomize=True)
RATES = (40000, 48000, 32000)
TENSORS = {
    (rate, version, f0): tiny_tensors(CONFIGS[rate], version, f0, seed=1)
    for rate in RATES
    for version in ("v1", "v2")
    for f0 in (True, False)
}
MISSING = object()
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ODD_TYPES = (torch.int8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn)
PREFIXES = ("", "module.", "net_g.", "model.", "generator.", "_orig_mod.")
CONTAINERS = ("weight", "model", "state_dict", "top", "generator")
ODD_VALUES = st.sampled_from(
    [
        MISSING,
        None,
        "",
        "v1",
        "V2 ",
        2,
        3.0,
        "40k",
        40000,
        48000,
        "48000",
        0,
        1,
        True,
        "是",
        "True",
        -1,
        1e300,
        float("nan"),
        [],
        [1],
        {},
        {"a": [1]},
        b"\x89PNG",
        datetime.datetime(2026, 1, 1),
        Path("a/b"),
        {1, 2},
        np.int64(1),
        np.float32(2),
        np.bool_(True),
        np.zeros(3),
        torch.tensor(1),
        torch.zeros(2, 2),
        torch.float16,
        "spin",
        "hubert_base",
        "HiFi-GAN",
        "RefineGAN",
        "x" * 5000,
        "\x1b[31m\n",
        10**40,
    ]
)
ENTRIES = (
    "version",
    "f0",
    "sr",
    "info",
    "config",
    "embedder_model",
    "embedder_name",
    "embedder_output_layer",
    "vocoder",
    "speakers_id",
    "iteration",
    "optimizer",
    "params",
    "created",
)
ROLES = {
    "voice": lambda path: sound(load_voice(path)),
    "numbers": lambda path: load_voice(path).refuse_odd_numbers(),
    "hubert": lambda path: check_hubert(path, "v1"),
    "rmvpe": lambda path: check_weights(registry.named("rmvpe").network, path),
    "crepe": lambda path: check_weights(registry.named("crepe").network, path),
    "fcpe": lambda path: check_weights(registry.named("fcpe").network, path),
    "index": load_index,
    "noise": Tape.read,
    "inspect": inspect,
    "export": lambda path: export(path, path.with_name("out.pth")),
    "export safetensors": lambda path: export(path, path.with_name("out.safetensors")),
    "merge": lambda path: merge(path, path, path.with_name("out.pth")),
}


def sound(voice):
    """Samples of four frames of a constant latent."""
    net = voice.synthesizer
    source = torch.ones(1, 1, 4 * voice.upp) if voice.f0 else None
    return net.generate(torch.ones(1, 16, 4), net.speaker(0), source)


@st.composite
def contents(draw):
    """The dictionary at the top of a voice file, and the kind of voice in it."""
    kind = draw(st.sampled_from(list(TENSORS)))
    tensors = dict(TENSORS[kind])
    dtype = draw(st.sampled_from(FLOATS))
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    names = sorted(tensors)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([name for name in names if isinstance(tensors.get(name), torch.Tensor)]))
        change = draw(st.sampled_from(["drop", "type", "shape", "nan", "scalar", "value", "empty"]))
        if change == "drop":
            tensors.pop(name, None)
        elif change == "type":
            tensors[name] = tensors[name].to(draw(st.sampled_from(ODD_TYPES)))
        elif change == "shape":
            tensors[name] = tensors[name].flatten()
        elif change == "nan" and tensors[name].is_floating_point():
            tensors[name] = torch.full_like(tensors[name], float("nan"))
        elif change == "scalar":
            tensors[name] = torch.tensor(1.0)
        elif change == "value":
            tensors[name] = draw(ODD_VALUES.filter(lambda value: value is not MISSING))
        elif change == "empty":
            tensors[name] = torch.zeros(0, 3, 3)
    if draw(st.booleans()):
        extra = ["enc_q.pre.weight", "a.num_batches_tracked", "unet.encoder.bn.weight", "dec.mrfs.0.bias", "x", ""]
        tensors[draw(st.sampled_from(extra))] = torch.ones(draw(st.sampled_from([(), (2,), (1, 2, 3)])))
    if draw(st.booleans()):
        tensors = {new_names(name): tensor for name, tensor in tensors.items()}
    prefix = draw(st.sampled_from(PREFIXES))
    tensors = {prefix + name: tensor for name, tensor in tensors.items()}
    rate, version, f0 = kind
    entries = {"config": list(CONFIGS[rate]), "info": "tiny", "sr": rate, "f0": int(f0), "version": version}
    for entry in draw(st.lists(st.sampled_from(ENTRIES), max_size=3)):
        entries[entry] = draw(ODD_VALUES)
    if isinstance(entries["config"], list) and entries["config"] and draw(st.booleans()):
        entries["config"][draw(st.integers(0, len(entries["config"]) - 1))] = draw(ODD_VALUES)
    entries = {key: value for key, value in entries.items() if value is not MISSING}
    container = draw(st.sampled_from(CONTAINERS))
    return tensors | entries if container == "top" else {container: tensors, **entries}


def new_names(name):
    """The name in torch's parametrization of weight norm."""
    name = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", name)
    return re.sub(r"\.weight_v$", ".parametrizations.weight.original1", name)


def write(path, content, form):
    """Write a voice in a format; a safetensors file holds the tensors and the entries that are text."""
    if form != "safetensors":
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
        return
    held = next((value for value in content.values() if isinstance(value, dict)), content)
    tensors = {name: value.contiguous() for name, value in held.items() if isinstance(value, torch.Tensor)}
    texts = {name: value for name, value in content.items() if isinstance(value, str)}
    save_file({name: value.clone() for name, value in tensors.items()}, path, texts)


@quick
@given(contents(), st.sampled_from(["zip", "legacy", "safetensors"]), st.sampled_from(list(ROLES)))
def test_any_voice_file_in_any_place_is_used_or_refused_in_one_sentence(content, form, role):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("v.safetensors" if form == "safetensors" else "v.pth")
        write(path, content, form)
        try:
            ROLES[role](path)
        except RvcError as error:
            message = str(error)
            assert message
            assert len(message) < 1500
            assert not re.search(r"Traceback|Error\(|object at 0x", message)


@few
@given(
    st.sampled_from(list(TENSORS)),
    st.sampled_from(["", "module."]),
    st.booleans(),
    st.sampled_from(["zip", "legacy"]),
    st.sampled_from([torch.float16, torch.float32]),
    st.dictionaries(st.sampled_from(["created", "hist", "loss", "author", "step"]), ODD_VALUES, max_size=3),
    st.sampled_from([1, "1", True, "True", "yes", np.int64(1), torch.tensor(1)]),
)
def test_how_a_voice_is_stored_changes_no_sample(kind, prefix, new, form, dtype, entries, f0):
    rate, version, has_f0 = kind
    plain = {name: tensor.to(dtype) for name, tensor in TENSORS[kind].items()}
    config = {"config": CONFIGS[rate], "info": "", "sr": rate, "version": version}
    renamed = {prefix + (new_names(name) if new else name): tensor for name, tensor in plain.items()}
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "a.pth", Path(folder) / "b.pth"
        write(one, {"weight": plain, **config, "f0": int(has_f0)}, "zip")
        also = {key: value for key, value in entries.items() if value is not MISSING}
        write(two, {"weight": renamed, **config, "f0": f0 if has_f0 else 0, **also}, form)
        assert torch.equal(sound(load_voice(one)), sound(load_voice(two)))


@pytest.mark.parametrize("role", ROLES)
def test_the_tiny_voice_is_used_as_a_voice_only(tmp_path, role):
    content = {"weight": TENSORS[40000, "v2", True], "config": CONFIGS[40000], "sr": 40000, "f0": 1, "version": "v2"}
    write(tmp_path / "v.pth", content, "zip")
    if role in ("voice", "numbers", "inspect", "export", "export safetensors", "merge"):
        ROLES[role](tmp_path / "v.pth")
    else:
        with pytest.raises(RvcError, match=r"^v\.pth is an RVC voice, expected "):
            ROLES[role](tmp_path / "v.pth")
