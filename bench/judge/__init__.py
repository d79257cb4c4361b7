"""From measurements to verdicts: intervals, and comparison with the goals."""
