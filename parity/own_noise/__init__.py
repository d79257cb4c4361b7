"""Programs that draw their own noise: their noise judged by its distribution, their sound by the original's spread."""
