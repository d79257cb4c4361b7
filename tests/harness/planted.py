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
    """The attention of HuBERT kept whole: 12 heads of frames × frames, which is what a careless port does."""
    from rvc import features

    extract = features.extract

    def keeping(samples, *rest, **named):
        frames = samples.shape[1] // 320
        HELD.append(np.ones((12, frames, frames), np.float32))
        return extract(samples, *rest, **named)

    features.extract = keeping


if __name__ == "__main__":
    {"slow": slow, "square": square, "honest": lambda: None}[sys.argv[1]]()
    from rvc.cli import main

    sys.exit(main(sys.argv[2:]))
