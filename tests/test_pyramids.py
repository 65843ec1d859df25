"Mosaics as OME-Zarr: read by chunks, segmented by blocks, gone on with after a kill."

import json
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from unet_explorer import pyramids
from unet_explorer.cli import main
from unet_explorer.contracts import InputError
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.files import contents, load_mask, load_stored, ome_zarr, open_image
from unet_explorer.folders import pictures_in, remarks
from unet_explorer.headers import pixel_size_nm
from unet_explorer.images import Picture, save_image
from unet_explorer.measure import measure_large, measure_mask
from unet_explorer.pyramids import (
    begin,
    finish,
    made_from,
    mask_on_disk,
    segment_block,
    segment_pyramid,
)
from unet_explorer.segmentation import segment_folder
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
    return _write_zarr(path, _noise((200, 290), "uint16"), "yx", scale=[0.004, 0.004])


SMALL = dict(tile=96, overlap=32, block=128, chunk=64)


def _files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def one_line(error):
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    return str(error.value)


# ---- in


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_ome_zarr_reads_as_the_array_would(tmp_path, version, dtype):
    a = _noise((150, 210), dtype)
    path = _write_zarr(tmp_path / "x.ome.zarr", a, "yx", version, [0.5, 0.5])
    picture, oracle = open_image(path), Picture(a)
    assert picture.shape == oracle.shape
    assert np.allclose(picture.limits, oracle.limits)
    assert torch.allclose(picture[:, 40:101, 3:200], oracle[:, 40:101, 3:200])
    assert torch.allclose(picture[:, ::7, ::9], oracle[:, ::7, ::9])
    assert pixel_size_nm(path) == pytest.approx(500)
    assert contents(path)[:3] == (1, 150, 210)
    assert np.array_equal(load_stored(path), a)


def test_floats_between_0_and_1_stay_as_they_are(tmp_path):
    a = np.random.default_rng(0).random((70, 90)).astype("float32")
    picture = open_image(_write_zarr(tmp_path / "x.ome.zarr", a, "yx"))
    assert picture.limits == (0, 1) and np.allclose(picture[:][0], a)


@pytest.mark.parametrize(
    "axes, shape, pages, channels",
    [
        ("tczyx", (1, 1, 1, 70, 90), 1, 1),
        ("cyx", (3, 70, 90), 1, 3),
        ("czyx", (3, 2, 70, 90), 2, 3),
        ("cyx", (5, 70, 90), 5, 1),
        ("cyx", (2, 70, 90), 2, 1),
        ("zyx", (4, 70, 90), 4, 1),
        ("tczyx", (2, 2, 3, 70, 90), 12, 1),
    ],
)
def test_axes_become_pages_and_colours(tmp_path, axes, shape, pages, channels):
    a = _noise(shape)
    path = _write_zarr(tmp_path / "x.ome.zarr", a, axes)
    assert contents(path)[:3] == (pages, 70, 90)
    found = pictures_in(path)
    assert len(found) == pages and len({f.name for f in found}) == pages
    last = open_image(path, page=found[-1].page)
    assert last.shape == (channels, 70, 90)
    expected = a[(-1,) * (a.ndim - 2)] if channels == 1 else a.reshape(3, -1, 70, 90)[:, -1]
    assert np.allclose(last[:].numpy() * 255, expected, atol=1e-3)
    if pages > 1:
        with pytest.raises(InputError, match=f"choose page=0 to {pages - 1}"):
            open_image(path)
    with pytest.raises(InputError, match=f"page {pages} of {pages}"):
        open_image(path, page=pages)


@pytest.mark.parametrize("version", VERSIONS)
def test_sizes_of_pixels_are_of_the_whole_times_of_the_level(tmp_path, version):
    path = _write_zarr(tmp_path / "x.ome.zarr", _noise((70, 90)), "yx", version, [2, 2], "angstrom")
    text = path / (".zattrs" if version == "0.4" else "zarr.json")
    said = json.loads(text.read_text())
    image = said if version == "0.4" else said["attributes"]["ome"]
    image["multiscales"][0]["coordinateTransformations"] = [dict(type="scale", scale=[30, 30])]
    text.write_text(json.dumps(said))
    assert pixel_size_nm(path) == pytest.approx(6)
    for axis in image["multiscales"][0]["axes"]:
        axis.pop("unit")
    text.write_text(json.dumps(said))
    assert pixel_size_nm(path) is None


