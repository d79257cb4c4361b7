"""Public implementations of RVC as candidates: their environments, their adapters, and what the judge finds in them."""
