"""Who finds defects after seeing clean pictures only, or none at all? Ours (what to compare with,
and a judge), each rung of the ladder with judge, distance and both, PaDiM and PatchCore with the
same normalised features; with a reference die: ours and the plain difference. Fitting at most six
minutes on two cores.

Two tests. "Away" is another product: real chip layers that neither the clean pictures nor the
comparator of the wheel have, contacts of a pitch that they do not have, another dose and focus.
"Home" is the product of the clean pictures, other pictures of it. At least 200 pictures away, with
all kinds of defects from 6 pixels up, and clean ones beside them. Thresholds come from held-out
clean pictures taken like the test ("qualified"), like the training ("moved"), or from the lot
itself. The comparator was trained on the same *simulator*: it knows how its defects look, and the
baselines do not. Finished runs are kept: an interrupted contest goes on. The network on the bare
picture, which was the method before, is in results/contest_bare.json (commit 6df125c).

    python bench/contest.py [--quick] [--first] [--seed=N] [METHOD ...]"""

import sys
import time

import numpy as np
import torch
from common import SEEDS, earlier, facts, spread, write
from unet_explorer.anomaly import SAYS, Detector, fit_normal
from unet_explorer.comparator import evidence, judged, rare_defects
from unet_explorer.baselines import Difference, PaDiM, PatchCore
from unet_explorer.data import cache_dir
from unet_explorer.detection import aupro, detection_scores, precision_recall
from unet_explorer.effunet import EffUNet
from unet_explorer.layout import contacts, read_svg
from unet_explorer.physical_defects import DEFECTS
from unet_explorer.promise import SMALLEST_LOT, conformal, lot_threshold
from unet_explorer.references import Compared, Features, Memory
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training, fit_batches

QUICK = "--quick" in sys.argv
N = (
    dict(train=8, held=20, test=len(DEFECTS), home=len(DEFECTS), fresh=4, side=128)
    if QUICK
    else dict(train=96, held=59, test=200, home=100, fresh=80, side=256)
)
STEPS = 2 if QUICK else 250  # of 8 crops of 128x128; `fit_seconds` says how long all of it took
FPR = 0.05
KINDS = ["clean", *DEFECTS]
KEYS = (
    "ap",
    "f1_max",
    "auroc",
    "aupro",
    "image_auroc",
    "iou",
    "pixel_fpr",
    "false_alarms",
    "false_images",
    "lot_false_images",
    "lot_found",
)
OFFSET = 6  # pixels by which the stage may miss on the reference die
TRAIN = dict(
    layouts="real layers 0-5; drawn lines, contacts, routed metal of 80-130 nm pitch "
    "(contacts and routed metal a fifth more)",
    dose=(30, 80),
    blur_nm=(3, 5),
)
TEST = dict(
    layouts="real layers 6-9; drawn contacts of 170-230 nm pitch", dose=(18, 28), blur_nm=(5, 6.5)
)


def wide_contacts(size, pixel_nm, seed):
    "Contacts farther apart than any in training."
    rng = np.random.default_rng(seed)
    pitch = rng.uniform(170, 230)
    return contacts(size, pixel_nm, pitch, pitch * rng.uniform(0.4, 0.6), seed)


def sem(product):
    "Dose and focus of a product: `inspection_set` options."
    return {k: product[k] for k in ("dose", "blur_nm")}


def products():
    "Options of `inspection_set` for the training and the test product; no layout is in both."
    train = (*layers(range(6)), "lines", "contacts", "routed")
    test = (*(layers(range(6, 10)) or ["routed"]), wide_contacts)
    return dict(layouts=train, sem=sem(TRAIN)), dict(layouts=test, sem=sem(TEST))


def layers(numbers):
    "Real chip layers, if they are in the cache."
    paths = [cache_dir() / "ic_layout" / f"label{i:04d}.svg" for i in numbers]
    return [read_svg(p) for p in paths if p.is_file()]


