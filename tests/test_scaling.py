"Counting against building: every number of `scaling` equals our network's and timm's."

import math
import subprocess
import sys
import time
from functools import lru_cache

import pytest
import torch
from conftest import ROOT
from torch import nn
from unet_explorer.contracts import InputError
from unet_explorer.efficientnet import EfficientNet
from unet_explorer.scaling import (
    B0_STAGES,
    MODES,
    TOP1,
    VARIANTS,
    Cost,
    Variant,
    compound,
    count,
    growth,
    layer_costs,
    outline,
    round_channels,
    round_repeats,
    training_bytes,
)

every = pytest.mark.parametrize("name", VARIANTS)
SIZES = [1, 31, 64, (97, 130)]
OWN = [
    Variant(w, d, 96, p, lite)
    for w, d, p in [
        (0.1, 0.3, 0.2),
        (0.5, 0.5, 0.1),
        (0.73, 1.01, 0.0),
        (1.3, 2.2, 0.3),
        (2.7, 0.2, 0.2),
        (1, 4, 0.5),
    ]
    for lite in (False, True)
]


def measured(model, x):
    "Parameters, MACs and kept numbers per picture of a built network, by hooks."
    macs, kept = 0, {}
    own = {t.untyped_storage()._cdata for t in [*model.parameters(), *model.buffers()]}

    def work(layer, args, out):
        nonlocal macs
        macs += out.numel() * layer.weight[0].numel()

    def keep(t):
        storage = t.untyped_storage()
        if t.ndim > 1 and storage._cdata not in own:
            kept[storage._cdata] = storage
        return t

    hooks = [
        m.register_forward_hook(work)
        for m in model.modules()
        if isinstance(m, (nn.Conv2d, nn.Linear))
    ]
    forward = model if getattr(model, "classifier", None) is not None else model.features
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = forward(x)
    for hook in hooks:
        hook.remove()
    assert out is not None
    return Cost(
        sum(p.numel() for p in model.parameters()),
        macs // len(x),
        sum(s.nbytes() for s in kept.values()) // 4 // len(x),
    )


@lru_cache
def network(spec, in_ch=3, n_classes=1000, head=True):
    "On the meta device: shapes without numbers."
    with torch.device("meta"):
        return EfficientNet(spec, in_ch, n_classes, drop_path=0, head=head).train()


def built(spec, size, in_ch=3, n_classes=1000, head=True):
    h, w = (size, size) if isinstance(size, int) else size
    return measured(
        network(spec, in_ch, n_classes, head), torch.empty(2, in_ch, h, w, device="meta")
    )


# Against networks ---------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_variant_and_size(name, size):
    assert count(name, size) == built(name, size)


@pytest.mark.parametrize(
    "spec", OWN, ids=lambda v: f"{'lite' if v.lite else 'b'} width {v.width} depth {v.depth}"
)
@pytest.mark.parametrize("size", [35, (64, 51)], ids=str)
def test_every_width_and_depth(spec, size):
    if (
        spec.dropout == 0
    ):  # torch skips no work for p = 0, but keeps the mask or not as its version pleases
        got, want = count(spec, size)[:2], built(spec, size)[:2]
    else:
        got, want = count(spec, size), built(spec, size)
    assert got == want


@pytest.mark.parametrize("name", ["b0", "b3", "lite0", "lite3"])
@pytest.mark.parametrize("in_ch, n_classes", [(1, 1), (3, 7), (4, 21)])
def test_channels_and_classes(name, in_ch, n_classes):
    for head in (True, False):
        assert count(name, 47, in_ch, n_classes, head) == built(name, 47, in_ch, n_classes, head)


@every
def test_timm(name):
    timm = pytest.importorskip("timm")
    v = VARIANTS[name]
    with torch.device("meta"):
        model = timm.create_model(
            f"tf_efficientnet_{name}", drop_rate=v.dropout, in_chans=2, num_classes=11
        ).train()
        assert count(name, (63, 90), 2, 11) == measured(model, torch.empty(2, 2, 63, 90))


