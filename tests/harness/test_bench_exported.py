"""The section `exported` of the benchmark: which programs are compared, and how its table reads."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.judge.intervals import interval_document
from bench.measure.workload import Workload
from bench.publish import table
from bench.sections import exported


def test_each_program_converts_the_same_sound_with_the_same_options(tmp_path: Path) -> None:
    workload = Workload(tmp_path / "in.wav", 2.0)
    command = exported.onnx_command(workload, tmp_path, tmp_path / "out.wav", "openvino", "webui-2026")
    options = dict(zip(command[7::2], command[8::2], strict=False))
    assert command[3:6] == [str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--model"]
    assert options["--runtime"] == "openvino" and options["--profile"] == "webui-2026"
    assert options["--index-rate"] == "0.75" and options["--rms-mix-rate"] == "1"


@pytest.mark.parametrize(("noise", "name", "exact"), [(1e-5, "onnxruntime-float32", True), (0.01, "x-float32", False)])
def test_an_output_far_from_that_of_rvc_is_not_exact(tmp_path: Path, noise: float, name: str, exact: bool) -> None:
    sound = np.random.default_rng(0).standard_normal(8000) * 0.1
    outputs = {exported.RVC: tmp_path / "a.wav", name: tmp_path / "b.wav"}
    soundfile.write(outputs[exported.RVC], sound, 16000, "FLOAT")
    soundfile.write(outputs[name], sound + noise * np.random.default_rng(1).standard_normal(8000), 16000, "FLOAT")
    assert exported.near(name, outputs)["exact"] is exact


def test_the_table_has_a_row_for_each_program() -> None:
    cost = {"seconds": interval_document([2.0]), "peak_mib": interval_document([900.0])}
    cost["stages"] = {"f0": interval_document([0.5]), "synthesizer": interval_document([1.0])}
    section = {
        "seconds_of_audio": 8.0,
        "original": {"name": "rvc-python", **cost},
        "ours": [{"precision": "onnxruntime-float16", **cost, "why": "waveform 40.0 dB (≥ 20)"}],
        "missing": {"openvino": "not installed"},
        "exported_mib": {"float32": 700.0, "float16": 351.0},
    }
    text = table.exported(section)
    assert "| rvc-python " in text and "| onnxruntime-float16 " in text and "| not installed" in text
    assert text.endswith("The exported folder with RMVPE and the index: 700 MiB in float32, 351 MiB in float16.")
