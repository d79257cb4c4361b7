"""cases.toml: every entry is complete, has its own reason, and names an F0 method that its original has."""

from pathlib import Path

import pytest

from parity.stages import profile_table
from reference import originals
from reference.errors import Refusal
from reference.recording import cases
from reference.recording.options import METHODS, PROFILES, Options, Weights, Window

SPECS = cases.read()


def test_every_input_is_committed() -> None:
    assert SPECS
    missing = [spec.name for spec in SPECS if spec.input and not spec.audio.is_file()]
    assert not missing


def test_every_reason_is_unique() -> None:
    reasons = [spec.why for spec in SPECS]
    assert len(set(reasons)) == len(reasons)


def test_every_voice_kind_has_a_case_with_every_profile_and_every_method() -> None:
    audible = "-harmonic"  # two more voices, whose output can be judged by ear
    offline = [spec for spec in SPECS if not spec.realtime and not spec.isolated and not spec.voice.endswith(audible)]
    kinds = {f"{version}-{rate}k-{f0}" for version in ("v1", "v2") for rate in (32, 40, 48) for f0 in ("f0", "nof0")}
    covered = {(spec.voice, spec.profile) for spec in offline}
    assert covered == {(kind, profile) for kind in kinds for profile in PROFILES}
    voiced = {(spec.voice, spec.options.f0_method) for spec in offline if spec.voice.endswith("-f0")}
    methods = {method for methods in METHODS.values() for method in methods}
    assert voiced == {(kind, method) for kind in kinds if kind.endswith("-f0") for method in methods}
    used = {(spec.profile, spec.options.f0_method) for spec in offline if spec.voice.endswith("-f0")}
    assert used == {(profile, method) for profile, methods in METHODS.items() for method in methods}


def write(folder: Path, text: str) -> Path:
    path = folder / "cases.toml"
    path.write_text(text, encoding="utf-8")
    return path


ENTRY = '[[case]]\nname = "a"\nwhy = "because"\nprofile = "rvc-python"\nvoice = "v2-40k-f0"\ninput = "x.flac"\n'


def test_misspelled_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="a has the field 'profil'"):
        cases.read(write(tmp_path, ENTRY + 'profil = "rvc-python"\n'))


def test_misspelled_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="options hold protekt"):
        cases.read(write(tmp_path, ENTRY + "options = { protekt = 0.1 }\n"))


def test_method_an_original_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Refusal,
        match="a has profile rvc-python and F0 method fcpe, which that original lacks; it has pm, harvest, ",
    ):
        cases.read(write(tmp_path, ENTRY + 'options = { f0_method = "fcpe" }\n'))


def test_repeated_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="has a twice"):
        cases.read(write(tmp_path, ENTRY + ENTRY))


def test_message_about_a_case_of_another_original_names_it() -> None:
    other = next(spec for spec in SPECS if spec.profile == "webui-2026")
    with pytest.raises(Refusal, match="--original webui-2026"):
        cases.select(SPECS, "rvc-python", [other.name])


def test_options_are_equal_after_a_round_trip() -> None:
    options = Options(f0_method="pm", transpose=-3, window=Window(0.1, 0.2, 0.5, 0.6))
    assert Options.read(options.table()) == options


def test_changes_are_read_by_block() -> None:
    by_block = cases.changes("2:transpose=-5 3:formant=1.5 3:index_rate=0")
    assert by_block == {"2": {"transpose": -5.0}, "3": {"formant": 1.5, "index_rate": 0.0}}


def test_every_profile_has_an_original_that_can_be_recorded() -> None:
    assert set(originals.ORIGINALS) == set(profile_table.PROFILES)


def test_an_original_from_a_checkout_is_refused_without_one() -> None:
    with pytest.raises(Refusal, match="webui-2026 is recorded from a checkout; name one of RVC-Project/"):
        originals.open_original("webui-2026", Weights(Path("voice.pth"), Path("hubert")))


def test_an_unknown_profile_has_no_original() -> None:
    with pytest.raises(Refusal, match="no original is registered for toy"):
        originals.open_original("toy", Weights(Path("voice.pth"), Path("hubert")))
