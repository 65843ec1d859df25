"""Real semiconductors without masks: solar cells seen by their electroluminescence (Buerhop-Lutz
et al. 2018, Deitsch et al. 2019, 2021).

2,624 cells with a defect probability (0, 1/3, 2/3, 1) and the type of the module (mono, poly).
`pip install elpv-dataset`; the pictures are CC BY-NC-SA 4.0 and are not part of this project. Per
type, never mixed: training on functional cells (probability 0) only, the test has functional cells
that were left out, and defective ones from the same stretch of the list: with probability 1
("sure") or from 1/3 up ("any"). One run on mono cells also shuffles them before they are dealt out,
to show what a random split would have reported. Finished runs are kept.

    python bench/elpv.py [--quick]"""

import sys
import time
from functools import partial

import numpy as np
import torch
from common import SEEDS, earlier, spread, write
from unet_explorer.anomaly import PerPlace, anomaly_map, conformal, fit_normal
from unet_explorer.baselines import PaDiM, PatchCore
from unet_explorer.metrics import auroc
from unet_explorer.train import Training

QUICK = "--quick" in sys.argv
BUDGET = dict(steps=2 if QUICK else 400)  # of 8 crops of 128x128: about two minutes
SIZES = (6.0, 60.0)  # cracks are thin and dark areas large
# N_TEST functional cells and as many defective ones
N_TRAIN, N_HELD, N_TEST, FPR = (8, 19, 4, 0.05) if QUICK else (200, 99, 150, 0.05)
TRAINED = {}  # one network serves both of ours


def ours(clean, seed):
    "Trained on three quarters of the clean cells; the last quarter is for `PerPlace`."
    key = (seed, float(sum(c.sum() for c in clean)))
    if key not in TRAINED:
        TRAINED[key] = fit_normal(
            clean[: -(len(clean) // 4)] if len(clean) > 11 else clean,
            Training(seed=seed, size=96 if QUICK else 128, bar=False, **BUDGET),
            sizes=SIZES,
        )
    return TRAINED[key]


def ours_per_place(clean, seed):
    return PerPlace(ours(clean, seed), clean[-(len(clean) // 4) :], turns=1)


METHODS = {
    "ours": ours,
    "ours, per place": ours_per_place,
    "PaDiM, per place": partial(PaDiM, per_place=True),  # cells are aligned: the paper's own way
    "PatchCore": PatchCore,
}
SOURCE = dict(
    title="elpv-dataset, 2,624 electroluminescence images of solar cells",
    licence="CC BY-NC-SA 4.0",
    citation="Buerhop-Lutz et al. 2018, doi 10.4229/35thEUPVSEC20182018-5CV.3.15; "
    "Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067; "
    "Deitsch et al. 2021, doi 10.1007/s00138-021-01191-9",
    split="per module type: contiguous blocks of the functional cells, in the order of the source, "
    "for training, threshold and test (the seed rotates them); "
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


def score(model, images, rows, n=9):
    "One number per cell: the mean of the n x n largest values, less nervous than the maximum."
    maps = (anomaly_map(model, image_of(images, i)) for i in rows)
    return np.array([np.sort(m, axis=None)[-n * n :].mean() for m in maps])


def image_of(images, i):
    "The cell at half size, 150 x 150 pixels: for all methods, and four times as quick."
    return torch.nn.functional.avg_pool2d(
        torch.from_numpy(np.asarray(images[i], np.float32) / 255)[None], 2
    )


def run_once(name, images, probability, kind, which, seed, shuffled=False):
    train, held, good, bad = split(probability, kind, which, seed, shuffled)
    start = time.perf_counter()
    model = METHODS[name]([image_of(images, i) for i in train], seed=seed)
    seconds = time.perf_counter() - start
    a, b, h = (score(model, images, rows) for rows in (good, bad, held))
    sure = b[probability[bad] == 1]
    threshold, surely = conformal(h, FPR), float("nan")
    if len(sure):
        surely = auroc(np.r_[a, sure], np.r_[a * 0, sure * 0 + 1].astype(int))
    return dict(
        seed=seed,
        any=auroc(np.r_[a, b], np.r_[a * 0, b * 0 + 1].astype(int)),
        sure=surely,
        false_alarms=float((a > threshold).mean()),
        found_sure=float((sure > threshold).mean()) if len(sure) else None,
        fit_seconds=round(seconds, 1),
        n=dict(
            train=len(train),
            held=len(held),
            functional=len(good),
            defective=len(bad),
            sure=len(sure),
        ),
    )


def main(seeds=SEEDS):
    torch.set_num_threads(min(2, torch.get_num_threads()))
    images, probability, kind = cells()
    old = {} if QUICK else earlier("elpv", data=SOURCE, budget=BUDGET, fpr=FPR)
    runs = {
        part: {w: {n: m["runs"] for n, m in ms.items()} for w, ms in old.get(part, {}).items()}
        for part in ("types", "shuffled")
    }
    for part, seed in [
        ("types", seeds[0]),
        ("shuffled", seeds[0]),
        *(("types", s) for s in seeds[1:]),
    ]:
        for which in ("mono", "poly") if part == "types" else ("mono",):
            for name in METHODS:
                done = runs[part].setdefault(which, {}).setdefault(name, [])
                if any(r["seed"] == seed for r in done):
                    continue
                r = run_once(name, images, probability, kind, which, seed, part == "shuffled")
                done.append(r)
                print(
                    f"{part}, {which}, {name}, seed {seed}: image AUROC sure {r['sure']:.3f} "
                    f"any {r['any']:.3f}, false alarms {r['false_alarms']:.3f} "
                    f"({r['fit_seconds']:.0f} s) {r['n']}",
                    flush=True,
                )
                if not QUICK:
                    write(
                        "elpv",
                        data=SOURCE,
                        budget=BUDGET,
                        fpr=FPR,
                        **{p: table(t) for p, t in runs.items()},
                    )
    return runs["types"]


def table(runs):
    "Means and spreads over seeds."
    return {
        w: {
            n: dict(
                {
                    k: spread([x[k] for x in rs])
                    for k in ("any", "sure", "false_alarms", "fit_seconds")
                },
                runs=rs,
            )
            for n, rs in ms.items()
            if rs
        }
        for w, ms in runs.items()
    }


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main(SEEDS[:1] if QUICK else SEEDS)
