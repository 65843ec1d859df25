"Odd files, made on the fly: the right values for each, or one line that says why not."

import contextlib
import io
import os
import resource
import struct
import subprocess
import sys
import time
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps

from unet_explorer import files
from unet_explorer.contracts import InputError
from unet_explorer.files import (
    contents,
    em_signal,
    is_plain,
    load_image,
    load_mask,
    n_pages,
    not_read,
    open_image,
    opened_tiff,
    turned,
)

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)


def complaint(f, *args, **kwargs):
    "The one line of an `InputError`."
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    assert "\n" not in str(e.value) and len(str(e.value)) < 600
    return str(e.value)


def ifd(tags, at, after=0):
    "A directory of a classic little-endian TIFF: tags are (code, type, count, value)."
    body = b"".join(struct.pack("<HHII", *t) for t in sorted(tags))
    return struct.pack("<H", len(tags)) + body + struct.pack("<I", after)


IMOD = 1146047817


def tiny_tiff(path, width, height, data, *, nxt=0, without=(), **change):
    "A TIFF of one strip, tag by tag: `bits=4`, `kind=0`, `packed=8`, ..."
    how = dict(bits=8, packed=1, kind=1, samples=1) | change
    n = 9 - len(without)
    start = 8 + 2 + 12 * n + 4
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, how["bits"]),
        (259, 3, 1, how["packed"]),
        (262, 3, 1, how["kind"]),
        (273, 4, 1, start),
        (277, 3, 1, how["samples"]),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    tags = [t for t in tags if t[0] not in without]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + ifd(tags, 8, nxt) + data)
    return path


def numbers(path, **kwargs):
    "What a picture is made of, as stored."
    a = open_image(path, **kwargs).pixels
    return np.asarray(a[..., 0] if a.shape[-1] == 1 else a)


# --- sides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["tif", "zip.tif", "png", "jpg"])
def test_picture_and_mask_are_turned_alike_as_pillow_shows_them(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    a = np.kron(RNG.integers(0, 2, (2, 3), np.uint8), np.ones((16, 16), np.uint8)) * 200
    a[:16, :16], a[:16, 16:32] = 200, 90
    if path.suffix == ".tif":
        extra = [(274, 3, 1, orientation, False)]
        packed = "zlib" if "zip" in suffix else None
        tifffile.imwrite(path, a, extratags=extra, metadata=None, compression=packed)
    else:
        picture = Image.fromarray(a)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(path, exif=exif, **dict(quality=100) if suffix == "jpg" else {})
    stored = a
    if suffix == "jpg":
        with Image.open(path) as f:
            stored = np.array(f)
    marked = Image.fromarray(stored)
    marked.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(marked))
    assert shown.shape == ((48, 32) if orientation > 4 else (32, 48))
    assert np.array_equal(numbers(path), shown)
    assert contents(path)[1:3] == shown.shape and n_pages(path) == 1
    assert open_image(path)[:, 5:20, 3:].shape[1:] == shown[5:20, 3:].shape
    torch.testing.assert_close(load_image(path)[0], torch.from_numpy(shown / 255).float())
    if suffix != "jpg":
        assert np.array_equal(load_mask(path).numpy(), shown)
        assert is_plain(path) == (suffix == "png" and orientation == 1)


def test_a_turned_picture_stays_on_the_disk(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, 3, 1, 6, False)])
    opened = open_image(tmp_path / "a.tif")
    assert isinstance(opened.pixels, np.memmap) and opened.shape == (1, 9, 6)


@pytest.mark.parametrize("bad", [0, 9, -1, 1.5, "6", None])
def test_only_eight_orientations(bad, tmp_path):
    assert "a whole number from 1 to 8" in complaint(turned, GREY, bad)
    if bad in (0, 9):  # a file that says so says nothing
        tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, 3, 1, bad, False)])
        assert np.array_equal(numbers(tmp_path / "a.tif"), GREY)


# --- pages ------------------------------------------------------------------------------------


def slices(n, h=20, w=30):
    return RNG.integers(0, 256, (n, h, w), np.uint8)


def test_ten_slices_and_a_thumbnail_are_ten_pages(tmp_path):
    stack, thumb, path = slices(10), slices(1, 5, 7)[0], tmp_path / "a.tif"
    for first in (True, False):
        with tifffile.TiffWriter(path) as f:
            if first:
                f.write(thumb, metadata=None)
            for page in stack:
                f.write(page, metadata=None)
            if not first:
                f.write(thumb, metadata=None)
        assert n_pages(path) == 10
        assert contents(path) == (10, 20, 30, ["1 other picture of 7x5 pixels is left out"])
        for i in range(10):
            assert np.array_equal(numbers(path, page=i), stack[i])
        assert "a stack of 10 pages" in complaint(load_image, path)
        assert "page 10 of a file with 10" in complaint(load_image, path, page=10)


def test_slices_of_one_size_belong_together_however_they_are_packed(tmp_path):
    stack, path = slices(4), tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as f:
        for page, packed in zip(stack, [None, "zlib", "lzw", None]):
            f.write(page, compression=packed, metadata=None)
    assert n_pages(path) == 4
    assert all(np.array_equal(numbers(path, page=i), stack[i]) for i in range(4))


