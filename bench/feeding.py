"""How long a training step waits for its crops: folders of 512 and 2048 PNG files of 512x512
pixels, 512 TIFF files, with and without augmentation, one and two threads of torch. Beside it the
same crops made when they are asked for, as it was before threads made them ahead. Five minutes.

    cd bench && python run.py feeding"""

import time
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MethodType

import numpy as np
import tifffile
import torch
from common import write
from fastai.data.core import TfmdDL
from PIL import Image
from unet_explorer import batches
from unet_explorer.pairs import load_pairs
from unet_explorer.effunet import EffUNet
from unet_explorer.train import SegLoss

SIDE, MOST, FEW, SIZE, BS, SEED = 512, 2048, 512, 256, 4, 0
WARM, STEPS = 2, 8
CASES = {  # pictures and augmentation of each kind of file
    ".png": [(FEW, "all"), (FEW, "none"), (MOST, "all")],
    ".tif": [(FEW, "all")],
}


def folder(path, suffix, many):
    "Pictures with grain, and masks of one bright disc each."
    rng, (y, x) = np.random.default_rng(SEED), np.mgrid[:SIDE, :SIDE]
    grain = rng.integers(0, 60, (SIDE * 2, SIDE * 2), dtype=np.uint8)
    for i in range(many):
        cy, cx, top, left = rng.integers(64, SIDE - 64, 4)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < 50**2
        picture = grain[top : top + SIDE, left : left + SIDE] + np.uint8(120) * disc
        for kind, values in (("images", picture), ("masks", disc.astype(np.uint8))):
            (path / kind).mkdir(exist_ok=True)
            file = path / kind / f"{i:04d}{suffix}"
            if suffix == ".tif":
                tifffile.imwrite(file, values, compression="lzw")
            else:
                Image.fromarray(values).save(file, compress_level=1)
    return load_pairs(path / "images", path / "masks", classes=["grain", "disc"])


def waits(ds, augment, threads, ahead=True):
    "The share of a training step that waits, and the seconds of a step."
    torch.set_num_threads(threads)
    dls = batches.dataloaders(
        dict(train=ds, valid=ds), SIZE, BS, seed=SEED, batches=WARM + STEPS + 4, augment=augment
    )
    if not ahead:
        dls.train.create_batches = MethodType(TfmdDL.create_batches, dls.train)
    model = EffUNet("lite0", in_ch=1, seed=SEED).to(dls.device, memory_format=torch.channels_last)
    loss, walk = SegLoss(1), torch.optim.AdamW(model.parameters(), 1e-4)
    stream, waited, whole, crops = iter(dls.train), [], [], 0.0
    for _ in range(WARM + STEPS):
        start = time.perf_counter()
        x, y = (t.as_subclass(torch.Tensor) for t in next(stream))
        waited.append(time.perf_counter() - start)
        walk.zero_grad()
        value = loss(model(x), y)
        value.backward()
        walk.step()
        float(value)  # a card answers before it is ready
        whole.append(time.perf_counter() - start)
        crops += float(x.sum())
    stream.close()
    waited, whole = sum(waited[WARM:]), sum(whole[WARM:])
    return dict(share=waited / whole, seconds=whole / STEPS, crops=round(crops, 3))


def main():
    rows = []
    for suffix, asked in CASES.items():
        with TemporaryDirectory() as path:
            ds = folder(Path(path), suffix, max(n for n, _ in asked))
            for (n, augment), threads, ahead in product(asked, (1, 2), (1, 0)):
                found = waits(ds.select(range(n)), augment, threads, bool(ahead))
                rows.append(dict(suffix=suffix, pictures=n, augment=augment, threads=threads))
                rows[-1] |= dict(ahead=bool(ahead), **found)
                print(rows[-1], flush=True)
    pairs = list(zip(islice(rows, 0, None, 2), islice(rows, 1, None, 2)))
    assert all(a["crops"] == b["crops"] for a, b in pairs), "ahead or not: the same crops"
    write("feeding", rows=rows, side=SIDE, size=SIZE, bs=BS, steps=STEPS, seed=SEED)
