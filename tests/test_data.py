"What a user's folder can have wrong with it, and what the loader says; splits; crops; the hub."

import os
import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT
from PIL import Image

from unet_explorer import data
from unet_explorer.batches import Crops, Rows, dataloaders
from unet_explorer.data import catalogue, load, split
from unet_explorer.pairs import load_pairs
from unet_explorer.rows import meta, sample
from unet_explorer.contracts import InputError
from unet_explorer.files import load_image, load_mask, n_pages

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
    assert "values={0: 0, 1: 1, 255: 1}" in meta(ds)["notes"][-1], "or two programs made them"
    Image.fromarray(binary() + 254).save(tmp_path / "masks/a.png")  # 254 and 255
    Image.fromarray(binary() * 254 + 1).save(tmp_path / "masks/b.png")  # 1 and 255
    ds = load_pairs(tmp_path, values={0: 0, 1: 0, 254: 1})
    assert re.fullmatch(r"ignored: [23]\d\.\d% of pixels", meta(ds)["notes"][-1])


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
        ),
        values={0: 0, 1: 1},  # one class only, and that is so
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


def test_deeppcb_has_a_board_in_each_part(require_data):
    "A box lies on what differs from the template, and the mask is the boxes."
    require_data("deeppcb")
    ds = load("deeppcb")
    assert {p: len(rows) for p, rows in ds.items()} == dict(train=29, valid=30, test=30)
    assert [set(rows["group"]) for rows in ds.values()] == [
        {"board 44000"},
        {"board 77000"},
        {"board 92000"},
    ]
    kinds = set()
    for row in (row for rows in ds.values() for row in rows):
        image, template = (np.asarray(row[c]) > 127 for c in ("image", "template"))
        mask, boxed = np.array(row["mask"]), np.zeros((640, 640), bool)
        for top, left, bottom, right, kind in row["boxes"]:
            box = np.s_[top:bottom, left:right]
            assert (image != template)[box].any(), row["name"]
            assert (mask[box] == kind).any()
            boxed[box] = True
            kinds.add(kind)
        np.testing.assert_array_equal(mask > 0, boxed)
        assert "44000020" not in row["name"]
    assert kinds == {1, 2, 3, 4, 5, 6} and len(meta(ds)["classes"]) == 7


def test_a_damaged_file_of_deeppcb_is_named(tmp_path, monkeypatch):
    import requests

    monkeypatch.setenv("UNET_EXPLORER_DATA", str(tmp_path))
    at = tmp_path / "deeppcb" / "group44000" / "44000_not" / "44000011.txt"
    at.parent.mkdir(parents=True)
    at.write_text("1 2 3")
    no_route = requests.exceptions.ConnectionError("no route")
    monkeypatch.setattr("requests.get", lambda *a, **k: (_ for _ in ()).throw(no_route))
    monkeypatch.setattr("requests.Session.get", lambda *a, **k: (_ for _ in ()).throw(no_route))
    text = complaint(load, "deeppcb")
    assert f"{at} is damaged" in text and "delete it" in text


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


# --- folders as they are -----------------------------------------------------------------------


def lay(root, *names, image=grey, mask=binary):
    "Files below `root`: a mask, by its name or that of a folder, holds 0 and 1."
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        a = mask() if re.search("mask|label|annot|gt|Segm", name) else image()
        if path.suffix == ".tif":
            tifffile.imwrite(path, a, photometric="minisblack")
        else:
            Image.fromarray(a).save(path)
    return root


def rows_of(parts):
    return {part: list(zip(ds["name"], ds["group"])) for part, ds in parts.items()}