def pictures():
    "Clean and defective pictures of both products, each with a reference."
    train, test = products()
    more = dict(size=(N["side"], N["side"]), reference=True, offset_px=OFFSET)
    return dict(
        train=inspection_set(N["train"], defects=(), seed=11, **train, **more),
        moved=inspection_set(N["held"], defects=(), seed=12, **train, **more),
        qualified=inspection_set(N["held"], defects=(), seed=13, **test, **more),
        fresh=inspection_set(N["fresh"], defects=(), seed=14, **test, **more),
        test=inspection_set(N["test"], seed=16, size_px=(6, 40), **test, **more),
        labelled=inspection_set(N["test"], seed=18, size_px=(6, 40), **test, **more),
        home=inspection_set(N["home"], seed=17, size_px=(6, 40), **train, **more),
    )


def clean_of(data):
    return [r["image"] for r in data["train"]]


def ours(method="auto", steps=0, reference=False):
    "Our detector; without steps the judge is the one of the wheel."

    def make(data, seed):
        training = None
        if steps:
            training = Training(steps=steps, seed=seed, bar=False, size=96 if QUICK else 128)
        references = [r["reference"] for r in data["train"]] if reference else None
        how = dict(references=references, method=method, seed=seed)
        return fit_normal(clean_of(data), training, **how)

    return make, reference


class OfLot:
    "A detector that was made from the lot: a picture of the lot is not compared with itself."

    def __init__(self, lot, seed):
        self.detector = fit_normal(lot, method=("own", "lattice", "memory"), seed=seed)
        self.about, self.numbers = self.detector.about, {id(x): i for i, x in enumerate(lot)}

    def anomaly_map(self, image):
        return self.detector.anomaly_map(image, None, self.numbers.get(id(image)))


