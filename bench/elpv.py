"""Real semiconductors without masks: solar cells seen by their electroluminescence (Buerhop-Lutz
et al. 2018, Deitsch et al. 2019, 2021).

2,624 cells with a defect probability (0, 1/3, 2/3, 1) and the type of the module (mono, poly).
`pip install elpv-dataset`; the pictures are CC BY-NC-SA 4.0 and are not part of this project. Per
type, never mixed, three folds: clean pictures are functional cells (probability 0) only, the test
has functional cells that were left out, and defective ones from the same stretch of the list: with
probability 1 ("sure") or from 1/3 up ("any"). The folds are pooled: scores in units of the held-out
cells of their fold, intervals by bootstrap over cells. The comparator has never seen a solar cell.
Finished runs are kept.

    python bench/elpv.py [--quick] [METHOD ...]"""

import sys
import time
from functools import partial

import numpy as np
import torch
from common import earlier, write
from unet_explorer.anomaly import fit_normal
from unet_explorer.baselines import PaDiM, PatchCore
from unet_explorer.metrics import auroc
from unet_explorer.promise import SMALLEST_LOT, conformal, lot_threshold

QUICK = "--quick" in sys.argv
FOLDS = (0,) if QUICK else (0, 1, 2)
SIZES = (6.0, 60.0)  # cracks are thin and dark areas large
# N_TEST functional cells and as many defective ones
N_TRAIN, N_HELD, N_TEST, FPR = (8, 19, 12, 0.05) if QUICK else (200, 99, 150, 0.05)


def ours(clean, seed, method="auto"):
    return fit_normal(clean, method=method, sizes=SIZES, seed=seed)


METHODS = {
    "ours": ours,
    "rung: memory": partial(ours, method="memory"),
    "rung: place": partial(ours, method="place"),
    "rung: own": partial(ours, method="own"),
    "PaDiM, per place, normalised": partial(PaDiM, per_place=True, normalise=True),
    "PatchCore, normalised": partial(PatchCore, normalise=True),
    "PaDiM, per place": partial(PaDiM, per_place=True),  # cells are aligned: the paper's own way
    "PatchCore": PatchCore,
}
LOT = "ours, no clean pictures"  # the test itself, forty cells of it, is the reference


SOURCE = dict(
    title="elpv-dataset, 2,624 electroluminescence images of solar cells",
    licence="CC BY-NC-SA 4.0",
    citation="Buerhop-Lutz et al. 2018, doi 10.4229/35thEUPVSEC20182018-5CV.3.15; "
    "Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067; "
    "Deitsch et al. 2021, doi 10.1007/s00138-021-01191-9",
    split="per module type: contiguous blocks of the functional cells, in the order of the source, "
    "for training, threshold and test (the fold rotates them); "
    "defective cells are in the test only, those whose nearest functional cell in the list is a "
    "test cell. The source does not say which cells share a module",
)


def cells():
    "Images `(n h w)` uint8, defect probabilities, module types."
    try:
        from elpv_dataset.utils import load_dataset
    except ImportError:
        sys.exit("elpv-dataset is not installed: pip install elpv-dataset")
    images, probability, kind = load_dataset()
    return images, np.asarray(probability, float), np.asarray(kind).astype(str)


