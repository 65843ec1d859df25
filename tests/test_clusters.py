"""The same folder on a dask cluster of two processes: the same files. Workers are killed, a picture
kills each worker, the caller is killed; nobody answers, nobody sees the files."""

import filecmp
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from unet_explorer import clusters
from unet_explorer.clusters import Answer, ClusterLost, Here, pool_of
from unet_explorer.contracts import InputError
from unet_explorer.data import load, sample
from unet_explorer.effunet import EffUNet, save
from unet_explorer.images import save_image
from unet_explorer.segmentation import segment_folder

distributed = pytest.importorskip("distributed", reason="needs unet-explorer[cluster]")

N = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A model, and pictures of which two are none."
    here = tmp_path_factory.mktemp("cluster")
    ds = load("simulated", n=4, size=(96, 96))
    images = [sample(ds["train"], i % 2)[0] for i in range(N)]
    for i, image in enumerate(images):
        save_image(here / f"in/lot{i % 2}/{i}.png", image.roll(7 * i, -1))
    (here / "in/broken.png").write_text("no picture")
    (here / "in/lot0/cut.png").write_bytes((here / "in/lot0/0.png").read_bytes()[:300])
    tiny = EffUNet(in_ch=1, decoder=(16, 16, 8, 8), convs=1, pretrained=False, seed=0)
    save(tiny, here / "model", classes=["gap", "metal"])
    return here


@pytest.fixture(scope="module")
def cluster():
    "Two worker processes, each with a nanny that starts it anew."
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=50,
        ) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def alone(folder):
    "What one process makes of the folder, and what it says."
    said = []
    done = segment_folder(
        folder / "in", folder / "model", folder / "alone", min_px=3, probabilities=True, say=said.append
    )
    return done, said


def same(a, b):
    "Whether all files are equal, the journal aside."
    names = [
        sorted(str(p.relative_to(x)) for p in Path(x).rglob("*") if p.is_file()) for x in (a, b)
    ]
    assert names[0] == names[1]
    visible = [n for n in names[0] if not n.startswith(".")]
    assert len(visible) > 3 * N
    return filecmp.cmpfiles(a, b, visible, shallow=False)[1:] == ([], [])


def test_same_call_same_files(folder, cluster, alone):
    said, (done, said_alone) = [], alone
    out = folder / "out"
    again = segment_folder(
        folder / "in",
        folder / "model",
        out,
        min_px=3,
        probabilities=True,
        scheduler=cluster.scheduler_address,
        say=said.append,
    )
    assert again == done and said == said_alone and len(done.skipped) == 2
    assert same(folder / "alone", out)
