"""Tiers: the limits of reduced precisions, and the best tier that each stage reaches."""
