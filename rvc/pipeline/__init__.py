"""Conversion of whole files: the order of the stages, and the networks that they use."""
