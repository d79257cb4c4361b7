"""The original implementations, run as black boxes and recorded: the only writer of goldens. Never imports `rvc`."""
