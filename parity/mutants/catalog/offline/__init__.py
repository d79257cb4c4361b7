"""Faults of a conversion of a file, in flow order of their stages."""
