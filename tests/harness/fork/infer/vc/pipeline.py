"""A toy with the names of the WebUI's Pipeline: its methods, its parameters and the variables that taps read."""

from typing import Any

import faiss
import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

HIGH_PASS = signal.butter(N=5, Wn=48, btype="high", fs=16000)


def change_rms(source: Any, source_rate: int, made: Any, rate: int, share: float) -> Any:
    level = np.sqrt(np.mean(source**2)) / max(np.sqrt(np.mean(made**2)), 1e-6)
    return (made * level ** (1 - share)).astype(np.float32)


class Pipeline:
    def __init__(self, rate: int, config: Any) -> None:
        self.window = 160
        self.t_pad, self.t_pad_tgt = 16000 * config.x_pad, rate * config.x_pad
        self.t_query, self.t_center, self.t_max = (16000 * it for it in (config.x_query, config.x_center, config.x_max))

    def get_f0(self, x: Any, p_len: int, f0_up_key: int, f0_method: str) -> Any:
        if f0_method == "rmvpe":
            f0 = self.model_rmvpe.infer_from_audio(x, thred=0.03)
        else:
            level = np.abs(x[: p_len * 160].reshape(p_len, 160)).mean(1)
            f0 = np.where(level > np.median(level), 100 + 500 * level, 0.0)
        uv = f0 == 0
        if uv.any() and not uv.all():
            f0[uv] = np.interp(np.flatnonzero(uv), np.flatnonzero(~uv), f0[~uv])
        f0 = f0 * pow(2, f0_up_key / 12)
        return np.clip(np.rint(f0 / 5), 1, 255).astype(np.int32), f0

    def vc(self, model: Any, net_g: Any, sid: Any, audio0: Any, pitch: Any, pitchf: Any, index: Any, big_npy: Any,
           index_rate: float, version: str, protect: float) -> Any:  # fmt: skip
        feats = torch.from_numpy(audio0).float().view(1, -1)
        feats = model.extract_features(source=feats, padding_mask=None, output_layer=12)[0]
        feats0 = feats
        if index is not None and index_rate:
            score, ix = index.search(feats[0].numpy(), k=8)
            weight = np.square(1 / score)
            weight /= weight.sum(axis=1, keepdims=True)
            npy = (big_npy[ix] * weight[:, :, None]).sum(axis=1)
            feats = torch.from_numpy(npy)[None] * index_rate + feats * (1 - index_rate)
        feats = F.interpolate(feats.permute(0, 2, 1), scale_factor=2).permute(0, 2, 1)
        feats0 = F.interpolate(feats0.permute(0, 2, 1), scale_factor=2).permute(0, 2, 1)
        count = min(feats.shape[1], audio0.shape[0] // self.window)
        if pitch is not None:
            pitch, pitchf = pitch[:, :count], pitchf[:, :count]
            share = torch.where(pitchf > 150, 1.0, protect).unsqueeze(-1)
            feats = feats * share + feats0 * (1 - share)
        return net_g.infer(feats, torch.tensor([count]), pitch, pitchf, sid)[0][0, 0].numpy()

    def pipeline(self, model: Any, net_g: Any, sid: int, audio: Any, f0_up_key: int, f0_method: str, file_index: str,
                 index_rate: float, if_f0: int, tgt_sr: int, resample_sr: int, rms_mix_rate: float, version: str,
                 protect: float) -> Any:  # fmt: skip
        index = faiss.read_index(file_index) if file_index and index_rate else None
        big_npy = None if index is None else index.reconstruct_n(0, index.ntotal)
        audio = signal.filtfilt(*HIGH_PASS, audio)
        around = np.pad(audio, 80, mode="reflect")
        opt_ts = []
        if len(around) > self.t_max:
            audio_sum = np.convolve(np.abs(around), np.ones(160), "valid")[:-1]
            for center in range(self.t_center, len(audio), self.t_center):
                near = audio_sum[center - self.t_query : center + self.t_query]
                opt_ts.append(center - self.t_query + int(np.argmin(near)))
        audio_pad = np.pad(audio, (self.t_pad, self.t_pad), mode="reflect")
        p_len = len(audio_pad) // self.window
        pitch, pitchf = self.get_f0(audio_pad, p_len, f0_up_key, f0_method)
        pitch = torch.from_numpy(pitch[:p_len])[None].long()
        pitchf = torch.from_numpy(pitchf[:p_len])[None].float()
        parts, begin = [], 0
        for cut in [*(cut // 160 * 160 for cut in opt_ts), None]:
            end = None if cut is None else cut + 2 * self.t_pad + 160
            frames = slice(begin // 160, None if cut is None else (cut + 2 * self.t_pad) // 160)
            made = self.vc(model, net_g, torch.tensor([sid]), audio_pad[begin:end], pitch[:, frames], pitchf[:, frames],
                           index, big_npy, index_rate, version, protect)  # fmt: skip
            parts.append(made[self.t_pad_tgt : -self.t_pad_tgt])
            begin = cut or 0
        audio_opt = np.concatenate(parts)
        if rms_mix_rate != 1:
            audio_opt = change_rms(audio, 16000, audio_opt, tgt_sr, rms_mix_rate)
        return (audio_opt * 32768 / max(1, np.abs(audio_opt).max() / 0.99)).astype(np.int16)
