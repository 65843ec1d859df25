"What a user's folder can have wrong with it, and what the loader says; splits; crops; the hub."

import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from unet_explorer import data
from unet_explorer.batches import Crops, Rows, dataloaders
from unet_explorer.data import load, load_pairs, meta, sample, split
from unet_explorer.contracts import InputError
from unet_explorer.images import load_image, load_mask, n_pages

RNG = np.random.default_rng(0)


def grey(h=24, w=32, dtype=np.uint8):
    return RNG.integers(0, 200, (h, w)).astype(dtype)


def folder(tmp_path, images, masks):
    "Folders images/ and masks/ with the given files: name -> array (saved by suffix) or bytes."
    for part, files in (("images", images), ("masks", masks)):
        for name, content in files.items():
            path = tmp_path / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif path.suffix == ".tif":
                tifffile.imwrite(path, content)
            else:
                Image.fromarray(content).save(path)
        (tmp_path / part).mkdir(parents=True, exist_ok=True)
    return tmp_path


def binary(h=24, w=32):
    return (RNG.random((h, w)) < 0.3).astype(np.uint8)


def complaint(f, *args, **kwargs):
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    text = str(e.value)
    assert "\n" not in text and len(text) < 500
    return text


def png(array):
    from io import BytesIO

    b = BytesIO()
    Image.fromarray(array).save(b, "PNG")
    return b.getvalue()


