"""What a file says about itself: sizes of pixels as each maker writes them, compared with
RosettaSciIO where it reads the same file; damaged headers; and the bar of text below a picture.

No file here is from a microscope: each is written by tifffile with the maker's tags."""

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from tifffile import TIFF as KNOWN

from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.pairs import load_pairs
from unet_explorer.rows import meta, sample
from unet_explorer.files import open_image
from unet_explorer.headers import Bar, Bars, not_square, one_size, pixel_sides_nm, pixel_size_nm
from unet_explorer.headers import specimen, without_bar
from unet_explorer.effunet import EffUNet
from unet_explorer.images import IGNORE, Picture
from unet_explorer.files import load_mask
from unet_explorer.inspection import find_folder, fit_folder
from unet_explorer.segmentation import segment_folder
from unet_explorer.train import Training
from unet_explorer.simulate import simulate

rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 255, (48, 64), np.uint8)


# --- how large a pixel is ------------------------------------------------------------------------


def write(path, text=None, tag=None, pixels=PIXELS, **more):
    "A TIFF with a text, or bytes, in a tag of its maker."
    tags = list(more.pop("extratags", []))
    if tag:
        kind = "s" if isinstance(text, str) else "B"
        tags.append((tag, kind, 0 if kind == "s" else len(text), text, True))
    tifffile.imwrite(path, pixels, metadata=more.pop("metadata", None), extratags=tags, **more)
    return path


def fei(path, text, **more):
    return write(path, text.replace("\n", "\r\n"), 34682, **more)


def zeiss(path, *named, metres=None, **more):
    nameless = ["0", "0", "0", metres] if metres else ["0"]
    return write(path, "\r\n".join([*nameless, *named, ""]), 34118, **more)


def tvips(path, x, y, mode=1):
    one, both = (np.zeros(1, np.dtype(d)) for d in (KNOWN.TVIPS_HEADER_V1, KNOWN.TVIPS_HEADER_V2))
    one["Version"] = 2
    both["PixelSizeX"], both["PixelSizeY"], both["TemMode"] = x, y, mode
    both["Magic"] = 0xAAAAAAAA
    return write(path, one.tobytes() + both.tobytes(), 37706)


def olympus(path, x, y, power=-9):
    head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 1, 1, 1, 0, 120, b"x", 1)
    body = struct.pack("<10xhdd8xd2x34s32s", power, x, y, 1000.0, b"camera", b"kind")
    text = head + struct.pack("<hhI", 1, 1, 0xDEAD) + body
    write(path, text, 33560)
    raw = path.read_bytes()
    at = raw.index(head)  # the structure points to a place in the file
    path.write_bytes(raw.replace(struct.pack("<I", 0xDEAD), struct.pack("<I", at + len(head) + 8)))
    return path


JEOL = """<?xml version="1.0" encoding="utf-8"?><TemReporter><Eos><EosMode>{eos}</EosMode></Eos>
<IlluminationSystem><ImageField>ImgFBF</ImageField></IlluminationSystem><ImageFormingSystem>
<ImageFormingMode>ImgFMAG</ImageFormingMode><ModeString>{mode}</ModeString>
<SelectorString>x</SelectorString><SelectorValue>{mag}</SelectorValue>
<SelectorUnitString>cm</SelectorUnitString></ImageFormingSystem>
<ElectronGun><AccelerationVoltage>200000</AccelerationVoltage></ElectronGun></TemReporter>"""


def jeol(path, mag, eos="eosTEM", mode="MAG", unit=3):
    text = JEOL.format(mag=mag, eos=eos, mode=mode).replace("\n", "")
    make = (271, "s", 0, "JEOL Ltd.", True)
    how = dict(description=text, resolution=(1000, 1000), resolutionunit=unit)
    return write(path, extratags=[make], **how)


def imagej(path, unit, per_unit=250):
    text = f"ImageJ=1.53t\nunit={unit}\n".encode("latin-1")
    return write(path, resolution=(per_unit, per_unit), description=text)


def micrograph(path, x, y, unit="nm"):
    unit = unit.encode("latin-1")
    tags = [(65003, "s", 0, unit, True), (65004, "s", 0, unit, True)]
    tags += [(65009, "d", 1, x, True), (65010, "d", 1, y, True)]
    return write(path, extratags=tags)


NAVCAM = "[IRBeam]\nHFW=0.064\nVFW=0.048\n[Image]\nResolutionX=64\nResolutionY=48\n"
STORED = ("AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 11.65 nm")
SCREEN = ("AP_PIXEL_SIZE", "Pixel Size = 5.825 nm")
WIDE = np.zeros((8, 512), np.uint8)

