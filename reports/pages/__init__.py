"""Pages of a report: index, comparison of candidates, and one page per case."""
