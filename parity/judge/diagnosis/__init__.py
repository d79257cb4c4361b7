"""Causes of errors: what each stage computes under known mistakes."""
