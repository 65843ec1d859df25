"""Who finds defects after seeing clean pictures only? Ours (implants, with each part also left out), PaDiM, PatchCore; with a reference
die: ours and the plain difference; with labels: ours, supervised. Training at most ten minutes on two cores.

Two tests. "Away" is another product: real chip layers, pitches, dose and focus that the training pictures do not have. "Home" is the
training product, other pictures of it. At least 200 pictures away, with all kinds of defects from 6 pixels up, and clean ones beside them.
Thresholds come from held-out clean pictures taken like the test ("qualified") and, to show what happens otherwise, like the training
("moved"). Options were chosen on other layers and seeds (bench/TRIED.md). Finished runs are kept: an interrupted contest goes on.

    python bench/contest.py [--quick] [METHOD ...]"""
import sys
import time

import numpy as np
import torch
from common import SEEDS, earlier, spread, write
from unet_explorer.anomaly import anomaly_map, conformal, fit_normal
from unet_explorer.baselines import Difference, PaDiM, PatchCore
from unet_explorer.data import cache_dir
from unet_explorer.detection import aupro, detection_scores, precision_recall
from unet_explorer.layout import read_svg
from unet_explorer.physical_defects import DEFECTS
from unet_explorer.simulate import inspection_set

QUICK = "--quick" in sys.argv
N = dict(train=8, held=20, test=len(DEFECTS), home=len(DEFECTS), fresh=4, side=128) if QUICK else dict(train=96, held=59, test=200, home=100, fresh=80, side=256)
BUDGET = dict(steps=2 if QUICK else 1500)        # of 8 crops of 128x128: about five minutes; `fit_seconds` says how long it took
FPR = .05
FEW = 2 if QUICK else 30           # labelled pictures in supervised mode
KINDS = ["clean", *DEFECTS]
KEYS = ("ap", "f1_max", "auroc", "aupro", "image_auroc", "iou", "pixel_fpr", "false_alarms", "false_images")


def products():
    "What the training and the test product are made of: `inspection_set` options. Layers are left out: none is in both."
    train = dict(layouts=(*layers(range(6)), "lines", "contacts", "routed"), sem=dict(dose=(30, 80), blur_nm=(3, 5)))
    test = dict(layouts=(*(layers(range(6, 10)) or ["routed"]), "lines", "contacts"), sem=dict(dose=(18, 28), blur_nm=(5, 6.5)))
    return train, test


def layers(numbers):
    "Real chip layers, if they are in the cache."
    paths = [cache_dir() / "ic_layout" / f"label{i:04d}.svg" for i in numbers]
    return [read_svg(p) for p in paths if p.is_file()]


def pictures():
    "Clean and defective pictures of both products, each with a reference."
    (train, test), more = products(), dict(size=(N["side"], N["side"]), reference=True)
    return dict(train=inspection_set(N["train"], defects=(), seed=11, **train, **more), moved=inspection_set(N["held"], defects=(), seed=12, **train, **more),
                qualified=inspection_set(N["held"], defects=(), seed=13, **test, **more), fresh=inspection_set(N["fresh"], defects=(), seed=14, **test, **more),
                labelled=inspection_set(FEW, seed=15, size_px=(6, 40), **train, **more), test=inspection_set(N["test"], seed=16, size_px=(6, 40), **test, **more),
                home=inspection_set(N["home"], seed=17, size_px=(6, 40), **train, **more))


def ours(**options):
    "Our network; `options` switch parts off or on."
    reference, labelled = options.pop("reference", False), options.pop("labelled", False)
    def make(data, seed):
        clean, refs = [r["image"] for r in data["train"]], [r["reference"] for r in data["train"]] if reference else None
        pairs = [(r["image"], r["mask"]) for r in data["labelled"]] if labelled else None
        return fit_normal(clean, references=refs, labelled=pairs, seed=seed, **BUDGET, **({"size": 96} if QUICK else {}), **options)
    return make, reference


def baseline(cls, **options):
    return (lambda data, seed: cls([r["image"] for r in data["train"]], seed=seed, **options)), False


