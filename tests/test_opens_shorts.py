"""Opens and shorts: random drawings against a count by walking, the mirror image, and n added,
n found on the real layers at full size."""

import re

import numpy as np
import pytest
from conftest import required
from scipy import ndimage
from unet_explorer.contracts import InputError
from unet_explorer.images import IGNORE
from unet_explorer.metrics import boundary_f1, opens_shorts

KINDS = ("opens", "shorts", "missing", "extra")


def counts(pred, truth, **kw):
    found = opens_shorts(pred, truth, **kw)
    assert found["total"] == sum(found[k] for k in KINDS)
    return tuple(found[k] for k in KINDS)


def flood(mask):
    "Pieces as sets of pixels, by walking."
    left, pieces = set(map(tuple, np.argwhere(mask).tolist())), []
    while left:
        edge, piece = [left.pop()], set()
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            for p in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if p in left:
                    left.remove(p)
                    edge.append(p)
        pieces.append(piece)
    return pieces


def by_force(pred, truth):
    t, p = flood(truth), flood(pred)
    seen = [[bool(a & b) for b in p] for a in t]
    of_t = [sum(row) for row in seen]
    of_p = [sum(row[j] for row in seen) for j in range(len(p))]
    opens, shorts = (sum(k - 1 for k in of if k > 1) for of in (of_t, of_p))
    return opens, shorts, of_t.count(0), of_p.count(0)


@pytest.mark.parametrize("seed", range(20))
def test_against_walking_and_mirror(seed):
    g = np.random.default_rng(seed)
    truth = (ndimage.gaussian_filter(g.normal(size=(28, 31)), 1.2) > 0).astype(int)
    pred = np.where(g.random(truth.shape) < 0.12, 1 - truth, truth)
    o, s, m, e = counts(pred, truth)
    assert (o, s, m, e) == by_force(pred, truth)
    sites = [site["kind"] for site in opens_shorts(pred, truth)["sites"]]
    assert sites.count("open") >= o and sites.count("short") >= s
    assert sites.count("missing") == m and sites.count("extra") == e
    assert counts(truth, pred) == (s, o, e, m)
    assert counts(truth, truth) == (0, 0, 0, 0)


def test_small_pieces_and_slivers():
    truth = np.zeros((20, 30), int)
    truth[2:8], truth[10:16] = 1, 1
    pred = truth.copy()
    pred[0, 0] = 1  # a speck
    assert counts(pred, truth) == (0, 0, 0, 1) and counts(pred, truth, min_px=2) == (0, 0, 0, 0)
    pred = truth.copy()
    pred[8:10, 3] = 1  # a hair bridges the wires
    assert counts(pred, truth, min_px=2) == (0, 1, 0, 0)
    (site,) = opens_shorts(pred, truth)["sites"]
    assert site["kind"] == "short" and site["x"] == 3 and 8 <= site["y"] < 10
    shifted = np.roll(truth, 3, axis=0)  # the upper wire reaches one row of the lower one
    assert counts(shifted, truth)[1] == 1 and counts(shifted, truth, min_px=40)[1] == 0


@pytest.mark.parametrize("cuts, width", [((8, 20), 1), ((4, 12, 25), 3)])
def test_one_region_that_parts_a_wire_often(cuts, width):
    """A loss along the whole rim, and across at some places: a site at each of them, not in the
    middle of the region."""
    truth = np.ones((9, 32), int)
    pred = truth.copy()
    pred[0, 1:-1] = 0
    for x in cuts:
        pred[:, x : x + width] = 0
    want = [(4.5, x + (width - 1) / 2) for x in cuts]
    for a, b, kind in ((pred, truth, "open"), (truth, pred, "short"), (pred.T, truth.T, "open")):
        found = opens_shorts(a, b)
        assert found[f"{kind}s"] == found["total"] == len(cuts)
        along, across = "xy" if a.shape == truth.shape else "yx"
        sites = sorted((s[along], s[across]) for s in found["sites"])
        np.testing.assert_allclose([(y, x) for x, y in sites], want, atol=0.6)


def test_ignored_pixels_and_other_classes():
    truth = np.zeros((9, 9), int)
    truth[4] = 2
    pred = truth.copy()
    pred[4, 4] = 0
    assert counts(pred, truth, metal=2) == (1, 0, 0, 0) and counts(pred, truth) == (0, 0, 0, 0)
    truth[4, 4] = IGNORE
    assert counts(pred, truth, metal=2) == (0, 0, 0, 0)
    assert np.isnan(boundary_f1(np.zeros((4, 4), int), np.full((4, 4), IGNORE)))