def test_missing_and_empty_folders(tmp_path):
    assert "no such file or folder" in complaint(load_pairs, tmp_path / "gone", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "no images in it" in complaint(load_pairs, tmp_path / "empty", tmp_path)
    assert "neither a known data set" in complaint(load, "isbi2021")
    assert "no images in it" in complaint(load, tmp_path)
    images = folder(tmp_path, {"a.png": grey()}, {}) / "images"
    assert "images/ and masks/" in complaint(load_pairs, images, images)
    assert "one file" in complaint(load_pairs, images / "a.png", images)


def test_image_without_mask(tmp_path):
    d = folder(tmp_path, {"a.png": grey(), "b.png": grey()}, {"a.png": binary()})
    text = complaint(load_pairs, d)
    assert "1 of 2 images have no mask" in text and "b.png" in text


def test_sizes_that_differ(tmp_path):
    d = folder(tmp_path, {"a.png": grey(24, 32)}, {"a.png": binary(24, 30)})
    text = complaint(load_pairs, d)
    assert "32x24" in text and "30x24" in text


def test_rgb_mask(tmp_path):
    colour = np.zeros((24, 32, 3), np.uint8)
    colour[:, :9] = 255, 0, 0
    d = folder(tmp_path, {"a.png": grey(), "b.png": grey()}, {"a.png": colour, "b.png": colour})
    assert "colours=" in complaint(load_pairs, d)
    ds = load_pairs(d, colours={(255, 0, 0): 1}, classes=["rest", "red"])
    assert sample(ds, 0)[1].sum() == 24 * 9
    same = np.repeat(binary()[..., None], 3, -1)  # grey saved as RGB is no colour picture
    Image.fromarray(same).save(d / "masks" / "a.png")
    assert torch.equal(load_mask(d / "masks" / "a.png"), torch.from_numpy(same[..., 0]).long())


def test_mask_0_255_is_read_as_two_classes(tmp_path):
    m = binary()
    ds = load_pairs(folder(tmp_path, {"a.png": grey()}, {"a.png": m * 255}))
    assert (
        torch.equal(sample(ds, 0)[1], torch.from_numpy(m).long())
        and "0 and 255" in meta(ds)["notes"][0]
    )


def test_255_is_ignore_when_another_mask_has_ones(tmp_path):
    ds = load_pairs(
        folder(
            tmp_path,
            {"a.png": grey(), "b.png": grey()},
            {"a.png": binary() * 255, "b.png": binary()},
        )
    )
    assert set(sample(ds, 0)[1].unique().tolist()) == {0, 255}


def test_values_and_strange_masks(tmp_path):
    m = RNG.integers(0, 3, (24, 32)).astype(np.uint8)
    d = folder(tmp_path, {"a.png": grey()}, {"a.png": np.array([0, 90, 200], np.uint8)[m]})
    assert "values=" in complaint(load_pairs, d)
    assert torch.equal(
        sample(load_pairs(d, values={0: 0, 90: 1, 200: 2}), 0)[1], torch.from_numpy(m).long()
    )
    assert "does not name" in complaint(load_pairs, d, values={0: 0, 90: 1})
    d2 = folder(tmp_path / "x", {"a.png": grey()}, {"a.png": grey()})
    assert "different values" in complaint(load_pairs, d2)
    assert "names were given" in complaint(
        load_pairs,
        folder(tmp_path / "y", {"a.png": grey()}, {"a.png": m}),
        classes=["a", "b"],
        values={0: 0, 1: 1, 2: 2},
    )


def test_nan_image(tmp_path):
    bad = grey(dtype=np.float32) / 200
    bad[3, 4] = np.nan
    d = folder(tmp_path, {"a.tif": bad}, {"a.png": binary()})
    assert "1 of 768 values are NaN" in complaint(load_pairs, d)


def test_damaged_files(tmp_path):
    whole = png(grey(200, 200))
    tifffile.imwrite(tmp_path / "t.tif", grey(200, 200, np.uint16))
    tif = (tmp_path / "t.tif").read_bytes()
    for name, content in (
        ("a.png", whole[: len(whole) // 2]),
        ("a.png", whole[:20]),
        ("a.png", b""),
        ("a.png", b"hello, I am text\n"),
        ("a.tif", tif[: len(tif) // 2]),
        ("a.tif", tif[:60]),
        ("a.tif", tif[:9]),
        ("a.tif", b"hello"),
        ("a.jpg", b"\xff\xd8\xff"),
    ):
        (tmp_path / name).write_bytes(content)
        text = complaint(load_image, tmp_path / name)
        assert name in text and ("damaged" in text)
    for level in ("tiff_lzw", "tiff_deflate"):
        Image.fromarray(grey(200, 200)).save(tmp_path / "c.tif", compression=level)
        content = (tmp_path / "c.tif").read_bytes()
        (tmp_path / "c.tif").write_bytes(content[: len(content) * 2 // 3])
        assert "damaged" in complaint(load_image, tmp_path / "c.tif")


def test_one_pixel_image(tmp_path):
    assert load_image(
        folder(tmp_path / "p", {"a.png": grey(1, 1)}, {}) / "images" / "a.png"
    ).shape == (1, 1, 1)
    one = np.ones((1, 1), np.uint8)
    ds = load_pairs(
        folder(
            tmp_path / "q",
            {f"{i}.png": grey(1, 1) for i in range(4)},
            {f"{i}.png": one for i in range(4)},
        )
    )
    x, y = dataloaders(split(ds), size=32, bs=2, batches=1, device="cpu").one_batch()
    assert (
        x.shape == (2, 1, 32, 32)
        and (y == 1).sum(dim=(1, 2)).tolist() == [1, 1]
        and (y == 255).sum() == 2 * (32 * 32 - 1)
    )


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64, np.uint32]
)
def test_tiff_types(tmp_path, dtype):
    a = (RNG.random((20, 30)) * 100).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", a)
    x = load_image(tmp_path / "a.tif")
    assert x.shape == (1, 20, 30) and x.dtype == torch.float32 and 0 <= x.min() <= x.max() <= 1
    if dtype == np.uint8:
        torch.testing.assert_close(x[0], torch.from_numpy(a).float() / 255)
    else:
        assert np.corrcoef(x.numpy().ravel(), a.ravel())[0, 1] > 0.99 and x.std() > 0.2


def test_colour_alpha_palette_and_stacks(tmp_path):
    rgba = RNG.integers(0, 255, (8, 9, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").shape == (3, 8, 9) and load_image(
        tmp_path / "a.png", channels=1
    ).shape == (1, 8, 9)
    Image.fromarray(rgba[..., :3]).convert("P").save(tmp_path / "p.png")
    assert load_image(tmp_path / "p.png").shape == (3, 8, 9)
    indexed = Image.fromarray(binary(8, 9)).convert("P")
    indexed.putpalette([0, 0, 0, 255, 0, 0])
    indexed.save(tmp_path / "m.png")
    assert set(load_mask(tmp_path / "m.png").unique().tolist()) <= {0, 1}
    tifffile.imwrite(
        tmp_path / "s.tif",
        RNG.integers(0, 255, (5, 8, 9)).astype(np.uint8),
        photometric="minisblack",
    )
    assert n_pages(tmp_path / "s.tif") == 5 and "page=0 to 4" in complaint(
        load_image, tmp_path / "s.tif"
    )
    assert load_image(tmp_path / "s.tif", page=3).shape == (1, 8, 9)
    assert "mask stored as JPEG" in complaint(load_mask, tmp_path / "m.jpg")


def test_16_bit_survives_the_dataset(tmp_path):
    a = (RNG.random((20, 30)) * 4000).astype(np.uint16)
    ds = load_pairs(folder(tmp_path, {"a.tif": a}, {"a.png": binary(20, 30)}))
    torch.testing.assert_close(sample(ds, 0)[0], load_image(tmp_path / "images" / "a.tif"))


def test_split_keeps_groups_and_neighbours_together(tmp_path):
    names = [f"s{g}/{i}.png" for g in range(4) for i in range(3)]
    ds = load_pairs(folder(tmp_path, {n: grey() for n in names}, {n: binary() for n in names}))
    parts = split(ds, 0.2, 0.2)
    groups = [set(p["group"]) for p in parts.values()]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert sum(len(p) for p in parts.values()) == 12
    flat = load_pairs(
        folder(
            tmp_path / "flat",
            {f"{i}.png": grey() for i in range(20)},
            {f"{i}.png": binary() for i in range(20)},
        )
    )
    order = [int(n) for p in split(flat, 0.2, 0.2).values() for n in p["name"]]
    assert order == list(range(20)), "natural order, contiguous blocks"
    one = load_pairs(folder(tmp_path / "one", {"a.png": grey()}, {"a.png": binary()}))
    assert "cannot be split" in complaint(split, one)


def test_metadata_travels(tmp_path):
    ds = load_pairs(
        folder(
            tmp_path,
            {f"{i}.png": grey() for i in range(5)},
            {f"{i}.png": binary() for i in range(5)},
        ),
        classes=["gap", "metal"],
        pixel_nm=2.5,
    )
    assert (
        meta(split(ds))["classes"] == ["gap", "metal"] and meta(ds.select([1]))["pixel_nm"] == 2.5
    )
    ds.save_to_disk(tmp_path / "saved")
    from datasets import load_from_disk

    assert meta(load_from_disk(tmp_path / "saved"))["classes"] == ["gap", "metal"]


def test_no_network_and_no_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNET_EXPLORER_DATA", str(tmp_path))
    monkeypatch.delenv("UNET_EXPLORER_REQUIRE_DATA", raising=False)
    import requests

    def refuse(*args, **kwargs):
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", refuse)
    monkeypatch.setattr(requests.Session, "request", refuse)
    assert "not in the cache" in complaint(load, "isbi2012")
    assert not list(tmp_path.rglob("*.png"))
    ds = load("isbi2012", fallback=True)
    assert meta(ds)["name"] == "simulated" and capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("UNET_EXPLORER_REQUIRE_DATA", "1")
    assert "not in the cache" in complaint(load, "isbi2012", fallback=True)


def test_a_changed_file_is_noticed(tmp_path, monkeypatch, require_data):
    require_data("isbi2012")
    import shutil

    shutil.copytree(data.cache_dir() / "isbi2012", tmp_path / "isbi2012")
    os.chmod(tmp_path / "isbi2012" / "image", 0o755)
    target = tmp_path / "isbi2012" / "image" / "3.png"
    os.chmod(target, 0o644)
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    monkeypatch.setenv("UNET_EXPLORER_DATA", str(tmp_path))
    import requests

    monkeypatch.setattr(
        requests,
        "get",
        lambda *a, **k: (_ for _ in ()).throw(requests.exceptions.ConnectionError("no route")),
    )
    complaint(
        load, "isbi2012"
    )  # the checksum no longer fits, so it is fetched again, which fails here


@pytest.mark.parametrize(
    "name, sizes, classes", [("isbi2012", (21, 3, 6), 2), ("nasa_super1", (10, 4, 4), 3)]
)
def test_real_data(name, sizes, classes, require_data):
    require_data(name)
    ds = load(name)
    assert (
        tuple(len(ds[p]) for p in ("train", "valid", "test")) == sizes
        and len(meta(ds)["classes"]) == classes
    )
    groups = [set(ds[p]["group"]) for p in ds]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    for part in ds.values():
        image, mask = sample(part, 0)
        assert image.shape[1:] == mask.shape == (512, 512) and set(mask.unique().tolist()) == set(
            range(classes)
        )


def test_ic_layout_leaves_layers_out(require_data):
    require_data("ic_layout")
    ds = load("ic_layout", per_layer=2, size=(64, 96))
    assert [len(ds[p]) for p in ("train", "valid", "test")] == [12, 2, 6] and meta(ds)[
        "pixel_nm"
    ] == 5
    assert [sorted(set(ds[p]["group"])) for p in ds] == [
        [f"layer {k}" for k in range(6)],
        ["layer 6"],
        ["layer 7", "layer 8", "layer 9"],
    ]
    image, mask = sample(ds["test"], 0)
    assert (
        image.shape == (1, 64, 96) and mask.shape == (64, 96) and 0.03 < mask.float().mean() < 0.97
    )
    again, other = (load("ic_layout", per_layer=1, size=(64, 96), seed=s)["test"] for s in (0, 1))
    assert (sample(again, 0)[0] == image).all() and not (sample(other, 0)[0] == image).all()
    assert "per_layer=0" in complaint(load, "ic_layout", per_layer=0)


def test_isbi_keeps_slices_24_to_29_for_the_test(require_data):
    require_data("isbi2012")
    assert list(load("isbi2012")["test"]["name"]) == [f"slice{i}" for i in range(24, 30)]


def test_hub(monkeypatch):
    import datasets
    from datasets import Dataset, DatasetDict, Features
    from datasets import Image as ImageFeature

    raw = Dataset.from_dict(
        {
            "image": [Image.fromarray(grey()) for _ in range(4)],
            "label": [Image.fromarray(binary() * 255) for _ in range(4)],
        },
        features=Features({"image": ImageFeature(), "label": ImageFeature()}),
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda repo: DatasetDict(train=raw))
    ds = load("hf://someone/something")
    assert ds["train"].column_names == ["image", "mask", "group", "name"] and set(
        sample(ds["train"], 0)[1].unique().tolist()
    ) == {0, 1}
    monkeypatch.setattr(
        datasets, "load_dataset", lambda repo: DatasetDict(train=raw.remove_columns("label"))
    )
    assert "need an image column" in complaint(load, "hf://someone/something")

    def offline(repo):
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    assert "cannot be loaded" in complaint(load, "hf://someone/something")


def test_crops_are_reproducible_also_with_workers():
    ds = load("simulated", n=9, size=(96, 96))
    a, b = (Crops(Rows(ds["train"]), 64, 8, seed=5) for _ in range(2))
    for i in range(8):
        assert all(torch.equal(p, q) for p, q in zip(a[i], b[i]))
    dls = dataloaders(ds, size=64, bs=2, batches=4, num_workers=2, device="cpu")
    batches = [x for x, _ in dls.train]
    assert len(batches) == 4 and not torch.equal(batches[0], batches[1])


def test_options_that_cannot_be():
    ds = load("simulated", n=9, size=(64, 64))
    for wrong, say in (
        (dict(bs=0), "bs=0; it must be a whole number from 1 up"),
        (dict(size=32.5), "size=32.5"),
        (dict(size="x"), "size='x'"),
        (dict(batches=1.5), "batches=1.5"),
        (dict(seed=-1), "seed=-1"),
        (dict(channels=2), "1 (grey) or 3 (RGB)"),
        (dict(num_workers=None), "num_workers=None"),
        (dict(device="gpu"), "a device of this machine"),
    ):
        assert say in complaint(dataloaders, ds, **wrong)
    assert "such as Rows(ds)" in complaint(Crops, ds["train"], 64, 8)
    assert "split the data first" in complaint(dataloaders, ds["train"])
    assert "no option n; there are none" in complaint(load, "isbi2012", n=3)
    assert "no option k; choose from n, size, seed" in complaint(load, "simulated", k=3)
    assert "from 3 up" in complaint(load, "simulated", n=2)
    assert "height and width" in complaint(load, "simulated", size=64)


@pytest.mark.parametrize("n", range(3, 12))
def test_every_part_of_the_simulated_set_has_a_picture(n):
    sizes = [len(part) for part in load("simulated", n=n, size=(8, 8)).values()]
    assert min(sizes) >= 1 and sum(sizes) == n


def test_folders_and_the_hub_have_options_too(tmp_path):
    d = folder(tmp_path, {"a.png": grey()}, {"a.png": binary()})
    says = complaint(load, d, n=3)
    assert (
        "no option n; choose from classes, values, colours, pixel_nm, valid, test, split_by" in says
    )
    assert "no option n; choose from classes" in complaint(load, "hf://a/b", n=3)
    for odd in (dict(classes="ab"), dict(values={"a": 1}), dict(colours={1: 2}), dict(pixel_nm=0)):
        assert next(iter(odd)) in complaint(load, d, **odd)


def test_a_source_of_your_own_joins_the_registry(monkeypatch):
    def read(files, n=2):
        assert files == {}
        return {"train": data.SOURCES["simulated"].read({}, n=n + 2, size=(8, 8))["train"]}

    own = replace(data.SOURCES["simulated"], name="mine", read=read)
    monkeypatch.setitem(data.SOURCES, "mine", own)
    assert len(load("mine", n=4)["train"]) == 4 and meta(load("mine"))["name"] == "mine"
    assert "choose from n" in complaint(load, "mine", size=3)
