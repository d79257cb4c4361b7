"""The command line of `rvc`: one module for each group of commands."""