BOTH = {  # written here, read by RosettaSciIO and by us: height and width in nm
    "FEI": (lambda p: fei(p, "[Scan]\nPixelWidth=4e-09\nPixelHeight=4e-09\n"), (4, 4)),
    "FEI, not square": (lambda p: fei(p, "[Scan]\nPixelWidth=4e-09\nPixelHeight=5e-09\n"), (5, 4)),
    "FEI navcam": (lambda p: fei(p, NAVCAM), (1e6, 1e6)),
    "Zeiss, 512 columns": (
        lambda p: zeiss(p, *SCREEN, metres="5.825e-9", pixels=WIDE),
        (11.65,) * 2,
    ),
    "Zeiss, stored": (
        lambda p: zeiss(p, *SCREEN, *STORED, metres="5.825e-9", pixels=WIDE),
        (11.65, 11.65),
    ),
    "TVIPS": (lambda p: tvips(p, 0.5, 0.5), (0.5, 0.5)),
    "Olympus SIS": (lambda p: olympus(p, 2.5, 2.5), (2.5, 2.5)),
    "JEOL, cm": (lambda p: jeol(p, 10_000), (1, 1)),
    "JEOL, inch": (lambda p: jeol(p, 10_000, unit=2), (2.54, 2.54)),
    "ImageJ": (lambda p: imagej(p, "micron"), (4, 4)),
    "DigitalMicrograph": (lambda p: micrograph(p, 3.0, 3.0), (3, 3)),
    "DigitalMicrograph, µm": (lambda p: micrograph(p, 0.002, 0.003, "µm"), (3, 2)),
}
IN_NM = {"m": 1e9, "nm": 1.0, "µm": 1e3}


@pytest.mark.parametrize("who", BOTH)
def test_sizes_are_those_of_rosettasciio(who, tmp_path):
    reader = pytest.importorskip("rsciio.tiff")
    make, expected = BOTH[who]
    path = make(tmp_path / "a.tif")
    axes = reader.file_reader(str(path))[0]["axes"]
    theirs = {a["name"]: a["scale"] * IN_NM[a["units"]] for a in axes}
    ours = pixel_sides_nm(path)
    assert (ours.height, ours.width) == pytest.approx(expected, rel=1e-6)
    # RosettaSciIO 0.15 swaps the sides in files of FEI; other makers were not tried
    assert sorted(ours) == pytest.approx(sorted(theirs.values()), rel=1e-6)


OURS = {  # what RosettaSciIO does not read as TIFF, or reads in another way
    "Zeiss, one line": (lambda p: zeiss(p, *SCREEN, pixels=WIDE), 11.65),
    "Zeiss, 1024 columns": (lambda p: zeiss(p, *SCREEN, pixels=np.zeros((8, 1024), "u1")), 5.825),
    "Zeiss, 2048 columns": (lambda p: zeiss(p, *SCREEN, pixels=np.zeros((8, 2048), "u1")), 2.9125),
    "Zeiss, only stored": (lambda p: zeiss(p, *STORED, pixels=WIDE), 11.65),
    "Zeiss, a broken µ": (
        lambda p: zeiss(p, "AP_PIXEL_SIZE", "Pixel Size = 2 ?m", metres="2e-6", pixels=WIDE),
        4000,
    ),
    "FEI, EScan": (lambda p: fei(p, "[EScan]\nPixelWidth=4e-09\n"), 4),
    "TESCAN": (
        lambda p: write(p, b"\0\1[MAIN]\r\nPixelSizeX=4e-9\r\nPixelSizeY=4e-9\r\n", 50431),
        4,
    ),
    "Phenom": (
        lambda p: write(p, "<F><pixelWidth unit='um'>0.004</pixelWidth></F>", 34683),
        4,
    ),
    **{
        f"ImageJ, {u}": (lambda p, u=u: imagej(p, u), 4)
        for u in ("um", "µm", "\\u00B5m", "microns")
    },
    "FEI, a comma": (lambda p: fei(p, "[Scan]\nPixelWidth=4,0e-009\n"), 4),
    "ImageJ, nm": (lambda p: imagej(p, "nm"), 0.004),
    "ImageJ, angstrom": (lambda p: imagej(p, "angstrom"), 0.0004),
    "ImageJ, Å": (lambda p: imagej(p, "Å"), 0.0004),
}


@pytest.mark.parametrize("who", OURS)
def test_sizes_beyond_it(who, tmp_path):
    make, expected = OURS[who]
    assert pixel_size_nm(make(tmp_path / "a.tif")) == pytest.approx(expected, rel=1e-5)


def ome(path, attributes, before=""):
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="64" '
        f'SizeY="48" SizeC="1" SizeZ="1" SizeT="1" {attributes}><TiffData/></Pixels></Image></OME>'
    )
    return write(path, description=text.encode())


@pytest.mark.parametrize(
    "unit, nm",
    [("nm", 4), ("Å", 0.4), ("Å", 0.4), ("pm", 0.004), ("µm", 4e3), ("μm", 4e3), ("mm", 4e6)]
    + [("Mm", None), ("pixel", None), ("reference frame", None), ("thou", 101600), ("", None)],
)
def test_units_of_ome(tmp_path, unit, nm):
    path = ome(tmp_path / "a.ome.tif", f'PhysicalSizeX="4" PhysicalSizeXUnit="{unit}"')
    assert pixel_size_nm(path) == (nm and pytest.approx(nm))


