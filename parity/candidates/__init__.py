"""Candidates: the protocol that the judge calls, and external programs behind JSON lines."""
