"""Every public function, given one bad argument at a time, says so in one line, or copes.

The functions are found by themselves: whatever a room lists in `__all__`, and the public methods
of its classes. Each gets a call that works, and then, for one parameter after the other, every
kind of value that people pass by mistake. Either `InputError` comes back, with one line, or the
call goes through (a value may be right there: "x" is a fine name of a file).

A new function needs a line here only if it is slow as it is, or has a required parameter whose
name is not in `BY_NAME`."""

import contextlib
import copy
import dataclasses
import functools
import importlib
import inspect
import itertools
import pkgutil
import signal
import socket
import types

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import unet_explorer
from unet_explorer.contracts import InputError

SECONDS = 10  # a call that takes longer hangs; the slowest takes about 1 s
TINY = dict(decoder=(8, 8, 8, 8), convs=1, pretrained=False)

# --- what is public ----------------------------------------------------------------------------

EXEMPT = {  # room, or room.name: why it is not called here
    "cli": "takes what its own parser has checked; test_cli.py gives it bad options",
    "shell": "takes functions and parsers, from cli alone; the same test gives it bad options",
    "effunet.EffUNet.push_to_hub": "asks the hub; test_exchange.py puts another in its place",
    "exchange.to_bioimageio": "tests what it wrote, for seconds; so test_exchange.py calls it",
    "exchange.test_package": "the same",
    "hub.load_hub": "asks the hub; test_data.py puts another in its place",
    "hub.load_stream": "asks the hub; test_streams.py puts a folder in its place",
    "exercise.Guess": "stands below contracts; test_recall.py gives it bad choices",
    "exercise.gap": "is no call that works: it always says what is missing",
    "contracts.instance": "takes a class, when a module is imported",
    "contracts.number": "takes a test, when a module is imported",
    "effunet.TimmEncoder.features": "is called in every step of a training, by what has checked",
    "effunet.SmpEncoder.features": "the same",
    "checkpoints.Resumable": "is a Learner of fastai, with its arguments; `learner` makes it",
    "checkpoints.Resumable.one_batch": "fastai calls it",
    "checkpoints.Resumable.to_detach": "fastai calls it",
    "checkpoints.Resumable.agreed": "hands anything on as it is",
    "processes.SharedNorm": "torch's BatchNorm2d, with its arguments",
    "contracts.checked": "takes a function, when a module is imported",
    **dict.fromkeys(
        [
            *(f"clusters.Here{m}" for m in ["", ".each", ".sharing", ".wait_for_files"]),
            *(f"clusters.Workers{m}" for m in ["", ".each", ".sharing", ".wait_for_files"]),
            *(f"clusters.Workers.{m}" for m in ["ask", "let_finish", "wait_for_workers"]),
            *(f"clusters.InTurn{m}" for m in ["", ".of"]),
        ],
        "pool_of gives it to a job, which has checked what it was given",
    ),
    **dict.fromkeys(
        ["runs.Run", *(f"runs.Run.{m}" for m in "claim earlier going_on keep choose".split())],
        "run_in gives it to a job, which has checked what it was given",
    ),
}
HOOKS = ("before_", "after_")  # fastai calls these, with nothing
TORCH = (
    "forward",
    "extra_repr",
    "reset",
    "accumulate",
    "activation",
    "decodes",
)  # torch and fastai call these


def rooms():
    names = [m.name for m in pkgutil.iter_modules(unet_explorer.__path__)]
    return [n for n in sorted(names) if not n.startswith("_") and n not in EXEMPT]


def methods(cls):
    for name, f in vars(cls).items():
        if inspect.isfunction(f) and not name.startswith(("_", *HOOKS)) and name not in TORCH:
            yield name, f


def is_record(cls):
    "A tuple with names, a protocol, or a dataclass that checks nothing: who takes one checks it."
    plain = dataclasses.is_dataclass(cls) and not hasattr(cls, "__post_init__")
    return plain or hasattr(cls, "_fields") or getattr(cls, "_is_protocol", False)


def public():
    "Yields `room.name` or `room.Class.method`, and the callable, for all that rooms export."
    for room in rooms():
        module = importlib.import_module(f"unet_explorer.{room}")
        for name in module.__all__:
            f = getattr(module, name, None)
            own = getattr(f, "__module__", None) == module.__name__
            if not (own and (inspect.isclass(f) or inspect.isroutine(f))):
                continue
            if inspect.isclass(f) and (issubclass(f, Exception) or is_record(f)):
                continue
            yield f"{room}.{name}", f
            if inspect.isclass(f):
                yield from ((f"{room}.{name}.{m}", g) for m, g in methods(f))


PUBLIC = {name: f for name, f in public() if name not in EXEMPT}

# --- a call that works -------------------------------------------------------------------------


def once(make):
    "`make` is asked once; each call gets a copy, which it may change."
    kept = functools.cache(make)
    return lambda: copy.deepcopy(kept())


def picture(seed=0, side=64, channels=1):
    return torch.rand(channels, side, side, generator=torch.Generator().manual_seed(seed))


def mask(side=64):
    m = torch.zeros(side, side, dtype=torch.long)
    m[side // 4 : side // 2, side // 4 : side // 2] = 1
    return m


def clean():
    return [picture(i) for i in range(8)]


@once
def model():
    from unet_explorer.effunet import EffUNet

    return EffUNet(**TINY).eval()


@once
def look():
    from unet_explorer.references import Features

    return Features(clean(), strides=(16,))


def own_rung():
    from unet_explorer.references import Own

    return Own()


def a_comparison():
    from unet_explorer.references import Compared

    return Compared(look(), own_rung(), clean())


@once
def plain_comparison():
    "Of features as they are, which is what a judge knows."
    from unet_explorer.references import Compared, Features

    pictures = [picture(i, side=32) for i in range(2)]
    return Compared(Features(pictures, whiten=False), own_rung(), pictures)


def plainly_seen():
    return plain_comparison().look(picture(side=32))


@once
def a_judge():
    from unet_explorer.comparator import Judge

    return Judge(pretrained=False).eval()


@once
def a_detector():
    from unet_explorer.anomaly import fit_normal

    return fit_normal(clean(), method="own", judge=a_judge())


@once
def a_lot():
    from unet_explorer.lots import lot_of

    return lot_of([picture(i) for i in range(20)])


def both_maps():
    return dict.fromkeys(("judge", "distance"), maps()[0])


def an_example():
    return torch.zeros(1189, 2, 2), mask(32)


@once
def net():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU())


