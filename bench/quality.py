"""How well does the model do on real images, trained for at most four minutes?

For each data set and seed: train on the train part, choose the epoch on the valid part, measure
once on the test part. The first seed is timed by the clock (four minutes); the others take the same
number of steps, however long that is.
Also draws nbs/images/result.png and banner.jpg from the models of seed 0."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import torch
from PIL import Image

matplotlib.use("Agg")
from common import RESULTS, SPLIT, write
from unet_explorer.data import load
from unet_explorer.rows import meta, sample
from unet_explorer.effunet import restore
from unet_explorer.images import error_overlay, overlay, show_grid
from unet_explorer.own_model import PUBLISHED, train_and_report
from unet_explorer.train import Training

SEEDS, MINUTES = (0, 1, 2), 4  # the first by the clock
COMPARE = {
    "isbi2012": "a plain prototype of this architecture: Dice .791 after 200 steps, "
    ".806 after 400 (slices 0-23 train)",
    "nasa_super1": "the published notebook: pooled IoU .942 (UNet++ / ResNet-50 / "
    "MicroNet weights, about 250 GPU epochs)",
}


def short(result, seed):
    "The part of a result that the lessons show."
    dice = result["scores"]["dice"]
    foreground = [v for c, v in list(dice.items())[1:] if v is not None]
    scores = {k: v for k, v in result["scores"].items() if k not in ("per_image",)}
    scores["mean_dice_foreground"] = sum(foreground) / len(foreground)
    history = {k: [round(v, 5) for v in vs] for k, vs in result["history"].items()}
    return dict(
        seed=seed,
        steps=result["steps"],
        seconds=round(result["seconds"], 1),
        settings=result["settings"],
        scores=scores,
        baselines=result["baselines"],
        history=history,
    )


def keep(name, ds, runs):
    "Write what this data set has so far."
    about = meta(ds)
    source = {key: about[key] for key in ("title", "licence", "citation")}
    write(
        name,
        data=dict(name=name, split=SPLIT[name], **source),
        minutes=MINUTES,
        runs=runs,
        compare=COMPARE[name],
        published=PUBLISHED.get(name, []),
    )


def main():
    data = {name: load(name) for name in SPLIT}
    runs = {name: [] for name in SPLIT}
    plan = {}  # steps and precision, as the clock and the machine chose them for the first seed
    with TemporaryDirectory() as tmp:
        for seed in SEEDS:
            for name, ds in data.items():
                print(f"{name}, seed {seed}", flush=True)
                steps, precision = plan.get(name, (None, "auto"))
                how = Training(
                    steps=steps,
                    minutes=None if steps else MINUTES,
                    seed=seed,
                    precision=precision,
                    bar="terminal",
                )
                result = train_and_report(ds, Path(tmp) / f"{name}{seed}", how)
                plan.setdefault(name, (result["steps"], result["settings"]["precision"]))
                runs[name].append(short(result, seed))
                s = runs[name][-1]["scores"]
                print(
                    f"  {result['steps']} steps in {result['seconds']:.0f} s: "
                    f"foreground Dice {s['mean_dice_foreground']:.4f}, "
                    f"pooled IoU {s['pooled_iou']:.4f}",
                    {c: round(v, 4) for c, v in s["iou"].items()},
                    flush=True,
                )
                keep(name, ds, runs[name])
            if seed == SEEDS[0]:
                models = {name: restore(Path(tmp) / f"{name}{seed}") for name in data}
                draw(models, data)
                banner(models, data)


def banner(models, data, rows=slice(96, 416)):
    """nbs/images/banner.jpg: the same test images, some rows of each as they were read; the right
    half lies under the predicted mask, behind a white line."""
    parts = []
    for name, model in models.items():
        image, _ = sample(data[name]["test"], 0)
        picture = overlay(image, torch.zeros(image.shape[1:], dtype=torch.int64))
        half = picture.shape[1] // 2
        picture[:, half:] = overlay(image, model.predict(image))[:, half:]
        picture[:, half - 1 : half + 2] = 1
        parts += [picture[rows], np.ones((rows.stop - rows.start, 6, 3))]
    pixels = (np.concatenate(parts[:-1], 1) * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(RESULTS.parent / "images" / "banner.jpg", quality=82)
    print("drew nbs/images/banner.jpg", flush=True)


def draw(models, data):
    "nbs/images/result.png: the first test image of each data set."
    rows = []
    for name, model in models.items():
        image, truth = sample(data[name]["test"], 0)
        pred = model.predict(image)
        errors = error_overlay(image, pred, truth)
        rows.append([image[:1], overlay(image, truth), overlay(image, pred), errors])
    fig = show_grid(rows, ["test image", "truth", "prediction", "errors"], size=2.6)
    fig.savefig(RESULTS.parent / "images" / "result.png", dpi=80, metadata={"Software": None})
    print("drew nbs/images/result.png", flush=True)
