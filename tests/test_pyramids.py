"Mosaics as OME-Zarr: read by chunks, segmented by blocks, gone on with after a kill."

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from unet_explorer.contracts import InputError
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.files import contents, load_stored, ome_zarr, open_image
from unet_explorer.folders import pictures_in
from unet_explorer.headers import pixel_size_nm
from unet_explorer.images import Picture
from unet_explorer.pyramids import begin, finish, halved, segment_block, segment_pyramid
from unet_explorer.tiles import segment_tiled

zarr = pytest.importorskip("zarr")
VERSIONS = ("0.4", "0.5") if int(zarr.__version__[0]) > 2 else ("0.4",)


def _write_zarr(path, a, axes, version="0.4", scale=None, unit="micrometer", chunk=64):
    "An OME-Zarr of one level, as any program writes it."
    path.mkdir(parents=True)
    scale = scale or [1.0] * a.ndim
    kinds = dict(t="time", c="channel")
    said = [dict(name=n, type=kinds.get(n, "space")) for n in axes]
    for axis in said:
        if axis["type"] == "space" and unit:
            axis["unit"] = unit
    dataset = dict(path="0", coordinateTransformations=[dict(type="scale", scale=scale)])
    image = dict(axes=said, datasets=[dataset], name="x")
    chunks = tuple(chunk if n in "yx" else 1 for n in axes)
    if version == "0.4":
        image["version"] = version
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps(dict(multiscales=[image])))
        old = dict(zarr_format=2) if len(VERSIONS) > 1 else {}
        array = zarr.open_array(
            str(path / "0"), mode="w", shape=a.shape, chunks=chunks, dtype=a.dtype, **old
        )
    else:
        attributes = dict(ome=dict(version=version, multiscales=[image]))
        text = dict(zarr_format=3, node_type="group", attributes=attributes)
        (path / "zarr.json").write_text(json.dumps(text))
        array = zarr.create_array(str(path / "0"), shape=a.shape, chunks=chunks, dtype=a.dtype)
    array[:] = a
    return path


def _noise(shape, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape)
    a = (a - a.min()) / (a.max() - a.min())
    if np.dtype(dtype).kind == "f":
        return (a * 5000 - 300).astype(dtype)
    return (a * min(np.iinfo(dtype).max, 4000)).astype(dtype)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(
        EffUNet("lite0", in_ch=1, n_classes=3, pretrained=False, seed=1),
        folder,
        classes=["a", "b", "c"],
    )
    return folder


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory):
    path = tmp_path_factory.mktemp("m") / "wafer.ome.zarr"
    return _write_zarr(path, _noise((300, 421), "uint16"), "yx", scale=[0.004, 0.004])


SMALL = dict(tile=128, overlap=32, block=128, chunk=64)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_ome_zarr_reads_as_the_array_would(tmp_path, version, dtype):
    a = _noise((150, 210), dtype)
    path = _write_zarr(tmp_path / "x.ome.zarr", a, "yx", version, [0.5, 0.5])
    picture, oracle = open_image(path), Picture(a)
    assert picture.shape == oracle.shape
    assert np.allclose(picture.limits, oracle.limits)
    assert torch.allclose(picture[:, 40:101, 3:200], oracle[:, 40:101, 3:200])
    assert pixel_size_nm(path) == pytest.approx(500)


def test_blocks_give_the_same_mask_as_the_whole(tmp_path, model, mosaic):
    out = segment_pyramid(model, mosaic, tmp_path / "mask.ome.zarr", **SMALL)
    whole = segment_tiled(restore(model), open_image(mosaic), tile=128, overlap=32)
    mask = zarr.open_array(str(out / "0"), mode="r")[:]
    assert len(np.unique(mask)) > 1
    assert np.array_equal(mask, whole.numpy())