@pytest.mark.parametrize(
    "files, name, group",
    [
        ("images/a.tif masks/a.png", "a", "a"),
        ("raw/a.tif labels/a_label.png", "a", "a"),
        ("JPEGImages/a.png SegmentationClass/a.png", "a", "a"),
        ("w1/images/a.tif w1/masks/a.png w2/img/a.tif w2/gt/a-GT.png", "w1/a", "w1"),
        ("w1/a.tif w1/masks/a.png w2/a.tif w2/masks/a.png", "w1/a", "w1"),
        ("a.png a_mask.png", "a", "a"),
        ("a.tif mask_a.tif", "a", "a"),
        ("raw_a.tif mask_a.tif", "raw_a", "raw_a"),
        ("a.tif a_cp_masks.png", "a", "a"),
        ("c1/image.png c1/mask.png c2/image.png c2/mask.png", "c1/image", "c1"),
        (
            "images/train/a.png images/val/b.png masks/train/a.png masks/val/b.png",
            "train/a",
            "train/a",
        ),
        ("train/a.png trainannot/a.png val/b.png valannot/b.png", "train/a", "train/a"),
        (
            "train_images/a.png train_masks/a.png test_images/a.png test_masks/a.png",
            "train/a",
            "train/a",
        ),
    ],
)
def test_layouts_as_people_have_them(tmp_path, files, name, group):
    ds = load_pairs(lay(tmp_path, *files.split()))
    assert (name, group) in zip(ds["name"], ds["group"]) and len(ds) == len(files.split()) // 2
    image, mask = sample(ds, 0)
    assert set(mask.unique().tolist()) == {0, 1} and len(image.unique()) > 2, "not the other way"


def test_what_is_left_out_is_said_and_what_is_unclear_is_refused(tmp_path):
    d = lay(
        tmp_path / "a", "images/a.png", "masks/a.png", "masks/old.png", "overlays/a.png", "b.png"
    )
    notes = " ".join(meta(load_pairs(d))["notes"])
    assert "2 picture(s) without a mask" in notes and "1 mask(s) without image" in notes
    for files, says in {
        "a.png b.png": (
            "2 pictures (a.png, b.png",
            "images/",
            "x_mask.png",
            "load_pairs(images, masks)",
        ),
        "images/a.png images/b.png": ("no name says",),
        "masks/a.png masks/b.png": ("no name says",),
        "images/a.png masks/b.png": ("1 of 1 images have no mask", "images/a.png", "masks/b.png"),
        "a.png a_mask.png b.png": ("1 of 2 images have no mask", "b.png"),
        "images/a.png masks/a.png masks/a_mask.png": ("2 masks fit it", "keep one"),
        "images/a.png images/a.tif masks/a.png": ("1 names occur twice",),
        "images/a.png images/a_raw.png masks/a.png": ("1 of 2 images", "a_raw.png"),
        "images/a_img.png images/a_raw.png masks/a.png": ("fits 2 images", "rename one"),
    }.items():
        where = tmp_path / files.replace("/", "-").replace(" ", "+")
        text = complaint(load_pairs, lay(where, *files.split()))
        assert all(part in text for part in says), text


def test_a_picture_marked_as_turned_stays_as_its_mask_is(tmp_path):
    d = folder(tmp_path, {}, {"a.png": binary(32, 32)})
    photo = Image.fromarray(np.tile(np.arange(32, dtype=np.uint8) * 5, (32, 1)))
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(d / "images/a.jpg", exif=exif)
    assert torch.equal(sample(load_pairs(d), 0)[0], load_image(d / "images/a.jpg"))


def test_masks_inside_the_folder_of_the_images(tmp_path):
    d = lay(tmp_path, "a.png", "b.png", "labels/a.png", "labels/b.png")
    assert list(load_pairs(d, d / "labels")["name"]) == ["a", "b"] == list(load_pairs(d)["name"])


def stack(n, make):
    return np.stack([make() for _ in range(n)])


