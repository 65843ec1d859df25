"""One pipeline in four fields: what each setting costs. Streets and fields are drawn, nuclei are
real, stained tissue has a stand-in label (a formula). Three seeds; finished runs are kept; the last
step draws nbs/images/scenes.png. About twelve minutes on one core."""

import tempfile
import time
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from common import RESULTS, SEEDS, earlier, facts, write
from scipy import ndimage
from unet_explorer.batches import AUGMENTATIONS, dataloaders
from unet_explorer.data import fetch, load
from unet_explorer.rows import meta, sample
from unet_explorer.effunet import EffUNet
from unet_explorer.files import load_mask, open_image
from unet_explorer.images import IGNORE
from unet_explorer.measure import objects
from unet_explorer.metrics import confusion, evaluate
from unet_explorer.scenes import (
    FIELD,
    STREET,
    class_weights,
    field_scene,
    street_scene,
    touching,
    write_pairs,
)
from unet_explorer.train import SegLoss, fit, learner, predict_all, simple_baseline

RECIPE = (
    "EffUNet lite0 with ImageNet weights, decoder 32 24 16 16; 200 steps of 4 crops of 96x96, "
    "AdamW, one cycle up to 3e-3, fp32, better of 2 validations; loss ce+dice where not said"
)
DATA = dict(
    streets="drawn: train seeds 0-23, validation 100-103, test 200-215; 96x160 pixels",
    fields="drawn: train seeds 0-23, validation 100-103, test 200-215; 128x128 pixels of 1 m",
    nuclei="one real picture, by columns: train 0-239, validation 272-351, test 384-511",
    tissue="skimage.data.immunohistochemistry, by columns: train 0-255, validation 272-335, test "
    "352-511; label: Otsu on the haematoxylin of rgb2hed, a stand-in",
)
CUTS = dict(train=(0, 256), valid=(272, 336), test=(352, 512))  # of the tissue, in columns
MIN_PX = 20  # smaller pieces are no nuclei


def over(image, mask, rng):
    "Mirrored left and right, and up and down, each in half of the cases."
    for axis in (1, 2):
        if rng.random() < 0.5:
            image, mask = image.flip(axis), mask.flip(axis - 1)
    return image, mask


AUGMENTATIONS["flips"] = (over, AUGMENTATIONS["upright"][1])

# --- data --------------------------------------------------------------------------------------


def folder_of(parts, classes):
    values = {k: k for k in range(len(classes))} | {IGNORE: IGNORE}
    return load(write_pairs(tempfile.mkdtemp(), parts), classes=list(classes), values=values)


def drawn(draw, **options):
    seeds = dict(train=range(24), valid=range(100, 104), test=range(200, 216))
    return {p: [draw(seed=s, **options) for s in of] for p, of in seeds.items()}


@cache
def streets():
    return folder_of(drawn(street_scene), STREET)


@cache
def bonnet_is_road():
    "Streets whose 255 became 0 in training, as in a careless conversion; the test is right."
    parts = drawn(street_scene)
    for part in ("train", "valid"):
        parts[part] = [(x, torch.where(m == IGNORE, 0, m)) for x, m in parts[part]]
    return folder_of(parts, STREET)


@cache
def fields():
    return folder_of(drawn(field_scene), FIELD)


@cache
def nuclei():
    return load("nuclei")


def numbered():
    "The true numbers of the nuclei in the test part."
    return load_mask(fetch("nuclei")["mask2d.tif"]).numpy()[:, 384:]


@cache
def nuclei_with_borders():
    files = fetch("nuclei")
    picture = torch.from_numpy(open_image(files["img2d.tif"]).pixels[..., 0] / np.float32(255))
    labels = load_mask(files["mask2d.tif"])
    cuts = dict(train=(0, 240), valid=(272, 352), test=(384, 512))
    parts = {p: [(picture[None, :, a:b], touching(labels[:, a:b]))] for p, (a, b) in cuts.items()}
    return folder_of(parts, ("background", "nucleus", "border"))


@cache
def tissue():
    from skimage import data
    from skimage.color import rgb2hed
    from skimage.filters import gaussian, threshold_otsu

    rgb = data.immunohistochemistry()
    blue = gaussian(rgb2hed(rgb)[..., 0], 1.5)
    mask = torch.from_numpy((blue > threshold_otsu(blue)).astype(np.int64))
    image = torch.from_numpy(rgb / np.float32(255)).movedim(-1, 0)
    parts = {p: [(image[..., a:b], mask[..., a:b])] for p, (a, b) in CUTS.items()}
    return folder_of(parts, ("rest", "nucleus"))


# --- one run -----------------------------------------------------------------------------------


def weighted(ds):
    "Cross-entropy with weights (1 / share) ** 0.5, and Dice."
    k = len(meta(ds)["classes"])
    weights, dice = class_weights(ds["train"], k), SegLoss(k, pixels="none")

    def loss(logits, mask):
        target = mask.as_subclass(torch.Tensor)
        return F.cross_entropy(logits, target, weights, ignore_index=IGNORE) + dice(logits, mask)

    return loss


