"""Results as tables, plots and committed files."""
