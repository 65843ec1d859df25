"""On a graphics card (CUDA, or MPS of a Mac): the same results as on the processor, within
rounding, and how fast. One command checks a card, in about three minutes: `make test-gpu`. Without
a card all of it is skipped; UNET_EXPLORER_CARD=cpu tries the tests themselves."""

import os
import statistics
import time

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback

from unet_explorer.anomaly import fit_normal
from unet_explorer.batches import dataloaders
from unet_explorer.checkpoints import Keep
from unet_explorer.comparator import CHANNELS, Judge, judged, load_judge, pack, train_judge
from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.deploy import Segmenter
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.explain import effective_field, feature_maps, seg_cam
from unet_explorer.folders import pictures_in
from unet_explorer.images import save_image
from unet_explorer.inspection import find_folder
from unet_explorer.machine import best_device, has_bf16
from unet_explorer.mosaics import segment_file
from unet_explorer.references import STRIDES
from unet_explorer.own_model import train_and_report
from unet_explorer.segmentation import segment_folder
from unet_explorer.simulate import inspection_set
from unet_explorer.train import SegLoss, Training, check_room, fit, fit_batches, learner, measure

pytestmark = pytest.mark.gpu

TINY = dict(decoder=(16, 16, 8, 8), convs=1, pretrained=False)
CLOSE = dict(rtol=5e-2, atol=5e-3)  # TF32 rounds what it multiplies to 10 bits


@pytest.fixture(scope="module")
def card():
    asked = os.environ.get("UNET_EXPLORER_CARD")
    device = torch.device(asked) if asked else best_device()
    if device.type == "cpu" and not asked:
        pytest.skip("no graphics card here")
    return device


@pytest.fixture(scope="module")
def ds():
    return load("simulated", n=12, size=(128, 128))


@pytest.fixture(scope="module")
def taught(ds, card):
    "A model that learned on the card for 60 steps, and what `fit` says."
    learn = learner(
        dataloaders(ds, size=128, bs=8, seed=0, device=card), EffUNet(), precision="fp32"
    )
    done = fit(learn, steps=60, epochs=3, seed=0, bar=False)
    return learn.model, done


@pytest.fixture(scope="module")
def picture(ds):
    return load("simulated", n=1, size=(320, 320), seed=9)["train"][0]["image"]


def grey(h, w, seed=0):
    return torch.rand(1, h, w, generator=torch.Generator().manual_seed(seed))


def on(device, model):
    "A copy of a model on a device."
    import copy

    return copy.deepcopy(model).to(device).eval()


def synchronized(card):
    if card.type != "cpu":
        (torch.cuda if card.type == "cuda" else torch.mps).synchronize()


def milliseconds(job, card, n=20):
    "The median of n calls after three."
    times = []
    for i in range(n + 3):
        start = time.perf_counter()
        job()
        synchronized(card)
        if i >= 3:
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def test_a_training_learns_and_says_where_it_ran(taught, card):
    model, done = taught
    assert next(model.parameters()).device.type == card.type
    print(f"\n60 steps of 8 crops of 128x128 on {card}: {done['seconds']:.1f} s")
    assert done["steps"] == 60 and done["valid_dice"] > 0.6


def test_logits_are_those_of_the_processor(taught, card):
    model, _ = taught
    x = torch.stack([grey(96, 160, s) for s in range(3)])
    with torch.no_grad():
        here, there = on("cpu", model)(x), on(card, model)(x.to(card)).cpu()
    assert torch.allclose(here, there, **CLOSE), (here - there).abs().max()


@pytest.mark.parametrize("sides", [(64, 64), (97, 131), (1, 40), (700, 900)])
def test_masks_are_those_of_the_processor(taught, card, sides):
    model, _ = taught
    image = grey(*sides)
    there = on(card, model).predict(image)
    assert there.device.type == "cpu" and there.shape == sides
    assert (there == on("cpu", model).predict(image)).float().mean() > 0.995