def _of_attributes(path, **said):
    path.mkdir(parents=True, exist_ok=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps(said))


IMAGE = dict(version="0.4", axes=[dict(name="y"), dict(name="x")], datasets=[dict(path="0")])


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda p: p.mkdir(), "not finished"),
        (lambda p: _of_attributes(p), "multiscales"),
        (lambda p: _of_attributes(p, plate={}), "A/1/0"),
        (lambda p: _of_attributes(p, well={}), "one picture in it"),
        (lambda p: _of_attributes(p, **{"bioformats2raw.layout": 3}), "one picture in it"),
        (lambda p: _of_attributes(p, labels=["cells"]), "a list of masks"),
        (lambda p: _of_attributes(p, multiscales=[IMAGE | dict(version="0.1")]), "0.4, 0.5"),
        (lambda p: _of_attributes(p, multiscales=[IMAGE | dict(axes=[dict(name="x")])]), "y and x"),
        (lambda p: _of_attributes(p, multiscales=[IMAGE]), "cannot be read"),
        (lambda p: _of_attributes(p, multiscales=[3]), "cannot be read"),
        (lambda p: (_of_attributes(p), (p / ".zattrs").write_text("{"))[0], "cannot be read"),
    ],
)
def test_what_is_no_picture_gets_one_line(tmp_path, make, told):
    path = tmp_path / "x.ome.zarr"
    make(path)
    with pytest.raises(InputError) as error:
        open_image(path)
    assert told in one_line(error)
    assert pictures_in(path)[0].path == path, "whoever walks through a folder says it, too"


def test_a_plain_array_and_nan_get_one_line(tmp_path):
    path = _write_zarr(tmp_path / "x.ome.zarr", _noise((70, 90), "float32"), "yx")
    with pytest.raises(InputError, match="plain Zarr array"):
        open_image(path / "0")
    zarr.open_array(str(path / "0"), mode="r+")[5, 5] = np.nan
    with pytest.raises(InputError, match="NaN"):
        open_image(path)[:]


def test_a_cut_chunk_gets_one_line(tmp_path):
    path = _write_zarr(tmp_path / "x.ome.zarr", _noise((70, 90)), "yx")
    chunk = next(p for p in (path / "0").rglob("*") if p.is_file() and p.name[0] in "0123456789")
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(InputError) as error:
        open_image(path)[:]
    assert "damaged" in one_line(error)


def test_a_folder_sees_one_picture_and_does_not_look_inside(tmp_path):
    path = _write_zarr(tmp_path / "lot" / "x.ome.zarr", _noise((70, 90)), "yx")
    (path / "0" / "inside.png").write_bytes(b"")
    (path / "0" / "inside.czi").write_bytes(b"")
    save_image(tmp_path / "lot" / "y.png", torch.zeros(1, 8, 8))
    found = pictures_in(tmp_path)
    assert [f.name for f in found] == ["lot/x.ome", "lot/y"]
    assert remarks(tmp_path, found) == [] and remarks(path, found[:1]) == []


def test_ngff_zarr_writes_what_is_read(tmp_path):
    nz = pytest.importorskip("ngff_zarr")
    a = _noise((300, 200), "uint16")
    image = nz.to_ngff_image(
        a, dims=["y", "x"], scale=dict(y=4.0, x=4.0), axes_units=dict(y="nanometer", x="nanometer")
    )
    levels = nz.to_multiscales(image, scale_factors=[], chunks=64)
    path = tmp_path / "x.ome.zarr"
    nz.to_ngff_zarr(str(path), levels, version="0.4")
    assert torch.allclose(open_image(path)[:], Picture(a)[:])
    assert pixel_size_nm(path) == pytest.approx(4)


# ---- out


def test_blocks_give_the_same_mask_as_the_whole(tmp_path, model, mosaic):
    out = segment_pyramid(model, mosaic, tmp_path / "mask.ome.zarr", **SMALL)
    whole = segment_tiled(restore(model), open_image(mosaic), tile=96, overlap=32)
    mask = zarr.open_array(str(out / "0"), mode="r")[:]
    assert len(np.unique(mask)) > 1
    assert np.array_equal(mask, whole.numpy())
    with mask_on_disk(out) as lying:
        assert np.array_equal(lying, mask)
    assert {p.name for p in tmp_path.iterdir()} == {"mask.ome.zarr"}
    about = ome_zarr(out)
    for level in range(1, len(about.levels)):
        small = zarr.open_array(str(out / str(level)), mode="r")[:]
        assert np.array_equal(small, mask[:: 2**level, :: 2**level]), "a class of a pixel, no mean"
    assert max(small.shape) <= 64 and level == 3
    before = _files_of(out)
    segment_pyramid(model, mosaic, out, **SMALL)
    assert _files_of(out) == before


