"Thresholds: the conformal promise; a lot that sets its own, how it moves, and when it refuses."

import numpy as np
import pytest
from scipy import stats

from unet_explorer.contracts import InputError
from unet_explorer.promise import SMALLEST_LOT, conformal, lot_threshold

SHAPES = dict(gamma=stats.gamma(3), normal=stats.norm(), gumbel=stats.gumbel_r())


@pytest.mark.parametrize("n, fpr", [(19, 0.05), (20, 0.05), (50, 0.1), (9, 0.1), (99, 0.01)])
def test_the_promise_holds(n, fpr):
    g = np.random.default_rng(n)
    alarms = [g.gamma(0.5) > conformal(g.gamma(0.5, size=n), fpr) for _ in range(3000)]
    assert np.mean(alarms) < fpr + 3 * np.sqrt(fpr / 3000)
    assert conformal(range(n), fpr) <= n - 1


def test_the_promise_is_not_stricter_than_it_must_be():
    "With (n + 1) fpr whole, the rate is exactly fpr for scores without ties."
    g = np.random.default_rng(0)
    alarms = [stats.norm.sf(conformal(g.normal(size=39), 0.05)) for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize(
    "fpr, rank",
    [(0.1, 9), (0.2, 8), (0.5, 5), (0.89, 2)],
)
def test_the_rank_of_nine(fpr, rank):
    assert conformal([7, 3, 1, 9, 2, 8, 4, 6, 5], fpr) == rank


def test_too_few_for_a_promise():
    for n, fpr in ((18, 0.05), (8, 0.1), (0, 0.5)):
        with pytest.raises(InputError, match="cannot promise"):
            conformal(np.zeros(n), fpr)
    with pytest.raises(InputError, match="fpr=1"):
        conformal(np.zeros(5), 1)


def a_lot(name, n, share, g, far=(1, 6)):
    "Scores of a lot, those of its odd pictures, and of clean pictures from elsewhere."
    shape, odd = SHAPES[name], round(n * share)
    high = shape.rvs(odd, random_state=g) + shape.std() * g.uniform(*far, odd)
    return np.r_[shape.rvs(n - odd, random_state=g), high], high, shape.rvs(60, random_state=g)


def rates(name, n, share, known, lots=150, far=(1, 6)):
    "False alarms, exact for each threshold, and odd pictures found: means over many lots."
    g, alarms, found = np.random.default_rng(0), [], []
    for _ in range(lots):
        scores, high, usual = a_lot(name, n, share, g, far)
        t = lot_threshold(3 * scores + 7, usual=usual if known else None)
        alarms.append(SHAPES[name].sf((t - 7) / 3))
        found.append(np.mean(3 * high + 7 > t) if len(high) else np.nan)
    return np.mean(alarms), np.mean(found)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n", [20, 50, 200])
def test_a_clean_lot_comes_near_the_promise(name, n):
    alarms, _ = rates(name, n, 0, known=True)
    assert 0.03 < alarms < (0.13 if n == 20 else 0.09)


@pytest.mark.parametrize("n", [50, 200])
def test_without_clean_scores_the_shape_is_taken_for_gumbel(n):
    assert rates("gumbel", n, 0, known=False)[0] == pytest.approx(0.05, abs=0.015)
    assert rates("normal", n, 0, known=False)[0] < 0.02, "a shorter tail: too cautious"


@pytest.mark.parametrize("name", SHAPES)
def test_odd_pictures_are_taken_off_the_count(name):
    "A line through the lower half of all scores has 0.011 to 0.014, and finds 0.49, 0.67, 0.54."
    alarms, found = rates(name, 200, 0.3, known=True)
    assert 0.02 < alarms < 0.07
    assert found > dict(gamma=0.52, normal=0.7, gumbel=0.57)[name]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("known", [True, False])
def test_more_odd_ones_make_it_more_cautious_and_then_it_fails(name, known):
    one, three, seven = (rates(name, 50, s, known, far=(3, 6)) for s in (0.1, 0.3, 0.7))
    assert one[0] > seven[0] and three[0] > seven[0]
    assert one[1] > 0.75 and seven[1] < 0.2


@pytest.mark.parametrize("share", [0, 0.3])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("a, b", [(2.5, -4), (1e-3, 0.2), (1, 100)])
def test_scaled_and_moved_scores_scale_and_move_it(share, known, a, b):
    scores, _, usual = a_lot("gamma", 60, share, np.random.default_rng(1))
    usual = usual if known else None
    t = lot_threshold(scores, usual=usual)
    assert lot_threshold(a * scores + b, usual=usual) == pytest.approx(a * t + b, rel=1e-9)
    if known:
        assert lot_threshold(scores, usual=a * usual + b) == pytest.approx(t, rel=1e-6)
    shuffled = np.random.default_rng(2).permutation(scores)
    assert lot_threshold(shuffled, usual=usual) == t


def test_on_a_line_it_is_exact():
    p = (np.arange(1, 81) - 0.44) / 80.12
    want = 3 + 2 * stats.gumbel_r.ppf(0.9)
    assert lot_threshold(3 + 2 * stats.gumbel_r.ppf(p), 0.1) == pytest.approx(want)


@pytest.mark.parametrize("odd", [0, 0.2, 0.5, 0.8, 1])
@pytest.mark.parametrize("fpr", [0.02, 0.05, 0.5, 0.95])
def test_any_share_and_rate_gives_a_number(odd, fpr):
    g = np.random.default_rng(0)
    usual = g.gamma(3, size=60)
    for scores in (g.gamma(3, size=20), np.r_[np.zeros(15), np.full(5, 9.0)], np.zeros(20)):
        for known in (usual, None, np.zeros(60)):
            assert np.isfinite(lot_threshold(scores, fpr, known, odd=odd))


def test_a_smaller_rate_gives_a_higher_threshold():
    scores, _, usual = a_lot("gumbel", 100, 0, np.random.default_rng(4))
    for known in (usual, None):
        ts = [lot_threshold(scores, f, known) for f in (0.3, 0.1, 0.05, 0.02)]
        assert ts == sorted(ts)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: lot_threshold(np.arange(SMALLEST_LOT - 1)), "at least 20 are needed"),
        (lambda: lot_threshold([]), "0 pictures in the lot"),
        (lambda: lot_threshold(np.r_[np.arange(30.0), np.nan]), "scores: some are NaN"),
        (lambda: lot_threshold(np.r_[np.arange(30.0), np.inf]), "infinite"),
        (lambda: lot_threshold(np.zeros((30, 2))), r"array of numbers \(n\)"),
        (lambda: lot_threshold("loud"), "scores="),
        (lambda: lot_threshold(np.arange(30), 0), "fpr=0"),
        (lambda: lot_threshold(np.arange(30), odd=1.5), "odd=1.5"),
        (lambda: lot_threshold(np.arange(30), 0.01, np.arange(30)), "cannot promise a rate"),
        (lambda: lot_threshold(np.arange(30), usual=[]), "0 held-out clean pictures"),
        (lambda: lot_threshold(np.arange(30), usual=[0.1] * 30 + [np.nan]), "usual: some are NaN"),
        (lambda: conformal([1, np.nan] * 20), "scores: some are NaN"),
        (lambda: conformal(5), "scores=5"),
    ],
)
def test_refusals_are_one_line(call, said):
    with pytest.raises(InputError, match=said) as e:
        call()
    assert "\n" not in str(e.value)
