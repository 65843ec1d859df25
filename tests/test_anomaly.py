"Anomaly detection: promise, alignment, contrast, tiny trainings in every mode, baselines, errors."

import numpy as np
import pytest
import torch
from unet_explorer.anomaly import (
    LOSSES,
    PerPlace,
    averages_kept,
    anomaly_map,
    conformal,
    contrast,
    fit_normal,
    pick_threshold,
)
from unet_explorer.baselines import Difference, PaDiM, PatchCore, coreset, in_one
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.contracts import InputError
from unet_explorer.references import FEWEST, align, check_clean
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training


def small(**kw):
    return EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False, **kw)


def quick(steps, bs=2, precision="fp32", **kw):
    return Training(steps=steps, size=64, bs=bs, precision=precision, bar=False, **kw)


@pytest.fixture(scope="module")
def rows():
    return inspection_set(
        10, layouts=("routed",), defects=(), size=(80, 80), seed=0, reference=True
    )


@pytest.fixture(scope="module")
def clean(rows):
    return [r["image"] for r in rows]


@pytest.mark.parametrize("n, fpr", [(19, 0.05), (20, 0.05), (50, 0.1), (9, 0.1), (99, 0.01)])
def test_the_promise_holds(n, fpr):
    g = np.random.default_rng(n)
    alarms = [g.gamma(0.5) > conformal(g.gamma(0.5, size=n), fpr) for _ in range(3000)]
    assert np.mean(alarms) < fpr + 3 * np.sqrt(fpr / 3000)
    assert conformal(range(n), fpr) <= n - 1


def test_too_few_for_a_promise():
    for n, fpr in ((18, 0.05), (8, 0.1), (0, 0.5)):
        with pytest.raises(InputError, match="cannot promise"):
            conformal(np.zeros(n), fpr)
    with pytest.raises(InputError, match="fpr=1"):
        conformal(np.zeros(5), 1)


@pytest.mark.parametrize("shift", [(0, 0), (4, -7), (-11, 3)])
def test_align(clean, shift):
    back = align((torch.roll(clean[0], shift, (1, 2)) * 0.6 + 0.2), clean[0])
    np.testing.assert_allclose(back[:, 12:-12, 12:-12], clean[0][:, 12:-12, 12:-12], atol=0.05)
    with pytest.raises(InputError, match="must be equal"):
        align(clean[0][:, :50], clean[0])


def test_contrast():
    a = torch.eye(4)
    assert (
        float(contrast(a, a, -a, 0.1)) < float(contrast(a, a, a, 0.1))
        and float(contrast(a, a, a[:0])) == 0
    )
    assert float(contrast(a, a * 5, -a, 0.1)) == pytest.approx(
        float(contrast(a, a, -a, 0.1)), abs=1e-6
    )  # lengths do not matter


@pytest.mark.parametrize(
    "precision, options",
    [
        ("fp32", dict()),
        ("fp32", dict(contrast_weight=0.0)),
        ("fp32", dict(loss="bce")),
        ("fp32", dict(loss="focal+dice")),
        ("fp32", dict(honest=False, decoys=0.0)),
        ("bf16", dict()),
    ],
    ids=str,
)
def test_fit_in_every_mode(clean, precision, options):
    model = fit_normal(clean, quick(2, precision=precision), model=small(), **options)
    m = anomaly_map(model, clean[0])
    assert (
        m.shape == (80, 80)
        and m.dtype == np.float32
        and np.isfinite(m).all()
        and not model.training
    )
    assert model.about["task"] == "anomaly" and model.about["steps"] == 2


def test_same_seed_same_model_and_saved(clean, tmp_path):
    a, b = (fit_normal(clean, quick(2, seed=3), model=small()) for _ in range(2))
    np.testing.assert_array_equal(anomaly_map(a, clean[0]), anomaly_map(b, clean[0]))
    save(a, tmp_path, threshold=1.5)
    back = restore(tmp_path)
    assert back.about["threshold"] == 1.5 and back.about["task"] == "anomaly"
    np.testing.assert_allclose(anomaly_map(back, clean[0]), anomaly_map(a, clean[0]), atol=1e-5)