def test_the_mask_is_what_ngff_zarr_and_the_schema_expect(tmp_path, model, mosaic):
    nz, schemas = pytest.importorskip("ngff_zarr"), pytest.importorskip("jsonschema")
    out = segment_pyramid(model, mosaic, tmp_path / "mask.ome.zarr", **SMALL)
    read = nz.from_ngff_zarr(str(out), validate=True)
    first = read.images[0]
    assert first.data.shape == (200, 290) and first.scale == dict(y=4.0, x=4.0)
    assert read.images[1].scale == dict(y=8.0, x=8.0)
    assert set(first.axes_units.values()) == {"nanometer"}
    said = json.loads((out / ".zattrs").read_text())
    folder = Path(nz.__file__).parent / "spec" / "0.4" / "schemas"
    for name in ("image.schema", "label.schema"):
        schemas.validate(said, json.loads((folder / name).read_text()))
    label = said["image-label"]
    assert [p["class"] for p in label["properties"]] == ["a", "b", "c"]
    assert [c["label-value"] for c in label["colors"]] == [0, 1, 2]
    assert label["colors"][0]["rgba"][3] == 0 and label["colors"][1]["rgba"][3] == 255


def test_until_it_is_finished_nobody_takes_it_for_a_picture(tmp_path, model, mosaic):
    out = tmp_path / "mask.ome.zarr"
    todo = begin(model, mosaic, out, **SMALL)
    assert todo == [(r, c) for r in range(2) for c in range(3)]
    for block in todo[:-1]:
        segment_block(model, mosaic, out, block)
        with pytest.raises(InputError, match="not finished"):
            open_image(out)
    assert begin(model, mosaic, out, **SMALL) == todo[-1:]
    with pytest.raises(InputError, match="1 of 6 blocks"):
        finish(out)
    with pytest.raises(InputError, match="not finished"):
        open_image(out)
    segment_block(model, mosaic, out, todo[-1])
    finish(out)
    assert open_image(out).shape == (1, 200, 290)
    assert begin(model, mosaic, out, **SMALL) == [] and finish(out) == out
    assert segment_block(model, mosaic, out, (0, 0)) == (0, 0)


def test_in_any_order_and_twice_the_bytes_are_the_same(tmp_path, model, mosaic):
    whole = segment_pyramid(model, mosaic, tmp_path / "whole.ome.zarr", **SMALL)
    out = tmp_path / "mask.ome.zarr"
    todo = begin(model, mosaic, out, **SMALL)
    for block in reversed(todo):
        assert segment_block(model, mosaic, out, block) == block
    once = _files_of(out / "0")
    for block in todo[::3]:
        (out / ".unet-explorer" / f"{block[0]}.{block[1]}").unlink()
        segment_block(*pickle.loads(pickle.dumps((model, mosaic, out, block))))
    assert _files_of(out / "0") == once
    assert _files_of(finish(out) / "1") == _files_of(whole / "1")


def test_a_chunk_that_changed_is_done_again(tmp_path, model, mosaic):
    out = tmp_path / "mask.ome.zarr"
    for block in begin(model, mosaic, out, **SMALL):
        segment_block(model, mosaic, out, block)
    good = (out / "0" / "1" / "1").read_bytes()
    (out / "0" / "1" / "1").write_bytes((out / "0" / "2" / "4").read_bytes())
    with pytest.raises(InputError, match=r"block \(0, 0\) has changed"):
        finish(out)
    segment_pyramid(model, mosaic, out, **SMALL)
    assert (out / "0" / "1" / "1").read_bytes() == good


