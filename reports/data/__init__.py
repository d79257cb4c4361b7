"""Input of the report: verdicts, traces and goldens, and the numbers that the panels derive from them."""
