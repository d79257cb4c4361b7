"""Material for the inputs: synthetic singing."""
