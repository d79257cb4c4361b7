"""The judge: metrics, limits, ledger, blame and verdict."""
