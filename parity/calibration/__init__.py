"""Calibration: spread of the originals, leave-one-out, coverage and accuracy."""
