"""The command line of the judge, `rvc-parity` or `python -m parity`: one module for each group of commands."""
