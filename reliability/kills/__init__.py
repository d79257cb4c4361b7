"""Kills of running commands: `nox -s kills`. docs/reliability.md describes it and its figures."""