def test_an_imagej_stack_with_one_directory_has_all_its_slices(tmp_path):
    stack, path = slices(5), tmp_path / "a.tif"
    text = b"ImageJ=1.54f\nimages=5\nslices=5\n\0"
    n = 10
    start = 8 + 2 + 12 * n + 4
    tags = [(256, 4, 1, 30), (257, 4, 1, 20), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(270, 2, len(text), start), (273, 4, 1, start + len(text)), (277, 3, 1, 1)]
    tags += [(278, 4, 1, 20), (279, 4, 1, 600)]
    whole = b"II*\0" + struct.pack("<I", 8) + ifd(tags, 8) + text + stack.tobytes()
    path.write_bytes(whole)
    assert contents(path) == (5, 20, 30, [])
    for i in range(5):
        assert np.array_equal(numbers(path, page=i), stack[i])
    path.write_bytes(whole[:-700])
    for read in (n_pages, load_image, contents, lambda p: load_image(p, page=0)):
        assert "cut short or damaged" in complaint(read, path)


def test_of_a_pyramid_the_finest_level_is_read(tmp_path):
    a, path = slices(1, 64, 96)[0], tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as f:
        f.write(a, subifds=2, metadata=None)
        f.write(a[::2, ::2], subfiletype=1, metadata=None)
        f.write(a[::4, ::4], subfiletype=1, metadata=None)
    assert contents(path) == (
        1,
        64,
        96,
        ["smaller pictures of it are left out: 48x32, 24x16 pixels"],
    )
    assert np.array_equal(numbers(path), a)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX", "TZCYX"])
@pytest.mark.parametrize("ending", ["ome.tif", "tif", "imagej.tif"])
def test_each_plane_of_a_series_is_a_page(tmp_path, axes, ending):
    shape = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}
    a = RNG.integers(0, 4000, [shape[x] for x in axes]).astype(np.uint16)
    path = tmp_path / f"a.{ending}"
    how = dict(imagej=True) if "imagej" in ending else {}
    tifffile.imwrite(path, a, metadata=dict(axes=axes), photometric="minisblack", **how)
    planes = a.reshape(-1, 20, 30)
    what = contents(path)
    assert what[:3] == (len(planes), 20, 30)
    assert ("channels" in " ".join(what.notes)) == ("C" in axes)
    for i in range(len(planes)):
        assert np.array_equal(numbers(path, page=i), planes[i])
        assert np.array_equal(load_mask(path, page=i).numpy(), planes[i])


def test_a_file_of_several_files_gives_its_own_pages(tmp_path):
    "An OME set of two files: each gives what lies in itself, so that nothing is read twice."
    a = slices(2)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{me}"><Image'
        ' ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="30" '
        'SizeY="20" SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>'
        '<TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="a0.ome.tif">urn:uuid:0</UUID>'
        '</TiffData><TiffData FirstZ="1" IFD="0" PlaneCount="1"><UUID FileName="a1.ome.tif">'
        "urn:uuid:1</UUID></TiffData></Pixels></Image></OME>"
    )
    for i in range(2):
        how = dict(description=xml.replace("{me}", str(i)), metadata=None)
        tifffile.imwrite(tmp_path / f"a{i}.ome.tif", a[i], **how)
    for i in range(2):
        assert contents(tmp_path / f"a{i}.ome.tif") == (1, 20, 30, [])
        assert np.array_equal(numbers(tmp_path / f"a{i}.ome.tif"), a[i])


def test_layers_inside_a_page_are_pages(tmp_path):
    a, path = slices(4, 32, 48), tmp_path / "a.tif"
    tifffile.imwrite(path, a, tile=(4, 16, 16), photometric="minisblack", volumetric=True)
    assert contents(path)[:3] == (4, 32, 48)
    assert all(np.array_equal(numbers(path, page=i), a[i]) for i in range(4))


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, slices(3), photometric="minisblack")
    assert n_pages(path) == 3
    tifffile.imwrite(path, slices(7), photometric="minisblack")
    assert n_pages(path) == 7


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("packed", [None, "zlib"])
def test_white_is_zero_is_the_negative_of_the_type(tmp_path, kind, packed):
    a = RNG.integers(3, 90, (5, 7)).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", a, photometric="miniswhite", compression=packed)
    seen = numbers(tmp_path / "a.tif")
    assert np.array_equal(seen, np.iinfo(kind).max - a) and seen.dtype == a.dtype


def test_white_is_zero_in_every_depth(tmp_path):
    row = np.array([[0, 1, 1, 0, 0, 0, 0, 1]], np.uint8)
    one = tiny_tiff(tmp_path / "1.tif", 8, 1, np.packbits(row).tobytes(), bits=1, kind=0)
    assert load_image(one)[0].tolist() == (1 - row).tolist()
    assert load_mask(one).tolist() == (1 - row).tolist()
    four = tiny_tiff(tmp_path / "4.tif", 4, 1, bytes([0x0F, 0x1E]), bits=4, kind=0)
    assert numbers(four).tolist() == [[255, 0, 238, 17]]
    twelve = tiny_tiff(tmp_path / "12.tif", 2, 1, bytes([0x00, 0x1F, 0xFF]), bits=12, kind=0)
    assert numbers(twelve).tolist() == [[4094, 0]]
    signed = RNG.integers(-99, 99, (4, 5)).astype(np.int16)
    tifffile.imwrite(tmp_path / "i.tif", signed, photometric="miniswhite")
    assert np.array_equal(numbers(tmp_path / "i.tif"), -1 - signed)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("top", [0.7, 1, 60])
