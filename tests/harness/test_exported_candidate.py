"""The judge's command for exported voices; the graphs themselves are judged by `nox -s export`."""

import json
from pathlib import Path

import pytest

from parity import stages
from parity.candidates import messages
from parity.cli.main import main
from parity.rvc_bridge.rvc_onnx import RvcOnnx
from parity.rvc_bridge.rvc_torch import RvcTorch
from rvc_onnx import adapter


def test_exported_graphs_run_on_the_cpu_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--runtime", "onnx", "--device", "cuda"]) == 2
    assert "--device is cuda, but exported graphs are run on the cpu; leave it out" in capsys.readouterr().err


def test_a_precision_of_exported_graphs_needs_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--precision", "float16"]) == 2
    assert (
        "--precision float16 needs a GPU or exported graphs; add --device cuda or --runtime onnx"
        in capsys.readouterr().err
    )
    assert main(["run", "--runtime", "onnx", "--precision", "bfloat16"]) == 2
    assert capsys.readouterr().err == (
        "parity: exported graphs have no bfloat16; choose --precision float16, or leave out --runtime onnx\n"
    )


def test_exported_voices_offer_the_stages_that_rvc_offers() -> None:
    pytest.importorskip("onnxruntime")
    offered = [{stage.name for stage in stages.every() if program.offers(stage)} for program in (RvcOnnx(), RvcTorch())]
    assert offered[0] == offered[1]
    assert {"hubert.features", "enc_p", "nsf", "generator", "final", "rt.enc_p", "rt.generator", "rt.out"} <= offered[0]


def test_exported_voices_declare_their_precision() -> None:
    pytest.importorskip("onnxruntime")
    for precision in ("float32", "float16"):
        assert RvcOnnx(precision).about["declares"] == {"precision": precision}
    assert RvcTorch(precision="bfloat16").about["declares"] == {"precision": "bfloat16"}


@pytest.mark.parametrize(
    ("voices", "declared"),
    [(("float16", "float16"), "float16"), (("float32",), "float32"), (("float32", "float16"), None), ((), None)],
)
def test_the_adapter_declares_the_precision_that_all_its_voices_have(
    tmp_path: Path, voices: tuple[str, ...], declared: str | None
) -> None:
    for number, precision in enumerate(voices):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "voice.json").write_text(json.dumps({"precision": precision}), encoding="utf-8")
    hello = adapter.answer({"op": "hello"}, adapter.Exports(tmp_path, "onnxruntime"))
    assert hello.get("precision") == declared
    assert messages.check({"id": 1, "ok": True, **hello}, "hello_answer")