def test_ome_is_read_as_xml(tmp_path):
    path = tmp_path / "a.ome.tif"
    assert pixel_size_nm(ome(path, "PhysicalSizeX='0.004'")) == pytest.approx(4)  # µm is understood
    assert pixel_size_nm(ome(path, "", '<!-- PhysicalSizeX="7" -->')) is None
    assert pixel_size_nm(ome(path, "PhysicalSizeX='&#52;'")) == pytest.approx(4000)
    bomb = '<!DOCTYPE o [<!ENTITY a "4"><!ENTITY b "&a;&a;&a;">]>'
    assert pixel_size_nm(ome(path, 'PhysicalSizeX="4"', bomb)) is None
    assert pixel_size_nm(ome(path, "PhysicalSizeX='4")) is None  # no XML


def test_no_size_is_not_invented(tmp_path):
    path = tmp_path / "a.tif"
    assert pixel_size_nm(write(path, resolution=(300, 300), resolutionunit=2)) is None
    for unit in ("inch", "cm", "pixel", "", "furlong", "sec", "1/nm"):
        assert pixel_size_nm(imagej(path, unit)) is None, unit
    assert pixel_size_nm(tvips(path, 0.5, 0.5, mode=3)) is None  # diffraction
    assert pixel_size_nm(jeol(path, 80, mode="DIFF")) is None
    Image.fromarray(PIXELS).save(tmp_path / "a.png", dpi=(96, 96))
    assert pixel_size_nm(tmp_path / "a.png") is None


def test_a_size_that_is_of_another_picture_is_none(tmp_path):
    "Scaled or cut after it was written; or high and wide in other units."
    scan = "[Scan]\nPixelWidth=4e-09\n[Image]\nResolutionX="
    assert pixel_size_nm(fei(tmp_path / "a.tif", f"{scan}64\n")) == pytest.approx(4)
    assert pixel_size_nm(fei(tmp_path / "b.tif", f"{scan}128\n")) is None
    how = dict(imagej=True, resolution=(250, 250), metadata=dict(unit="um", yunit="nm"))
    tifffile.imwrite(tmp_path / "c.tif", PIXELS, **how)
    assert pixel_sides_nm(tmp_path / "c.tif") == (pytest.approx(0.004), pytest.approx(4))


NONSENSE = ["0", "-4e-9", "inf", "nan", "1e300", "1e-300", "", "four", "4e-9 m", "0x4", "4,5,6"]


@pytest.mark.parametrize("v", NONSENSE)
def test_damaged_numbers_are_no_size(tmp_path, v):
    path = tmp_path / "a.tif"
    assert pixel_size_nm(fei(path, f"[Scan]\nPixelWidth={v}\n")) is None
    assert pixel_size_nm(fei(path, NAVCAM.replace("0.064", v))) is None
    assert pixel_size_nm(fei(path, NAVCAM.replace("=64", f"={v}"))) is None
    assert pixel_size_nm(zeiss(path, "AP_PIXEL_SIZE", f"Pixel Size = {v} m")) is None
    assert pixel_size_nm(write(path, f"[MAIN]\nPixelSizeX={v}\n".encode(), 50431)) is None
    assert pixel_size_nm(ome(path, f'PhysicalSizeX="{v}" PhysicalSizeXUnit="m"')) is None
    assert pixel_size_nm(jeol(path, v)) is None


def test_cut_off_headers_are_no_size_and_no_traceback(tmp_path):
    path, whole = tmp_path / "a.tif", {k: make for k, (make, _) in (BOTH | OURS).items()}
    for who, make in whole.items():
        raw = make(path).read_bytes()
        for _ in range(6):
            at = int(rng.integers(8, len(raw)))
            noise = rng.integers(0, 256, 8, np.uint8).tobytes()
            path.write_bytes(raw[:at] + noise + raw[at + 8 :])
            try:
                sides = pixel_sides_nm(path)
            except InputError as e:
                assert "\n" not in str(e), who
            else:
                assert sides is None or all(0 < v < 1e8 for v in sides), who


BESIDE = {  # name of the text, its lines, nm
    "TESCAN": ("a-png.hdr", "[MAIN]\nImageStripSize=0\nPixelSizeX=4e-9\nPixelSizeY=4e-9\n", 4),
    "Hitachi": ("a.txt", "[SemImageFile]\nDataSize=64x48\nPixelSize=4.96\n", 4.96),
    "Hitachi, another size": ("a.txt", "[SemImageFile]\nDataSize=1280x960\nPixelSize=4.96\n", None),
    "Hitachi, comma": ("a.Txt", "[SemImageFile]\nDataSize=64x48\nPixelSize=4,96\n", 4.96),
    "JEOL": ("a.txt", "$CM_FULL_SIZE 64 48\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 200nm\n", 4),
    "JEOL, um": ("a.txt", "$CM_MAG 500\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 5um\n", 100),
    "JEOL, no bar": ("a.txt", "$$SM_MICRON_BAR 0\n$$SM_MICRON_MARKER 5um\n", None),
    "a diary": ("a.txt", "PixelSize=4\nAP_PIXEL_SIZE\nsee $$SM_MICRON_BAR 50", None),
    "nothing": ("a.txt", "", None),
}


