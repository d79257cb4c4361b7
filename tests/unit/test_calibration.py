"""The measured choice of backends: what is measured, how the table is kept, and what int8 needs."""

import json

import pytest
import torch

from rvc.errors import BadInput
from rvc.nn import calibration
from rvc.nn.calibration import Detail, Probe, measure, prepare, refuse_slow_int8
from rvc.nn.kernels.backends import measured_table, selection
from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.kernel_registry import candidates
from rvc.nn.kernels.backends.measured_table import Row, Table
from rvc.nn.kernels.backends.shape_class import ShapeClass

BLOCK = Task(Operation.RESIDUAL, 32, 32, 11)
SMALL = Detail("quick", 1e9, 2, 2, 1, (1, 3))


class Clock:
    """Seconds that planted runs advance."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, the measured rule, and no table afterwards."""
    monkeypatch.setenv("RVC_CACHE", str(tmp_path))
    monkeypatch.setenv("RVC_BACKEND", "measured")
    yield tmp_path
    selection.install(None)


def plant(monkeypatch, seconds, packing=None):
    """Layers that take planted seconds to run and to pack, by backend; a list has the seconds of one run each."""
    clock = Clock()

    def builder(probe, frames, detail):
        planted = {name: iter(each) for name, each in seconds.items() if isinstance(each, list)}

        def build():
            name = selection.rule()
            clock.now += (packing or {}).get(name, 0.0)

            def run():
                clock.now += next(planted[name]) if name in planted else seconds[name]

            return run

        return build

    monkeypatch.setattr(calibration, "builder", builder)
    monkeypatch.setattr(calibration, "probes", lambda precision: iter([Probe(BLOCK, 100, 50.0)]))
    return clock


def test_a_calibration_leaves_no_choice_in_the_report(monkeypatch):
    monkeypatch.setattr(calibration, "probes", lambda precision: iter([Probe(BLOCK, 40, 50.0)]))
    monkeypatch.setattr(selection._STATE, "chosen", {})  # other tests of this process have chosen too
    before = selection.report()["chosen"]
    measure(torch.float32, SMALL)
    assert selection.report()["chosen"] == before
    selection.choose(Task(Operation.PRODUCT, 5, 4096))
    assert selection.report()["chosen"] != before


def everywhere(seconds):
    return {backend.name: seconds for backend in candidates(BLOCK)}


def test_the_fastest_backend_is_chosen_and_the_usual_one_where_they_are_close(monkeypatch):
    usual = selection.usual(BLOCK, candidates(BLOCK)).name
    for torch_seconds, chosen in ((0.5, "torch"), (0.95, usual)):
        clock = plant(monkeypatch, everywhere(1.0) | {"torch": torch_seconds})
        rows = measure(torch.float32, SMALL, clock)
        assert Table().with_rows("float32", "quick", rows).chosen(ShapeClass.of(BLOCK)) == chosen
    assert rows[ShapeClass.of(BLOCK)].seconds["torch"] == pytest.approx(0.95 / 100)


def test_the_choice_counts_packing_for_a_short_sound_and_not_for_a_kept_network(monkeypatch):
    """Per second of sound, at 50 frames: 0.5 s of running and 10 s / length of packing, beside 1 s of running."""
    shape, usual = ShapeClass.of(BLOCK), selection.usual(BLOCK, candidates(BLOCK)).name
    clock = plant(monkeypatch, everywhere(2.0) | {"torch": 1.0}, {"torch": 10.0})
    rows = measure(torch.float32, SMALL, clock)
    assert rows[shape].packing[usual] == 0 and rows[shape].packing["torch"] == pytest.approx(10.0)
    assert rows[shape].cost("torch", 4.0) == pytest.approx(0.5 + 10 / 4)
    table = Table().with_rows("float32", "thorough", rows)
    lengths = {None: "torch", 4.0: usual, 19.0: usual, 22.0: "torch"}
    assert {length: table.chosen(shape, length) for length in lengths} == lengths
    assert table.document()["rows"][str(shape)]["chosen_for"] == {"4": usual, "40": "torch"}
    selection.install(table.chosen)
    try:
        with selection.pinned("measured"):
            with selection.packed_for(4.0):
                assert selection.choose(BLOCK).name == usual
                with selection.packed_for(40.0):
                    assert selection.choose(BLOCK).name == "torch"
            assert selection.choose(BLOCK).name == "torch"
    finally:
        selection.install(None)


def test_a_class_that_was_not_measured_keeps_the_fixed_order():
    selection.install(Table().chosen)
    try:
        with selection.pinned("measured"), selection.packed_for(4.0):
            assert selection.choose(BLOCK) is selection.usual(BLOCK, candidates(BLOCK))
    finally:
        selection.install(None)


def test_times_that_vary_leave_the_fixed_order(monkeypatch):
    clock = plant(monkeypatch, everywhere(1.0) | {"torch": [1.0, 1.0, 1.0, 0.4, 1.0, 0.8]})
    assert measure(torch.float32, SMALL, clock) == {}


