"""How much does a random split of tiles flatter?

Pictures are cut into tiles of 128 px. A fifth of the tiles is held out, at random or so that
nothing leaks: by slice, by picture, by specimen, or by neighbourhood in a mosaic of tiles that
overlap by half. All ways train the same network for the same steps on the same number of tiles,
three seeds (a seed also draws who is held out). Each model is scored twice: on what its own split
held out, which is what its owner would report, and on pictures that no split has touched, which is
the truth. What the first promises too much is how far the split flatters."""

import numpy as np
from common import SEEDS, earlier, facts, spread, write
from unet_explorer.batches import Crops, Pairs
from unet_explorer.data import load
from unet_explorer.rows import meta, sample
from unet_explorer.effunet import EffUNet
from unet_explorer.images import to_image
from unet_explorer.metrics import boundary_f1, evaluate
from unet_explorer.splits import groups_of, leaks_in, share_out
from unet_explorer.train import SegLoss, fit_batches
import torch

SIDE, STEPS, BATCH = 128, 200, 4
RECIPE = (
    f"EffUNet lite0, {STEPS} steps of {BATCH} tiles of {SIDE} px, augmented, AdamW, one cycle up "
    "to 3e-3, cross-entropy + Dice, float32, last weights; held out 0.2, none for validation"
)
SETTINGS = {  # what is cut, every how many pixels, and the ways to split it
    "isbi2012": dict(step=128, ways=dict(random="random", slices=r"(slice\d+)")),
    "nasa_super1": dict(
        step=128, ways=dict(random="random", pictures=r"(.*)_y", specimens="specimen")
    ),
    "mosaic": dict(step=64, ways=dict(random="random", neighbourhood="tiles")),
}
DATA = {
    "isbi2012": "slices 0-20 are split (16 tiles each); 24-29 are touched by no split; a seed "
    "turns the slices, so that another block of four or so is held out",
    "nasa_super1": "14 pictures of spots 1 and 3-7 are split (16 tiles each); the 4 of spot 2 are "
    "touched by no split; a seed shuffles pictures and spots",
    "mosaic": "one slice of isbi2012 (0, 7 or 14, by seed), cut every 64 px into 49 tiles that "
    "overlap by half; slices 24-29 are touched by no split",
}


def pictures(name):
    "Name -> image and mask of all pictures of a data set, in natural order."
    ds, found = load(name), {}
    for part in ds.values():
        for i in range(len(part)):
            image, mask = sample(part, i)
            found[part["name"][i]] = (to_image(image, 1), mask)
    return dict(sorted(found.items()))


def cut(image, mask, y, x):
    "A tile of a picture and of its mask."
    rows, columns = slice(y, y + SIDE), slice(x, x + SIDE)
    return image[:, rows, columns], mask[rows, columns]


def tiles_of(found, step):
    "Name -> image and mask of all tiles, cut every `step` pixels; names say their pixels."
    tiles = {}
    for name, (image, mask) in found.items():
        for y in range(0, mask.shape[0] - SIDE + 1, step):
            for x in range(0, mask.shape[1] - SIDE + 1, step):
                tiles[f"{name}_y{y:04d}_x{x:04d}"] = cut(image, mask, y, x)
    return tiles


def turned(names, seed):
    "Whole pictures in another order: slices are turned, so that neighbours stay neighbours."
    if names[0].startswith("slice"):
        k = len(names) // 3 * seed
        return names[k:] + names[:k]
    spots = list(dict.fromkeys(name.split("_")[0] for name in names))
    rank = np.random.default_rng(seed).permutation(len(spots))
    return sorted(names, key=lambda name: (rank[spots.index(name.split("_")[0])], name))


def material(setting, seed):
    "The tiles that are split, and those that nobody touches."
    found = pictures("isbi2012" if setting == "mosaic" else setting)
    step = SETTINGS[setting]["step"]
    if setting == "nasa_super1":
        far = [name for name in found if name.startswith("spot2_")]
        near = [name for name in found if name not in far]
    else:
        far, near = list(found)[24:], list(found)[:21]
    near = [near[7 * seed]] if setting == "mosaic" else turned(near, seed)
    split = tiles_of({name: found[name] for name in near}, step)
    return split, tiles_of({name: found[name] for name in far}, SIDE)


