"""Weight files: safe reading, memory mapping and release of memory."""