@pytest.mark.parametrize("who", BESIDE)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_sizes_in_a_file_beside_it(tmp_path, who, encoding):
    name, text, nm = BESIDE[who]
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    (tmp_path / name).write_text(text, encoding=encoding)
    assert pixel_size_nm(tmp_path / "a.png") == (nm and pytest.approx(nm))


def test_what_lies_beside_never_hangs(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(b"[SemImageFile]\n" + b"\n \t=" * 2**20)
    assert pixel_size_nm(tmp_path / "a.png") is None
    (tmp_path / "a.txt").unlink()
    (tmp_path / "a.txt").mkdir()
    assert pixel_size_nm(tmp_path / "a.png") is None


def test_pixels_that_are_no_squares_have_two_sizes_and_a_note(tmp_path):
    path = fei(tmp_path / "a.tif", "[Scan]\nPixelWidth=4e-09\nPixelHeight=5e-09\n")
    square = fei(tmp_path / "b.tif", "[Scan]\nPixelWidth=4e-09\nPixelHeight=4.01e-09\n")
    assert pixel_sides_nm(path) == pytest.approx((5, 4)) and pixel_size_nm(path) is None
    assert pixel_size_nm(square) == pytest.approx(4)
    (note,) = not_square([square, path])
    assert "1 of 2" in note and "4 nm wide and 5 high" in note
    assert not_square([square]) == []


@pytest.mark.parametrize("suffix, unit, nm", [(".hspy", "nm", 4), (".hspy", "1/nm", None)])
def test_formats_of_transmission_microscopes(tmp_path, suffix, unit, nm):
    hspy = pytest.importorskip("rsciio.hspy")
    names = [
        dict(name=n, scale=4.0, offset=0, units=unit, size=s, navigate=False)
        for n, s in zip("yx", PIXELS.shape)
    ]
    signal = dict(
        data=PIXELS,
        axes=names,
        metadata={"General": {"title": "a"}},
        original_metadata={},
        attributes={"_lazy": False},
        package_info={},
        models={},
        learning_results={},
        tmp_parameters={},
        package="",
        package_version="",
    )
    path = tmp_path / f"a{suffix}"
    hspy.file_writer(str(path), signal)
    assert pixel_size_nm(path) == nm
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="cannot be read"):
        pixel_size_nm(cut)


def test_mrc(tmp_path):
    pytest.importorskip("rsciio.mrc")
    head = np.zeros(256, np.int32)
    head[:4], head[7:10] = (64, 48, 1, 0), (64, 48, 1)
    head[10:13] = np.array([640, 480, 10], np.float32).view(np.int32)  # the cell, in Å
    head[16:19], head[52] = (1, 2, 3), int.from_bytes(b"MAP ", "little")
    (tmp_path / "a.mrc").write_bytes(head.tobytes() + PIXELS.tobytes())
    assert pixel_size_nm(tmp_path / "a.mrc") == pytest.approx(1)


# --- where the specimen ends ---------------------------------------------------------------------

STYLES = {  # as the makers draw them: paper, ink, lines of text, cells, share of the height
    "FEI": (255, 0, 2, 6, 0.065),
    "FEI, dark": (0, 255, 2, 6, 0.065),
    "Zeiss": (0, 255, 2, 3, 0.09),
    "TESCAN": (0, 255, 3, 3, 0.1),
    "JEOL": (0, 255, 1, 4, 0.06),
    "Hitachi": (0, 230, 1, 1, 0.075),
}
WORDS = ["HV 5.00 kV", "WD 4.1 mm", "mag 50 000 x", "det TLD", "HFW 2.56 um", "Date: 3 Feb 2021"]


def drawn_bar(width, height, style="FEI"):
    "A strip with text, cells and a scale bar."
    paper, ink, lines, cells, share = STYLES[style]
    rows = max(14, round(height * share))
    picture = Image.new("L", (width, rows), paper)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(max(7, int(rows / lines * 0.62)))
    for cell in range(cells):
        left = cell * width // cells
        for line in range(lines):
            text = WORDS[(cell * lines + line) % 6] if cells > 1 else "  ".join(WORDS)
            pen.text((left + 4, rows * line / lines + 1), text, fill=ink, font=font)
        pen.line([(left, 0), (left, rows)], fill=ink)
    pen.rectangle([width * 0.7, rows - 6, width * 0.85, rows - 4], fill=ink)
    if style == "Zeiss":
        pen.rectangle([0, 0, width - 1, rows - 1], outline=ink)
    return np.asarray(picture)


def specimens(n=4, size=(384, 512)):
    "Simulated pictures of chips, 8 bits."
    return [(x[0].numpy() * 255).round().astype(np.uint8) for x, _ in simulate(n, size, 1)]


