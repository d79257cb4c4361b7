"""Outputs of a run: JSON, JUnit, Markdown, the table, and the comparison of two verdicts."""
