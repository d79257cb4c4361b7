"""A voice by its name, and the index that belongs to it."""

import os

import pytest

from rvc.errors import BadInput
from rvc.voices.folder import find_index, find_voice, list_voices


@pytest.fixture
def folder(tmp_path):
    for name in ("alto.pth", "alto_e20_s400.pth", "bass/bass_v2.pth", "G_2333.pth", "readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_path_needs_no_folder(folder):
    assert find_voice(folder / "alto.pth") == (folder / "alto.pth", None)


@pytest.mark.parametrize(
    ("name", "file"),
    [("alto", "alto.pth"), ("alto.pth", "alto.pth"), ("bass_v2", "bass/bass_v2.pth"), ("bass", "bass/bass_v2.pth")],
)
def test_a_name_is_found_in_the_folder(folder, name, file):
    assert find_voice(name, folder)[0] == folder / file


def test_training_checkpoints_are_not_listed(folder):
    assert [path.name for path in list_voices(folder)] == ["alto.pth", "alto_e20_s400.pth", "bass_v2.pth"]


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("alto_added_IVF20_Flat.index", True),
        ("added_IVF99_Flat_nprobe_1_alto_v2.index", True),
        ("ALTO_added_x.index", True),
        ("trained_IVF99_alto_v2.index", False),
        ("my_alto_thing.index", True),
        ("soprano_added_x.index", False),
    ],
)
def test_an_index_belongs_to_a_voice_by_the_webuis_naming_rule(folder, name, belongs):
    (folder / name).touch()
    assert find_index(folder / "alto.pth", [folder]) == (folder / name if belongs else None)


def test_epoch_and_step_are_stripped_from_the_name(folder):
    (folder / "alto_added_x.index").touch()
    assert find_voice("alto_e20_s400", folder)[1] == folder / "alto_added_x.index"


def test_the_trainers_name_comes_first_then_the_newest_index(folder):
    for age, name in enumerate(("alto_added_old.index", "alto_added_new.index", "some_alto.index")):
        (folder / name).touch()
        os.utime(folder / name, (age, age))
    assert find_index(folder / "alto.pth", [folder]).name == "alto_added_new.index"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "tenor",
            "there is no voice file tenor, and none of that name: the folder {} has alto, alto_e20_s400, bass_v2",
        ),
        ("no/tenor.pth", "there is no voice file no/tenor.pth; check the path"),
        ("{}", "{} is a folder; --model takes a voice file in it"),
    ],
)
def test_a_missing_voice_is_refused(folder, name, sentence):
    with pytest.raises(BadInput) as refused:
        find_voice(name.format(folder), folder)
    assert str(refused.value) == sentence.format(folder)