@once
def unet():
    from unet_explorer.unet import UNet

    return UNet(1, 2, widths=(4, 8), padding=True)


@functools.cache
def dataset():
    from unet_explorer.data import load

    return load("simulated", n=9, size=(64, 64))


@functools.cache
def few():
    from datasets import DatasetDict

    return DatasetDict({k: d.select(range(1)) for k, d in dataset().items()})


def part():
    return dataset()["train"]


def some_groups():
    from unet_explorer.splits import groups_of

    return groups_of(["a1", "a2", "b1", "c1"], "specimen")


def some_shares():
    from unet_explorer.splits import share_out

    return share_out(some_groups())


def some_places():
    from unet_explorer.splits import groups_of

    return groups_of(["r0_c0", "r0_c1"], "tiles").places


def batches():
    from unet_explorer.batches import dataloaders

    return dataloaders(dataset(), size=32, bs=2, batches=1, device="cpu")


def a_learner():
    from unet_explorer.train import learner

    return learner(batches(), model(), precision="fp32")


def training(**more):
    from unet_explorer.train import Training

    short = dict(steps=1, size=64, bs=2, precision="fp32", bar=False)
    return Training(**short | more)


def fitted():
    from unet_explorer.train import fit

    learn = a_learner()
    fit(learn, steps=1, bar=False)
    return learn


@once
def layout():
    from unet_explorer.layout import routed

    return routed((96, 96))


@once
def rows():
    from unet_explorer.simulate import inspection_set

    return inspection_set(2, size=(96, 96), layouts=("lines",), defects=("particle",))


@once
def plan():
    from unet_explorer.unet_ledger import unet_plan

    return unet_plan(widths=(4, 8), padding=True)


@once
def ledger():
    from unet_explorer.unet_ledger import lay_out

    return lay_out(plan(), 64, 64)


DRAWING = '<svg viewBox="0 0 16 16"><path d="M 0,0 9,0 9,9 0,9 z"/></svg>'


def from_room(room, name, *args, **kwargs):
    def make():
        return getattr(importlib.import_module(f"unet_explorer.{room}"), name)(*args, **kwargs)

    return once(make)


def a_file(name="picture.png"):
    "A picture in the current folder, which is the test's own."
    from unet_explorer.images import save_image

    save_image(name, picture())
    return name


def some_outlines():
    "A file of outlines of two objects, in the current folder."
    import json

    square = [[2, 2], [9, 2], [9, 9], [2, 9]]
    shapes = [dict(label=n, points=square, shape_type="polygon") for n in ("cell", "wall")]
    with open("outlines.json", "w") as file:
        json.dump(dict(shapes=shapes, imagePath="picture.png"), file)
    return "outlines.json"


def drawn():
    from unet_explorer.outlines import read_outlines

    return [read_outlines(some_outlines())]


def a_stored_picture():
    from unet_explorer.images import Picture

    return Picture(np.ones((64, 64), np.uint8))


def a_case():
    from unet_explorer.case import Case
    from unet_explorer.folders import pictures_in

    return Case(pictures_in(a_folder())[0])


def no_bars():
    from unet_explorer.headers import Bars

    return Bars([])


def masks_read():
    from unet_explorer.labels import Masks

    masks = Masks()
    masks.read(np.eye(4, dtype=np.uint8), "a", (4, 4), "b")
    return masks


def a_bar():
    from unet_explorer.headers import Bar

    return Bar(0, 4, "as given")


def a_mask(name="mask.png"):
    from unet_explorer.images import save_mask

    save_mask(name, mask())
    return name


def an_mrc(name="stack.mrc"):
    from pathlib import Path

    header = np.zeros(256, "<i4")
    header[:10] = 6, 5, 2, 1, 0, 0, 0, 6, 5, 2
    header[16:19], header[52], header[53] = (1, 2, 3), 0x2050414D, 0x4144
    Path(name).write_bytes(header.tobytes() + np.zeros((2, 5, 6), np.int16).tobytes())
    return name


def a_folder(name="pictures", n=9, save=a_file):
    from pathlib import Path

    Path(name).mkdir(exist_ok=True, parents=True)
    for i in range(n):
        if not Path(f"{name}/{i}.png").exists():
            save(f"{name}/{i}.png")
    return name


def a_model_folder():
    from pathlib import Path

    from unet_explorer.effunet import save

    if not Path("model").exists():
        save(model(), "model")
    return "model"


def a_detector_folder():
    from pathlib import Path

    from unet_explorer.anomaly import save_detector

    about = dict(threshold=0.5, scores=[0.1, 0.5], pixel_nm=None, fpr=0.05)
    if not Path("detector").exists():
        save_detector(a_detector(), "detector", **about)
    return "detector"


NUMBERS = itertools.count()


def a_begun_mask(done=False, finished=False):
    "An OME-Zarr of one block, as far as it is needed."
    from unet_explorer.pyramids import begin, finish, segment_block

    out = fresh() + ".ome.zarr"
    job = a_model_folder(), a_file(), out
    for block in begin(*job) if done or finished else begin(*job)[:0]:
        segment_block(*job, block)
    return str(finish(out)) if finished else out


def fresh():
    "The name of a folder that is not there yet."
    return f"out{next(NUMBERS)}"


def confusion():
    return np.array([[5, 1], [2, 8]])


def maps():
    return [np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64), np.zeros((64, 64))]


def truths():
    return [mask().numpy(), np.zeros((64, 64), int)]


def rng():
    return np.random.default_rng(0)


class Baseline:
    "Anything with a method `anomaly_map` is a detector."

    def anomaly_map(self, image):
        return image.mean(0).numpy()


def same(value):
    return lambda: copy.deepcopy(value)


