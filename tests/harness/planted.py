"""`python -m rvc` with one fault planted: python planted.py square|none ARGUMENTS…; what a bench must catch."""

import sys

import numpy as np

HELD = []


def square():
    """Attention over the whole file, kept: four layers of 12 heads × frames × frames, as in a port that never cuts."""
    from rvc.pipeline import offline

    render = offline.render

    def keeping(raw, *rest, **named):
        frames = len(raw) // 320
        HELD.append(np.ones((4 * 12, frames, frames), np.float32))
        return render(raw, *rest, **named)

    offline.render = keeping


if __name__ == "__main__":
    {"square": square, "none": lambda: None}[sys.argv[1]]()
    from rvc.cli.main import main

    sys.exit(main(sys.argv[2:]))