def test_stacks_give_a_row_per_page(tmp_path):
    image, mask = stack(4, grey), stack(4, binary)
    d = folder(tmp_path / "a", {}, {})
    for part, pages in (("images", image), ("masks", mask)):
        for name in "ab":
            tifffile.imwrite(d / part / f"{name}.tif", pages, photometric="minisblack")
    ds = load_pairs(d)
    assert ds[1]["name"] == "a_page0001" and list(ds["group"]) == ["a"] * 4 + ["b"] * 4
    for i in range(4):
        seen, numbers = sample(ds, i)
        assert torch.equal(numbers, torch.from_numpy(mask[i]).long())
        torch.testing.assert_close(seen[0], torch.from_numpy(image[i]).float() / 255)
    assert rows_of(load(d))["valid"][0] == ("b_page0000", "b"), "a stack stays together"
    assert rows_of(load(d, split_by="block"))["valid"][0][0] == "b_page0000"
    (d / "masks/b.tif").unlink()  # one mask a page, as `segment` writes them
    for i in range(4):
        Image.fromarray(mask[i]).save(d / f"masks/b_page{i:04d}.png")
    assert len(load_pairs(d)) == 8
    (d / "masks/b_page0002.png").unlink()
    assert "1 of 8 images have no mask" in complaint(load_pairs, d)


@pytest.mark.parametrize("pages", [(4, 3), (3, 4), (4, 1), (1, 4)], ids=str)
def test_a_stack_and_its_mask_have_the_same_pages(tmp_path, pages):
    d = folder(tmp_path, {}, {})
    for part, n, make in (("images", pages[0], grey), ("masks", pages[1], binary)):
        tifffile.imwrite(d / part / "s.tif", stack(n, make), photometric="minisblack")
    text = complaint(load_pairs, d)
    assert f"has {pages[0]} page(s) but its mask" in text and f"s.tif {pages[1]};" in text


# --- splits ------------------------------------------------------------------------------------


def test_load_splits_and_says_how(tmp_path):
    d = lay(tmp_path, *(f"w{i}/{part}/a.png" for i in range(6) for part in ("images", "masks")))
    parts = load(d)
    assert {p: len(ds) for p, ds in parts.items()} == {"train": 4, "valid": 1, "test": 1}
    says = "images split by subfolders: 4 for train (4 groups), 1 for valid (w4), 1 for test (w5)"
    assert all(meta(ds)["notes"] == [says] for ds in parts.values())
    assert list(load(d, valid=0, test=0)) == ["train"] and list(load(d, test=0)) == [
        "train",
        "valid",
    ]
    assert rows_of(load(d, split_by=r"w(\d)"))["test"] == [("w5/a", "5")]
    assert load(d, split_by="file")["train"].column_names == parts["train"].column_names
    assert "already" in complaint(split, parts)
    dataloaders(parts, size=32, bs=2, batches=1, device="cpu").one_batch()


def test_too_few_groups_name_the_ways_out(tmp_path):
    d = lay(tmp_path, "images/a.png", "masks/a.png")
    text = complaint(load, d)
    assert "1 image in 1 group cannot" in text and "split_by='block'" in text and "valid=0" in text
    assert len(load(d, valid=0)["train"]) == 1
    lay(tmp_path, "images/b.png", "masks/b.png")
    assert list(load(d)) == ["train", "valid"] and "into 3 parts" in complaint(load, d, test=0.2)
    assert "too few groups for a part test" in meta(load(d))["notes"][-1]
    assert "too few" not in meta(load(d, test=0))["notes"][-1]


def test_a_share_is_met_as_nearly_as_whole_groups_allow(tmp_path):
    d = lay(tmp_path, *(f"{part}/{i}.png" for i in range(12) for part in ("images", "masks")))
    assert [len(ds) for ds in load(d).values()] == [8, 2, 2]


@pytest.mark.parametrize("val", ["valid", "val", "Validation", "dev"])
def test_a_folder_keeps_the_parts_it_has(tmp_path, val):
    part = dict(train=3, **{val: 2}, test=1)
    files = [
        f"{p}/{k}/{i}.png" for p, n in part.items() for i in range(n) for k in ("images", "masks")
    ]
    parts = load(lay(tmp_path, *files), valid=0.5, test=0.5)
    assert {p: len(ds) for p, ds in parts.items()} == {"train": 3, "valid": 2, "test": 1}
    assert "parts that were there" in meta(parts)["notes"][-1]
    assert sum(len(ds) for ds in load(tmp_path, split_by="block").values()) == 6


