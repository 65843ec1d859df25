"A lot that is its own reference: its pieces, whom they are compared with, its rate, its strength."

import numpy as np
import pytest
import torch

from unet_explorer import lots
from unet_explorer.anomaly import fit_normal
from unet_explorer.contracts import InputError
from unet_explorer.lots import fit_lot, lot_of, lot_scores, own_threshold, strength
from unet_explorer.promise import lot_threshold
from unet_explorer.simulate import inspection_set

SETTING = dict(layouts=("lines",), size=(80, 96))


def noisy(n, h, w, channels=1):
    g = torch.Generator().manual_seed(n)
    return [torch.rand(channels, h, w, generator=g) for _ in range(n)]


@pytest.fixture(scope="module")
def pictures():
    return [r["image"] for r in inspection_set(20, defects=(), seed=2, **SETTING)]


@pytest.fixture(scope="module")
def lot(pictures):
    return lot_of(pictures)


@pytest.fixture(scope="module")
def memory(lot):
    return fit_lot(lot, "memory")


@pytest.mark.parametrize(
    "n, h, w, pieces, piece, share, whole",
    [
        (20, 80, 96, 20, (80, 96), 1, True),
        (20, 600, 700, 20, (512, 512), 512**2 / (600 * 700), False),
        (5, 200, 300, 20, (100, 150), 1 / 4, False),
        (1, 400, 330, 25, (80, 66), 1 / 25, False),
        (7, 130, 130, 28, (65, 65), 1 / 4, False),
    ],
)
def test_how_a_lot_is_cut(n, h, w, pieces, piece, share, whole):
    lot = lot_of(noisy(n, h, w))
    assert len(lot.pieces) == pieces and {p.shape[1:] for p in lot.pieces} == {piece}
    assert lot.owners == [i for i in range(n) for _ in range(pieces // n)]
    assert lot.share == pytest.approx(share, rel=0.02) and lot.whole == whole


def test_pieces_are_cut_where_they_are_and_so_is_the_other_die():
    images = noisy(5, 131, 202)
    lot = lot_of(images, [1 - i for i in images])
    assert torch.equal(lot.pieces[0], images[0][:, :65, :101])
    assert torch.equal(lot.pieces[7], images[1][:, 65:130, 101:202])
    assert all(torch.equal(r, 1 - p) for p, r in zip(lot.pieces, lot.references))


def test_of_unequal_pictures_the_middles_are_taken():
    images = noisy(12, 90, 100) + noisy(12, 80, 140)
    lot = lot_of(images)
    assert {p.shape for p in lot.pieces} == {(1, 80, 100)} and not lot.whole
    assert torch.equal(lot.pieces[0], images[0][:, 5:85])
    assert torch.equal(lot.pieces[-1], images[-1][:, :, 20:120])


def test_empty_pieces_are_left_out_with_their_dies():
    images = noisy(24, 70, 70)
    images[3] = torch.full((1, 70, 70), 0.4)
    lot = lot_of(images, images)
    assert len(lot.pieces) == len(lot.references) == 23 and 3 not in lot.owners and not lot.whole


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda: lot_of(noisy(5, 100, 100)), "5 pictures make 5 pieces .* 20 are needed"),
        (lambda: lot_of([]), "at least one"),
        (lambda: lot_of([3, 4]), "give a list of pictures"),
        (lambda: lot_of(noisy(20, 70, 70), noisy(19, 70, 70)), "one for each picture"),
        (lambda: lot_of(noisy(20, 70, 70), noisy(20, 70, 60)), "of its channels and size"),
        (lambda: lot_of(noisy(20, 70, 70), size=(80, 70)), "the smallest picture is 70x70"),
        (lambda: fit_lot(lot_of(noisy(1, 400, 330)), "memory"), "it takes 8 pictures"),
        (lambda: fit_lot(lot_of(noisy(1, 400, 330)), "place"), "it takes 20 pictures, all of"),
        (lambda: fit_lot(lot_of(noisy(20, 70, 70)), "padim"), "padim"),
        (
            lambda: fit_lot(lot_of(noisy(20, 70, 70), noisy(20, 70, 70)), "own"),
            "leave one of the two out",
        ),
    ],
)
def test_what_is_no_lot_is_one_line(call, rule):
    with pytest.raises(InputError, match=rule) as e:
        call()
    assert "\n" not in str(e.value)


