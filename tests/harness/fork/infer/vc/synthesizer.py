"""A toy synthesizer with the modules that the WebUI's has."""

from typing import Any

import torch


class Encoder(torch.nn.Module):
    """Prior of content (1, n, 768) and coarse pitch."""

    def __init__(self) -> None:
        super().__init__()
        self.both = torch.nn.Linear(768, 384)

    def forward(self, phone: Any, pitch: Any, lengths: Any) -> Any:
        x = self.both(phone) + 0.01 * pitch.unsqueeze(-1)
        return *torch.tanh(x.transpose(1, 2)).split(192, 1), torch.ones(1, 1, phone.shape[1])


class Flow(torch.nn.Module):
    """An invertible shift by the speaker."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.nn.Linear(256, 192)

    def forward(self, x: Any, mask: Any, g: Any = None, reverse: bool = False) -> Any:
        return (x - self.shift(g[:, :, 0]).unsqueeze(-1)) * mask


class Sine(torch.nn.Module):
    """A sine of F0 at the voice's rate, with noise."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, hz: Any) -> Any:
        hz = hz.repeat_interleave(self.rate // 100, 1).unsqueeze(-1)
        sine = torch.sin(2 * torch.pi * torch.cumsum(hz / self.rate, 1))
        return 0.1 * sine + 0.003 * torch.randn_like(sine), hz > 0, None


class Source(torch.nn.Module):
    """The source of the generator."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.l_sin_gen = Sine(rate)

    def forward(self, hz: Any) -> Any:
        return torch.tanh(self.l_sin_gen(hz)[0]), None, None


class Generator(torch.nn.Module):
    """Waveform of latents and source."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.hop = rate // 100
        self.m_source, self.conv_pre = Source(rate), torch.nn.Conv1d(192, 1, 1)
        self.cond = torch.nn.Linear(256, 1)

    def forward(self, x: Any, hz: Any, g: Any = None) -> Any:
        source = self.m_source(hz)[0].transpose(1, 2)
        latent = (self.conv_pre(x) + self.cond(g[:, :, 0]).unsqueeze(-1)).repeat_interleave(self.hop, 2)
        return 0.5 * torch.tanh(latent + source)


class Synthesizer(torch.nn.Module):
    """The parts above in their order."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.enc_p, self.flow, self.dec = Encoder(), Flow(), Generator(rate)
        self.emb_g = torch.nn.Embedding(4, 256)

    def infer(
        self, phone: Any, lengths: Any, pitch: Any, hz: Any, speaker: Any, skip_head: int = 0, return_length: int = -1
    ) -> Any:
        g = self.emb_g(speaker).unsqueeze(-1)
        mean, deviation, mask = self.enc_p(phone, pitch, lengths)
        z_p = mean + torch.exp(deviation) * torch.randn_like(mean) * 0.66666
        z = self.flow(z_p, mask, g=g, reverse=True)
        if return_length >= 0:
            kept = slice(skip_head, skip_head + return_length)
            z, mask, hz = z[:, :, kept], mask[:, :, kept], hz[:, kept]
        return self.dec(z * mask, hz, g=g), mask, None
