"""EfficientNet's first job (lesson 48): classes, boxes, and what compound scaling buys.

- learning: accuracy over pictures per class, for ten kinds of defects (simulated crops) and for
  solar cells that work or not (elpv-dataset, not part of this project, see bench/elpv.py); with
  pretrained features, fine-tuned, and from scratch.
- scaling: lite0, lite1, lite2 with frozen features and a linear layer, on the same pictures; time
  and memory of each.
- detection: a `CentreNet` and the mask of an `EffUNet` as boxes: the same encoder, data and steps.

Runs that are done are kept; a part can be asked for alone.

    python bench/classify_detect.py [--quick] [learning] [scaling] [detection]"""

import json
import re
import subprocess
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import RESULTS, SEEDS, spread, write
from torch import nn
from unet_explorer.classify_detect import (
    CentreNet,
    Classifier,
    box_precision,
    boxes_from_heatmap,
    boxes_of_mask,
    centre_loss,
    centre_target,
    crops_around,
    embeddings,
    linear_probe,
)
from unet_explorer.effunet import EffUNet
from unet_explorer.explain import dihedral
from unet_explorer.layers import ConvNormAct
from unet_explorer.physical_defects import DEFECTS
from unet_explorer.scaling import VARIANTS, count, training_bytes
from unet_explorer.simulate import inspection_set
from unet_explorer.train import SegLoss, fit_batches

QUICK = "--quick" in sys.argv
KINDS = list(DEFECTS)
NUMBERS = (1, 3, 10, 30, 100)  # pictures per class
SIM = dict(size=(128, 128), size_px=(12, 40), sem=dict(dose=(40, 120)))
SIDE = 96  # to which crops of 64 are scaled for lite0, chosen on validation pictures
LARGE = 224  # side of the solar cells for the probe "large"
FINE = 100  # pictures per class at which lite0 is also fine-tuned, and trained from scratch
LONG = (10, 30)  # defects per class, at which the longer trainings are made, too
STEPS = dict(small=250, long=1000, tuned=60, gentle=130, scratch=60, boxes=200)
LR = dict(small=5e-3, long=5e-3, tuned=2e-4, gentle=2e-4, scratch=3e-3)
BS = 16
N_TEST = 30  # defects per class; validation has as many
SETTINGS = dict(
    crops="64 x 64 px of 128 x 128, defects of 12 to 40 px, dose 40 to 120",
    side=SIDE,
    steps=STEPS,
    lr=LR,
    batch=BS,
    chosen="side, l2, learning rates and thresholds on validation pictures of other seeds",
)


class Small(nn.Module):
    "A classifier as small as the task allows: seven convolutions, mean, linear."

    def __init__(self, n_classes, width=16):
        super().__init__()
        a, b, c = width, 2 * width, 4 * width
        wide = [(1, a, 1), (a, a, 2), (a, b, 1), (b, b, 2), (b, c, 1), (c, c, 2), (c, c, 1)]
        self.maps = nn.Sequential(*(ConvNormAct(i, o, stride=s) for i, o, s in wide))
        self.classifier = nn.Linear(c, n_classes)

    def forward(self, x):
        return self.classifier(self.maps(2 * x - 1).mean((2, 3)))


class Still(Classifier):
    "Batch norm keeps the statistics of ImageNet: small batches would only shake them."

    def train(self, mode=True):
        super().train(mode)
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eval()
        return self


# --- data ---------------------------------------------------------------------------------------


def defects(per_class, seed):
    rows = inspection_set(per_class * len(KINDS), defects=KINDS, seed=seed, **SIM)
    crops, kinds = crops_around(rows, 64, seed=seed)
    return crops, torch.tensor([KINDS.index(k) for k in kinds])


def defect_data(seed):
    "Training and test: other seeds, so other layouts. The first pictures are balanced."
    most = 3 if QUICK else max(NUMBERS)
    return *defects(most, 100 + seed), *defects(2 if QUICK else N_TEST, 900)