def test_white_is_zero_of_floats_does_not_depend_on_the_picture(tmp_path, kind, top):
    a = np.array([[0.0, 0.25, 0.5, top]], kind)
    tifffile.imwrite(tmp_path / "f.tif", a, photometric="miniswhite")
    seen = numbers(tmp_path / "f.tif")
    assert seen.dtype == a.dtype and seen[0, :3].tolist() == [1.0, 0.75, 0.5]
    x = load_image(tmp_path / "f.tif")[0, 0].tolist()
    assert x == sorted(x, reverse=True) and 0 <= x[-1] < x[0] <= 1


def test_white_is_zero_in_a_mask(tmp_path):
    two = np.array([[0, 255, 255]], np.uint8)
    tifffile.imwrite(tmp_path / "two.tif", two, photometric="miniswhite")
    assert load_mask(tmp_path / "two.tif").tolist() == [[255, 0, 0]]
    tifffile.imwrite(tmp_path / "many.tif", two // 100, photometric="miniswhite")
    assert "white is zero" in complaint(load_mask, tmp_path / "many.tif")
    tifffile.imwrite(tmp_path / "f.tif", np.float32([[0, 1, 1]]), photometric="miniswhite")
    assert load_mask(tmp_path / "f.tif").tolist() == [[1, 0, 0]]
    for other in (np.float32([[0, 1, 2]]), np.int16([[0, 1, 1]])):
        tifffile.imwrite(tmp_path / "o.tif", other, photometric="miniswhite")
        assert "white is zero" in complaint(load_mask, tmp_path / "o.tif")


def test_true_and_false_written_by_tifffile_are_meant_as_stored(tmp_path):
    row = np.array([[0, 1, 1, 0, 0, 0, 0, 1]], bool)
    tifffile.imwrite(tmp_path / "a.tif", row)
    assert load_mask(tmp_path / "a.tif").tolist() == row.astype(int).tolist()
    assert load_image(tmp_path / "a.tif")[0].tolist() == row.astype(float).tolist()
    assert contents(tmp_path / "a.tif").notes == []


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_that_white_is_zero_is_told(tmp_path, kind):
    row = np.array([[0, 1, 1, 0, 0, 0, 0, 1]]) * (1 if kind is bool else 255)
    how = dict(photometric="miniswhite", software="ImageJ", metadata=None)
    tifffile.imwrite(tmp_path / "a.tif", row.astype(kind), **how)
    assert load_mask(tmp_path / "a.tif").tolist() == (row.max() - row).tolist()
    assert "values={0: 1, 1: 0}" in " ".join(contents(tmp_path / "a.tif").notes)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_picture_in_the_alpha_channel_alone_is_refused(tmp_path, mode):
    a = np.zeros((9, 8, len(mode)), np.uint8)
    a[2:5, 2:5, -1] = 200
    Image.fromarray(a).save(tmp_path / "a.png")
    assert "lies in the alpha channel" in complaint(load_image, tmp_path / "a.png")
    a[8, 7, 0] = 3
    Image.fromarray(a).save(tmp_path / "b.png")
    assert load_image(tmp_path / "b.png").shape == (len(mode) - 1, 9, 8)


def test_files_with_another_name_for_a_known_format_are_named():
    said = not_read(["a.jfif", "b.btf", "c.dib", "d.h5"])
    for cure in ("rename to .jpg", "rename to .tif", "rename to .bmp", "export as TIFF"):
        assert any(cure in line for line in said)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
def test_packed_numbers(tmp_path, bits):
    a = np.arange(24).reshape(4, 6) % 2**bits
    a[0, 0] = 2**bits - 1
    kind = bool if bits == 1 else np.uint8 if bits <= 8 else np.uint16
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, a.astype(kind), bitspersample=bits, photometric="minisblack")
    assert np.array_equal(load_mask(path).numpy(), a)
    if bits > 8:
        assert np.array_equal(numbers(path), a)
    else:
        expected = torch.from_numpy(a / (2**bits - 1)).float()
        torch.testing.assert_close(load_image(path)[0], expected, atol=0.5 / 255, rtol=0)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("packed", [None, "zlib", "lzw", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("tile", [None, (16, 16)], ids=str)
def test_colours_in_every_dress(tmp_path, planar, packed, tile):
    path, a = tmp_path / "a.tif", RGB
    stored = a if planar == "contig" else np.moveaxis(a, -1, 0)
    how = dict(photometric="rgb", planarconfig=planar, compression=packed, tile=tile)
    tifffile.imwrite(path, stored, **how)
    assert contents(path) == (1, 6, 9, []) and np.array_equal(numbers(path), a)
    tifffile.imwrite(path, np.stack([stored, stored[::-1, ::-1]]), **how)
    assert n_pages(path) == 2 and np.array_equal(numbers(path, page=0), a)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "u4", "f2", "f4", "f8"])
def test_every_type_of_number(tmp_path, order, predictor, kind):
    a = (RNG.random((12, 15)) * 90).astype(kind)
    packed = dict(compression="zlib", predictor=True) if predictor else {}
    tifffile.imwrite(tmp_path / "a.tif", a, byteorder=order, photometric="minisblack", **packed)
    assert np.array_equal(numbers(tmp_path / "a.tif"), a)


