"""What explain refuses, each with one line; modes come back as they were; pixels marked 255; stages
that are taken away."""

import numpy as np
import pytest
import torch
from torch import nn

from unet_explorer import explain
from unet_explorer.contracts import InputError
from unet_explorer.effunet import EffUNet
from unet_explorer.images import IGNORE


@pytest.fixture(scope="module")
def model():
    return EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False)


X = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
REFUSED = {
    "three channels": (
        lambda m: explain.feature_maps(m, torch.rand(3, 64, 64)),
        r"\(3, 64, 64\).*\(1 h w\)",
    ),
    "a batch": (lambda m: explain.feature_maps(m, X), r"\(2, 1, 64, 64\).*\(1 h w\)"),
    "an array": (lambda m: explain.feature_maps(m, np.zeros((64, 64))), "to_image"),
    "cam of a batch": (lambda m: explain.seg_cam(m, X, 1, "logits"), r"\(1 h w\)"),
    "cam with a small where": (
        lambda m: explain.seg_cam(m, X[0], 1, "logits", torch.ones(3, 3)),
        r"\(3, 3\).*\(64, 64\)",
    ),
    "encode of one": (lambda m: explain.encode(m, X[0]), r"\(b 1 h w\)"),
    "encode of colours": (lambda m: explain.encode(m, torch.rand(2, 3, 64, 64)), r"\(b 1 h w\)"),
    "views of a batch": (lambda m: explain.tta(m, X), r"\(1 h w\)"),
    "where of another batch": (
        lambda m: explain.input_gradient(m, X, torch.ones(3, 64, 64)),
        r"\(64, 64\) or \(2, 64, 64\)",
    ),
    "field outside": (lambda m: explain.effective_field(m, X, (64, 0)), "0 to 63"),
    "shares outside": (lambda m: explain.field_shares(torch.rand(5, 5), at=(9, 9)), "0 to 4"),
    "no influence": (lambda m: explain.field_side(torch.zeros(5, 5)), "above 0 somewhere"),
    "negative influence": (lambda m: explain.field_shares(torch.eye(5) - 0.1), "nowhere below 0"),
    "share of two": (lambda m: explain.field_side(torch.ones(5, 5), 2), "share=2"),
    "truth of -1": (lambda m: explain.calibration([0.2, 0.5], [0, -1]), "labels hold -1"),
    "truth of classes": (lambda m: explain.calibration([0.2, 0.5], [1, 2]), "labels hold 2"),
    "nan": (lambda m: explain.calibration([0.1, np.nan], [1, 0]), "1 of 2 scores are NaN"),
    "half a bin": (lambda m: explain.calibration([0.2], [1], 2.5), "bins=2.5"),
    "no model": (lambda m: explain.tta(None, X[0]), "model=None"),
    "integers": (lambda m: explain.tta(m, X[0].int()), "float tensor"),
    "a row alone": (lambda m: explain.effective_field(m, X, 3), "row and column"),
    "no features": (lambda m: explain.decode(m, {}, (64, 64)), "encode returns"),
    "a size alone": (lambda m: explain.decode(m, explain.encode(m, X), 64), "size=64"),
    "seven views": (lambda m: explain.undo_dihedral(explain.dihedral(X)[:7]), "eight tensors"),
    "no calibration": (lambda m: explain.ece(0.1), "a Calibration"),
    "bins as text": (lambda m: explain.calibration([0.2], [1], "3"), "bins='3'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_one_line(model, name):
    call, says = REFUSED[name]
    with pytest.raises(InputError, match=says) as e:
        call(model)
    assert "\n" not in str(e.value)


def test_every_module_gets_its_mode_back(model):
    model.train()
    model.encoder.eval()
    before = [m.training for m in model.modules()]
    explain.tta(model, X[0])
    with pytest.raises(InputError):
        explain.seg_cam(model, X[0], 1, "no such stage")
    assert [m.training for m in model.modules()] == before and len(set(before)) == 2


def test_ignored_pixels_do_not_count():
    prob, hit = [0.9, 0.4, 0.1, 0.5, 0.2, np.nan], [1, 1, 0, 0, 0, IGNORE]
    assert explain.calibration(prob, hit).count.sum() == 5


def test_gradients_where_gradients_are_off(model):
    with torch.no_grad():
        field = explain.effective_field(model, X)
    assert field.shape == (64, 64) and field[32, 32] > 0


def test_any_model_will_do():
    assert explain.input_gradient(
        nn.Conv2d(3, 2, 1), torch.rand(1, 3, 4, 4), torch.ones(4, 4)
    ).shape == (1, 3, 4, 4)


def test_ablation_of_every_stage(model):
    masks = torch.randint(0, 2, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    unchanged = explain.ablate(model, X, masks, {"same": lambda f: f})
    stages = [s.label for s in model.stages(X) if s.name in ("encoder", "decoder")]
    assert set(unchanged) == {("all", "kept"), *((s, "same") for s in stages)}
    assert len(set(unchanged.values())) == 1
