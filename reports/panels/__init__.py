"""Panels of a case page: heat strip, players, F0, retrieval, costs."""
