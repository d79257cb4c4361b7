"""The judge's command for exported voices; the graphs themselves are judged by `nox -s export`."""

import pytest

from parity import stages
from parity.cli.main import main
from parity.rvc_bridge.rvc_onnx import RvcOnnx
from parity.rvc_bridge.rvc_torch import RvcTorch


def test_exported_graphs_run_on_the_cpu_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--runtime", "onnx", "--device", "cuda"]) == 2
    assert "--device is cuda, but exported graphs are run on the cpu; leave it out" in capsys.readouterr().err


def test_a_precision_of_exported_graphs_needs_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--precision", "float16"]) == 2
    assert "--precision float16 is a choice of exported graphs; add --runtime onnx" in capsys.readouterr().err


def test_exported_voices_offer_the_stages_that_rvc_offers() -> None:
    pytest.importorskip("onnxruntime")
    offered = [{stage.name for stage in stages.every() if program.offers(stage)} for program in (RvcOnnx(), RvcTorch())]
    assert offered[0] == offered[1]
    assert {"hubert.features", "enc_p", "nsf", "generator", "final", "rt.enc_p", "rt.generator", "rt.out"} <= offered[0]
