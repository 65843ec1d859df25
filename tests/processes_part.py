"""What each process of `test_processes.py` does: `python processes_part.py FOLDER`, alone or as one
of several. Every process writes what it has found."""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from unet_explorer.batches import dataloaders
from unet_explorer.data import load
from unet_explorer.processes import place, together
from unet_explorer.train import fit, learner


class Small(nn.Sequential):
    "Two convolutions, batch normalisation between; a bias before it would be nothing but noise."

    def __init__(self):
        torch.manual_seed(0)
        wide = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        super().__init__(*wide, nn.Conv2d(8, 1, 3, padding=1))
        self.config = dict(n_classes=1, in_ch=1)


def trained(**length):
    "A small network after its training on crops of which a part is ignored, and what `fit` said."
    ds = load("simulated", n=9, size=(24, 40))  # lower than a crop: its border is ignored
    dls = dataloaders(ds, 32, 4, device="cpu")
    learn = together(learner(dls, Small(), lr=0.03, precision="fp32"))
    return learn, fit(learn, bar=False, **length)


def main(out):
    learn, done = trained(steps=8, epochs=2)
    found = dict(history=done["history"], best=done["best_epoch"], dice=done["valid_dice"])
    found |= {k: learn.dls.train.dataset.state()[k] for k in ("numbers",)}
    torch.save(learn.model.state_dict(), out / f"weights{place().rank}of{place().of}.pt")
    found["timed"] = trained(minutes=0.03)[1]["steps"]
    name = f"found{place().rank}of{place().of}.json"
    (out / name).write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
