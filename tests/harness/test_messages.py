"""Every error message that a porter can get is compared with its text by a test."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, golden, tensors

from parity import stages, voices
from parity.calibration import accuracy, leave_one_out, spread
from parity.candidates import external
from parity.candidates.candidate import NotOffered
from parity.candidates.process import ProtocolError, check_answer
from parity.cli import main as command_line
from parity.errors import ParityError
from parity.goldens import store, trace_file
from parity.judge import limits, waivers
from parity.output import diff
from parity.runs import doctor, dumps, user_files
from parity.runs import run as running
from parity.voices import cache, index, kinds

PARITY = Path(__file__).parents[2] / "parity"
REFUSALS = ("UsageError", "TraceError", "ParityError", "GoldenError", "ProtocolError", "NotOffered", "Finding")
# Messages that only a developer of this project can get: a stage without a function, a trial that fails, its own data.
INTERNAL = {
    "rvc_bridge/offline_stages.py",
    "rvc_bridge/realtime_stages.py",
    "rvc_bridge/counterfactual.py",
    "rvc_bridge/rvc_onnx.py",
}
NOT_TESTED = ("mutants", "adapters")  # refusals that only the authors of the catalog can meet


def sentences() -> list[tuple[str, str]]:
    """(file, the longest constant piece) of every error message raised in parity/."""
    pairs = []
    for path in sorted(PARITY.rglob("*.py")):
        where = path.relative_to(PARITY).as_posix()
        if where in INTERNAL or where.startswith(NOT_TESTED):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS and node.args:
                pieces = [piece for piece in _pieces(node.args[-1]) if len(piece) > 8]
                pairs += [(where, max(pieces, key=len))] if pieces else []
    return pairs


def _pieces(node: ast.expr) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


Where = Callable[[Path], object]


def dump(folder: Path, name: str = "a", **tensors: np.ndarray) -> Path:
    return trace_file.Trace(tensors).write(folder / f"{name}.safetensors")


def broken(folder: Path, text: str = "{", name: str = "a.json") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def spoiled(folder: Path, change: Callable[[dict[str, Any]], None]) -> store.Case:
    """The small golden with its case.json changed by hand."""
    golden(folder)
    path = folder / "small" / "case.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return store.open_case(folder / "small")


def loses_its_data(folder: Path, data: bytes | None) -> None:
    golden(folder)
    path = folder / "small" / "tensors.safetensors"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    store.open_case(folder / "small").check()


def variant(folder: Path, name: str = "chained", **changes: np.ndarray) -> None:
    golden(folder / "goldens")
    trace_file.Trace(tensors() | changes).write(folder / "spread" / "avx2" / "small" / f"{name}.safetensors")
    spread.measure(folder / "spread", folder / "goldens")


def without_memory(folder: Path) -> None:
    limits.load.cache_clear()
    try:
        limits.read(folder / "spread.json")
    finally:
        limits.load.cache_clear()


def spread_of(folder: Path, document: dict[str, Any]) -> Path:
    return broken(folder, json.dumps({"format": "rvc-spread/1", "variants": [], "entries": []} | document))


REFUSED: dict[str, tuple[Where, str]] = {
    "a stage that is none": (
        lambda here: running.run(Player(tensors()), here, here / "out", only_stage="flwo"),
        "there is no stage 'flwo' (did you mean 'flow'?); the stages are "
        + ", ".join(stage.name for stage in stages.every()),
    ),
    "a stage that no case has": (
        lambda here: [golden(here), running.run(Player(tensors()), here, here / "out", only_stage="rt.sola")],
        "none of the chosen cases has the stage rt.sola; leave out --case to search all cases",
    ),
    "a stage of two dumps that is none": (
        lambda here: dumps.compare(here / "a", here / "b", "genrator"),
        "there is no stage 'genrator' (did you mean 'generator'?); the stages are "
        + ", ".join(stage.name for stage in stages.every()),
    ),
    "two dumps that share nothing": (
        lambda here: dumps.compare(golden(here).folder, dump(here, mel=np.zeros(3, np.float32))),
        "{}/a.safetensors holds none of the tensors of {}/small (it has mel, …); are they named as in "
        "rvc-parity docs spec/00-overview? --names MAP renames those of another program",
    ),
    "half a trace": (
        lambda here: trace_file.read(broken(here, "not this", "a.safetensors")),
        "{}/a.safetensors is not a complete safetensors file (Error while deserializing header: header too large); "
        "was it written completely?",
    ),
    "no verdict": (
        lambda here: diff.read(broken(here, "{}")),
        "{}/a.json is 'no verdict', expected rvc-verdict/1; make it again with rvc-parity check",
    ),
    "a broken verdict": (
        lambda here: diff.read(broken(here)),
        "{}/a.json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)); make it again with rvc-parity check",
    ),
    "broken waivers": (
        lambda here: waivers.load(broken(here)),
        "{}/a.json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)); it is a list of waivers",
    ),
    "a live run without its voice": (
        lambda here: user_files.judge(dump(here, mel=np.zeros(3, np.float32)), {"model": here / "v.pth"}),
        "there is no model at {}/v.pth; give the file that the original was run with",
    ),
    "an empty folder of variants": (
        lambda here: spread.measure(here, here),
        "{} holds no VARIANT/CASE/chained.safetensors; run the original's variants first",
    ),
    "a trace that is neither": (
        lambda here: variant(here, "sideways"),
        "sideways.safetensors of small is neither chained nor isolated",
    ),
    "a variant of another shape": (
        lambda here: variant(here, **{"f0.hz": np.zeros((1, 3), np.float32)}),
        "a variant that must not matter changes the form of small: f0.hz is float32[1, 3], the golden is "
        "float32[1, 100]: 97 frame10 short; was a tail trimmed?",
    ),
    "a lost spread": (
        without_memory,
        "there is no {}/spread.json; measure it: python -m reference.spread, then parity.spread",
    ),
    "a broken spread": (
        lambda here: limits.read(broken(here)),
        "{}/a.json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)); restore it or measure: rvc-parity spread",
    ),
    "another spread": (
        lambda here: limits.read(spread_of(here, {"format": "x"})),
        "{}/a.json does not fit rvc-spread/1: format is 'x', not 'rvc-spread/1'; measure again: rvc-parity spread",
    ),
    "a spread of one variant": (
        lambda here: leave_one_out.report(spread_of(here, {}), here, here / "c.json"),
        "{}/a.json has no entry that two variants share; measure more: rvc-parity spread",
    ),
    "a golden of nothing": (
        lambda here: store.save_case(here / "small", {}, META),
        "small holds no tensor at all; was the original run?",
    ),
    "a golden without a stage": (
        lambda here: store.save_case(
            here / "small", {name: value for name, value in tensors().items() if name != "seg0.flow.z"}, META
        ),
        "small lacks seg0.flow.z, which this conversion must have; was a tap not reached?",
    ),
    "no golden": (
        lambda here: store.open_case(here / "small"),
        "{}/small holds no case.json, so it is no golden; name the folder of one case",
    ),
    "a broken golden": (
        lambda here: [golden(here), broken(here / "small", name="case.json"), store.open_case(here / "small")],
        "{}/small/case.json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
        "restore it or record the case again",
    ),
    "a golden without its data": (
        lambda here: loses_its_data(here, None),
        "{}/small/tensors.safetensors is missing beside case.json; restore it or record the case again",
    ),
    "a golden with half its data": (
        lambda here: loses_its_data(here, b"half"),
        "audio16k.raw#steps cannot be read from {}/small/tensors.safetensors: Error while deserializing header: header "
        "too small; restore it or record the case again",
    ),
    "a recipe of nothing": (
        lambda here: spoiled(
            here, lambda document: document["tensors"]["audio16k"].update(stored={"how": "join", "of": ["nowhere"]})
        ).check(),
        "audio16k of small cannot be made from its recipe {'how': 'join', 'of': ['nowhere']}: 'nowhere'; record the "
        "case again",
    ),
    "a recipe of a list": (
        lambda here: spoiled(
            here,
            lambda document: document["tensors"]["audio16k"].update(stored={"how": "steps", "of": ["a"], "scale": 1}),
        ).check(),
        "['a'] cannot be read from {}/small/tensors.safetensors: argument 'name': 'list' object is not an instance of "
        "'str'; restore it or record the case again",
    ),
    "no such index": (
        lambda here: voices.make_index("v3"),
        "there are no synthetic weights called 'index-v3'; choose one of " + ", ".join(kinds.WEIGHTS),
    ),
    "no such counts": (
        lambda here: list(index.tensors("v3")),
        "there is no index 'v3'; choose one of " + ", ".join(voices.INDEXES),
    ),
    "no such voice": (
        lambda here: voices.Kind("v3-44k-f0"),
        "there is no kind of voice 'v3-44k-f0'; choose one of " + ", ".join(voices.KINDS),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_error_message_word_for_word(what: str, tmp_path: Path) -> None:
    call, sentence = REFUSED[what]
    with pytest.raises(ParityError) as raised:
        call(tmp_path)
    assert str(raised.value) == sentence.replace("{}", str(tmp_path))


# ---- the doctor ----------------------------------------------------------------------------


class Chain(Player):
    """An adapter that has whole conversions, or one stage, without a process behind it."""

    def __init__(self, made: dict[str, Any], error: Exception | None = None) -> None:
        super().__init__(made)
        self.error = error

    def run_stage(self, case: store.Case, stage: stages.Stage, prefix: str, inputs: dict[str, Any]) -> dict[str, Any]:
        if self.error:
            raise self.error
        scale = np.float32(np.mean([np.abs(value).mean() for value in inputs.values()]))
        return {
            name: (value * scale).astype(value.dtype)
            for name, value in super().run_stage(case, stage, prefix, inputs).items()
        }


def stage(name: str) -> stages.Stage:
    return next(row for row in stages.every() if row.name == name)


def test_messages_of_the_doctor_about_a_conversion(tmp_path: Path) -> None:
    case, right = golden(tmp_path), tensors()
    assert doctor._examine_conversion(Chain({"f0.raw": right["f0.raw"]}), [case]).sentence == (
        "a whole conversion must write waveform.final, and every stage's tensors for blame; its outputs hold f0.raw"
    )
    odd = {"waveform.final": right["waveform.final"], "mel": np.zeros((2, 3), np.float32)}
    assert doctor._examine_conversion(Chain(odd), [case]).sentence == (
        "mel, float32[2, 3], is no name of the stage table (rvc-parity docs spec/00-overview)"
    )
    assert doctor._examine_conversion(Chain({"waveform.final": right["waveform.final"]}), [case]).sentence == (
        "1 tensors of a whole conversion, well formed"
    )


def test_messages_of_the_doctor_about_a_stage(tmp_path: Path) -> None:
    case, right = golden(tmp_path), tensors()
    assert doctor._examine_stage(Chain(right), stage("flow"), [case]).sentence == (
        "seg0.flow.z: form and repetition are right"
    )
    assert doctor._examine_stage(Chain(right, NotOffered("no flow here")), stage("flow"), [case]).sentence == (
        "not there for small: no flow here"
    )
    assert doctor._examine_stage(Chain(right), stage("rt.sola"), [case]).sentence == (
        "no golden of this profile has the stage rt.sola to try it on"
    )
    crash = Chain(right, ProtocolError("crash", "the adapter ended"))
    crash.lacks = ("audio16k",)
    assert next(iter(doctor._examine_undeclared(crash, case))).sentence == (
        "audio16k was requested, which is not declared: the adapter ended"
    )


def test_messages_about_wrong_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = golden(tmp_path)
    with external.External("true", lambda case: {}) as program:
        monkeypatch.setattr(
            program, "_running", lambda: SimpleNamespace(request=lambda *_, **__: {"seconds": [1, "2"]})
        )
        with pytest.raises(ProtocolError) as raised:
            program.time(case, 2)
    assert str(raised.value) == "the answer to time has seconds = [1, '2']; expected 2 numbers"
    short = broken(tmp_path, "half", "outputs.safetensors")
    with pytest.raises(ProtocolError) as raised:
        external.read_outputs(short, "run")
    assert str(raised.value) == (
        "the outputs of run (4 bytes) are not a complete safetensors file (Error while "
        "deserializing header: header too small); close the file before answering"
    )
    with pytest.raises(ProtocolError) as raised:
        check_answer("run", 3, '{"id": 2, "ok": true}')
    assert str(raised.value) == (
        """the answer to run is '{"id": 2, "ok": true}', but its id must be 3; """
        "answer each request once, in order"
    )


# ---- weights ---------------------------------------------------------------------------------------------------------


def test_other_bits_on_this_machine_end_a_case_and_not_each_of_its_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "pinned", lambda: dict.fromkeys(kinds.WEIGHTS, 64 * "0"))
    golden(tmp_path / "goldens")

    class MakesAnIndex(Player):
        def run_stage(self, *_: Any) -> dict[str, Any]:
            voices.make_index("v1")
            return {}

    document = running.run(MakesAnIndex(tensors()), tmp_path / "goldens", tmp_path / "out")
    (case,) = document["cases"]
    assert (document["exit_code"], case["state"]) == (1, "unreadable")
    made = case["sentence"].split("sha256 ")[1][:12]
    assert case["sentence"] == (
        f"small cannot be judged: this machine drew other bits for index-v1: sha256 {made}, expected 000000000000; "
        "goldens recorded with these weights do not hold here, see parity/goldens/random_stream.py"
    )


def test_goldens_recorded_with_another_voice_are_reported_when_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_CACHE", str(tmp_path))
    entry = tmp_path / "voices" / f"v2-40k-f0-{cache.pinned()['v2-40k-f0'][:12]}"
    entry.mkdir(parents=True)
    broken(entry, json.dumps({"v2-40k-f0.pth": 64 * "a"}), "made.json")
    voice = {"kind": "v2-40k-f0", "index": "v2", "files": {"voice": 64 * "b", "rmvpe": 64 * "c"}}
    assert cache.other_than_recorded(voice) == (
        "it was recorded with another v2-40k-f0 than this machine's (sha256 bbbbbbbbbbbb, here aaaaaaaaaaaa); "
        "did parity/voices change? restore it, or record the goldens again"
    )
    assert cache.other_than_recorded(voice | {"files": {"voice": 64 * "a", "rmvpe": 64 * "c"}}) is None


def test_a_damaged_entry_that_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, work = tmp_path / "entry", tmp_path / "work"
    monkeypatch.setattr(Path, "rename", lambda self, target: (_ for _ in ()).throw(FileNotFoundError()))
    work.mkdir()
    with pytest.raises(ParityError) as raised:
        cache._put(work, entry, "voice.pth")
    assert str(raised.value) == f"cannot replace the damaged {entry}; remove that folder and try again"


def test_accuracy_needs_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(accuracy, "without_original", lambda track: iter(()))
    assert command_line.main(["accuracy", "--goldens", str(tmp_path), "--run", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"parity: {tmp_path} holds no trace of a sung golden; run: rvc-parity run\n"


def test_a_trace_from_which_nothing_can_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = broken(tmp_path, "", "v.pth")
    parts = SimpleNamespace(rate=40000, version="v2")
    program = SimpleNamespace(networks=lambda case: parts)
    monkeypatch.setattr("parity.rvc_bridge.rvc_torch.RvcTorch", lambda files: program)
    path = dump(tmp_path, **{"f0.raw": np.zeros(30)})
    with pytest.raises(ParityError) as raised:
        user_files.judge(path, {"model": model})
    assert str(raised.value) == (f"{path} holds no audio16k.raw, from which our run has to start; record it again")


# ---- all messages -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tested() -> str:
    """Every string of the tests, regular expressions without their escapes."""
    texts = []
    for path in Path(__file__).parent.glob("*.py"):
        texts += [piece for piece in _pieces(ast.parse(path.read_text(encoding="utf-8"))) if len(piece) > 8]  # type: ignore[arg-type]
    return "\n".join(texts).replace("\\", "")


def test_messages_were_collected() -> None:
    assert len(sentences()) > 50


@pytest.mark.parametrize(("where", "piece"), sentences())
def test_each_message_is_compared_by_a_test(where: str, piece: str, tested: str) -> None:
    assert piece.strip(" ;,:()\n") in tested, f"no test compares this message of {where}: {piece!r}"
