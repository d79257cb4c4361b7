"""The judge's table of profiles and F0 methods, which does not import rvc, is equal to rvc's two registries."""

import pytest

from parity.stages import profile_table
from parity.stages.profile_table import Profile
from rvc import profiles
from rvc.f0 import registry


def test_the_judge_knows_the_f0_methods_of_rvc():
    own = {
        method.name: (method.network and method.network.role, method.is_dithered)
        for method in registry.METHODS.values()
    }
    known = {method.name: (method.weight_file, method.is_dithered) for method in profile_table.METHODS.values()}
    assert list(known.items()) == list(own.items())


def test_the_judge_knows_the_profiles_of_rvc():
    own = [(p.name, p.methods, p.fill_unvoiced, p.generation) for p in profiles.PROFILES.values()]
    known = [(p.name, p.methods, p.fills_unvoiced, p.generation) for p in profile_table.PROFILES.values()]
    assert known == own


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="the F0 method 'pm' is registered already"):
        profile_table.register_method(profile_table.METHODS["pm"])
    with pytest.raises(ValueError, match="the profile 'webui-2026' is registered already"):
        profile_table.register_profile(profile_table.PROFILES["webui-2026"])


def test_a_profile_names_methods_that_are_registered():
    with pytest.raises(ValueError, match="the profile 'toy' names the F0 method 'yin'; register that first"):
        profile_table.register_profile(Profile("toy", ("yin",), False, profile_table.Generation.A))


def test_methods_without_original_are_extensions():
    assert profile_table.methods_without_original() == ["dio", "crepe-tiny"]
