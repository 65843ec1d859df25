"Data larger than the disk: rows that are read as they pass, and how processes share them."

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from unet_explorer.batches import StreamCrops, dataloaders
from unet_explorer.contracts import InputError
from unet_explorer.data import load, split
from unet_explorer.hub import Stream
from unet_explorer.rows import meta, sample
from unet_explorer.train import fit, fit_batches, learner

ROWS = 4  # in a shard


def a_shard(path, first, n=ROWS, side=24, mask=None, hidden=(), noise=0):
    "Pictures whose grey is their number; class 1 is the left half, which is brighter."
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    half = np.tile(np.arange(side) < side // 2, (side, 1))
    pictures, masks = [], []
    for i in range(first, first + n):
        grain = np.random.default_rng(i).integers(256, size=half.shape) * noise
        pictures.append(Image.fromarray(np.uint8((i + 100 * half + grain) % 256)))
        drawn = half.astype(np.uint8) if mask is None else mask(i, half)
        masks.append(None if i in hidden else Image.fromarray(drawn))
    rows = dict(image=pictures, mask=masks, name=[f"r{i}" for i in range(first, first + n)])
    kinds = Features(dict(image=ImageFeature(), mask=ImageFeature(), name=Value("string")))
    Dataset.from_dict(rows, features=kinds).to_parquet(path)


@pytest.fixture
def there(tmp_path, monkeypatch):
    "A function that writes shards: how many of each part."
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    folder = tmp_path / "repo"

    def write(**parts):
        more = {k: parts.pop(k) for k in ("mask", "hidden", "n") if k in parts}
        folder.mkdir()
        first = 0
        for part, shards in parts.items():
            for i in range(shards):
                a_shard(folder / f"{part}-{i:05d}-of-{shards:05d}.parquet", first, **more)
                first += more.get("n", ROWS)
        return f"hf://{folder}"

    return write


def names(rows):
    return [row["name"] for row in rows]


def complaint(f, *args, **options):
    with pytest.raises(InputError) as e:
        f(*args, **options)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_the_first_shards_are_held_out_and_never_trained_on(there):
    ds = load(there(train=6), streaming=True)
    assert list(ds) == ["train", "valid", "test"] and isinstance(ds["train"], Stream)
    assert names(ds["valid"]) == [f"valid{i:05d}" for i in range(4)]
    assert sample(ds["test"], 0)[0].min() == pytest.approx(4 / 255)
    assert sorted(names(ds["train"].rows()), key=lambda n: int(n[1:])) == [
        f"r{i}" for i in range(8, 24)
    ]
    said = " ".join(meta(ds)["notes"])
    assert "4 shard(s) are read as they pass" in said and "decided from these rows" in said


def test_named_parts_are_held_out_up_to_so_many_rows(there):
    ds = load(there(train=2, validation=2), streaming=True, held_rows=5, values={0: 0, 1: 1})
    assert len(ds["valid"]) == 5 and ds["train"].shards == 2
    assert set(names(ds["train"].rows())) == {f"r{i}" for i in range(8)}
    assert "decided" not in " ".join(meta(ds)["notes"])


@pytest.mark.parametrize("of", [2, 3, 4, 5, 7])
def test_processes_read_each_row_once_together(there, of):
    stream = load(there(train=5), streaming=True, buffer=3)["train"]
    alone = names(stream.rows(seed=3, turn=1))
    dealt = [names(stream.rows(3, 1, (rank, of))) for rank in range(of)]
    assert sorted(sum(dealt, [])) == sorted(alone) and len(alone) == len(set(alone)) == 12
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_a_process_opens_only_its_own_shards(there):
    at = there(train=5, validation=1)
    stream = load(at, streaming=True)["train"]
    with_broken = load(at, streaming=True)["train"]
    for shard in list(Path(at[5:]).glob("train*"))[:1]:
        shard.unlink()
    whole, broken = 0, 0
    for rank in range(5):
        try:
            whole += len(names(stream.rows(0, 0, (rank, 5))))
        except InputError as e:
            broken += 1
            assert "cannot be read further" in str(e)
    assert (whole, broken) == (16, 1)
    assert "cannot be read further" in complaint(list, with_broken.rows())


def test_a_later_shard_is_not_touched_before_it_is_needed(there):
    at = there(train=8)
    stream = load(at, streaming=True, buffer=2)["train"]
    order = names(stream.rows())
    for i in {int(n[1:]) // ROWS for n in order[-2:]} - {int(n[1:]) // ROWS for n in order[:6]}:
        next(Path(at[5:]).glob(f"train-{i:05d}*")).write_bytes(b"torn")
    rows = stream.rows()
    assert [next(rows)["name"] for _ in range(6)] == order[:6]
    assert "cannot be read further" in complaint(list, rows)


def test_the_order_depends_on_the_seed_and_the_pass(there):
    stream = load(there(train=6), streaming=True)["train"]
    orders = [names(stream.rows(seed, turn)) for seed, turn in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert orders[0] == orders[1] and len(set(map(tuple, orders))) == 3


def grey(crop):
    return float(crop[0].min())


def crops_of(stream, seed=0, share=(0, 1), **more):
    crops = StreamCrops(stream, 16, 100, seed=seed, augment="none", **more)
    crops.share = share
    return crops


def test_a_stopped_reading_goes_on_behind_the_same_row(there):
    stream = load(there(train=4), streaming=True)["train"]
    whole = crops_of(stream)
    seen = [whole[0] for _ in range(20)]
    assert len({float(mask.float().mean()) for _, mask in seen}) > 3, "each has a corner of its own"
    for stopped in (0, 5, 12, 17):
        first, second = crops_of(stream), crops_of(stream, seed=9)
        for _ in range(stopped):
            first.later()
        second.go_on(json.loads(json.dumps(first.state())))
        looked = second.crop()[0]  # does not move it
        rest = [second[0] for _ in range(20 - stopped)]
        assert all(torch.equal(a[0], b[0]) for a, b in zip(rest, seen[stopped:]))
        assert torch.equal(torch.Tensor(looked), torch.Tensor(rest[0][0]))
    passes = [sorted(map(grey, seen[i : i + 12])) for i in (0, 8)]
    assert len(set(passes[0])) == 12, "each row once in a pass"


def test_several_processes_begin_their_pass_again_and_say_so(there, capsys):
    stream = load(there(train=4), streaming=True)["train"]
    first, second = crops_of(stream, share=(0, 3)), crops_of(stream, share=(0, 3))
    seen = [grey(first[0]) for _ in range(3)]
    second.go_on(first.state())
    assert "begun again" not in capsys.readouterr().out
    assert [grey(second[0]) for _ in range(3)] == seen
    assert "pass 1 is begun again by all processes" in capsys.readouterr().out
    dealt = crops_of(stream, share=(0, 2))
    dealt[0]
    assert "3 shard(s) for 2 processes: each reads all" in capsys.readouterr().out


class Small(torch.nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        wide = [torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU()]
        super().__init__(*wide, torch.nn.Conv2d(4, 1, 3, padding=1))
        self.config = dict(n_classes=1, in_ch=1)


def trained(ds, steps=16):
    dls = dataloaders(ds, 16, 4, device="cpu", augment="none")
    learn = learner(dls, Small(), lr=0.1, precision="fp32")
    return fit(learn, steps=steps, epochs=2, bar=False)


def test_a_network_learns_from_a_stream(there):
    ds = load(there(train=6), streaming=True)
    done, again = trained(ds), trained(ds)
    losses = done["history"]["train_loss"]
    assert done["steps"] == 16 and losses[-1] < 0.8 * losses[0], losses
    assert losses == again["history"]["train_loss"], "same seed, same result"


def test_fit_batches_takes_its_batches_from_a_stream(there):
    crops = crops_of(load(there(train=4), streaming=True)["train"])
    model, loss = Small(), torch.nn.BCEWithLogitsLoss()

    def batch(rng):
        images, masks = crops.batch(4)
        return images, masks[:, None].float()

    losses = fit_batches(model, batch, loss, steps=12, lr=0.03)
    assert losses[-1] < losses[0]


def test_rows_without_a_mask_are_left_out_and_counted(there, capsys):
    stream = load(there(train=4, hidden=(5, 9)), streaming=True)["train"]
    assert set(names(stream.rows())) == {f"r{i}" for i in range(4, 16)} - {"r5", "r9"}
    assert stream.left_out == 2
    crops = crops_of(stream)
    crops.batch(11)  # the eleventh is of the second pass
    assert "left out 2 row(s) without a mask" in capsys.readouterr().out


def test_a_stream_without_masks_is_refused(there):
    stream = load(there(train=4, hidden=range(4, 16)), streaming=True)["train"]
    assert "none of the 12 row(s)" in complaint(list, stream.rows())


def odd_after(row, number):
    return lambda i, half: half * np.uint8(number if i == row else 1)


def test_a_number_without_a_meaning_is_said_with_its_row(there):
    at = there(train=4, mask=odd_after(10, 7))
    said = complaint(list, load(at, streaming=True)["train"])
    assert "row r10: its mask holds 7" in said and "values={0: 0, 1: 1, 7: 2}" in said
    ds = load(at, streaming=True, values={0: 0, 1: 1, 7: 2}, classes=["a", "b", "c"])
    seen = {v for _, mask in ds["train"] for v in mask.unique().tolist()}
    assert seen == {0, 1, 2} and meta(ds)["classes"] == ["a", "b", "c"]


def test_masks_of_0_and_255_and_of_colours_mean_what_they_do_elsewhere(there, tmp_path):
    ds = load(there(train=3, mask=lambda i, half: half * np.uint8(255)), streaming=True)
    assert {v for _, mask in ds["train"] for v in mask.unique().tolist()} == {0, 1}
    Path(tmp_path / "repo").rename(tmp_path / "old")
    at = there(train=3, mask=lambda i, half: np.uint8(half[..., None] * [255, 0, 0]))
    assert "colours={" in complaint(load, at, streaming=True)
    ds = load(at, streaming=True, colours={(0, 0, 0): 0, (255, 0, 0): 1})
    assert {v for _, mask in ds["train"] for v in mask.unique().tolist()} == {0, 1}


def test_what_a_stream_cannot_do_is_said_in_one_line(there, tmp_path):
    at = there(train=3)
    for wrong in (dict(valid=0.2), dict(split_by="random"), dict(rows=5), dict(bufer=3)):
        assert next(iter(wrong)) in complaint(load, at, streaming=True, **wrong)
    for wrong in (dict(buffer=0), dict(held_rows=-1), dict(classes="ab")):
        assert next(iter(wrong)) in complaint(load, at, streaming=True, **wrong)
    assert f"hf://{tmp_path}" in complaint(load, tmp_path, streaming=True)
    assert "sets of the hub" in complaint(load, "simulated", streaming=True)
    ds = load(at, streaming=True)
    stream = ds["train"]
    for f, args in ((len, ()), (sample, (0,)), (split, ()), (stream.__getitem__, (0,))):
        told = complaint(f, *args) if f == stream.__getitem__ else complaint(f, stream, *args)
        assert "a stream has no" in told
    assert "num_workers=2 for a stream" in complaint(dataloaders, ds, num_workers=2)
    assert "it must be" in complaint(stream.rows, share=(2, 2))
    assert "state()" in complaint(crops_of(stream).go_on, dict(seed=0))


@pytest.mark.parametrize(
    "parts, said", [(dict(train=1), "one shard"), (dict(test=2, validation=2), "none of")]
)
def test_what_cannot_be_held_out_is_refused(there, parts, said):
    assert said in complaint(load, there(**parts), streaming=True)


def test_a_part_for_validation_without_masks_is_refused(there):
    at = there(validation=1, train=2, hidden=range(4))
    assert "has a mask" in complaint(load, at, streaming=True)


TOGETHER = """
import atexit, hashlib, json, sys
from pathlib import Path
import torch
from unet_explorer.batches import dataloaders
from unet_explorer.data import load
from unet_explorer.processes import place, together
from unet_explorer.train import fit, learner
sys.path.insert(0, sys.argv[3])
from test_streams import Small, grey

@atexit.register  # the last that is called
def parted():
    found["together"] = torch.distributed.is_initialized()
    Path(sys.argv[2], f"{found['rank']}.json").write_text(json.dumps(found))

ds = load(sys.argv[1], streaming=True)
seen, plain = [], type(ds["train"]).pair
type(ds["train"]).pair = lambda self, row: seen.append(row["name"]) or plain(self, row)
dls = dataloaders(ds, 16, 4, device="cpu")
learn = together(learner(dls, Small(), lr=0.1, precision="fp32"))
done = fit(learn, steps=4, epochs=2, bar=False)
weights = [float(p.detach().double().sum()) for p in learn.model.parameters()]
found = dict(steps=done["steps"], weights=weights, seen=seen, rank=place().rank)
"""


def test_two_processes_train_one_network_each_from_its_own_shards(there, tmp_path, monkeypatch):
    pytest.importorskip("accelerate")
    from unet_explorer.processes import start

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    at, tests = there(train=3, validation=1, test=1), Path(__file__).parent
    Path(at[5:]).joinpath("train-00002-of-00003.parquet").rename(tmp_path / "spare")
    code, line = start(2, ["-c", TOGETHER, at, tmp_path, tests])
    assert (code, line) == (0, "")
    first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))
    assert first["steps"] == second["steps"] == 4 and first["weights"] == second["weights"]
    assert not first["together"] and not second["together"]  # a thread of gloo aborts the end
    assert set(first["seen"]) | set(second["seen"]) == {f"r{i}" for i in range(8)}
    assert not set(first["seen"]) & set(second["seen"])


ENDS = """
import datasets, sys
from unet_explorer.hub import Stream

def rows():
    try:
        for i in range(9):
            yield dict(image=None, mask=dict(bytes=b"", path=None), name=str(i))
    finally:
        print("closed", sys.is_finalizing())

kinds = dict(image=datasets.Image(), mask=datasets.Image(), name=datasets.Value("string"))
lazy = datasets.IterableDataset.from_generator(rows, features=datasets.Features(kinds))
stream = Stream(lazy, "it", ("image", "mask"), values={1: 1}, buffer=2)
left = stream.rows()
print(next(left)["name"] != "", end=" ")
"""


def test_what_is_half_read_is_closed_before_python_ends():
    "Else a thread of pyarrow that waits for Python aborts it, now and then: exit code 134."
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "True closed False\n"), done.stderr


MEMORY = """
import sys
from unet_explorer.data import load
for folder in sys.argv[1:]:
    stream = load(folder, streaming=True, buffer=8, held_rows=2)["train"]
    n = sum(1 for image, mask in stream)
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    print(n, int(lines["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
def test_memory_does_not_grow_with_the_number_of_shards(tmp_path):
    folders = [tmp_path / f"repo{shards}" for shards in (2, 16)]
    for shards, folder in zip((2, 16), folders):
        folder.mkdir()
        train = [folder / f"train-{i:05d}-of-{shards:05d}.parquet" for i in range(shards)]
        a_shard(train[0], 0, n=8, side=600, noise=1)
        for other in (*train[1:], folder / "validation-00000-of-00001.parquet"):
            os.link(train[0], other)
    env = os.environ | {"HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    words = [sys.executable, "-c", MEMORY, *(f"hf://{folder}" for folder in folders)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (few, before), (many, after) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert (few, many) == (16, 128) and after - before < 30, (before, after)


def test_a_stopped_training_goes_on_in_the_stream(there, tmp_path):
    from fastai.callback.core import Callback
    from unet_explorer.checkpoints import Keep

    ds, out = load(there(train=5), streaming=True, buffer=5), tmp_path / "model"

    class Stop(Callback):
        def after_step(self):
            if self.train_iter == 9:
                raise KeyboardInterrupt

    def weights(*cbs, **how):
        dls = dataloaders(ds, 16, 4, device="cpu")
        learn = learner(dls, Small(), lr=0.1, precision="fp32")
        learn.add_cbs(cbs)
        done = fit(learn, steps=16, epochs=4, bar=False, keep=Keep(out, every=0, **how))
        return done, [p.detach().clone() for p in learn.model.parameters()]

    out.mkdir()
    whole, expected = weights()
    stopped, _ = weights(Stop())
    assert stopped["stopped"] == "interrupted" and stopped["steps"] < 16
    on, got = weights(resume=True)
    assert on["steps"] == 16 and on["history"]["train_loss"] == whole["history"]["train_loss"]
    assert all(map(torch.equal, got, expected))
