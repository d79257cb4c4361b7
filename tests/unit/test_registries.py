"""An F0 method and a profile are each added by one call, and everything that lists them follows."""

import argparse
import ast
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tiny import write_hubert, write_voice

import rvc
from parity.calibration import coverage
from parity.goldens import case_schema, closed_schema
from parity.stages import profile_table
from rvc import profiles
from rvc.cli import options
from rvc.cli.main import main
from rvc.errors import BadCheckpoint, BadInput
from rvc.f0 import network_files, registry, tracking
from rvc.f0.registry import Input, Method, Network, Tracker

ROOT = Path(__file__).parents[2]
# Files that single a method out: an original's default, the condition of a planted fault, exact results, and causes
# that only one method has. None of them needs an entry for a further method.
PARTICULAR = {
    "parity/rvc_bridge/network_probes.py",
    "rvc/profiles.py",
    "parity/mutants/needs.py",
    "parity/calibration/exact_arithmetic.py",
}
TOY = "toy"  # the F0 method
TOY_PROFILE = "toy-original"


def track_toy(samples):
    """A method of one line: 200 Hz in every frame."""
    return np.full(len(samples) // 160 + 1, 200.0)


@pytest.fixture
def toy():
    """The toy method and the toy profile: one call each in rvc, one call each in the judge's table."""
    registry.register(Method(name=TOY, track=Tracker(track_toy)))
    profiles.register(
        dataclasses.replace(profiles.named("rvc-python"), name=TOY_PROFILE, methods=("pm", TOY), f0_method=TOY)
    )
    profile_table.register_method(profile_table.F0Method(TOY))
    profile_table.register_profile(
        profile_table.Profile(TOY_PROFILE, ("pm", TOY), fills_unvoiced=False, generation=profile_table.Generation.A)
    )
    yield
    registry.unregister(TOY)
    profiles.unregister(TOY_PROFILE)
    profile_table.unregister(TOY)
    profile_table.unregister(TOY_PROFILE)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registries")
    write_hubert(folder / "hubert_base")
    return rvc.load_voice(write_voice(folder / "v.pth"))


SOUND = 0.3 * np.sin(2 * np.pi * 150 * np.arange(9600) / 16000)


@pytest.mark.usefixtures("toy")
def test_a_toy_method_and_a_toy_profile_convert(voice):
    from rvc.trace import Recorder

    recorder = Recorder()
    converted = voice.convert(SOUND, profile=TOY_PROFILE, transpose=12, tap=recorder)
    assert len(converted.samples) > 0
    assert (recorder["f0.raw"] == 200).all()
    assert (recorder["f0.hz"] == 400).all()


@pytest.mark.usefixtures("toy")
def test_a_toy_method_tracks_a_stream():
    coarse, hz = tracking.track_block(
        np.zeros(16000, np.float32),
        4000,
        TOY,
        0,
        weights=network_files.F0Weights(),
        draw=lambda name, shape, kind: pytest.fail("the toy method takes no noise"),
        fill_unvoiced=False,
    )
    assert len(coarse) == len(hz) == 4800 // 160 + 1
    assert (hz == 200).all()


@pytest.mark.usefixtures("toy")
def test_the_command_line_offers_the_toys(capsys):
    parser = argparse.ArgumentParser()
    options.add_conversion_options(parser)
    parsed = parser.parse_args(["--profile", TOY_PROFILE, "--f0-method", TOY])
    assert (parsed.profile, parsed.f0_method) == (TOY_PROFILE, TOY)
    assert main(["profiles", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[TOY_PROFILE]["methods"] == ["pm", TOY]


@pytest.mark.usefixtures("toy")
def test_the_judge_covers_the_toys():
    cells = {cell for cell in coverage.existing() if TOY in (cell.method,) or cell.profile == TOY_PROFILE}
    kinds = {cell.kind for cell in coverage.existing() if not cell.kind.endswith("nof0")}
    assert {cell.kind for cell in cells if cell.method == TOY} == kinds
    assert all(cell.profile == TOY_PROFILE for cell in cells)
    schema = case_schema.meta_schema()["properties"]
    assert not closed_schema.check(TOY_PROFILE, schema["profile"])
    assert not closed_schema.check({"f0_method": TOY}, schema["options"])


@pytest.mark.usefixtures("toy")
def test_the_methods_of_the_original_are_announced():
    assert rvc.Config.of(TOY_PROFILE).extensions() == []
    assert rvc.Config.of("rvc-python", f0_method=TOY).extensions() == [
        "toy has no original under rvc-python; it runs as an extension"
    ]


def test_after_they_are_removed_the_toys_are_refused():
    with pytest.raises(BadInput, match="there is no F0 method 'toy'"):
        rvc.Config.of(f0_method=TOY)
    with pytest.raises(BadInput, match="there is no profile 'toy-original'"):
        rvc.Config.of(TOY_PROFILE)
    assert not any(TOY in (cell.method, cell.profile) for cell in coverage.existing())


@pytest.fixture
def neural_toy():
    """A method with a network of one number, read from a weight file of the role "toy"."""
    method = Method(
        name=TOY,
        track=Tracker(lambda samples, hz: np.full(len(samples) // 160 + 1, hz), (Input.NETWORK,)),
        network=Network(build=lambda tensors: float(tensors["hz"][0]), role=TOY, title="Toy"),
    )
    yield registry.register(method)
    registry.unregister(TOY)


def test_a_weight_file_is_named_by_its_role(neural_toy, voice, tmp_path):
    import torch

    assert neural_toy.needs_file
    parser = argparse.ArgumentParser()
    options.add_voice_options(parser)
    assert parser.parse_args(["--toy", "toy.pt"]).toy.name == "toy.pt"
    torch.save({"hz": torch.tensor([123.0])}, tmp_path / "toy.pt")
    weights = network_files.F0Weights({TOY: tmp_path / "toy.pt"})
    assert (tracking.track(np.zeros(1600), TOY, weights=weights) == 123).all()
    with pytest.raises(BadInput, match=r"the F0 method toy needs its weights; give --toy toy\.pt, or another"):
        network_files.F0Weights().network(TOY)
    with pytest.raises(BadCheckpoint, match="there is no weight file"):
        network_files.F0Weights({TOY: tmp_path / "none.pt"}).network(TOY)
    with pytest.raises(BadInput, match="the F0 method toy needs its weights"):
        voice.convert(SOUND, f0_method=TOY)
    named = rvc.load_voice(voice.parts.model, toy=tmp_path / "toy.pt")
    assert named.is_ready(f0_method=TOY)
    with pytest.raises(TypeError, match="unexpected keyword 'tox'"):
        rvc.load_voice(voice.parts.model, tox=tmp_path / "toy.pt")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="the F0 method 'pm' is registered already"):
        registry.register(registry.named("pm"))
    with pytest.raises(ValueError, match="the profile 'rvc-python' is registered already"):
        profiles.register(profiles.named("rvc-python"))
    with pytest.raises(ValueError, match="the profile 'x' names the F0 method 'yin'; register that first"):
        profiles.register(dataclasses.replace(profiles.named("rvc-python"), name="x", methods=("yin",)))


@pytest.mark.parametrize("method", registry.METHODS.values(), ids=lambda method: method.name)
def test_every_entry_names_functions_that_exist(method):
    trackers = [method.track, *([method.block] if method.block else [])]
    assert all(callable(registry.resolve(tracker.function)) for tracker in trackers)
    if method.threshold is not None:
        assert registry.resolve(method.threshold) > 0
    if method.network is not None:
        network = method.network
        references = (network.build, network.check, network.salience, network.recognize)
        assert all(callable(registry.resolve(reference)) for reference in references)


@pytest.mark.parametrize("method", ["dio", "harvest"])
def test_an_f0_method_is_named_in_three_files(method):
    """Its own file, its entry in the registry, and its row in the judge's table (docs/architecture.md)."""
    packages = ("rvc", "parity", "reference", "reports", "bench")
    naming = set()
    for path in (path for package in packages for path in (ROOT / package).rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(isinstance(node, ast.Constant) and node.value == method for node in nodes):
            naming.add(path.relative_to(ROOT).as_posix())
    assert naming - PARTICULAR == {
        f"rvc/f0/methods/{method}.py",
        "rvc/f0/registry.py",
        "parity/stages/profile_table.py",
    }
