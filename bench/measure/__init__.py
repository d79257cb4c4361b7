"""Measurement: child processes, their cost, the machine unit and the workload."""