METHODS = {  # name: (make from data and seed, whether it gets references)
    "ours": ours(), "PaDiM": baseline(PaDiM), "PatchCore": baseline(PatchCore),
    "PaDiM, strides 2 4 8": baseline(PaDiM, strides=(2, 4, 8), blur=2.), "PatchCore, strides 4 8": baseline(PatchCore, strides=(4, 8), blur=2.),
    "ours with a reference": ours(reference=True), "difference to the reference": ((lambda data, seed: Difference()), True), "ours, supervised": ours(labelled=True),
    "without contrast": ours(contrast=0.), "without decoys": ours(decoys=0.), "without honest labels": ours(honest=False), "without wear": ours(wear=0.),
    "hard edges only": ours(blends=("hard",)), "copies only": ours(kinds=("copy", "other")), "BCE + Dice": ours(loss="bce+dice"), "focal + Dice": ours(loss="focal+dice")}
THRICE = ("ours", "PaDiM", "PatchCore")           # the others once: trends, no proof
PLAN = [(m, s) for m in METHODS for s in SEEDS if m in THRICE or s == SEEDS[0]]


def judge(model, data, reference):
    "All scores of one trained method."
    def maps(rows): return [anomaly_map(model, r["image"], r["reference"] if reference else None) for r in rows]
    held = {k: [m.max() for m in maps(data[k])] for k in ("qualified", "moved")}
    found, quiet = maps(data["test"]), maps(data["fresh"])
    truths = [r["mask"].numpy() * KINDS.index(r["defects"][0]["kind"]) for r in data["test"]] + [np.zeros(m.shape, int) for m in quiet]
    scores = detection_scores([*found, *quiet], truths, conformal(held["qualified"], FPR), KINDS)
    threshold = conformal(held["moved"], FPR)
    scores["moved_false_images"] = float(np.mean([m.max() > threshold for m in quiet]))
    home, masks = maps(data["home"]), [r["mask"].numpy() for r in data["home"]]
    scores["home_ap"], scores["home_aupro"] = precision_recall(np.stack(home), np.stack(masks))["ap"], aupro(home, masks)
    return scores


def run_once(name, data, seed):
    make, reference = METHODS[name]
    start = time.perf_counter()
    model = make(data, seed)
    fitted = time.perf_counter() - start
    return dict(judge(model, data, reference), seed=seed, fit_seconds=round(fitted, 1), steps=getattr(model, "about", {}).get("steps"))


def summary(runs):
    "Means and spreads over seeds; detection by kind and size pooled over seeds."
    def pooled(by): return {k: {w: sum(r[by][k][w] for r in runs) for w in ("found", "n")} for k in runs[0][by]}
    keys = (*KEYS, "moved_false_images", "home_ap", "home_aupro", "fit_seconds")
    return dict(summary={k: spread([r[k] for r in runs]) for k in keys}, kinds=pooled("kinds"), sizes=pooled("sizes"), runs=runs)


def finished(about):
    "Runs of the same contest that are written already."
    old = {} if QUICK else earlier("contest", data=about, budget=BUDGET)
    return {n: m["runs"] for n, m in old.get("methods", {}).items()}


def main(plan=PLAN):
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = pictures()
    about = dict(test=f"{N['test']} simulated pictures with one defect each and {N['fresh']} clean ones, {N['side']}x{N['side']} pixels of 4 nm (real layers: 5 nm); "
                      "real layers, dose and focus that training did not have; defects from 6 to 40 px", train=f"{N['train']} clean pictures",
                 home=f"{N['home']} pictures with one defect each, made like the training pictures", fpr=FPR,
                 held=f"{N['held']} clean pictures for the threshold", labelled=f"{FEW} pictures with labels, in supervised mode only", classes=KINDS)
    runs = finished(about)
    for name, seed in plan:
        runs |= finished(about)                       # another process may have finished one meanwhile
        if any(r["seed"] == seed for r in runs.get(name, ())): continue
        r = run_once(name, data, seed)
        runs |= finished(about)
        runs.setdefault(name, []).append(r)
        print(f"{name}, seed {seed}: AP {r['ap']:.3f} AUPRO {r['aupro']:.3f} IoU {r['iou']:.3f} false images {r['false_images']:.3f}, home AP {r['home_ap']:.3f} "
              f"AUPRO {r['home_aupro']:.3f} ({r['fit_seconds']:.0f} s)", flush=True)
        if not QUICK: write("contest", data=about, budget=BUDGET, methods={n: summary(runs[n]) for n in METHODS if n in runs})
    return {n: summary(rs) for n, rs in runs.items()}


if __name__ == "__main__":
    import warnings
    warnings.filterwarnings("ignore")
    chosen = [a for a in sys.argv[1:] if not a.startswith("--")]
    main([(m, s) for m, s in PLAN if (s == SEEDS[0] or not QUICK) and (not chosen or m in chosen)])
