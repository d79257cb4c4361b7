"""Offline conversion: the order of the stages, and the networks that they borrow."""
