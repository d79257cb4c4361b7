"""Piecewise evaluation of networks that are local in time."""