def test_another_job_does_not_go_on_with_it(tmp_path, model, mosaic):
    out, other = tmp_path / "mask.ome.zarr", tmp_path / "other"
    begin(model, mosaic, out, **SMALL)
    save(EffUNet("lite0", in_ch=1, n_classes=3, pretrained=False, seed=2), other)
    with pytest.raises(InputError, match="another tile"):
        begin(model, mosaic, out, **SMALL | dict(tile=128))
    with pytest.raises(InputError, match="another model"):
        begin(other, mosaic, out, **SMALL)
    with pytest.raises(InputError, match="another one than the mask"):
        segment_block(other, mosaic, out, (0, 0))
    strange = _write_zarr(tmp_path / "s.ome.zarr", _noise((70, 90)), "yx")
    with pytest.raises(InputError, match="another picture"):
        segment_block(model, strange, out, (0, 0))
    with pytest.raises(InputError, match="from \\(0, 0\\) to \\(1, 2\\)"):
        segment_block(model, mosaic, out, (2, 0))
    for wrong in (mosaic, strange):
        with pytest.raises(InputError, match="not written here|picture itself"):
            begin(model, mosaic, wrong, overwrite=True, **SMALL)
    assert open_image(mosaic).shape == (1, 200, 290)
    assert len(begin(other, mosaic, out, overwrite=True, **SMALL)) == 6


@pytest.mark.parametrize(
    "how, told",
    [
        (dict(block=100, chunk=64), "multiple of chunk=64"),
        (dict(threshold=0.3), "threshold=0.3"),
        (dict(tile=32, overlap=32), "tile=32"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, model, mosaic, how, told):
    with pytest.raises(InputError) as error:
        begin(model, mosaic, tmp_path / "mask.ome.zarr", **how)
    assert told in one_line(error) and not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="ends in .ome.zarr"):
        begin(model, mosaic, tmp_path / "mask.tif")


def test_any_picture_becomes_a_pyramid(tmp_path, model):
    a = _noise((150, 120))
    tifffile.imwrite(tmp_path / "x.tif", a)
    out = segment_pyramid(model, tmp_path / "x.tif", tmp_path / "m.ome.zarr", pixel_nm=7, **SMALL)
    whole = segment_tiled(restore(model), Picture(a), tile=96, overlap=32)
    assert np.array_equal(zarr.open_array(str(out / "0"), mode="r")[:], whole.numpy())
    assert pixel_size_nm(out) == 7


SCRIPT = """
import sys, time
from unet_explorer import pyramids
real = vars(pyramids)["_logits"]
def slow(*args):
    print("block", flush=True)
    time.sleep(0.05)
    return real(*args)
vars(pyramids)["_logits"] = slow
pyramids.segment_pyramid(*sys.argv[1:4], tile=96, overlap=32, block=128, chunk=64)
"""


def test_killed_in_the_middle_it_goes_on_with_what_is_done(tmp_path, model, mosaic):
    whole = segment_pyramid(model, mosaic, tmp_path / "whole" / "mask.ome.zarr", **SMALL)
    out = tmp_path / "mask.ome.zarr"
    run = [sys.executable, "-c", SCRIPT, str(model), str(mosaic), str(out)]
    child = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _ in range(4):
        child.stdout.readline()
    time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (out / "0" / ".part-abcdefgh").write_bytes(b"half a chunk")
    left = begin(model, mosaic, out, **SMALL)
    assert 2 <= len(left) <= 3, "what was finished is kept"
    again = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert again.stdout.count("block") == len(left), "and is not computed twice"
    assert _files_of(out) == _files_of(whole)


# ---- the job


def test_a_mosaic_gets_tables_overlay_and_report(tmp_path, model, mosaic):
    found = segment_folder(mosaic, model, tmp_path / "out", tile=96, overlap=32, min_px=2)
    assert found.names == ["wafer.ome"] and found.skipped == []
    out = tmp_path / "out" / "masks" / "wafer.ome.zarr"
    mask = zarr.open_array(str(out / "0"), mode="r")[:]
    lines, pieces = measure_mask(mask, ["a", "b", "c"], 4.0, 2)
    for got, want in zip(found.classes, lines):
        assert {k: got[k] for k in want} == pytest.approx(want)
    table = (tmp_path / "out" / "objects.csv").read_text().splitlines()
    assert len(table) == 1 + len(pieces) and len(pieces) > 1
    assert "wafer.ome" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "overlays" / "wafer.ome.png").is_file()
    assert made_from(out)["classes"] == ["a", "b", "c"]


