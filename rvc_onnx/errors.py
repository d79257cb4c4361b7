"""The error of this package."""


class OnnxVoiceError(Exception):
    """A folder, an option or a sound that cannot be used; the message is one sentence."""