@pytest.mark.parametrize("phi", [-2, 0.3, 1, 2.5])
@pytest.mark.parametrize("mode", MODES)
def test_timm_at_any_phi(phi, mode):
    "Built by timm's own builder, which rounds for itself."
    pytest.importorskip("timm")
    from timm.models.efficientnet import _gen_efficientnet

    s = compound(phi, mode=mode, base=64)
    with torch.device("meta"):
        model = _gen_efficientnet(
            "tf_efficientnet_b0",
            channel_multiplier=s.width,
            depth_multiplier=s.depth,
            pad_type="same",
            drop_rate=0.2,
        ).train()
        assert count(Variant(s.width, s.depth), s.resolution) == measured(
            model, torch.empty(2, 3, s.resolution, s.resolution)
        )


@pytest.mark.parametrize("spec", ["b0", "b4", "lite0", "lite4", OWN[2]], ids=str)
def test_rows_are_the_parts(spec):
    rows = layer_costs(spec, (75, 50))
    model = network(spec)
    parts = [model.stem, *model.stages, model.head, model.classifier]
    x = torch.empty(1, 3, 75, 50, device="meta")
    assert [r.name for r in rows] == [
        "stem",
        *(f"stage {k}" for k in range(1, 8)),
        "head",
        "classifier",
    ]
    for row, part in zip(rows, parts, strict=True):
        x = part(x.mean((2, 3)) if row.name == "classifier" else x)
        assert sum(p.numel() for p in part.parameters()) == row.params
        assert (row.channels, row.h, row.w) == (*x.shape[1:], 1, 1)[:3]
    assert [r.repeats for r in rows[1:8]] == [len(s) for s in model.stages]
    assert [r.stride for r in rows[1:8]] == [s.stride for s in B0_STAGES]
    assert count(spec, (75, 50)) == Cost(*(sum(getattr(r, k) for r in rows) for k in Cost._fields))
    assert layer_costs(spec, (75, 50), head=False) == rows[:8]


# Published numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, params, gmac",
    [
        ("b0", 5_288_548, 0.386),
        ("b1", 7_794_184, 0.687),
        ("b2", 9_109_994, 0.994),
        ("b3", 12_233_232, 1.827),
        ("b4", 19_341_616, 4.394),
        ("b5", 30_389_784, 10.27),
        ("b6", 43_040_704, 19.07),
        ("b7", 66_347_960, 37.75),
        ("lite0", 4_652_008, None),
        ("lite4", 13_006_568, None),
    ],
)
def test_reference_numbers(name, params, gmac):
    c = count(name)
    assert c.params == params
    assert gmac is None or c.macs / 1e9 == pytest.approx(gmac, rel=1e-3)


def test_the_formula():
    assert growth(1) == pytest.approx(1.9203, abs=1e-4)
    assert [compound(k).resolution for k in range(1, 8)] == [258, 296, 341, 392, 451, 518, 596]
    for mode in MODES:
        assert compound(0, mode=mode) == (1, 1, 224)
    for phi in (-3, 0.1, 2, 6):
        alone = [compound(phi, mode=m, base=10**7) for m in MODES]
        for s in alone:
            assert s.depth * s.width**2 * (s.resolution / 1e7) ** 2 == pytest.approx(
                growth(phi), rel=1e-5
            )
    assert list(TOP1) == [f"b{k}" for k in range(8)] and sorted(TOP1.values()) == list(
        TOP1.values()
    )


def test_rounding_as_timm():
    builder = pytest.importorskip("timm.models._efficientnet_builder")
    for c in (1, 3, 8, 16, 24, 32, 40, 80, 112, 192, 320, 1280):
        for k in range(1, 400):
            w = k * 0.0103
            got = round_channels(c, w)
            assert got == builder.round_channels(c, w)
            assert got % 8 == 0 and got >= max(8, 0.9 * c * w)
    for n in range(1, 6):
        for d in (0.01, 0.5, 1, 1.1, 2.2, 3.1):
            assert round_repeats(n, d) == math.ceil(n * d)