def test_a_missing_part_for_validation_comes_from_train(tmp_path):
    names = [f"{part}/w{i}/a.png" for part in ("train", "test") for i in range(3)]
    d = lay(tmp_path, *(f"{k}/{name}" for name in names for k in ("images", "masks")))
    parts = load(d)
    assert [g for _, g in rows_of(parts)["valid"]] == ["train/w2"] and len(parts["test"]) == 3
    note = meta(parts)["notes"][-1]
    assert "valid was taken from train" in note and "w0 is in train and in another part" in note


def test_split_by_what_cannot_be(tmp_path):
    d = lay(tmp_path, *(f"{k}/s{i}.png" for k in ("images", "masks") for i in range(3)))
    for wrong, says in {
        "wafer": "has no group",
        r"w(\d)": "does not fit s0",
        "(": "regular",
    }.items():
        assert says in complaint(load, d, split_by=wrong)
    assert "valid=1" in complaint(load, d, valid=1) and "test=-1" in complaint(load, d, test=-1)


# --- what would be learned from nothing --------------------------------------------------------


@pytest.mark.parametrize(
    "numbers, how, cure",
    [
        ([0, 255], dict(classes=["membrane", "cell", "x"]), "values={0: 0, 255: 1}"),
        ([255], dict(classes=["membrane", "cell", "x"]), "values={0: 0, 255: 1}"),
        ([0, 255], dict(values={0: 0}), "values={0: 0, 255: 1}"),
        ([0, 7], dict(values={0: 0, 7: 255}), "values={0: 0, 7: 1}"),
        ([0, 128, 255], {}, "values={0: 0, 128: 1, 255: 2}"),
        ([1, 2], dict(classes=["a", "b"]), "values={1: 0, 2: 1}"),
        ([0, 1], dict(classes=["membrane"]), "classes=['background', 'membrane']"),
        ([0, 1], dict(classes=["a", "a"]), "classes=['background', 'membrane']"),
        ([0, 1], dict(values={0: 0, 1: 300}), "255 = ignore"),
    ],
    ids=str,
)
def test_masks_that_teach_nothing_are_refused_with_the_cure(tmp_path, numbers, how, cure):
    m = np.array(numbers, np.uint8)[RNG.integers(0, len(numbers), (24, 32))]
    d = folder(tmp_path, {"a.png": grey()}, {"a.png": m})
    assert cure in complaint(load_pairs, d, **how)


@pytest.mark.parametrize(
    "numbers, how, note",
    [
        ([0, 1], dict(classes=["gap", "metal", "via"]), "in no mask: via"),
        ([0, 2, 3], {}, "in no mask: class 1"),
        ([1, 2], {}, "values={1: 0, 2: 1}"),
        ([0], dict(values={0: 0, 1: 1}), "all masks hold one class only"),
        (range(12), {}, "numbers of objects"),
        ([0, 1, 255], dict(values={0: 0, 1: 1}), "255 is read as 'ignore'"),
    ],
    ids=str,
)
def test_what_may_be_a_mistake_is_a_note(tmp_path, numbers, how, note):
    m = np.array(numbers, np.uint8)[RNG.integers(0, len(numbers), (24, 32))]
    ds = load_pairs(folder(tmp_path, {"a.png": grey()}, {"a.png": m}), **how)
    assert note in " ".join(meta(ds)["notes"])


def test_numbers_below_zero_can_be_named(tmp_path):
    m = RNG.integers(-1, 2, (24, 32)).astype(np.int16)
    d = folder(tmp_path, {"a.png": grey()}, {"a.tif": m})
    assert "values={-1: 255, 0: 0, 1: 1}" in complaint(load_pairs, d)
    _, read = sample(load_pairs(d, values={-1: 255, 0: 0, 1: 1}), 0)
    assert torch.equal(read, torch.from_numpy(np.where(m < 0, 255, m)).long())


def painted(*colours, h=24, w=32):
    return np.array(colours, np.uint8)[RNG.integers(0, len(colours), (h, w))]


BLACK, RED, BLUE = (0, 0, 0), (255, 0, 0), (0, 0, 255)


