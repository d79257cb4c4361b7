"""The originals, driven from outside as black boxes; the only writer of goldens. Knows nothing of `rvc`."""
