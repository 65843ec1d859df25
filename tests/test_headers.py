"""What a file says about itself: sizes of pixels as each maker writes them, compared with
RosettaSciIO where it reads the same file; damaged headers; and the bar of text below a picture.

No file here is from a microscope: each is written by tifffile with the maker's tags."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import TIFF as KNOWN

from unet_explorer.contracts import InputError
from unet_explorer.headers import not_square, pixel_sides_nm, pixel_size_nm

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
    # RosettaSciIO 0.14 swaps width and height of what is not square, other than DigitalMicrograph's
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


NONSENSE = ["0", "-4e-9", "inf", "nan", "1e300", "1e-300", "", "four", "4e-9 m", "0x4", "4,5"]


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
    "JEOL": ("a.txt", "$CM_FULL_SIZE 64 48\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 200nm\n", 4),
    "JEOL, um": ("a.txt", "$CM_MAG 500\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 5um\n", 100),
    "JEOL, no bar": ("a.txt", "$$SM_MICRON_BAR 0\n$$SM_MICRON_MARKER 5um\n", None),
    "a diary": ("a.txt", "PixelSize=4\nAP_PIXEL_SIZE\nsee $$SM_MICRON_BAR 50", None),
    "nothing": ("a.txt", "", None),
}


@pytest.mark.parametrize("who", BESIDE)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
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
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="cannot be read"):
        pixel_size_nm(path)


def test_mrc(tmp_path):
    pytest.importorskip("rsciio.mrc")
    head = np.zeros(256, np.int32)
    head[:4], head[7:10] = (64, 48, 1, 0), (64, 48, 1)
    head[10:13] = np.array([640, 480, 10], np.float32).view(np.int32)  # the cell, in Å
    head[16:19], head[52] = (1, 2, 3), int.from_bytes(b"MAP ", "little")
    (tmp_path / "a.mrc").write_bytes(head.tobytes() + PIXELS.tobytes())
    assert pixel_size_nm(tmp_path / "a.mrc") == pytest.approx(1)
