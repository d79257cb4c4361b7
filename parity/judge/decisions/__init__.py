"""Margins of hard decisions: bins, neighbors, cuts, voicing and phase wraps."""
