"""The comparator in the wheel: a judge (`comparator.Judge`) for products that it never saw.

It is trained on simulated products and on a few freely licensed textures, each seen through several
rungs of the ladder (`references`): the picture itself, a memory of eight clean pictures, another
die, the lattice. Never used: layers 6-9, contacts wider than 160 nm at 4 nm, and a dose below 30,
which are the contest's test; solar cells; circuit boards; and all that is not named here.

    python bench/comparator.py [--quick] [--hard WEIGHT] [--pool] [--seconds S]
        [--out FOLDER]

It writes comparator.safetensors (half precision) and comparator.json, into unet_explorer/ or
FOLDER: recipe, seed, licences, what was measured on products that were held out. The examples
(2 GB) are kept in a folder of their own, `pool/` beside this file, and are made once; `--pool`
only makes them. Two cores take an hour and a half.

`--hard` adds that many times the mean loss of the 1 % of clean pixels that are judged worst: a
picture is alarmed by its worst pixel, and so these are what a threshold hangs on."""

import argparse
import json
import multiprocessing
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import facts
from contest import layers
from scipy import ndimage
from unet_explorer.comparator import Judge, evidence, judged, load_judge, rare_defects, train_judge
from unet_explorer.detection import precision_recall
from unet_explorer.effunet import write_tensors
from unet_explorer.implant import implant
from unet_explorer.machine import best_device
from unet_explorer.physical_defects import DEFECTS
from unet_explorer.promise import conformal
from unet_explorer.references import Compared, Die, Features, Lattice, Memory, Own, periods
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training

asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
asked.add_argument("--quick", action="store_true", help="a few steps on a few products")
asked.add_argument("--pool", action="store_true", help="only make the examples")
asked.add_argument("--hard", type=float, default=0.0, help="weight of the worst clean pixels")
asked.add_argument("--seconds", type=float, help="as many steps as fit into this time, roughly")
asked.add_argument("--out", type=Path, help="folder for the weights; the package's if not given")
ASKED = asked.parse_args()
QUICK = ASKED.quick
SEED = 0
STEPS = 2 if QUICK else 2800
EPOCHS = 14  # validations, the best of which counts
BATCH = 2 if QUICK else 8  # crops of 128x128
N = dict(simulated=2, binary=1, textures=1) if QUICK else dict(simulated=84, binary=28, textures=24)
WORKERS = 0 if QUICK else max(0, min(6, os.cpu_count() // 2 - 1))  # prepare crops
CLEAN, FAULTY, PLANTED, FRESH = 8, 8, 4, 2  # pictures of each product
SIDE = 128 if QUICK else 256
POOL = Path(__file__).parent / ("pool_quick" if QUICK else "pool")
TEXTURES = ("brick", "grass", "gravel")  # of scikit-image, CC0
CHANGES_METAL = ("open", "short", "mouse_bite", "protrusion")


def simulated(k):
    "Options of `inspection_set` for the k-th product, and a generator for its looks."
    rng = np.random.default_rng([SEED, 1, k])
    name = (*range(6), "lines", "contacts", "routed")[k % 9]
    dose, blur = float(np.exp(rng.uniform(*np.log((30, 100))))), rng.uniform(2, 4.5)
    layout = layers([name]) or ["routed"] if isinstance(name, int) else [name]
    nm = rng.uniform(4, 7) if name == "contacts" else rng.uniform(2.2, 6)
    how = dict(
        layouts=layout,
        pixel_nm=float(nm),
        size=(SIDE, SIDE),
        sem=dict(dose=(dose, dose * 1.35), blur_nm=(blur, blur + 0.5)),
        reference=True,
        offset_px=int(rng.integers(0, 9)),
    )
    return how, rng


def worn(rng):
    "The same blur, noise and tone curve for all pictures of a product."
    sigma = rng.uniform(0.3, 1.3) * (rng.random() < 0.5)
    noise = rng.uniform(0, 0.08) * (rng.random() < 0.5)
    gamma, inverted = np.exp(rng.normal(0, 0.25)), rng.random() < 0.2

    def look(image):
        a = np.clip(image.numpy(), 0, 1) ** gamma
        a = ndimage.gaussian_filter(1 - a if inverted else a, (0, sigma, sigma))
        a = a + noise * rng.standard_normal(a.shape)
        return torch.from_numpy(np.clip(a, 0, 1).astype(np.float32))

    return look


def binary(k):
    "The same with two levels, as a board that was thresholded, with thick tracks."
    rng = np.random.default_rng([SEED, 2, k])
    how, _ = simulated((6, 8, 0, 2)[k % 4] + 9 * (k + 100))
    how |= dict(pixel_nm=float(rng.uniform(1.0, 3.0)), sem=dict(dose=(300, 400), blur_nm=(1, 2)))
    soft, inverted = rng.uniform(0, 1.2), rng.random() < 0.5
    low, high = sorted(rng.uniform(0, 1, 2)) if rng.random() < 0.5 else (0, 1)
    noise = rng.uniform(0, 0.03)

    def look(image):
        from skimage.filters import threshold_otsu

        a = ndimage.gaussian_filter(image.numpy(), (0, 1.5, 1.5))
        a = (a > threshold_otsu(a)).astype(np.float32)
        a = ndimage.gaussian_filter(1 - a if inverted else a, (0, soft, soft))
        a = low + (max(high - low, 0.3)) * a + noise * rng.standard_normal(a.shape)
        return torch.from_numpy(np.clip(a, 0, 1).astype(np.float32))

    return how, rng, look


def texture(k):
    "Clean pictures of a texture: the upper half for reference, the lower half to plant into."
    from skimage import data

    rng = np.random.default_rng([SEED, 3, k])
    whole = getattr(data, TEXTURES[k % len(TEXTURES)])() / 255.0
    whole = ndimage.zoom(whole, rng.uniform(0.6, 1.6), order=1)
    side = min(SIDE, whole.shape[0] // 2 // 16 * 16, 192)
    middle, look = whole.shape[0] // 2, worn(rng)

    def cut(rows):
        y = int(rng.integers(rows[0], rows[1] - side + 1))
        x = int(rng.integers(0, whole.shape[1] - side + 1))
        return look(torch.from_numpy(whole[None, y : y + side, x : x + side].astype(np.float32)))

    upper = [cut((0, middle)) for _ in range(CLEAN)]
    return upper, [cut((middle, whole.shape[0])) for _ in range(PLANTED + FAULTY // 2 + FRESH)], rng


def planted(images, donors, rng, fresh):
    "Pictures with implants, and some without."
    out = []
    for i, image in enumerate(images):
        label = torch.zeros(image.shape[1:], dtype=torch.int64)
        if i >= fresh:
            donor = donors[int(rng.integers(len(donors)))]
            sizes = (5.0, float(rng.choice([20, 40, 70])))
            image, label, _ = implant(image, rng, donor, sizes=sizes, n=(1, 3))
        out.append((image, label, None))
    return out


def with_defects(how, rng, seed):
    "Pictures with physical defects: as many and as large ones as the layout has room for."
    how = how | dict(per_image=int(rng.integers(1, 4)))
    for largest in (45, 25, 12, 8):
        try:
            return inspection_set(FAULTY, seed=seed, size_px=(5, largest), **how)
        except ValueError:
            how["per_image"] = 1
    return []


def of_simulation(how, rng, look, seed, kinds=None):
    "Clean pictures, their other dies, and triples: picture, label, other die or None."
    clean = inspection_set(CLEAN, defects=(), seed=seed, **how)
    more = inspection_set(PLANTED + FRESH, defects=(), seed=seed + 1, **how)
    faulty = with_defects(dict(how, defects=kinds or tuple(DEFECTS)), rng, seed + 2)
    images = [look(r["image"]) for r in clean]
    rows = [(look(r["image"]), r["mask"], look(r["reference"])) for r in faulty]
    rows += planted([look(r["image"]) for r in more], images, rng, FRESH)
    return images, [look(r["reference"]) for r in clean], rows


def product(job):
    "Clean pictures, their other dies or None, and rows, of one product."
    part, k = job
    seed = 10_000 + 1000 * ("simulated", "binary", "textures").index(part) * 10 + 10 * k
    if part == "simulated":
        how, rng = simulated(k)
        return of_simulation(how, rng, worn(rng), seed)
    if part == "binary":
        return of_simulation(*binary(k), seed, CHANGES_METAL)
    images, others, rng = texture(k)
    return images, None, planted(others, images, rng, FRESH)


def rungs(look, clean, dies):
    "Name: what compares, and what makes a rung for the die of a row."
    found = {"own": Own(), "memory": Memory([look(c) for c in clean])}
    if dies is not None:
        found["die"] = lambda seen, without=None: Die(look, dies[without])(seen)
    if min(periods(c, most=4)[1] for c in clean) > 0.9:
        found["lattice"] = Lattice(look)
    return {name: Compared(look, rung, clean) for name, rung in found.items()}


def examples(clean, dies, rows):
    "Packed evidence and label of each row, through each rung that there is."
    look = Features(clean, whiten=False)
    compared, out = rungs(look, clean, dies), []
    for image, label, other in rows:
        seen = look(image)
        for name, c in compared.items():
            if name == "die" and other is None:
                continue
            try:
                expected = Die(look, other)(seen) if name == "die" else c.rung(seen)
            except ValueError:  # no lattice in this one
                continue
            out.append((name, evidence(seen, expected, c), label.to(torch.uint8)))
    return out


def make(job):
    "The examples of one product, kept in a file."
    torch.set_num_threads(1)
    path = POOL / f"{job[0]}{job[1]:03d}.pt"
    if not path.is_file():
        torch.save(examples(*product(job)), path)
        print("made", path.name, flush=True)
    return path


def pool():
    "The examples of all products, by file."
    POOL.mkdir(exist_ok=True)
    jobs = [(part, k) for part, n in N.items() for k in range(n)]
    cores = max(2, os.cpu_count() - 2)
    with multiprocessing.get_context("spawn").Pool(cores) as workers:
        return workers.map(make, jobs, chunksize=1)


def balanced(rows, seed):
    "Every rung, in shares that suit what people have: mostly no second die."
    rng = np.random.default_rng(seed)
    keep = {"own": 1.0, "memory": 0.6, "die": 0.6, "lattice": 1.0}
    return [(p, label.long()) for name, p, label in rows if rng.random() < keep[name]]


def with_worst(logits, mask, hard=0.0):
    "`rare_defects`, and `hard` times the mean loss of the 1 % of clean pixels judged worst."
    loss = rare_defects(logits, mask)
    if not hard:
        return loss
    alarm = F.softplus(logits.float())[:, 0][mask.as_subclass(torch.Tensor) == 0]
    return loss + hard * alarm.topk(max(1, len(alarm) // 100)).values.mean()


def scores(judge, rows):
    "By rung: AP of the pixels; the share of pictures whose defect is found, 5 % of clean alarmed."
    out = {}
    for rung in sorted({name for name, _, _ in rows}):
        some = [(p, m.numpy() > 0) for name, p, m in rows if name == rung]
        maps = [judged(judge, p, m.shape) for p, m in some]
        clean = [a.max() for a, (_, m) in zip(maps, some) if not m.any()]
        odd = [a[m].max() for a, (_, m) in zip(maps, some) if m.any()]
        flat = [np.concatenate([x.ravel() for x in xs]) for xs in (maps, [m for _, m in some])]
        ap, n = precision_recall(*flat)["ap"], len(clean)
        found = float(np.mean(np.array(odd) > conformal(clean, 0.05))) if n > 20 else None
        out[rung] = dict(ap=ap, found=found, clean=n, odd=len(odd))
    return out


def opened(paths):
    return [row for path in paths for row in torch.load(path, weights_only=True)]


def kept(judge, about):
    "Weights in half precision, and what is to be known of them."
    folder = ASKED.out or Path(__file__).resolve().parent.parent / "unet_explorer"
    folder.mkdir(parents=True, exist_ok=True)
    half = {k: v.half() if v.is_floating_point() else v for k, v in judge.state_dict().items()}
    write_tensors(folder / "comparator.safetensors", half)
    (folder / "comparator.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def steps_in(seconds, rows, valid, how):
    "How many steps fit: an epoch of few steps and one of more are tried."
    spent = []
    for steps in (5, 105):
        start = time.perf_counter()
        train_judge(Judge(seed=SEED), rows, valid, replace(how, steps=steps), epochs=1)
        spent.append(time.perf_counter() - start)
    a_step = (spent[1] - spent[0]) / 100
    print(f"{a_step:.4f} s a step, {spent[0]:.1f} s for an epoch without steps", flush=True)
    steps = (0.9 * seconds - sum(spent) - EPOCHS * spent[0]) / a_step
    return max(200, int(steps) // EPOCHS * EPOCHS)


def main():
    torch.set_num_threads(min(2, torch.get_num_threads()))
    paths = pool()
    if ASKED.pool:
        return f"{len(paths)} products"
    held = paths[::17]  # products that choose the best epoch, and are measured at the end
    others = opened(held)
    rows = balanced(opened(p for p in paths if p not in held), SEED)
    valid = balanced(others, SEED)[::4]
    print(f"{len(rows)} examples, {len(valid)} to choose the epoch", flush=True)
    judge = Judge(seed=SEED)
    training = Training(
        steps=STEPS, size=128, bs=BATCH, lr=1.5e-3, seed=SEED, bar=False, workers=WORKERS
    )
    if ASKED.seconds:
        training = replace(training, steps=steps_in(ASKED.seconds, rows, valid, training))
        print(f"{training.steps} steps", flush=True)
    loss = partial(with_worst, hard=ASKED.hard)
    done = train_judge(judge, rows, valid, training, epochs=EPOCHS, loss=loss)
    judge = judge.to(best_device())
    about = dict(
        seed=SEED,
        steps=done["steps"],
        crops_a_step=BATCH,
        hard=ASKED.hard,
        seconds=round(done["seconds"]),
        valid_dice=done["valid_dice"],
        products=N,
        held_products=len(held),
        examples=len(rows),
        held=scores(judge, others),
        held_before=scores(load_judge().to(best_device()), others),
        data="simulated products, layers 0-5 of ic_layout (CC BY 4.0, Rothaug et al. 2023) and "
        f"drawn ones; scikit-image's {', '.join(TEXTURES)} (CC0)",
        start="EfficientNet-lite0, ImageNet (Apache-2.0)",
        recipe="bench/comparator.py",
        facts=facts(),
    )
    if not QUICK or ASKED.out:
        kept(judge.cpu(), about)
    return about


if __name__ == "__main__":
    print(main())
