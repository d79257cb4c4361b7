"""What the profiles of a run cannot show, and the golden of another profile that shows it."""

from pathlib import Path
from typing import Any

import pytest
from small_case import Player, golden, tensors

from parity.goldens import store
from parity.output import table
from parity.runs import not_shown
from parity.runs import run as running
from parity.stages import profile_table
from parity.stages.profile_table import Generation, Profile

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
FOLDERS = store.cases(GOLDENS)


def entries(*profiles: str, stages: tuple[str, ...] | None = None) -> dict[str, dict[str, Any]]:
    """What → the entry, of a candidate that has these stages; None for all."""
    metas = [{"profile": name} for name in profiles]
    rows = not_shown.of_run(metas, FOLDERS, lambda stage: stages is None or stage in stages)
    return {row["what"]: row for row in rows}


def test_protect_has_no_effect_in_a_profile_that_fills_unvoiced_frames() -> None:
    row = entries("webui-2026")["protect"]
    case = store.open_case(GOLDENS / row["golden"])
    assert row["stage"] == "content.protected" and row["profiles"] == ["webui-2026"]
    assert case.profile == row["golden_profile"] != "webui-2026"
    assert (case["seg0.content.protected"] != case["seg0.content.upsampled"]).any()


def test_the_golden_of_an_f0_method_has_that_method() -> None:
    row = entries("webui-2026")["the F0 method harvest"]
    assert store.open_case(GOLDENS / row["golden"]).options["f0_method"] == "harvest"


@pytest.mark.parametrize("profile", profile_table.PROFILES)
def test_each_profile_hides_what_the_table_states(profile: str) -> None:
    row, hidden = profile_table.PROFILES[profile], entries(profile)
    assert ("protect" in hidden) == row.fills_unvoiced
    assert ("the filling of unvoiced frames" in hidden) != row.fills_unvoiced
    for generation in Generation:
        assert (f"the sine of generation {generation}" in hidden) == (row.generation is not generation)


def test_all_profiles_together_hide_nothing() -> None:
    assert entries(*profile_table.PROFILES) == {}


def test_only_stages_that_the_candidate_has_are_listed() -> None:
    assert set(entries("webui-2026", stages=("content.protected", "flow"))) == {"protect"}


def test_a_new_profile_needs_no_list_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_table, "PROFILES", dict(profile_table.PROFILES))
    monkeypatch.setattr(not_shown, "PROFILES", profile_table.PROFILES)
    profile_table.register_profile(Profile("toy", ("pm",), fills_unvoiced=True, generation=Generation.B))
    assert {"protect", "the sine of generation A", "the F0 method rmvpe"} <= set(entries("toy"))


def test_a_verdict_lists_what_its_profile_cannot_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden(tmp_path)
    monkeypatch.setattr(running, "_not_shown", lambda *_: list(entries("rvc-python").values()))
    document = running.run(Player(tensors()), tmp_path, tmp_path / "out")
    lines = table.closing(document).splitlines()
    assert "what rvc-python cannot show:" in lines
    row = document["not_shown"][0]
    assert (
        f"  the F0 method fcpe (f0.raw): it does not offer that method; {row['golden']} (webui-2026) shows it" in lines
    )
