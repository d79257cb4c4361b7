"""Faults of a program's behavior: state that is kept, long inputs, silence, the structure of networks."""