def test_turns_and_smoothing(clean):
    from scipy import ndimage

    model = small(seed=1).eval()
    model.about = dict(task="anomaly")
    with torch.no_grad():
        raw = model(clean[0][None])[0, 0].numpy()
    np.testing.assert_allclose(anomaly_map(model, clean[0], turns=1, smooth=0), raw, atol=1e-5)
    np.testing.assert_allclose(
        anomaly_map(model, clean[0], turns=1, smooth=1.5),
        ndimage.gaussian_filter(raw, 1.5),
        atol=1e-5,
    )
    turned = anomaly_map(
        model, torch.rot90(clean[0], 1, (1, 2))
    )  # four turns: turning the picture turns the map
    np.testing.assert_allclose(turned, np.rot90(anomaly_map(model, clean[0])), atol=1e-4)


def test_losses_against_torch_and_ignored_pixels():
    g = torch.Generator().manual_seed(0)
    logits, mask = torch.randn(2, 1, 8, 8, generator=g), torch.randint(0, 2, (2, 8, 8), generator=g)
    want = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, 0], mask.float(), pos_weight=torch.tensor(5.0)
    )
    torch.testing.assert_close(LOSSES["bce"](logits, mask), want)
    hidden = mask.clone()
    hidden[:, :2] = 255
    for name, loss in LOSSES.items():
        other = logits.clone()
        other[:, :, :2] += 3
        torch.testing.assert_close(
            loss(logits, hidden), loss(other, hidden), msg=f"{name}: a pixel to be ignored counts"
        )


def test_per_place(clean):
    class Bright:
        def anomaly_map(self, image):
            return image[0].numpy()

    corner = [c.clone() for c in clean]
    for i, c in enumerate(corner):
        c[:, :10, :10] = 0.8 + 0.01 * i  # odd by its looks, and always there
    spoiled = corner[0].clone()
    spoiled[:, 40:50, 40:50] = 1
    m = PerPlace(Bright(), corner[1:], floor=0.05).anomaly_map(spoiled)
    assert m[40:50, 40:50].mean() > 3 * abs(m[:10, :10]).max() and PerPlace(
        small(seed=0), clean[:3], turns=1
    ).anomaly_map(clean[4]).shape == (80, 80)
    with pytest.raises(InputError, match="must be equal, and aligned"):
        PerPlace(Bright(), clean).anomaly_map(clean[0][:, :50])


def test_second_view_does_not_count_in_the_running_averages():
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, momentum=0.3), nn.BatchNorm2d(2, momentum=None)
    )
    net(torch.rand(4, 1, 8, 8))
    before = [m.running_var.clone() for m in net[1:]]
    with averages_kept(net):
        net(torch.rand(4, 1, 8, 8) * 9)
    assert all(torch.equal(b, m.running_var) for b, m in zip(before, net[1:])) and [
        m.momentum for m in net[1:]
    ] == [0.3, None]
    net(torch.rand(4, 1, 8, 8) * 9)
    assert not any(
        torch.equal(b, m.running_var) for b, m in zip(before, net[1:])
    )  # outside they count again


def test_contrast_leaves_the_first_step_averages_alone(clean):
    one, other = (
        fit_normal(clean, quick(1, bs=4), model=small(), contrast_weight=c).state_dict()
        for c in (0.0, 0.1)
    )
    averages = [k for k in one if k.endswith(("running_mean", "running_var"))]
    assert averages and all(torch.equal(one[k], other[k]) for k in averages)
    assert not all(torch.equal(one[k], other[k]) for k in one)  # but the weights have heard of it


def test_contrast_leaves_no_hook_behind(clean):
    model = fit_normal(clean, quick(2, bs=4), model=small(), contrast_weight=0.1)
    assert not any(m._forward_hooks for m in model.modules())


def test_reference_mode(rows, clean):
    refs = [r["reference"] for r in rows]
    model = fit_normal(clean, quick(2), references=refs, model=small(in_ch=2))
    assert anomaly_map(model, clean[0], refs[0]).shape == (80, 80) and model.about["reference"]
    with pytest.raises(InputError, match="give one"):
        anomaly_map(model, clean[0])
    with pytest.raises(InputError, match="without references"):
        anomaly_map(fit_normal(clean, quick(1), model=small()), clean[0], refs[0])
    assert isinstance(pick_threshold(model, clean, 0.2, refs), float)
    with pytest.raises(InputError, match="one for each"):
        fit_normal(clean, quick(1), references=refs[:3])


