"""Adapters in several languages: programs that implement the judge's protocol, as templates for a porter."""
