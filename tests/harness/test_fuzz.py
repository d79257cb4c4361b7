"""The fuzz campaign notices each kind of defect, and each defect that it found has a test of its kind here."""

import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from parity import voices
from parity.cli import main as judge
from parity.errors import ParityError
from parity.goldens import text
from parity.judge import limits, waivers
from parity.output import diff
from parity.voices import cache
from reliability.fuzz import attempt, campaign, figures, guards, minimization
from reliability.fuzz.mutation import archives, json_text, raw, sounds, tensor_files
from reliability.fuzz.reader import Kind, Reader
from reliability.fuzz.targets import READERS
from rvc.content.features import read_weights
from rvc.errors import BadCheckpoint, BadInput, RvcError
from rvc.noise import Tape
from rvc.voices.voice import load_voice

ROOT = Path(__file__).parents[2]


def reader(read: Callable[[Path], Any]) -> Reader:
    return Reader("planted", "a.bin", lambda: [b"valid"], raw.mutate, read, ("rvc.errors",))


def refuse(_: Path) -> None:
    raise BadInput("the file is wrong; give another")


def refuse_in_python_words(_: Path) -> None:
    raise BadInput("<object at 0x7f00> is wrong")


def write_outside(path: Path) -> None:
    (path.parents[2] / "outside").write_text("x")


def connect(_: Path) -> None:
    try:
        socket.create_connection(("127.0.0.1", 9))
    except Exception as error:
        raise BadInput("no connection; give another file") from error


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> guards.Guard:
    return guards.Guard(tmp_path_factory.mktemp("inside"))


@pytest.mark.parametrize(
    ("read", "kind", "signature"),
    [
        (lambda path: path.read_bytes(), Kind.USED, ""),
        (refuse, Kind.REFUSED, ""),
        (refuse_in_python_words, Kind.DEFECT, "a refusal not a user's words at unknown"),
        (lambda path: 1 / 0, Kind.DEFECT, "ZeroDivisionError at unknown"),
        (lambda path: sys.exit(1), Kind.DEFECT, "SystemExit at unknown"),
        (write_outside, Kind.DEFECT, "forbidden: open"),
        (lambda path: subprocess.run(["true"], check=False), Kind.DEFECT, "forbidden: subprocess.Popen"),
        (lambda path: os.system("true"), Kind.DEFECT, "forbidden: os.system"),
        (connect, Kind.DEFECT, "forbidden: socket."),
    ],
)
def test_each_kind_of_defect_is_noticed(
    guard: guards.Guard, read: Callable[[Path], Any], kind: Kind, signature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(guard.folder)
    monkeypatch.chdir(folder)
    outcome = attempt.Attempts(reader(read), folder, guard).run(b"x")
    assert outcome.kind is kind
    assert outcome.signature.startswith(signature)
    assert not (folder.parent / "outside").exists()


def test_a_crash_and_a_hang_are_attributed_to_their_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "HANG", 0.5)
    monkeypatch.setattr(campaign, "IDLE_HANG", 1.0)

    def read(path: Path) -> None:
        data = path.read_bytes()
        if data and data[0] == ord("a"):
            signal.raise_signal(signal.SIGKILL)
        if data and data[0] == ord("h"):
            time.sleep(60)

    def mutate(_: bytes, choices: random.Random) -> bytes:
        return choices.choice((b"abort", b"hang", b"fine", b"good"))

    planted = Reader("planted", "a.bin", lambda: [b"valid"], mutate, read, ("rvc.errors",))
    (figures,) = campaign.run([planted], tmp_path, seed=1, inputs=6, guided=False)
    inputs = {signature: Path(path).read_bytes() for signature, path in figures.defects.items()}
    assert inputs == {"SIGKILL in planted": b"abort", "hang of more than 0.5 s in planted": b"hang"}
    assert figures.tried == 6


