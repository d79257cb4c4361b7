"""The originals' spread on a GPU counts in the limits of candidates that run on one."""

import pytest
from small_case import spread

from parity.judge import limits as tolerance


def test_the_spread_on_a_gpu_counts_for_a_candidate_on_a_gpu_alone():
    document = spread({"avx2": 1e-6, "h200": 9e-6})
    environments = {"h200": {"device": "cuda"}}
    document["variants"] = [{"name": name, "environment": environments.get(name, {})} for name in ("avx2", "h200")]

    def limit(**device):
        return tolerance.Limits(document, **device).find("seg0.flow.z", "isolated", "relative_rms", False)

    assert limit().limit == limit(device="mps").limit == pytest.approx(5e-6)
    assert limit(device="cuda").limit == pytest.approx(45e-6)
    assert "h200" in limit(device="cuda").because


def test_the_device_of_a_candidate_is_what_it_states():
    assert tolerance.device_of({"environment": {"device": "cuda"}}) == "cuda"
    assert tolerance.device_of({"environment": {"threads": 2}}) == tolerance.device_of({}) == "cpu"


def test_the_measured_spread_on_a_gpu_widens_the_source_and_the_waveforms_alone():
    """A candidate that states "cuda" without need gains nothing in any other stage."""
    document, wider = tolerance.read(), set()
    on_cpu, on_gpu = tolerance.Limits(document), tolerance.Limits(document, device="cuda")
    for entry in document["entries"]:
        name = tolerance.any_name(entry["tensor"])
        asked = (name, entry["mode"], entry["metric"], bool(entry["network_f0"]))
        if on_gpu.find(*asked).limit > 1.12 * on_cpu.find(*asked).limit:
            wider.add(entry["tensor"].split(".")[0])
    assert wider == {"nsf", "waveform"}