def test_tiles_on_the_card_are_the_whole(taught, card, tmp_path):
    model, _ = taught
    image = grey(600, 840)
    model = on(card, model)
    path = segment_file(model, image, tmp_path / "m.tif", tile=256, overlap=128)
    import tifffile

    tiled = torch.from_numpy(tifffile.imread(path).astype(np.int64))
    assert (tiled == on("cpu", model).predict(image)).float().mean() > 0.98


def test_half_precision_is_measured_and_learns(ds, card):
    if not has_bf16(card):
        pytest.skip("this card has no bf16")
    model = EffUNet().to(card)
    seconds = measure(model, 256, 8, card)
    print("\nseconds a step:", seconds)
    assert max(seconds.values()) < 20 * min(seconds.values()), "a first step was measured"
    learn = learner(dataloaders(ds, size=128, bs=8, seed=0, device=card), model, precision="bf16")
    done = fit(learn, steps=60, epochs=3, seed=0, bar=False)
    assert done["valid_dice"] > 0.6 and model.amp is None
    assert all(p.dtype == torch.float32 for p in model.parameters())


class StopAt(Callback):
    "Ctrl-C before the n-th batch."

    def __init__(self, n):
        self.left = n

    def before_batch(self):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def trained(ds, device, folder=None, stop=None, resume=False):
    learn = learner(
        dataloaders(ds, size=64, bs=2, device=device), EffUNet(**TINY), precision="fp32"
    )
    if stop:
        learn.add_cb(StopAt(stop))
    keep = Keep(folder, resume, every=0) if folder else None
    done = fit(learn, steps=12, epochs=3, seed=3, bar=False, keep=keep)
    return done, learn.model


@pytest.mark.parametrize("ends_on", ["card", "cpu"])
def test_a_stopped_training_goes_on_here_and_there(ds, card, tmp_path, ends_on):
    "Bits may differ from run to run on a card; the course of the training does not."
    whole, _ = trained(ds, card)
    stopped, _ = trained(ds, card, tmp_path, stop=7)
    assert stopped["stopped"] == "interrupted"
    end = card if ends_on == "card" else "cpu"
    done, model = trained(ds, end, tmp_path, resume=True)
    assert done["steps"] == whole["steps"] == 12
    assert next(model.parameters()).device.type == torch.device(end).type
    assert abs(done["valid_dice"] - whole["valid_dice"]) < 0.15


def test_what_was_saved_on_the_card_opens_on_the_processor(taught, tmp_path):
    model, _ = taught
    save(model, tmp_path / "m")
    again = restore(tmp_path / "m")
    assert {p.device.type for p in again.parameters()} == {"cpu"}
    image = grey(64, 64)
    assert (again.predict(image) == model.predict(image)).float().mean() > 0.995


def test_segmenter_measures_and_is_right(taught, card):
    model, _ = taught
    segmenter = Segmenter(on(card, model), (256, 256), repeats=3)
    print("\n", segmenter)
    image = grey(300, 420)
    assert segmenter.timings and "onnx" not in segmenter.backend
    assert (segmenter.predict(image) == on("cpu", model).predict(image)).float().mean() > 0.995


def test_a_step_that_cannot_fit_is_refused_before_it_runs(card):
    with pytest.raises(InputError, match="GB are free; use smaller ones"):
        check_room(EffUNet(), 8192, 4096, card)


def test_fit_batches_and_explanations_stay_on_the_card(taught, card):
    model = on(card, taught[0])
    x = grey(64, 64).to(card)
    name = list(feature_maps(model, x))[-1]
    assert seg_cam(model, x, 0, name).isfinite().all()
    assert effective_field(model, x[None], (32, 32)).isfinite().all()
    net = torch.nn.Linear(2, 1).to(card)

    def batch(rng):
        x = torch.from_numpy(rng.random((16, 2), dtype=np.float32))
        return x, x.sum(1, keepdim=True)

    losses = fit_batches(net, batch, torch.nn.functional.mse_loss, steps=60, lr=0.1)
    assert losses[-1] < losses[0] / 4


def folder_of(rows, path):
    path.mkdir()
    for i, r in enumerate(rows):
        save_image(path / f"a{i:02d}.png", r["image"])
    return path


