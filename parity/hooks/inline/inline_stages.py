"""All inline stages in one class: the program's own code runs, and stand-ins answer what comes before.

A pipeline's method runs until its first segment (`FileStages`), one segment runs with given features and a synthesizer
that records its inputs (`OneSegment`), or the method runs on with given segments (`SegmentStages`, `OutputStages`).
"""

from parity.hooks.inline.content_stages import ContentStages
from parity.hooks.inline.f0_stages import F0Stages
from parity.hooks.inline.file_stages import FileStages
from parity.hooks.inline.output_stages import OutputStages
from parity.hooks.inline.segment_stages import SegmentStages


class InlineStages(FileStages, SegmentStages, F0Stages, ContentStages, OutputStages):
    """The inline stages of `parity.hooks.pipeline.PipelineCandidate`, by the attributes that it sets."""