def test_colours_are_counted_and_the_cure_can_be_typed(tmp_path):
    d = folder(
        tmp_path,
        {"a.png": grey(), "b.png": grey()},
        {
            "a.png": painted(BLACK, BLACK, BLACK, RED),
            "b.png": painted(BLACK, BLACK, RED, RED, BLUE),
        },
    )
    text = complaint(load_pairs, d)
    assert "2 of 2 masks" in text
    cure = eval(text.partition("colours=")[2])
    assert cure == {BLACK: 0, RED: 1, BLUE: 2} and list(cure) == [BLACK, RED, BLUE]
    assert not meta(load_pairs(d, colours=cure))["notes"]
    notes = meta(load_pairs(d, colours={RED: 1}))["notes"]
    assert "colours are not named" in notes[0] and f"{BLACK}, {BLUE}" in notes[0]
    text = complaint(load_pairs, d, colours={BLACK: 0, RED: 1})
    assert "leaves out" in text and eval(text.rpartition("colours=")[2]) == cure
    assert f"they hold colours={cure}" in complaint(load_pairs, d, colours={(1, 2, 3): 1})
    assert "values and colours" in complaint(load_pairs, d, colours={RED: 1}, values={0: 0})
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(d / "masks/a.png")  # an empty mask in grey
    assert "1 of 2 masks" in complaint(load_pairs, d)
    assert sample(load_pairs(d, colours=cure), 0)[1].max() == 0


def test_smoothed_colours_are_refused_and_paint_over_grey_is_not(tmp_path):
    smooth = np.asarray(Image.fromarray(painted(BLACK, RED, BLUE)).resize((320, 240)))
    d = folder(tmp_path / "a", {"a.png": grey(240, 320)}, {"a.png": smooth})
    for how in ({}, dict(colours={RED: 1, BLUE: 2})):
        text = complaint(load_pairs, d, **how)
        assert "without smoothing" in text and "more than 1000" in text
    over = np.repeat(grey()[..., None], 3, -1)
    over[:4], over[4:6] = RED, BLUE
    d = folder(tmp_path / "b", {"a.png": grey()}, {"a.png": over})
    assert "colours={(255, 0, 0): 1, (0, 0, 255): 2}" in complaint(load_pairs, d)
    assert "(greys)" in meta(load_pairs(d, colours={RED: 1, BLUE: 2}))["notes"][0]
    white = np.asarray(Image.fromarray(binary() * 255).resize((320, 240)))  # smoothed, in grey
    d = folder(tmp_path / "c", {"a.png": grey(240, 320)}, {"a.png": white})
    assert "without smoothing" in complaint(load_pairs, d, colours={(255, 255, 255): 1})


def test_a_palette_is_numbers_unless_colours_are_named(tmp_path):
    m = binary()
    d = folder(tmp_path, {"a.png": grey()}, {})
    mask = Image.fromarray(m)
    mask.putpalette([*BLACK, *RED])
    mask.save(d / "masks/a.png")
    for how in ({}, dict(colours={RED: 1})):
        assert torch.equal(sample(load_pairs(d, **how), 0)[1], torch.from_numpy(m).long())


# --- the hub, without a network ----------------------------------------------------------------


def from_the_hub(monkeypatch, repo, **parts):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda repo: datasets.DatasetDict(parts))
    return f"hf://{repo}"


def hub_part(n, mask=binary, **more):
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    cells = {
        k: [Image.fromarray(f()) for _ in range(n)] for k, f in (("image", grey), ("mask", mask))
    }
    kinds = dict.fromkeys(cells, ImageFeature()) | dict.fromkeys(more, Value("string"))
    return Dataset.from_dict(cells | more, features=Features(kinds))


