"""The scores for defects against scikit-learn and counting by force: ties, ignored pixels, images
of different size, kinds, errors."""

import json

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn import metrics as sk
from unet_explorer.contracts import InputError
from unet_explorer.detection import (
    as_detection_table,
    aupro,
    detection_scores,
    match,
    precision_recall,
)
from unet_explorer.images import IGNORE
from unet_explorer.metrics import auroc


def test_set(seed, n=5, ties=True):
    "Maps, truths of two kinds, with ignored pixels and some clean images, of different sizes."
    g = np.random.default_rng(seed)
    truths = [np.zeros(tuple(g.integers(20, 40, 2)), int) for _ in range(n)]
    for t in truths[: n - 2]:
        blobs = ndimage.gaussian_filter(g.normal(size=t.shape), 1.5)
        t[blobs > 0.25], t[blobs < -0.3] = 1, 2
        t[g.random(t.shape) < 0.05] = IGNORE
    maps = [g.normal(0, 1, t.shape) + 1.5 * ((t > 0) & (t < IGNORE)) for t in truths]
    return [np.round(m, 1) if ties else m for m in maps], truths


test_set.__test__ = False


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_against_sklearn(seed, ties):
    maps, truths = test_set(seed, ties=ties)
    s, y = (np.concatenate([a.ravel() for a in x]) for x in (maps, truths))
    seen = y != IGNORE
    a, b = s[seen], y[seen] > 0
    np.testing.assert_allclose(auroc(s, y), sk.roc_auc_score(b, a))
    ours = precision_recall(torch.tensor(s), torch.tensor(y))
    np.testing.assert_allclose(ours["ap"], sk.average_precision_score(b, a))
    p, r, _ = sk.precision_recall_curve(b, a)
    np.testing.assert_allclose(ours["f1_max"], np.nanmax(2 * p * r / np.maximum(p + r, 1e-12)))
    np.testing.assert_allclose(sk.f1_score(b, a >= ours["threshold"]), ours["f1_max"])
    scores = detection_scores(maps, truths, 0.7, ("clean", "a", "b"))
    dirty = [bool(((t > 0) & (t < IGNORE)).any()) for t in truths]
    by_image = sk.roc_auc_score(dirty, [m.max() for m in maps])
    np.testing.assert_allclose(scores["image_auroc"], by_image)
    np.testing.assert_allclose(scores["iou"], sk.jaccard_score(b, a > 0.7))
    np.testing.assert_allclose(scores["pixel_fpr"], (a[~b] > 0.7).mean())
    np.testing.assert_allclose([scores["ap"], scores["auroc"]], [ours["ap"], auroc(s, y)])
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def aupro_by_force(maps, truths, limit):
    "Thresholds one by one, defects one by one."
    curve = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        overlaps, false, clean = [], 0, 0
        for m, t in zip(maps, truths):
            for kind in (1, 2):
                pieces, n = ndimage.label(t == kind, np.ones((3, 3)))
                overlaps += [np.mean(m[pieces == r] >= threshold) for r in range(1, n + 1)]
            false, clean = false + np.sum(m[t == 0] >= threshold), clean + np.sum(t == 0)
        curve.append((false / clean, np.mean(overlaps)))
    x, y = np.array(curve).T
    fine = np.linspace(0, limit, 200_001)
    keep = np.r_[np.diff(x) > 0, True]  # the highest overlap at each rate
    return np.interp(fine, x[keep], y[keep]).mean()