def scores():
    from unet_explorer.metrics import evaluate

    return evaluate(truths(), truths(), ["background", "metal"])


def found():
    from unet_explorer.detection import detection_scores

    return {"ours": detection_scores(maps(), truths(), 0.5)}


def conv(transposed=False):
    return torch.nn.Conv2d(2, 8, 3, padding=1)


def shuffle_up():
    from unet_explorer.upsample import upsampler

    return upsampler("shuffle", 2, 4)


@once
def efficient():
    from unet_explorer.efficientnet import efficientnet

    return efficientnet("lite0", pretrained=False)


def features():
    from unet_explorer.explain import encode

    return encode(model(), torch.rand(1, 1, 32, 32))


def looked_at():
    from unet_explorer.strokes import picture_features

    return picture_features(picture(side=32), model())


def a_head():
    from unet_explorer.strokes import fit_head

    return fit_head(looked_at(), mask(32))


def a_head_file(name="head.json"):
    from unet_explorer.strokes import save_head

    save_head(a_head(), name)
    return name


def pairs():
    return a_folder("set/images"), a_folder("set/masks", save=a_mask)


def sample(**more):
    return [dict(image=picture(), name="a", **more)]


def draw(n):
    return np.full((4, 4), n, np.uint8)


def blurred(image):
    return image.mean(0)


def labelled():
    return [(picture(), mask())]


def some_pictures():
    from unet_explorer.batches import Pairs

    return Pairs(labelled())


def an_iterable():
    import datasets
    from PIL import Image

    kinds = datasets.Features(dict.fromkeys(("image", "mask"), datasets.Image()))
    drawn = Image.fromarray(np.uint8(np.eye(40)))
    rows = datasets.Dataset.from_dict(dict(image=[drawn] * 2, mask=[drawn] * 2), features=kinds)
    return rows.to_iterable_dataset(num_shards=2)


def a_stream():
    from unet_explorer.hub import Stream

    return Stream(an_iterable(), "a set", ("image", "mask"), values={0: 0, 1: 1})


def sizes(*value):
    return same(value or (64, 64))


def a_line():
    return np.sin(np.arange(400.0))


def batch():
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def linear():
    return torch.nn.Linear(4, 1)


def small_and_large():
    return [(picture(side=16), picture(side=32))]


def tracks(kind=bool):
    return np.tile(np.arange(64) % 16 < 8, (64, 1)).astype(kind)


def some_batches():
    return lambda rng: (torch.rand(3, 4), torch.zeros(()))


def plain_loss(out, y):
    return (out.mean() - y) ** 2


@once
def classifier():
    from unet_explorer.classify_detect import Classifier

    return Classifier(2, pretrained=False)


@once
def one_defect():
    from unet_explorer.simulate import inspection_set

    return inspection_set(1, ("lines",), ("particle",), size=(96, 96))


def some_boxes():
    return torch.tensor([[2.0, 3.0, 9.0, 12.0]])


def found_boxes():
    return [dict(boxes=some_boxes(), scores=torch.tensor([0.5]), labels=torch.tensor([0]))]


def a_length():
    return dict(epochs=1, per_epoch=1, seconds=None)


def keep_in(folder):
    from unet_explorer.checkpoints import Keep

    return Keep(folder)


def a_checkpoint():
    keep = keep_in(a_folder())
    keep.write({})
    return keep.folder


BY_NAME = {  # a required parameter of this name gets what its maker gives
    "image": picture,
    "picture": picture,
    "mask": mask,
    "images": batch,
    "model": model,
    "net": net,
    "pred": mask,
    "truth": mask,
    "logits": lambda: torch.randn(1, 1, 16, 16),
    "ds": part,
    "clean": clean,
    "layout": layout,
    "rng": rng,
    "in_ch": same(2),
    "out_ch": same(4),
    "n_classes": same(2),
    "classes": same(["background", "metal"]),
    "x": lambda: torch.rand(1, 4, 8, 8),
    "y": lambda: torch.rand(1, 4, 8, 8),
    "cm": confusion,
    "plan": plan,
    "ledger": ledger,
    "maps": maps,
    "truths": truths,
    "preds": truths,
    "learn": a_learner,
    "dls": batches,
    "path": a_file,
    "folder": a_folder,
    "out": fresh,
    "threshold": same(0.5),
    "pixel_nm": same(4.0),
    "width": same(64),
    "kernel": same(3),
    "stride": same(2),
    "channels": same(4),
    "n": same(2),
    "size": same(32),
    "name": same("lite0"),
    "facts": dict,
    "settings": dict,
    "title": same("a report"),
    "kind": same("routed"),
    "spec": same("b0"),
    "phi": same(1.0),
    "layer": conv,
    "r": same(2),
    "scale": same(2),
    "scores": scores,
    "sizes": same((4, 4)),
    "rows": rows,
    "features": features,
    "seconds": same(5.0),
    "loss": same("bce"),
    "spans": lambda: [slice(0, 8), slice(4, 12)],
    "look": look,
    "seen": lambda: look()(picture()),
    "expected": lambda: look()(picture()),
    "rung": own_rung,
    "compared": a_comparison,
}
FAST = {  # one of this name that has a default gets this, so that a call is quick
    "pretrained": same(False),
}


def here():
    from unet_explorer.clusters import Here

    return Here()


