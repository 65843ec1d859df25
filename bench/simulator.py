"""How many pictures of 512x512 does the simulator make per second of one core?"""

import time

import torch
from common import write
from unet_explorer.simulate import inspection_set

N = 40


def main():
    torch.set_num_threads(1)
    rates = {}
    for what, options in {
        "with a defect": {},
        "with a defect, and another die": dict(reference=True),
    }.items():
        inspection_set(2, size=(512, 512), **options)
        start = time.process_time()
        inspection_set(N, size=(512, 512), **options)
        rates[what] = N / (time.process_time() - start)
        print(f"{what}: {rates[what]:.1f} pictures per second of one core", flush=True)
    write("simulator", pictures=N, size=[512, 512], seed=0, rates=rates)
