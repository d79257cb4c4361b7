"""Voice files: opening, describing, exporting and merging them."""
