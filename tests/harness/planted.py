"""`python -m rvc` with a planted fault that the benchmark must detect: python planted.py square|none ARGUMENTS…"""

import sys

import numpy as np

ALLOCATED = []


def square():
    """Allocate attention matrices over the complete file and never free them: 4 layers × 12 heads × frames × frames."""
    from rvc.pipeline import offline

    render = offline.render

    def render_and_allocate(raw, *rest, **named):
        frames = len(raw) // 320
        ALLOCATED.append(np.ones((4 * 12, frames, frames), np.float32))
        return render(raw, *rest, **named)

    offline.render = render_and_allocate


if __name__ == "__main__":
    {"square": square, "none": lambda: None}[sys.argv[1]]()
    from rvc.cli.main import main

    sys.exit(main(sys.argv[2:]))
