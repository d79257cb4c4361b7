"""`python -m rvc` with one fault planted: python planted.py slow|square|honest ARGUMENTS…; what a bench must catch."""

import sys
import time

import numpy as np

START = time.perf_counter()
HELD = []


def slow():
    """A quarter longer, from the first import to the last byte."""
    import atexit

    atexit.register(lambda: time.sleep((time.perf_counter() - START) / 4))


def square():
    """Attention over the whole file, kept: four layers of 12 heads × frames × frames, as in a port that never cuts."""
    from rvc import pipeline

    render = pipeline.render

    def keeping(raw, *rest, **named):
        frames = len(raw) // 320
        HELD.append(np.ones((4 * 12, frames, frames), np.float32))
        return render(raw, *rest, **named)

    pipeline.render = keeping


if __name__ == "__main__":
    {"slow": slow, "square": square, "honest": lambda: None}[sys.argv[1]]()
    from rvc.cli import main

    sys.exit(main(sys.argv[2:]))