def test_memory_of_training():
    c = Cost(params=10, macs=5, activations=3)
    assert training_bytes(c) == 4 * (40 + 3)
    assert training_bytes(c, bs=7, states=0, each=2) == 2 * (20 + 21)
    with pytest.raises(InputError, match="bs=0"):
        training_bytes(c, 0)


# Use ----------------------------------------------------------------------------------------------


def test_no_torch_and_no_numpy():
    code = """
import sys
from unet_explorer.scaling import VARIANTS, Variant, compound, count, growth
from unet_explorer.scaling import layer_costs, outline, training_bytes
for name in VARIANTS: layer_costs(name, 97); outline(name)
s = compound(2.5)
assert training_bytes(count(Variant(s.width, s.depth), s.resolution), 8) > growth(1)
heavy = sorted({"torch", "numpy", "matplotlib", "timm", "fastai", "PIL"} & set(sys.modules))
assert not heavy, heavy
try: count("b9")
except ValueError as e: print(type(e).__name__, e)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("InputError variant='b9'")


def test_errors_where_there_is_no_torch():
    "In a browser, say: the same error with the same line."
    code = """
import sys
sys.modules["torch"] = sys.modules["numpy"] = None
from unet_explorer.scaling import count
try: count("b9")
except ValueError as e: print(type(e).__name__, e)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.startswith("InputError variant='b9' is not known; choose one of b0,"), (
        run.stdout + run.stderr
    )


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: count("b9"), "'b9'"),
        (lambda: count(None), "None"),
        (lambda: outline(["b0"]), "b0"),
        (lambda: count("b0", 0), "res=0"),
        (lambda: count("b0", (5, -1)), "res=(5, -1)"),
        (lambda: count("b0", (5, 2.5)), "res=(5, 2.5)"),
        (lambda: count("b0", 5, in_ch=0), "in_ch=0"),
        (lambda: count("b0", 5, n_classes=0), "n_classes=0"),
        (lambda: count("b0", "big"), "res='big'"),
        (lambda: count("b0", (5, 5, 5)), "(5, 5, 5)"),
        (lambda: count(Variant(0, 1)), "width=0"),
        (lambda: count(Variant(1, math.nan)), "depth=nan"),
        (lambda: count(Variant(1, 1, dropout=1)), "dropout=1"),
        (lambda: compound(1, mode="tall"), "'tall'"),
        (lambda: compound(math.inf), "phi=inf"),
        (lambda: compound(1, gamma=-1), "gamma=-1"),
        (lambda: compound("3"), "phi='3'"),
        (lambda: compound(1, base=0), "base=0"),
        (lambda: compound(1, base=None), "base=None"),
        (lambda: growth(None), "phi=None"),
        (lambda: count(Variant("a", 1)), "width='a'"),
        (lambda: outline(Variant(1, None)), "depth=None"),
        (lambda: count(Variant(1, 1, dropout="x")), "dropout='x'"),
        (lambda: count(Variant(1, 1, resolution=None)), "resolution=None"),
        (lambda: round_repeats(2, None), "depth=None"),
        (lambda: training_bytes((1, 2, 3)), "cost=(1, 2, 3)"),
        (lambda: round_channels(-3, 1), "channels=-3"),
        (lambda: round_channels(24, 0), "width=0"),
        (lambda: round_channels(24, math.nan), "width=nan"),
        (lambda: training_bytes(count("b0"), "2"), "bs='2'"),
    ],
)
def test_refusals_are_one_line(call, said):
    with pytest.raises(InputError) as e:
        call()
    assert said in str(e.value) and "\n" not in str(e.value)


def test_no_weights_for_a_size_of_your_own():
    from unet_explorer.efficientnet import efficientnet

    with pytest.raises(InputError, match="pretrained=False"):
        efficientnet(Variant(0.5, 0.5))


def test_fast_enough_for_a_slider():
    start = time.perf_counter()
    for k in range(50):
        s = compound(7, mode=MODES[k % 4])
        layer_costs(Variant(s.width, s.depth * 10), s.resolution)
    assert (time.perf_counter() - start) / 50 < 0.02
