"""The scores against scikit-learn, smp, scikit-image and counting by force, over many random masks;
ignored pixels; absent classes; errors."""

import json

import numpy as np
import pytest
import segmentation_models_pytorch.metrics as smp
import torch
from scipy import stats
from skimage.measure import label
from skimage.metrics import adapted_rand_error
from sklearn import metrics as sk

from unet_explorer.contracts import InputError
from unet_explorer.images import IGNORE
from unet_explorer.metrics import (
    as_table,
    auroc,
    confusion,
    dice,
    evaluate,
    iou,
    pixel_accuracy,
    pooled_iou,
    rand_f,
    rand_scores,
)


def random_masks(seed, k, shape=(23, 31), ignored=0.1):
    g = np.random.default_rng(seed)
    truth = g.choice(k, shape, p=g.dirichlet(np.ones(k)))
    pred = np.where(g.random(shape) < 0.7, truth, g.integers(0, k, shape))
    truth = np.where(g.random(shape) < ignored, IGNORE, truth)
    return pred, truth


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("seed", range(12))
def test_against_sklearn_and_smp(seed, k):
    pred, truth = random_masks(seed, k)
    seen = truth != IGNORE
    p, t = pred[seen], truth[seen]
    cm = confusion(pred, truth, k)
    assert cm.dtype == np.int64 and (cm == sk.confusion_matrix(t, p, labels=range(k))).all()
    occurs = cm.sum(0) + cm.sum(1) > 0
    assert (np.isnan(iou(cm)) == ~occurs).all() and (np.isnan(dice(cm)) == ~occurs).all()
    np.testing.assert_allclose(
        iou(cm)[occurs],
        sk.jaccard_score(t, p, labels=range(k), average=None, zero_division=0)[occurs],
    )
    np.testing.assert_allclose(
        dice(cm)[occurs], sk.f1_score(t, p, labels=range(k), average=None, zero_division=0)[occurs]
    )
    np.testing.assert_allclose(pixel_accuracy(cm), sk.accuracy_score(t, p))
    hot = [torch.tensor(m == np.arange(k)[:, None])[None] for m in (p, t)]
    micro = smp.iou_score(*smp.get_stats(*hot, mode="multilabel"), reduction="micro")
    np.testing.assert_allclose(pooled_iou(pred, truth, k), float(micro), rtol=1e-6)
    assert pooled_iou(pred == np.arange(k)[:, None, None], truth, k) == pooled_iou(pred, truth, k)
    a = pixel_accuracy(cm)
    np.testing.assert_allclose(pooled_iou(pred, truth, k), a / (2 - a))


