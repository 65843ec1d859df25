"Training: reproducible, interruptible, on time; the loss ignores 255; fastai's own tools work."

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from unet_explorer.batches import dataloaders
from unet_explorer.checkpoints import Keep
from unet_explorer.data import load
from unet_explorer.effunet import EffUNet, restore
from unet_explorer.contracts import InputError
from unet_explorer.train import SEG_LOSSES, SegLoss, Training, fit, fit_batches, learner, measure
from unet_explorer.train import simple_baseline

TINY = dict(decoder=(16, 16, 8, 8), convs=1, pretrained=False)


@pytest.fixture(scope="module")
def ds():
    return load("simulated", n=9, size=(64, 64))


def small(ds, seed=0, n_classes=1, precision="fp32", **kwargs):
    return learner(
        dataloaders(ds, size=64, bs=2, seed=seed, device="cpu"),
        EffUNet(n_classes=n_classes, **TINY),
        precision=precision,
        **kwargs,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_weights(ds, precision):
    runs = []
    for _ in range(2):
        learn = small(ds, precision=precision)
        done = fit(learn, steps=4, bar=False)
        runs.append((done["history"]["train_loss"], learn.model.state_dict()))
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(runs[0][1][k], runs[1][1][k]) for k in runs[0][1])


def test_fitting_a_second_time_starts_the_same_stream_of_crops(ds):
    learn = small(ds)
    fit(learn, steps=2, bar=False)
    first = [x.clone() for x, _ in learn.dls.train]
    learn.dls.train.dataset.restart(0)
    again = [x for x, _ in learn.dls.train]
    learn.dls.train.dataset.restart(0)
    assert all(torch.equal(a, b) for a, b in zip(again, [x for x, _ in learn.dls.train])) and first


@pytest.mark.parametrize("k", [1, 2, 5])
def test_loss_ignores_255_and_is_finite_when_all_is_ignored(k):
    loss, logits = SegLoss(k), torch.randn(2, k, 8, 8, requires_grad=True)
    mask = torch.full((2, 8, 8), 255)
    value = loss(logits, mask)
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()
    mask[:, :4] = torch.randint(0, max(k, 2), (2, 4, 8))
    (grad,) = torch.autograd.grad(loss(logits, mask), logits)
    assert not grad[:, :, 4:].abs().sum() > 1e-6 and grad[:, :, :4].abs().sum() > 0


def test_fastai_tools(ds):
    import matplotlib.pyplot as plt

    learn = small(ds)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1)
        learn.show_results(max_n=1)
        suggestion = learn.lr_find(num_it=12, show_plot=False)
        preds, targets = learn.get_preds(dl=learn.dls.valid)
    plt.close("all")
    assert (
        suggestion.valley > 0
        and preds.shape[0] == targets.shape[0]
        and 0 <= preds.min()
        and preds.max() <= 1
    )


def test_multiclass_show_results(ds):
    import matplotlib.pyplot as plt

    learn = small(ds, n_classes=3)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1)
        learn.show_results(max_n=1)
    plt.close("all")


def test_time_is_kept(ds):
    learn = small(ds, precision="auto")
    start = time.perf_counter()
    done = fit(learn, minutes=3 / 60, bar=False)
    assert done["steps"] >= 1 and done["best_epoch"] is not None
    assert (
        time.perf_counter() - start < 3 + 40
    )  # one step and one validation may come after the bell


