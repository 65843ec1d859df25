"""Decoders for the page "Your own picture, in this page": one encoder for all, never trained.

The encoder is lite0 with its ImageNet weights, rounded to 8 bits (`layers.rounded`), which every
reader of the page downloads once. For each data set only a decoder is trained on it, as
bench/quality.py trains the whole model: same crops, same loss, best epoch of the validation part,
one look at the test part. What freezing and rounding cost stands beside it. Writes
nbs/models/NAME.safetensors (half precision) and NAME.json, and nbs/results/browser.json.

`bench/browser.py NAME SEED ...` does only these; nothing is lost that was there."""

import json
import sys
import time

import torch
from common import RESULTS, SPLIT, earlier, facts, write
from unet_explorer.batches import dataloaders
from unet_explorer.data import load
from unet_explorer.rows import meta
from unet_explorer.effunet import EffUNet, write_tensors
from unet_explorer.layers import rounded
from unet_explorer.metrics import evaluate
from unet_explorer.train import fit, learner, predict_all

MODELS = RESULTS.parent / "models"
SEEDS = (0, 1, 2)
STEPS, SIZE, CROPS, LR = 300, 256, 4, 3e-3
NAMES = {  # of the data set -> what the menu of the page says
    "isbi2012": "Membranes of nerve cells (TEM)",
    "nasa_super1": "Precipitates in a superalloy (SEM)",
    "simulated": "Metal lines of a chip (simulated SEM)",
}
SPLITS = SPLIT | {
    "simulated": "24 layouts train, 4 validation, 8 test; all from one simulator, seed 0"
}
RECIPE = (
    f"{STEPS} steps of {CROPS} random {SIZE}x{SIZE} crops, AdamW, one cycle up to {LR:g}, "
    "cross-entropy + Dice, encoder frozen (ImageNet, 8 bits), best of the validations"
)


class Frozen(EffUNet):
    "An `EffUNet` whose encoder stays as it is, also the statistics of its batch norms."

    def train(self, mode=True):
        super().train(mode)
        self.encoder.eval().requires_grad_(False)
        return self


def n_classes(ds):
    k = len(meta(ds)["classes"])
    return 1 if k == 2 else k


def scores(model, ds):
    "Of the test part, as bench/quality.py counts them."
    s = evaluate(*predict_all(model, ds["test"]), list(meta(ds)["classes"]))
    foreground = [v for v in list(s["dice"].values())[1:] if v is not None]
    return dict(
        dice=round(sum(foreground) / len(foreground), 4),
        pooled_iou=round(s["pooled_iou"], 4),
        dice_of={c: round(v, 4) for c, v in s["dice"].items()},
    )


def trained(model, ds, seed):
    "`model`, trained by the recipe, and how long it took."
    dls = dataloaders(ds, SIZE, CROPS, seed=seed, channels=1)
    learn = learner(dls, model, precision="fp32", lr=LR, seed=seed)
    done = fit(learn, steps=STEPS, seed=seed, bar=False, epochs=5)
    return model.eval(), round(done["seconds"])


def decoder_of(model):
    "The tensors that a model of the page has for itself, in half precision."
    own = {k: v for k, v in model.state_dict().items() if k.startswith(("decoder.", "head."))}
    return {k: v.half() if v.is_floating_point() else v for k, v in own.items()}


def costs(model, ds):
    "Scores with nothing rounded, with the encoder rounded, and with both, as the page has it."
    found = {}
    exact = EffUNet(in_ch=1).encoder
    coarse, model.encoder = model.encoder, exact.eval()
    found["frozen"] = scores(model, ds)
    model.encoder = coarse
    found["encoder in 8 bits"] = scores(model, ds)
    kept = {k: v.float() for k, v in decoder_of(model).items()}
    model.load_state_dict(kept, strict=False)
    found["rounded"] = scores(model, ds)
    return found


def full(name, ds, seed):
    "The score of the whole model, trained by bench/quality.py; for the simulated, by this recipe."
    path = RESULTS / f"{name}.json"
    if path.is_file():
        run = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
        return dict(
            dice=round(run["scores"]["mean_dice_foreground"], 4),
            pooled_iou=round(run["scores"]["pooled_iou"], 4),
            about=f"{run['steps']} steps, whole model, seed {run['seed']}: bench/quality.py",
        )
    model, _ = trained(EffUNet(in_ch=1, n_classes=n_classes(ds), seed=seed), ds, seed)
    s = scores(model, ds)
    return dict(
        dice=s["dice"], pooled_iou=s["pooled_iou"], about=f"{STEPS} steps, whole model, seed {seed}"
    )


def keep(name, ds, model, run):
    "Write the decoder and what is known of it."
    about = meta(ds)
    MODELS.mkdir(exist_ok=True)
    write_tensors(MODELS / f"{name}.safetensors", decoder_of(model))
    said = dict(
        name=name,
        title=NAMES[name],
        classes=list(about["classes"]),
        n_classes=n_classes(ds),
        pixel_nm=about["pixel_nm"],
        data=about["title"],
        split=SPLITS[name],
        licence=about["licence"],
        citation=about["citation"],
        encoder="lite0, in_ch=1, ImageNet, rounded to 8 bits",
        recipe=RECIPE,
        **run,
        facts=facts(),
    )
    text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    (MODELS / f"{name}.json").write_text(text, encoding="utf-8")


def run_once(name, ds, seed):
    model = Frozen(in_ch=1, n_classes=n_classes(ds), seed=seed)
    model.encoder = rounded(model.encoder.eval()).requires_grad_(False)
    start = time.perf_counter()
    model, seconds = trained(model, ds, seed)
    run = dict(seed=seed, steps=STEPS, seconds=seconds, scores=costs(model, ds))
    print(f"{name}, seed {seed}: {time.perf_counter() - start:.0f} s", run["scores"], flush=True)
    return model, run


def main(chosen=None):
    torch.set_num_threads(1)
    runs = earlier("browser", recipe=RECIPE).get("runs", [])
    known = {(r["data"], r["seed"]) for r in runs}
    for name, seed in chosen or [(n, s) for s in SEEDS for n in NAMES]:
        if (name, seed) in known and (MODELS / f"{name}.json").is_file():
            continue
        ds = load(name)
        model, run = run_once(name, ds, seed)
        if seed == SEEDS[0]:
            run["scores"]["full"] = full(name, ds, seed)
            keep(name, ds, model, run)
        runs.append(dict(data=name, **run))
        write("browser", recipe=RECIPE, splits=SPLITS, runs=runs)


if __name__ == "__main__":
    args = sys.argv[1:]
    main([(args[i], int(args[i + 1])) for i in range(0, len(args), 2)])
