"""The judge's command for exported voices; the graphs themselves are judged by `nox -s export`."""

import pytest

from parity import stages
from parity.cli.main import main
from parity.rvc_bridge.rvc_onnx import RvcOnnx


def test_exported_graphs_run_on_the_cpu_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--runtime", "onnx", "--device", "cuda"]) == 2
    assert "--device is cuda, but exported graphs are run on the cpu; leave it out" in capsys.readouterr().err


def test_exported_voices_offer_the_stages_of_a_file() -> None:
    pytest.importorskip("onnxruntime")
    program = RvcOnnx()
    offered = {stage.name for stage in stages.every() if program.offers(stage)}
    assert {"hubert.features", "enc_p", "nsf", "generator", "final"} <= offered
    assert not any(name.startswith("rt.") for name in offered)
