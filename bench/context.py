"""What levels are for: U-Nets of 0 to 4 levels with as many parameters each are asked "membrane, or
the wall of a mitochondrion?" of simulated tissue. Both are thin dark lines; what differs lies
around them. Finished runs are kept."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from common import SEEDS, earlier, facts, parameters, spread, write
from scipy.ndimage import binary_erosion
from torch import nn
from unet_explorer.layers import DoubleConv, evaluating, field_extent, measured_field
from unet_explorer.tissue import tissue
from unet_explorer.unet import UNet

BUDGET = 30_000  # parameters of each net
STEPS, CROPS, SIDE = 120, 4, 96
WALL = 3  # pixels: the wall of a mitochondrion is 12 nm thick, and a pixel is 4 nm
ALIKE = dict(membrane_nm=12, dose=400)  # membranes as thin as that, and grain over both
TASK = (
    "simulated tissue, 4 nm per pixel, membranes 12 nm thick like the walls of mitochondria, "
    "400 electrons per pixel; asked only at membranes and in the outer "
    f"{WALL} pixels of mitochondria; error = mean of the shares of wrong pixels of the two; "
    "24 tissues of 384x384 train, 8 others test"
)
RECIPE = (
    f"{STEPS} steps of {CROPS} crops of {SIDE}x{SIDE} around a mitochondrion, Adam, one cycle up "
    "to 5e-3, cross-entropy with both classes weighted alike, one thread"
)


def asked(mask):
    "What is asked of a tissue, `(h w)`: 0 membrane, 1 wall of a mitochondrion, 255 nothing."
    inside = mask == 2
    wall = inside & ~binary_erosion(inside, iterations=WALL, border_value=1)
    return np.select([mask == 1, wall], [0, 1], 255)


def tissues(seeds):
    "Pictures `(1 1 h w)` and what is asked `(1 h w)`, of tissues that have a mitochondrion."
    found = [tissue((384, 384), seed=seed, **ALIKE) for seed in seeds]
    pairs = [(torch.tensor(image)[None, None], asked(mask)[None]) for image, mask in found]
    return [(image, torch.tensor(truth)) for image, truth in pairs if (truth == 1).any()]


class Flat(nn.Sequential):
    "A U-Net of no level: two convolutions, and the head."

    def __init__(self, width):
        super().__init__(DoubleConv(1, width, padding=True, norm=True), nn.Conv2d(width, 1, 1))

    def forward(self, x):
        return super().forward((x - 0.5) / 0.25)


def net_of(levels, width, norm=True):
    if levels == 0:
        return Flat(width)
    return UNet(1, 1, [width] * (levels + 1), padding=True, norm=norm, seed=None)


def width_for(levels):
    "The channels, alike at all levels, with which a net comes nearest to `BUDGET` parameters."
    return min(range(1, 64), key=lambda w: abs(parameters(net_of(levels, w)) - BUDGET))


def field_of(levels):
    "How many pixels one logit sees along an axis."
    if levels == 0:
        return 5
    thin = UNet(1, 1, [1] * (levels + 1), padding=True)
    side = 2**levels * 16
    (_, height), _ = field_extent(measured_field(thin, side, side, draws=4))
    return int(height)


def crop(image, truth, g):
    "A crop around a random pixel of a mitochondrion's wall."
    rows, columns = (truth[0] == 1).nonzero(as_tuple=True)
    k = int(torch.randint(len(rows), (1,), generator=g))
    shift = torch.randint(-SIDE // 4, SIDE // 4, (2,), generator=g).tolist()
    top, left = (
        min(max(int(at) + by - SIDE // 2, 0), truth.shape[-1] - SIDE)
        for at, by in zip((rows[k], columns[k]), shift)
    )
    window = (..., slice(top, top + SIDE), slice(left, left + SIDE))
    return image[window], truth[window]


def batch(pairs, g):
    chosen = torch.randint(len(pairs), (CROPS,), generator=g).tolist()
    images, truths = zip(*(crop(*pairs[k], g) for k in chosen))
    return torch.cat(images), torch.cat(truths)


def loss_of(logits, truth):
    "Cross-entropy, in which membranes and walls of mitochondria weigh alike."
    each = F.binary_cross_entropy_with_logits(logits[:, 0], (truth == 1).float(), reduction="none")
    return sum(each[truth == k].mean() for k in (0, 1) if (truth == k).any()) / 2


def error_of(net, pairs):
    "Share of wrong pixels, the mean of membranes and walls of mitochondria."
    with evaluating(net), torch.no_grad():
        said = [(net(image)[:, 0] > 0)[truth < 255] for image, truth in pairs]
    said, truth = torch.cat(said), torch.cat([t[t < 255] for _, t in pairs])
    return float(np.mean([(said[truth == k] != bool(k)).float().mean().item() for k in (0, 1)]))


def train_once(levels, width, seed, train, test):
    torch.manual_seed(seed)
    net, g = net_of(levels, width), torch.Generator().manual_seed(seed)
    opt = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, STEPS)
    start = time.perf_counter()
    for _ in range(STEPS):
        image, truth = batch(train, g)
        loss = loss_of(net(image), truth)
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
    seconds = round(time.perf_counter() - start, 1)
    return dict(seed=seed, error=error_of(net, test), seconds=seconds, on=facts()["processor"])


def main():
    torch.set_num_threads(1)
    train, test = tissues(range(24)), tissues(range(100, 108))
    old = earlier("context", task=TASK, recipe=RECIPE).get("rows", ())
    runs = {row["levels"]: row["runs"] for row in old}
    for seed in SEEDS:
        for levels in range(5):
            mine = runs.setdefault(levels, [])
            if any(run["seed"] == seed for run in mine):
                continue
            mine.append(train_once(levels, width_for(levels), seed, train, test))
            said = mine[-1]
            print(f"{levels} levels, seed {seed}: {said['error']:.1%}, {said['seconds']} s")
            rows = [
                dict(
                    levels=n,
                    width=width_for(n),
                    parameters=parameters(net_of(n, width_for(n))),
                    field=field_of(n),
                    error=spread([run["error"] for run in found]),
                    runs=found,
                )
                for n, found in runs.items()
            ]
            write("context", task=TASK, recipe=RECIPE, seeds=list(SEEDS), rows=rows)


if __name__ == "__main__":
    main()
