"""How long does a check-up take? 1,000 pictures of 256 x 256 with masks, made of 40 simulated ones
by moving them around and adding noise, so that no two are copies. Timed are: the whole check-up,
the quick look that a training takes first (40 pictures, 2 s at most), and, to compare with,
`load_pairs`, which a training needs anyway."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import write
from PIL import Image
from unet_explorer.data import load
from unet_explorer.pairs import load_pairs
from unet_explorer.rows import sample
from unet_explorer.repair import doctor

N, SIDE = 1000, 256


def make(folder, n):
    "Write `n` pairs."
    rng = np.random.default_rng(0)
    ds = load("simulated", n=40, size=(SIDE, SIDE))
    pairs = [sample(part, i) for part in ds.values() for i in range(len(part))]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(n):
        image, mask = pairs[i % len(pairs)]
        move = tuple(int(v) for v in rng.integers(0, SIDE, 2))
        image = np.roll(image[0].numpy(), move, (0, 1)) + rng.normal(0, 0.03, (SIDE, SIDE))
        grey = (image.clip(0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(grey).save(folder / f"images/{i:04}.png")
        moved = np.roll(mask.numpy(), move, (0, 1)).astype(np.uint8)
        Image.fromarray(moved).save(folder / f"masks/{i:04}.png")


def timed(f, *args, **how):
    "What `f` gives, and the seconds it took."
    start = time.perf_counter()
    found = f(*args, **how)
    return found, time.perf_counter() - start


def measure(folder, n):
    "Seconds of a check-up, of a quick look, and of `load_pairs`; and what was found."
    ask = folder / "images", folder / "masks"
    doctor(*ask, most=2)  # what is imported late is not counted
    found, whole = timed(doctor, *ask)
    _, quick = timed(doctor, *ask, most=40, seconds=2.0)
    _, loaded = timed(load_pairs, *ask)
    print(f"{n} pictures: {whole / n * 1e3:.1f} ms each, {quick:.2f} s for a quick look, ", end="")
    print(f"load_pairs {loaded / n * 1e3:.1f} ms each; found: {found.kinds() or 'nothing'}")
    return dict(
        pictures=n,
        ms_per_picture=whole / n * 1e3,
        quick_look_s=quick,
        load_pairs_ms_per_picture=loaded / n * 1e3,
        found=found.kinds(),
    )


def main():
    "Measure, and write the result."
    with TemporaryDirectory() as folder:
        make(Path(folder) / "many", N)
        rows = {"simulated": measure(Path(folder) / "many", N)}
    write("checkup", side=SIDE, seed=0, rows=rows)


if __name__ == "__main__":
    main()
