"""`rvc` as a candidate, and as the source of predictions; only this package and parity.mutants import `rvc`."""
