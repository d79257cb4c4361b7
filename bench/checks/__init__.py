"""Checks of what is timed, and the budgets."""
