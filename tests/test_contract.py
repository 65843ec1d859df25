"""The contract of the model: encoder x upsampler x channels x classes x picture size, by `ux`.

A model is built small and without pretrained weights, and gets the gradients of one training
step: its batch norms have seen data, and every parameter has a gradient to look at. Then each
test asks one question.

By default the combinations are thinned: every *pair* of choices occurs (each encoder with each
upsampler, each upsampler at each size, ...), picked by `thinned`. The rest of the product runs
under `-m slow`: nothing is left out for good.

| contract                                  | whole product | up to issue 12 | by default |
|-------------------------------------------|---------------|----------------|------------|
| gradients reach every parameter           | 294           | 186            | 24         |
| any size gives finite logits of that size | 490           | 310            | 40         |
| ONNX gives the same                       | 490           | 310            | 40         |
| evaluated twice, it is equal              | 490           | 310            | 40         |
| channels-last gives the same              | 490           | 310            | 40         |
| a picture is judged by itself             | 98            | 62             | 26         |
| saved and restored, it is the same        | 98            | 62             | 26         |
"""

import copy
from importlib.util import find_spec
from itertools import combinations, product

import pytest
import torch
from conftest import required

import unet_explorer as ux
from unet_explorer.efficientnet import StochasticDepth
from unet_explorer.upsample import UPSAMPLERS

ENCODERS = ["own-lite0", "own-b0", "timm-resnet18", "smp-mobilenet_v2"]  # family, name
SIZES = [(1, 1), (31, 57), (64, 64), (250, 250), (512, 384)]
CHANNELS, CLASSES = (1, 3), (1, 4)
PRODUCT = list(product(ENCODERS, UPSAMPLERS, CHANNELS, CLASSES))
EXTRA = [  # an encoder that has no map at stride 2; a decoder stage at full resolution
    ("timm-convnext_atto", "shuffle", 1, 1),
    ("own-lite0", "shuffle", 1, 1, "full"),
]


def thinned(rows):
    "Some of `rows` (a model's choices and a size), with every pair of choices that `rows` have."

    def pairs(row):
        return set(combinations(enumerate(row), 2))

    missing, chosen = set().union(*map(pairs, rows)), []
    while missing:
        built = {row[:-1] for row in chosen}
        best = max(rows, key=lambda row: (len(pairs(row) & missing), row[:-1] in built))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


QUICK = {(row[:-1], row[-1]) for row in thinned([(*c, s) for c in PRODUCT for s in SIZES])}
QUICK |= set(product(EXTRA, SIZES))
BUILT = {c for c, _ in QUICK}


def name(c):
    return "-".join([*c[:2], f"{c[2]}ch", f"{c[3]}cls", *c[4:]])


def cases(sizes=()):
    "The models, or models and sizes, as parameters; those that are thinned out are slow."
    for c in PRODUCT + EXTRA:
        for s in sizes or [None]:
            slow = c not in BUILT if s is None else (c, s) not in QUICK
            values, end = ((c,), "") if s is None else ((c, s), f"-{s[0]}x{s[1]}")
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(*values, id=name(c) + end, marks=marks)


each_model = pytest.mark.parametrize("model", list(cases()), indirect=True)
each_size = pytest.mark.parametrize(("model", "size"), list(cases(SIZES)), indirect=["model"])
small_size = pytest.mark.parametrize(("model", "size"), list(cases(SIZES[:3])), indirect=["model"])


def pictures(model, size, n=1):
    return torch.rand(n, model.config["in_ch"], *size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(request):
    "In evaluation mode, with the gradients and batch-norm statistics of one training step."
    encoder, up, in_ch, n_classes, *full = request.param
    family, encoder = encoder.split("-", 1)
    size = (
        dict(decoder=(16, 16, 8, 8, 8), convs=2) if full else dict(decoder=(16, 16, 8, 8), convs=1)
    )
    model = ux.EffUNet(
        encoder,
        family=family,
        up=up,
        in_ch=in_ch,
        n_classes=n_classes,
        pretrained=False,
        seed=0,
        **size,
    )
    for m in model.modules():
        if isinstance(m, StochasticDepth):
            m.p = 0  # a dropped block rightly gets no gradient
        if isinstance(m, torch.nn.BatchNorm2d) and not m.weight.any():
            torch.nn.init.ones_(m.weight)  # timm starts residual branches at 0: no gradient
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
    return ux.Segmenter(model, (64, 64), backend="onnx", repeats=1).logits


@pytest.fixture(scope="module")
def channels_last(model):
    return copy.deepcopy(model).to(memory_format=torch.channels_last)


@small_size
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


@each_model
@torch.no_grad()
def test_a_picture_is_judged_by_itself(model):
    x = pictures(model, (31, 57), 2)
    y = model(x)
    # the other picture of the batch has no say
    torch.testing.assert_close(model(x[1:]), y[1:], rtol=1e-3, atol=1e-4)
    assert y.std() > 1e-3 and (y[0] - y[1]).abs().max() > 1e-3, (
        "the logits hardly depend on the picture"
    )


@each_model
@torch.no_grad()
def test_saved_and_restored_it_is_the_same(model, tmp_path):
    ux.save(model, tmp_path / "m")
    again, x = ux.restore(tmp_path / "m"), pictures(model, (31, 57))
    assert again.config == model.config and not again.training
    assert torch.equal(again(x), model(x))
