"""Goldens on disk: the store, its schema, recipes, traces and the fixed random stream."""
