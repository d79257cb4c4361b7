"""The judge's command for exported voices; the graphs themselves are judged by `nox -s export`."""

import importlib.util
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity import stages
from parity.candidates import messages
from parity.cli.main import main
from parity.rvc_bridge import rvc_onnx as exported_voices
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


@pytest.fixture
def voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A voice whose graphs are exported as short texts, two in a folder, with the files that its voice.json names."""

    def write_graph(graph: str, path: Path, precision: str) -> None:
        path.write_text(graph, encoding="utf-8")

    def describe(*arguments: Any) -> dict[str, Any]:
        return {"files": {path.name: path.read_text(encoding="utf-8") for path in sorted(arguments[-1].iterdir())}}

    for name in ("hubert", "voice"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(exported_voices, "exported_folder", lambda precision: tmp_path / "exported")
    graphs = {name: lambda name=name: name for name in ("content.onnx", "synthesizer.onnx")}
    monkeypatch.setattr(exported_voices.export, "planned_graphs", lambda networks, methods: graphs)
    monkeypatch.setattr(exported_voices.export, "write_graph", write_graph)
    monkeypatch.setattr(exported_voices.export, "write_index", lambda *arguments: None)
    monkeypatch.setattr(exported_voices.export, "describe", describe)
    model = tmp_path / "voice" / "voice.pth"
    return SimpleNamespace(paths={"hubert": tmp_path / "hubert" / "model"}, model=model, version="v2")


def test_two_processes_that_export_one_voice_at_once_do_not_mix_their_files(
    voice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet, describe = threading.Barrier(2, timeout=20), exported_voices.export.describe

    def describe_together(*arguments: Any) -> Any:
        meet.wait()  # both have their graphs, and neither has a voice.json
        return describe(*arguments)

    monkeypatch.setattr(exported_voices.export, "describe", describe_together)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: exported_voices.export_from(voice, [], "float32"), range(2)))
    assert made[0] == made[1]
    whole = {"content.onnx": "content.onnx", "synthesizer.onnx": "synthesizer.onnx"}
    assert json.loads((made[0] / "voice.json").read_text(encoding="utf-8")) == {"files": whole}
    assert {path.name for path in made[0].iterdir()} == {*whole, "voice.json"}
    assert not list((made[0].parent / "unfinished").iterdir())


def test_an_export_that_was_interrupted_is_made_again(voice: Any, tmp_path: Path) -> None:
    left = tmp_path / "exported" / "voice-no-index"
    left.mkdir(parents=True)
    (left / "part-flow.onnx").write_text("of a killed process", encoding="utf-8")
    assert exported_voices.export_from(voice, [], "float32") == left
    assert {path.name for path in left.iterdir()} == {"content.onnx", "synthesizer.onnx", "voice.json"}


def test_the_example_declines_a_stream(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = Path(__file__).parents[2] / "docs" / "examples" / "exported_voice.py"
    spec = importlib.util.spec_from_file_location("exported_voice", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    description = tmp_path / "voice.json"
    description.write_text(json.dumps({"source": {"file": "alto.pth"}, "f0_methods": {}}), encoding="utf-8")
    case = {"voice": {"kind": "alto", "f0": False, "rate": 32000}, "options": {"realtime": {"blocks": 3}}}
    with pytest.raises(example.Lacks, match=r"^alto with these options$"):
        example.answer({"op": "run", "case": case}, [description])
