"""`python -m rvc` with a planted fault that the benchmark must detect: python planted.py square|kept|none ARGUMENTS…"""

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


def kept():
    """Never free 6 MiB for each second of sound that is synthesized, segment by segment."""
    from rvc.nn.synthesizer import Synthesizer

    generate = Synthesizer.generate

    def generate_and_keep(network, latents, *rest, **named):
        ALLOCATED.append(np.ones((latents.shape[-1], 6 * 2**20 // 100), np.uint8))
        return generate(network, latents, *rest, **named)

    Synthesizer.generate = generate_and_keep


if __name__ == "__main__":
    {"square": square, "kept": kept, "none": lambda: None}[sys.argv[1]]()
    from rvc.cli.main import main

    sys.exit(main(sys.argv[2:]))
