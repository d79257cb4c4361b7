"""parity.hooks with a toy fork of the WebUI, through the documented example."""

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from parity import stages
from parity.hooks import tensor_files
from parity.hooks.content import FairseqContent, ModuleContent
from parity.hooks.interception import call_with_known, replaced
from parity.hooks.noise import Replay
from parity.hooks.serving import Lacks, Tape, local_name, serve
from parity.hooks.window import Seconds, set_window

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "fork_adapter.py"
CHECKOUT = Path(__file__).parent / "fork"
WINDOW = [0.1, 0.1, 0.3, 0.4]


@pytest.fixture(scope="module")
def adapter() -> Iterator[Any]:
    """The example's adapter for the toy fork."""
    spec = importlib.util.spec_from_file_location("fork_adapter", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before, path = set(sys.modules), list(sys.path)
    yield module.Fork(str(CHECKOUT))
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("infer", "fairseq"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A case of one cut, retrieval and the loudness mix."""
    rng = np.random.default_rng(3)
    index = faiss.IndexFlatL2(768)
    index.add(rng.normal(size=(40, 768)).astype(np.float32))
    path = tmp_path_factory.mktemp("fork") / "added.index"
    faiss.write_index(index, str(path))
    options = {"f0_method": "pm", "transpose": 2, "index_rate": 0.6, "protect": 0.2, "rms_mix_rate": 0.5, "speaker": 1}
    options |= {"resample_rate": 0, "filter_radius": 3, "window": WINDOW}
    files = {"model": "voice.pth", "hubert": "hubert", "index": str(path)}
    return {"options": options, "voice": {"rate": 32000, "version": "v2", "f0": True}, "files": files}


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Audio with a quiet place, and recorded noise of both segments."""
    rng = np.random.default_rng(4)
    audio = (rng.normal(size=8000) * np.abs(np.linspace(-1, 1.2, 8000))).astype(np.float32)
    noise = {}
    for number in range(2):
        noise[f"seg{number}.noise.z"] = rng.normal(size=(1, 192, 40)).astype(np.float32)
        noise[f"seg{number}.noise.nsf"] = rng.normal(size=(1, 40 * 320, 1)).astype(np.float32)
    return {"audio16k.raw": audio, **noise}


@pytest.fixture(scope="module")
def tape(adapter: Any, case: dict[str, Any], inputs: dict[str, Any]) -> Tape:
    """What a whole run records."""
    tape = Tape()
    adapter.run(case, inputs, tape)
    return tape


def test_a_whole_run_records_every_tensor_of_a_file(tape: Tape) -> None:
    expected = {row.name for stage in stages.every() if not stage.name.startswith("rt.") for row in stage.makes}
    expected -= {"hubert.conv", "hubert.hidden0", "waveform.resampled"}  # inside a network; not resampled here
    assert expected - {local_name(name) for name in tape} == set()
    assert {name.split(".")[0] for name in tape if name.startswith("seg")} >= {"seg0", "seg1"}


def _steps(tape: Tape) -> list[tuple[Any, str]]:
    walked = stages.walk(stages.prefixes_of(set(tape)))
    return [(stage, prefix) for stage, prefix in walked if any(prefix + row.name in tape for row in stage.makes)]


def test_every_stage_alone_gives_what_the_whole_run_gave(
    adapter: Any, case: dict[str, Any], inputs: dict[str, Any], tape: Tape
) -> None:
    known = {**inputs, **tape}
    judged = set()
    for stage, prefix in _steps(tape):
        read = {name: known[name] for name in stages.reads(stage, prefix, known)}
        if prefix:
            number = int(prefix[3:-1])
            frames = slice(0, None) if number else slice(0, tape[prefix + "enc_p.m"].shape[2])
            if number:
                begin = int(tape["segment.cuts"][0]) // 160
                frames = slice(begin, begin + tape[prefix + "enc_p.m"].shape[2])
            read |= {name: value[:, frames] for name, value in read.items() if name in ("f0.hz", "f0.coarse")}
        made = Tape()
        for name, value in adapter.run_stage(case, stage.name, prefix, read).items():
            made(name, value)
        for name, value in made.items():
            np.testing.assert_allclose(value, tape[name], rtol=2e-5, atol=1e-6, err_msg=f"{stage.name}: {name}")
        judged.add(stage.name)
    assert set(adapter.stages) - judged == {"resampled"}


def test_recorded_noise_takes_the_place_of_the_programs_own(adapter: Any, case: dict[str, Any], inputs: Any) -> None:
    first, second, other = Tape(), Tape(), Tape()
    adapter.run(case, inputs, first)
    torch.manual_seed(99)
    adapter.run(case, inputs, second)
    adapter.run(case, {**inputs, "seg1.noise.z": inputs["seg1.noise.z"] * 2}, other)
    assert np.array_equal(first["waveform.final"], second["waveform.final"])
    assert not np.array_equal(first["waveform.final"], other["waveform.final"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_recorded_as_float32(dtype: torch.dtype) -> None:
    value, tape = torch.tensor([1 / 3, -2.5, 1e-3], dtype=dtype), Tape()
    assert tape("seg0.enc_p.m", value) is value
    assert tape["seg0.enc_p.m"].dtype == np.float32
    assert np.array_equal(tape["seg0.enc_p.m"], value.float().numpy())
    tape("seg0.f0.coarse", torch.tensor([3], dtype=torch.int16))
    assert tape["seg0.f0.coarse"].dtype == np.int64


def test_taps_are_removed_after_a_run(adapter: Any, tape: Tape) -> None:
    assert np.concatenate.__module__ == "numpy"
    assert torch.randn_like.__module__ != Replay.__module__
    assert "vc" not in vars(adapter.pipe) and "infer" not in vars(adapter.net)


class Toy:
    """An adapter of one stage."""

    name, version, stages, chain, profiles = "toy", "1", ("flow",), True, ("webui-2026",)

    def run(self, case: Any, inputs: Any, tape: Tape) -> None:
        tape("audio16k", inputs["audio16k.raw"])
        if case == "fails":
            raise ValueError("no voice")
        tape("waveform.final", np.zeros(3, np.int16))

    def run_stage(self, case: Any, stage: str, prefix: str, inputs: Any) -> dict[str, Any]:
        if stage != "flow":
            raise Lacks("it has only a flow")
        return {prefix + "flow.z": inputs[prefix + "z_p"] * 2}


def _exchange(tmp_path: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    answers = io.StringIO()
    inputs = tmp_path / "inputs.safetensors"
    save_file({"seg0.z_p": np.ones(2, np.float32), "audio16k.raw": np.ones(4, np.float32)}, inputs)
    more = {"inputs": str(inputs), "outputs": str(tmp_path / "outputs.safetensors")}
    lines = [json.dumps({"id": number, **more, **request}) for number, request in enumerate(requests)]
    serve(Toy(), iter(lines), answers)  # type: ignore[arg-type]
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_the_loop_answers_each_request_of_the_protocol(tmp_path: Path) -> None:
    stage = {"op": "run_stage", "case": {}, "prefix": "seg0."}
    hello, done, lacks = _exchange(
        tmp_path, {"op": "hello"}, {**stage, "stage": "flow"}, {**stage, "stage": "nsf"}, {"op": "bye"}, {"op": "hello"}
    )
    assert (hello["protocol"], hello["stages"], hello["profiles"]) == ("rvc-parity/1", ["flow"], ["webui-2026"])
    assert done == {"id": 1, "ok": True}
    assert lacks == {"id": 2, "ok": False, "lacks": "it has only a flow"}
    assert load_file(tmp_path / "outputs.safetensors")["seg0.flow.z"].tolist() == [2, 2]


def test_a_failed_run_hands_over_what_it_had_made(tmp_path: Path) -> None:
    (answer,) = _exchange(tmp_path, {"op": "run", "case": "fails"})
    assert answer["error"].startswith("ValueError: no voice (test_hooks.py:")
    assert list(load_file(tmp_path / "outputs.safetensors")) == ["audio16k"]


def test_a_run_hands_over_only_what_is_requested(tmp_path: Path) -> None:
    _exchange(tmp_path, {"op": "run", "case": {}, "only": ["waveform.final"]})
    assert list(load_file(tmp_path / "outputs.safetensors")) == ["waveform.final"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int16", "float16", "bool"])
def test_tensor_files_are_those_of_the_library(tmp_path: Path, dtype: str) -> None:
    value = np.arange(6).reshape(1, 2, 3).astype(dtype)
    tensor_files.write(tmp_path / "a.safetensors", {"a": value, "none": np.zeros(0, np.int64)})
    assert np.array_equal(load_file(tmp_path / "a.safetensors")["a"], value)
    save_file({"b": value}, tmp_path / "b.safetensors", {"made": "here"})
    assert np.array_equal(tensor_files.read(tmp_path / "b.safetensors")["b"], value)


def test_a_dtype_that_the_format_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a has dtype complex64; expected one of bool, "):
        tensor_files.write(tmp_path / "a.safetensors", {"a": np.zeros(1, np.complex64)})


def test_a_window_of_fractions_gives_whole_samples() -> None:
    config = type("Config", (), {})()
    set_window(config, WINDOW)
    assert 16000 * config.x_pad == 1600 and isinstance(config.x_max, Seconds)


def test_a_parameter_without_a_known_value_is_named() -> None:
    def convert(audio: int, style: int, gain: int = 2) -> int:
        return audio + style + gain

    assert call_with_known(convert, {"audio": 1, "style": 2, "unused": 3}) == 5
    with pytest.raises(TypeError, match="convert requires 'style', for which no value is known"):
        call_with_known(convert, {"audio": 1})


def test_the_example_has_about_fifty_lines_of_code() -> None:
    lines = [line for line in EXAMPLE.read_text().split('"""', 2)[2].splitlines() if line.strip()]
    assert len(lines) <= 55


def test_the_guide_shows_the_example() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    assert f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```" in page


def test_replaced_restores_a_name_that_the_owner_did_not_define() -> None:
    owner = type("Owner", (), {"size": 1})()
    with replaced(owner, size=2):
        assert owner.size == 2
    assert vars(owner) == {}


@pytest.mark.parametrize("form", [FairseqContent, ModuleContent])
def test_a_hubert_that_is_not_loaded_yet_is_refused_in_a_sentence(form: Any) -> None:
    with pytest.raises(ValueError) as error:
        form(None)
    assert str(error.value) == (
        "the model is None: load HuBERT in `open` with the program's own function, and pass what it gave"
    )
