"""The protocol is published as one schema and one page, and both sides use it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from parity import stages
from parity.candidates import candidate, messages
from parity.candidates.messages import WrongMessage
from parity.goldens import case_schema, store
from parity.rvc_bridge import voice_files
from parity.stages import profile_table
from parity.voices import cache

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CASES = [store.open_case(folder) for folder in store.cases(ROOT / "goldens" / "cases")]


def request(case: store.Case) -> dict[str, Any]:
    described = messages.describe(case, {"model": "voice.pth"})
    return {"id": 1, "op": "run", "case": described, "inputs": "in.safetensors", "outputs": "out.safetensors"}


def test_the_published_schema_is_the_one_in_use() -> None:
    published = json.loads((DOCS / "protocol-schema.json").read_text())
    assert published == messages.schema()
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("name", list(messages.tables()))
def test_the_page_of_the_protocol_has_the_tables_of_the_registry(name: str) -> None:
    lines = (DOCS / "protocol.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in messages.tables()[name] if row not in lines] == []


def test_the_page_has_a_row_for_every_stage_and_no_other() -> None:
    rows = messages.tables()["stages"]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [stage.name for stage in stages.every()]


def test_every_golden_is_described_by_the_schema() -> None:
    for case in CASES:
        messages.check_request(request(case))
        jsonschema.validate(request(case), messages.schema())


def test_every_option_of_a_golden_is_documented() -> None:
    options = set(case_schema.meta_schema()["properties"]["options"]["properties"])
    assert set(messages.OPTIONS) == options
    used = {name for case in CASES for name in case.options.get("realtime", {})}
    assert used <= set(messages.REALTIME)
    roles = {"model", "hubert", "index", *profile_table.weight_files()} - {"crepe", "fcpe"}  # packages bring those
    assert roles | {"voice", *voice_files.PLAIN_ROLES.values()} == set(messages.FILES)


def test_a_request_for_a_stage_names_only_the_weights_that_the_stage_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other file is made, so that a stage without weights waits for none."""
    made: list[str] = []
    monkeypatch.setattr(cache, "path_of", lambda name: made.append(name) or Path(f"/cache/{name}"))
    monkeypatch.setattr(cache, "plain_path_of", lambda name: made.append(f"plain {name}") or Path(f"/plain/{name}"))
    case = next(case for case in CASES if case.voice["index"] and case.options["f0_method"] == "rmvpe")
    kind = case.voice["kind"]

    def request_of(name: str) -> tuple[set[str], list[str]]:
        made.clear()
        described = messages.describe(case, voice_files.paths(case), stages.stage_named(name))
        return set(described["files"]), list(made)

    assert request_of("trim") == request_of("retrieval.weights") == (set(), [])
    assert request_of("hubert.features") == ({"hubert"}, ["hubert"])
    assert request_of("flow") == ({"model", "voice"}, [kind, kind, f"plain {kind}"])
    assert request_of("retrieval.mean")[0] == {"index", "index_tensors"}
    assert request_of("f0.raw")[0] == {"rmvpe", "rmvpe_tensors"}
    assert set(messages.describe(case, voice_files.paths(case))["files"]) == set(messages.FILES)


def test_a_block_of_a_stream_reads_the_weights_of_the_same_step_of_a_file() -> None:
    steps = {
        "rt.f0": ["f0.raw"],
        "rt.retrieval": [stage.name for stage in stages.offline() if "retrieval" in stage.name],
    }
    for stage in stages.realtime():
        same = [stages.stage_named(name) for name in steps.get(stage.name, [stage.name.removeprefix("rt.")])]
        assert set(stage.weights) == {weights for step in same if step is not None for weights in step.weights}


def test_the_networks_of_f0_on_the_command_line_of_live_are_sent_with_the_stage_of_f0() -> None:
    files = dict.fromkeys(("model", "hubert", *profile_table.weight_files()), "a path")
    f0, flow = stages.stage_named("f0.raw"), stages.stage_named("flow")
    assert set(messages.files_for(files, f0)) == set(profile_table.weight_files())
    assert set(messages.files_for(files, flow)) == {"model"}


def test_an_f0_curve_is_given_by_value() -> None:
    curved = [case for case in CASES if case.options.get("f0_file")]
    assert curved
    for case in curved:
        points = messages.describe(case, {})["f0_curve"]
        text = (ROOT / str(case.options["f0_file"])).read_text()
        assert points == [[float(part) for part in line.split(",")] for line in text.split()]
    assert "f0_curve" not in messages.describe(CASES[0], {}) or CASES[0] in curved


def test_frame_counts_are_those_of_the_tensors() -> None:
    for case in CASES[:8]:
        for stage, prefix in candidate.steps(case):
            count = messages.frames(case, prefix)
            if prefix.startswith("rt."):
                assert count is None
            elif stage.name in ("z_p", "flow"):
                made = candidate.inputs(case, stage, prefix)[f"{prefix}{'enc_p.m' if stage.name == 'z_p' else 'z_p'}"]
                assert count == made.shape[2]
            elif not prefix:
                assert count == (case["padded"].shape[0] // 160 if "padded" in case else None)


def test_the_page_names_the_inputs_that_a_stage_gets() -> None:
    """The names of the table, with numbers for {i} and {n}, are those of the requests of every golden."""
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in messages.tables()["stages"]}
    for case in CASES[::9]:
        for stage, prefix in candidate.steps(case):
            for name in candidate.inputs(case, stage, prefix):
                parsed = stages.TensorName.parse(name)
                written = {"": "", "seg": "seg{i}.", "rt.": "rt.{n}."}[parsed.prefix[:3]] + parsed.local
                assert f" {written}" in rows[stage.name] or name == "segment.cuts", (stage.name, name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"op": "sing"},
            "the operation 'sing' does not exist in rvc-parity/1; it has " + ", ".join(messages.OPERATIONS),
        ),
        ({"outputs": 3}, "the message does not fit run_request of rvc-parity/1: outputs is 3, not string"),
    ],
)
def test_a_wrong_request_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WrongMessage) as wrong:
        messages.check_request(request(CASES[0]) | change)
    assert str(wrong.value) == sentence


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("hello_request", {"id": 1, "op": "hello", "protocol": "rvc-parity/1"}),
        ("bye_request", {"id": 0, "op": "bye"}),
        ("done_answer", {"id": 2, "ok": True}),
        ("time_answer", {"id": 4, "ok": True, "seconds": [2.31]}),
        ("error_answer", {"id": 2, "ok": False, "error": "a sentence"}),
        ("lacks_answer", {"id": 2, "ok": False, "lacks": "a sentence"}),
    ],
)
def test_each_message_of_the_page_fits(kind: str, message: dict[str, Any]) -> None:
    assert messages.check(message, kind) == message
    jsonschema.validate(message, messages.schema())
