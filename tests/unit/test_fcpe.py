"""FCPE's network against its formulas, in one piece and in many."""

import pytest
import torch
from torch.nn import functional as F

from rvc.errors import BadCheckpoint
from rvc.nn import fcpe
from rvc.nn.fcpe import Fcpe, expected_shapes

WIDTH, LAYERS = 16, 3


def weights(seed=0):
    made = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in expected_shapes(LAYERS, WIDTH).items():
        x = torch.randn(shape, generator=made)
        tensors[name] = x * x[0].numel() ** -0.5 if len(shape) > 1 else 0.1 * x + float(".weight" in name)
    tensors["output_proj.weight_g"] = 1 + 0.1 * torch.randn(360, 1, generator=made)
    return tensors


def plain(w, mel):
    w = {name: value.double() for name, value in w.items()}
    x = F.conv1d(mel.double().T[None], w["input_stack.0.weight"], w["input_stack.0.bias"], padding=1)
    x = F.leaky_relu(F.group_norm(x, 4, w["input_stack.1.weight"], w["input_stack.1.bias"]), 0.01)
    x = F.conv1d(x, w["input_stack.3.weight"], w["input_stack.3.bias"], padding=1).transpose(1, 2)
    for i in range(LAYERS):
        p = f"net.encoder_layers.{i}.conformer.net"
        y = F.layer_norm(x, (WIDTH,), w[f"{p}.0.weight"], w[f"{p}.0.bias"]).transpose(1, 2)
        y = F.glu(F.conv1d(y, w[f"{p}.2.weight"], w[f"{p}.2.bias"]), 1)
        y = F.silu(F.conv1d(y, w[f"{p}.4.conv.weight"], w[f"{p}.4.conv.bias"], padding=15, groups=2 * WIDTH))
        x = x + F.conv1d(y, w[f"{p}.6.weight"], w[f"{p}.6.bias"]).transpose(1, 2)
    x = F.layer_norm(x, (WIDTH,), w["norm.weight"], w["norm.bias"])
    v, g = w["output_proj.weight_v"], w["output_proj.weight_g"]
    return torch.sigmoid(F.linear(x, v * g / v.norm(dim=1, keepdim=True), w["output_proj.bias"]))[0]


@pytest.mark.parametrize(("frames", "piece"), [(1, 2048), (50, 2048), (300, 2048), (300, 40), (300, 299)])
def test_fcpe_is_its_formulas(frames, piece, monkeypatch):
    monkeypatch.setattr(fcpe, "PIECE", piece)
    mel = torch.randn(frames, 128, generator=torch.Generator().manual_seed(frames)) * 2 - 6
    before = mel.clone()
    ours = Fcpe(weights()).salience(mel)
    assert ours.shape == (frames, 360)
    torch.testing.assert_close(ours.double(), plain(weights(), mel), rtol=0, atol=2e-6)
    assert torch.equal(mel, before)


def test_a_model_with_attention_is_refused():
    with pytest.raises(BadCheckpoint, match="has attention"):
        Fcpe(weights() | {"net.encoder_layers.0.attn.fast.bias": torch.zeros(1)})


def test_shapes_that_do_not_fit_are_listed():
    with pytest.raises(BadCheckpoint, match=r"norm\.bias \(3,\) instead of \(16,\)"):
        Fcpe(weights() | {"norm.bias": torch.zeros(3)})
