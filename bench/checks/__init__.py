"""Checks: the budgets of nox -s parity, and whether the timed conversions compute the right output."""
