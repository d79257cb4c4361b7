"""Faults as programs in other languages and on other libraries have them, beside those of the files of each stage."""