def split(probability, kind, which, seed, shuffled=False):
    "Indices: train, held out, test functional, test defective."
    good = np.flatnonzero((kind == which) & (probability == 0))
    rng = np.random.default_rng([seed, 99])
    # contiguous blocks: neighbours in the list are likely of one module
    good = rng.permutation(good) if shuffled else np.roll(good, seed * len(good) // 3)
    bad = np.flatnonzero((kind == which) & (probability > 0))
    n_train = min(N_TRAIN, len(good) - N_HELD - 8)
    test = good[n_train + N_HELD :][:N_TEST]
    nearest = good[np.abs(good[None] - bad[:, None]).argmin(1)]
    return (
        good[:n_train],
        good[n_train : n_train + N_HELD],
        test,
        rng.permutation(bad if shuffled else bad[np.isin(nearest, test)])[:N_TEST],
    )


def image_of(images, i):
    "The cell at half size, 150 x 150 pixels: for all methods, and four times as quick."
    return torch.nn.functional.avg_pool2d(
        torch.from_numpy(np.asarray(images[i], np.float32) / 255)[None], 2
    )


def strongest(m, n=9):
    "One number per map: the mean of the n x n largest values, less nervous than the maximum."
    return float(np.sort(m, axis=None)[-n * n :].mean())


def ways(model, image, without=None):
    "Name: map, of all that a method can say."
    if not hasattr(model, "both"):
        return {"": model.anomaly_map(image)}
    maps = model.both(image, None, without)
    return maps | dict(both=model.fused(maps, "both"))


def scores_of(model, pictures, numbers=None):
    "Name: a number for each picture."
    out = {}
    for i, image in enumerate(pictures):
        for name, m in ways(model, image, numbers and numbers.get(i)).items():
            out.setdefault(name, []).append(strongest(m))
    return {name: np.array(v) for name, v in out.items()}


def run_once(name, images, probability, kind, which, fold, shuffled=False):
    "Name: what one fold brings, for each way to say it."
    train, held, good, bad = split(probability, kind, which, fold, shuffled)
    pictures = {i: image_of(images, i) for rows in (train, held, good, bad) for i in rows}
    start, test = time.perf_counter(), [*good, *bad]
    numbers = None
    if name == LOT:
        some = range(0, len(test), max(1, len(test) // 40))
        numbers = {i: k for k, i in enumerate(some)}
        lot = [pictures[test[i]] for i in some]
        model = fit_normal(lot, method=("own", "lattice", "memory", "place"), sizes=SIZES)
    else:
        model = METHODS[name]([pictures[i] for i in train], seed=fold)
    seconds = time.perf_counter() - start
    scores = scores_of(model, [pictures[i] for i in test], numbers)
    clean = scores_of(model, [pictures[i] for i in held])
    about = getattr(model, "about", {})
    says = about.get("says", "")
    names = [""] if says == "" else ["judge", "distance", "both"]
    return {
        n: fold_result(scores[n], clean[n], probability[bad])
        | dict(
            fold=fold, fit_seconds=round(seconds, 1), method=about.get("method"), chosen=n == says
        )
        for n in names
    }


def fold_result(scores, held, bad):
    "False alarms of a fold, and its scores in units of its held-out cells."
    n = len(scores) - len(bad)
    low, middle, high = np.quantile(held, (0.25, 0.5, 0.75))
    limit = conformal(held, FPR)
    lot = lot_threshold(scores, FPR, held) if len(scores) >= SMALLEST_LOT else limit
    sure = scores[n:][bad == 1]
    return dict(
        good=((scores[:n] - middle) / (high - low)).tolist(),
        bad=((scores[n:] - middle) / (high - low)).tolist(),
        sure=(bad == 1).tolist(),
        false_alarms=float((scores[:n] > limit).mean()),
        found_sure=float((sure > limit).mean()) if len(sure) else None,
        lot_false_alarms=float((scores[:n] > lot).mean()),
        lot_found_sure=float((sure > lot).mean()) if len(sure) else None,
    )


def pooled(folds):
    "Area under the ROC curve over all folds, with a 95 % interval over cells."
    good = np.concatenate([f["good"] for f in folds])
    bad = np.concatenate([f["bad"] for f in folds])
    sure = np.concatenate([f["sure"] for f in folds]).astype(bool)
    out, rng = {}, np.random.default_rng(0)
    for name, some in dict(sure=bad[sure], any=bad).items():
        if not len(some):
            continue
        areas = [area(rng.choice(good, len(good)), rng.choice(some, len(some))) for _ in range(300)]
        out[name] = dict(
            mean=area(good, some), interval=np.quantile(areas, (0.025, 0.975)).tolist(), n=len(some)
        )
    return out | dict(functional=len(good))


def area(good, bad):
    return auroc(np.r_[good, bad], np.r_[good * 0, bad * 0 + 1].astype(int))


def table(runs):
    "Per type and method: the folds, and all of them together."
    return {
        which: {name: dict(pooled=pooled(folds), folds=folds) for name, folds in methods.items()}
        for which, methods in runs.items()
    }


def main(chosen=(*METHODS, LOT)):
    torch.set_num_threads(min(2, torch.get_num_threads()))
    images, probability, kind = cells()
    same = dict(data=SOURCE, fpr=FPR)
    old = {} if QUICK else earlier("elpv", **same).get("types", {})
    runs = {w: {n: m["folds"] for n, m in old.get(w, {}).items()} for w in ("mono", "poly")}
    for name in chosen:
        for which in runs:
            for fold in FOLDS:
                first = next((n for n in runs[which] if n.split(" | ")[0] == name), None)
                if first and any(f["fold"] == fold for f in runs[which][first]):
                    continue
                new = run_once(name, images, probability, kind, which, fold)
                for says, result in new.items():
                    full = f"{name} | {says}" if says else name
                    runs[which].setdefault(full, []).append(result)
                    areas = pooled([result])
                    areas = {k: round(areas[k]["mean"], 3) for k in ("sure", "any") if k in areas}
                    print(
                        f"{which} {full}, fold {fold}: {areas}, "
                        f"false {result['false_alarms']:.3f}, lot {result['lot_false_alarms']:.3f} "
                        f"({result['fit_seconds']:.0f} s, {result['method']}, {result['chosen']})",
                        flush=True,
                    )
                if not QUICK:
                    write("elpv", **same, types=table(runs))
    return table(runs)


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    chosen = [a for a in sys.argv[1:] if not a.startswith("--")] or [*METHODS, LOT]
    for which, methods in main(chosen).items():
        for name, result in methods.items():
            print(which, name, result["pooled"])
