"""How long do imports take? Each in a process of its own, best of five, after one to warm the disk
cache."""

import subprocess
import sys

from common import write

MODULES = (
    "torch",
    "unet_explorer",
    "unet_explorer.cli",
    "unet_explorer.images",
    "unet_explorer.data",
    "unet_explorer.batches",
    "unet_explorer.effunet",
    "unet_explorer.train",
    "unet_explorer.own_model",
    "unet_explorer.segmentation",
    "unet_explorer.inspection",
)


def seconds(module):
    "The fastest of five imports, each by a fresh Python."
    lines = ("import time", "start = time.perf_counter()", f"import {module}")
    code = "\n".join((*lines, "print(time.perf_counter() - start)"))
    command = [sys.executable, "-c", code]
    runs = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(6)
    ]
    return min(runs[1:])


def main():
    best = {m: round(seconds(m), 3) for m in MODULES}
    for module, s in best.items():
        print(f"{module:28}{s:8.3f} s", flush=True)
    write("imports", seconds=best, how="best of 5 fresh processes, in seconds")
