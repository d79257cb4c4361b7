"""Panels of a page: heat strip, player, F0, retrieval, costs."""
