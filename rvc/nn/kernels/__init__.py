"""Compute kernels: convolutions and matrix products with packed weights."""
