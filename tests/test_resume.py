"""A training that was stopped goes on, and ends as if nothing had happened: bit for bit on one
thread. Stopped in the middle of an epoch, at its end, in validation, while a checkpoint is written,
by Ctrl-C, TERM or KILL, by a disk that is full."""

import random

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback

from unet_explorer.batches import dataloaders
from unet_explorer.data import load
from unet_explorer.effunet import EffUNet
from unet_explorer.runs import CHECKPOINT
from unet_explorer.train import Keep, fit, learner

TINY = dict(decoder=(16, 16, 8, 8), convs=1, pretrained=False)
STEPS, EPOCHS = 12, 3


@pytest.fixture(scope="module")
def ds():
    return load("simulated", n=9, size=(64, 64))


@pytest.fixture(autouse=True)
def one_thread():
    "Sums in another order end in other bits."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class StopAt(Callback):
    "Ctrl-C at the n-th call of an event."

    order = 99

    def __init__(self, event, n):
        self.left = n
        setattr(self, event, self.count)

    def count(self):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


class Noise(Callback):
    "Draws from all three generators, as dropout and the changes of others' data do."

    order = 10

    def before_batch(self):
        x = self.xb[0]
        x = x + 0.1 * torch.randn_like(x) + 0.1 * random.random() + 0.1 * np.random.rand()
        self.learn.xb = (x.float(),)


def made(ds, workers=0, **how):
    dls = dataloaders(ds, size=64, bs=2, device="cpu", num_workers=workers)
    learn = learner(dls, EffUNet(**TINY), **(dict(precision="fp32") | how))
    learn.add_cb(Noise())
    return learn


def ends(ds, folder=None, stop=None, resume=False, seed=3, **how):
    "What is left of a training: what `fit` says, without times, and the weights."
    learn = made(ds, **how)
    if stop:
        learn.add_cb(StopAt(*stop))
    keep = Keep(folder, resume, every=0) if folder else None
    done = fit(learn, steps=STEPS, epochs=EPOCHS, seed=seed, bar=False, keep=keep)
    rates = [learn.recorder.lrs, getattr(learn.recorder, "hps", None)]
    return {k: v for k, v in done.items() if k != "seconds"}, learn.model.state_dict(), rates


def same(one, other):
    assert one[0] == other[0] and one[2] == other[2]
    assert all(torch.equal(one[1][k], other[1][k]) for k in one[1])


@pytest.fixture(scope="module")
def whole(ds):
    torch.set_num_threads(1)
    return ends(ds)


STOPS = [("before_batch", n) for n in (0, 1, 3, 4, 7, 11)]
STOPS += [("after_backward", 6), ("before_validate", 1), ("after_epoch", 0), ("after_epoch", 2)]
STOPS += [("after_fit", 0)]


@pytest.mark.parametrize("event, n", STOPS)
def test_it_ends_as_if_it_had_not_been_stopped(ds, whole, tmp_path, event, n):
    stopped = ends(ds, tmp_path, (event, n))
    assert stopped[0]["stopped"] == "interrupted" and (tmp_path / CHECKPOINT).is_file()
    same(whole, ends(ds, tmp_path, resume=True))
    same(whole, ends(ds, tmp_path, resume=True))  # it is finished: nothing is computed again
