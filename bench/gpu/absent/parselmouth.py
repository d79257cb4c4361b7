"""Empty stand-in for parselmouth: no packed golden needs the F0 method pm."""
