"""The tests, a package so that helpers are shared by full name."""
