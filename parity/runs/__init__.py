"""Runs of the judge: a candidate over all goldens, two dumps, a user's own files, and the doctor."""
