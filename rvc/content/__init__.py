"""Content features: the HuBERT encoder and the alignment of its frames with F0 frames."""