def test_jpeg_inside_a_tiff(tmp_path):
    smooth = np.stack(np.meshgrid(np.arange(64), np.arange(48)), -1).astype(np.uint8)
    smooth = np.concatenate([smooth, smooth[..., :1] * 2], -1)
    tifffile.imwrite(tmp_path / "a.tif", smooth, compression="jpeg", photometric="rgb")
    seen = numbers(tmp_path / "a.tif")
    assert abs(seen.astype(int) - smooth).mean() < 3
    Image.fromarray(smooth).save(tmp_path / "b.tif", compression="jpeg")
    assert abs(numbers(tmp_path / "b.tif").astype(int) - smooth).mean() < 4


def test_a_missing_photometric_tag_means_black_is_zero(tmp_path):
    path = tiny_tiff(tmp_path / "a.tif", 3, 2, bytes([0, 1, 2, 3, 4, 250]), without=[262])
    assert numbers(path).tolist() == [[0, 1, 2], [3, 4, 250]]


def cmyk_of(rgb):
    return np.array(Image.fromarray(rgb).convert("CMYK"))


def test_ink_becomes_light(tmp_path):
    flat = np.repeat(np.repeat(RGB[:2, :2], 16, 0), 16, 1)
    for rgb in (flat, RGB):
        tifffile.imwrite(tmp_path / "a.tif", cmyk_of(rgb), photometric="separated")
        assert abs(numbers(tmp_path / "a.tif").astype(int) - rgb).max() <= 1
    sixteen = cmyk_of(RGB).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "b.tif", sixteen, photometric="separated")
    assert abs(numbers(tmp_path / "b.tif") - RGB * 257.0).max() <= 257
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert abs(numbers(tmp_path / "a.jpg").astype(int) - flat).max() <= 4
    grey = cmyk_of(np.repeat(GREY[..., None], 3, -1))
    tifffile.imwrite(tmp_path / "m.tif", grey, photometric="separated")
    assert np.array_equal(load_mask(tmp_path / "m.tif").numpy(), GREY)


def test_lab_and_ycbcr_become_rgb(tmp_path):
    from skimage.color import rgb2lab

    lab = rgb2lab(RGB, illuminant="D50").round()
    grey = np.repeat(GREY[..., None], 3, -1)
    lab = np.concatenate([rgb2lab(grey)[..., :1] * 2.55, np.zeros((6, 9, 2))], -1).round()
    Image.frombytes("LAB", (9, 6), lab.astype(np.uint8).tobytes()).save(tmp_path / "a.tif")
    seen = numbers(tmp_path / "a.tif").astype(int)
    assert abs(seen - grey).max() <= 3
    picture = Image.fromarray(np.full((16, 16, 3), (200, 40, 90), np.uint8)).convert("YCbCr")
    picture.save(tmp_path / "b.tif")
    assert abs(numbers(tmp_path / "b.tif").astype(int) - (200, 40, 90)).max() <= 2


@pytest.mark.parametrize("kind", ["ICCLAB", "ITULAB", "LOGLUV", "CFA"])
def test_other_colours_are_refused_by_name(tmp_path, kind):
    number = {"ICCLAB": 9, "ITULAB": 10, "LOGLUV": 32845, "CFA": 32803}[kind]
    tiny_tiff(tmp_path / "a.tif", 3, 2, bytes(range(6)), kind=number)
    assert f"stored as {kind}; save it as grey or RGB" in complaint(load_image, tmp_path / "a.tif")


def test_a_palette_is_colour_for_a_picture_and_numbers_for_a_mask(tmp_path):
    index = RNG.integers(0, 4, (6, 9), np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    colours[:4] = [(0, 0, 0), (250, 10, 20), (7, 90, 200), (255, 255, 255)]
    greys = np.zeros((256, 3), np.uint8)
    greys[:4] = np.array([[0], [200], [90], [255]])
    for name, table, right in (("c", colours, colours[index]), ("g", greys, greys[index][..., 0])):
        picture = Image.fromarray(index)
        picture.putpalette(table.ravel().tolist())
        for suffix in ("png", "bmp"):
            picture.save(tmp_path / f"{name}.{suffix}")
        wide = table.T.astype(np.uint16)
        tifffile.imwrite(
            tmp_path / f"{name}.tif", index, photometric="palette", colormap=wide * 257
        )
        tifffile.imwrite(tmp_path / f"{name}8.tif", index, photometric="palette", colormap=wide)
        for file in (f"{name}.png", f"{name}.bmp", f"{name}.tif", f"{name}8.tif"):
            assert np.array_equal(numbers(tmp_path / file), right), file
            assert np.array_equal(load_mask(tmp_path / file).numpy(), index), file


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_keeps_them(tmp_path, channels):
    a = RNG.integers(0, 65536, (6, 9, channels), np.uint16)
    a[0, 0] = 257
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(a[..., 0] if channels == 1 else a))
    colours = a[..., 0] if channels < 3 else a[..., :3]
    assert np.array_equal(numbers(tmp_path / "a.png"), colours)
    assert not is_plain(tmp_path / "a.png")