BY_CALL = {  # what one function needs besides
    "one_device": dict(pool=here),
    "segment_mosaic": dict(
        model=a_model_folder, image=a_file, out=lambda: f"{fresh()}.ome.zarr", pool=here
    ),
    "turned": dict(a=lambda: np.zeros((4, 6))),
    "not_read": dict(paths=same(["a.dm3"])),
    "em_signal": dict(path=an_mrc),
    "opened_tiff": dict(path=lambda: a_file("picture.tif")),
    "check_clean": dict(images=clean),
    "not_square": dict(paths=lambda: [a_file()]),
    "one_size": dict(found=list),
    "not_looked_at": dict(source=a_folder, todo=list),
    "for_each": dict(source=a_folder, todo=list, do=same(print)),
    "conformal": dict(scores=lambda: np.linspace(0, 1, 30)),
    "lot_threshold": dict(scores=lambda: np.linspace(0, 1, 30)),
    "Tail": dict(values=lambda: maps()[0]),
    "Detector": dict(
        method=same("own"), compared=lambda: a_detector().compared, judge=a_judge, tails=dict
    ),
    "Detector.to": dict(device=same("cpu")),
    "Detector.fused": dict(maps=both_maps),
    "fit_normal": dict(method=same("own"), judge=a_judge),
    "save_detector": dict(detector=a_detector, folder=fresh),
    "load_detector": dict(folder=a_detector_folder),
    "anomaly_map": dict(model=a_detector),
    "pick_threshold": dict(model=Baseline, fpr=same(0.2)),
    "align": dict(reference=picture),
    "Memory": dict(seen=lambda: [look()(c) for c in clean()]),
    "SamePlace": dict(seen=lambda: [look()(c) for c in clean()]),
    "listed": dict(values=list),
    "Memory.belong_to": dict(owners=same([0, 0, 0, 0, 1, 1, 1, 1])),
    "pack": dict(maps=lambda: [torch.rand(1, 4, 4), torch.rand(2, 2, 2)], strides=same((8, 16))),
    "unpack": dict(
        packed=lambda: torch.rand(6, 2, 2), channels=same((1, 2)), strides=same((8, 16))
    ),
    "evidence": dict(seen=plainly_seen, expected=plainly_seen, compared=plain_comparison),
    "judged": dict(judge=a_judge, packed=lambda: an_example()[0], size=same((32, 32))),
    "Clues": dict(examples=lambda: [an_example()]),
    "rare_defects": dict(mask=lambda: mask(16)[None]),
    "train_judge": dict(
        judge=a_judge,
        examples=lambda: [an_example()],
        valid=lambda: [an_example()],
        training=lambda: training(size=32),
    ),
    "Die": dict(other=picture),
    "moved_median": dict(shifts=lambda: [(0, 2)]),
    "in_one": dict(maps=lambda: [torch.rand(2, 8, 8), torch.rand(3, 4, 4)]),
    "PaDiM": dict(dims=same(5), strides=same((16,))),
    "PatchCore": dict(keep=same(5), candidates=same(50), strides=same((16,))),
    "coreset": dict(points=lambda: torch.rand(20, 3), keep=same(3)),
    "Difference.anomaly_map": dict(reference=picture),
    "Pairs": dict(pairs=labelled),
    "Crops": dict(pictures=some_pictures, size=same(32)),
    "Crops.crop": dict(pictures=some_pictures),
    "WholePictures": dict(pictures=some_pictures),
    "Crops.restart": dict(seed=same(1)),
    "Rows.sides": dict(i=same(0)),
    "Rows.window": dict(i=same(0), top=same(0), left=same(0), size=same(8)),
    "check_shares": dict(bs=same(4), processes=same(2)),
    "check_processes": dict(processes=same(1)),
    "Together": dict(here=from_room("runs", "place")),
    "together": dict(learn=fitted),
    "start": dict(processes=same(1), words=same(["-c", "pass"])),
    "started": dict(words=same(["-c", "pass"]), processes=same(1)),
    "Stream": dict(
        rows=an_iterable,
        name=same("a set"),
        columns=same(("image", "mask")),
        values=same({0: 0, 1: 1}),
    ),
    "Stream.pair": dict(row=lambda: next(a_stream().rows())),
    "StreamCrops": dict(stream=a_stream, size=same(32), n=same(4)),
    "StreamCrops.restart": dict(seed=same(1)),
    "StreamCrops.batch": dict(bs=same(2)),
    "StreamCrops.go_on": dict(state=same(dict(seed=0, turn=0, taken=1, drawn=1, of=1))),
    "Crops.go_on": dict(
        state=lambda: dict(seed=0, numbers=np.random.default_rng(1).bit_generator.state)
    ),
    "pictures_said": dict(names=same(["a", "b"]), pictures=lambda: [picture()]),
    "kept_in": dict(out=a_checkpoint),
    "Keep": dict(folder=a_folder),
    "Keep.write": dict(state=dict),
    "Checkpoints": dict(keep=lambda: keep_in(a_folder()), length=a_length),
    "start_at": dict(learn=fitted, length=a_length),
    "say": dict(line=same("a line")),
    "dataloaders": dict(ds=dataset, size=same(32), bs=same(2), batches=same(1)),
    "Rule": dict(words=same("anything"), holds=same(bool)),
    "rule_of": dict(kind=same(int)),
    "check_value": dict(
        who=same("f"), name=same("n"), value=same(1), rule=from_room("contracts", "Rule", "1", bool)
    ),
    "shown": dict(value=same(1)),
    "check_whole": dict(who=same("f"), values=same(dict(n=1))),
    "known": dict(what=same("pet"), name=same("cat"), table=same({"cat": 1})),
    "first_line": dict(error=same(ValueError("no"))),
    "as_json": dict(value=same({"iou": [0.5, None]})),
    "model_folder": dict(folder=a_model_folder),
    "need": dict(package=same("json")),
    "fetch": dict(name=same("isbi2012")),
    "diagnose_masks": dict(values=same([0, 1])),
    "Masks.read": dict(
        stored=lambda: np.zeros((4, 4), np.uint8),
        name=same("a"),
        size=same((4, 4)),
        image=same("b"),
    ),
    "colours_to_classes": dict(
        rgb=lambda: np.zeros((4, 4, 3), np.uint8), colours=same({(0, 0, 0): 1})
    ),
    "sample": dict(i=same(0)),
    "with_progress": dict(desc=same("reading")),
    "renumbered": dict(
        rows=lambda: [(None, mask().numpy(), "a", "b")], mapping=same({0: 0, 1: 255})
    ),
    "dataset_of": dict(rows=lambda: [(None, None, "a", "b")]),
    "check_rows": dict(columns=same(("image",))),
    "pair_files": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "load_pairs": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "sort_files": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "sort_outlines": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "in_position": dict(a=lambda: mask().numpy(), k=same(5)),
    "correlation": dict.fromkeys("ab", lambda: mask().numpy()),
    "details": dict(a=lambda: picture()[0].numpy()),
    "fit_of": dict(grey=lambda: picture()[0].numpy(), numbers=lambda: mask().numpy()),
    "look_at": dict(case=a_case, bars=no_bars, masks=masks_read),
    "look_at_all": dict(cases=lambda: [a_case()], bars=no_bars, masks=masks_read),
    "spread_over": dict(todo=same([1, 2, 3]), most=same(2)),
    "find_faults": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "doctor": dict(images=lambda: pairs()[0], masks=lambda: pairs()[1]),
    "load": dict(source=same("simulated"), kwargs=same(dict(n=9, size=(32, 32), seed=0))),
    "split": dict(ds=part),
    "leaks": dict(parts=dataset),
    "parts_said": dict(names=same(["train/a", "test/b"])),
    "groups_of": dict(names=same(["a1", "a2", "b1"])),
    "groups_within_parts": dict(names=same(["train/a", "test/b"])),
    "looks_like_tiles": dict(names=same(["r0_c0", "r0_c1"])),
    "without_page": dict(name=same("stack_page0003")),
    "date_in": dict(name=same("2026-03-14_a")),
    "touching_tiles": dict.fromkeys(("places", "others"), some_places),
    "share_out": dict(found=some_groups),
    "said_of": dict(shares=some_shares, found=some_groups),
    "leaks_in": dict(names=same(dict(train=["a1"], test=["b1"]))),
    "Segmenter": dict(size=same((32, 32)), backend=same("float32"), repeats=same(1)),
    "to_onnx": dict(path=same("model.onnx")),
    "to_int8": dict(path=same("small.onnx"), pictures=lambda: [picture(side=64)]),
    "int8_by_folder": dict(path=same("small.onnx"), images=lambda: a_folder(n=2)),
    "agreement": dict(
        before=same(torch.nn.Identity()),
        after=same(torch.nn.Identity()),
        pictures=lambda: [picture()],
    ),
    "model_card": dict(folder=a_model_folder),
    "from_pretrained": dict(name=a_model_folder),
    "save_pretrained": dict(folder=fresh),
    "export_model": dict(folder=a_model_folder, out=same("model.onnx")),
    "write_labels": dict(path=same("labels.png"), data=mask, attributes=dict),
    "to_pt2": dict(path=same("model.pt2")),
    "check_encoder": dict(encoder=same("lite0")),
    "objects": dict(k=same(1)),
    "polygon": dict(mask=lambda: np.eye(8, dtype=bool)),
    "label_image": dict(ks=same([1])),
    "ObjectTable": dict(columns=lambda: dict(x=np.arange(3.0))),
    "measure_objects": dict(labels=lambda: np.eye(8, dtype=int)),
    "outlines_of": dict(labels=lambda: np.eye(8, dtype=int)),
    "as_geojson": dict(labels=lambda: np.eye(8, dtype=int), rows=same([dict(label=1, area_px=8)])),
    "files_ending": dict(source=a_folder, suffixes=same((".png",))),
    "picture_name": dict(
        found=lambda: importlib.import_module("unet_explorer.folders").pictures_in(a_folder())[0],
        source=same("pictures"),
    ),
    "covered": dict(shape=lambda: drawn()[0].drawings[0].shapes[0], size=same((32, 32))),
    "rle_mask": dict(rle=same(dict(size=[2, 3], counts=[2, 3, 1]))),
    "read_outlines": dict(path=some_outlines),
    "drawn_in": dict(files=lambda: [some_outlines()]),
    "class_numbers": dict(drawn=drawn),
    "painted": dict(
        drawing=lambda: drawn()[0].drawings[0],
        size=same((32, 32)),
        numbers=same(dict(cell=1, wall=2)),
    ),
    "places": dict(formats=same(["labels"])),
    "touching": dict(instances=mask),
    "write_pairs": dict(folder=fresh, parts=lambda: dict(train=labelled())),
    "class_weights": dict(n_classes=same(2)),
    "street_scene": dict(size=sizes()),
    "field_scene": dict(size=sizes()),
    "pluck": dict(freq=same(220.0)),
    "sound": dict(wave=a_line, rate=same(8000), label=same("a sound")),
    "drum": dict(kind=same("kick")),
    "sequence": dict(voice=same("drums")),
    "speak": dict(words=same("Rice is a dish.")),
    "si_sdr": dict(estimate=a_line, truth=a_line),
    "mixed": dict(wanted=a_line, other=a_line, snr=same(0.0)),
    "WaveUNet": dict(widths=same((4, 8))),
    "sound_pool": dict(part=same("test"), k=same(1), n=same(2000)),
    "mixtures": dict(pool=same(dict(drums=np.ones((2, 9)), strings=np.ones((2, 9))))),
    "distortion": dict.fromkeys(("estimate", "truth"), lambda: torch.ones(2, 1, 9)),
    "level": dict(line=a_line),
    "beats_of": dict(logits=a_line),
    "beat_mask": dict(beats=same([3])),
    "beat_counts": dict(found=same([3]), beats=same([4])),
    "remarks": dict(source=a_folder, todo=list),
    "printable": dict(text=same("a\n")),
    "run_in": dict(plan=same(dict(threshold=0.5))),
    "write_tensors": dict(path=same("t.safetensors"), tensors=lambda: dict(a=torch.zeros(2))),
    "array_on_disk": dict(path=same("map.tif"), shape=same((4, 4))),
    "write_table": dict(path=same("t.csv"), rows=same([dict(a=1)]), columns=same(["a"])),
    "luminance": dict(name=same("page")),
    "shrink": dict(x=picture),
    "bicubic": dict(x=picture),
    "paired_crops": dict(pairs=small_and_large, size=same(8), bs=same(2)),
    "best_linear": dict(pairs=small_and_large, kernel=same(3)),
    "psnr_ssim": dict(pred=picture, truth=picture),
    "two_scans": dict(metal=tracks),
    "line_edges": dict(image=lambda: tracks(float)),
    "line_widths": dict(image=lambda: tracks(float)),
    "fit_batches": dict(model=linear, batch=some_batches, loss=same(plain_loss), steps=same(1)),
    "called_like_a_mask": dict(name=same("a_mask")),
    "values_in": dict(text=same("0,255")),
    "colours_in": dict(text=same("255,0,0=1")),
    "names_in": dict(text=same("gap,metal")),
    "left_out": dict(skipped=same(["a.png: damaged"])),
    "write_segmented": dict(
        path=same("report.html"), classes=same([{"class": "metal"}]), overlays=same([])
    ),
    "auroc": dict(scores=same([0.1, 0.9]), labels=same([0, 1])),
    "precision_recall": dict(scores=same([0.1, 0.9]), labels=same([0, 1])),
    "match": dict(alarm=mask),
    "as_detection_table": dict(scores=found),
    "make_act": dict(act=same(torch.nn.ReLU)),
    "SqueezeExcite": dict(reduced=same(2)),
    "StochasticDepth": dict(p=same(0.1)),
    "copy_weights": dict(model=efficient, source=lambda: efficient().state_dict()),
    "adapt_stem": dict(weight=lambda: torch.rand(4, 3, 3, 3)),
    "load_pretrained": dict(model=efficient),
    "EfficientNet.features": dict(x=lambda: torch.rand(2, 3, 64, 64)),
    "DecoderBlock": dict(skip_ch=same(2)),
    "TimmEncoder": dict(name=same("resnet18")),
    "SmpEncoder": dict(name=same("resnet18")),
    "EffUNet": dict(decoder=same((8, 8, 8, 8)), convs=same(1)),
    "EffUNet.stages": dict(x=batch),
    "EffUNet.summary": dict(h=same(32), w=same(32)),
    "save": dict(folder=same("model")),
    "restore": dict(folder=a_model_folder),
    "check": dict(answer=same(min), checks=same(callable)),
    "clearest": dict(maps=lambda: torch.rand(4, 8, 8)),
    "input_gradient": dict(where=lambda: torch.ones(32, 32)),
    "field_shares": dict(field=lambda: torch.rand(9, 9)),
    "field_side": dict(field=lambda: torch.rand(9, 9)),
    "encode": dict(x=batch),
    "decode": dict(size=same((32, 32))),
    "ablate": dict(masks=lambda: mask(32).expand(2, -1, -1)),
    "seg_cam": dict(cls=same(1), stage=same("encoder, stride 8")),
    "dihedral": dict(x=picture),
    "undo_dihedral": dict(views=lambda: [picture()] * 8),
    "calibration": dict(prob=lambda: torch.rand(64, 64)),
    "ece": dict(c=lambda: from_room("explain", "calibration", torch.rand(64, 64), mask())()),
    "Control": dict(values=same([1, 2])),
    "panels_of": dict(draws=lambda: [draw], controls=same(dict(n=[1, 2]))),
    "picture_of": dict(draw=same(functools.partial(draw, 1))),
    "bake": dict(draws=lambda: (draw,), controls=same(dict(n=[1, 2]))),
    "explore": dict(draws=lambda: (draw,), controls=same(dict(n=[1, 2]))),
    "shape": dict(tag=same("circle"), attributes=same(dict(r=1))),
    "rect": dict(x=same(1), y=same(1), width=same(1), height=same(1)),
    "circle": dict(x=same(1), y=same(1)),
    "line": dict(points=same([(0, 0), (1, 1)])),
    "text": dict(x=same(1), y=same(1), words=same("a")),
    "svg_root": dict(text=same(DRAWING)),
    "strip_signs": dict(words=same("Ah, yes.")),
    "put_signs": dict(letters=same("ahyes"), classes=same([0, 2, 0, 0, 3])),
    "letter_maps": dict(letters=same("ahyes")),
    "lexicon": dict(letters=same("ahyes"), counts=same(dict(ah=3, yes=9))),
    "prose": dict(page=same("These are six words, and more.")),
    "svg": dict(width=same(9), height=same(9), shapes=same(("<g/>",))),
    "files_in": dict(source=a_folder),
    "pictures_in": dict(source=a_folder),
    "page_name": dict(page=same(1)),
    "percentiles": dict(a=lambda: maps()[0], shares=same((1, 99))),
    "Picture": dict(pixels=lambda: np.ones((8, 8), np.uint8)),
    "Picture.with_channels": dict(channels=same(1)),
    "painted_pixels": dict(features=looked_at, labels=lambda: mask(32)),
    "fit_head": dict(features=looked_at, labels=lambda: mask(32)),
    "save_head": dict(head=a_head, path=same("head.json")),
    "load_head": dict(path=a_head_file),
    "paint": dict(model=model),
    "Picture.rows": dict(rows=same(slice(0, 4))),
    "Bars": dict(found=list),
    "Bars.of": dict(path=a_file, picture=a_stored_picture),
    "Bars.remember": dict(bar=a_bar),
    "specimen": dict(picture=a_stored_picture, bar=a_bar),
    "without_bar": dict(bar=a_bar),
    "load_mask": dict(path=a_mask),
    "show_grid": dict(pictures=lambda: [picture(side=8)]),
    "really_changed": dict(
        before=lambda: picture(0), after=lambda: picture(1), where=lambda: mask().bool()
    ),
    "smooth_shape": dict(size=same(8.0)),
    "perlin": dict(shape=same((16, 16)), cells=same((2, 2))),
    "poisson_blend": dict(
        picture=lambda: picture(0).numpy(),
        patch=lambda: picture(1).numpy(),
        mask=lambda: mask().bool().numpy(),
    ),
    "mirrored": dict(i=same(np.arange(4)), n=same(3)),
    "Implanted": dict(images=clean),
    "alarms": dict(m=lambda: maps()[0]),
    "outlined": dict(m=lambda: maps()[0]),
    "as_coco": dict(
        images=lambda: [dict(id=1, file_name="a.png", name="a", width=8, height=8)],
        rows=lambda: [dict(image="a", label=1, score=2.0, area_px=4)],
        regions=lambda: [dict(bbox=[1, 1, 2, 2], outline=None)],
    ),
    "lot_of": dict(pictures=lambda: [picture(i) for i in range(20)]),
    "fit_lot": dict(lot=a_lot, method=same("own")),
    "lot_scores": dict(detector=a_detector, lot=a_lot),
    "own_threshold": dict(detector=a_detector, lot=a_lot),
    "strength": dict(detector=a_detector, lot=a_lot, n=same(1)),
    "two_heaps": dict(n=same(40)),
    "fit_folder": dict(
        clean=lambda: a_folder(n=12),
        training=training,
        fpr=same(0.3),
        how=lambda: dict(method="place"),
    ),
    "find_folder": dict(source=lambda: a_folder(n=1), model=a_detector_folder, out=fresh),
    "why": dict(about=lambda: a_detector().about),
    "layer_of": dict(name=same("Conv"), dims=same(2)),
    "receptive_field": dict(layers=same([(3, 1), (2, 2)])),
    "measured_field": dict(sizes=same((16, 16)), draws=same(1)),
    "field_extent": dict(influence=lambda: torch.eye(5)),
    "Layout": dict(metal=lambda: mask().bool().numpy()),
    "changed": dict(a=layout, b=layout),
    "read_svg": dict(source=same(DRAWING)),
    "crop": dict(size=same((32, 32))),
    "wander": dict(shape=same((16, 16)), roughness=from_room("layout", "Roughness")),
    "as_array": dict(values=same([0, 1])),
    "Classifier.embed": dict(x=lambda: torch.rand(2, 1, 32, 32)),
    "crops_around": dict(rows=one_defect, size=same(32)),
    "embeddings": dict(model=classifier, pictures=batch),
    "linear_probe": dict(features=lambda: torch.rand(6, 4), labels=same([0, 1, 0, 1, 0, 1])),
    "centre_target": dict(boxes=some_boxes, h=same(32), w=same(32)),
    "centre_loss": dict(out=lambda: torch.rand(1, 5, 8, 8), target=lambda: torch.rand(1, 5, 8, 8)),
    "boxes_from_heatmap": dict(out=lambda: torch.rand(5, 8, 8)),
    "boxes_of_mask": dict(prob=lambda: torch.rand(16, 16)),
    "box_precision": dict(found=found_boxes, truths=lambda: [some_boxes()]),
    "ratio": dict(a=same(1), b=same(2)),
    "yes_or_no": dict(scores=same([0.1, 0.9]), labels=same([0, 1])),
    "plain": dict(x=same(1.0)),
    "paired": dict(given=truths),
    "feret_diameter": dict(mask=lambda: mask().bool().numpy()),
    "smooth": dict(points=same([(0, 1.0), (1, 2.0)])),
    "curve": dict(
        series=same([("loss", [(0, 1.0), (1, 2.0)], "line")]), xlabel=same("x"), ylabel=same("y")
    ),
    "write_report": dict(
        path=same("report.html"),
        data=dict,
        history=dict,
        samples=lambda: sample(truth=mask(), pred=mask(), score=0.5),
    ),
    "worst_to_best": dict(scores=same([0.1, 0.2]), names=same(["a", "b"])),
    "write_findings": dict(
        path=same("report.html"),
        alarms=same([dict(image="a", x=1.0, y=1.0)]),
        samples=lambda: sample(map=maps()[0]),
        n_images=same(1),
    ),
    "round_channels": dict(width=same(1.1)),
    "round_repeats": dict(repeats=same(2), depth=same(1.2)),
    "training_bytes": dict(cost=from_room("scaling", "count")),
    "judge": dict(ds=few),
    "train_and_report": dict(ds=few, training=lambda: training(size=32)),
    "summary": dict(result=lambda: dict(scores=scores(), held_out="test")),
    "segment_folder": dict(source=lambda: a_folder(n=1)),
    "counted": dict(signal=lambda: np.ones((4, 4)), dose=same(9.0)),
    "simulate": dict(size=same((64, 64))),
    "sem_image": dict(metal=lambda: mask().bool().numpy()),
    "inspection_set": dict(
        n=same(1), size=same((96, 96)), layouts=same(("lines",)), defects=same(("particle",))
    ),
    "radial_power": dict(image=lambda: picture()[0].numpy()),
    "tissue": dict(size=same((64, 64))),
    "tile_spans": dict(n=same(100), tile=same(64)),
    "fitting_tile": dict(h=same(100), w=same(100)),
    "segment_file": dict(path=lambda: fresh() + ".tif", tile=same((32, 32)), overlap=same(0)),
    "tile_sides": dict(h=same(100), w=same(100), pixels=same(4096), overlap=same(32)),
    "map_tiled": dict(function=same(blurred), tiling=same(dict(tile=32, overlap=0))),
    "predict_tiled": dict(tile=same(32), overlap=same(0)),
    "segment_tiled": dict(tiling=same(dict(tile=32, overlap=0))),
    "tile_slices": dict(h=same(100), w=same(100), tile=same(64), overlap=same(32)),
    "logit_bands": dict(tile=same(32), overlap=same(0)),
    "reach": dict(model=net, limit=same(512)),
    "mosaic": dict(grid=lambda: [[a_file()]]),
    "tail_limits": dict(pieces=lambda: [np.arange(9.0)], total=same(9)),
    "ome_zarr": dict(path=lambda: a_begun_mask(finished=True)),
    "begin": dict(model=a_model_folder, image=a_file, out=lambda: fresh() + ".ome.zarr"),
    "segment_block": dict(model=a_model_folder, image=a_file, out=a_begun_mask, block=same((0, 0))),
    "finish": dict(out=lambda: a_begun_mask(done=True)),
    "made_from": dict(path=lambda: a_begun_mask(finished=True)),
    "mask_on_disk": dict(path=lambda: a_begun_mask(finished=True)),
    "segment_pyramid": dict(
        model=a_model_folder, image=a_file, out=lambda: fresh() + ".ome.zarr", how=same({})
    ),
    "measure": dict(size=same(32), bs=same(2), steps=same(1)),
    "check_room": dict(size=same(32), bs=same(2)),
    "learner": dict(model=model, precision=same("fp32")),
    "fit": dict(steps=same(1), bar=same(False)),
    "history": dict(learn=fitted),
    "predict_all": dict(ds=lambda: part().select(range(1))),
    "simple_baseline": dict(train=part, test=part),
    "check_side": dict(n=same(188)),
    "UNet": dict(widths=same((4, 8))),
    "UNet.stages": dict(x=lambda: torch.rand(1, 1, 16, 16)),
    "lay_out": dict(sizes=sizes()),
    "skeleton": dict(model=unet),
    "model_plan": dict(model=model),
    "shape_ledger": dict(model=unet, sizes=sizes()),
    "icnr_": dict(weight=lambda: torch.rand(8, 2, 3, 3)),
    "upsampler": dict(name=same("shuffle")),
    "checkerboard_score": dict(up=shuffle_up, size=same(16)),
}
OBJECTS = {  # whose methods are called, where the class by itself is no quick way to one
    "Masks": masks_read,
    "EffUNet": model,
    "UNet": unet,
    "EfficientNet": efficient,
    "Classifier": classifier,
    "Detector": a_detector,
}


