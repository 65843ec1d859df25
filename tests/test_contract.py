"""The contract of the model, in all combinations: encoder family x upsampler x picture size x channels x classes.

A model is built once per combination, small and without pretrained weights, and gets the gradients of one training step: its
batch norms have seen data, and every parameter has a gradient to look at. Then each test asks one question."""

import copy
from importlib.util import find_spec

import pytest
import torch

from conftest import required
from unet_explorer.deploy import BACKENDS
from unet_explorer.efficientnet import StochasticDepth
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.upsample import UPSAMPLERS

ENCODERS = [
    ("own", "lite0"),
    ("own", "b0"),
    ("timm", "resnet18"),
    ("smp", "mobilenet_v2"),
]  # family, name
SIZES = [(1, 1), (31, 57), (64, 64), (250, 250), (512, 384)]
CHANNELS, CLASSES = (1, 3), (1, 4)
SMALL = dict(decoder=(16, 16, 8, 8), convs=1)
PRODUCT = [
    dict(family=family, encoder=encoder, up=up, in_ch=c, n_classes=k, **SMALL)
    for family, encoder in ENCODERS
    for up in UPSAMPLERS
    for c in CHANNELS
    for k in CLASSES
]
COMBINATIONS = (
    PRODUCT
    + [  # a decoder stage at full resolution; an encoder that has no map at stride 2
        dict(
            family="own",
            encoder="lite0",
            up="shuffle",
            in_ch=1,
            n_classes=1,
            decoder=(16, 16, 8, 8, 8),
            convs=2,
        ),
        dict(family="timm", encoder="convnext_atto", up="shuffle", in_ch=1, n_classes=1, **SMALL),
    ]
)


def case(c):
    "A combination with its name. Foreign encoders meet every upsampler, but with one count of channels and classes each; the rest waits for `make test-slow`."
    name = "-".join(
        [c["family"], c["encoder"], c["up"], f"{c['in_ch']}ch", f"{c['n_classes']}cls"]
        + ["full"] * (len(c["decoder"]) == 5)
    )
    quick = [(1, 1), (3, 4)][list(UPSAMPLERS).index(c["up"]) % 2]
    slow = c in PRODUCT and c["family"] != "own" and (c["in_ch"], c["n_classes"]) != quick
    return pytest.param(c, id=name, marks=pytest.mark.slow if slow else ())


def pictures(model, size, n=1):
    return torch.rand(n, model.config["in_ch"], *size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=map(case, COMBINATIONS))
def model(request):
    "In evaluation mode, with the gradients and batch-norm statistics of one training step."
    model = EffUNet(**request.param, pretrained=False, seed=0)
    for m in model.modules():
        if isinstance(m, StochasticDepth):
            m.p = 0  # a dropped block rightly gets no gradient
        if isinstance(m, torch.nn.BatchNorm2d) and not m.weight.any():
            torch.nn.init.ones_(
                m.weight
            )  # timm starts residual branches at 0: they rightly get none in the first step
    model.train()(pictures(model, (64, 64), 2)).square().mean().backward()
    return model.eval()


@pytest.fixture(scope="module")
def logits(model):
    "`logits(size)`: for one picture of that size, computed once."
    known = {}

    @torch.no_grad()
    def at(size):
        if size not in known:
            known[size] = model(pictures(model, size))
        return known[size]

    return at


@pytest.fixture(scope="module")
def onnx(model):
    "The model written as ONNX and run by ONNX Runtime: pictures -> logits."
    missing = [p for p in ("onnx", "onnxruntime") if not find_spec(p)]
    if missing:
        required("ONNX")(f"not installed: {', '.join(missing)}")
    return BACKENDS["onnx"](model)


each_size = pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)


@pytest.fixture(scope="module")
def channels_last(model):
    return copy.deepcopy(model).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(1, 1), (31, 57), (64, 64)], ids="{0[0]}x{0[1]}".format)
def test_gradients_reach_every_parameter(model, size):
    if size != (64, 64):  # that one has been done for the fixture
        model = copy.deepcopy(model).train()
        model.zero_grad()
        model(pictures(model, size, 2)).square().mean().backward()
    dead = [
        n
        for n, p in model.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or not p.grad.abs().sum() > 0
    ]
    assert not dead, f"no gradient, or not a finite one, reaches {dead}"


@each_size
def test_any_size_gives_finite_logits_of_that_size(model, logits, size):
    y = logits(size)
    assert (
        y.shape == (1, model.config["n_classes"], *size)
        and y.dtype == torch.float32
        and y.isfinite().all()
    )


@each_size
def test_onnx_gives_the_same(model, logits, onnx, size):
    torch.testing.assert_close(onnx(pictures(model, size)), logits(size), rtol=1e-3, atol=1e-4)


@each_size
@torch.no_grad()
def test_evaluated_twice_it_is_equal(model, logits, size):
    assert torch.equal(model(pictures(model, size)), logits(size))


@each_size
@torch.no_grad()
def test_channels_last_gives_the_same(model, channels_last, logits, size):
    x = pictures(model, size).contiguous(memory_format=torch.channels_last)
    for m in (model, channels_last):
        torch.testing.assert_close(m(x), logits(size), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_picture_is_judged_by_itself(model):
    x = pictures(model, (31, 57), 2)
    y = model(x)
    torch.testing.assert_close(
        model(x[1:]), y[1:], rtol=1e-3, atol=1e-4
    )  # the other picture of the batch has no say
    assert y.std() > 1e-3 and (y[0] - y[1]).abs().max() > 1e-3, (
        "the logits hardly depend on the picture"
    )


@torch.no_grad()
def test_saved_and_restored_it_is_the_same(model, tmp_path):
    save(model, tmp_path / "m")
    again, x = restore(tmp_path / "m"), pictures(model, (31, 57))
    assert again.config == model.config and not again.training
    assert torch.equal(again(x), model(x))
