"""Generators of the inputs: synthetic singing."""
