"""Where HuBERT and RMVPE are looked for."""

import pytest

from rvc.weights.default_paths import find


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    for name in ("RVC_HUBERT", "RVC_RMVPE", "RVC_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert find("hubert", tmp_path / "v.pth") is None


def test_what_is_named_wins(tmp_path, monkeypatch):
    (tmp_path / "rmvpe.pt").touch()
    monkeypatch.setenv("RVC_RMVPE", "named.pt")
    assert str(find("rmvpe", tmp_path / "v.pth")) == "named.pt"


def test_a_folder_beside_the_voice_needs_its_config(tmp_path):
    (tmp_path / "hubert_base").mkdir()
    assert find("hubert", tmp_path / "v.pth") is None
    (tmp_path / "hubert_base" / "config.json").touch()
    assert find("hubert", tmp_path / "v.pth") == tmp_path / "hubert_base"


def test_the_webuis_layout_is_known(tmp_path, monkeypatch):
    (tmp_path / "assets" / "hubert").mkdir(parents=True)
    (tmp_path / "assets" / "hubert" / "hubert_base.pt").touch()
    assert find("hubert", tmp_path / "voices" / "v.pth").name == "hubert_base.pt"
