"""Scenes whose truth is known, and what settings of a field are made from."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.measure import objects, polygon
from unet_explorer.scenes import (
    FIELD,
    STREET,
    class_weights,
    field_scene,
    street_scene,
    touching,
    write_pairs,
)


@pytest.mark.parametrize("draw, n", [(street_scene, len(STREET)), (field_scene, len(FIELD))])
@pytest.mark.parametrize("size", [(96, 160), (33, 47), (9, 12)])
def test_scenes_keep_the_contract(draw, n, size):
    image, mask = draw(size, seed=3)
    assert image.shape == (3, *size) and image.dtype == torch.float32
    assert mask.shape == size and mask.dtype == torch.int64
    assert 0 <= float(image.min()) and float(image.max()) <= 1
    assert set(mask.unique().tolist()) <= {*range(n), 255}
    again, other = draw(size, seed=3), draw(size, seed=4)
    assert torch.equal(image, again[0]) and torch.equal(mask, again[1])
    assert not torch.equal(image, other[0])


def test_a_street_has_an_up_and_things_grow_towards_the_camera():
    masks = [street_scene(seed=s)[1] for s in range(40)]
    for mask in masks:
        rows = torch.arange(len(mask))[:, None].expand(mask.shape)
        assert rows[mask == 4].max() < rows[mask == 0].float().mean()  # sky above the road
        assert (mask[-1, 60:100] == 255).all()  # the bonnet
    people = [row for m in masks for row in objects(m, 6, min_px=8)]
    foot = [p["y"] + p["diameter_px"] / 2 for p in people]
    assert np.corrcoef(foot, [p["area_px"] for p in people])[0, 1] > 0.5
    seen = np.bincount(torch.stack(masks)[torch.stack(masks) < 255].numpy(), minlength=7)
    assert (seen > 0).all() and 0.002 < seen[6] / seen.sum() < 0.03


def test_the_same_land_at_another_size_of_a_pixel():
    fine, coarse = field_scene(seed=5)[1], field_scene((64, 64), seed=5, pixel_m=2)[1]
    assert (fine[1::2, 1::2] == coarse).float().mean() > 0.9
    with pytest.raises(InputError, match="1 to 4000 m"):
        field_scene((128, 128), pixel_m=100)


def test_the_image_shows_what_the_mask_says():
    rgb = {k: [] for k in range(6)}
    for s in range(20):
        image, mask = field_scene(seed=s)
        for k in mask.unique().tolist():
            if k < 255:
                rgb[k].append(image[:, mask == k].mean(1))
    mean = {k: torch.stack(v).mean(0) for k, v in rgb.items()}
    assert mean[3][1] < mean[0][1] < mean[2][1]  # water is dark, a road is bright
    for green in (0, 4, 5):
        assert mean[green][1] == mean[green].max()


def test_objects_that_touch_come_apart():
    labels = np.zeros((20, 20), int)
    labels[4:14, 2:10], labels[4:14, 10:18], labels[16:19, 2:5] = 5, 9, 2
    assert len(objects((labels > 0).astype(int), 1)) == 2
    mask = touching(labels, px=1)
    assert len(objects(mask, 1)) == 3 and set(mask.unique().tolist()) == {0, 1, 2}
    assert (mask[:, 9:11][4:14] == 2).all() and (mask[16:19, 2:5] == 1).all()
    assert torch.equal(touching(labels > 0) > 0, torch.from_numpy(labels > 0))
    assert not touching(np.zeros((4, 4), int)).any()
    with pytest.raises(InputError):
        touching(np.zeros((4, 4)))


def test_weights_balance_what_they_say_and_folders_come_back(tmp_path):
    mask = torch.zeros(10, 10, dtype=torch.long)
    mask[0, :4], mask[9] = 1, 255
    pairs = [(torch.rand(3, 10, 10), mask)] * 2
    parts = dict(train=pairs, valid=pairs[:1], test=pairs[:1])
    ds = load(write_pairs(tmp_path / "set", parts), classes=["a", "b", "c"])
    assert {p: len(d) for p, d in ds.items()} == dict(train=2, valid=1, test=1)
    assert torch.equal(sample(ds["test"], 0)[1], mask)
    share = torch.tensor([86.0, 4.0, 0.0]) / 90
    for power in (0, 0.5, 1):
        w = class_weights(ds["train"], 3, power)
        assert w[2] == 0 and float((w * share).sum()) == pytest.approx(1)
        assert float(w[1] / w[0]) == pytest.approx((86 / 4) ** power, rel=1e-5)
    mask[5, 5] = 2
    three = load(write_pairs(tmp_path / "three", parts), classes=["a", "b", "c"])
    with pytest.raises(InputError, match="value 2 with 2 classes"):
        class_weights(three["train"], 2)
    with pytest.raises(InputError, match=r"train\[0\]"):
        write_pairs(tmp_path / "other", dict(train=[1]))


@pytest.mark.parametrize("pixel_m", [0.02, 0.1, 0.25])
def test_land_from_a_drone_is_neither_black_nor_white(pixel_m):
    "Light that hardly changes within a picture must not be blown up by its tiny deviation."
    means = [float(field_scene(seed=s, pixel_m=pixel_m)[0].mean()) for s in range(10)]
    assert 0.15 < min(means) and max(means) < 0.7, means


def test_a_tiny_street_is_neither_black_nor_white():
    means = [float(street_scene((8, 8), seed=s)[0].mean()) for s in range(10)]
    assert 0.15 < min(means) and max(means) < 0.75, means


def pair(h=32, w=48, channels=3):
    return torch.rand(channels, h, w), torch.zeros(h, w, dtype=torch.long)


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_two_sets_never_mix_in_a_folder(tmp_path):
    folder = write_pairs(tmp_path / "set", dict(train=[pair()] * 3))
    before = files_in(folder)
    assert len(before) == 6
    with pytest.raises(InputError, match="holds pictures already; give a new folder"):
        write_pairs(folder, dict(train=[pair()]))
    assert files_in(folder) == before


@pytest.mark.parametrize(
    "parts, words",
    [
        (dict(train=[(pair(32)[0], pair(16)[1])]), "a picture of 32x48 and a mask of 16x48"),
        (dict(train=[pair(), pair(channels=2)]), r"train\[1\]: 2 channels"),
        (dict(train=[pair(), (pair()[0] * 2, pair()[1])]), r"train\[1\]: values .* in \[0, 1\]"),
        (dict(train=[pair(), 1]), r"train\[1\]=1"),
        ({"../x": [pair()]}, "parts="),
        ({"a/b": [pair()]}, "parts="),
        ({"": [pair()]}, "parts="),
        ({7: [pair()]}, "parts="),
    ],
)
def test_a_wrong_pair_or_name_is_refused_before_anything_is_written(tmp_path, parts, words):
    with pytest.raises(InputError, match=words) as caught:
        write_pairs(tmp_path / "in" / "set", parts)
    assert "\n" not in str(caught.value) and not files_in(tmp_path)


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="choose another folder") as caught:
            write_pairs(folder, dict(train=[pair()]))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("px", [1, 2, 3])
def test_how_far_a_border_reaches(px):
    "As the docstring says: gaps up to 2 px - 1, `px` pixels on each side of a seam."

    def row(gap, wide=9):
        return np.array([[1] * 9 + [0] * gap + [2] * wide])

    border = (touching(row(0), px)[0] == 2).nonzero()[:, 0].tolist()
    assert border == list(range(9 - px, 9 + px))
    assert (touching(row(2 * px - 1), px) == 2).any()
    assert not (touching(row(2 * px), px) == 2).any()
    for wide, left in ((px, 0), (px + 1, 1)):
        assert int((touching(row(0, wide), px)[0, 9:] == 1).sum()) == left


@pytest.mark.parametrize("power", [500, 4.5, -1, float("nan")])
def test_a_power_that_overflows_is_refused(tmp_path, power):
    mask = torch.zeros(100, 100, dtype=torch.long)
    mask[0, 0] = 1
    parts = dict(train=[(torch.rand(3, 100, 100), mask)] * 2, valid=[pair()], test=[pair()])
    ds = load(write_pairs(tmp_path, parts), classes=["a", "b"])["train"]
    with pytest.raises(InputError, match="from 0 to 4"):
        class_weights(ds, 2, power)
    steep = class_weights(ds, 2, 4)
    assert torch.isfinite(steep).all() and steep[1] > 1000 * steep[0]


# --- outlines ------------------------------------------------------------------------------------


def filled(corners, h, w):
    "The mask `(h w)` inside a polygon of upright and level sides, by even and odd."
    crossed, points = np.zeros((h, w + 1), int), np.reshape(corners, (-1, 2))
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        assert (x0 == x1) != (y0 == y1), "each side is upright or level, and of some length"
        if x0 == x1:
            crossed[min(y0, y1) : max(y0, y1), x0] += 1
    return crossed[:, :w].cumsum(axis=1) % 2 == 1


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_an_outline_filled_is_the_object(share):
    "Objects with holes, with holes in a diagonal row, with objects in their holes, at the border."
    noise = np.random.default_rng(0).random((40, 33)) < share
    numbers, n = ndimage.label(noise, np.ones((3, 3)))
    for k in range(1, n + 1):
        np.testing.assert_array_equal(filled(polygon(numbers == k), 40, 33), numbers == k)
    rings = np.ones((9, 9), bool)
    rings[1:8, 1:8], rings[3:6, 3:6] = False, True
    for one in (np.eye(7)[::-1] == 0, rings & (np.add.outer(range(9), range(9)) != 0)):
        inside = ndimage.label(one, np.ones((3, 3)))[0] == 1
        np.testing.assert_array_equal(filled(polygon(inside), *inside.shape), inside)


def test_an_outline_is_of_one_object():
    for mask, says in (
        (np.zeros((3, 3), int), "nothing in it"),
        (np.eye(3)[[0, 2, 1]] > 0, "more than one"),
    ):
        with pytest.raises(InputError, match=says):
            polygon(mask)
    rings = np.ones((9, 9), bool)
    rings[1:8, 1:8], rings[3:6, 3:6] = False, True  # one within a hole of the other
    with pytest.raises(InputError, match="more than one object"):
        polygon(rings)
