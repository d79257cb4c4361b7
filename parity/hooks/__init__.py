"""Hooks: put a program in Python before the judge without changing it; needs numpy, and torch for PyTorch programs."""
