"""Measurement: child processes and their cost, the machine unit, and the workload."""
