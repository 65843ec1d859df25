"Implants: labels are what changed, edges blend, seeds repeat; streams are legal batches."

import numpy as np
import pytest
import torch
from scipy import ndimage
from unet_explorer.batches import Crops
from unet_explorer.contracts import InputError
from unet_explorer.images import IGNORE
from unet_explorer.implant import (
    IMPLANT_BLENDS,
    IMPLANTS,
    Implanted,
    decoy,
    implant,
    noise_level,
    perlin,
    poisson_blend,
    really_changed,
    smooth_shape,
    tolerance_of,
)
from unet_explorer.simulate import inspection_set


@pytest.fixture(scope="module")
def clean():
    return [
        r["image"]
        for r in inspection_set(6, layouts=("lines", "routed"), defects=(), size=(96, 96), seed=0)
    ]


@pytest.mark.parametrize("kind", IMPLANTS)
@pytest.mark.parametrize("blend", IMPLANT_BLENDS)
def test_implant_is_legal_and_repeats(clean, kind, blend):
    how = dict(kinds=[kind], blends=[blend])
    image, label, pasted = implant(clean[0], 7, clean[1], sizes=(12, 30), **how)
    again = implant(clean[0], 7, clean[1], sizes=(12, 30), **how)
    assert all(torch.equal(a, b) for a, b in zip((image, label, pasted), again))
    assert (
        image.dtype == torch.float32
        and image.shape == clean[0].shape
        and 0 <= image.min()
        and image.max() <= 1
    )
    assert (
        label.dtype == pasted.dtype == torch.int64
        and set(label.unique().tolist()) <= {0, 1}
        and pasted.any()
    )
    near = ndimage.binary_dilation(pasted.numpy() > 0, np.ones((3, 3)), iterations=3)
    assert torch.equal(image[0][~near], clean[0][0][~near]) and not label.numpy()[~near].any()
    assert not torch.equal(implant(clean[0], 8, clean[1], **how)[0], image)


def test_labels_are_what_changed(clean):
    before, where = clean[0].numpy(), np.zeros((96, 96), bool)
    where[20:50, 20:50] = True
    after = before.copy()
    after[:, 30:40, 30:40] += 0.5
    label = really_changed(before, after, where)
    assert label[33:37, 33:37].all() and label.sum() < 14**2 and not label[:20].any()
    assert not really_changed(before, before, where).any()
    assert not really_changed(
        before, after, np.roll(where, 40, 0)
    ).any()  # nothing outside of what was pasted
    noise = np.random.default_rng(0).normal(0, 1, before.shape) * noise_level(before)
    assert (
        really_changed(before, before + noise, np.ones_like(where)).mean() < 0.01
    )  # another shot of the same place


def test_noise_level_and_tolerance():
    g = np.random.default_rng(0)
    assert noise_level(np.zeros((20, 20))) == 0 and tolerance_of(np.zeros((20, 20))) == 0.04
    assert noise_level(g.normal(0.5, 0.1, (3, 200, 200))) == pytest.approx(0.1, rel=0.05)
    assert (
        noise_level(np.add.outer(np.arange(30.0), 2 * np.arange(40.0))) < 1e-6
    )  # slopes are no noise


def test_perlin_against_loops():
    seed, n, c = 3, 12, 3
    ours = perlin((n, n), (c, c), np.random.default_rng(seed))
    t = np.random.default_rng(seed).uniform(0, 2 * np.pi, (c + 1, c + 1))

    def fade(u):
        return 6 * u**5 - 15 * u**4 + 10 * u**3

    for y, x in ((0, 0), (4, 8), (1, 2), (5, 7), (11, 11), (6, 3)):
        i, j, v, u = y * c // n, x * c // n, y * c / n % 1, x * c / n % 1
        total = 0
        for di in (0, 1):
            for dj in (0, 1):
                dot = np.sin(t[i + di, j + dj]) * (v - di) + np.cos(t[i + di, j + dj]) * (u - dj)
                total += dot * (fade(v) if di else 1 - fade(v)) * (fade(u) if dj else 1 - fade(u))
        assert ours[y, x] == pytest.approx(total)


@pytest.mark.parametrize("seed", range(3))
def test_poisson(seed):
    g = np.random.default_rng(seed)
    picture, patch = g.random((2, 15, 17)), g.random((2, 15, 17))
    mask = g.random((15, 17)) < 0.6
    out = poisson_blend(picture, patch, mask)
    inner = mask.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    np.testing.assert_array_equal(out[:, ~inner], picture[:, ~inner])
    for a, b in zip(out, patch):
        lap = [ndimage.convolve(m, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]) for m in (a, b)]
        np.testing.assert_allclose(lap[0][inner], lap[1][inner], atol=1e-9)
    np.testing.assert_allclose(poisson_blend(picture, picture + 3, mask), picture)
    np.testing.assert_array_equal(poisson_blend(picture, patch, mask & False), picture)


