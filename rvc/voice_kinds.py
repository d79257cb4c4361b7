"""The kinds of voice that RVC publishes, in one table: versions, sample rates and upsamplers (docs/spec/01 §1.2).

A voice's kind is its version (v1 or v2), its output rate (32, 40 or 48 kHz) and whether it is guided by F0. Everything
else that knows versions or rates derives from `VERSIONS` and `GENERATORS`: the width of content features, the checks of
a voice file's metadata, `rvc inspect`, and the choices of `--version`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """A version of RVC's text encoder.

    Attributes:
        name: as voice files have it in `version`.
        content_channels: width of the content features, 256 or 768.
        hubert_layer: the layer of HuBERT, counted from 1, whose output becomes content features.
        projected: whether HuBERT's `final_proj` is applied to that output.
    """

    name: str
    content_channels: int
    hubert_layer: int
    projected: bool


@dataclass(frozen=True)
class GeneratorKind:
    """The upsamplers of one published generator.

    Attributes:
        rate: output samples per second.
        versions: names of the versions that use it.
        upsample_rates: factor of each upsampler; their product is `rate` / 100.
        upsample_kernels: kernel width of each upsampler.
        spec_channels: bins of the spectrogram that the posterior encoder reads in training.
    """

    rate: int
    versions: tuple[str, ...]
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    spec_channels: int

    @property
    def noise_kernels(self) -> tuple[int, ...]:
        """Kernel widths of the noise convolutions: twice the stride, 1 for the last (docs/spec/05 §5.6)."""
        widths, stride = [1], 1
        for rate in reversed(self.upsample_rates[1:]):
            stride *= rate
            widths.append(2 * stride)
        return tuple(reversed(widths))


@dataclass(frozen=True)
class VoiceKind:
    """One published kind of voice."""

    version: str
    rate: int
    f0: bool

    @property
    def name(self) -> str:
        """A name such as v2-40k-f0 or v1-32k-nof0."""
        return f"{self.version}-{self.rate // 1000}k-{'f0' if self.f0 else 'nof0'}"


VERSIONS = {
    version.name: version
    for version in (
        Version("v1", content_channels=256, hubert_layer=9, projected=True),
        Version("v2", content_channels=768, hubert_layer=12, projected=False),
    )
}
GENERATORS = (
    GeneratorKind(32000, ("v1",), (10, 4, 2, 2, 2), (16, 16, 4, 4, 4), spec_channels=513),
    GeneratorKind(48000, ("v1",), (10, 6, 2, 2, 2), (16, 16, 4, 4, 4), spec_channels=1025),
    GeneratorKind(32000, ("v2",), (10, 8, 2, 2), (20, 16, 4, 4), spec_channels=513),
    GeneratorKind(40000, ("v1", "v2"), (10, 10, 2, 2), (16, 16, 4, 4), spec_channels=1025),
    GeneratorKind(48000, ("v2",), (12, 10, 2, 2), (24, 20, 4, 4), spec_channels=1025),
)
VOICE_KINDS = tuple(
    VoiceKind(version, generator.rate, f0)
    for version in VERSIONS
    for generator in sorted(GENERATORS, key=lambda generator: generator.rate)
    if version in generator.versions
    for f0 in (True, False)
)


def version_of_width(content_channels: int) -> str | None:
    """The name of the version whose content features have this width, None for any other width."""
    names = [name for name, version in VERSIONS.items() if version.content_channels == content_channels]
    return names[0] if names else None