def png(path, width, height, depth, rows, colour=0):
    "A PNG, chunk by chunk."

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_a_png_of_few_bits(tmp_path):
    four = png(tmp_path / "4.png", 4, 1, 4, bytes([0, 0x01, 0x2F]))
    assert load_mask(four).tolist() == [[0, 1, 2, 15]]
    assert numbers(four).tolist() == [[0, 17, 34, 255]]
    two = png(tmp_path / "2.png", 4, 1, 2, bytes([0, 0b00011011]))
    assert load_mask(two).tolist() == [[0, 1, 2, 3]]
    assert numbers(two).tolist() == [[0, 85, 170, 255]]
    one = png(tmp_path / "1.png", 8, 1, 1, bytes([0, 0b01100001]))
    assert load_mask(one).tolist() == [[0, 1, 1, 0, 0, 0, 0, 1]]
    assert load_image(one)[0].tolist() == [[0, 1, 1, 0, 0, 0, 0, 1]]


@pytest.mark.slow
def test_a_large_png_is_read(tmp_path):
    a = np.zeros((13_400, 13_400), np.uint8)
    a[7, 13_000] = 200
    Image.fromarray(a).save(tmp_path / "a.png", compress_level=1)
    opened = open_image(tmp_path / "a.png")
    assert opened.shape == (1, 13_400, 13_400)
    assert opened[:, 7:8, 13_000:13_001].item() == pytest.approx(200 / 255)


def test_samples_that_are_no_colours_are_pages(tmp_path):
    a = RNG.integers(0, 4000, (5, 20, 30)).astype(np.uint16)
    how = dict(photometric="minisblack", planarconfig="separate", metadata=None)
    tifffile.imwrite(tmp_path / "a.tif", a, **how)
    what = contents(tmp_path / "a.tif")
    assert what[:3] == (5, 20, 30) and len(what.notes) == 1
    for i in range(5):
        assert np.array_equal(numbers(tmp_path / "a.tif", page=i), a[i])


def test_alpha_is_dropped_and_a_mask_in_it_is_refused(tmp_path):
    for a, n in ((RGB, 3), (GREY[..., None], 1)):
        with_alpha = np.concatenate([a, np.full((6, 9, 1), 255, np.uint8)], -1)
        Image.fromarray(with_alpha).save(tmp_path / "a.png")
        Image.fromarray(with_alpha).save(tmp_path / "a.tif")
        for name in ("a.png", "a.tif"):
            assert open_image(tmp_path / name).shape == (n, 6, 9)
            assert np.array_equal(numbers(tmp_path / name), a.squeeze())
    hidden = np.concatenate([np.zeros((6, 9, 3), np.uint8), GREY[..., None]], -1)
    for name in ("h.png", "h.tif"):
        Image.fromarray(hidden).save(tmp_path / name)
        assert "in the alpha channel" in complaint(load_mask, tmp_path / name)


@pytest.mark.parametrize("huge", [2**64 - 1, 2**63, 2**53 + 2])
def test_numbers_too_large_for_classes(tmp_path, huge):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, huge]], np.uint64))
    assert "class numbers are small whole numbers" in complaint(load_mask, tmp_path / "a.tif")


def test_floats_too_large_for_classes(tmp_path):
    for huge in (1e300, -1e300, 3e38):
        tifffile.imwrite(tmp_path / "a.tif", np.array([[0, huge]]))
        assert "class numbers are small whole numbers" in complaint(load_mask, tmp_path / "a.tif")
    for bad in (np.nan, np.inf, 0.5):
        tifffile.imwrite(tmp_path / "a.tif", np.array([[0, bad]]))
        assert "fractions or NaN" in complaint(load_mask, tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 70_000]], np.uint64))
    assert load_mask(tmp_path / "a.tif").tolist() == [[0, 70_000]]


# --- limits -----------------------------------------------------------------------------------


@contextlib.contextmanager
def bounded(seconds=5, more=2**31):
    "What happens inside takes little processor time and little memory."
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - peak < more


READERS = {
    "open_image": open_image,
    "load_mask": load_mask,
    "contents": contents,
    "n_pages": n_pages,
    "first page": lambda p: load_image(p, page=0),
}


def read_all(path):
    "What each reader complains about; None where it copes."
    said = {}
    for name, read in READERS.items():
        said[name] = None
        try:
            read(path)
        except InputError as e:
            assert "\n" not in str(e)
            said[name] = str(e)
    return said


@pytest.mark.parametrize("packed", [1, 5, 8, 32773, 50000])
def test_what_is_declared_is_asked_before_memory_is(tmp_path, packed):
    path = tiny_tiff(tmp_path / "a.tif", 10**6, 10**6, b"\0", packed=packed)
    assert len(path.read_bytes()) < 130
    with bounded(more=2**28):
        said = read_all(path)
    assert said["open_image"] and said["load_mask"]
    if packed != 1:
        assert "declares 1000000x1000000 pixels" in said["open_image"]
        assert "UNET_EXPLORER_MAX_GB" in said["open_image"]


def test_what_is_mapped_into_memory_declares_no_more_than_the_file_holds(tmp_path):
    path = tmp_path / "a.tif"
    whole = tiny_tiff(path, 3, 2, bytes([0, 10, 20, 30, 40, 250])).read_bytes()
    sides = [struct.pack("<HHII", tag, 4, 1, n) for tag, n in ((256, 3), (257, 2))]
    assert all(whole.count(side) == 1 for side in sides)
    for n, expected in ((10**6, "declares 1000000x1000000 pixels (931 GB)"), (9, "cut short")):
        changed = whole
        for tag, side in zip((256, 257), sides):
            changed = changed.replace(side, struct.pack("<HHII", tag, 4, 1, n))
        path.write_bytes(changed)
        assert expected in complaint(open_image, path)


