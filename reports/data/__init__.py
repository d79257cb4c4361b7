"""Data of the report: verdicts, traces and goldens as the pages read them."""
