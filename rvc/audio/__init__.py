"""Audio: decoding, preparation at 16 kHz, segmentation, resampling and output files."""
