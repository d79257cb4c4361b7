"""Outputs of a run: verdict.json, junit.xml, summary.md, the printed table, the changes between two verdicts."""
