"""Goldens judged in several processes at once."""