def as_jpeg(a, quality=80):
    file = io.BytesIO()
    Image.fromarray(a).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def barred(a, style="FEI", top=False):
    bar = drawn_bar(a.shape[1], a.shape[0], style)
    return np.concatenate([bar, a] if top else [a, bar]), len(bar)


def found(a, path="no such file.png", bar="auto"):
    return Bars([], bar).of(path, Picture(a))


CHIPS = specimens()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("change", [lambda a: a, as_jpeg], ids=["png", "jpeg"])
def test_a_bar_is_found_row_by_row(style, top, change):
    for a in CHIPS:
        both, n = barred(a, style, top)
        expected = (n, 0) if top else (0, n)
        assert found(change(both))[:2] == expected


def test_a_bar_is_found_below_sixteen_bits():
    a, n = barred(CHIPS[0].astype(np.uint16) * 8 + 500)  # 12 bits in 16
    a[-n:] = np.where(a[-n:] > 128, 65535, 0)
    assert found(a)[:2] == (0, n)
    whole, cut = Picture(a), specimen(Picture(a), Bar(0, n, "found"))
    assert whole.limits[1] == 65535  # the paper decides what is white,
    assert cut.limits[1] < 2600 and cut.shape == (1, 384, 512)  # and no longer does
    assert np.shares_memory(cut.pixels, whole.pixels)