def shared(names, by, seed):
    "Names of train and test."
    groups = groups_of(names, by, size=(SIDE, SIDE), seed=seed)
    parts = share_out(groups, valid=0, test=0.2, split_by=by).parts
    return {part: [names[i] for i in rows] for part, rows in parts.items()}


def trained(pairs, n, seed):
    "A network, trained on tiles by the recipe."
    model, loss = EffUNet("lite0", in_ch=1, n_classes=n, seed=seed), SegLoss(n)
    crops = Crops(Pairs(pairs), SIDE, 1, seed=seed)

    def batch(rng):
        x, y = zip(*(crops.crop(crops.pictures) for _ in range(BATCH)))
        return torch.stack(x), torch.stack(y)

    fit_batches(model, batch, loss, steps=STEPS, seed=seed)
    return model


def scores(model, pairs, classes):
    "Mean Dice of the classes from 1 up, pooled, and their mean boundary F1 of a tile."
    preds, truths = [model.predict(x) for x, _ in pairs], [y for _, y in pairs]
    dice = list(evaluate(preds, truths, classes)["dice"].values())[1:]
    rims = [boundary_f1(p, t, cls=k) for p, t in zip(preds, truths) for k in range(1, len(classes))]
    return dict(dice=float(np.mean(dice)), boundary_f1=float(np.nanmean(rims)))


def measure(setting, seed):
    "Scores of each way to split, on its own test part and on what nobody touched."
    name = "isbi2012" if setting == "mosaic" else setting
    classes = list(meta(load(name))["classes"])
    tiles, untouched = material(setting, seed)
    ways = {w: shared(list(tiles), by, seed) for w, by in SETTINGS[setting]["ways"].items()}
    n, out = min(len(parts["train"]) for parts in ways.values()), {}
    for way, parts in ways.items():
        leaks = leaks_in(parts, "tiles", size=(SIDE, SIDE))
        some = np.random.default_rng(seed).permutation(len(parts["train"]))[:n]
        model = trained(
            [tiles[parts["train"][i]] for i in sorted(some)],
            1 if len(classes) == 2 else len(classes),
            seed,
        )
        out[way] = dict(
            train=n,
            test=len(parts["test"]),
            touching=sum(len(leak.rows) for leak in leaks),
            own=scores(model, [tiles[t] for t in parts["test"]], classes),
            truth=scores(model, list(untouched.values()), classes),
        )
        told = {k: round(out[way][k]["dice"], 4) for k in ("own", "truth")}
        print(setting, seed, way, told, flush=True)
    about = facts()
    on = [about["processor"], about["cores"], about["date"], about.get("commit", "no commit")]
    return dict(ways=out, on=", ".join(on))


def summary(runs):
    "Setting -> way -> own score, truth, and what the first promises too much, over seeds."
    out = {}
    for setting, about in SETTINGS.items():
        done = [runs[k] for k in (f"{setting} {s}" for s in SEEDS) if k in runs]
        for way in about["ways"] if done else ():
            of = [run["ways"][way] for run in done]
            cell = {k: {m: spread([r[k][m] for r in of]) for m in MEASURES} for k in OF}
            cell["flatters"] = {
                m: spread([r["own"][m] - r["truth"][m] for r in of]) for m in MEASURES
            }
            out.setdefault(setting, {})[way] = cell
    return out


MEASURES, OF = ("dice", "boundary_f1"), ("own", "truth")


def main():
    same = dict(recipe=RECIPE, seeds=list(SEEDS), data=DATA)
    runs = earlier("splits", **same).get("runs", {})
    for setting in ("mosaic", "isbi2012", "nasa_super1"):
        for seed in SEEDS:
            if f"{setting} {seed}" not in runs:
                runs[f"{setting} {seed}"] = measure(setting, seed)
                write("splits", **same, splits=summary(runs), runs=runs)
