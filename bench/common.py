"""What the experiments share: one recipe of training, and one way to write results."""

import json
import subprocess
from pathlib import Path

import numpy as np
from unet_explorer.batches import dataloaders
from unet_explorer.rows import meta
from unet_explorer.metrics import evaluate
from unet_explorer.machine import system_facts
from unet_explorer.train import fit, learner, predict_all

RESULTS = Path(__file__).resolve().parent.parent / "nbs" / "results"
SPLIT = {
    "isbi2012": "train slices 0-20, validation 21-23 (chooses the epoch), test 24-29; "
    "contiguous blocks of one specimen",
    "nasa_super1": "train spots 3-7 (10 images), validation spot 1 (4), test spot 2 (4): "
    "the source's own split, by specimen",
}
SEEDS = (0, 1, 2)
STEPS = 100  # of four random 256x256 crops: what two cores can afford for every model and seed
RECIPE = (
    f"{STEPS} steps of 4 random 256x256 crops, AdamW, one cycle up to 3e-3, cross-entropy + Dice, "
    "bf16, best of 5 validations"
)


def about_data(*names):
    "Split and source of the data sets, to stand beside the numbers."
    from unet_explorer.data import load

    about = {name: meta(load(name)) for name in names}
    return {
        name: dict(
            title=a["title"], split=SPLIT[name], licence=a["licence"], citation=a["citation"]
        )
        for name, a in about.items()
    }


def channels_classes(ds):
    "Channels of the pictures and logits of the model for `ds`."
    classes = meta(ds)["classes"]
    return (1 if meta(ds)["name"] == "isbi2012" else 3), (1 if len(classes) == 2 else len(classes))


def train_once(model, ds, seed, steps=STEPS, lr=3e-3):
    """Train `model` by the recipe, or with another highest learning rate; its scores on the test
    part. The model ends with its best weights."""
    channels, _ = channels_classes(ds)
    dls = dataloaders(ds, 256, 4, seed=seed, channels=channels)
    learn = learner(dls, model, precision="bf16", lr=lr)
    done = fit(learn, steps=steps, seed=seed, bar=False, epochs=5)
    preds, truths = predict_all(model, ds["test"])
    scores = evaluate(preds, truths, list(meta(ds)["classes"]))
    dice = [v for v in list(scores["dice"].values())[1:] if v is not None]
    about = facts()
    return dict(
        seed=seed,
        steps=done["steps"],
        lr=lr,
        on=", ".join(
            [about["processor"], about["cores"], about["date"], about.get("commit", "no commit")]
        ),
        dice=float(np.mean(dice)),
        pooled_iou=scores["pooled_iou"],
        accuracy=scores["accuracy"],
        iou=scores["iou"],
        valid_dice=done["valid_dice"],
        seconds=round(done["seconds"], 1),
    )


def spread(values):
    "Mean and sample standard deviation."
    return dict(
        mean=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        n=len(values),
    )


def facts():
    "About machine, versions and commit; changes count only where they could change a result."
    about = system_facts()
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "unet_explorer", "bench"],
        cwd=RESULTS.parent.parent,
        capture_output=True,
        text=True,
    ).stdout
    if dirty or "commit" not in about:
        return about
    return dict(about, commit=about["commit"].removesuffix(", with changes"))


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def earlier(name, **same):
    """What nbs/results/NAME.json holds already, if all of `same` stands in it; else nothing. An
    interrupted experiment goes on from it."""
    path = RESULTS / f"{name}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return old if all(old.get(k) == v for k, v in same.items()) else {}


def write(name, **content):
    "Write `content` with the facts about machine and versions as nbs/results/NAME.json."
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(dict(content, facts=facts()), indent=1) + "\n", encoding="utf-8")
    print(f"wrote nbs/results/{path.name}", flush=True)
