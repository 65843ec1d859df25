"""Who finds defects after seeing clean pictures only? Ours (implants, with each part also left
out), PaDiM, PatchCore; with a reference die: ours and the plain difference; with labels: ours,
supervised. Training at most ten minutes on two cores.

Two tests. "Away" is another product: real chip layers that training does not have, contacts of a
pitch that training does not have, another dose and focus. "Home" is the training product, other
pictures of it. At least 200 pictures away, with all kinds of defects from 6 pixels up, and clean
ones beside them. Thresholds come from held-out clean pictures taken like the test ("qualified")
and, to show what happens otherwise, like the training ("moved"). Options were chosen on layers of
the training product and other seeds (bench/TRIED.md). The parts of ours are left out one at a time
in trainings a third as long, beside a full one of that length. Finished runs are kept: an
interrupted contest goes on.

    python bench/contest.py [--quick] [METHOD ...]"""

import sys
import time

import numpy as np
import torch
from common import SEEDS, earlier, facts, spread, write
from unet_explorer.anomaly import anomaly_map, conformal, fit_normal
from unet_explorer.baselines import Difference, PaDiM, PatchCore
from unet_explorer.data import cache_dir
from unet_explorer.detection import aupro, detection_scores, precision_recall
from unet_explorer.implant import Implanted
from unet_explorer.layout import contacts, read_svg
from unet_explorer.physical_defects import DEFECTS
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training

QUICK = "--quick" in sys.argv
N = (
    dict(train=8, held=20, test=len(DEFECTS), home=len(DEFECTS), fresh=4, side=128)
    if QUICK
    else dict(train=96, held=59, test=200, home=100, fresh=80, side=256)
)
# of 8 crops of 128x128; `fit_seconds` and `fit_cpu_seconds` say how long it took
STEPS, SHORT = (2, 1) if QUICK else (1500, 500)
FPR = 0.05
FEW = 2 if QUICK else 30  # labelled pictures in supervised mode
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
        labelled=inspection_set(FEW, seed=15, size_px=(6, 40), **train, **more),
        test=inspection_set(N["test"], seed=16, size_px=(6, 40), **test, **more),
        home=inspection_set(N["home"], seed=17, size_px=(6, 40), **train, **more),
    )


def ours(steps=STEPS, **options):
    "Our network; `options` switch parts off or on."
    reference, labelled = options.pop("reference", False), options.pop("labelled", False)

    def make(data, seed):
        clean = [r["image"] for r in data["train"]]
        refs = [r["reference"] for r in data["train"]] if reference else None
        pairs = [(r["image"], r["mask"]) for r in data["labelled"]] if labelled else None
        training = Training(steps=steps, seed=seed, bar=False, size=96 if QUICK else None)
        return fit_normal(clean, training, references=refs, labelled=pairs, **options)

    return make, reference


def augmented(clean, seed):
    "`clean`, and twice as many turned, with another exposure, dose and focus, as ours gets them."
    n, side = 2 * len(clean), clean[0].shape[1]
    worn = Implanted(clean, side, n, seed=seed, share=0, decoys=0, wear=0.6)
    return [*clean, *(torch.Tensor(worn[i][0]) for i in range(len(worn)))]


def baseline(cls, varied=False, **options):
    def make(data, seed):
        clean = [r["image"] for r in data["train"]]
        return cls(augmented(clean, seed) if varied else clean, seed=seed, **options)

    return make, False


METHODS = {  # name: (make from data and seed, whether it gets references)
    "ours": ours(),
    "PaDiM": baseline(PaDiM),
    "PatchCore": baseline(PatchCore),
    "PaDiM, augmented as ours": baseline(PaDiM, True),
    "PatchCore, augmented as ours": baseline(PatchCore, True),
    "PaDiM, strides 2 4 8": baseline(PaDiM, strides=(2, 4, 8), blur=2.0),
    "PatchCore, strides 4 8": baseline(PatchCore, strides=(4, 8), blur=2.0),
    "difference to the reference": ((lambda data, seed: Difference()), True),
    "ours with a reference": ours(reference=True),
    "ours, supervised": ours(labelled=True),
    "short: ours": ours(SHORT),
    "short: with the contrast": ours(SHORT, contrast_weight=0.1),
    "short: without wear": ours(SHORT, wear=0.0),
    "short: without honest labels": ours(SHORT, honest=False),
    "short: without decoys": ours(SHORT, decoys=0.0),
    "short: copies only": ours(SHORT, kinds=("copy", "other")),
    "short: hard edges only": ours(SHORT, blends=("hard",)),
    "short: BCE + Dice": ours(SHORT, loss="bce+dice"),
    "short: focal + Dice": ours(SHORT, loss="focal+dice"),
}
THRICE = ("ours", "PaDiM", "PatchCore")  # the others once: trends, no proof
PLAN = [
    (m, s)
    for m in METHODS
    for s in SEEDS
    if s == SEEDS[0] or m.split(",")[0] in THRICE[1:] and "strides" not in m or m == "ours"
]