def no_clean(data, seed):
    "Forty pictures of the lot, most of them with a defect: five of seven."
    lot = [r["image"] for r in (*data["test"], *data["fresh"])]
    return OfLot(lot[:: max(1, len(lot) // 40)], seed)


def baseline(cls, **options):
    def make(data, seed):
        return cls(clean_of(data), seed=seed, **options)

    return make, False


class Alone:
    "The judge with nothing to compare: what differs is set to 0. What it knows by heart."

    def __init__(self, clean, seed):
        self.detector = fit_normal(clean, method="own", seed=seed)

    def anomaly_map(self, image):
        compared = self.detector.compared
        seen = compared.look(image)
        return judged(self.detector.judge, evidence(seen, seen, compared), image.shape[1:])


def ablated(**features):
    "The distance to a memory of clean pictures, on other features than ours."

    def make(data, seed):
        clean = clean_of(data)
        look = Features(clean, seed=seed, **features)
        return Compared(look, Memory([look(c) for c in clean]), clean)

    return make, False


class Oracle:
    """What nobody has who inspects a new product: defects of it, with labels. As many pictures as
    the test has, of the same product and kinds, others than those. The limit of what can be seen.
    """

    def __init__(self, rows, seed):
        self.pairs = [(r["image"], r["mask"]) for r in rows]
        self.model = EffUNet()
        steps = 2 if QUICK else 1000
        fit_batches(self.model, self.batch, rare_defects, steps=steps, lr=2e-3, seed=seed)

    def batch(self, rng, side=128, share=0.6):
        crops = [self.crop(rng, side, rng.random() < share) for _ in range(8)]
        x, y = zip(*crops)
        return torch.stack(x), torch.stack(y)

    def crop(self, rng, side, around):
        "A crop, a share of them around a defect, turned and mirrored."
        image, mask = self.pairs[int(rng.integers(len(self.pairs)))]
        places = mask.nonzero() if around else torch.zeros(0, 2)
        h, w = mask.shape
        y, x = (int(rng.integers(n - side + 1)) for n in (h, w))
        if len(places):
            middle = places[int(rng.integers(len(places)))].tolist()
            low = [m - int(rng.integers(side)) for m in middle]
            y, x = (min(max(a, 0), n - side) for a, n in zip(low, (h, w)))
        both = torch.cat([image, mask[None]])[:, y : y + side, x : x + side]
        both = torch.rot90(both, int(rng.integers(4)), (1, 2))
        both = both.flip(2) if rng.random() < 0.5 else both
        return both[:1], both[1].long()

    @torch.no_grad()
    def anomaly_map(self, image):
        return self.model(image[None])[0, 0].numpy()


METHODS = {  # name: (make from data and seed, whether it gets references)
    "ours": ours(),
    "ours with a reference": ours(reference=True),
    "PatchCore, normalised": baseline(PatchCore, normalise=True),
    "PaDiM, normalised": baseline(PaDiM, normalise=True),
    "rung: own": ours("own"),
    "rung: lattice": ours("lattice"),
    "rung: memory": ours("memory"),
    "rung: die": ours(reference=True),
    "ours, no clean pictures": (no_clean, False),
    "difference to the reference": ((lambda data, seed: Difference()), True),
    "judge with nothing to compare": ((lambda data, seed: Alone(clean_of(data), seed)), False),
    "ours, trained on implants": ours("own", steps=STEPS),
    "distance to a memory, features whitened": ablated(whiten=True),
    "distance to a memory, features not normalised": ablated(whiten=False, normalise=False),
    "oracle: supervised on this product": (
        (lambda data, seed: Oracle(data["labelled"], seed)),
        False,
    ),
    "PaDiM": baseline(PaDiM),
    "PatchCore": baseline(PatchCore),
}
THRICE = (
    "ours",
    "ours with a reference",
    "PaDiM, normalised",
    "PatchCore, normalised",
)  # the others once
PLAN = [(m, s) for s in SEEDS for m in METHODS if s == SEEDS[0] or m in THRICE]


def found_by_kind(found, truths, threshold):
    "The share of defects that are found, averaged over the kinds."
    kinds = detection_scores(found, truths, threshold, KINDS)["kinds"].values()
    return float(np.mean([r["found"] / r["n"] for r in kinds if r["n"]]))


def maps_of(model, rows, reference, split):
    "Name: maps, of what a method says; of a rung, all that it can say."
    out = {}
    for r in rows:
        other = (r["reference"],) if reference else ()
        if split and isinstance(model, Detector):
            both = model.both(r["image"], *other)
            said = both | dict(both=model.fused(both, "both"))
        else:
            said = {"": model.anomaly_map(r["image"], *other)}
        for name, m in said.items():
            out.setdefault(name, []).append(m)
    return out


def scored(maps, data):
    "All scores of one way to say it; `maps` by part of the data."
    held = {k: [m.max() for m in maps[k]] for k in ("qualified", "moved")}
    found, quiet = maps["test"], maps["fresh"]
    defects = [r["mask"].numpy() * KINDS.index(r["defects"][0]["kind"]) for r in data["test"]]
    truths = defects + [np.zeros(m.shape, int) for m in quiet]
    own, moved = (conformal(held[k], FPR) for k in ("qualified", "moved"))
    lot = [m.max() for m in found[::8]] + [m.max() for m in quiet]  # a quarter of it is defective
    lot = lot_threshold(lot, FPR, held["moved"]) if len(lot) >= SMALLEST_LOT else own
    scores = detection_scores([*found, *quiet], truths, own, KINDS)
    for name, threshold in dict(moved=moved, lot=lot).items():
        scores[f"{name}_false_images"] = float(np.mean([m.max() > threshold for m in quiet]))
        scores[f"{name}_found"] = found_by_kind(found, defects, threshold)
    scores["found"] = found_by_kind(found, defects, own)
    home = [r["mask"].numpy() for r in data["home"]]
    scores["home_ap"] = precision_recall(np.stack(maps["home"]), np.stack(home))["ap"]
    scores["home_aupro"] = aupro(maps["home"], home)
    rows = [*data["test"], *data["fresh"]]
    real = [i for i, r in enumerate(rows) if "contacts" not in r["layout"]]
    for name, some in dict(real=real, contacts=sorted({*range(len(rows))} - {*real})).items():
        ms, ts = ([x[i] for i in some] for x in ([*found, *quiet], truths))
        if some:
            scores[f"{name}_ap"] = precision_recall(np.stack(ms), np.stack(ts) > 0)["ap"]
    return scores


PARTS = ("qualified", "moved", "test", "fresh", "home")


def timed(name, make, reference, data, seed):
    "Name: scores, of one fit, and how long it took."
    start = time.perf_counter()
    model, about = make(data, seed), facts()
    fit_seconds = round(time.perf_counter() - start, 1)
    split = name.startswith("rung")
    start = time.perf_counter()
    maps = {k: maps_of(model, data[k], reference, split) for k in PARTS}
    each = (time.perf_counter() - start) / sum(len(data[k]) for k in PARTS)
    known = getattr(model, "about", {})
    facts_of_run = dict(
        seed=seed,
        fit_seconds=fit_seconds,
        ms_per_picture=round(1000 * each, 1),
        steps=known.get("steps"),
        method=known.get("method"),
        says=known.get("says"),
        sees=known.get("sees"),
        on=", ".join([about["cores"], about["date"], about.get("commit", "")]),
    )
    return {
        f"{name}, {says}" if says else name: scored({k: maps[k][says] for k in PARTS}, data)
        | facts_of_run
        for says in maps["test"]
    }


def summary(runs):
    "Means and spreads over seeds; detection by kind and size pooled over seeds."

    def pooled(by):
        return {k: {w: sum(r[by][k][w] for r in runs) for w in ("found", "n")} for k in runs[0][by]}

    keys = (
        *KEYS,
        "found",
        "moved_false_images",
        "moved_found",
        "home_ap",
        "home_aupro",
        "real_ap",
        "fit_seconds",
        "ms_per_picture",
    )
    return dict(
        summary={k: spread([r[k] for r in runs]) for k in keys},
        kinds=pooled("kinds"),
        sizes=pooled("sizes"),
        runs=runs,
    )


def finished(about):
    "Runs of the same contest that are written already."
    old = {} if QUICK else earlier("contest", data=about)
    return {n: m["runs"] for n, m in old.get("methods", {}).items()}


def main(plan=PLAN):
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = pictures()
    real = sum("contacts" not in r["layout"] for r in data["test"])
    about = dict(
        test=f"{N['test']} simulated pictures with one defect each ({real} of real layers) and "
        f"{N['fresh']} clean ones, {N['side']}x{N['side']} pixels of 4 nm (real layers: 5 nm); "
        "layouts, dose and focus that training did not have; defects from 6 to 40 px",
        train=f"{N['train']} clean pictures",
        steps=STEPS,
        home=f"{N['home']} pictures with one defect each, made like the training pictures",
        fpr=FPR,
        offset_px=OFFSET,
        products=dict(
            training={k: str(v) for k, v in TRAIN.items()},
            test={k: str(v) for k, v in TEST.items()},
        ),
        held=f"{N['held']} clean pictures for the threshold",
        classes=KINDS,
    )
    runs = finished(about)
    for name, seed in plan:
        runs = runs | finished(about)  # another process may have finished one meanwhile
        there = runs.get(f"{name}, {SAYS[0]}" if name.startswith("rung") else name, [])
        if any(r["seed"] == seed for r in there):
            continue
        new = timed(name, *METHODS[name], data, seed)
        runs = runs | finished(about)
        for full, r in new.items():
            runs.setdefault(full, []).append(r)
            print(
                f"{full}, seed {seed}: AP {r['ap']:.3f} AUPRO {r['aupro']:.3f} "
                f"found {r['found']:.3f} false images {r['false_images']:.3f}; lot: "
                f"{r['lot_found']:.3f}, {r['lot_false_images']:.3f}; real AP {r['real_ap']:.3f}; "
                f"home AP {r['home_ap']:.3f} AUPRO {r['home_aupro']:.3f} "
                f"({r['fit_seconds']:.0f} s, {r['ms_per_picture']:.0f} ms, {r['method']})",
                flush=True,
            )
        if not QUICK:
            write("contest", data=about, methods={n: summary(rs) for n, rs in runs.items()})
    return {n: summary(rs) for n, rs in runs.items()}


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    chosen = [a for a in sys.argv[1:] if not a.startswith("--")]
    unknown = [a for a in chosen if a not in METHODS]
    if unknown:
        sys.exit(
            f"contest: {unknown[0]!r} is not known; choose from {', '.join(map(repr, METHODS))}"
        )
    seeds = [s for s in SEEDS if f"--seed={s}" in sys.argv] or SEEDS
    if QUICK or "--first" in sys.argv:
        seeds = SEEDS[:1]
    main([(m, s) for m, s in PLAN if s in seeds and (not chosen or m in chosen)])
