"""Mutators: functions (bytes, random.Random) → bytes that change a file while keeping most of its form."""
