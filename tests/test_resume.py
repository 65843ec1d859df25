"""A training that was stopped goes on, and ends as if nothing had happened: bit for bit on one
thread. Stopped in the middle of an epoch, at its end, in validation, while a checkpoint is written,
by Ctrl-C, TERM or KILL, by a disk that is full."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import forks
import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from test_cli import MAIN

from unet_explorer import checkpoints, own_model, train
from unet_explorer.batches import dataloaders
from unet_explorer.checkpoints import Keep
from unet_explorer.contracts import InputError, NotWritten
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet
from unet_explorer.images import save_image, save_mask
from unet_explorer.runs import CHECKPOINT
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training, fit, learner

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


STOPS = [("before_batch", n) for n in (0, 1, 4, 6, 11)]  # 4: validation
STOPS += [("before_validate", 1), ("after_epoch", 0), ("after_epoch", 2)]
FEW = [("before_batch", 3), ("after_backward", 6), ("after_fit", 0)]  # in the middle of epochs


SLOW = [pytest.param(*stop, marks=pytest.mark.slow) for stop in STOPS]


@pytest.mark.parametrize("event, n", FEW + SLOW)
def test_it_ends_as_if_it_had_not_been_stopped(ds, whole, tmp_path, event, n):
    stopped = ends(ds, tmp_path, (event, n))
    assert stopped[0]["stopped"] == "interrupted" and (tmp_path / CHECKPOINT).is_file()
    same(whole, ends(ds, tmp_path, resume=True))
    same(whole, ends(ds, tmp_path, resume=True))  # it is finished: nothing is computed again


@pytest.mark.parametrize("how", [dict(workers=1), dict(precision="bf16")])
@pytest.mark.slow
def test_with_workers_and_in_half_precision(ds, tmp_path, how):
    ends(ds, tmp_path, ("before_batch", 7), **how)
    same(ends(ds, **how), ends(ds, tmp_path, resume=True, **how))


def test_a_checkpoint_changes_nothing(ds, whole, tmp_path):
    same(whole, ends(ds, tmp_path))


def test_the_time_that_was_used_counts(ds, tmp_path, monkeypatch):
    clock = [0.0]
    for room in (checkpoints, train):
        monkeypatch.setattr(room, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    class Slow(Callback):
        def after_batch(self):
            clock[0] += 0.5 * self.training

    def five_seconds(stop=None, resume=False):
        learn = made(ds)
        learn.seconds_per_step, learn.spent = {"fp32": 0.1}, 0.0
        learn.add_cb(Slow())
        if stop:
            learn.add_cb(StopAt(*stop))
        return fit(learn, minutes=5 / 60, bar=False, keep=Keep(tmp_path, resume, every=0))

    assert five_seconds(("before_batch", 4))["steps"] == 4
    clock[0] += 1000  # while nothing ran
    done = five_seconds(resume=True)
    assert done["stopped"] == "time is up" and done["steps"] == 10 and done["seconds"] < 6
    assert five_seconds(resume=True)["stopped"] == "time is up"  # it is finished, and says how


@pytest.mark.parametrize("wrong", [dict(seed=4), dict(steps=13), dict(minutes=1, steps=None)])
def test_another_plan_is_refused(ds, tmp_path, wrong):
    ends(ds, tmp_path, ("before_batch", 1))
    how = dict(steps=STEPS, epochs=EPOCHS, seed=3) | wrong
    with pytest.raises(InputError, match=f"{next(iter(wrong))}=.*began with"):
        fit(made(ds), **how, bar=False, keep=Keep(tmp_path, resume=True))


def test_another_picture_is_noticed_wherever_it_stands(tmp_path, monkeypatch):
    "The names stay, and so do the first eight: one file has been drawn anew."
    from datasets import concatenate_datasets

    ds, other = (load("simulated", n=15, size=(32, 32), seed=seed) for seed in (0, 1))
    how = Training(steps=1, size=32, bs=2, bar=False)
    net = dict(encoder="lite0", pretrained=False)
    monkeypatch.setattr(own_model, "judge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        own_model.train_and_report(ds, tmp_path, how, **net)
    monkeypatch.undo()
    ds["train"] = concatenate_datasets([ds["train"].select(range(9)), other["train"].select([9])])
    with pytest.raises(InputError, match="began with"):
        own_model.train_and_report(ds, tmp_path, how, **net, resume=True)


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


def test_what_is_no_checkpoint_is_refused(ds, tmp_path):
    keep = Keep(tmp_path, resume=True)
    with pytest.raises(InputError, match="no unfinished training there"):
        fit(made(ds), steps=1, bar=False, keep=keep)
    Keep(tmp_path).write(dict(x=torch.zeros(9)))
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for cut in (b"", b"x", whole[:20], whole[:-8], whole[:8] + b"[" + whole[9:]):
        (tmp_path / CHECKPOINT).write_bytes(cut)
        with pytest.raises(InputError, match="damaged.*overwrite=True") as e:
            keep.read()
        assert "\n" not in str(e.value)


def disk_is_full(path, tensors, about=None):
    raise NotWritten(f"{path}: could not be written (No space left on device); free some space")


def test_a_full_disk_ends_only_what_has_just_begun(ds, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "write_tensors", disk_is_full)
    with pytest.raises(NotWritten, match="^[^\n]*No space left[^\n]*$"):
        ends(ds, tmp_path)
    monkeypatch.undo()

    class Fill(Callback):
        def before_batch(self):
            if self.training and self.train_iter == 6:
                monkeypatch.setattr(checkpoints, "write_tensors", disk_is_full)
                monkeypatch.setattr(checkpoints, "save", lambda m, f, **k: disk_is_full(f, m))

    learn = made(ds, folder=tmp_path)
    learn.add_cb(Fill())
    done = fit(learn, steps=STEPS, epochs=EPOCHS, seed=3, bar=False, keep=Keep(tmp_path, every=0))
    assert done["history"] == whole[0]["history"], "the training goes on in memory"
    notes = capsys.readouterr().err
    assert "the earlier checkpoint stays" in notes and "the best epoch is in memory" in notes
    monkeypatch.undo()
    same(whole, ends(ds, tmp_path, resume=True))


def test_the_disk_is_full_in_earnest(tmp_path):
    "A limit for files stands for a small disk: safetensors raises an error of its own."
    code = f"""
