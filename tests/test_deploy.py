"The fastest way: what is refused, and whose model it is."

import pytest
import torch

from unet_explorer.deploy import Segmenter, to_onnx
from unet_explorer.effunet import EffUNet
from unet_explorer.contracts import InputError


@pytest.fixture(scope="module")
def model():
    return EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False)


@pytest.mark.parametrize(
    "bad",
    [
        dict(size=64),
        dict(size=(64, 64, 1)),
        dict(size=(0, 64)),
        dict(size=(64.0, 64)),
        dict(repeats=0),
        dict(repeats="3"),
    ],
    ids=str,
)
def test_impossible_sizes_and_repeats(model, bad):
    with pytest.raises(InputError, match="whole number from 1 up"):
        Segmenter(model, backend="float32", **bad)


def test_writing_onnx_moves_a_copy(model, tmp_path, monkeypatch):
    "On a GPU, `cpu()` would take the caller's model away from there."
    pytest.importorskip("onnx")
    moved, cpu = [], torch.nn.Module.cpu
    monkeypatch.setattr(EffUNet, "cpu", lambda self: moved.append(self) or cpu(self), raising=False)
    model.train()
    assert to_onnx(model, tmp_path / "m.onnx").stat().st_size and all(m is not model for m in moved)
    assert model.training and all(p.requires_grad for p in model.parameters())