def test_no_piece_is_compared_with_its_own_picture(pictures):
    "A square on two pieces of one picture does not excuse itself."
    wide = [torch.cat([p, p.flip(2)], 2) for p in pictures[:10]]
    images = [torch.cat([w, w.flip(1)], 1) for w in wide]
    for left in (40, 130):
        images[4][:, 30:42, left : left + 14] = 0.95
    lot = lot_of(images)
    detector = fit_lot(lot, "memory")
    scores = np.array(lot_scores(detector, lot))
    mine = np.flatnonzero(np.array(lot.owners) == 4)
    odd = [i for i in mine if (lot.pieces[i] > 0.949).float().mean() > 0.005]
    assert len(odd) >= 2 and set(np.argsort(scores)[-2:]) <= set(odd)
    asked = detector.anomaly_map(lot.pieces[odd[0]]).max()
    assert asked < scores[odd[0]] - 0.5


def test_the_threshold_is_that_of_the_scores(lot, memory):
    scores = lot_scores(memory, lot)
    assert own_threshold(memory, lot, 0.1) == lot_threshold(scores, 0.1)
    quarter = lot._replace(share=0.25)
    assert own_threshold(memory, quarter, 0.1) == lot_threshold(scores, 1 - 0.9**0.25)


def test_known_scores_of_clean_pictures_count(pictures, lot):
    detector = fit_normal(pictures[:10], method="own")
    usual = np.linspace(1, 3, 40).tolist()
    detector.about["scores"] = usual
    scores = lot_scores(detector, lot)
    assert own_threshold(detector, lot, 0.1) == lot_threshold(scores, 0.1, usual)
    assert own_threshold(detector, lot._replace(whole=False), 0.1) == lot_threshold(scores, 0.1)


def test_strength_counts_what_is_above_the_threshold(lot, memory):
    never, always = (strength(memory, lot, t, n=6) for t in (1e6, -1e6))
    assert (never.planted, never.flagged, always.flagged) == (6, 0, 6)
    limits = np.quantile(lot_scores(memory, lot), [0.2, 0.9])
    counts = [strength(memory, lot, t, n=10).flagged for t in limits]
    assert counts[0] >= counts[1], "a lower threshold flags no less"
    assert strength(memory, lot, limits[1], n=10) == strength(memory, lot, limits[1], n=10)


def test_planting_leaves_the_lot_as_it_is(lot, memory):
    before = [p.clone() for p in lot.pieces]
    strength(memory, lot, 1.0, n=4)
    assert all(map(torch.equal, before, lot.pieces))


class Spy:
    "A detector that notes what it is shown, and finds nothing."

    def __init__(self, detector):
        self.detector, self.shown = detector, []

    def __call__(self, image, reference=None, without=None):
        self.shown.append((image, without))
        return np.zeros(image.shape[1:], np.float32)


def test_what_is_planted_is_plain_and_four_fit_into_a_large_piece(monkeypatch, memory):
    images = [r["image"] for r in inspection_set(20, ("lines",), (), size=(256, 256), seed=3)]
    lot, spy = lot_of(images), Spy(memory)
    monkeypatch.setattr(memory, "anomaly_map", spy)
    strong = strength(memory, lot, 1.0)
    assert strong == (20, 0, (10, 20)) and len(spy.shown) <= 8, "a few maps, and not twenty"
    for image, without in spy.shown:
        change = (image - lot.pieces[lot.owners.index(without)]).abs()[0]
        quarters = [q for half in change.chunk(2, 0) for q in half.chunk(2, 1)]
        for q in quarters:
            changed = q > 1e-6
            if changed.any():
                y, x = np.nonzero(changed.numpy())
                assert max(np.ptp(y), np.ptp(x)) < 34, "20 px, and soft seams"
                assert changed.sum() >= 60 and q[changed].mean() > 0.4 * image.std()


def test_where_nothing_plain_can_be_made_it_ends(monkeypatch, lot, memory):
    "A defect that changes nothing is none; and nobody waits for ever."
    tries = []

    def faint(image, rng, donor, **how):
        tries.append(how["sizes"])
        return image, torch.ones(image.shape[1:], dtype=torch.int64), None

    monkeypatch.setattr(lots, "implant", faint)
    assert strength(memory, lot, 1.0, n=3) == (0, 0, (10, 20)) and len(tries) <= 1000


def test_small_pieces_get_small_defects(memory):
    lot = lot_of([p[:, :36, :40] for p in noisy(20, 64, 64)])
    sizes = strength(memory, lot, 1.0, n=1).sizes
    assert sizes == (10, 12)
