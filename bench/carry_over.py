"""U-Nets with and without skips, at equal data and steps, for bottlenecks that hold less and less
of a picture. Three seeds each. Writes nbs/results/carry_over.json."""

import base64
import zlib

import numpy as np
import torch
from common import SEEDS, earlier, write

from unet_explorer.batches import Crops, Rows
from unet_explorer.data import load
from unet_explorer.metrics import boundary_f1, confusion, iou
from unet_explorer.train import SegLoss, fit_batches
from unet_explorer.unet import UNet

STEPS, SIZE = 150, 96
NETS = {  # channels by level: what the bottleneck holds per pixel falls from 1 to 1/64
    "1": (8, 16, 32, 64),
    "1/8": (8, 16, 32, 32, 32),
    "1/64": (8, 16, 16, 16, 16, 16),
}
HEART = (8, 16, 32, 48, 64)  # as in bench/signals.py
RECIPE = (
    f"{STEPS} steps of 8 crops of {SIZE} px, AdamW, one cycle up to 3e-3, cross-entropy + Dice; "
    "U-Net, padded, batch norm"
)
SPLIT = "load('simulated'): 24 pictures for training, 8 other ones for the test; the last step"


def wires(widths, skips, seed):
    "Metal under the simulated microscope: IoU, and F1 of the boundary within 2 pixels."
    ds = load("simulated")
    crops = Crops(Rows(ds["train"]), SIZE, 4, seed=seed)

    def batch(rng):
        pairs = [crops.crop(crops.pictures) for _ in range(8)]
        return torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])

    model = UNet(1, 2, widths, padding=True, norm=True, skips=skips, seed=seed)
    fit_batches(model, batch, SegLoss(2), steps=STEPS, seed=seed)
    cm, edges = 0, []
    test = Rows(ds["test"])
    for i in range(len(test)):
        image, mask = test[i]
        with torch.no_grad():
            pred = model(image[None])[0].argmax(0)
        cm = cm + confusion(pred, mask, 2)
        edges.append(boundary_f1(pred, mask))  # none is nan: each picture has metal
    scores = dict(iou=float(iou(cm)[1]), boundary=float(np.mean(edges)))
    if seed == SEEDS[0]:  # a piece of the first test picture, for the eye
        image, mask = (a[..., :96, :96] for a in test[0])
        with torch.no_grad():
            pred = model(test[0][0][None])[0].argmax(0)[:96, :96]
        scores["example"] = dict(
            image=packed(image[0] * 255), truth=packed(mask), pred=packed(pred)
        )
    return scores


def packed(a):
    "An array of bytes as text."
    return base64.b64encode(zlib.compress(a.numpy().astype(np.uint8).tobytes(), 9)).decode()


def hearts(seed):
    "The network of bench/signals.py without skips, trained and judged as there."
    from signals import COLOURS, LEVELS, counted, heart_batches, marks, real

    net = UNet(1, 1, HEART, padding=True, norm=True, skips=False, dims=1, seed=seed)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    fit_batches(net, heart_batches(), loss, steps=600, seed=seed)
    where = [(c, n) for c in COLOURS for n in LEVELS]
    return dict(seed=seed, scores={f"{c} {n}": counted(marks(net), real(n, c)) for c, n in where})


def main():
    old = earlier("carry_over", recipe=RECIPE)
    kept, lines = old.get("runs", []), old.get("hearts", [])

    def save():
        write("carry_over", recipe=RECIPE, split=SPLIT, runs=kept, hearts=lines)

    done = {(r["net"], r["skips"], r["seed"]) for r in kept}
    for net, widths in NETS.items():
        for skips in (True, False):
            for seed in SEEDS:
                if (net, skips, seed) not in done:
                    about = dict(net=net, widths=list(widths), skips=skips, seed=seed)
                    kept.append(dict(about, **wires(widths, skips, seed)))
                    save()
    for seed in SEEDS[len(lines) :]:
        lines.append(hearts(seed))
        save()


if __name__ == "__main__":
    main()
