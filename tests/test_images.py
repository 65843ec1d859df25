"Pictures of any size: what is sliced equals what is loaded; what is refused, in one line."

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from unet_explorer import images
from unet_explorer.contracts import InputError
from unet_explorer.files import load_image, load_mask, n_pages, open_image
from unet_explorer.headers import pixel_size_nm
from unet_explorer.images import Picture, as_picture, to_image

RNG = np.random.default_rng(0)
KINDS = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "float16", "float32", "float64"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (61, 47), (33, 40, 3), (33, 40, 4)], ids=str)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_a_slice_equals_the_slice_of_the_whole(tmp_path, kind, shape, channels):
    a = (RNG.random(shape) * (1 if kind == "bool" else 100)).round().astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", a, photometric="rgb" if len(shape) == 3 else "minisblack")
    whole, opened = (
        load_image(tmp_path / "a.tif", channels),
        open_image(tmp_path / "a.tif", channels),
    )
    assert opened.shape == whole.shape and whole.dtype == torch.float32
    for where in [(slice(0, 20), slice(3, 30)), (slice(5, None), slice(None)), (slice(None),) * 2]:
        for cut in ((Ellipsis, *where), (slice(None), *where)):
            torch.testing.assert_close(opened[cut], whole[cut], rtol=0, atol=1e-6)
    assert 0 <= whole.min() and whole.max() <= 1
    torch.testing.assert_close(to_image(opened), whole, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["uint16", "int16", ">u2", "int32", "float32"])
@pytest.mark.parametrize("n", [1, 2, 7, 1000, 30_001])
def test_percentiles_are_those_of_numpy(kind, n):
    a = (RNG.standard_normal((n, 1)) * 3000).clip(0 if "u" in kind else -32768).astype(kind)
    shares = (0, 0.1, 12.5, 50, 99.9, 100)
    np.testing.assert_allclose(images.percentiles(a, shares), np.percentile(a, shares), atol=1e-9)