@pytest.mark.parametrize("cell", [0, 1])
@pytest.mark.parametrize("seed", range(12))
def test_rand_against_skimage_and_force(seed, cell):
    g = np.random.default_rng(seed)
    truth, pred = (g.random((2, 14, 13)) < 0.3).astype(int) ^ cell
    truth[0, :5] = IGNORE
    ours = rand_scores(pred, truth, cell, grow=False)
    a, b = (label(m == cell, connectivity=1) for m in (truth, pred))
    alone = b == 0
    b[alone] = b.max() + 1 + np.arange(alone.sum())
    assert np.isclose(ours["rand_f"], 1 - adapted_rand_error(a, b, ignore_labels=(0,))[0])
    t, p = a[a > 0], b[a > 0]
    same_t, same_p = (np.triu(x[:, None] == x, 1) for x in (t, p))
    both = (same_t & same_p).sum()
    np.testing.assert_allclose(
        [ours["rand_split"], ours["rand_merge"]], [both / same_t.sum(), both / same_p.sum()]
    )
    assert rand_f(truth, truth, cell) == 1 and rand_f(pred, pred, cell, grow=False) == 1


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_rand_does_not_mind_the_width_of_a_wall(width):
    truth = np.zeros((30, 31), int)
    truth[:, 15] = 1
    truth[10] = 1
    wide = np.zeros_like(truth)
    wide[:, 15 - width // 2 : 16 + width // 2] = 1
    wide[10 - width // 2 : 11 + width // 2] = 1
    assert rand_f(wide, truth) == 1
    assert rand_f(wide, truth, grow=False) < 1 or width == 1


def test_rand_at_its_ends():
    truth = np.zeros((9, 9), int)
    truth[:, 4] = 1
    merged, split = rand_scores(0 * truth, truth), rand_scores(0 * truth + 1, truth)
    assert merged["rand_split"] == 1
    assert merged["rand_merge"] == pytest.approx(2 * 36 * 35 / (72 * 71))
    assert split["rand_f"] == split["rand_split"] == 0  # no cell at all
    assert np.isnan(split["rand_merge"])
    for no_cell in (1, IGNORE):  # in the truth
        scores = rand_scores(truth, 0 * truth + no_cell).values()
        assert all(np.isnan(v) for v in scores if v != 0)
    assert np.isnan(rand_f([[0]], [[0]]))  # one pixel makes no pair


def test_many_cells_do_not_overflow():
    truth = np.zeros((600, 600), np.uint8)
    truth[::2] = 1
    truth[:, ::2] = 1  # 90000 cells of one pixel
    assert rand_scores(0 * truth, truth)["rand_merge"] == 0
    big = np.zeros((1500, 1500), np.uint8)
    assert rand_f(big, big) == 1


def test_ignored_pixels_do_not_count():
    pred, truth = random_masks(0, 3)
    before = evaluate([pred], [truth], list("abc"))
    pred[truth == IGNORE] = 200  # whatever stands there
    pred[truth == IGNORE][::2] = -1
    after = evaluate([pred], [truth], list("abc"))
    assert before == after and after["n_pixels"] == (truth != IGNORE).sum()
    nothing = evaluate([pred], [0 * truth + IGNORE], list("abc"), "a")
    assert nothing["n_pixels"] == 0
    assert nothing["accuracy"] is nothing["mean_iou"] is nothing["rand_f"] is None
    row = list(as_table(nothing).loc["a"])
    assert row[:3] == ["n/a"] * 3 and not any(row[3:])


def test_absent_class():
    truth = np.zeros((4, 4), int)
    s = evaluate([truth, truth], [truth, truth], ["a", "b", "c"])
    assert s["iou"] == {"a": 1, "b": None, "c": None} and s["mean_iou"] == 1
    wrong = truth.copy()
    wrong[0, 0] = 1  # predicted, but nowhere true: that is an error, not "absent"
    s = evaluate([wrong], [truth], ["a", "b", "c"])
    assert s["iou"]["b"] == 0 and s["dice"]["b"] == 0 and s["iou"]["c"] is None


@pytest.mark.parametrize("seed", range(5))
def test_evaluate_pools(seed):
    pairs = [random_masks(seed * 10 + i, 3, shape=(5 + i, 9)) for i in range(4)]  # sizes differ
    preds, truths = zip(*pairs)
    s = evaluate(preds, truths, ["a", "b", "c"], 0)
    total = sum(confusion(p, t, 3) for p, t in pairs)
    assert s["confusion"] == total.tolist()
    assert list(s["iou"].values()) == pytest.approx(list(iou(total)), nan_ok=True)
    assert s["pooled_iou"] == pytest.approx(np.mean([pooled_iou(p, t, 3) for p, t in pairs]))
    assert s["rand_f"] == pytest.approx(np.nanmean([rand_f(p, t) for p, t in pairs]))
    assert s["n_images"] == 4 and len(s["per_image"]) == 4 and s["classes"] == ["a", "b", "c"]
    assert json.loads(json.dumps(s, allow_nan=False)) == s
    assert list(as_table(s).index) == ["a", "b", "c", "all"]
    as_tensors = [[torch.tensor(m) for m in masks] for masks in (preds, truths)]
    assert evaluate(*as_tensors, ["a", "b", "c"], 0) == s


def test_the_objects_are_a_class_not_a_number():
    "Same picture, classes numbered the other way round: the same Rand F."
    wall = np.zeros((9, 9), int)
    wall[:, 4] = 1
    gap = wall.copy()
    gap[3:5, 4] = 0
    of_cells = evaluate([gap], [wall], ["cell", "membrane"], "cell")
    swapped = evaluate([1 - gap], [1 - wall], ["membrane", "cell"], "cell")
    assert of_cells["rand_f"] == swapped["rand_f"] == rand_f(gap, wall, 0) < 0.7
    assert of_cells["objects"] == swapped["objects"] == "cell"
    assert evaluate([gap], [wall], ["cell", "membrane"], "membrane")["rand_f"] > 0.5
    assert "rand_f" not in evaluate([gap], [wall], ["cell", "membrane"])
    assert "Rand F of cell" in as_table(swapped)


def drifting(n, seed):
    "Masks of `n` images whose share of right pixels scatters around 0.8 from image to image."
    g = np.random.default_rng(seed)
    truths = [g.integers(0, 2, (16, 16)) for _ in range(n)]
    right = g.beta(24, 6, n)
    return [np.where(g.random(t.shape) < r, t, 1 - t) for t, r in zip(truths, right)], truths


def test_an_interval_is_that_of_student():
    "Accuracy on images of one size is a mean, so there is a closed form."
    for n in (6, 12, 80):
        s = evaluate(*drifting(n, n), ["a", "b"])
        each = np.array([i["accuracy"] for i in s["per_image"]])
        half = stats.t.ppf(0.975, n - 1) * each.std(ddof=1) / np.sqrt(n)
        low, high = s["interval"]["accuracy"]
        assert (high - low) / 2 == pytest.approx(half, rel=0.12)
        assert (high + low) / 2 == pytest.approx(each.mean(), abs=0.25 * half)
        assert s["interval"]["dice"]["b"][0] < s["dice"]["b"] < s["interval"]["dice"]["b"][1]
        assert s["interval"] == evaluate(*drifting(n, n), ["a", "b"])["interval"]


def test_an_interval_holds_the_truth_as_often_as_it_says():
    ends = [evaluate(*drifting(8, i), ["a", "b"])["interval"]["accuracy"] for i in range(60)]
    assert 0.87 <= np.mean([low <= 0.8 <= high for low, high in ends])  # 80 % if cut at 10 %


def test_whole_groups_are_drawn():
    preds, truths = drifting(8, 1)
    sixfold = [p for p in preds for _ in range(6)], [t for t in truths for _ in range(6)]
    group = [f"wafer{i // 6}" for i in range(48)]
    alone = evaluate(preds, truths, ["a", "b"])["interval"]
    copies = evaluate(*sixfold, ["a", "b"], groups=group)["interval"]
    assert copies["of"] == "groups" and copies["n"] == 8
    assert copies["dice"]["a"] == pytest.approx(alone["dice"]["a"])  # six copies teach nothing
    as_images = evaluate(*sixfold, ["a", "b"])["interval"]
    assert as_images["of"] == "images" and "specimen" in as_images["note"]
    width = [np.ptp(s["mean_iou"]) for s in (copies, as_images)]
    assert width[1] < 0.6 * width[0]
    few = evaluate(preds, truths, ["a", "b"], groups=[1, 1, 1, 1, 2, 2, 2, 2])["interval"]
    assert few["of"] == "images" and "2 groups" in few["note"] and "larger" in few["note"]


def test_no_interval_where_there_is_nothing_to_tell():
    preds, truths = drifting(4, 0)
    few = evaluate(preds, truths, ["a", "b"], 0)["interval"]
    assert "4 images are too few" in few["note"] and set(few) == {"level", "of", "n", "note"}
    preds, truths = drifting(9, 0)
    truths = [np.where(t == 1, 2, 0) if i < 4 else t for i, t in enumerate(truths)]
    preds = [np.where(t == 2, 2, np.minimum(p, 1)) for p, t in zip(preds, truths)]
    rare = evaluate(preds, truths, ["a", "b", "in four", "nowhere"])
    assert rare["iou"]["in four"] > 0 and rare["interval"]["iou"]["in four"] is None
    assert rare["interval"]["iou"]["nowhere"] is None and rare["interval"]["iou"]["a"]
    assert json.loads(json.dumps(rare, allow_nan=False)) == rare
    unknown = [np.full_like(t, IGNORE) for t in truths]
    nothing = evaluate(preds, unknown, list("abc"), 0)
    assert nothing["mean_iou"] is nothing["rand_f"] is nothing["interval"]["rand_f"] is None


def test_images_keep_their_names():
    preds, truths = drifting(2, 0)
    s = evaluate(preds, truths, ["a", "b"], names=["x", "y"], groups=[1, 2])
    assert [(i["name"], i["group"]) for i in s["per_image"]] == [("x", "1"), ("y", "2")]
    with pytest.raises(InputError, match="1 names and 2 truths"):
        evaluate(preds, truths, ["a", "b"], names=["x"])


def test_one_name_means_background_and_that():
    m = np.array([[0, 1]])
    for classes in ("metal", ["metal"]):
        assert evaluate([m], [m], classes)["classes"] == ["background", "metal"]


def test_types():
    truth, pred = np.array([[0, 1, 255]], np.uint8), np.array([[False, True, True]])
    assert confusion(pred, truth, 2).tolist() == [[1, 0], [0, 1]]
    many = np.arange(256, dtype=np.uint8)[None, :255]
    assert confusion(many, many, 255).trace() == 255  # truth * k + pred does not overflow a byte
    probabilities = torch.tensor([[[0.9, 0.2]], [[0.1, 0.8]]])
    assert pooled_iou(probabilities > 0.5, torch.tensor([[0, 1]]), 2) == 1
    assert pooled_iou((probabilities > 0.5).float(), [[0, 1]], 2) == 1


def test_auroc_has_one_rule():
    scores, labels = [0.9, 0.4, 0.1, 0.5, 0.2, np.nan], [1, 1, 0, 0, 0, IGNORE]
    want = pytest.approx(5 / 6)
    assert auroc(scores, labels) == auroc(scores[:5], labels[:5]) == want
    assert auroc(scores[:5], [2, 7, 0, 0, 0]) == auroc(scores[:5], [True] * 2 + [False] * 3) == want
    assert auroc(torch.tensor(scores[:5]).bfloat16(), torch.tensor(labels[:5]).float()) == want
    assert np.isnan(auroc([1, 2], [0, 0]))


m = np.zeros((4, 5), int)
BAD = {
    "shapes": (lambda: confusion(m, m[:3], 2), "shape (4, 5)"),
    "logits": (lambda: confusion(torch.zeros(4, 5), m, 2), "argmax"),
    "class in the prediction": (
        lambda: confusion(m + 2, m, 2),
        "prediction: class 2 with 2 classes",
    ),
    "class in the truth": (lambda: confusion(m, m - 1, 2), "truth: class -1"),
    "mask 0/254": (lambda: evaluate([m], [m + 254], list("ab")), "image 0: truth: class 254"),
    "ignore in the prediction": (lambda: confusion(m + IGNORE, m, 2), "prediction: class 255"),
    "probabilities": (lambda: pooled_iou(np.full((2, 4, 5), 0.3), m, 2), "threshold"),
    "too few channels": (lambda: pooled_iou(np.zeros((2, 4, 5), bool), m, 3), "(3, 4, 5)"),
    "a batch for Rand F": (lambda: rand_f(m[None], m[None]), "numbers (h w)"),
    "labels between the classes": (lambda: auroc([0.1, 0.2], [1, 0.5]), "labels hold 0.5"),
    "labels below the classes": (lambda: auroc([0.1, 0.2], [0, -1]), "labels hold -1"),
    "NaN as a score": (lambda: auroc([0.1, np.nan], [1, 0]), "1 of 2 scores are NaN"),
    "no scores": (lambda: auroc([], []), "at least one pixel"),
    "shapes for Rand F": (lambda: rand_f(m, m[:2]), "shape (2, 5)"),
    "no images": (lambda: evaluate([], [], list("ab")), "0 predictions"),
    "numbers": (lambda: evaluate([m], [m, m], list("ab")), "1 predictions and 2 truths"),
    "names": (lambda: evaluate([m], [m], ["a", "a"]), "occurs twice"),
    "unknown objects": (lambda: evaluate([m], [m], list("ab"), "c"), "choose one of a, b"),
    "objects beyond": (lambda: evaluate([m], [m], list("ab"), 2), "from 0 to 1"),
    "objects of no kind": (lambda: evaluate([m], [m], list("ab"), True), "choose one of a, b"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line(name):
    f, words = BAD[name]
    with pytest.raises(InputError) as e:
        f()
    assert words in str(e.value) and "\n" not in str(e.value)
