"""Margins of decisions: F0 bins, neighbors, cut points, voicing and phase wraps."""
