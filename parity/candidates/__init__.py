"""Candidates that ship with the judge: programs it knows how to run."""
