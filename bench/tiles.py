"""What tiles cost: bytes of memory for a pixel, the speed of tiles beside that of the bare model,
and whole jobs, from a TIFF to a mask. Each memory is the peak of a process of its own.

    tiles.py            memory and speed, and the jobs of 6,000 and 20,000 pixels (some minutes)
    tiles.py JOB SIDE   for internal use: one measurement, printed as JSON"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
from common import earlier, write
from unet_explorer.deploy import BACKENDS, Segmenter
from unet_explorer.effunet import EffUNet
from unet_explorer.files import open_image
from unet_explorer.simulate import simulate
from unet_explorer.tiles import TILE, predict_tiled, tile_sides, tile_slices

SIDES, ROUNDS = (512, 1024, 2048), 2
TILES = (256, 384, 512, 640, 768, 1024, 1536)
JOBS = (6000, 20_000)
KINDS = {"as trained": None, "folded, float32": "float32", "folded, bfloat16": "bfloat16"}


def peak():
    """The most memory this process has held, in bytes. (Not `ru_maxrss`: on Linux a child process
    begins with that of its parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def model():
    "The default model with a random start: what it answers doesn't matter here."
    return EffUNet(pretrained=False).eval()


def beyond(kind, side):
    "Peak memory of one picture, beyond that of a small one."
    net = model()
    run = net if KINDS[kind] is None else BACKENDS[KINDS[kind]](net)
    with torch.inference_mode():
        run(torch.rand(1, 1, 64, 64))
        before = peak()
        run(torch.rand(1, 1, side, side))
    return dict(bytes=peak() - before)


def job(path, side):
    "Open a TIFF, segment it, and have the mask in memory."
    start = time.perf_counter()
    picture = open_image(path)
    segmenter = Segmenter(model(), pixels=side * side)
    mask = segmenter.segment(picture)
    seconds = time.perf_counter() - start
    tile = tile_sides(side, side, TILE)
    assert tuple(mask.shape) == (side, side) and mask.dtype == torch.uint8
    return dict(
        side=side, seconds=round(seconds), peak_bytes=peak(), backend=segmenter.backend, tile=tile
    )


def alone(*words):
    "One measurement in a process of its own."
    command = [sys.executable, "-W", "ignore", __file__, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().split("\n")[-1])


def memory(kind):
    "Peak memory for each side, and the slope."
    found = [alone(kind, side)["bytes"] for side in SIDES]
    row = dict(sides=SIDES, bytes=found, per_pixel=found[-1] / SIDES[-1] ** 2)
    print(f"{kind:20}{row['per_pixel']:6.0f} bytes per pixel", flush=True)
    return row


def per_pixel(run):
    """Nanoseconds of processor time on one thread for each pixel, for tiles of growing side; the
    best of some rounds. The first round makes the library's plans and doesn't count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = dict.fromkeys(TILES, float("inf"))
    for k in range(ROUNDS + 1):
        for n in TILES:
            x = torch.rand(1, 1, n, n)
            start = time.process_time()
            run(x)
            ns = (time.process_time() - start) * 1e9 / n**2
            best[n] = min(best[n], ns) if k else best[n]
    torch.set_num_threads(threads)
    print({n: round(ns) for n, ns in best.items()}, "ns per pixel", flush=True)
    return [round(ns, 1) for ns in best.values()]


def work(side, tile):
    "Pixels computed for each pixel of the picture."
    parts = tile_slices(side, side, tile)
    return sum((r.stop - r.start) * (c.stop - c.start) for r, c in parts) / side**2


def speed(side, run):
    """The whole and its tiles in turn: the best of some rounds each, in milliseconds of processor
    time on one thread, which a busy machine changes least."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.rand(1, side, side, generator=torch.Generator().manual_seed(0))
    fit = tile_sides(side, side, TILE)
    ways = {
        "whole": (lambda: run(x[None]), (side, side)),
        "tiles of 512": (lambda: predict_tiled(run, x, tile=512), (512, 512)),
        "tiles that fit": (lambda: predict_tiled(run, x, tile=fit), fit),
    }
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (way, _) in ways.items():
            start = time.process_time()
            way()
            times[name].append((time.process_time() - start) * 1e3)
    torch.set_num_threads(threads)
    table = {
        name: dict(ms=min(t), slowest=max(t), rounds=ROUNDS, tile=ways[name][1])
        for name, t in times.items()
    }
    for name, row in table.items():
        row["work"] = work(side, row["tile"])
        share = table["whole"]["ms"] / row["ms"]
        print(f"{side:6} {name:15}{row['ms']:9.0f} ms  {share:.1%} of the bare speed", flush=True)
    return table


def jobs():
    "Whole jobs, each in a process of its own."
    done = []
    piece = np.uint8(simulate(1, (500, 500), seed=0)[0][0][0].numpy() * 255)
    with tempfile.TemporaryDirectory() as folder:
        for side in JOBS:
            path = Path(folder) / f"{side}.tif"
            out = tifffile.memmap(path, shape=(side, side), dtype="uint8")
            for r in range(0, side, 500):
                out[r : r + 500] = np.tile(piece, (1, side // 500))
            out.flush()
            del out
            done.append(alone("job", path, side))
            print(done[-1], flush=True)
    return done


def main():
    found = earlier("tiles", rounds=ROUNDS)
    net = model()
    runs = {kind: BACKENDS[b](net) for kind, b in KINDS.items() if b and b in BACKENDS}
    parts = {
        "memory": lambda: {kind: memory(kind) for kind in KINDS},
        "per_pixel": lambda: {kind: per_pixel(run) for kind, run in runs.items()},
        "speed": lambda: {f"{n} x {n}": speed(n, runs["folded, float32"]) for n in (2048, 4096)},
        "jobs": jobs,
    }
    done = dict(rounds=ROUNDS, threads=torch.get_num_threads(), sides=TILES)
    for name, measure in parts.items():
        done[name] = found.get(name) or measure()
        write("tiles", **done)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(job(sys.argv[2], int(sys.argv[3]))))
    elif len(sys.argv) == 3:
        print(json.dumps(beyond(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
