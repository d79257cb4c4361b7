"""Report pages: index, matrix and case."""