@pytest.mark.parametrize("size, aspect", [(6, 1), (20, 1), (40, 4), (40, 8), (7.5, 8)])
def test_shapes(size, aspect):
    for seed in range(10):
        m = smooth_shape(size, np.random.default_rng(seed), aspect)
        y, x = np.nonzero(m)
        assert (
            len(y)
            and ndimage.label(m, np.ones((3, 3)))[1] == 1
            and max(np.ptp(y), np.ptp(x)) <= size + 1
        )


def test_decoys_change_nothing(clean):
    for seed, image in enumerate(clean):
        out, shapes = decoy(image, seed)
        assert shapes.any() and not torch.equal(out, image) and 0 <= out.min() and out.max() <= 1
        assert really_changed(image, out, shapes.numpy() > 0).sum() < 25


def test_stream(clean):
    s = Implanted(clean, 64, 40, seed=1, sizes=(6, 20))
    assert isinstance(s, Crops) and len(s) == 40
    pairs = [s[i] for i in range(40)]
    assert all(
        x.shape == (1, 64, 64)
        and y.shape == (64, 64)
        and set(y.unique().tolist()) <= {0, 1, IGNORE}
        for x, y in pairs
    )
    assert 6 <= sum(bool((y == 1).any()) for _, y in pairs) <= 30
    s.restart(1)
    assert torch.equal(s[0][0], pairs[0][0])
    none = Implanted(clean, 64, 10, share=0, decoys=0)
    assert not any(none[i][1].any() for i in range(10))


def test_stream_with_references(clean):
    s = Implanted(
        clean,
        64,
        20,
        seed=0,
        share=1.0,
        decoys=0.0,
        references=clean,
        augment="none",
        sizes=(10, 20),
    )
    for x, y in (s[i] for i in range(20)):
        assert x.shape == (2, 64, 64)
        assert (
            ((x[0] - x[1]).abs()[y == 1] > 0).float().mean() > 0.5 if (y == 1).any() else True
        )  # the reference stays clean
        far = ~torch.from_numpy(ndimage.binary_dilation((x[0] != x[1]).numpy(), iterations=3))
        assert not (y[far] == 1).any()


def test_honest_labels_are_fewer(clean):
    def count(honest):
        stream = Implanted(clean, 64, 1, seed=2, honest=honest, share=1.0)
        return sum(int((stream[i][1] == 1).sum()) for i in range(20))

    assert 0 < count(True) < count(False)


@pytest.mark.parametrize(
    "kw, say",
    [
        (dict(kinds=["crack"]), "'crack' is not known; choose one of copy"),
        (dict(blends=["glue"]), "'glue'"),
        (dict(kinds=[]), "not known"),
        (dict(sizes=(6, 200)), "96x96"),
        (dict(sizes=(1, 5)), "from 3 up"),
        (dict(sizes=20), "from 3 up"),
        (dict(kinds=None), "kind=None"),
        (dict(n=(3, 1)), "the smaller one first"),
        (dict(tolerance=float("nan")), "tolerance=nan"),
        (dict(donor=torch.rand(3, 96, 96)), "3 channels"),
    ],
)
def test_errors(clean, kw, say):
    with pytest.raises(InputError, match=say) as e:
        implant(clean[0], 0, **kw)
    assert "\n" not in str(e.value)


def test_wear_is_another_dose_and_focus(clean):
    streams = [
        Implanted(clean, 64, 12, seed=0, share=0.0, decoys=0.0, augment="none", wear=w)
        for w in (0.0, 1.0, 1.0)
    ]
    plain, worn, again = ([s[i][0] for i in range(12)] for s in streams)
    assert all(torch.equal(a, b) for a, b in zip(worn, again))
    assert np.median([noise_level(w) for w in worn]) > np.median(
        [noise_level(p) for p in plain]
    ) and all(0 <= w.min() and w.max() <= 1 for w in worn)


def test_streams_refuse_what_cannot_be(clean):
    for how, say in (
        (dict(size=64.0), "size=64.0"),
        (dict(share=1.5), "share=1.5"),
        (dict(n_implants=2), "n_implants=2"),
        (dict(blend=["hard"]), "choose one of kinds, blends"),
        (dict(images=[]), "at least one clean picture"),
    ):
        with pytest.raises(InputError, match=say):
            Implanted(**{"images": clean, "size": 64, "n": 4, **how})
    for call in (
        lambda: noise_level("x"),
        lambda: noise_level(np.zeros(3)),
        lambda: really_changed(clean[0], clean[0][:, :50], np.zeros((96, 96))),
        lambda: perlin((8, 8), 2, np.random.default_rng(0)),
        lambda: smooth_shape(6, 0),
        lambda: poisson_blend(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)), np.ones((4, 4))),
        lambda: decoy(clean[0][:, :20, :20]),
    ):
        with pytest.raises(InputError):
            call()
