"""Empty stand-in for av: files are read with soundfile."""
