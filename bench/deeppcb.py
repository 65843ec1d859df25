"""Real boards with boxes: DeepPCB (Tang et al. 2019), thresholded by its authors, with a clean
template for each tested board. How many boxes are found at one false alarm a picture?

Three boards; each is tested once, as it is, with nothing fitted on it but what is said: the
comparator of the wheel has never seen a board. "Other boards": fitted on the clean templates of the
other two. "No clean pictures": the tested pictures of the board themselves are all there is, and
every one of them has three to twelve defects. "Template": the tested pictures, each
beside its template, and nothing else.

A box counts as found if an alarm's strongest pixel lies in it; an alarm in no box is false. The
threshold is where false alarms are one a picture, over the pictures of a board. Finished runs are
kept.

    python bench/deeppcb.py [--quick] [METHOD ...]"""

import sys
import time

import numpy as np
import torch
from common import earlier, write
from scipy import ndimage
from unet_explorer.anomaly import fit_normal
from unet_explorer.baselines import Difference, PatchCore
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.detection import precision_recall
from unet_explorer.images import to_image

QUICK = "--quick" in sys.argv
DATA = (
    "DeepPCB (MIT, Tang et al. 2019, arXiv 1902.06197): pairs of 640x640 from three boards, the "
    "first 10 of each; many defects were added by hand by its authors. Boards apart"
)
CLEAN = 8 if QUICK else 10  # templates of the other boards
LOT = 8 if QUICK else 10


def boards():
    "Board: rows of picture, template, boxes `(top, left, bottom, right)`, mask."
    out = {}
    for part in load("deeppcb").values():
        for i, row in enumerate(part):
            image, mask = sample(part, i)
            template = to_image(row["template"], 1)
            boxes = [box[:4] for box in row["boxes"]]  # top, left, bottom, right
            out.setdefault(row["group"], []).append((image[:1], template, boxes, mask))
    return {k: v[: 2 if QUICK else 10] for k, v in out.items()}


def peaks(m, least):
    "Pieces above `least`: pairs of the highest value and its place."
    labels, n = ndimage.label(m > least)
    places = ndimage.maximum_position(m, labels, range(1, n + 1))
    return [(float(m[y, x]), y, x) for y, x in places]


def found_at(maps, rows, false_alarms=1.0):
    "Share of boxes with an alarm in them, where false alarms are so many a picture."
    best, false = 0.0, []
    limits = np.quantile(np.stack(maps), 1 - np.logspace(-0.5, -5, 60))
    n = sum(len(r[2]) for r in rows)
    for limit in limits:
        hit, wrong = 0, 0
        for m, (_, _, boxes, _) in zip(maps, rows):
            there = peaks(m, limit)
            inside = [[a <= y < c and b <= x < d for a, b, c, d in boxes] for _, y, x in there]
            wrong += sum(not any(row) for row in inside)
            hit += sum(any(row[k] for row in inside) for k in range(len(boxes)))
        false.append(wrong / len(maps))
        if wrong <= false_alarms * len(maps):
            best = max(best, hit / n)
    return best, n


def ways(detector, image, *other, without=None):
    both = detector.both(image, *(other or (None,)), without)
    return both | dict(both=detector.fused(both, "both"))


def other_boards(rows, others):
    return fit_normal([r[1] for r in others[:: max(1, len(others) // CLEAN)]])


def with_template(rows, others):
    "The tested pictures beside their templates: where they differ as a rule, nothing is odd."
    return fit_normal([r[0] for r in rows], references=[r[1] for r in rows])


def no_clean(rows, others):
    return fit_normal([r[0] for r in rows[:LOT]], method=("own", "lattice", "memory"))


METHODS = {
    "other boards": other_boards,
    "no clean pictures": no_clean,
    "template": with_template,
    "difference to the template": lambda rows, others: Difference(),
    "PatchCore, normalised": lambda rows, others: PatchCore(
        [r[1] for r in others[:: max(1, len(others) // CLEAN)]], normalise=True
    ),
}


def maps_of(name, model, rows):
    "Name: maps."
    out = {}
    for i, (image, template, _, _) in enumerate(rows):
        if name == "no clean pictures":
            said = ways(model, image, without=i if i < LOT else None)
        elif name == "template":
            said = ways(model, image, template)
        elif hasattr(model, "both"):
            said = ways(model, image)
        else:
            other = (template,) if name.startswith("difference") else ()
            said = {"": model.anomaly_map(image, *other)}
        for k, m in said.items():
            out.setdefault(k, []).append(m)
    return out


def main(chosen=tuple(METHODS)):
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = boards()
    old = {} if QUICK else earlier("deeppcb", data=DATA).get("boards", {})
    results = {board: dict(old.get(board, {})) for board in data}
    for name in chosen:
        for board, rows in data.items():
            if any(n.split(" | ")[0] == name for n in results[board]):
                continue
            others = [r for b, rs in data.items() if b != board for r in rs]
            start = time.perf_counter()
            model = METHODS[name](rows, others)
            fit_seconds, start = time.perf_counter() - start, time.perf_counter()
            maps = maps_of(name, model, rows)
            ms = 1000 * (time.perf_counter() - start) / len(rows)
            about = getattr(model, "about", {})
            for says, some in maps.items():
                found, n = found_at(some, rows)
                truth = np.stack([r[3].numpy() > 0 for r in rows])
                results[board][f"{name} | {says}" if says else name] = r = dict(
                    boxes=found,
                    n=n,
                    ap=precision_recall(np.stack(some), truth)["ap"],
                    ms_per_picture=ms,
                    fit_seconds=fit_seconds,
                    method=about.get("method"),
                    chosen=about.get("says") == says,
                )
                print(
                    f"{board} {name} {says}: boxes {found:.3f} of {n}, AP {r['ap']:.3f} "
                    f"({r['method']}, {r['chosen']}, {ms:.0f} ms)",
                    flush=True,
                )
            if not QUICK:
                write("deeppcb", data=DATA, boards=results)
    return results


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main(tuple(a for a in sys.argv[1:] if not a.startswith("--")) or tuple(METHODS))