def tail(name):
    "Without the room."
    return name.partition(".")[2]


def signature(f):
    "The signature, without `self`; of a class that has no `__init__` of ours, nothing."
    if inspect.isclass(f) and not f.__init__.__module__.startswith("unet_explorer"):
        return inspect.Signature()
    s = inspect.signature(f)
    return s.replace(parameters=[p for n, p in s.parameters.items() if n != "self"])


def good(name):
    "The arguments of a call of `name` that works."
    own, given = BY_CALL.get(tail(name), {}), {}
    for p in signature(PUBLIC[name]).parameters.values():
        many = p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        make = own.get(p.name, FAST.get(p.name))
        if make is None and p.default is p.empty and not many:
            make = BY_NAME.get(p.name)
            if make is None:
                pytest.fail(
                    f"{name}: no value for its parameter {p.name!r} is known that works; "
                    "add one to BY_CALL (or BY_NAME) in tests/test_bad_input.py"
                )
        if make:
            given[p.name] = make() if callable(make) else make
    return given


def spoiled(f, given, parameter, value):
    "The same arguments with one bad `value`."
    kind = signature(f).parameters[parameter].kind
    if kind == inspect.Parameter.VAR_POSITIONAL:
        value = (value,)
    if kind == inspect.Parameter.VAR_KEYWORD:
        value = {k: value for k in given[parameter]}
    return {**given, parameter: value}