import resource, torch
from unet_explorer.contracts import InputError
from unet_explorer.effunet import write_tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    write_tensors({str(tmp_path / "x.safetensors")!r}, dict(a=torch.zeros(2**20)))
except InputError as e:
    print(e)
"""
    status, out, err = forks.run(code)
    assert status == 0 and "could not be written (" in out, err
    assert out.count("\n") == 1 and not list(tmp_path.iterdir())


# --- whole commands -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(ds, tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    n = 0
    for part in ds.values():
        for i in range(len(part)):
            image, mask = sample(part, i)
            save_image(root / "images" / f"{n}.png", image)
            save_mask(root / "masks" / f"{n}.png", mask)
            n += 1
    for i, one in enumerate(inspection_set(30, ("lines",), (), size=(64, 64))):
        save_image(root / "clean" / f"{i}.png", one["image"])
    return root


LINES = {
    "train": ["train", "images", "masks", "--no-pretrained", "--batch-size", "2"],
    "defects fit": ["defects", "fit", "clean", "--batch-size", "2"],
}
LENGTH = ["--steps", "24", "--size", "64", "--precision", "fp32", "--seed", "5"]


def command(words, where):
    return forks.Program(MAIN, *words, cwd=where, env=os.environ | dict(OMP_NUM_THREADS="1"))


def from_nothing(words, where):
    "Not a fork: the order of its sets, for one, is not that of the others."
    typed = [sys.executable, "-c", MAIN, *map(str, words)]
    how = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    env = os.environ | dict(OMP_NUM_THREADS="1")
    return subprocess.Popen(typed, cwd=where, env=env, **how)


def said(p):
    out, err = p.communicate(timeout=300)
    assert "Traceback" not in err, err
    return p.returncode, out + err


def without_times(folder):
    found = json.loads((folder / "metrics.json").read_text())
    return {k: v for k, v in found.items() if k not in ("facts", "seconds", "command")}


def killed_and_resumed(pictures, name, out, when, how):
    "Type the line, end it after `when` seconds with the signal `how`, and go on; how often."
    line = [*LINES[name], *LENGTH, "--out", out]
    p = command(line, pictures)
    until = time.monotonic() + 120
    while not (out / CHECKPOINT).exists() and p.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(when)
    p.send_signal(how)
    code, text = said(p)
    if code == 0 or (code == -how and "wrote " in text):
        return  # it was faster, or hit while Python shut down: the results are compared
    assert code == (-9 if how == signal.SIGKILL else 130), text
    assert how == signal.SIGKILL or not list(out.rglob(".part-*"))
    code, text = said(command(line, pictures))
    assert code == 2 and "--resume" in text and "--overwrite" in text, text
    code, text = said(command([*name.split(), "--resume", "--out", out], pictures))
    assert code == 0, text
    assert not (out / CHECKPOINT).exists() and not list(out.rglob(".part-*"))


@pytest.fixture(scope="module")
def unbroken(pictures, tmp_path_factory):
    "What each command leaves when nothing stops it."
    made = {}

    def result(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("unbroken") / "out"
            code, text = said(from_nothing([*LINES[name], *LENGTH, "--out", made[name]], pictures))
            assert code == 0 and not (made[name] / CHECKPOINT).exists(), text
        return made[name]

    return result


def moments(seed, n=20):
    rng = np.random.default_rng(seed)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    return [(float(rng.uniform(0, 8)), signals[i % 3]) for i in range(n)]


def ends_as(unbroken, pictures, name, out, when, how):
    killed_and_resumed(pictures, name, out, when, how)
    assert without_times(out) == without_times(unbroken(name))
    files = [(d / "model.safetensors").read_bytes() for d in (out, unbroken(name))]
    assert files[0] == files[1], "the weights, to the last bit"


def test_a_training_that_is_killed_goes_on(unbroken, pictures, tmp_path):
    ends_as(unbroken, pictures, "train", tmp_path / "out", 3.0, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("when, how", moments(0))
def test_killed_at_a_random_moment(unbroken, pictures, tmp_path, name, when, how):
    ends_as(unbroken, pictures, name, tmp_path / "out", when, how)


def test_what_is_said_to_go_on(pictures, tmp_path, monkeypatch, capsys):
    from unet_explorer.cli import main

    monkeypatch.chdir(pictures)
    out = tmp_path / "out"
    Keep(out, plan={}).write({})
    line = [*LINES["train"], *LENGTH, "--out", out]
    for words, said_so in (
        ([*line, "--resume", "--overwrite"], "give one"),
        (line, "--resume to go on with it, or --overwrite to begin again"),
        ([*line, "--resume"], "began with"),
        (["train", "--resume", "--out", tmp_path / "none"], "no unfinished training there"),
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert said_so in error and "=True" not in error, error
