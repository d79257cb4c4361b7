"""A toy with the names of the WebUI's realtime script: its classes, its callback and the variables that taps read."""

from typing import Any

import faiss
import FreeSimpleGUI as sg
import numpy as np
import torch
import torch.nn.functional as F
from infer.vc.modules import Hubert
from infer.vc.synthesizer import Synthesizer


class RVC:
    """The conversion of the ring."""

    def __init__(self, key: float, path: str, index: str, index_rate: float, last: Any) -> None:
        torch.manual_seed(1)
        self.f0_up_key, self.index_rate, self.tgt_sr = key, index_rate, 32000
        self.model, self.net_g = (Hubert(), Synthesizer(self.tgt_sr)) if last is None else (last.model, last.net_g)
        if index_rate:
            self.index = faiss.read_index(index)
            self.big_npy = self.index.reconstruct_n(0, self.index.ntotal)
        self.cache_pitch, self.cache_pitchf = torch.zeros(64, dtype=torch.long), torch.zeros(64)

    def change_key(self, key: float) -> None:
        self.f0_up_key = key

    def change_index_rate(self, index_rate: float) -> None:
        self.index_rate = index_rate

    def get_f0(self, x: Any, key: float, method: str) -> Any:
        hz = (100 + 500 * x[: len(x) // 160 * 160].reshape(-1, 160).abs().mean(1)) * pow(2, key / 12)
        return torch.round(hz / 5).long(), hz

    def infer(self, input_wav: Any, block_frame_16k: int, skip_head: int, return_length: int, f0method: str) -> Any:
        feats = self.model.extract_features(source=input_wav.view(1, -1), padding_mask=None, output_layer=12)[0]
        feats = torch.cat((feats, feats[:, -1:, :]), 1)
        if hasattr(self, "index") and self.index_rate:
            npy = feats[0][skip_head // 2 :].detach().numpy()
            score, ix = self.index.search(npy, k=8)
            weight = np.square(1 / score)
            weight /= weight.sum(axis=1, keepdims=True)
            npy = (self.big_npy[ix] * weight[:, :, None]).sum(axis=1)
            feats = feats.clone()
            feats[0][skip_head // 2 :] *= 1 - self.index_rate
            feats[0][skip_head // 2 :] += torch.from_numpy(npy) * self.index_rate
        pitch, pitchf = self.get_f0(input_wav[-block_frame_16k - 800 :], self.f0_up_key, f0method)
        shift, frames = block_frame_16k // 160, len(input_wav) // 160
        self.cache_pitch[:-shift] = self.cache_pitch[shift:].clone()
        self.cache_pitchf[:-shift] = self.cache_pitchf[shift:].clone()
        self.cache_pitch[4 - len(pitch) :], self.cache_pitchf[4 - len(pitch) :] = pitch[3:-1], pitchf[3:-1]
        feats = F.interpolate(feats.permute(0, 2, 1), scale_factor=2).permute(0, 2, 1)[:, :frames]
        made, _, _ = self.net_g.infer(
            feats,
            torch.tensor([frames]),
            self.cache_pitch[None, -frames:],
            self.cache_pitchf[None, -frames:],
            torch.tensor([0]),
            skip_head,
            return_length,
        )
        return made[0, 0]


if __name__ == "__main__":

    class GUIConfig:
        """The settings of the window."""

    class GUI:
        """The window: blocks at 32 kHz."""

        def __init__(self) -> None:
            self.window = sg.Window("toy")

        def start_vc(self) -> None:
            settings = self.gui_config
            last = getattr(self, "rvc", None)
            self.rvc = RVC(settings.pitch, settings.pth_path, settings.index_path, settings.index_rate, last)
            assert self.get_device_samplerate() == 32000 and settings.sr_type == "sr_device"
            self.block_frame, self.sola_buffer_frame, self.zc, self.skip_head = 3200, 640, 320, 8
            self.block_frame_16k, self.resampler2 = self.block_frame // 2, None
            self.return_length = (self.block_frame + self.sola_buffer_frame + self.zc) // self.zc
            samples = self.skip_head * self.zc + self.block_frame + self.sola_buffer_frame + self.zc
            self.input_wav, self.input_wav_res = torch.zeros(samples), torch.zeros(samples // 2)
            self.sola_buffer = torch.zeros(self.sola_buffer_frame)
            self.fade = torch.linspace(0, 1, self.sola_buffer_frame)

        def audio_callback(self, indata: Any, outdata: Any, frames: int, times: Any, status: Any) -> None:
            self.input_wav = torch.cat((self.input_wav[frames:], torch.from_numpy(indata[:, 0])))
            self.input_wav_res = self.input_wav[::2].clone()
            infer_wav = self.rvc.infer(
                self.input_wav_res, self.block_frame_16k, self.skip_head, self.return_length, self.gui_config.f0method
            )
            if self.gui_config.rms_mix_rate < 1:
                level = self.input_wav.pow(2).mean().sqrt() / infer_wav.pow(2).mean().sqrt().clamp(min=1e-3)
                infer_wav = infer_wav * level ** (1 - self.gui_config.rms_mix_rate)
            start = infer_wav[None, None, : self.sola_buffer_frame + self.zc]
            power = F.conv1d(start**2, torch.ones(1, 1, self.sola_buffer_frame))
            correlation = F.conv1d(start, self.sola_buffer[None, None]) / torch.sqrt(power + 1e-8)
            sola_offset = torch.argmax(correlation[0, 0])
            infer_wav = infer_wav[sola_offset:]
            joint = infer_wav[: self.sola_buffer_frame]
            infer_wav = torch.cat(
                (joint * self.fade + self.sola_buffer * (1 - self.fade), infer_wav[self.sola_buffer_frame :])
            )
            self.sola_buffer[:] = infer_wav[self.block_frame : self.block_frame + self.sola_buffer_frame]
            outdata[:, 0] = infer_wav[: self.block_frame].numpy()

    gui = GUI()