def test_boundary_f1():
    square, nothing = np.zeros((30, 30), int), np.zeros((30, 30), int)
    square[10:20, 10:20] = 1
    assert boundary_f1(square, square, 0) == 1
    assert boundary_f1(nothing, square) == boundary_f1(square, nothing) == 0
    for flat in (nothing, nothing + 1):  # no contour in the image
        assert np.isnan(boundary_f1(flat, flat))
    moved = np.roll(square, 3, 0)
    assert boundary_f1(moved, square, 3) == 1 > boundary_f1(moved, square, 2)


def test_errors_are_one_line():
    for f in (opens_shorts, boundary_f1):
        with pytest.raises(InputError, match="equal size"):
            f(np.zeros((3, 4), int), np.zeros((4, 3), int))
    with pytest.raises(InputError, match="min_px=0"):
        opens_shorts(np.zeros((3, 3), int), np.zeros((3, 3), int), min_px=0)


# Real layers --------------------------------------------------------------------------------------


def layer(number):
    from PIL import Image, ImageDraw
    from unet_explorer.data import cache_dir

    path = cache_dir() / "ic_layout" / f"label{number:04d}.svg"
    if not path.is_file():
        required("DATA")(f"{path.name} is not in the data cache")
    picture = Image.new("1", (4096, 3536))
    for outline in re.findall(r'd="M([^Z"]*)', path.read_text(encoding="utf-8")):
        corners = [tuple(map(float, p.split(","))) for p in outline.replace("L", " ").split()]
        ImageDraw.Draw(picture).polygon(corners, fill=1)
    return np.array(picture, np.uint8)


def add_faults(mask, n, seed):
    """`n` bridges between two pieces and `n` cuts that part a piece in two, never two at one piece;
    the places are found with scipy, `metrics` counts with scikit-image."""
    rng, out, used = np.random.default_rng(seed), mask.copy(), set()
    made = {"bridge": [], "cut": []}
    pieces = ndimage.label(mask)[0]
    boxes = ndimage.find_objects(pieces)
    for kind, places in made.items():
        for _ in range(30000):
            if len(places) == n:
                break
            y, x = (int(rng.integers(60, s - 60)) for s in mask.shape)
            if mask[y, x] != (kind == "cut"):
                continue
            row = mask[y]
            a, b = x, x
            while row[a - 1] == row[x] and x - a < 50:
                a -= 1
            while row[b] == row[x] and b - x < 50:
                b += 1
            if row[a - 1] == row[x] or row[b] == row[x]:
                continue
            strip = np.s_[y - 1 : y + 2, a - 1 : b + 1]
            ids = set(pieces[strip].ravel().tolist()) - {0}
            if (
                ids & used
                or len(ids) != (2 if kind == "bridge" else 1)
                or (kind == "bridge" and pieces[y, a - 1] == pieces[y, b])
            ):
                continue
            if kind == "cut":
                (i,) = ids
                box = boxes[i - 1]
                rest = pieces[box] == i
                top, left = box[0].start, box[1].start
                rows = slice(max(y - 1 - top, 0), y + 2 - top)
                columns = slice(max(a - 1 - left, 0), b + 1 - left)
                rest[rows, columns] = False
                if ndimage.label(rest)[1] != 2:
                    continue
            out[strip] = kind == "bridge"
            used |= ids
            places.append((y, x))
    return out, made


@pytest.mark.parametrize("number", range(10))
def test_n_added_n_found(number):
    truth = layer(number)
    faulty, made = add_faults(truth, 12, seed=number)
    n_bridges, n_cuts = len(made["bridge"]), len(made["cut"])
    assert n_bridges >= 10 and n_cuts >= 10, made
    found = opens_shorts(faulty, truth)
    assert tuple(found[k] for k in KINDS) == (n_cuts, n_bridges, 0, 0)
    for kind, places in (("short", made["bridge"]), ("open", made["cut"])):
        sites = np.array([(s["y"], s["x"]) for s in found["sites"] if s["kind"] == kind])
        assert all(np.abs(sites - p).max(1).min() <= 50 for p in places)