def test_the_whole_job_on_the_card(card, tmp_path):
    "Train, report, segment a folder."
    parts = load("simulated", n=9, size=(96, 96))
    said = train_and_report(
        parts, tmp_path / "run", Training(steps=30, size=64, bs=4, device=str(card), bar=False)
    )
    assert said["steps"] == 30
    (tmp_path / "in").mkdir()
    for i in range(3):
        save_image(tmp_path / "in" / f"{i}.png", grey(90, 110, i))
    done = segment_folder(tmp_path / "in", tmp_path / "run", tmp_path / "out", device=str(card))
    assert len(pictures_in(tmp_path / "in")) == 3 and len(done.names) == 3


@pytest.fixture(scope="module")
def chips():
    setting = dict(layouts=("lines",), size=(128, 128), reference=True)
    clean = inspection_set(10, defects=(), seed=1, **setting)
    return clean, inspection_set(4, seed=2, **setting)


@pytest.mark.parametrize("method", ["own", "memory", "die"])
def test_defects_are_found_as_on_the_processor(chips, card, method):
    clean, odd = chips
    images = [r["image"] for r in clean]
    references = [r["reference"] for r in clean] if method == "die" else None
    how = {} if method == "die" else dict(method=method)
    detector = fit_normal(images, references=references, **how)
    for r in odd:
        other = (r["reference"],) if method == "die" else ()
        here = detector.to("cpu").anomaly_map(r["image"], *other)
        there = detector.to(card).anomaly_map(r["image"], *other)
        assert np.allclose(here, there, rtol=0.05, atol=0.05), np.abs(here - there).max()


def test_a_lot_without_clean_pictures(chips, card, tmp_path):
    clean, odd = chips
    lot = folder_of([*clean, *clean, *odd], tmp_path / "lot")
    found = find_folder(lot, out=tmp_path / "out", device=str(card), say=lambda line: None)
    assert (tmp_path / "out" / "coco.json").is_file() and found is not None


def test_a_judge_learns_on_the_card(card):
    g = torch.Generator().manual_seed(0)
    label = (torch.rand(64, 64, generator=g) > 0.9).byte()
    maps = [torch.stack([label.float(), torch.rand(64, 64, generator=g)])]
    maps += [torch.rand(d + 1, 64 // s, 64 // s, generator=g) for d, s in zip(CHANNELS, STRIDES)]
    example = (pack(maps, (1, *STRIDES)).half(), label.long())
    judge = Judge()
    how = Training(steps=30, size=64, bs=4, device=str(card), bar=False)
    done = train_judge(judge, [example] * 4, [example], how, epochs=2)
    assert next(judge.parameters()).device.type == card.type and done["valid_dice"] > 0.3
    here = judged(load_judge(), example[0], (64, 64))
    there = judged(load_judge().to(card), example[0], (64, 64))
    assert np.allclose(here, there, rtol=0.05, atol=0.05)


def test_speed_beside_smp(card):
    "Printed, not asserted: a step of 8 crops of 256x256, a picture of 512x512."
    import segmentation_models_pytorch as smp

    x, y = torch.rand(8, 1, 256, 256, device=card), torch.randint(0, 2, (8, 256, 256), device=card)
    one = torch.rand(1, 1, 512, 512, device=card)
    last = torch.channels_last
    weightless = dict(encoder_weights=None, in_channels=1, classes=1)
    nets = {
        "EffUNet lite0": EffUNet(pretrained=False),
        "smp.Unet lite0": smp.Unet("tu-tf_efficientnet_lite0", **weightless),
    }
    print()
    for name, model in nets.items():
        model = model.to(card, memory_format=last)
        walk, loss = torch.optim.AdamW(model.parameters(), 1e-4), SegLoss(1)

        def step():
            model.train()
            walk.zero_grad()
            loss(model(x), y).backward()
            walk.step()

        def look():
            model.eval()
            with torch.inference_mode():
                model(one)

        print(
            f"{name}: step {milliseconds(step, card):.1f} ms, "
            f"picture {milliseconds(look, card):.1f} ms, float32, channels-last"
        )
