"Compared with what: features that ignore exposure, and the rungs of the ladder."

import numpy as np
import pytest
import torch
from scipy import ndimage

from unet_explorer import references
from unet_explorer.contracts import InputError
from unet_explorer.detection import precision_recall
from unet_explorer.references import (
    Compared,
    Die,
    Features,
    Frozen,
    Lattice,
    Memory,
    Own,
    SamePlace,
    Seen,
    moved_median,
    periods,
    residual,
    sees,
)
from unet_explorer.simulate import inspection_set

SIDE = 96


@pytest.fixture(scope="module")
def rows():
    "Contacts with another die for each; the pictures are of 96x96 pixels."
    return inspection_set(8, ("contacts",), (), size=(SIDE, SIDE), seed=3, reference=True)


@pytest.fixture(scope="module")
def clean(rows):
    return [r["image"] for r in rows]


@pytest.fixture(scope="module")
def look(clean):
    return Features(clean)


@pytest.fixture(scope="module")
def seen(look, clean):
    return [look(image) for image in clean]


@pytest.mark.parametrize("h, w", [(33, 70), (64, 64), (5, 97)])
def test_maps_of_any_size(h, w):
    image = torch.rand(1, h, w, generator=torch.Generator().manual_seed(0))
    for strides in ((2,), (4, 8), (8, 32)):
        shapes = [tuple(m.shape[1:]) for m in Frozen(strides)(image)]
        assert shapes == [(-(-h // s), -(-w // s)) for s in strides]


@pytest.mark.parametrize("strides", [(3,), (), (8, 4), (4, 4), "48", None])
def test_strides_that_cannot_be(strides):
    with pytest.raises(InputError, match="choose some of"):
        Frozen(strides)


def test_exposure_falls_away_and_only_if_asked_for(clean):
    dim = 0.4 * clean[0] + 0.3
    for normalise, most in ((True, 0.05), (False, torch.inf)):
        frozen = Frozen(normalise=normalise)
        apart = max(float((a - b).abs().mean()) for a, b in zip(frozen(clean[0]), frozen(dim)))
        assert apart < most and (normalise or apart > 0.05)


def test_a_flat_picture_has_finite_features():
    assert all(m.isfinite().all() for m in Frozen()(torch.full((1, 40, 40), 0.5)))


def test_clean_places_are_white(seen):
    for k, m in enumerate(seen[0].maps):
        places = torch.cat([s.maps[k].flatten(1) for s in seen], 1)
        covariance = torch.cov(places)
        off = covariance - torch.diag(covariance.diagonal())
        assert places.mean(1).abs().max() < 0.05 and off.abs().mean() < 0.05, k
        assert 0.5 < covariance.diagonal().mean() < 1.1


def brute(x, known, allowed):
    "The nearest of `known` for each of `x`, the slow way."
    d = torch.cdist(x.double(), known.double())
    return torch.where(allowed, d, torch.inf).min(1).values


def test_a_memory_finds_the_nearest_and_leaves_the_picture_itself_out(seen):
    memory = Memory(seen, keep=10**6)
    with_itself, without = memory(seen[2]), memory(seen[2], without=2)
    for k, m in enumerate(seen[2].maps):
        torch.testing.assert_close(with_itself.maps[k], m)
        x = m.flatten(1).T
        others = torch.cat([s.maps[k].flatten(1).T for i, s in enumerate(seen) if i != 2])
        got = (without.maps[k].flatten(1).T - x).double().norm(dim=1)
        everything = torch.ones(len(x), len(others), dtype=torch.bool)
        torch.testing.assert_close(got, brute(x, others, everything), atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(with_itself.image, seen[2].image)


def far_apart(h, w, reach):
    "For each two places of a map whether they are more than `reach` apart, down or across."
    y, x = (i.flatten() for i in torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    return ((y[:, None] - y).abs() > reach) | ((x[:, None] - x).abs() > reach)


@pytest.mark.parametrize("radius", [0, 12, 40])
def test_elsewhere_is_outside_the_radius(seen, radius):
    expected = Own(radius)(seen[0])
    for m, e in zip(seen[0].maps, expected.maps):
        h, w = m.shape[1:]
        reach = min(round(radius / (SIDE / w)), (min(h, w) - 1) // 3)
        far = far_apart(h, w, reach)
        places = m.flatten(1).T
        got = (e.flatten(1).T - places).double().norm(dim=1)
        torch.testing.assert_close(got, brute(places, places, far), atol=1e-2, rtol=1e-3)


def tiles_of(m, rows, cols):
    return [t for row in m.tensor_split(rows, 1) for t in row.tensor_split(cols, 2)]


@pytest.mark.parametrize(
    "h, w, most, down, across",
    [(96, 200, 96 * 200, 1, 1), (96, 200, 100**2, 1, 2), (65, 210, 50**2, 2, 5)],
)
def test_a_large_picture_is_compared_tile_by_tile(look, monkeypatch, h, w, most, down, across):
    monkeypatch.setattr(references, "COMPARED_WHOLE", most)
    seen = look(torch.rand(1, h, w, generator=torch.Generator().manual_seed(1)))
    expected = Own(12)(seen)
    assert expected.image.shape == seen.image.shape
    for m, e in zip(seen.maps, expected.maps):
        for tile, twins in zip(tiles_of(m, down, across), tiles_of(e, down, across)):
            reach = min(round(12 / (w / m.shape[2])), (min(tile.shape[1:]) - 1) // 3)
            places, got = (t.flatten(1).T for t in (tile, twins))
            left = (got - places).double().norm(dim=1)
            want = brute(places, places, far_apart(*tile.shape[1:], reach))
            torch.testing.assert_close(left, want, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("h, w", [(7, 19), (5, 9), (65, 5), (33, 70)])
def test_tiny_and_odd_pictures_on_every_rung(look, seen, h, w):
    image = torch.rand(1, h, w, generator=torch.Generator().manual_seed(1))
    tiny = look(image)
    for rung in (Own(), Memory(seen), Die(look, image)):
        expected = rung(tiny)
        assert expected.image.shape == image.shape
        assert [m.shape for m in expected.maps] == [m.shape for m in tiny.maps]


@pytest.mark.parametrize("down, across", [(12, 0), (0, 17), (11, 23), (14, -9)])
def test_periods_of_a_drawn_lattice(down, across):
    y, x = np.mgrid[:120, :150]
    other = (-across, down) if down and across else (13, 17)
    basis = np.linalg.inv(np.array([(down, across), other]).T)
    a, b = (basis[i, 0] * y + basis[i, 1] * x for i in (0, 1))
    spots = np.exp(-30 * ((a - a.round()) ** 2 + (b - b.round()) ** 2))
    noise = 0.1 * np.random.default_rng(0).standard_normal(spots.shape)
    image = torch.from_numpy((0.2 + 0.6 * spots + noise).clip(0, 1).astype(np.float32))[None]
    shifts, clear = periods(image, most=4)
    steps = [basis @ s for s in shifts]
    assert all(np.abs(s - s.round()).max() < 0.15 for s in steps), (shifts, steps)
    assert shifts and clear > 0.7


def test_no_lattice_is_said(look):
    g = np.random.default_rng(0)
    wild = torch.from_numpy(g.random((1, 96, 96), dtype=np.float32))
    smooth = torch.from_numpy(ndimage.gaussian_filter(wild.numpy(), (0, 5, 5)) * 3 - 1).clamp(0, 1)
    with pytest.raises(InputError, match="no lattice in this picture"):
        Lattice(look)(look(smooth))
    assert periods(torch.full((1, 50, 50), 0.5))[1] < 0.9
    assert periods(torch.rand(1, 3, 200)) == ([], 0.0)


def test_the_median_outvotes_one_fault_and_keeps_what_no_copy_reaches():
    row = torch.tensor([9, 1, 9, 1, 9, 1, 5, 1, 9, 1, 9, 1, 9, 1.0]).div(10).reshape(1, 1, -1)
    voted = moved_median(row, [(0, 2), (0, 4)])
    np.testing.assert_allclose(voted[0, 0].numpy(), [0.9, 0.1] * 7, atol=1e-6)
    torch.testing.assert_close(moved_median(row, [(5, 0)]), row)
    torch.testing.assert_close(moved_median(row, []), row)


def test_the_same_place_leaves_the_picture_itself_out(seen):
    place = SamePlace(seen)
    others = torch.stack([s.maps[0] for i, s in enumerate(seen) if i != 3]).mean(0)
    torch.testing.assert_close(place(seen[3], without=3).maps[0], others, atol=1e-4, rtol=1e-4)
    whole = torch.stack([s.image for s in seen]).mean(0)
    torch.testing.assert_close(place(seen[3]).image, whole)


def test_what_is_left_is_measured_by_what_clean_pictures_leave(rows, clean, look, seen):
    "A missing contact: the lattice and the die see it, whitened better than plain."
    broken = inspection_set(
        6, ("contacts",), ("missing_via",), size=(SIDE, SIDE), seed=8, reference=True
    )
    truths = np.stack([r["mask"].numpy() > 0 for r in broken])

    def ap(compared, dies=False):
        ways = [Die(look, r["reference"]) if dies else None for r in broken]
        maps = [compared.anomaly_map(r["image"], way) for r, way in zip(broken, ways)]
        return precision_recall(np.stack(maps), truths)["ap"]

    def its_die(s, without=None):
        return Die(look, rows[without]["reference"])(s)

    by_die = Compared(look, its_die, clean)
    by_memory = Compared(look, Memory(seen), clean)
    assert ap(by_die, True) > 2 * ap(by_memory)
    kept, by_die.white = by_die.white, [(0.0, torch.eye(len(mean))) for mean, _ in by_die.white]
    plain = ap(by_die, True)
    by_die.white = kept
    assert ap(by_die, True) > plain
    assert sees(by_die, clean) > 0.05


def test_clean_pictures_leave_one_standard_deviation(clean, look, seen):
    compared = Compared(look, Memory(seen), clean, blur=0)
    left = [compared.distance(s, compared.rung(s, without=i)) for i, s in enumerate(seen)]
    assert np.mean(np.square(left)) == pytest.approx(len(seen[0].maps), rel=0.3)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda look, seen: Memory([]), "no pictures; give at least one"),
        (lambda look, seen: Memory(7), "must be a list"),
        (lambda look, seen: Memory([1]), "give what one `Features` made"),
        (lambda look, seen: SamePlace(seen[:1]), "give two or more"),
        (
            lambda look, seen: SamePlace(seen)(look(torch.rand(1, 40, 40))),
            "of one size, and aligned",
        ),
        (lambda look, seen: Die(look, torch.rand(1, 40, 40))(seen[0]), "they must be equal"),
        (lambda look, seen: residual(seen[0], look(torch.rand(1, 40, 40))), "of one size"),
        (lambda look, seen: residual(seen[0], Seen(seen[0].image, [])), "give what one"),
        (lambda look, seen: Compared(look, Own(), [seen[0].image]), "give two or more"),
        (lambda look, seen: Own(-1), "radius=-1"),
        (lambda look, seen: Features([]), "give at least one"),
        (lambda look, seen: look(torch.rand(3, 40, 40)), "3 channels"),
    ],
)
def test_what_cannot_be_is_one_line(look, seen, call, words):
    with pytest.raises(InputError, match=words) as caught:
        call(look, seen)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [64, 80, 192])
def test_noise_has_no_period(side):
    g = torch.Generator().manual_seed(side)
    for _ in range(5):
        assert periods(torch.rand(1, side, side, generator=g)) == ([], 0.0)
