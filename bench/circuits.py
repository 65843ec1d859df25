"""Real layouts: segment simulated pictures of ten real chip layers, always leaving layers out, and
count opens and shorts beside IoU.

Three folds; in each the test layers are in no training or validation picture. Otsu's threshold, the
best one for two classes without any training, stands beside the network.

    python bench/circuits.py"""

import numpy as np
import torch
from common import spread, write
from unet_explorer.batches import dataloaders
from unet_explorer.data import load
from unet_explorer.rows import meta
from unet_explorer.effunet import EffUNet
from unet_explorer.metrics import boundary_f1, evaluate, opens_shorts
from unet_explorer.train import fit, learner, predict_all, simple_baseline

FOLDS = ((0, 1, 2), (3, 4, 5), (6, 7, 8, 9))  # layers of the test
STEPS, PER_LAYER, SIDE = 300, 12, 256
MIN_PX = 8  # smaller pieces are noise of an edge


def fold(test, seed=0):
    """Train without the layers `test`; the first layer left chooses the epoch. Gives train, valid
    and test as a dict of data sets."""
    from datasets import DatasetDict, concatenate_datasets

    parts = load("ic_layout", per_layer=PER_LAYER, size=(SIDE, SIDE), seed=seed)
    rows = concatenate_datasets(list(parts.values()))
    layer = np.array([int(g.split()[1]) for g in rows["group"]])
    valid = next(k for k in range(9, -1, -1) if k not in test)
    where = {
        "train": ~np.isin(layer, (*test, valid)),
        "valid": layer == valid,
        "test": np.isin(layer, test),
    }
    out = DatasetDict({name: rows.select(np.flatnonzero(w)) for name, w in where.items()})
    for part in out.values():
        part.info.description = parts["train"].info.description
    return out


def judge(preds, truths):
    "IoU of metal, boundary F1, and the electrically significant differences per picture."
    scores = evaluate(preds, truths, ["insulator", "metal"])
    found = [opens_shorts(p, t, min_px=MIN_PX) for p, t in zip(preds, truths)]
    kinds = {
        k: sum(f[k] for f in found)
        for k in ("opens", "shorts", "missing", "extra", "total", "pieces")
    }
    return dict(
        iou=scores["iou"]["metal"],
        accuracy=scores["accuracy"],
        boundary_f1=float(np.mean([boundary_f1(p, t) for p, t in zip(preds, truths)])),
        faultless=float(np.mean([f["total"] == 0 for f in found])),
        n=len(found),
        **kinds,
    )


def main():
    torch.set_num_threads(2)
    runs = []
    for test in FOLDS:
        ds = fold(test)
        model = EffUNet(in_ch=1, n_classes=1, seed=0)
        learn = learner(dataloaders(ds, SIDE, 4, seed=0), model, precision="bf16")
        done = fit(learn, steps=STEPS, seed=0, bar=False)
        preds, truths = predict_all(model, ds["test"])
        name, simple = simple_baseline(ds["train"], ds["test"], 2)
        runs.append(
            dict(
                test=list(test),
                ours=judge(preds, truths),
                baseline=dict(judge(simple, truths), name=name),
                steps=done["steps"],
                seconds=round(done["seconds"], 1),
            )
        )
        print(
            {
                k: (round(v["iou"], 4), v["total"], v["pieces"], round(v["faultless"], 3))
                for k, v in runs[-1].items()
                if k in ("ours", "baseline")
            },
            flush=True,
        )
        about = dict(
            title=meta(ds)["title"],
            licence=meta(ds)["licence"],
            citation=meta(ds)["citation"],
            split="three folds by layer, none is in training and test",
            pictures=f"{PER_LAYER} of {SIDE}x{SIDE} pixels of each layer, 5 nm, "
            "doses of 15 to 120 electrons per pixel",
        )
        write(
            "circuits",
            data=about,
            recipe=f"{STEPS} steps of 4 crops of {SIDE}x{SIDE}, seed 0, bf16",
            min_px=MIN_PX,
            folds=runs,
            summary={
                who: {
                    k: spread([r[who][k] for r in runs])
                    for k in ("iou", "boundary_f1", "faultless")
                }
                | {
                    k: sum(r[who][k] for r in runs)
                    for k in ("opens", "shorts", "missing", "extra", "total", "pieces", "n")
                }
                for who in ("ours", "baseline")
            },
        )


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main()
