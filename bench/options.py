"""Which options should our anomaly training have by default? Chosen on a product of its own: layers
4 and 5, which the contest only trains on.

Training: layers 0-3 and drawn layouts, other seeds than the contest's. "Away" is layers 4 and 5 at
the dose and focus of the contest's test; "home" other pictures of the training product. So the
contest's test is not looked at. Finished runs are kept.

    python bench/options.py [OPTION ...]"""

import sys

import torch
from common import SEEDS, earlier, spread, write
from contest import FPR, STEPS, TEST, TRAIN, layers, ours, sem, timed
from unet_explorer.simulate import inspection_set

OPTIONS = {"contrast 0": dict(contrast_weight=0.0), "contrast 0.1": dict(contrast_weight=0.1)}
KEYS = (
    "ap",
    "aupro",
    "auroc",
    "image_auroc",
    "false_images",
    "found",
    "home_ap",
    "home_aupro",
    "fit_cpu_seconds",
)


def pictures():
    "Clean and defective pictures of the two products."
    train = dict(layouts=(*layers(range(4)), "lines", "contacts", "routed"), sem=sem(TRAIN))
    away = dict(layouts=layers((4, 5)), sem=sem(TEST))

    def make(n, seed, **more):
        return inspection_set(n, seed=seed, size=(256, 256), **more)

    clean, faulty = dict(defects=()), dict(size_px=(6, 40))
    return dict(
        train=make(96, 111, **clean, **train),
        moved=make(59, 112, **clean, **train),
        qualified=make(59, 113, **clean, **away),
        fresh=make(40, 114, **clean, **away),
        test=make(100, 116, **faulty, **away),
        home=make(60, 117, **faulty, **train),
    )


def main(chosen=tuple(OPTIONS)):
    unknown = [n for n in chosen if n not in OPTIONS]
    if unknown:
        sys.exit(
            f"options: {unknown[0]!r} is not known; choose from {', '.join(map(repr, OPTIONS))}"
        )
    if len(layers(range(6))) < 6:
        sys.exit("options: layers 0-5 are needed; load('ic_layout') fetches them")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = pictures()
    about = dict(
        train=f"{len(data['train'])} clean pictures; real layers 0-3 and drawn layouts; "
        "dose and blur of the contest's training",
        away="100 pictures with one defect of 6 to 40 px and 40 clean ones; "
        "real layers 4 and 5; dose and blur of the contest's test",
        home="60 pictures with one defect, made like the training pictures",
        steps=STEPS,
        fpr=FPR,
    )

    def finished():
        options = earlier("options", data=about).get("options", {})
        return {n: m["runs"] for n, m in options.items()}

    for seed in SEEDS:
        for name in chosen:
            if any(r["seed"] == seed for r in finished().get(name, ())):
                continue
            r = timed(*ours(**OPTIONS[name]), data, seed)
            runs = finished()  # another process may have finished one meanwhile
            runs.setdefault(name, []).append(r)
            print(f"{name}, seed {seed}:", *(f"{k} {r[k]:.3f}" for k in KEYS), flush=True)
            write(
                "options",
                data=about,
                options={
                    n: dict(
                        summary={k: spread([r[k] for r in runs[n]]) for k in KEYS},
                        runs=sorted(runs[n], key=lambda r: r["seed"]),
                    )
                    for n in runs
                },
            )


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main(tuple(sys.argv[1:]) or tuple(OPTIONS))