def test_libraries_are_loaded_before_an_input_is_timed(guard: guards.Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    monkeypatch.chdir(guard.folder)  # an attempt changes the working directory
    plain = reader(lambda path: read.append(path.read_bytes()))
    attempt.Attempts(plain, Path(guard.folder), guard).warm_up()
    attempt.Attempts(replace(plain, loading=lambda: [b"sound"]), Path(guard.folder), guard).warm_up()
    assert read == [b"valid", b"sound"]


def test_the_voices_of_replays_are_made_before_traces_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge may make them in its own cache while it replays a stage, which is no defect of what reads a trace."""
    made: list[str] = []
    monkeypatch.setattr(cache, "path_of", made.append)
    (trace,) = [target for target in READERS if target.name == "trace"]
    assert trace.loading is not None
    assert trace.loading() == trace.seeds()[:2]
    assert {*voices.KINDS, "hubert", "rmvpe", *(f"index-{name}" for name in voices.INDEXES)} <= set(made)


def test_the_time_of_a_reader_begins_when_its_libraries_are_loaded(tmp_path: Path) -> None:
    planted = replace(reader(lambda path: path.read_bytes()), loading=lambda: [time.sleep(1) or b"x"])  # type: ignore[func-returns-value]
    (figures,) = campaign.run([planted], tmp_path, seed=1, minutes=0.2 / 60, guided=False)
    assert figures.used > 0


def test_an_input_is_made_small_while_its_defect_stays() -> None:
    assert minimization.cut(b"x" * 100 + b"BAD" + b"y" * 100, lambda data: b"BAD" in data) == b"BAD"


def test_an_archive_has_the_members_that_zipfile_writes_and_reads() -> None:
    parts = [("archive/data.pkl", b"\x80\x02."), ("archive/data/0", bytes(range(256))), ("ü", b""), ("x", b"again")]
    packed = archives.pack(parts)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == parts
    assert archives.members(packed) == parts
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        assert archives.members(archives.pack(parts, compression, {0, 2})) == parts
    with pytest.raises(zipfile.BadZipFile):
        archives.members(packed[:-30])


def test_a_refusal_after_the_memory_limit_was_met_is_a_defect(
    guard: guards.Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: Path) -> None:
        try:
            raise MemoryError
        except MemoryError:
            raise BadInput("the file is damaged; give another") from None

    folder = Path(guard.folder)
    monkeypatch.chdir(folder)
    outcome = attempt.Attempts(reader(read), folder, guard).run(b"x")
    assert outcome.kind is Kind.DEFECT
    assert outcome.signature == "a refusal after the limit of memory was met at unknown"


@pytest.mark.parametrize(("enough", "kind"), [(False, Kind.REFUSED), (True, Kind.DEFECT)])
def test_ffmpeg_refuses_sizes_above_2_gib_without_asking_for_memory(
    enough: bool, kind: Kind, guard: guards.Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    calls: list[int] = []

    def read(_: Path) -> None:
        calls.append(1)
        if len(calls) == 1 or not enough:
            try:
                raise av.error.MemoryError(12, "Cannot allocate memory")
            except av.FFmpegError:
                raise BadInput("the file is damaged; give another") from None

    folder = Path(guard.folder)
    monkeypatch.chdir(folder)
    assert attempt.Attempts(reader(read), folder, guard).run(b"x").kind is kind


@pytest.mark.parametrize("mutate", [archives.mutate, json_text.mutate, tensor_files.mutate, sounds.riff, sounds.ogg])
def test_a_mutator_is_determined_by_its_seed(mutate: raw.Mutator) -> None:
    data = b""
    for seed in range(200):
        one, two = (mutate(data, random.Random(seed)) for _ in range(2))
        assert one == two
        data = one


def test_a_short_campaign_without_atheris_finds_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "reliability.fuzz",
        "--inputs",
        "40",
        "--seed",
        "3",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [*command, "--reader", "waivers", "--reader", "F0 file"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, "0 defects" in done.stdout) == (0, True), done.stdout + done.stderr
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [(row["reader"], row["tried"], row["defects"]) for row in figures["readers"]] == [
        ("F0 file", 40, {}),
        ("waivers", 40, {}),
    ]


def recompressed(path: Path, compression: int) -> Path:
    """A torch file whose members are compressed, with one byte of the compressed pickle changed."""
    torch.save({"model": {"x": torch.arange(64.0)}}, path)
    parts = archives.members(path.read_bytes())
    data = bytearray(archives.pack(parts, compression))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("data.pkl"))
    begin = info.header_offset + 30 + len(info.filename)
    data[begin : begin + 8] = b"\xff" * 8
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("read", [read_weights, load_voice])
def test_a_damaged_compressed_torch_file_is_refused(
    tmp_path: Path, compression: int, read: Callable[[Path], Any]
) -> None:
    with pytest.raises(BadCheckpoint, match=r"^a\.pt "):
        read(recompressed(tmp_path / "a.pt", compression))


@pytest.mark.parametrize("read", [limits.read, waivers.load, diff.read])
@pytest.mark.parametrize("data", [b"\xff\xfe{", b'{"a": "\x9f"}', b"5", b"[1]", b'"x"', b"null"])
def test_json_that_is_no_text_or_of_another_form_is_refused(
    tmp_path: Path, read: Callable[[Path], Any], data: bytes
) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ParityError, match=r"a\.json|a waiver needs"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("form", ["[{}]", '{{"a": {}}}'])
def test_json_nested_deeper_than_any_code_walks_is_refused(form: str) -> None:
    deep = "1"
    for _ in range(65):
        deep = form.format(deep)
    assert text.parse(form.format("1")) is not None
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        text.parse(deep)


@pytest.mark.parametrize("error", [RvcError, ParityError])
def test_a_message_that_quotes_a_long_text_keeps_its_two_ends(error: type[Exception]) -> None:
    message = str(error("a.pth holds " + "x" * 5000 + "; give another file"))
    assert message.startswith("a.pth holds x")
    assert message.endswith("x; give another file")
    assert len(message) < 1510


def test_a_dtype_of_any_length_is_refused_in_a_sentence_of_bounded_length(tmp_path: Path) -> None:
    path = tmp_path / "tape.safetensors"
    path.write_bytes(
        tensor_files.join({"noise.z": {"dtype": "x" * 5000, "shape": [1], "data_offsets": [0, 4]}}, bytes(4))
    )
    with pytest.raises(BadInput) as raised:
        Tape.read(path)
    assert len(str(raised.value)) < 1510


def test_a_refusal_of_the_judge_holds_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge.main(["diff", str(tmp_path / "\x1b[31m"), str(tmp_path)]) == 2
    assert capsys.readouterr().err.rstrip("\n").isprintable()


def test_the_page_holds_the_table_of_the_committed_campaign() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    document = json.loads(figures.FILE.read_text(encoding="utf-8"))
    assert figures.page(page, document) == page
    assert not any(row["defects"] for row in document["readers"])
    assert [row["reader"] for row in document["readers"]] == [each.name for each in READERS]
    for row, each in zip(document["readers"], READERS, strict=True):
        assert row["tried"] >= (200 if each.is_full_size else 10_000), row
        assert 0 < row["covered"] <= row["lines"]