def train(
    ds, seed, *, steps=200, size=96, channels=3, augment="all", loss="ce+dice", pretrained=True
):
    classes = meta(ds)["classes"]
    k = 1 if len(classes) == 2 else len(classes)
    dls = dataloaders(ds, size, 4, seed=seed, channels=channels, augment=augment)
    shape = dict(decoder=(32, 24, 16, 16), seed=seed, pretrained=pretrained)
    model = EffUNet(in_ch=channels, n_classes=k, **shape)
    loss = weighted(ds) if loss == "weighted+dice" else loss
    learn = learner(dls, model, loss=loss, precision="fp32")
    done = fit(learn, steps=steps, seed=seed, bar=False, epochs=2)
    return model, done


def scores(masks, truths, classes):
    e, cm = evaluate(masks, truths, list(classes)), 0
    for mask, truth in zip(masks, truths):
        cm = cm + confusion(mask, truth, len(classes))
    recall, precision = (np.diagonal(cm) / np.maximum(cm.sum(axis), 1) for axis in (1, 0))
    return dict(
        mean_iou=float(np.nanmean([v for v in e["iou"].values() if v is not None])),
        accuracy=e["accuracy"],
        iou=e["iou"],
        dice=e["dice"],
        recall=dict(zip(classes, recall.tolist())),
        precision=dict(zip(classes, precision.tolist())),
    )


def rescored(model):
    "Fields at other sizes of a pixel: as they are, and enlarged or reduced to 1 m first."
    rows, truths = [], [field_scene(seed=s)[1] for s in range(200, 216)]
    for metres in (0.5, 1.0, 2.0, 4.0):
        n = round(128 / metres)
        pairs = [field_scene((n, n), seed=s, pixel_m=metres) for s in range(200, 216)]
        plain = scores([model.predict(x) for x, _ in pairs], [m for _, m in pairs], FIELD)
        how = dict(size=(128, 128), mode="bilinear", antialias=True)
        cured = [model.predict(F.interpolate(x[None], **how)[0]) for x, _ in pairs]
        cured = scores(cured, truths, FIELD)
        rows.append(dict(pixel_m=metres, plain=plain["mean_iou"], resampled=cured["mean_iou"]))
    return rows


def count(mask):
    return len(objects(mask, 1, min_px=MIN_PX))


def right(pieces):
    "How many true nuclei overlap one of the numbered `pieces` with an IoU of 0.5 or more."
    truth = numbered()
    both = np.zeros((truth.max() + 1, pieces.max() + 1), int)
    np.add.at(both, (truth, pieces), 1)
    share = both / np.maximum(both.sum(1, keepdims=True) + both.sum(0) - both, 1)
    return int((share[1:, 1:] >= 0.5).any(1).sum())


def watershed(mask):
    "The nuclei, numbered, that a distance transform and a watershed find in a mask of two classes."
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed as flood

    inside = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(inside, min_distance=5, labels=ndimage.label(mask)[0], exclude_border=0)
    seeds = np.zeros(mask.shape, int)
    seeds[tuple(peaks.T)] = range(1, len(peaks) + 1)
    return flood(-inside, seeds, mask=mask > 0)


def nuclei_scores(mask):
    "Dice of what is nucleus or border, and counts."
    mask, truth = np.asarray(mask), numbered() > 0
    dice = 2 * ((mask > 0) & truth).sum() / ((mask > 0).sum() + truth.sum())
    pieces = ndimage.label(mask == 1, np.ones((3, 3)))[0]
    row = dict(dice=float(dice), count=count(mask), right=right(pieces))
    row |= dict(true=len(np.unique(numbered())) - 1)
    if mask.max() > 1:
        return row
    cut = watershed(mask)
    n = int((np.bincount(cut.ravel())[1:] >= MIN_PX).sum())
    return row | dict(count_watershed=n, right_watershed=right(cut))


STREET_RUNS = {  # what differs from the recipe
    "upright": dict(augment="upright"),
    "all": dict(),
    "flips": dict(augment="flips"),
    "none": dict(augment="none"),
    "all, 400 steps": dict(steps=400),
    "upright, 400 steps": dict(augment="upright", steps=400),
    "ce": dict(augment="upright", loss="ce"),
    "focal+dice": dict(augment="upright", loss="focal+dice"),
    "weighted+dice": dict(augment="upright", loss="weighted+dice"),
    "bonnet is road": dict(augment="upright"),
    "crops of 48": dict(augment="upright", size=48),
}
JOBS = [
    *(("streets", name, options) for name, options in STREET_RUNS.items()),
    ("fields", "rgb", dict()),
    ("fields", "grey", dict(channels=1)),
    ("fields", "from scratch", dict(pretrained=False)),
    ("nuclei", "two classes", dict(channels=1)),
    ("nuclei", "with border", dict(channels=1)),
    ("tissue", "rgb", dict(steps=100)),
    ("tissue", "grey", dict(steps=100, channels=1)),
]
SETS = dict(streets=streets, fields=fields, nuclei=nuclei, tissue=tissue)
OWN = {"bonnet is road": bonnet_is_road, "with border": nuclei_with_borders}


