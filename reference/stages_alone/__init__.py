"""Recording stages of an original alone, on values that no conversion of the input files reaches."""