@pytest.mark.parametrize(
    "there, sizes, note",
    [
        (dict(train=10), [6, 2, 2], "split by runs"),
        (dict(test=10), [6, 2, 2], "split by runs"),
        (dict(train=10, test=3), [8, 2, 3], "valid was taken from train"),
        (dict(train=5, validation=2), [5, 2], "parts that were there"),
        (dict(train=5, validation=2, test=1), [5, 2, 1], "parts that were there"),
        (dict(fold1=5, fold2=5), [6, 2, 2], "split by runs"),
    ],
    ids=str,
)
def test_the_hub_is_split_like_a_folder(monkeypatch, there, sizes, note):
    at = from_the_hub(monkeypatch, "a/b", **{p: hub_part(n) for p, n in there.items()})
    parts = load(at)
    assert [len(ds) for ds in parts.values()] == sizes and note in meta(parts)["notes"][-1]
    assert list(parts) == ["train", "valid", "test"][: len(sizes)]


def test_a_repository_of_parquet_files_is_read_by_datasets_itself(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    (tmp_path / "repo").mkdir()
    for part, n in (("train", 4), ("validation", 2)):
        hub_part(n).to_parquet(tmp_path / f"repo/{part}-00000-of-00001.parquet")
    parts = load(f"hf://{tmp_path}/repo")
    assert {p: len(ds) for p, ds in parts.items()} == {"train": 4, "valid": 2}
    assert sample(parts["valid"], 1)[1].max() == 1


def test_masks_of_the_hub_mean_the_same_in_all_parts(monkeypatch):
    parts = dict(
        train=hub_part(3), validation=hub_part(1), test=hub_part(1, lambda: binary() * 255)
    )
    ds = load(from_the_hub(monkeypatch, "a/b", **parts))
    assert set(sample(ds["test"], 0)[1].unique().tolist()) == {0, 255}, "255 is ignore: 1 is there"
    at = from_the_hub(monkeypatch, "a/b", train=hub_part(5, lambda: painted(BLACK, RED)))
    assert "colours={" in complaint(load, at)
    assert sample(load(at, colours={BLACK: 0, RED: 1}, pixel_nm=2)["train"], 0)[1].max() == 1


def test_options_of_the_hub_are_checked_before_it_is_asked(monkeypatch):
    at = from_the_hub(monkeypatch, "a/b")
    for wrong in (dict(pixel_nm=0), dict(classes="ab"), dict(valid=1), dict(split_by="(")):
        assert next(iter(wrong)) in complaint(load, at, **wrong)


def test_fractions_in_a_mask_of_the_hub_are_refused(monkeypatch):
    half = hub_part(4, lambda: binary().astype(np.float32) / 2)
    assert "fractions" in complaint(load, from_the_hub(monkeypatch, "a/b", train=half))


def test_the_groups_of_the_hub_stay_together(monkeypatch):
    at = from_the_hub(monkeypatch, "a/b", train=hub_part(6, group=list("aabbcc")))
    assert [g for rows in rows_of(load(at)).values() for _, g in rows] == list("aabbcc")


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
        "no option n; choose from classes, values, colours, pixel_nm, bar, "
        "valid, test, split_by" in says
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


def test_no_bar_of_a_download_that_cannot_be(tmp_path, monkeypatch, capsys):
    "A bar that stays at 0 % looks like a program that hangs."
    monkeypatch.setenv("UNET_EXPLORER_DATA", str(tmp_path))
    monkeypatch.setenv("UNET_EXPLORER_REQUIRE_DATA", "0")
    for key in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(key, "http://127.0.0.1:9")
    data.load("isbi2012", fallback=True)
    said = capsys.readouterr()
    assert "using simulated images instead" in said.out and "downloading" not in said.err


# --- what a package ships, and sets of other fields --------------------------------------------


def test_nuclei_come_with_a_package_and_no_nucleus_is_in_two_parts():
    pytest.importorskip("stardist")
    ds = load("nuclei")
    assert [sample(ds[p], 0)[0].shape[2] for p in ("train", "valid", "test")] == [240, 80, 128]
    labels = data.load_mask(data.fetch("nuclei")["mask2d.tif"]).numpy()
    seen = [set(np.unique(labels[:, a:b])) - {0} for a, b in ((0, 240), (272, 352), (384, 512))]
    assert not seen[0] & seen[1] and not seen[1] & seen[2] and len(seen[2]) == 30
    image, mask = sample(ds["test"], 0)
    assert torch.equal(mask, torch.from_numpy(labels[:, 384:] > 0).long())
    assert float(image[0][mask == 1].mean()) > 3 * float(image[0][mask == 0].mean())


def test_a_set_of_a_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    assert "pip install 'unet-explorer[beyond]'" in complaint(load, "nuclei")
    monkeypatch.delenv("UNET_EXPLORER_REQUIRE_DATA", raising=False)
    assert meta(load("nuclei", fallback=True))["name"] == "simulated"


def test_another_file_in_the_package_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "data/images/img2d.tif").write_bytes(b"another")
    spec = type("Spec", (), dict(origin=str(tmp_path / "__init__.py")))
    monkeypatch.setattr(data, "find_spec", lambda name: spec)
    assert "another img2d.tif" in complaint(load, "nuclei")


