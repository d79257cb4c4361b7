"""Variants of an original: isolated stages and float64 truth."""