def test_a_slow_machine_still_ends_on_time_with_a_low_learning_rate(ds, monkeypatch):
    from types import SimpleNamespace

    from fastai.callback.core import Callback

    from unet_explorer import train

    clock = [0.0]  # seconds; moved by hand, so that a busy machine changes nothing

    class Slow(Callback):
        def after_batch(self):
            clock[0] += 0.25

    learn = small(ds)
    monkeypatch.setattr(train, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    learn.seconds_per_step = {"fp32": 0.01}  # as if measured on a much faster machine
    learn.spent = 0.0
    learn.add_cb(Slow())
    done = fit(learn, minutes=4 / 60, bar=False)
    assert done["stopped"] == "time is up" and done["steps"] < done["planned"]
    assert learn.recorder.lrs[-1] < 0.5 * max(learn.recorder.lrs)


def test_measuring_is_part_of_the_time(ds):
    learn = small(ds)
    learn.seconds_per_step, learn.spent = {"fp32": 0.1}, 2.0
    assert fit(learn, minutes=3 / 60, bar=False)["planned"] == 9  # 0.93 s of the last one, 0.1 each
    assert learn.spent == 0


def test_options_that_cannot_be(ds):
    learn = small(ds)
    for kwargs in (
        dict(),
        dict(steps=1, minutes=1),
        dict(steps=0),
        dict(steps=1.5),
        dict(minutes=-1),
        dict(minutes=float("nan")),
        dict(steps=1, bar="wide"),
        dict(steps=1, seed=-1),
    ):
        with pytest.raises(InputError, match="fit: "):
            fit(learn, **kwargs)
    with pytest.raises(InputError, match="bf16"):
        small(ds, precision="fp8")
    with pytest.raises(InputError, match="a function of logits and mask"):
        small(ds, loss="dicee")
    for no_learner in (None, "x", [], 3):
        with pytest.raises(InputError, match="made by `learner`"):
            fit(no_learner, steps=1)


def test_a_training_keeps_what_was_asked_for():
    with pytest.raises(InputError, match="give one of the two"):
        Training(steps=1, minutes=1)
    for wrong in (
        dict(steps=0),
        dict(steps=True),
        dict(minutes=0),
        dict(seed=-1),
        dict(precision="fp8"),
        dict(bar="wide"),
        dict(size=32.5),
        dict(bs="4"),
        dict(lr=float("nan")),
    ):
        with pytest.raises(InputError, match=f"Training: {next(iter(wrong))}="):
            Training(**wrong)
    assert Training(steps=3).or_else(minutes=2, lr=1e-3) == Training(steps=3, lr=1e-3)
    assert Training(minutes=3).or_else(steps=2, bs=4) == Training(minutes=3, bs=4)
    assert Training(bs=2).or_else(minutes=2, bs=4) == Training(minutes=2, bs=2)
    assert Training().or_else().steps is None
    with pytest.raises(InputError, match="choose one of steps, minutes"):
        Training().or_else(step=3)


def test_the_loss_is_an_argument(ds):
    def mine(logits, mask):
        return (logits.float() ** 2).mean()

    learn = small(ds, loss=mine)
    assert learn.loss_func is mine and fit(learn, steps=1, bar=False)["steps"] == 1


def test_measure_leaves_model_and_generator_alone():
    model = EffUNet(**TINY)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    seconds = measure(model, size=64, bs=2, steps=1)
    assert seconds["fp32"] > 0 and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_baseline_finds_dark_and_bright(ds):
    name, preds = simple_baseline(ds["train"], ds["test"], 2)
    assert "Otsu" in name and len(preds) == len(ds["test"])
    name, preds = simple_baseline(ds["train"], ds["test"], 3)
    assert "most common" in name and preds[0].unique().numel() == 1


def test_ctrl_c_in_a_real_process_keeps_the_best_checkpoint(tmp_path):
    code = f"""
import sys
from unet_explorer.batches import dataloaders
from unet_explorer.checkpoints import Keep
from unet_explorer.data import load
from unet_explorer.effunet import EffUNet
from unet_explorer.train import fit, learner
from fastai.callback.core import Callback
class Tell(Callback):
    order = 99
    def after_epoch(self): print("epoch", flush=True)
ds = load("simulated", n=9, size=(64, 64))
model = EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False)
dls = dataloaders(ds, size=64, bs=2)
learn = learner(dls, model, precision="fp32", folder={str(tmp_path)!r})
learn.add_cb(Tell())
print(fit(learn, steps=4000, epochs=1000, bar=False)["stopped"], flush=True)
"""
    p = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(2):
        assert p.stdout.readline().strip() == "epoch", p.stderr.read()
    os.kill(p.pid, signal.SIGINT)
    rest, errors = p.communicate(timeout=60)
    assert p.returncode == 0 and rest.strip().endswith("interrupted"), errors
    model = restore(tmp_path)
    assert (
        model.about["epoch"] >= 0
        and json.loads((tmp_path / "config.json").read_text())["about"]["valid_dice"] >= 0
    )
    assert sorted(q.name for q in tmp_path.iterdir()) == ["config.json", "model.safetensors"], (
        "nothing half-written stays"
    )


@pytest.mark.parametrize("how", ["time", "interrupt"])
def test_half_precision_ends_with_the_training(ds, how):
    "However a training ends, what comes after is computed in full precision."
    from fastai.callback.core import Callback

    class Stop(Callback):
        def after_pred(self):
            if self.training and self.train_iter == 1:
                raise KeyboardInterrupt

    learn = small(ds, precision="bf16")
    learn.seconds_per_step, learn.spent = {"bf16": 0.001}, 0.0
    if how == "interrupt":
        learn.add_cb(Stop())
    length = dict(minutes=1 / 60) if how == "time" else dict(steps=8)
    done = fit(learn, **length, bar=False)
    assert done["stopped"] == {"time": "time is up", "interrupt": "interrupted"}[how]
    assert learn.model.amp is None and not torch.is_autocast_enabled("cpu")
    with torch.no_grad():
        assert (
            learn.model(torch.rand(1, 1, 64, 64)).dtype
            == (torch.rand(2, 2) @ torch.rand(2, 2)).dtype
            == torch.float32
        )


@pytest.mark.parametrize("k, wrong", [(1, 2), (1, -1), (3, 3)])
def test_a_class_without_a_logit_is_refused(k, wrong):
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[0, 0] = torch.tensor([1, 255, 0, wrong])
    with pytest.raises(InputError, match=f"class {wrong} for a model of {max(k, 2)} classes"):
        SegLoss(k)(torch.zeros(1, k, 4, 4), mask)


def test_each_training_has_its_own_best(ds):
    from unet_explorer.checkpoints import KeepBest

    learn = small(ds)
    fit(learn, steps=2, bar=False)
    best = next(cb for cb in learn.cbs if isinstance(cb, KeepBest))
    best.score, best.epoch_ = 2.0, 7  # better than any training can be
    done = fit(learn, steps=2, bar=False)
    assert done["best_epoch"] == 0 and done["valid_dice"] <= 1


def test_time_budget_where_bf16_cannot_be_measured(ds):
    learn = small(ds, precision="bf16")
    learn.seconds_per_step = {"fp32": 0.1}  # as `measure` answers on a Mac
    assert fit(learn, minutes=1 / 60, bar=False)["steps"] >= 1


@pytest.mark.parametrize("loss", SEG_LOSSES)
@pytest.mark.parametrize("k", [1, 3])
def test_a_batch_without_any_labelled_pixel_teaches_nothing(loss, k):
    "Rare labels, small crops: it happens. A loss of NaN would spoil all weights."
    logits = torch.randn(2, k, 8, 8, requires_grad=True)
    value = SegLoss(k, **SEG_LOSSES[loss])(logits, torch.full((2, 8, 8), 255))
    value.backward()
    assert float(value) == 0 and float(logits.grad.abs().max()) == 0


def coin(rng):
    x = torch.from_numpy(rng.random((8, 4), dtype="float32"))
    return x, x.sum(1, keepdim=True)


def test_fit_batches_repeats_itself_and_leaves_the_model_in_evaluation_mode():
    def once(seed):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
        losses = fit_batches(model, coin, torch.nn.functional.mse_loss, steps=60, lr=0.1, seed=seed)
        assert not any(m.training for m in model.modules()) and len(losses) == 60
        return losses

    assert once(0) == once(0) != once(1)
    assert sum(once(0)[-10:]) < 0.2 * sum(once(0)[:10])


def test_fit_batches_stops_at_a_loss_that_is_no_number():
    model = torch.nn.Linear(4, 1)
    with pytest.raises(InputError, match="nan at step 3") as e:
        seen = []

        def loss(out, y):
            seen.append(1)
            return out.mean() * (float("nan") if len(seen) == 3 else 1)

        fit_batches(model, coin, loss, steps=9)
    assert "\n" not in str(e.value) and not model.training
    assert torch.isfinite(model.weight).all(), "the bad step was not taken"


def test_fit_batches_keeps_what_was_learned_when_interrupted():
    model = torch.nn.Linear(4, 1)
    before = model.weight.detach().clone()

    def batch(rng):
        batch.n += 1
        if batch.n == 5:
            raise KeyboardInterrupt
        return coin(rng)

    batch.n = 0
    with pytest.raises(KeyboardInterrupt):
        fit_batches(model, batch, torch.nn.functional.mse_loss, steps=9)
    assert not model.training and not torch.equal(model.weight, before)


class Breaks(SegLoss):
    "A loss that is no number from its call number `at` on."

    def __init__(self, at, value):
        super().__init__(1)
        self.at, self.value, self.calls = at, value, 0

    def forward(self, logits, mask):
        self.calls += 1
        return super().forward(logits, mask) * (self.value if self.calls >= self.at else 1.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("at, place", [(3, "at step 3"), (5, "validation images after step 4")])
def test_a_loss_that_is_no_number_in_the_first_epoch_is_one_line(ds, tmp_path, value, at, place):
    learn, keep = small(ds, loss=Breaks(at, value), folder=tmp_path), Keep(tmp_path, every=0)
    with pytest.raises(InputError, match=f"the loss is {value} .*{place}.*no model; a lower lr"):
        fit(learn, steps=8, epochs=2, bar=False, keep=keep)
    assert not list(tmp_path.iterdir()), "nothing to go on with, and no model"
    assert all(torch.isfinite(v).all() for v in learn.model.state_dict().values())


def test_a_loss_that_is_no_number_later_keeps_the_best_of_before(ds, tmp_path, capsys):
    valid = len(small(ds).dls.valid)
    learn = small(ds, loss=Breaks(4 + valid + 3, float("nan")), folder=tmp_path)
    done = fit(learn, steps=8, epochs=2, bar=False, keep=Keep(tmp_path, every=0))
    assert done["stopped"] == "the loss is nan at step 7" and done["steps"] == 6
    assert done["best_epoch"] == 0 and len(done["history"]["train_loss"]) == 6
    said = capsys.readouterr().err
    assert "note: the loss is nan at step 7; the weights of epoch 1" in said and "lower lr" in said
    kept = restore(tmp_path).state_dict()
    assert all(torch.equal(v, kept[k]) for k, v in learn.model.state_dict().items())
    again = small(ds, loss=Breaks(10**9, 1.0), folder=tmp_path)
    done = fit(again, steps=8, epochs=2, bar=False, keep=Keep(tmp_path, resume=True))
    assert done["steps"] == 8 and done["stopped"] == "", "it was not kept as one that is complete"


def test_a_learning_rate_beyond_all_numbers(ds):
    with pytest.raises(InputError, match="the loss is .* at step .* a lower lr"):
        fit(small(ds, lr=1e38), steps=8, epochs=1, bar=False)