def found_by_kind(found, truths, threshold):
    "The share of defects that are found, averaged over the kinds."
    kinds = detection_scores(found, truths, threshold, KINDS)["kinds"].values()
    return float(np.mean([r["found"] / r["n"] for r in kinds if r["n"]]))


def judge(model, data, reference):
    "All scores of one trained method."

    def maps(rows):
        return [anomaly_map(model, r["image"], r["reference"] if reference else None) for r in rows]

    held = {k: [m.max() for m in maps(data[k])] for k in ("qualified", "moved")}
    found, quiet = maps(data["test"]), maps(data["fresh"])
    defects = [r["mask"].numpy() * KINDS.index(r["defects"][0]["kind"]) for r in data["test"]]
    truths = defects + [np.zeros(m.shape, int) for m in quiet]
    own, moved = (conformal(held[k], FPR) for k in ("qualified", "moved"))
    scores = detection_scores([*found, *quiet], truths, own, KINDS)
    scores["moved_false_images"] = float(np.mean([m.max() > moved for m in quiet]))
    scores["moved_found"] = found_by_kind(found, defects, moved)
    scores["found"] = found_by_kind(found, defects, own)
    rows = [*data["test"], *data["fresh"]]
    real = [i for i, r in enumerate(rows) if "contacts" not in r["layout"]]
    for name, ms, ts in (
        ("home", maps(data["home"]), [r["mask"].numpy() for r in data["home"]]),
        ("real", [[*found, *quiet][i] for i in real], [truths[i] > 0 for i in real]),
    ):
        scores[f"{name}_ap"] = precision_recall(np.stack(ms), np.stack(ts))["ap"]
        scores[f"{name}_aupro"] = aupro(ms, ts)
    return scores


def timed(make, reference, data, seed):
    "Scores of one training, and how long it took."
    start, cpu = time.perf_counter(), time.process_time()
    model = make(data, seed)
    times = dict(
        fit_seconds=round(time.perf_counter() - start, 1),
        fit_cpu_seconds=round(time.process_time() - cpu, 1),
    )
    about = facts()
    return dict(
        judge(model, data, reference),
        seed=seed,
        **times,
        steps=getattr(model, "about", {}).get("steps"),
        on=", ".join([about["cores"], about["date"], about.get("commit", "")]),
    )


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
        "real_aupro",
        "fit_seconds",
        "fit_cpu_seconds",
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
        steps=[STEPS, SHORT],
        home=f"{N['home']} pictures with one defect each, made like the training pictures",
        fpr=FPR,
        offset_px=OFFSET,
        products=dict(
            training={k: str(v) for k, v in TRAIN.items()},
            test={k: str(v) for k, v in TEST.items()},
        ),
        held=f"{N['held']} clean pictures for the threshold",
        labelled=f"{FEW} pictures with labels, in supervised mode only",
        classes=KINDS,
    )
    runs = finished(about)
    for name, seed in plan:
        runs |= finished(about)  # another process may have finished one meanwhile
        if any(r["seed"] == seed for r in runs.get(name, ())):
            continue
        r = timed(*METHODS[name], data, seed)
        runs |= finished(about)
        runs.setdefault(name, []).append(r)
        print(
            f"{name}, seed {seed}: AP {r['ap']:.3f} AUPRO {r['aupro']:.3f} "
            f"found {r['found']:.3f} false images {r['false_images']:.3f}, "
            f"real AP {r['real_ap']:.3f} AUPRO {r['real_aupro']:.3f}, "
            f"home AP {r['home_ap']:.3f} AUPRO {r['home_aupro']:.3f} "
            f"({r['fit_seconds']:.0f} s, {r['fit_cpu_seconds']:.0f} of processors)",
            flush=True,
        )
        if not QUICK:
            write(
                "contest",
                data=about,
                methods={
                    n: summary(runs[n]) for n in dict.fromkeys([*METHODS, *runs]) if n in runs
                },
            )
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
    main([(m, s) for m, s in PLAN if (s == SEEDS[0] or not QUICK) and (not chosen or m in chosen)])
