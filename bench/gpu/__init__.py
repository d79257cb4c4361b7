"""A folder that measures `rvc` and an original on a GPU machine without a network, and the import of its results."""
