"""What do a few strokes of paint teach, and how far is that from a training?

On every test picture 5, 10 and 20 strokes are drawn from the truth (straight, 60 px long at most,
5 px wide, of the classes in turn), three seeds. From them learn: a linear head and one with a
hidden layer on the frozen encoder, and a random forest on classical filters, as ilastik does it.
Each judges the picture that was painted on; Dice is pooled over the test pictures. The head of the
first test picture also judges the others, on which nothing is painted. Beside it stands the full
training of bench/quality.py, which saw many labelled pictures and none of these. And between them:
the whole model, trained for a hundred steps on 20 strokes on each training slice of ISBI; the row
"shuffle" of bench/upsamplers.py is the same model and recipe on the whole masks."""

import json

import numpy as np
from common import RECIPE, RESULTS, SEEDS, about_data, channels_classes, earlier, facts, spread
from common import train_once, write
from PIL import Image
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier
from unet_explorer.data import load
from unet_explorer.rows import meta, sample
from unet_explorer.effunet import EffUNet
from unet_explorer.images import IGNORE
from unet_explorer.metrics import evaluate
from unet_explorer.strokes import UNITS, draw_strokes, fit_head, picture_features

DATA = ("isbi2012", "nasa_super1")
STROKES = (5, 10, 20)
RECIPES = dict(
    linear="softmax regression on the frozen encoder, strides 1 to 16",
    hidden=f"the same with a hidden layer of {UNITS}",
    forest="random forest, 100 trees, on skimage's multiscale_basic_features (sigma 1 to 16)",
)


def filters(features):
    "Classical filters of a picture: intensity, edges and texture at several widths, `(h w c)`."
    return multiscale_basic_features(features[1][0].numpy(), sigma_min=1, sigma_max=16)


def forest(x, labels, seed):
    "Class of each pixel by a random forest that was trained on the painted ones."
    painted = labels != IGNORE
    model = RandomForestClassifier(100, class_weight="balanced", random_state=seed)
    model.fit(x[painted], labels[painted])
    return model.predict(x.reshape(-1, x.shape[-1])).reshape(labels.shape)


def mean_dice(preds, truths, classes):
    "Mean Dice of the classes from 1 up, over all pictures together."
    dice = evaluate(preds, truths, classes)["dice"]
    return float(np.mean([v for v in list(dice.values())[1:] if v is not None]))


def measure(pictures, classes, n, seed):
    "Dice of each recipe after n strokes on every picture; and of the first head on the others."
    preds, others = {name: [] for name in RECIPES}, []
    truths = [truth for _, _, truth in pictures]
    painted = []
    for i, (features, x, truth) in enumerate(pictures):
        labels = draw_strokes(truth, n, 100 * seed + i)
        painted.append(float((labels != IGNORE).mean()))
        for name in ("linear", "hidden"):
            hidden = UNITS if name == "hidden" else 0
            head = fit_head(features, labels, classes, hidden=hidden, seed=seed)
            preds[name].append(head.predict(features).numpy())
            if i == 0 and name == "linear":
                others = [head.predict(f).numpy() for f, _, _ in pictures[1:]]
        preds["forest"].append(forest(x, labels, seed))
    dice = {name: mean_dice(p, truths, classes) for name, p in preds.items()}
    on = ", ".join([facts()["processor"], facts()["date"], facts().get("commit", "no commit")])
    return dict(
        dice=dice,
        others=mean_dice(others, truths[1:], classes),
        painted=float(np.mean(painted)),
        on=on,
    )


def trained(name):
    "Dice of the full training, mean and spread over its seeds."
    runs = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["runs"]
    return spread([run["scores"]["mean_dice_foreground"] for run in runs])


def only_strokes(ds, n, seed):
    "`ds` with `n` strokes for the masks of the pictures that teach and choose; tests stay whole."

    def painted(row, i):
        truth = np.asarray(row["mask"]).astype(np.int64)
        return dict(mask=Image.fromarray(draw_strokes(truth, n, 100 * seed + i).astype(np.uint8)))

    parts = {k: ds[k].map(painted, with_indices=True) for k in ("train", "valid")}
    return type(ds)({**ds, **parts})


def on_strokes(seed):
    "Scores of the whole model, trained on strokes by the recipe of bench/common.py."
    ds = load("isbi2012")
    channels, n = channels_classes(ds)
    taught = only_strokes(ds, STROKES[-1], seed)
    run = train_once(EffUNet(in_ch=channels, n_classes=n, seed=seed), taught, seed)
    print(f"trained on strokes, seed {seed}: Dice {run['dice']:.4f}", flush=True)
    return run


def main():
    same = dict(recipes=RECIPES, seeds=list(SEEDS), data=about_data(*DATA))
    kept = earlier("strokes", **same)
    runs, taught = kept.get("runs", {}), kept.get("taught", dict(recipe=RECIPE, runs=[]))
    for name in DATA:
        ds = load(name)
        pictures = []
        for i in range(len(ds["test"])):
            image, truth = sample(ds["test"], i)
            features = picture_features(image)
            pictures.append((features, filters(features), truth.numpy()))
        for n in STROKES:
            for seed in SEEDS:
                key = f"{name} {n} {seed}"
                if key not in runs:
                    runs[key] = measure(pictures, list(meta(ds)["classes"]), n, seed)
                    print(key, {k: round(v, 4) for k, v in runs[key]["dice"].items()}, flush=True)
                    write("strokes", **same, **summary(runs), runs=runs, taught=taught)
    for seed in SEEDS[len(taught["runs"]) :]:
        taught["runs"].append(on_strokes(seed))
        write("strokes", **same, **summary(runs), runs=runs, taught=taught)


def summary(runs):
    "Means over seeds: data set -> strokes -> recipe."
    out = {}
    for name in DATA:
        for n in STROKES:
            done = [runs[k] for k in (f"{name} {n} {s}" for s in SEEDS) if k in runs]
            if done:
                dice = {r: spread([run["dice"][r] for run in done]) for r in RECIPES}
                dice["linear, other pictures"] = spread([run["others"] for run in done])
                painted = spread([run["painted"] for run in done])
                out.setdefault(name, {})[str(n)] = dict(dice=dice, painted=painted)
    return dict(strokes=out, trained={name: trained(name) for name in out})