def test_a_png_that_declares_too_much(tmp_path):
    path = png(tmp_path / "a.png", 10**6, 10**6, 8, b"\0" * 9)
    with bounded(more=2**28):
        assert "declares 1000000x1000000 pixels (931 GB)" in complaint(open_image, path)
    path = png(tmp_path / "b.png", 10**4, 10**4, 16, b"\0" * 9)
    with bounded():
        assert "damaged" in complaint(open_image, path)


def test_a_strip_that_inflates(tmp_path):
    bomb = zlib.compress(bytes(2**28), 9)
    path = tiny_tiff(tmp_path / "a.tif", 10, 10, bomb, packed=8)
    with bounded(more=2**28):
        read_all(path)
    inner = png(tmp_path / "a.png", 10, 10, 8, bytes(2**28))
    with bounded(more=2**29):
        read_all(inner)


def test_a_small_file_of_many_tiles(tmp_path):
    n = 588 - 8 - 2 - 12 * 11 - 4
    tags = [(256, 4, 1, 16_000), (257, 4, 1, 16_000), (258, 3, 1, 8), (259, 3, 1, 8)]
    tags += [(262, 3, 1, 1), (277, 3, 1, 1), (322, 4, 1, 16), (323, 4, 1, 16)]
    tags += [(324, 4, n // 8, 154), (325, 4, n // 8, 154), (339, 3, 1, 1)]
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + ifd(tags, 8) + bytes(n))
    with bounded(seconds=2, more=2**29):
        assert "damaged" in complaint(open_image, tmp_path / "a.tif")


@pytest.mark.parametrize("lead", [0, 1, 150])
@pytest.mark.parametrize("loop", [1, 2, 150])
def test_directories_that_go_in_a_circle(tmp_path, lead, loop):
    n, data = lead + loop, b""
    tags = [(256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (273, 4, 1, 8), (279, 4, 1, 1)]
    size = 2 + 12 * len(tags) + 4
    for i in range(n):
        data += ifd(tags, 0, 8 + size * (i + 1 if i + 1 < n else lead))
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + data)
    with bounded(seconds=1):
        for line in read_all(tmp_path / "a.tif").values():
            assert "the directories go in a circle" in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_picture(tmp_path):
    paths = [str(tmp_path / f"x{suffix}") for suffix in (".tif", ".png", ".bmp", ".mrc")]
    for path in paths:
        os.mkfifo(path)
    code = (
        "import sys; from unet_explorer import files\n"
        "for path in sys.argv[1:]:\n"
        "    for read in (files.open_image, files.load_mask, files.contents):\n"
        "        try: read(path)\n"
        "        except files.InputError as e: print(e)\n"
    )
    command = [sys.executable, "-c", code, *paths]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines()
    assert len(lines) == 12 and all("a pipe, socket or device" in line for line in lines)


def test_limits_can_be_raised(tmp_path, monkeypatch):
    white = np.zeros((20_000, 20_000), bool)
    packed = dict(compression="zstd", rowsperstrip=20_000, photometric="minisblack")
    tifffile.imwrite(tmp_path / "a.tif", white.view(np.uint8), **packed)
    line = complaint(open_image, tmp_path / "a.tif")
    assert "declares 20000x20000 pixels (381 MB)" in line and "UNET_EXPLORER_MAX_GB" in line
    monkeypatch.setenv("UNET_EXPLORER_MAX_GB", "0.3")
    line = complaint(open_image, tmp_path / "a.tif")
    assert "do not fit into memory (381 MB needed, 307 MB free)" in line
    monkeypatch.setenv("UNET_EXPLORER_MAX_GB", "2")
    assert open_image(tmp_path / "a.tif").shape == (1, 20_000, 20_000)
    for bad in ("much", "-1", "0", "nan"):
        monkeypatch.setenv("UNET_EXPLORER_MAX_GB", bad)
        assert "a number of GB above 0" in complaint(open_image, tmp_path / "a.tif")


@pytest.mark.parametrize("where", ["contents", "load_image"])
def test_no_memory_is_one_line(tmp_path, monkeypatch, where):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")

    def none(*args, **kwargs):
        raise MemoryError

    target = "TiffFile.__init__" if where == "contents" else "TiffPage.asarray"
    monkeypatch.setattr(f"tifffile.{target}", none)
    line = complaint(getattr(files, where), tmp_path / "a.tif")
    assert "does not fit into memory" in line and "damaged" not in line


# --- names ------------------------------------------------------------------------------------


def test_files_are_opened_by_the_format_of_their_name(tmp_path):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (tmp_path / "a.png").write_bytes(eps)
    assert "is a PostScript file by its first bytes" in complaint(load_image, tmp_path / "a.png")
    saved = {}
    for kind, name in (("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tif"), ("BMP", "bmp")):
        buffer = io.BytesIO()
        Image.fromarray(GREY).save(buffer, format=kind)
        saved[name] = buffer.getvalue()
    for name, data in saved.items():
        for other in saved:
            path = tmp_path / f"x.{other}"
            path.write_bytes(data)
            if name == other:
                assert open_image(path).shape == (1, 6, 9)
            else:
                line = complaint(load_image, path)
                assert f"rename it to .{name}" in line and "damaged" not in line


def test_pillow_is_asked_for_one_format_only(tmp_path):
    "What begins like nothing known is not tried as every format there is."
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, format="PPM")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert "cannot be read" in complaint(load_image, tmp_path / "a.png")


