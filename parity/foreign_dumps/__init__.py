"""Dumps of other programs: files of several kinds, and maps from their names to those of the stage table."""