def elpv_data(seed, pool=3):
    """Cells of 300 / pool px. The list of each type is cut into three stretches: one is the test,
    another for each seed, and the training cells are drawn from the two others."""
    from elpv import cells

    images, probability, kind = cells()
    rng, train, test = np.random.default_rng(seed), [], []
    for which in ("mono", "poly"):
        rows = np.flatnonzero((kind == which) & np.isin(probability, (0, 1)))
        parts = np.array_split(rows, 3)
        test.append(parts.pop(seed))
        train.append(np.concatenate(parts))
    train, test = rng.permutation(np.concatenate(train)), np.concatenate(test)
    by_class = [train[probability[train] == c][: max(NUMBERS)] for c in (0, 1)]
    train = np.stack(by_class, 1).ravel()  # by turns, so that every beginning is balanced
    if QUICK:
        train, test = train[:8], test[::40]
    y = torch.from_numpy((probability == 1).astype(np.int64))
    return pooled(images[train], pool), y[train], pooled(images[test], pool), y[test]


def pooled(images, pool):
    "uint8 `(n h w)` to `(n 1 h/pool w/pool)` in [0, 1]."
    return F.avg_pool2d(torch.from_numpy(images).float()[:, None] / 255, pool)


DATA = {"defects": (defect_data, len(KINDS)), "elpv": (elpv_data, 2)}


def scores(logits, y):
    "Mean of the classes' recalls (so chance is 1 / classes), and accuracy."
    right = logits.argmax(1) == y
    recalls = [right[y == k].float().mean().item() for k in y.unique()]
    return dict(balanced=float(np.mean(recalls)), accuracy=right.float().mean().item())


# --- learning -----------------------------------------------------------------------------------


def probed(x, y, n_classes, side):
    model = Still(n_classes)
    model.net.classifier = linear_probe(embeddings(model, x, side), y, n_classes)
    return model


def tuned(x, y, n_classes, side, seed, how="tuned"):
    "From the probe on, all weights."
    return trained(probed(x, y, n_classes, side), how, x, y, side, seed)


def gentle(x, y, n_classes, side, seed):
    "About as many seconds as `long`."
    return tuned(x, y, n_classes, side, seed, "gentle")


def scratch(x, y, n_classes, side, seed):
    return trained(Classifier(n_classes, pretrained=False, seed=seed), "scratch", x, y, side, seed)


def small(x, y, n_classes, side, seed, how="small"):
    torch.manual_seed(seed)
    return trained(Small(n_classes), how, x, y, None, seed)


def long(x, y, n_classes, side, seed):
    return small(x, y, n_classes, side, seed, "long")


def scaled(x, side):
    if side is None or side == x.shape[-1]:
        return x
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def trained(model, how, x, y, side, seed):
    def batch(rng):
        i = torch.from_numpy(rng.integers(len(x), size=BS))
        return scaled(dihedral(x[i])[rng.integers(8)], side), y[i]

    steps = 3 if QUICK else STEPS[how]
    fit_batches(model, batch, F.cross_entropy, steps=steps, lr=LR[how], seed=seed)
    return model


def answers(model, x, side=None):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(scaled(b, side)) for b in x.split(32)])


def wanted(name, late):
    "Methods and pictures per class; what takes longest comes last."
    first = [(m, n) for m in ("probe", "small") for n in NUMBERS]
    first += [(m, FINE) for m in ("tuned", "scratch")]
    first += [("large", n) for n in NUMBERS if name == "elpv"]
    last = [(m, FINE) for m in ("long", "gentle")]
    if name == "defects":
        return first + last if not late else [(m, n) for n in LONG for m in ("long", "gentle")]
    return last if late else first


def learning(runs, save):
    for late, seed, (name, (data, k)) in product((False, True), SEEDS, DATA.items()):
        done = {(r["data"], r["method"], r["n"], r["seed"]) for r in runs}
        todo = [(m, n) for m, n in wanted(name, late) if (name, m, n, seed) not in done]
        if not todo:
            continue
        x, y, x_test, y_test = data(seed)
        side, model = SIDE if name == "defects" else None, Classifier(k)
        seen = {"probe": [embeddings(model, v, side) for v in (x, x_test)]}
        if ("large", FINE) in todo:  # solar cells at the network's own size, for the probe alone
            big, _, big_test, _ = elpv_data(seed, pool=2)
            seen["large"] = [embeddings(model, v, LARGE) for v in (big, big_test)]
        for method, n in todo:
            start, part = time.perf_counter(), slice(0, n * k)
            if method in seen:
                features, far = seen[method]
                logits = linear_probe(features[part], y[part], k)(far).detach()
            else:
                net = globals()[method](x[part], y[part], k, side, seed)
                logits = answers(net, x_test, None if method in ("small", "long") else side)
            r = dict(data=name, method=method, n=n, seed=seed, **scores(logits, y_test))
            r |= dict(n_test=len(y_test), seconds=round(time.perf_counter() - start, 1))
            runs.append(r)
            print("learning", r, flush=True)
            save()


