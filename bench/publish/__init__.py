"""Publication: results as tables, plots and committed files."""
