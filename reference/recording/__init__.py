"""Recording: cases, options, provenance and proposals."""
