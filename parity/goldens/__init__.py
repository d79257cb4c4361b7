"""Goldens on disk: their store, recipes, schema, random stream, time axes and traces."""
