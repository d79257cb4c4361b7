"""Strategies: silence, clicks, tones, noise, steps and full-scale sounds, of any length; windows."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def sounds(draw, longest=4000, shortest=1):
    """float32 (N,) within ±1, as a decoder could return."""
    count = draw(st.integers(shortest, longest))
    time = np.arange(count)
    kind = draw(st.sampled_from(["silence", "click", "tone", "noise", "steps", "loud"]))
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "silence":
        samples = np.zeros(count)
    elif kind == "click":
        samples = np.zeros(count)
        samples[seed.integers(count)] = 1
    elif kind == "tone":
        samples = draw(st.floats(0, 1)) * np.sin(time * draw(st.floats(0.001, np.pi)))
    elif kind == "noise":
        samples = draw(st.floats(1e-6, 1)) * seed.uniform(-1, 1, count)
    elif kind == "steps":
        samples = np.repeat(seed.uniform(-1, 1, count // 100 + 1), 100)[:count]
    else:
        samples = np.sign(seed.standard_normal(count))
    return samples.astype(np.float32)


def windows():
    """Small windows with whole frames of padding, so that short sounds are cut too."""
    from rvc.audio.segments import Window

    return st.builds(
        lambda pad, query, more, most: Window(pad / 100, query / 1000, (query + more) / 1000, most / 1000),
        st.integers(1, 20),
        st.integers(1, 40),
        st.integers(0, 60),
        st.integers(5, 200),
    )
