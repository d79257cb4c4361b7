"""Inputs and outputs of a stream: files and pipes."""
