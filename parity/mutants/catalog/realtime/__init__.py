"""Faults of the realtime stream, in flow order of their stages."""
