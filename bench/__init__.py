"""Speed and memory: ours beside the original's, in one run, in the machine's own unit."""
