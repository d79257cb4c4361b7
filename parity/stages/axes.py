"""Axis labels of tensors that several stages share. The labels are stored in case.json, so their spelling is fixed."""

LATENT = ("batch", "channel", "frame10")
CONTENT_20_MS = ("batch", "frame20", "channel")
CONTENT_10_MS = ("batch", "frame10", "channel")
NEIGHBORS = ("frame20", "neighbour")
PITCH = ("batch", "frame10")
DEVICE = ("sample.device",)  # samples at the rate of the audio device