# --- scaling ------------------------------------------------------------------------------------

PROBE = """
import sys; sys.path.insert(0, {here!r})
import time, torch
from classify_detect import peak
from unet_explorer.classify_detect import Classifier
torch.set_num_threads(1)
net, x = Classifier(1000, {name!r}, in_ch=3).eval(), torch.rand(4, 3, {side}, {side})
with torch.inference_mode():
    net(x[:1, :, :32, :32])
    before = peak()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        net(x)
        times.append((time.perf_counter() - start) / len(x))
print(min(times), peak() - before)
"""


def peak():
    "The most memory this process has held, in bytes."
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def cost(name, side):
    "Seconds per picture (the quickest of five, one thread) and memory of four, in a new process."
    code = PROBE.format(here=str(Path(__file__).parent), name=name, side=side)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, held = map(float, out.stdout.split())
    promised = count(name, side)
    return dict(
        seconds=seconds,
        bytes=int(held),
        macs=promised.macs,
        params=promised.params,
        training_bytes=training_bytes(promised, bs=16),
    )


def scaling(runs, save):
    for name in ("lite0", "lite1", "lite2"):
        own = VARIANTS[name].resolution
        if not any(r["network"] == name and r["data"] == "cost" for r in runs):
            runs.append(dict(data="cost", network=name, side=own, **cost(name, own)))
            print("scaling", runs[-1], flush=True)
        for data, (get, k) in DATA.items():
            for at in ("own", "equal"):
                if name == "lite0" and at == "equal":
                    continue  # the same
                side = SIDE if data == "defects" else 100
                side = round(side * own / 224) if at == "own" else side
                for seed in SEEDS:
                    key = dict(data=data, network=name, at=at, seed=seed)
                    if any(key.items() <= r.items() for r in runs):
                        continue
                    x, y, x_test, y_test = get(seed)
                    net = Classifier(k, name)
                    a, b = (embeddings(net, v, side) for v in (x, x_test))
                    logits = linear_probe(a, y, k)(b).detach()
                    runs.append(dict(key, side=side, **scores(logits, y_test)))
                    print("scaling", runs[-1], flush=True)
                    save()


# --- detection ----------------------------------------------------------------------------------

N_TRAIN, N_VALID = (16, 4) if QUICK else (400, 60)
DETECT = dict(per_image=2, **SIM)
CUTS = [(t, m, a) for t in (0.3, 0.5, 0.7, 0.9) for m in (0, 4, 8) for a in (6, 20)]


def found_by_centres(net, x):
    return [boxes_from_heatmap(out) for out in answers(net, x)]


def found_by_mask(probs, cut):
    return [boxes_of_mask(p, *cut) for p in probs]


def by_kind(found, rows, score, overlap=0.5):
    "Found by kind at one threshold of the score, and false boxes per picture."
    from torchvision.ops import box_iou

    table, false = {k: [0, 0] for k in KINDS}, 0
    for f, row in zip(found, rows):
        boxes = f["boxes"][f["scores"] >= score]
        truth = torch.tensor([d["box"] for d in row["defects"]]).float()
        good = box_iou(boxes, truth) >= overlap
        false += int((~good.any(1)).sum())
        for d, hit in zip(row["defects"], good.any(0)):
            table[d["kind"]][0] += int(hit)
            table[d["kind"]][1] += 1
    return dict(kinds=table, false_boxes=false / len(rows))


