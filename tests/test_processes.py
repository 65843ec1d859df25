"""Several processes train one network: they give what one gives, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from processes_part import main as part
from unet_explorer.batches import Crops, Pairs, WholePictures
from unet_explorer.cli import main
from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.images import save_image, save_mask
from unet_explorer.processes import check_processes, check_shares, start, together
from unet_explorer.runs import CHECKPOINT, place

PART = Path(__file__).with_name("processes_part.py")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    "What one process, and each of two, has found."
    out = tmp_path_factory.mktemp("both")
    assert start(2, [PART, out]) == (0, "")
    part(out)
    return out


def found(out, rank, of):
    return json.loads((out / f"found{rank}of{of}.json").read_text())


def test_two_processes_give_what_one_gives(both):
    "Half a batch each: the same weights, within what adding in another order changes."
    one, a, b = (torch.load(both / f"weights{n}.pt") for n in ("0of1", "0of2", "1of2"))
    for key, value in one.items():
        assert torch.equal(a[key], b[key]), key
        assert (value - a[key]).abs().max() < 1e-4, (key, (value - a[key]).abs().max())


def test_two_processes_report_what_one_reports(both):
    one, a, b = (found(both, *n) for n in ((0, 1), (0, 2), (1, 2)))
    for key in ("train_loss", "valid_loss", "valid_score"):
        assert np.allclose(one["history"][key], a["history"][key], atol=1e-4), key
        assert a["history"][key] == b["history"][key], key
    assert one["best"] == a["best"] == b["best"]
    assert one["numbers"] == a["numbers"] == b["numbers"], "the stream of crops is at one place"


def test_a_time_budget_is_kept_by_both_at_the_same_step(both):
    assert found(both, 0, 2)["timed"] == found(both, 1, 2)["timed"] > 0


def pictures(n=5):
    return Pairs([(torch.rand(1, 40, 48), torch.zeros(40, 48).long()) for _ in range(n)])


def test_processes_share_out_the_stream_of_crops():
    alone, some = Crops(pictures(), 16, 6, seed=1), pictures()
    alone.pictures = some
    shares = [Crops(some, 16, 3, seed=1) for _ in range(2)]
    for rank, crops in enumerate(shares):
        crops.share = (rank, 2)
    for i in range(6):
        expected, mine = alone[i], shares[i % 2][i // 2]
        assert all(torch.equal(x, y) for x, y in zip(expected, mine))


def test_each_validation_picture_is_judged_once():
    some = pictures()
    parts = [WholePictures(some) for _ in range(3)]
    for rank, whole in enumerate(parts):
        whole.share = (rank, 3)
    seen = [float(part[i][0].sum()) for part in parts for i in range(len(part))]
    assert sorted(seen) == sorted(float(image.sum()) for image, _ in some.pairs)


def test_who_one_is(monkeypatch):
    assert place() == (0, 1, 0)
    for name, value in dict(RANK="1", WORLD_SIZE="2", LOCAL_RANK="1").items():
        monkeypatch.setenv(name, value)
    assert place() == (1, 2, 1)
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(InputError, match="RANK=2, WORLD_SIZE=2"):
        place()
    monkeypatch.setenv("RANK", "x")
    with pytest.raises(InputError, match="RANK=x"):
        place()


def test_too_many_processes_and_odd_batches_are_refused(capsys):
    with pytest.raises(InputError, match="bs=5 crops per batch for 2 processes.*such as 6"):
        check_shares(5, 2)
    with pytest.raises(InputError, match=r"processes=5000; this machine has \d+ "):
        check_processes(5000)
    assert main(["demo", "--processes", "1000"]) == 2
    assert "--processes 1000; this machine has" in capsys.readouterr().err


def test_a_process_that_fails_is_named():
    code, line = start(2, ["-c", "import os; 1 / (os.environ['RANK'] == '0')"])
    assert code == 1 and line == "process 2 of 2: ZeroDivisionError: division by zero"
    ended = "import os, time; os.environ['RANK'] == '1' and os.kill(os.getpid(), 9)"
    code, line = start(2, ["-c", ended])
    assert code == 2 and "process 2 of 2 was killed (signal 9)" in line


@pytest.fixture
def folder(tmp_path):
    "A folder of images and masks, and the line that trains on it in two processes."
    ds = load("simulated", n=6, size=(48, 48))
    for part_name in ds:
        for i, name in enumerate(ds[part_name]["name"]):
            image, mask = sample(ds[part_name], i)
            save_image(tmp_path / f"images/{part_name}{name}.png", image)
            save_mask(tmp_path / f"masks/{part_name}{name}.png", mask)
    line = ["train", str(tmp_path / "images"), str(tmp_path / "masks"), "--steps", "400"]
    line += ["--size", "32", "--batch-size", "2", "--out", str(tmp_path / "out"), "--test", "0"]
    return tmp_path, [*line, "--split-by", "file", "--no-pretrained"]


def begun(folder, line):
    "The command, once its training has written a checkpoint."
    words = [sys.executable, "-m", "unet_explorer", *line]
    run = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    path, before = folder / "out" / CHECKPOINT, time.time()
    while not (path.is_file() and path.stat().st_mtime > before):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.1)
    return run


@pytest.mark.skipif(os.name != "posix" or (os.cpu_count() or 1) < 2, reason="needs two cores")
def test_processes_end_together_and_their_training_goes_on(folder):
    "TERM stops all after one step; kill -9 of one ends all; the checkpoint serves any number."
    folder, line = folder
    run = begun(folder, [*line, "--processes", "2"])
    run.send_signal(signal.SIGTERM)
    assert run.wait(60) == 130
    assert "interrupted before the first epoch had ended" in run.stderr.read()
    assert (folder / "out" / CHECKPOINT).is_file()

    again = ["train", "--out", str(folder / "out"), "--resume"]
    run = begun(folder, again)  # two again, as the checkpoint says
    children = psutil.Process(run.pid).children()
    assert len(children) == 2
    second = next(c for c in children if c.environ()["RANK"] == "1")
    second.kill()
    assert run.wait(60) == 2
    said = run.stderr.read().strip().splitlines()
    assert sum("unet-explorer: process 2 of 2 was killed (signal 9)" in s for s in said) == 1
    assert "--resume" in said[-1] and not any("Traceback" in s for s in said)
    assert not any(c.is_running() and c.status() != "zombie" for c in children)

    run = begun(folder, [*again, "--processes", "1"])
    run.send_signal(signal.SIGTERM)
    assert run.wait(60) == 130
    assert "going on behind step" in run.stderr.read()


def test_a_learner_that_is_alone_stays_alone():
    from processes_part import trained

    learn, _ = trained(steps=1)
    assert together(learn) is learn and learn.rank == 0 and not hasattr(learn, "together")
