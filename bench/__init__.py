"""Benchmark of rvc: speed and memory beside an original, measured in one run and related to the machine's speed."""