def best_score(found, rows):
    "The threshold of the score with the best F1, on validation pictures."

    def f1(score):
        r = by_kind(found, rows, score)
        hits, n = np.sum(list(r["kinds"].values()), 0)
        return 2 * hits / max(hits + r["false_boxes"] * len(rows) + n, 1)

    return float(max(np.linspace(0.05, 0.95, 19), key=f1))


def detection(runs, save):
    test = inspection_set(N_VALID, seed=903, **DETECT)
    valid = inspection_set(N_VALID, seed=902, **DETECT)
    x_test, x_valid = (torch.stack([r["image"] for r in rows]) for rows in (test, valid))
    true, true_valid = ([[d["box"] for d in r["defects"]] for r in rows] for rows in (test, valid))
    for seed in SEEDS:
        todo = [
            m
            for m in ("centres", "mask")
            if (m, seed) not in {(r["method"], r["seed"]) for r in runs}
        ]
        if not todo:
            continue
        rows = inspection_set(N_TRAIN, seed=200 + seed, **DETECT)
        x = torch.stack([r["image"] for r in rows])
        for method in todo:
            start = time.perf_counter()
            if method == "centres":
                net, loss = CentreNet(seed=seed), centre_loss
                y = [centre_target([d["box"] for d in r["defects"]], 128, 128) for r in rows]
            else:
                net = EffUNet(decoder=(64, 48, 32, 16), convs=1, seed=seed)
                y, loss = [r["mask"] for r in rows], SegLoss()
            y = torch.stack(y)

            def batch(rng):
                i = torch.from_numpy(rng.integers(len(x), size=8))
                return x[i], y[i]

            fit_batches(net, batch, loss, steps=3 if QUICK else STEPS["boxes"], seed=seed)
            r = dict(method=method, seed=seed, seconds=round(time.perf_counter() - start, 1))
            if method == "centres":
                on_valid, found = (found_by_centres(net, v) for v in (x_valid, x_test))
            else:
                p_valid, p = (answers(net, v)[:, 0].sigmoid().numpy() for v in (x_valid, x_test))
                cut = max(
                    CUTS, key=lambda c: box_precision(found_by_mask(p_valid, c), true_valid)["ap50"]
                )
                on_valid, found = found_by_mask(p_valid, cut), found_by_mask(p, cut)
                r["cut"] = dict(zip(("threshold", "merge_px", "min_px"), cut))
            score = best_score(on_valid, valid)
            r |= box_precision(found, true) | dict(score=score) | by_kind(found, test, score)
            runs.append(r)
            print("detection", r, flush=True)
            save()


# --- all ----------------------------------------------------------------------------------------

PARTS = dict(learning=learning, scaling=scaling, detection=detection)


def summary(runs):
    "Means and spreads over seeds."
    out = {}
    for part, key, what in (
        ("learning", ("data", "method", "n"), ("balanced",)),
        ("scaling", ("data", "network", "at"), ("balanced",)),
        ("detection", ("method",), ("ap", "ap50", "ap75", "false_boxes")),
    ):
        groups = {}
        for r in runs[part]:
            if "seed" in r:
                groups.setdefault(" | ".join(str(r[k]) for k in key), []).append(r)
        out[part] = {g: {w: spread([r[w] for r in rs]) for w in what} for g, rs in groups.items()}
    return out


def kept():
    "The runs there are, by part."
    path = RESULTS / "classify_detect.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not QUICK else {}
    return {part: old.get("runs", {}).get(part, []) for part in PARTS}


def save(part, own):
    "Write the runs of one part; those of others may have grown meanwhile."
    if QUICK:
        return
    runs = kept() | {part: own}
    write(
        "classify_detect",
        settings=SETTINGS,
        chance=dict(defects=1 / len(KINDS), elpv=0.5),
        split="defects: simulated, seeds 100 to 102 for training, 900 for the test, other layouts "
        "each; boxes: 200 to 202, validation 902, test 903; elpv: one contiguous third of the list "
        "of each module type is the test, a different one for each seed",
        summary=summary(runs),
        runs=runs,
    )


def main():
    torch.set_num_threads(1)
    for part in [p for p in PARTS if p in sys.argv[1:]] or PARTS:
        runs = kept()[part]
        PARTS[part](runs, partial(save, part, runs))


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main()