def call(name, given):
    "Call `name`, and use what comes: run a generator, enter a context."
    f = PUBLIC[name]
    bound = signature(f).bind_partial()
    bound.arguments.update({k: given[k] for k in signature(f).parameters if k in given})
    if name.count(".") == 2:
        owner = name.rpartition(".")[0]
        it = OBJECTS[tail(owner)]() if tail(owner) in OBJECTS else call(owner, good(owner))
        f = functools.partial(f, it)
    result = f(*bound.args, **bound.kwargs)
    if isinstance(result, types.GeneratorType):
        return list(result)
    if isinstance(result, contextlib._GeneratorContextManager):
        with result:
            pass
    return result


# --- a call that cannot work -------------------------------------------------------------------

BAD = st.fixed_dictionaries(
    {
        "None": st.none(),
        "nan": st.just(float("nan")),
        "infinite": st.sampled_from([float("inf"), float("-inf")]),
        "negative": st.integers(-1000, -1).map(lambda n: -n - 1001),
        "a fraction": st.integers(2, 900).map(lambda n: n + 0.5),
        "a text": st.text("xyz0 /é", min_size=1, max_size=8).map(lambda t: "x" + t),
        "an empty list": st.builds(list),
        "a dict": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), min_size=1),
        "an array": st.sampled_from([5, 0, 1]).map(lambda n: np.full((1,) * n, 0.5, np.float32)),
        "a tensor": st.sampled_from([5, 1, 0]).map(lambda n: torch.full((1,) * n, 0.5)),
    }
)
LONGEST = 300  # characters of a message