def test_a_class_whose_times_vary_is_measured_again(monkeypatch):
    clock = plant(monkeypatch, everywhere(1.0) | {"torch": [1.0, 1.0, 1.0, 0.4, 1.0, 0.8, 1.0, 0.41]})
    rows = measure(torch.float32, Detail("quick", 1e9, 2, 5, 1, (1, 3)), clock)
    assert rows[ShapeClass.of(BLOCK)].seconds["torch"] == pytest.approx(0.4 / 100)


def test_far_slower_backends_and_classes_beyond_the_budget_are_left_out(monkeypatch):
    clock = plant(monkeypatch, everywhere(1.0) | {"torch": 5.0})
    rows = measure(torch.float32, SMALL, clock)
    assert "torch" not in rows[ShapeClass.of(BLOCK)].seconds
    assert measure(torch.float32, Detail("quick", 0.0, 2, 2, 1, (1,)), plant(monkeypatch, everywhere(1.0))) == {}


def test_the_table_is_measured_once_and_again_where_it_is_damaged_or_foreign(cache, monkeypatch):
    calls = []
    row = Row("torch", {"torch": 1.0}, {"torch": 0.0}, 50.0)
    monkeypatch.setattr(calibration, "measure", lambda *which: calls.append(which[0]) or {ShapeClass.of(BLOCK): row})
    prepare("float32")
    prepare("float32")
    assert calls == [torch.float32]
    assert selection.choose(BLOCK).name == "torch"
    path = measured_table.path()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    good = json.loads(path.read_text())
    foreign = {**good, "machine": {**good["machine"], "processor": "another"}}
    name, fields = next(iter(good["rows"].items()))
    rows = [
        {**fields, "usual": "tpu", "seconds": {"tpu": 1.0}, "packing": {"tpu": 1.0}},
        {**fields, "packing": {}},
        {**fields, "packing": {"torch": -1.0}},
        {**fields, "rate": 0},
        {"usual": "torch", "seconds": {"torch": 1.0}},
    ]
    damaged = ["", "{", "[]", "null", json.dumps(foreign), json.dumps({**good, "format": "rvc-kernels/1"})]
    damaged += [json.dumps({**good, "rows": {name: row}}) for row in rows]
    for number, text in enumerate(damaged, 2):
        path.write_text(text)
        prepare("float32")
        assert len(calls) == number, text
        assert json.loads(path.read_text()) == good


def test_nothing_is_measured_where_the_choice_is_pinned(cache, monkeypatch):
    monkeypatch.setattr(calibration, "measure", None)
    monkeypatch.setenv("RVC_BACKEND", "fixed")
    prepare("float32")
    monkeypatch.setenv("RVC_BACKEND", "measured")
    prepare("float32", "cuda")


def test_a_cache_that_cannot_be_written_to_changes_nothing_else(cache, monkeypatch):
    (cache / "file").touch()
    monkeypatch.setenv("RVC_CACHE", str(cache / "file"))
    rows = {ShapeClass.of(BLOCK): Row("torch", {"torch": 1.0}, {"torch": 0.0}, 50.0)}
    monkeypatch.setattr(calibration, "measure", lambda *which: rows)
    prepare("float32")
    assert selection.choose(BLOCK).name == "torch"


def test_a_busy_machine_keeps_no_table(cache, monkeypatch):
    monkeypatch.setattr(calibration, "measure", lambda *which: {})
    prepare("float32")
    assert not measured_table.path().exists()


def int8_table(int8):
    shapes = {name: ShapeClass("residual block", name, "cpu", 128, 11) for name in ("float32", "int8")}
    rows = {
        shapes["float32"]: Row("onednn", {"onednn": 2e-6, "fast-2": 1e-6}, {"onednn": 0.0, "fast-2": 1.0}, 1e4),
        shapes["int8"]: Row("int8", {"int8": int8}, {"int8": 0.5}, 1e4),
    }
    return Table({"float32": "quick", "int8": "quick"}, rows)


def test_int8_is_refused_where_it_is_slower_than_float32():
    refuse_slow_int8(int8_table(1.04e-6))
    refuse_slow_int8(Table())
    with pytest.raises(BadInput) as refused:
        refuse_slow_int8(int8_table(1.5e-6))
    assert str(refused.value) == (
        "int8 takes 1.5 times as long as float32 on this processor, as `rvc doctor --calibrate` measures; choose "
        "--precision float32 or bfloat16, or take int8 for its memory with --backend fixed"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_every_probe_runs_with_every_backend_that_computes_it(dtype):
    """The layers are built as in a calibration, of smaller sizes."""
    kinds = {}
    for probe in calibration.probes(dtype):
        kinds.setdefault((probe.task.operation, probe.task.dtype), probe)
    for probe in kinds.values():
        out, into = (36, 12) if probe.task.operation is Operation.GROUPED else (32, 32)
        task = Task(probe.task.operation, out, into, probe.task.width if probe.task.width < 12 else 8, probe.task.dtype)
        build = calibration.builder(Probe(task, 40, probe.rate, probe.stride), 40, SMALL)
        for backend in candidates(task):
            with selection.pinned(backend.name):
                run = build()
            assert torch.isfinite(run()).all() if run() is not None else backend.name.startswith("fast")