@pytest.mark.parametrize(
    "start, says",
    [
        (b"GIF89a", "a GIF"),
        (b"RIFF\0\0\0\0WEBP", "a WebP"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"ZISRAWFILE", "a Zeiss CZI file"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".bmp"])
def test_what_is_called_a_picture_and_is_another_file(tmp_path, start, says, suffix):
    (tmp_path / f"a{suffix}").write_bytes(start + bytes(200))
    line = complaint(load_image, tmp_path / f"a{suffix}")
    assert says in line and "damaged" not in line


def test_no_picture_files(tmp_path):
    (tmp_path / "d.tif").mkdir()
    assert "is a folder" in complaint(load_image, tmp_path / "d.tif")
    assert "no such file" in complaint(load_image, tmp_path / "gone.tif")
    (tmp_path / "e.tif").write_bytes(b"")
    assert "copy or export it again" in complaint(contents, tmp_path / "e.tif")
    (tmp_path / "e.png").write_bytes(b"")
    assert "copy or export it again" in complaint(contents, tmp_path / "e.png")
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    assert "possible are .png" in complaint(load_image, tmp_path / "a.gif")
    os.symlink(tmp_path / "nowhere", tmp_path / "link.png")
    assert "no such file" in complaint(load_image, tmp_path / "link.png")


@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("packed", [None, "zlib", "lzw", "packbits"])
def test_a_picture_cut_short_is_not_filled_with_black(tmp_path, part, packed):
    a = RNG.integers(0, 256, (60, 70), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", a, compression=packed, rowsperstrip=10)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(whole[: int(len(whole) * part)])
    assert "cut short" in complaint(load_image, tmp_path / "b.tif")


# --- electron microscopes ---------------------------------------------------------------------


def mrc(path, a, nm=None):
    "An MRC file: 1,024 bytes of header and the numbers."
    modes = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6}
    header = np.zeros(256, "<i4")
    header[:4] = *a.shape[::-1], modes[str(a.dtype)]
    header[7:10] = a.shape[::-1]
    header.view("<f4")[10:13] = [n * 10 * (nm or 1) for n in a.shape[::-1]]
    header[16:19] = 1, 2, 3
    header[52], header[53] = int.from_bytes(b"MAP ", "little"), 0x4144
    path.write_bytes(header.tobytes() + a.tobytes())
    return path


@pytest.mark.parametrize("kind", ["int16", "uint16", "float32"])
def test_an_mrc_file_is_a_stack(tmp_path, kind):
    pytest.importorskip("rsciio")
    a = RNG.integers(0, 900, (3, 20, 30)).astype(kind)
    path = mrc(tmp_path / "a.mrc", a, nm=0.5)
    assert contents(path)[:3] == (3, 20, 30) and n_pages(path) == 3
    for i in range(3):
        assert np.array_equal(numbers(path, page=i), a[i])
    axes = em_signal(path).axes
    assert [axis["scale"] for axis in axes] == pytest.approx([0.5, 0.5])
    one = mrc(tmp_path / "b.mrc", a[:1])
    assert n_pages(one) == 1 and np.array_equal(numbers(one), a[0])


@pytest.mark.parametrize("stamp, flags, signed", [(0, 0, True), (IMOD, 1, True), (IMOD, 0, False)])
def test_bytes_of_an_mrc_file_are_signed_unless_imod_says_no(tmp_path, stamp, flags, signed):
    pytest.importorskip("rsciio")
    head = bytearray(1024)
    struct.pack_into("<4i", head, 0, 4, 3, 1, 0)
    struct.pack_into("<3i", head, 28, 4, 3, 1)
    struct.pack_into("<3f", head, 40, 4, 3, 1)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    struct.pack_into("<2i", head, 152, stamp, flags)
    head[208:216] = b"MAP \x44\x44\0\0"
    a = np.arange(-6, 6).astype(np.int8)
    (tmp_path / "a.mrc").write_bytes(bytes(head) + a.tobytes())
    expected = a if signed else a.view(np.uint8)
    assert np.array_equal(numbers(tmp_path / "a.mrc").ravel(), expected)


def test_an_mrc_file_that_declares_too_much_is_refused_at_once(tmp_path):
    pytest.importorskip("rsciio")
    path = mrc(tmp_path / "a.mrc", RNG.integers(0, 900, (3, 20, 30)).astype(np.int16))
    whole = path.read_bytes()
    for sides in ((2**31 - 1, 5, 5), (30, 20, 10**8), (0, 20, 3), (-4, 20, 3)):
        path.write_bytes(struct.pack("<3i", *sides) + whole[12:])
        with bounded(seconds=2):
            assert "cut short" in complaint(contents, path)
    path.write_bytes(whole[:-1])
    assert "cut short" in complaint(load_image, path, page=0)


@pytest.mark.parametrize("plugin, suffix", [("hspy", ".hspy"), ("emd", ".emd")])
def test_what_rosettasciio_writes_is_read(tmp_path, plugin, suffix):
    rsciio = pytest.importorskip("rsciio")
    del rsciio
    import importlib

    writer = importlib.import_module(f"rsciio.{plugin}").file_writer
    a = RNG.integers(0, 900, (2, 20, 30)).astype(np.uint16)
    axes = [
        dict(name=n, size=s, scale=2.0, offset=0.0, units="nm", navigate=n == "t", index_in_array=i)
        for i, (n, s) in enumerate(zip("tyx", a.shape))
    ]
    for axis in axes:
        axis["_type"] = "UniformDataAxis"
    signal = dict(data=a, axes=axes, metadata={"General": {"title": "t"}, "Signal": {}})
    signal |= dict(original_metadata={}, learning_results={}, package_info=dict(version="1"))
    signal |= dict(tmp_parameters={}, attributes=dict(_lazy=False, ragged=False), models=None)
    writer(str(tmp_path / f"a{suffix}"), signal)
    path = tmp_path / f"a{suffix}"
    assert contents(path)[:3] == (2, 20, 30)
    assert np.array_equal(numbers(path, page=1), a[1])
    assert em_signal(path).axes[-1]["scale"] == 2.0


@pytest.mark.parametrize("suffix", [".dm3", ".dm4", ".emd", ".mrc", ".ser", ".hspy"])
@pytest.mark.parametrize("data", [b"", b"x" * 50, bytes(5000), b"\xff" * 5000], ids=len)
def test_a_damaged_file_of_a_microscope_is_one_line(tmp_path, suffix, data):
    pytest.importorskip("rsciio")
    (tmp_path / f"a{suffix}").write_bytes(data)
    with bounded():
        for line in read_all(tmp_path / f"a{suffix}").values():
            assert line


def test_what_is_not_read_is_named(monkeypatch):
    seen = ["a/x.DM3", "y.dm3", "z.czi", "w.png", "notes.txt", "h.heic"]
    assert not_read(["w.png", "notes.txt"]) == []
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    assert not_read(seen) == [
        "1 .czi file is not read: export as TIFF",
        "2 .dm3 files are not read: pip install 'unet-explorer[em]'",
        "1 .heic file is not read: export as TIFF",
    ]
    assert ".dm3" not in files.readable()
    monkeypatch.setattr(files, "find_spec", lambda name: True)
    assert not_read(["x.dm3"]) == [] and ".dm3" in files.readable()


def test_without_rosettasciio_the_cure_is_said(tmp_path, monkeypatch):
    (tmp_path / "a.dm3").write_bytes(b"x" * 100)
    monkeypatch.setitem(sys.modules, "rsciio", None)
    for read in (load_image, contents, em_signal):
        assert "pip install 'unet-explorer[em]'" in complaint(read, tmp_path / "a.dm3")


# --- mutated files ----------------------------------------------------------------------------


def seeds(folder):
    "Small healthy files of many kinds."
    big = RNG.integers(0, 256, (24, 32), np.uint8)
    Image.fromarray(big).save(folder / "a.png")
    Image.fromarray(big).save(folder / "a.jpg")
    Image.fromarray(big).save(folder / "a.bmp")
    tifffile.imwrite(folder / "plain.tif", big)
    tifffile.imwrite(folder / "zip.tif", big, compression="zlib", tile=(16, 16))
    tifffile.imwrite(folder / "lzw.tif", big, compression="lzw", predictor=True)
    tifffile.imwrite(folder / "stack.tif", np.stack([big] * 3), photometric="minisblack")
    tifffile.imwrite(folder / "ij.tif", np.stack([big] * 3), imagej=True)
    tifffile.imwrite(folder / "a.ome.tif", np.stack([big] * 3), photometric="minisblack")
    tifffile.imwrite(folder / "big.tif", big, bigtiff=True)
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(big.astype(np.uint16) * 257))
    return sorted(folder.iterdir())


