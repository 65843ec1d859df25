"""What a mosaic costs that lies on the disk as OME-Zarr: peak memory and speed, for pictures of
different size. Each job is a process of its own.

    mosaics.py                memory and speed up to 8,192 pixels (about 3 minutes on two cores)
    mosaics.py full           32,768 x 32,768, small network: mask, overlay, tables, report
    mosaics.py JOB SIDE NET   for internal use: one job, printed as JSON"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import zarr
from common import earlier, write
from torch import nn
from unet_explorer import pyramids
from unet_explorer.effunet import EffUNet, save
from unet_explorer.segmentation import segment_folder
from unet_explorer.simulate import simulate

PIECE = 1024  # side of the simulated chip that is repeated, and of a chunk
JOBS = (("mask", 2048, "small"), ("mask", 8192, "small"), ("mask", 4096, "lite0"))
FULL = (("tables", 32_768, "small"),)


class Small(nn.Module):
    "Metal is where the mean of 5 x 5 pixels is bright: a network of one layer."

    config = dict(in_ch=1, n_classes=1)
    about = dict(classes=["gap", "metal"])

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 5, padding=2)
        nn.init.constant_(self.layer.weight, 1 / 25)
        nn.init.constant_(self.layer.bias, -0.5)

    def forward(self, x):
        return 20 * self.layer(x)


def peak():
    "The most memory this process has held, in bytes."
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def make(path, side):
    "A mosaic of one simulated chip again and again, written chunk by chunk."
    (image, _), *_ = simulate(1, (PIECE, PIECE), seed=0)
    piece = (image[0].numpy() * 255).round().astype(np.uint8)
    old = dict(zarr_format=2) if int(zarr.__version__[0]) > 2 else {}
    shape = dict(shape=(side, side), chunks=(PIECE, PIECE), dtype="uint8")
    array = zarr.open_array(str(path / "0"), mode="w", **shape, **old)
    for y in range(0, side, PIECE):
        for x in range(0, side, PIECE):
            part = piece[: min(PIECE, side - y), : min(PIECE, side - x)]
            array[y : y + PIECE, x : x + PIECE] = part
    axes = [dict(name=n, type="space", unit="nanometer") for n in "yx"]
    scale = [dict(type="scale", scale=[4.0, 4.0])]
    level = dict(path="0", coordinateTransformations=scale)
    said = dict(version="0.4", axes=axes, datasets=[level])
    (path / ".zattrs").write_text(json.dumps(dict(multiscales=[said])))
    (path / ".zgroup").write_text('{"zarr_format": 2}')


def one(job, side, net, room):
    "Segment a mosaic, and for tables all that `segment_folder` writes."
    room, start = Path(room), time.perf_counter()
    image, model = room / f"{side}.ome.zarr", room / "model"
    if not image.exists():
        make(image, side)
    save(EffUNet("lite0", in_ch=1, n_classes=1, pretrained=False, seed=0), model)
    if net == "small":
        small = Small().to(pyramids.best_device()).eval()
        vars(pyramids)["_model_at"] = lambda model, device, when: (small, "small")
    made, before, start = time.perf_counter() - start, peak(), time.perf_counter()
    out = room / f"{job}-{side}-{net}"
    if job == "mask":
        pyramids.segment_pyramid(model, image, out / "mask.ome.zarr")
    else:
        segment_folder(image, model, out, min_px=20, say=lambda line: None)
    seconds = time.perf_counter() - start
    rate = side * side / 1e6 / seconds
    row = dict(job=job, side=side, net=net, made_seconds=round(made), seconds=round(seconds, 1))
    return row | dict(megapixels_per_second=round(rate, 2), before_bytes=before, peak_bytes=peak())


def alone(job, side, net, room):
    "A job in a process of its own."
    command = [sys.executable, "-W", "ignore", __file__, job, str(side), net, str(room)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row = json.loads(done.stdout.strip().split("\n")[-1])
    print(
        f"{row['job']:7}{side:7} x {side:<7}{net:6}{row['seconds']:8.1f} s"
        f"{row['megapixels_per_second']:8.2f} Mpx/s   peak {row['peak_bytes'] / 2**30:.2f} GB "
        f"({row['before_bytes'] / 2**30:.2f} before)",
        flush=True,
    )
    return row


def main(jobs=JOBS, key="jobs"):
    with tempfile.TemporaryDirectory() as room:
        rows = [alone(*job, room) for job in jobs]
    threads = torch.get_num_threads()
    about = dict(
        data=f"a simulated chip of {PIECE} pixels (seed 0), repeated",
        block=pyramids.BLOCK,
        chunk=pyramids.CHUNK,
        tile=pyramids.SIDE,
        threads=threads,
    )
    write("mosaics", **(earlier("mosaics") | about | {key: rows}))


if __name__ == "__main__":
    if len(sys.argv) == 5:
        job, side, net, room = sys.argv[1:]
        print(json.dumps(one(job, int(side), net, room)))
    elif sys.argv[1:] == ["full"]:
        main(FULL, "full")
    else:
        main()
