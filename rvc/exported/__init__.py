"""Voices exported to ONNX: writing the folder, reading it, and converting with it (docs/exported-voice.md)."""
