"""Waveforms compared as sounds: perceptual measures by frame, alignment of two files, and what differs where."""
