"Classes and boxes from one encoder: what goes in comes out again, and oracles agree."

import numpy as np
import pytest
import torch
from unet_explorer import classify_detect as cd
from unet_explorer.contracts import InputError

BOXES = [[10.0, 20.0, 22.0, 30.0], [40.0, 7.0, 47.0, 25.0], [60.0, 60.0, 90.0, 100.0]]


@pytest.fixture(scope="module")
def net():
    return cd.Classifier(3, in_ch=1).eval()


def sure(target, k=1):
    "What a perfect network would say: the logits of a target."
    return torch.cat([torch.logit(target[:k].clamp(1e-6, 1 - 1e-6)), target[k:]])


@pytest.mark.parametrize("size", [(96, 128), (93, 117)])
def test_boxes_come_back_from_their_target(size):
    target = cd.centre_target(BOXES, *size, labels=[0, 1, 1], n_classes=2)
    assert target.shape == (6, -(-size[0] // 4), -(-size[1] // 4))
    found = cd.boxes_from_heatmap(sure(target, 2), threshold=0.9)
    order = found["boxes"][:, 0].argsort()
    torch.testing.assert_close(found["boxes"][order], torch.tensor(BOXES), atol=1e-3, rtol=0)
    assert found["labels"][order].tolist() == [0, 1, 1]


def test_the_loss_is_least_where_the_target_is():
    target = cd.centre_target(BOXES, 96, 128)
    best = cd.centre_loss(sure(target)[None], target[None])
    for change in (
        dict(dims=1, shifts=1),  # middles elsewhere
        dict(dims=2, shifts=2),
    ):
        assert cd.centre_loss(sure(target).roll(**change)[None], target[None]) > best + 1
    larger = sure(target)
    larger[1:3] += 0.5  # boxes 1.6 times as large
    assert cd.centre_loss(larger[None], target[None]) == pytest.approx(float(best) + 1, abs=1e-3)


def test_learning_reaches_every_part_and_no_more():
    model = cd.CentreNet(pretrained=False, width=8)
    x, target = torch.rand(2, 1, 96, 128), cd.centre_target(BOXES, 96, 128)
    cd.centre_loss(model(x), target.expand(2, -1, -1, -1)).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None]
    assert not idle, idle
    assert model(torch.rand(1, 1, 33, 70)).shape == (1, 5, 9, 18)


def test_boxes_of_a_mask():
    mask = np.zeros((40, 50))
    mask[3:9, 4:20] = 0.9
    mask[3:9, 24:30] = 0.7  # 4 pixels right of it
    mask[30, 40] = 1
    found = cd.boxes_of_mask(mask)
    assert found["boxes"].tolist() == [[3, 4, 9, 20], [3, 24, 9, 30], [30, 40, 31, 41]]
    torch.testing.assert_close(found["scores"], torch.tensor([0.9, 0.7, 1.0]))
    merged = cd.boxes_of_mask(mask, merge_px=4, min_px=2)
    assert merged["boxes"].tolist() == [[3, 4, 9, 30]]
    assert cd.boxes_of_mask(mask, threshold=0.8)["boxes"].shape == (2, 4)
    assert cd.boxes_of_mask(np.zeros((5, 5)), merge_px=3)["boxes"].shape == (0, 4)


def test_average_precision_by_hand():
    "Found in order of score: right, false, right; one of three is never found."
    found = dict(
        boxes=torch.tensor([BOXES[0], [0.0, 0.0, 5.0, 5.0], BOXES[1]]),
        scores=torch.tensor([0.9, 0.8, 0.7]),
        labels=torch.zeros(3, dtype=torch.int64),
    )
    # COCO reads precision at 101 recalls: 1 up to recall 1/3, then 2/3 up to 2/3, then 0
    by_hand = (34 * 1 + 33 * 2 / 3) / 101
    assert cd.box_precision([found], [BOXES])["ap50"] == pytest.approx(by_hand, abs=1e-4)
    turned = {**found, "boxes": found["boxes"][:, [1, 0, 3, 2]]}
    columns_first = [[a, b, c, d] for b, a, d, c in BOXES]
    assert cd.box_precision([turned], [columns_first]) == cd.box_precision([found], [BOXES])


def test_without_torchmetrics_the_cure_is_named(monkeypatch):
    import sys

    for name in list(sys.modules):
        if name.partition(".")[0] == "torchmetrics":
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(InputError, match=r"unet-explorer\[beyond\]"):
        cd.box_precision([{}], [BOXES])


def test_the_probe_is_logistic_regression():
    sk = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=90)
    features = rng.normal(5, 2, (90, 4)) * [1, 10, 0.1, 3] + labels[:, None] * [1, 5, 0, 1]
    probe = cd.linear_probe(torch.tensor(features), labels, 3, l2=0.01, steps=300)
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-3)
    # sklearn: C * sum of losses + |w|^2 / 2; ours: mean of losses + l2 |w|^2
    oracle = sk.LogisticRegression(C=1 / (2 * 0.01 * 90), tol=1e-8, max_iter=5000)
    want = oracle.fit(scaled, labels).predict_proba(scaled)
    got = probe(torch.tensor(features).float()).softmax(1).detach().numpy()
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_a_probe_becomes_the_classifier(net):
    pictures = torch.rand(6, 1, 48, 40, generator=torch.Generator().manual_seed(0))
    features = cd.embeddings(net, pictures, bs=4)
    assert features.shape == (6, 1280)
    probe = cd.linear_probe(features, [0, 1, 2, 0, 1, 2], 3)
    net.net.classifier.load_state_dict(probe.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(net(pictures), probe(features), atol=1e-3, rtol=1e-3)


def test_grey_is_what_the_rgb_network_sees_in_grey(net):
    colour = cd.Classifier(3, in_ch=3).eval()
    grey = torch.rand(2, 1, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(
            net.embed(grey), colour.embed(grey.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4
        )


def test_crops_hold_their_defect():
    from unet_explorer.simulate import inspection_set

    rows = inspection_set(4, ("lines",), ("open", "particle"), size=(96, 96), reference=True)
    crops, kinds = cd.crops_around(rows, 48, jitter=0)
    assert crops.shape == (4, 1, 48, 48) and kinds == ["open", "particle"] * 2
    for row, crop in zip(rows, crops):
        y0, x0, y1, x1 = row["defects"][0]["box"]
        y, x = (min(max(round((a + b) / 2 - 24), 0), 48) for a, b in ((y0, y1), (x0, x1)))
        assert torch.equal(crop, row["image"][:, y : y + 48, x : x + 48])
    assert not torch.equal(cd.crops_around(rows, 48, 0, picture="reference")[0], crops)
    with pytest.raises(InputError, match="size=100"):
        cd.crops_around(rows, 100)


def one_line(match, call, *args, **more):
    with pytest.raises(InputError, match=match) as e:
        call(*args, **more)
    assert "\n" not in str(e.value)


def row(**change):
    defect = dict(box=(10, 20, 22, 30), kind="open") | change
    return dict(image=torch.zeros(1, 64, 64), defects=[defect])


@pytest.mark.parametrize(
    "said, rows, more",
    [
        ("picture='mask'", [row()], dict(picture="mask")),
        ("picture='defects'", [row()], dict(picture="defects")),
        ("no 'reference'", [row()], dict(picture="reference")),
        (r"tensor \(c h w\)", [row() | dict(image=torch.zeros(64, 64))], {}),
        (r"tensor \(c h w\)", [row() | dict(image=np.zeros((1, 64, 64)))], {}),
        ("a box and a kind", [dict(image=torch.zeros(1, 64, 64), defects=[dict(kind="open")])], {}),
        ("a box and a kind", [row() | dict(defects=[])], {}),
        ("top, left, bottom, right", [row(box=(1, 2, 3))], {}),
        ("within 64 x 64", [row(box=(60, 10, 70, 20))], {}),
        ("within 64 x 64", [row(box=(22, 20, 10, 30))], {}),
        ("within 64 x 64", [row(box=(1, 2, float("nan"), 9))], {}),
        (r"\[1, 3\] channels", [row(), row() | dict(image=torch.zeros(3, 64, 64))], {}),
        ("no channels", [], {}),
    ],
)
def test_crops_say_what_does_not_fit(said, rows, more):
    one_line(said, cd.crops_around, rows, 32, **more)


def test_a_box_may_be_a_tensor_and_larger_than_the_crop():
    crops, _ = cd.crops_around([row(box=torch.tensor([10, 20, 62, 30]))], 32)
    assert crops.shape == (1, 1, 32, 32)


def test_pictures_in_another_precision_are_converted(net):
    x = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(net(x), net(x.float()))
        assert torch.equal(cd.embeddings(net, x), cd.embeddings(net, x.float()))
        boxes = cd.CentreNet(pretrained=False, width=8).eval()
        assert boxes(x).dtype == cd.CentreHead(1)(x).dtype == torch.float32


def test_pictures_that_are_none_are_refused(net):
    x = torch.rand(2, 1, 40, 40)
    said = "embeddings: x is float64 with values 0 to 255; it must be float32 in"
    one_line(said, cd.embeddings, net, (x > 0.5).double() * 255)
    one_line("values nan", cd.embeddings, net, torch.where(x > 0.5, x, torch.nan))
    for take in (net, cd.CentreNet(pretrained=False, width=8), cd.CentreHead(1)):
        one_line("x is uint8; it must be float32", take, (255 * x).byte())
        one_line(r"\(batch, 1, height, width\)", take, x.expand(-1, 3, -1, -1))


def test_one_small_picture_cannot_be_trained_on():
    model, x = cd.Classifier(2, pretrained=False), torch.rand(1, 1, 32, 32)
    one_line("more than 32 px", model, x)
    assert model(x.expand(2, -1, -1, -1)).shape == (2, 2)
    assert model.train()(torch.rand(1, 1, 33, 32)).shape == (1, 2)


@pytest.mark.parametrize(
    "labels, said",
    [
        ([1, 2, 3], "labels go from 1 to 3; they must be whole numbers from 0 to 2"),
        ([0, 0.5, 1], "from 0 to 1, not all of them whole"),
        ([0, 1, float("nan")], "whole numbers from 0 to 2"),
        ([0, 1], "2 labels for 3 rows"),
        ([], "0 labels for 3 rows"),
    ],
)
def test_the_probe_says_which_labels_it_found(labels, said):
    one_line(said, cd.linear_probe, torch.eye(3), labels, 3)


def test_the_probe_takes_features_with_a_gradient():
    features = torch.eye(3, requires_grad=True)
    probe = cd.linear_probe(features, torch.arange(3), 3)
    assert probe(features).argmax(1).tolist() == [0, 1, 2] and features.grad is None


def test_targets_of_boxes_that_cannot_be():
    one_line("outside the picture of 96 x 128", cd.centre_target, [[100, 5, 110, 9]], 96, 128)
    one_line("outside", cd.centre_target, [[3, -9, 8, 0]], 96, 128)
    one_line("finite", cd.centre_target, [[0, 0, float("inf"), 9]], 96, 128)
    assert cd.centre_target([[90, 5, 110, 9]], 96, 128)[0].max() == 1  # its middle is kept
    crowd = cd.centre_target([[8, 8, 12, 12], [4, 4, 16, 16]], 32, 32)
    assert (crowd[0] == 1).sum() == 1 and crowd[1, 2, 2].exp() == pytest.approx(12)


def test_maps_that_are_none_are_refused():
    one_line(r"values from 0 to 255; .* \[0, 1\]", cd.boxes_of_mask, np.eye(9) * 255)
    one_line("values from nan", cd.boxes_of_mask, np.full((4, 4), np.nan))
    one_line("no pixels", cd.boxes_of_mask, np.zeros((0, 4)))
    out = torch.zeros(5, 8, 8)
    one_line("NaN", cd.boxes_from_heatmap, torch.full_like(out, torch.nan))
    one_line(r"\(k\+4 h w\)", cd.boxes_from_heatmap, out[:, :0])
    assert cd.boxes_from_heatmap(out, most=3)["boxes"].shape == (3, 4)


def found(boxes=BOXES, scores=(0.9, 0.8, 0.7), labels=(0, 0, 0)):
    return {k: torch.tensor(v) for k, v in locals().items()}


@pytest.mark.parametrize(
    "said, one, truth",
    [
        ("labels from 0 to 1; one kind", found(labels=(0, 1, 0)), BOXES),
        (r"scores \(5,\)", found(scores=(0.9,) * 5), BOXES),
        (r"boxes \(4,\)", found(boxes=BOXES[0], scores=(0.9,), labels=(0,)), BOXES),
        ("end before they begin", found(boxes=[b[2:] + b[:2] for b in BOXES]), BOXES),
        ("not finite", found(scores=(0.9, float("nan"), 0.7)), BOXES),
        ("a dict of boxes, scores, labels", {}, BOXES),
        (r"truths\[0\].*top < bottom", found(), [b[2:] + b[:2] for b in BOXES]),
    ],
)
def test_precision_says_what_does_not_fit(said, one, truth):
    one_line(said, cd.box_precision, [one], [truth])


def test_precision_of_nothing():
    none = {k: v[:0] for k, v in found().items()}
    assert cd.box_precision([none], [BOXES])["ap"] == 0
    assert all(np.isnan(v) for v in cd.box_precision([found()], [[]]).values())
