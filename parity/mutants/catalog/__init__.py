"""The catalog of planted faults."""