def mutated(data, rng):
    "Bytes that are changed, cut off, or doubled."
    a = bytearray(data)
    for _ in range(rng.integers(1, 8)):
        at = int(rng.integers(0, min(len(a), 600) if rng.random() < 0.7 else len(a)))
        kind = rng.integers(0, 4)
        if kind == 0:
            a[at] = int(rng.integers(0, 256))
        elif kind == 1:
            a[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 8, 2**16, 2**31, 2**32 - 1])))
        elif kind == 2 and at > 20:
            del a[at:]
        else:
            a[at:at] = a[at : at + 30]
    return bytes(a)


def read_mutants(folder, n, seed):
    rng, originals = np.random.default_rng(seed), seeds(folder)
    for i in range(n):
        original = originals[i % len(originals)]
        path = folder / f"mutant{''.join(original.suffixes)}"
        path.write_bytes(mutated(original.read_bytes(), rng))
        with bounded():
            read_all(path)


def test_mutated_files_are_read_or_refused_in_a_line(tmp_path):
    read_mutants(tmp_path, 220, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_thousands_of_mutated_files(tmp_path, seed):
    read_mutants(tmp_path, 1100, seed)


def test_damage_inside_the_first_page_is_one_line_in_opened_tiff(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + bytes(3))
    with pytest.raises(InputError), opened_tiff(tmp_path / "a.tif"):
        pass
