"""Sections of the benchmark, one module each."""
