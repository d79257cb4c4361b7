"""The default paths of HuBERT and RMVPE."""

import pytest

from rvc.weights.default_paths import find


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    for name in ("RVC_HUBERT", "RVC_RMVPE", "RVC_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_there_is_no_default_in_an_empty_folder(tmp_path):
    assert find("hubert", tmp_path / "v.pth") is None


def test_an_environment_variable_overrides_a_file_beside_the_voice(tmp_path, monkeypatch):
    (tmp_path / "rmvpe.pt").touch()
    monkeypatch.setenv("RVC_RMVPE", "named.pt")
    assert str(find("rmvpe", tmp_path / "v.pth")) == "named.pt"


def test_a_folder_beside_the_voice_needs_its_config(tmp_path):
    (tmp_path / "hubert_base").mkdir()
    assert find("hubert", tmp_path / "v.pth") is None
    (tmp_path / "hubert_base" / "config.json").touch()
    assert find("hubert", tmp_path / "v.pth") == tmp_path / "hubert_base"


def test_the_webuis_assets_folder_is_searched(tmp_path, monkeypatch):
    (tmp_path / "assets" / "hubert").mkdir(parents=True)
    (tmp_path / "assets" / "hubert" / "hubert_base.pt").touch()
    assert find("hubert", tmp_path / "voices" / "v.pth").name == "hubert_base.pt"
