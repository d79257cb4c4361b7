"""The readers under test, each with valid small inputs, a mutator that fits its format, and the modules it covers."""

from reliability.fuzz.reader import Reader
from reliability.fuzz.targets import commands, indexes, judge_files, networks, options, sounds, voices

READERS: tuple[Reader, ...] = (
    *voices.READERS,
    *networks.READERS,
    *indexes.READERS,
    *sounds.READERS,
    *options.READERS,
    *judge_files.READERS,
    *commands.READERS,
)