class Hangs(BaseException):
    pass


@contextlib.contextmanager
def time_limit(seconds):
    def stop(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wrong(name, given):
    "What is wrong with the answer; None: the call was refused in one line, or went through."
    try:
        with time_limit(SECONDS):
            call(name, given)
    except InputError as e:
        said = str(e)
        if "\n" in said or len(said) > LONGEST:
            return f"InputError of {len(said)} characters: {said[:200]!r}"
        if " --" in said:
            return f"InputError speaks of an option: {said!r}"
    except Hangs:
        return f"takes longer than {SECONDS} s"
    except MemoryError:
        return "MemoryError"
    except (Exception, SystemExit) as e:
        return f"{type(e).__name__}: {(str(e).splitlines() or [''])[0][:120]}"


def complaints(name, bad):
    "Yields parameter, value, and what is wrong, for each parameter and each kind of bad value."
    f = PUBLIC[name]
    for p in signature(f).parameters.values():
        if p.kind == p.VAR_KEYWORD and p.name not in BY_CALL.get(tail(name), {}):
            continue
        for value in bad.values():
            if value is None and p.default is None:
                continue  # that is what it is anyway
            said = wrong(name, spoiled(f, good(name), p.name, copy.deepcopy(value)))
            if said:
                yield p.name, shown(value), said


def shown(value):
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return repr(value)


def no_network(*_):
    raise OSError("there is no network in this test")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    "Files appear in a folder of the test, figures nowhere, and nothing is fetched."
    import huggingface_hub.constants
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    yield
    plt.close("all")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_good_call_works(name, own_folder):
    call(name, good(name))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n, f in PUBLIC.items() if signature(f).parameters])
@settings(
    derandomize=True,
    deadline=None,
    max_examples=1,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(bad=BAD)
def test_a_bad_argument_is_refused_in_one_line(name, own_folder, bad):
    found = [f"{name}({p}={v}): {said}" for p, v, said in complaints(name, bad)]
    assert not found, "\n".join(found)