def run(field, name, options, seed):
    ds = OWN.get(name, SETS[field])()
    start = time.perf_counter()
    model, done = train(ds, seed, **options)
    masks, truths = predict_all(model, ds["test"])
    row = scores(masks, truths, meta(ds)["classes"])
    row = row | nuclei_scores(masks[0]) if field == "nuclei" else row
    row |= dict(by_pixel=rescored(model)) if name == "rgb" and field == "fields" else {}
    about = facts()
    on = ", ".join([about["processor"], about["date"], about.get("commit", "no commit")])
    head = dict(field=field, name=name, seed=seed, **options)
    return head | row | dict(valid_dice=done["valid_dice"], on=on), time.perf_counter() - start


# --- baselines ---------------------------------------------------------------------------------


def by_colour(ds, seed):
    "A random forest and the nearest mean, both on the colour of a pixel and its 5x5 mean."
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import NearestCentroid

    def columns(image):
        mean = ndimage.uniform_filter(image.numpy(), (0, 5, 5))
        return np.concatenate([image.numpy(), mean]).reshape(6, -1).T

    pairs = [sample(ds["train"], i) for i in range(len(ds["train"]))]
    x, y = (
        np.concatenate([columns(a) for a, _ in pairs]),
        np.concatenate([m.ravel() for _, m in pairs]),
    )
    some = np.random.default_rng(seed).permutation(np.flatnonzero(y != IGNORE))[:20000]
    test = [sample(ds["test"], i) for i in range(len(ds["test"]))]
    models = dict(
        forest=RandomForestClassifier(60, min_samples_leaf=5, random_state=seed),
        nearest_mean=NearestCentroid(),
    )
    for name, m in models.items():
        m.fit(x[some], y[some])
        masks = [m.predict(columns(a)).reshape(t.shape) for a, t in test]
        yield name, scores(masks, [t for _, t in test], meta(ds)["classes"])


def baselines():
    rows = []
    for field in SETS:
        ds = SETS[field]()
        classes = meta(ds)["classes"]
        truths = [sample(ds["test"], i)[1] for i in range(len(ds["test"]))]
        name, masks = simple_baseline(ds["train"], ds["test"], len(classes))
        row = dict(field=field, name=name, **scores(masks, truths, classes))
        rows.append(row | nuclei_scores(masks[0]) if field == "nuclei" else row)
        if field == "nuclei":
            row = scores(truths, truths, classes) | nuclei_scores(truths[0])
            rows.append(dict(field=field, name="the true mask", **row))
        if field in ("streets", "fields"):
            for seed in SEEDS:
                rows += [dict(field=field, name=n, seed=seed, **r) for n, r in by_colour(ds, seed)]
    return rows


# --- the first picture -------------------------------------------------------------------------


def picture():
    import matplotlib.pyplot as plt
    from unet_explorer.images import PALETTE

    titles = dict(nuclei="nuclei", tissue="stained tissue", fields="fields", streets="a street")
    fig, axes = plt.subplots(3, 4, figsize=(9, 6.4), layout="constrained")
    for column, (field, title) in zip(axes.T, titles.items()):
        channels, loss = (1 if field == "nuclei" else 3), "focal+dice"
        loss = loss if field in ("streets", "fields") else "ce+dice"
        augment = "upright" if field == "streets" else "all"
        ds = SETS[field]()
        model, _ = train(ds, 0, channels=channels, loss=loss, augment=augment)
        image, mask = sample(ds["test"], 4 % len(ds["test"]))
        pred, cut = model.predict(image), np.s_[:128, :160]
        column[0].set_title(title, fontsize=13)
        column[0].imshow(image.movedim(0, -1)[cut].numpy().squeeze(), cmap="gray")
        for ax, m in zip(column[1:], (mask, pred)):
            colours = np.vstack([PALETTE[[0, 1, 2, 3, 5, 6, 7]] * 0.9 + 0.1, np.ones((249, 3))])
            ax.imshow(colours[np.asarray(m)][cut])
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax, word in zip(axes[:, 0], ("picture", "mask", "network")):
        ax.set_ylabel(word, fontsize=13)
    fig.savefig(RESULTS.parent / "images" / "scenes.png", dpi=90)


def main():
    torch.set_num_threads(1)
    old = earlier("scenes", recipe=RECIPE, data=DATA)
    runs, base = old.get("runs", []), old.get("baselines") or baselines()
    for seed in SEEDS:
        for field, name, options in JOBS:
            if any((r["field"], r["name"], r["seed"]) == (field, name, seed) for r in runs):
                continue
            row, seconds = run(field, name, options, seed)
            runs.append(row)
            write("scenes", recipe=RECIPE, data=DATA, runs=runs, baselines=base)
            said = {k: row[k] for k in ("count", "dice") if k in row and field == "nuclei"}
            print(
                f"{field}, {name}, seed {seed}: {row['mean_iou']:.4f} {said} {seconds:.0f} s",
                flush=True,
            )
    if not (RESULTS.parent / "images" / "scenes.png").exists():
        picture()


if __name__ == "__main__":
    main()