def test_a_plain_tiff_stays_on_the_disk_and_nothing_is_copied(tmp_path):
    a = RNG.integers(0, 256, (300, 200), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", a)
    tifffile.imwrite(tmp_path / "zip.tif", a, compression="zlib")
    tifffile.imwrite(tmp_path / "white.tif", a, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([a // 2, a]), photometric="minisblack")
    plain = open_image(tmp_path / "plain.tif")
    assert isinstance(plain.pixels, np.memmap) and not plain.pixels.flags.writeable
    assert torch.equal(open_image(tmp_path / "zip.tif")[:], plain[:])
    assert torch.equal(open_image(tmp_path / "stack.tif", page=1)[:], plain[:])
    torch.testing.assert_close(1 - open_image(tmp_path / "white.tif")[:], plain[:])
    colour = plain.with_channels(3)
    assert colour.shape == (3, 300, 200) and plain.shape == (1, 300, 200)
    assert np.shares_memory(colour.pixels, plain.pixels)
    assert as_picture(plain) is plain and as_picture(plain, 3).channels == 3
    assert as_picture(a).pixels.base is a


def test_the_scale_of_a_part_is_that_of_the_whole(tmp_path):
    a = np.full((50, 60), 1000, np.uint16)
    a[:25] = 3000
    tifffile.imwrite(tmp_path / "a.tif", a)
    opened = open_image(tmp_path / "a.tif")
    assert opened[:, :10].eq(1).all() and opened[:, 30:].eq(0).all()
    assert open_image(tmp_path / "a.tif", scale="dtype")[:, :10].eq(3000 / 65535).all()


def test_large_files_are_no_attack(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_image(tmp_path / "a.png").shape == (1, 40, 50)
    assert Image.MAX_IMAGE_PIXELS == 100
    import psutil

    class Full:
        available = 1999

    monkeypatch.setattr(psutil, "virtual_memory", Full)
    with pytest.raises(InputError, match="50x40 pixels do not fit .*; save it as a TIFF"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize("bad", [None, 3, np.nan, "x", [], [[1], [1, 2]], {}, np.zeros(3)], ids=str)
def test_no_picture_at_all(bad, tmp_path):
    for f in (to_image, as_picture, Picture, images.check_image):
        with pytest.raises(InputError) as e:
            f(bad)
        assert "\n" not in str(e.value)
    with pytest.raises(InputError):
        images.show_grid([bad])
    for f in (images.overlay, lambda a, b: images.error_overlay(a, b, b)):
        with pytest.raises(InputError):
            f(torch.zeros(1, 5, 5), bad)
    with pytest.raises(InputError):
        images.save_image(tmp_path / "a.png", bad)
    with pytest.raises(InputError):
        images.save_mask(tmp_path / "a.png", bad)


@pytest.mark.parametrize("bad", [None, 3, np.nan, [], "no\0path"], ids=repr)
def test_no_path_at_all(bad):
    for f in (load_image, open_image, load_mask, n_pages, pixel_size_nm):
        with pytest.raises(InputError):
            f(bad)


@pytest.mark.parametrize("where", [3, (0, 1, 2), (slice(None),) * 4, (None, slice(3))], ids=str)
def test_only_slices(where):
    with pytest.raises(InputError, match=r"use picture\[:, rows, cols\]"):
        Picture(np.zeros((9, 9)))[where]


def test_a_mask_shows_its_classes_and_keeps_its_numbers(tmp_path):
    mask = torch.tensor([[0, 1, 2], [7, 254, 255]])
    images.save_mask(tmp_path / "m.png", mask)
    with Image.open(tmp_path / "m.png") as file:
        seen = np.asarray(file.convert("RGB"))
        assert np.array_equal(np.asarray(file), mask.numpy())
    assert [tuple(c) for c in seen[0]] == images.OKABE_ITO[:3]
    assert torch.equal(load_mask(tmp_path / "m.png"), mask)
    many = torch.tensor([[0, 255, 256, 65535]])
    for name in ("n.png", "n.tif"):
        images.save_mask(tmp_path / name, many)
        assert torch.equal(load_mask(tmp_path / name), many)
    with pytest.raises(InputError, match="BMP has 8 bits"):
        images.save_mask(tmp_path / "n.bmp", many)


@pytest.mark.parametrize(
    "width, nm, label, length",
    [(512, 4, "500 nm", 125), (1000, 1, "200 nm", 200), (100, 0.01, "0.2 nm", 20)]
    + [(2000, 50, "20 µm", 400), (4, 1e6, "1 mm", 1), (1, 1, "0.2 nm", 0.2)],
)
def test_a_scale_bar_has_a_round_length(width, nm, label, length):
    assert images.scale_bar(width, nm) == (pytest.approx(length), label)


def test_the_strip_below_an_overlay_covers_nothing(tmp_path):
    image, mask = torch.full((1, 30, 40), 0.5), torch.zeros(30, 40, dtype=torch.long)
    images.save_overlay(tmp_path / "bare.png", image, mask)
    how = dict(classes=["ground", "metal", "a very long name of a class"], pixel_nm=3.0)
    images.save_overlay(tmp_path / "full.png", image, mask, **how)
    bare, full = (load_image(tmp_path / f"{n}.png") for n in ("bare", "full"))
    assert torch.equal(full[:, :30, :40], bare) and full.shape[1] > 30
    strip = full[:, 30:].movedim(0, -1).reshape(-1, 3)
    for colour in images.OKABE_ITO[:3]:
        assert (strip * 255 == torch.tensor(colour)).all(1).any(), colour


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_that_was_cut_off_is_not_its_first_page(tmp_path, compression, capfd):
    "tifffile prints it and goes on with what is there; we refuse, in one line."
    pages = np.random.default_rng(0).integers(0, 255, (5, 40, 60), np.uint8)
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, pages, photometric="minisblack", compression=compression)
    assert n_pages(whole) == 5 and load_image(whole, page=4).shape == (1, 40, 60)
    data, cut = whole.read_bytes(), tmp_path / "cut.tif"
    cut.write_bytes(data[: len(data) * 3 // 5])
    for read in (n_pages, load_image, pixel_size_nm, lambda path: load_image(path, page=0)):
        with pytest.raises(InputError, match="cut short or damaged") as e:
            read(cut)
        assert "\n" not in str(e.value) and "copy or export it again" in str(e.value)
    assert not capfd.readouterr().err


@pytest.mark.parametrize("far", [-3.4e38, -9999, 1e30])
def test_a_border_without_data_is_refused(far):
    a = np.random.default_rng(0).random((50, 60)).astype(np.float32)
    a[:3] = far
    with pytest.raises(InputError, match="no data; crop it away"):
        Picture(a)


def test_saturated_and_two_valued_pictures_are_no_border():
    a = np.random.default_rng(0).random((50, 60)) * 9
    for picture in (np.where(a > 5, 7.0, 0.0), a.clip(2, 6), np.where(a > 4, a, 0.0)):
        assert float(to_image(picture).max()) == 1