def test_objects_take_little_memory_until_they_are_asked_for():
    mask = np.zeros((600, 600), np.uint8)
    mask[1::2, 1::2] = 1
    tracemalloc.start()
    lines, rows = measure_large(mask, ["a", "b"], 4.0)
    held, _ = tracemalloc.get_traced_memory()
    every = list(rows)
    as_dicts, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 90_001 == sum(line["objects"] for line in lines)
    assert held < 120 * len(rows) and as_dicts > 4 * held, (held, as_dicts)
    assert every[:2] == [rows[0], rows[1]] and list(rows[1:3]) == every[1:3]
    assert (lines, every) == measure_mask(mask, ["a", "b"], 4.0)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_mask_without_pixels_has_no_objects(shape):
    lines, rows = measure_large(np.zeros(shape, np.uint8), ["a", "b"])
    assert len(rows) == 0 and [line["objects"] for line in lines] == [0, 0]


def test_a_stopped_folder_of_mosaics_goes_on(tmp_path, model, monkeypatch):
    for i in (1, 2):
        _write_zarr(tmp_path / "in" / f"{i}.ome.zarr", _noise((100, 130), seed=i), "yx")
    how = dict(tile=96, overlap=32, say=lambda line: None)
    real, seen = vars(pyramids)["_logits"], []

    def stops(*args):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setitem(vars(pyramids), "_logits", stops)
    with pytest.raises(KeyboardInterrupt):
        segment_folder(tmp_path / "in", model, tmp_path / "out", **how)
    assert not (tmp_path / "out" / "report.html").exists()
    segment_folder(tmp_path / "in", model, tmp_path / "out", **how)
    assert len(seen) == 3, "the first is not done again"
    again = segment_folder(tmp_path / "in", model, tmp_path / "out", overwrite=True, **how)
    assert again.names == ["1.ome", "2.ome"]
    assert open_image(tmp_path / "out" / "masks" / "2.ome.zarr").shape == (1, 100, 130)


def test_zarr_can_be_asked_for_and_what_cannot_be_is_told(tmp_path, model, mosaic):
    save_image(tmp_path / "x.png", torch.rand(1, 70, 80, generator=torch.manual_seed(0)))
    segment_folder(tmp_path / "x.png", restore(model), tmp_path / "out", masks_as="zarr")
    assert contents(tmp_path / "out" / "masks" / "x.zarr")[:3] == (1, 70, 80)
    for wrong, told in (
        (dict(probabilities=True), "probabilities"),
        (dict(bar=20), "no info bar"),
        (dict(masks_as="tiff"), "png, zarr"),
    ):
        with pytest.raises(InputError, match=told):
            segment_folder(mosaic, model, tmp_path / "other", **wrong)
    assert not (tmp_path / "other").exists()
    plain = segment_folder(mosaic, model, tmp_path / "plain", masks_as="png", tile=96, overlap=32)
    assert load_mask(tmp_path / "plain" / "masks" / "wafer.ome.png").shape == (200, 290)
    assert plain.names == ["wafer.ome"]


def test_the_command_line_takes_and_writes_zarr(tmp_path, model, mosaic, capsys):
    how = ["--model", str(model), "--tile", "96", "--overlap", "32"]
    assert main(["segment", str(mosaic), "--out", str(tmp_path / "out"), *how]) == 0
    assert "1 of 1 images" in capsys.readouterr().out
    assert open_image(tmp_path / "out" / "masks" / "wafer.ome.zarr").shape == (1, 200, 290)
    wrong = ["segment", str(mosaic), "--out", str(tmp_path / "x"), "--format", "tiff", *how]
    assert main(wrong) == 2 and "png, zarr" in capsys.readouterr().err


PEAK = """
import re, sys, torch
from unet_explorer import pyramids
class Small(torch.nn.Module):
    config, about = dict(in_ch=1, n_classes=1), {}
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)
    def forward(self, x):
        return self.layer(x)
vars(pyramids)["_model_at"] = lambda model, device, when: (Small(), "small")
pyramids.segment_pyramid(*sys.argv[1:4], block=1024, chunk=512)
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("large", [4096, pytest.param(8192, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_mosaic(tmp_path, model, large):
    peaks = []
    for side in (2048, large):
        image = tmp_path / f"{side}.ome.zarr"
        piece = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
        _write_zarr(image, np.broadcast_to(np.uint8(0), (side, side)), "yx", chunk=512)
        for y in range(0, side, 2048):  # some chunks are full, the others empty
            zarr.open_array(str(image / "0"), mode="r+")[y : y + 512, :512] = piece
        run = [sys.executable, "-c", PEAK, str(model), str(image), str(tmp_path / f"{side}.zarr")]
        done = subprocess.run(run, capture_output=True, text=True, timeout=200, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 40, f"{peaks} MB; the larger has {large**2 >> 18} MB as float32"