def test_supervised_mode(clean):
    masks = [(c[0] > 0.5).long() for c in clean[:4]]
    pairs = list(zip(clean[:4], masks))
    model = fit_normal(clean, quick(2, bs=4), labelled=pairs, model=small())
    assert model.about["supervised"] and anomaly_map(model, clean[0]).shape == (80, 80)


@pytest.mark.parametrize(
    "spoil, say",
    [
        (lambda c: c[: FEWEST - 1], "at least 8"),
        (lambda c: [*c, c[0][:, :40]], "clean picture 10 is 1x40x80"),
        (lambda c: [c[0] * 0, *c], "clean picture 0: all pixels"),
        (lambda c: [*c, c[0] * float("nan")], "NaN"),
        (lambda c: [*c, c[0].repeat(3, 1, 1)], "3x80x80"),
    ],
)
def test_unusable_clean_pictures(clean, spoil, say):
    with pytest.raises(InputError, match=say) as e:
        check_clean(spoil(clean))
    assert "\n" not in str(e.value)


def test_wrong_options(clean):
    with pytest.raises(InputError, match="loss='l2'.*bce"):
        fit_normal(clean, quick(1), loss="l2")
    with pytest.raises(InputError, match="multiple of 32"):
        fit_normal(clean, Training(steps=1, size=100))
    with pytest.raises(InputError, match="give one of the two"):
        fit_normal(clean, Training())
    for no_training in (None, 3, dict(steps=1)):
        with pytest.raises(InputError, match="must be a Training"):
            fit_normal(clean, no_training)


def test_interrupted_before_there_is_anything_to_keep(clean):
    from unet_explorer.contracts import Interrupted

    class CtrlC(EffUNet):
        def forward(self, x):
            raise KeyboardInterrupt

    model = CtrlC(decoder=(16, 16, 8, 8), convs=1, pretrained=False)
    with pytest.raises(Interrupted, match="nothing was saved"):
        fit_normal(clean, quick(2), model=model)
    assert set(LOSSES) >= {"bce+dice", "focal+dice"}


# Baselines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda c: PaDiM(c, dims=20),
        lambda c: PaDiM(c, dims=20, per_place=True),
        lambda c: PatchCore(c, keep=50),
        lambda c: PatchCore(c, keep=50, strides=(4, 8), neighbours=3),
    ],
)
def test_baselines_see_a_blot(clean, make):
    method, spoiled = make(clean), clean[0].clone()
    spoiled[:, 30:50, 30:50] = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)) > 0.5
    m, before = anomaly_map(method, spoiled), anomaly_map(method, clean[0])
    assert (
        m.shape == (80, 80)
        and m[32:48, 32:48].mean() > np.percentile(m, 80)
        and m.max() > before.max()
    )
    assert pick_threshold(method, clean[1:], 0.2) > 0


def test_difference(rows):
    r = rows[0]
    spoiled = r["image"].clone()
    spoiled[:, 30:42, 30:42] = 1 - spoiled[:, 30:42, 30:42].mean().round()
    m = anomaly_map(Difference(), spoiled, r["reference"])
    assert m[32:40, 32:40].mean() > 2 * np.median(m)


def test_coreset_is_farthest_first():
    p = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    chosen = coreset(p, 10, dims=0).tolist()
    for k in range(1, 10):
        d = torch.cdist(p, p[chosen[:k]]).min(1).values
        assert d[chosen[k]] == pytest.approx(float(d.max()), abs=1e-4)
    assert len(set(chosen)) == 10 and sorted(coreset(p[:5], 9).tolist()) == [0, 1, 2, 3, 4]


def test_maps_in_one_lie_on_their_places():
    fine, coarse = torch.arange(12.0).reshape(1, 3, 4), torch.arange(4.0).reshape(1, 2, 2)
    got = in_one([fine, coarse])
    assert got.shape == (2, 3, 4)
    np.testing.assert_array_equal(got[1].numpy(), [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]])
    smooth = in_one([fine], pool=3)
    assert float(smooth[0, 1, 1]) == pytest.approx(float(fine[0].mean(0)[:3].mean()))
    for maps, pool, words in (([], 1, "maps="), ([fine], 2, "odd number")):
        with pytest.raises(InputError, match=words):
            in_one(maps, pool)