@pytest.mark.parametrize("limit", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_aupro(seed, limit):
    maps, truths = test_set(seed)
    assert abs(aupro(maps, truths, limit) - aupro_by_force(maps, truths, limit)) < 2e-3
    assert aupro([t * 1.0 * (t < IGNORE) for t in truths], truths, limit) == pytest.approx(1)


def test_every_defect_has_one_vote():
    large, small = np.zeros((2, 40, 40))
    large[:20, :20] = 1
    small[30, 30] = 1
    truth = (large + small).astype(int)
    want = pytest.approx(aupro([small], [truth], 0.01), abs=0.02)
    assert aupro([large], [truth], 0.01) == want


def test_match():
    truth, alarm = np.zeros((30, 30), int), np.zeros((30, 30), bool)
    truth[5:9, 5:9] = 1
    truth[5:9, 9:12] = 2  # two kinds touch: two defects
    truth[20:24, 20:24] = 2
    alarm[6, 6] = True
    alarm[27, 3] = True
    alarm[20:22, 24:27] = True
    defects, false = match(alarm, truth)
    assert [(d["kind"], d["area"], d["found"]) for d in defects] == [
        (1, 16, True),
        (2, 12, False),
        (2, 16, False),
    ]
    assert [(f["y"], f["x"], f["area"]) for f in false] == [(27, 3, 1)]
    assert not match(alarm, truth, min_px=2)[1]
    for rules in (dict(min_px=2), dict(overlap=0.2)):
        assert not any(d["found"] for d in match(alarm, truth, **rules)[0])
    assert len(match(alarm, truth, slack=0)[1]) == 2
    assert match(np.zeros((4, 4), bool), np.zeros((4, 4), int)) == ([], [])
    with pytest.raises(InputError, match="compare with a threshold"):
        match(np.zeros((4, 4)), np.zeros((4, 4), int))  # the map itself


def test_kinds_sizes_and_false_alarms():
    truth, clean = np.zeros((50, 50), int), np.zeros((50, 50), int)
    truth[5:11, 5:11] = 1
    truth[20:40, 20:40] = 2
    found, noisy = (truth == 2) * 1.0, clean * 1.0
    noisy[3, 3] = noisy[9, 9] = 1
    s = detection_scores(
        [found, noisy, clean], [truth, clean, clean], 0.5, ("clean", "pit", "particle")
    )
    assert s["kinds"] == {"pit": {"found": 0, "n": 1}, "particle": {"found": 1, "n": 1}}
    assert s["defects"] == {"found": 1, "n": 2}
    assert s["sizes"]["under 8 px"] == {"found": 0, "n": 1}
    assert s["sizes"]["16 to 32 px"] == {"found": 1, "n": 1}
    assert s["false_alarms"] == 2 / 3 and s["false_images"] == 0.5 and s["n_clean"] == 2
    table = as_detection_table({"x": s})
    assert table.loc["pit", "x"] == "0/1 (0%)"
    assert table.loc["false alarms per image", "x"] == "0.67"


def test_nothing_to_count():
    clean = np.zeros((5, 5), int)
    s = detection_scores([clean * 1.0], [clean], 0.5)
    assert s["ap"] is s["aupro"] is s["auroc"] is s["image_auroc"] is s["iou"] is None
    assert s["false_images"] == 0


@pytest.mark.parametrize(
    "maps, truths, kw, say",
    [
        ([np.zeros((3, 3))], [], {}, "1 anomaly maps and 0 truths"),
        ([np.zeros((3, 3))], [np.zeros((3, 4), int)], {}, "image 0: anomaly map"),
        ([np.full((3, 3), np.inf)], [np.zeros((3, 3), int)], {}, "NaN or infinite"),
        ([np.zeros((3, 3))], [np.full((3, 3), 4)], {}, "class 4"),
        ([np.zeros((3, 3))], [np.zeros((3, 3), int)], dict(fpr=0), "fpr=0"),
        ([np.zeros((3, 3))], [np.zeros((3, 3))], {}, "image 0: truth: type float64"),
        ([np.zeros((3, 3))], [np.zeros((3, 3), int)], dict(bins=(8, 4)), "bins="),
        ([np.zeros((3, 3))], [np.zeros((3, 3), int)], dict(image_scores=[1, 2]), "shape"),
    ],
)
def test_errors(maps, truths, kw, say):
    with pytest.raises(InputError, match=say) as e:
        detection_scores(maps, truths, 0.5, **kw)
    assert "\n" not in str(e.value)
