"The fastest way: what is refused, and whose model it is."

import pytest
import torch

from unet_explorer import deploy, tiles
from unet_explorer.contracts import InputError
from unet_explorer.deploy import BACKENDS, Segmenter, to_onnx
from unet_explorer.effunet import EffUNet
from unet_explorer.files import open_image
from unet_explorer.images import Picture, save_image


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
    with pytest.raises(InputError, match="whole numbers? from 1 up"):
        Segmenter(model, backend="float32", **bad)


def test_writing_onnx_moves_a_copy(model, tmp_path, monkeypatch):
    "On a GPU, `cpu()` would take the caller's model away from there."
    pytest.importorskip("onnx")
    moved, cpu = [], torch.nn.Module.cpu
    monkeypatch.setattr(EffUNet, "cpu", lambda self: moved.append(self) or cpu(self), raising=False)
    model.train()
    assert to_onnx(model, tmp_path / "m.onnx").stat().st_size and all(m is not model for m in moved)
    assert model.training and all(p.requires_grad for p in model.parameters())


def picture(h, w, c=1):
    return torch.rand(c, h, w, generator=torch.Generator().manual_seed(h + w))


def test_nothing_is_measured_for_a_few_pictures(model, monkeypatch):
    monkeypatch.setattr(Segmenter, "_measure", None)
    few = Segmenter(model, pixels=10 * 512 * 512)
    assert few.backend == "float32" and not few.timings and "float32" in repr(few)
    assert torch.equal(few.predict(picture(70, 90)), model.predict(picture(70, 90)))
    with pytest.raises(TypeError):  # for many it would be
        Segmenter(model, pixels=10**9)


def test_bfloat16_is_never_tried_where_it_is_imitated(model, monkeypatch):
    monkeypatch.setattr(deploy, "has_bf16", lambda device: False)
    for other in ("onnx", "openvino"):
        monkeypatch.delitem(BACKENDS, other)
    both = Segmenter(model, (64, 64), repeats=1)
    assert both.backend == "float32" and "bfloat16" in both.missing
    assert set(both.timings) == {"float32"}
    with pytest.raises(InputError, match="does not compute with bfloat16"):
        Segmenter(model, (64, 64), backend="bfloat16")


def test_the_modes_of_the_model_are_nobodys_business():
    "A frozen encoder neither thaws nor stays in evaluation mode; the rest goes on learning."
    model = EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False).train()
    model.encoder.eval()
    modes = [m.training for m in model.modules()]
    segmenter = Segmenter(model, (64, 64), backend="float32", repeats=1)
    segmenter.predict(picture(70, 70))
    model.predict(picture(70, 70))
    assert [m.training for m in model.modules()] == modes and len(set(modes)) == 2


@pytest.mark.parametrize("classes", [1, 3])
def test_a_large_picture_goes_through_in_tiles(classes, monkeypatch, tmp_path):
    model = EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False, n_classes=classes).eval()
    segmenter = Segmenter(model, pixels=1)
    save_image(tmp_path / "a.tif", picture(200, 260, 3))
    opened = open_image(tmp_path / "a.tif")  # colours, for a grey model
    whole = segmenter.segment(opened)
    assert whole.dtype == torch.uint8 and whole.shape == (200, 260)
    assert torch.equal(model.predict(opened), whole.long())
    assert torch.equal(segmenter.predict(opened[:]), whole.long())
    seen = []

    class Watched(Picture):
        def __getitem__(self, where):
            seen.append(where)
            return super().__getitem__(where)

    opened.__class__ = Watched
    monkeypatch.setattr(tiles, "largest_at_once", lambda: 128 * 128)
    for mask in (segmenter.segment(opened), model.predict(opened)):
        assert mask.shape == (200, 260) and (mask != whole).float().mean() < 0.35
    assert len(seen) > 8
    assert segmenter.segment(opened, out=(out := torch.zeros(200, 260))) is out
