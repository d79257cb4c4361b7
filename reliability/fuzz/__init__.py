"""A fuzz campaign over every reader of files: `nox -s fuzz`. docs/reliability.md describes it and its figures."""