def labelled_like(numbers):
    "A mask `(24 32)` that holds each of `numbers`, in columns."
    return np.tile(np.resize(np.array(numbers, np.uint8), 32), (24, 1))


def a_repository(folder, numbers, mask="label", **parts):
    "Parquet files of pictures and masks as they lie on the hub; a number of None: no masks."
    from datasets import Dataset, Features
    from datasets import Image as ImageFeature

    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in parts.items():
        hidden = part == "test"  # as in public contests
        rows = {
            "image": [Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))] * n,
            mask: [None if hidden else Image.fromarray(labelled_like(numbers))] * n,
        }
        kinds = Features(dict.fromkeys(rows, ImageFeature()))
        Dataset.from_dict(rows, features=kinds).to_parquet(folder / f"{part}-0.parquet")
    return f"hf://{folder}"


@pytest.fixture
def offline_hub(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    return tmp_path / "repo"


def test_a_set_like_loveda_needs_one_line(offline_hub):
    at = a_repository(offline_hub, range(8), train=6, validation=2, test=3)
    names = ["background", "building", "road", "water", "barren", "forest", "agricultural"]
    ds = load(at, classes=names, values={0: 255} | {i: i - 1 for i in range(1, 8)})
    assert {p: len(d) for p, d in ds.items()} == {"train": 6, "valid": 2}
    image, mask = sample(ds["train"], 0)
    assert image.shape == (3, 24, 32) and mask[0, :9].tolist() == [255, 0, 1, 2, 3, 4, 5, 6, 255]
    notes = " ".join(meta(ds)["notes"])
    assert "left out: 3 row(s) without a mask" in notes and "ignored: 12.5% of pixels" in notes


def test_a_set_like_cityscapes_needs_one_line(offline_hub):
    at = a_repository(offline_hub, [0, 7, 8, 11, 23, 26, 33, 255], "semantic_segmentation", train=9)
    wanted = {7: 0, 8: 1, 11: 2, 23: 3, 26: 4}
    ds = load(at, values=dict.fromkeys(range(34), 255) | wanted, rows=5)
    assert sum(map(len, ds.values())) == 5 and len(meta(ds)["classes"]) == 5
    assert sample(ds["train"], 0)[1][0, :8].tolist() == [255, 0, 1, 2, 3, 4, 255, 255]
    assert "does not name" in complaint(load, at, values=wanted)


def test_masks_of_the_hub_fit_their_pictures_and_there_are_some(monkeypatch, offline_hub):
    part = hub_part(2, mask=lambda: binary()[::2])
    assert "they must be equal" in complaint(load, from_the_hub(monkeypatch, "a/b", train=part))
    monkeypatch.undo()
    assert "none of its 3 rows has a mask" in complaint(
        load, a_repository(offline_hub, range(3), test=3)
    )


def test_every_lesson_named_in_the_catalogue_exists():
    table = catalogue(lessons=True)
    for name, row in table.iterrows():
        assert row["licence"] and row["cite"], name
        for stem in row["lessons"].split(", "):
            text = (ROOT / f"nbs/{stem}.ipynb").read_text(encoding="utf-8")
            assert re.match(r"[a-z]+", name, re.I)[0] in text, (name, stem)