def dark_gap(kind, noise, clip, seed):
    "Metal lines and a wide dark gap below them, with things in it: no bar."
    r = np.random.default_rng(seed)
    h, w, level = 320, 480, 30
    gap = int(h * r.uniform(0.06, 0.24))
    a = np.full((h, w), 150.0)
    a[: h - gap][np.arange(h - gap) % 16 < 8] = 60
    a[h - gap :] = level
    middle = h - gap // 2
    if kind == "contacts":
        a[middle - 4 : middle + 4][:, np.arange(w) % 20 < 8] = 200
    if kind == "particles":
        y, x = np.mgrid[:h, :w]
        for _ in range(30):
            at, r2 = (r.uniform(h - gap + 6, h - 6), r.uniform(0, w)), r.uniform(2, 6) ** 2
            a[(y - at[0]) ** 2 + (x - at[1]) ** 2 < r2] = 200
    if kind == "ends of lines":
        a[: h - gap // 3][:, np.arange(w) % 24 < r.integers(4, 16, w)] = 200
    a += r.normal(0, noise, a.shape)
    a -= (level + 3 * noise) * clip  # so dark that nothing is recorded
    return np.clip(a.round(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["nothing", "contacts", "particles", "ends of lines"])
@pytest.mark.parametrize("clip", [0, 1])
def test_a_dark_gap_is_no_bar(kind, clip):
    for noise in (1, 2, 5, 12):
        for seed in range(3):
            a = dark_gap(kind, noise, clip, seed)
            assert found(a) == found(a[::-1]) == Bar(), (noise, seed)


@pytest.mark.parametrize("size", [16, 24, 36])
@pytest.mark.parametrize("change", [lambda a: a, as_jpeg], ids=["png", "jpeg"])
def test_letters_on_a_specimen_are_no_bar(size, change):
    "In a field so dark that nothing is recorded around them."
    gap = Image.new("L", (480, 72), 0)
    text, font = "UNIT 42 CHIP 1987 SRAM 4K METAL 2 REV C", ImageFont.load_default(size)
    ImageDraw.Draw(gap).text((6, (72 - size) // 2), text, fill=170, font=font)
    for noise in (1, 2, 5, 12):
        a = dark_gap("nothing", 0, 0, seed=1).astype(float)
        a[-72:] = 30 + np.asarray(gap)
        a = gaussian_filter(a, 1) + np.random.default_rng(size).normal(0, noise, a.shape)
        a = change((a - 30 - 3 * noise).clip(0, 255).round().astype(np.uint8))
        assert found(a) == found(a[::-1]) == Bar(), noise


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("times", [0.75, 1.5, 2])
def test_a_bar_is_found_when_a_picture_was_resized(style, times):
    both, n = barred(specimens(1, (512, 640))[0], style)
    h, w = both.shape
    small = Image.fromarray(both).resize((round(w * times), round(h * times)), Image.BICUBIC)
    assert abs(found(np.asarray(small)).bottom - n * times) <= 3


def test_what_is_drawn_itself_has_no_bar():
    mask = np.where(CHIPS[0] > 128, 255, 0).astype(np.uint8)
    for a in (mask, np.zeros_like(mask), barred(np.full_like(mask, 90))[0], drawn_bar(512, 4000)):
        assert found(a) == Bar()
    assert found(np.zeros((3, 3), np.uint8)) == Bar()


@pytest.mark.parametrize("name", ["isbi2012", "nasa_super1", "ic_layout"])
def test_no_false_alarm_on_real_specimens(name):
    try:
        ds = load(name, per_layer=2) if name == "ic_layout" else load(name)
    except InputError as e:
        pytest.skip(str(e))
    pictures = [row["image"] for part in ds.values() for row in part]
    for a in map(np.asarray, pictures):
        a = a if a.dtype == np.uint8 else (a * 255).round().astype(np.uint8)
        assert found(a) == Bar()
        small = a if a.ndim == 2 else a[..., 0]
        both, n = barred(small)
        assert found(both)[:2] == (0, n)


SAID = {  # header, rows of the bar, None if it says nothing
    "FEI": (lambda p, a: fei(p, "[Image]\nResolutionX=64\nResolutionY=48\n", pixels=a), 8),
    "FEI, height": (lambda p, a: fei(p, "[PrivateFei]\nDatabarHeight=8\n", pixels=a), 8),
    "FEI, cropped": (
        lambda p, a: fei(p, "[Image]\nResolutionX=128\nResolutionY=48\n", pixels=a),
        None,
    ),
    "FEI, nonsense": (
        lambda p, a: fei(p, "[Image]\nResolutionX=64\nResolutionY=4\n", pixels=a),
        None,
    ),
    "TESCAN": (lambda p, a: write(p, b"\0[MAIN]\nImageStripSize=8\n", 50431, pixels=a), 8),
    "TESCAN, none": (lambda p, a: write(p, b"[MAIN]\nImageStripSize=0\n", 50431, pixels=a), 0),
    "TESCAN, damaged": (
        lambda p, a: write(p, b"[MAIN]\nImageStripSize=-8\n", 50431, pixels=a),
        None,
    ),
    "Phenom": (
        lambda p, a: write(p, "<F><databarHeight>8</databarHeight></F>", 34683, pixels=a),
        8,
    ),
    "Phenom, damaged": (lambda p, a: write(p, "<F><databarHe", 34683, pixels=a), None),
    "plain": (lambda p, a: write(p, pixels=a), None),
}


@pytest.mark.parametrize("who", SAID)
def test_the_header_says_where_the_specimen_ends(who, tmp_path):
    make, rows = SAID[who]
    path = make(tmp_path / "a.tif", rng.integers(0, 255, (56, 64), np.uint8))
    bar = Bars([]).of(path, open_image(path))
    assert bar == (Bar() if rows is None else Bar(0, rows, "said by the header"))


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.txt", "[SemImageFile]\nDataSize=64x48\n"),
        ("a.txt", "$CM_FULL_SIZE 64 48\n"),
        ("a-png.hdr", "[MAIN]\nPixelSizeX=1e-9\nImageStripSize=8\n"),
    ],
)
def test_a_file_beside_it_says_where_the_specimen_ends(tmp_path, name, text):
    Image.fromarray(rng.integers(0, 255, (56, 64), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / name).write_text(text)
    bars = Bars([])
    assert bars.of(tmp_path / "a.png", open_image(tmp_path / "a.png")).bottom == 8
    (note,) = bars.notes()
    assert note.startswith("info bar: 8 rows at the bottom of 1 pictures are no specimen (said")


def a_folder(folder, pictures):
    folder.mkdir(exist_ok=True)
    for i, a in enumerate(pictures):
        Image.fromarray(a).save(folder / f"{i}.png")
    return [SimpleNamespace(path=folder / f"{i}.png", page=None) for i in range(len(pictures))]


def test_the_pictures_of_a_folder_are_judged_together(tmp_path):
    with_bar = [barred(a)[0] for a in specimens(5)]
    n = with_bar[0].shape[0] - 384
    poor = with_bar[0].copy()
    poor[-n:] = 255  # no letter at all: alone it proves nothing
    assert found(poor) == Bar()
    clean = np.concatenate([CHIPS[1], CHIPS[2][:n]])  # of the same size, without a bar
    files = a_folder(tmp_path / "a", [*with_bar, poor, clean])
    bars = Bars(files)
    got = [bars.of(f.path, open_image(f.path)) for f in files]
    assert [bar.bottom for bar in got] == [n] * 6 + [0]
    cut, missing = bars.notes()
    assert cut == (
        f"info bar: {n} rows at the bottom of 6 pictures are no specimen (found); "
        "bar='keep' keeps them"
    )
    assert "in 1 of 7 pictures" in missing and str(files[-1].path) in missing


def test_the_option(tmp_path):
    a, n = barred(CHIPS[0])
    assert found(a, bar="keep") == Bar() and Bars([], "keep").notes() == []
    assert found(a, bar=7) == found(a, bar="7") == Bar(0, 7, "as given")
    for wrong in (-1, 1.5, "none", "-3", "", None, True, [3]):
        with pytest.raises(InputError, match="auto, keep, or how many rows"):
            Bars([], wrong)
    with pytest.raises(InputError, match="leaves 0 of"):
        found(a, bar=len(a))


def test_cut_and_marked():
    mask = torch.ones(10, 4, dtype=torch.int64)
    assert (
        without_bar(mask, Bar(2, 3, "found"))[:, 0].tolist()
        == [IGNORE] * 2 + [1] * 5 + [IGNORE] * 3
    )
    image = torch.rand(3, 10, 4)
    assert torch.equal(specimen(image, Bar(2, 3, "found")), image[:, 2:7])
    assert specimen(image, Bar()) is image


# --- and nobody learns it ------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_training_never_sees_the_bar(tmp_path, whole):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for i, a in enumerate(CHIPS):
        both, n = barred(a)
        mask = (a > 128).astype(np.uint8)
        mask = np.concatenate([mask, np.full_like(mask[:n], 3)]) if whole else mask
        Image.fromarray(both).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    ds = load_pairs(tmp_path / "images", tmp_path / "masks")
    assert meta(ds)["classes"] == ["class 0", "class 1"]  # a 3 below the specimen is no class
    assert f"info bar: {n} rows at the bottom of 4 pictures" in meta(ds)["notes"][0]
    for i, a in enumerate(CHIPS):
        image, mask = sample(ds, i)
        assert image.shape == (1, *a.shape) and mask.shape == a.shape
        assert torch.equal(image[0], torch.from_numpy(a / np.float32(255)))
        assert torch.equal(mask, torch.from_numpy(a > 128).long())
    if whole:
        kept = load_pairs(tmp_path / "images", tmp_path / "masks", bar="keep")
        assert sample(kept, 0)[0].shape[1] == len(both) and len(meta(kept)["classes"]) == 4
        by_hand = load_pairs(tmp_path / "images", tmp_path / "masks", bar=40)
        assert sample(by_hand, 0)[0].shape[1] == len(both) - 40
    with pytest.raises(InputError, match="bar='off'"):
        load_pairs(tmp_path / "images", tmp_path / "masks", bar="off")


@pytest.fixture(scope="module")
def barred_folder(tmp_path_factory):
    "Pictures with a bar, which has the same rows in all; and its rows."
    folder = tmp_path_factory.mktemp("barred")
    both = [barred(a, "JEOL") for a in specimens(12, (160, 256))]
    a_folder(folder, [a for a, _ in both])
    return folder, both[0][1]


def test_segment_leaves_the_bar_out(tmp_path, barred_folder):
    folder, n = barred_folder
    one = tmp_path / "one"
    one.mkdir()
    for k in (0, 1):
        (one / f"{k}.png").write_bytes((folder / f"{k}.png").read_bytes())
    net = EffUNet(decoder=(8, 8, 8, 8), convs=1, pretrained=False)
    said = []
    done = segment_folder(one, net, tmp_path / "out", probabilities=True, say=said.append)
    mask = load_mask(tmp_path / "out/masks/0.png")
    assert mask.shape == (160 + n, 256)
    assert (mask[160:] == IGNORE).all() and not (mask[:160] == IGNORE).any()
    p = tifffile.imread(tmp_path / "out/probabilities/0.tif")
    assert p.shape[-2:] == mask.shape and (p[..., 160:, :] == 0).all()
    for name in ("0", "1"):
        own = [line for line in done.classes if line["image"] == name]
        assert sum(line["area_px"] for line in own) == 160 * 256
        assert sum(line["share"] for line in own) == pytest.approx(1)
    note = f"info bar: {n} rows at the bottom of 2 pictures are no specimen (found)"
    assert any(note in line for line in said)
    assert note in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    # the specimen is judged as if there had never been a bar
    alone = a_folder(tmp_path / "alone", specimens(1, (160, 256)))
    segment_folder(alone[0].path, net, tmp_path / "out2", say=said.append)
    assert torch.equal(load_mask(tmp_path / "out2/masks/0.png"), mask[:160])
    segment_folder(one, net, tmp_path / "kept", bar="keep", say=said.append)
    assert not (load_mask(tmp_path / "kept/masks/0.png") == IGNORE).any()


def test_no_alarm_in_the_bar(tmp_path, barred_folder):
    folder, n = barred_folder
    how = Training(steps=2, size=64, bs=2, precision="fp32", bar=False)
    done = fit_folder(folder, tmp_path / "model", how, fpr=0.2, method="memory")
    assert f"info bar: {n} rows at the bottom of 12 pictures" in done["notes"][0]
    said = []
    new = tmp_path / "new"
    new.mkdir()
    (new / "0.png").write_bytes((folder / "0.png").read_bytes())
    low = dict(threshold=-1000.0, say=said.append)  # everything is an alarm
    alarms = find_folder(new, tmp_path / "model", tmp_path / "found", **low).alarms
    assert sum(row["area_px"] for row in alarms) == 160 * 256
    mask = load_mask(tmp_path / "found/masks/0.png")
    assert (mask[160:] == IGNORE).all() and (mask[:160] == 1).all()
    assert tifffile.imread(tmp_path / "found/maps/0.tif").shape == mask.shape
    labels = tifffile.imread(tmp_path / "found/labels/0.tif")
    assert (labels[160:] == 0).all() and (labels[:160] == 1).all() and len(labels) == len(mask)
    assert any("are no specimen (found)" in line for line in said)
    assert not any("times as large" in line for line in said)
    find_folder(new, tmp_path / "model", tmp_path / "kept", bar="keep", **low)
    assert (load_mask(tmp_path / "kept/masks/0.png") == 1).all()


def test_pads_at_even_steps_in_a_dark_gap_are_no_letters():
    r = np.random.default_rng(0)
    a = r.normal(120, 20, (384, 512)).clip(0, 255).astype(np.uint8)
    a[314:] = 0
    for k in range(16):
        a[344:358, 10 + 30 * k : 19 + 30 * k + int(r.integers(0, 5))] = 200
    assert found(a) == Bar()


def test_one_size_in_a_folder(tmp_path):
    "Two that disagree are named, whatever their order; what says nothing is not asked."

    def sizes(*of, pixel_nm=None):
        here = [SimpleNamespace(path=tmp_path / f"{nm}.tif", name=f"p{nm}") for nm in of]
        for f, nm in zip(here, of):
            text = f"[Scan]\r\nPixelWidth={nm}e-9\r\nPixelHeight={nm}e-9\r\n" if nm else ""
            fei(f.path, text) if nm else tifffile.imwrite(f.path, PIXELS)
        return one_size(here, pixel_nm)

    assert sizes(0) == (None, "") and sizes(0, pixel_nm=3.0) == (3.0, "")
    assert sizes(0, 4, 4.05) == (4.0, "")
    assert sizes(4, 8) == sizes(8, 4) == (None, "p8: 8 nm per pixel, but p4 says 4")
    assert sizes(4, 4.06, 4.12).nm is None, "two neighbours agree, the ends do not"
    assert sizes(4, pixel_nm=4.05) == (4.05, "")
    assert sizes(4, 2, pixel_nm=3.0) == (3.0, "p2: 2 nm per pixel, but pixel_nm says 3")
    (tmp_path / "8.tif").write_bytes(b"II*\0")
    here = [SimpleNamespace(path=tmp_path / f"{nm}.tif", name=nm) for nm in (4, 8)]
    assert one_size(here) == (4.0, "")


def test_a_picture_without_the_bar_of_the_others_is_named(tmp_path):
    "Not where most have none, nor where it was asked for."
    bars = Bars([])
    for name, bar in (("a", Bar(0, 9, "found")), ("b", Bar(0, 9, "found")), ("c", Bar())):
        assert bars.remember(list(bar), f"{name}.png") == bar
    assert [n for n in bars.notes() if "no info bar was found in 1 of 3" in n and "c.png" in n]
    bars.remember(Bar(), "d.png")
    assert len(bars.notes()) == 1, "half of them is no rule"
    said = Bars([])
    for bar in (Bar(0, 9, "found"), Bar(0, 9, "found"), Bar(0, 0, "said by the header")):
        said.remember(bar, "a.png")
    assert len(said.notes()) == 1, "a header that says there is none is believed"


def pairs_of(folder, sizes, orientation=1, masks=1):
    for i, nm in enumerate(sizes):
        text = f"[Scan]\r\nPixelWidth={nm}e-9\r\nPixelHeight={nm}e-9\r\n" if nm else "[None]\r\n"
        tags = [(34682, "s", 0, text, True), (274, "H", 1, orientation, True)]
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "masks").mkdir(exist_ok=True)
        pixels = rng.integers(0, 255, (32, 32), np.uint8)
        tifffile.imwrite(folder / "images" / f"{i}.tif", pixels, extratags=tags, metadata=None)
        turn = [(274, "H", 1, masks, True)]
        tifffile.imwrite(folder / "masks" / f"{i}.tif", pixels % 2, extratags=turn, metadata=None)
    return meta(load_pairs(folder))


def test_sizes_that_agree_are_taken_and_others_are_a_note(tmp_path):
    def noted(about, text):
        return [n for n in about["notes"] if text in n]

    same = pairs_of(tmp_path / "same", (4, 4.04, 0))
    assert same["pixel_nm"] == 4 and noted(same, "pixel size: 4 nm, as the files say")
    mixed = pairs_of(tmp_path / "mixed", (4, 8, 0))
    assert mixed["pixel_nm"] is None and noted(mixed, "1: 8 nm per pixel, but 0 says 4")
    given = meta(load_pairs(tmp_path / "mixed", pixel_nm=5.0))
    assert given["pixel_nm"] == 5 and noted(given, "pixel_nm says 5; pixel_nm=5 is used")
    none = pairs_of(tmp_path / "none", (0, 0))
    assert none["pixel_nm"] is None and not noted(none, "nm")


@pytest.mark.parametrize("picture, mask", [(3, 1), (6, 1), (1, 1), (6, 6)])
def test_a_picture_turned_beside_a_mask_that_is_not(tmp_path, picture, mask):
    notes = pairs_of(tmp_path, (0, 0), picture, mask)["notes"]
    odd = [n for n in notes if "2 of 2 pictures are turned" in n and "0.tif has" in n]
    assert len(odd) == (picture != mask)
