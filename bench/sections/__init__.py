"""Sections of the benchmark, one module each, and the programs that they start."""
