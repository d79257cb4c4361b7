"""Hooks around unmodified originals: interception, taps and replayed noise."""
