"""Healthy small picture files of every kind that the readers know, and ways to break them: bytes
that are flipped, cut, put in, doubled, and numbers in the headers that are swapped or grown."""

import io
import struct
import zlib

import numpy as np
from hypothesis import strategies as st

H, W = 19, 26  # so small that a file is some hundred bytes, and not square

# healthy files ------------------------------------------------------------------------------------


def _numbers(dtype, shape=(H, W), seed=0):
    "Random numbers that fit into the type."
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -30000), min(info.max, 60000), shape).astype(dtype)


def _pillow(a, format, mode=None, **options):
    from PIL import Image

    picture = Image.fromarray(a)
    picture = picture.convert(mode) if mode else picture
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def _tiff(a, **options):
    import tifffile

    file = io.BytesIO()
    how = {k: options.pop(k) for k in ("bigtiff", "byteorder", "imagej", "ome") if k in options}
    with tifffile.TiffWriter(file, **how) as tif:
        tif.write(a, **options)
    return file.getvalue()


def _pages(*pages, **options):
    import tifffile

    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as tif:
        for a in pages:
            tif.write(a, contiguous=False)
    return file.getvalue()


def _exif(orientation):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _png_files():
    grey, rgb = _numbers("uint8"), _numbers("uint8", (H, W, 3))
    yield "grey.png", _pillow(grey, "PNG")
    yield "bits.png", _pillow(grey, "PNG", "1")
    yield "sixteen.png", _pillow(_numbers("uint16"), "PNG")
    yield "palette.png", _pillow(rgb, "PNG", "P")
    yield "palette4.png", _pillow(grey // 16, "PNG", "P", bits=4)
    yield "see-through.png", _pillow(rgb, "PNG", "P", transparency=3)
    yield "la.png", _pillow(grey, "PNG", "LA")
    yield "rgb.png", _pillow(rgb, "PNG", dpi=(300, 300))
    yield "rgba.png", _pillow(rgb, "PNG", "RGBA")
    yield "turned.png", _pillow(grey, "PNG", exif=_exif(6))


def _other_files():
    grey, rgb = _numbers("uint8"), _numbers("uint8", (H, W, 3))
    yield "grey.jpg", _pillow(grey, "JPEG")
    yield "rgb.jpg", _pillow(rgb, "JPEG", quality=80)
    yield "cmyk.jpg", _pillow(rgb, "JPEG", "CMYK")
    yield "progressive.jpeg", _pillow(rgb, "JPEG", progressive=True)
    yield "turned.jpg", _pillow(rgb, "JPEG", exif=_exif(6))
    yield "grey.bmp", _pillow(grey, "BMP")
    yield "bits.bmp", _pillow(grey, "BMP", "1")
    yield "palette.bmp", _pillow(rgb, "BMP", "P")
    yield "rgb.bmp", _pillow(rgb, "BMP")
    yield "rgba.bmp", _pillow(rgb, "BMP", "RGBA")


TYPES = "uint8 uint16 uint32 int8 int16 int32 float16 float32 float64".split()
CODECS = "lzw zlib packbits zstd lzma jpeg jpeg2000 webp png lerc".split()


def _tiff_files():
    grey, rgb = _numbers("uint8"), _numbers("uint8", (H, W, 3))
    for dtype in TYPES:
        yield f"{dtype}.tif", _tiff(_numbers(dtype))
    for codec in CODECS:
        a = rgb if codec == "webp" else grey
        yield f"{codec}.tif", _tiff(a, compression=codec)
    yield "predicted.tif", _tiff(_numbers("uint16"), compression="zlib", predictor=True)
    yield "strips.tif", _tiff(grey, rowsperstrip=4)
    yield "tiles.tif", _tiff(grey, tile=(16, 16))
    yield "lzw-tiles.tif", _tiff(rgb, tile=(16, 16), compression="lzw")
    yield "bits.tif", _tiff(grey > 99, photometric="minisblack")
    yield "white.tif", _tiff(grey, photometric="miniswhite")
    yield "rgb.tif", _tiff(rgb, photometric="rgb")
    yield "planes.tif", _tiff(_numbers("uint8", (3, H, W)), planarconfig="separate")
    yield "rgba.tif", _tiff(_numbers("uint8", (H, W, 4)), photometric="rgb", extrasamples=[2])
    colours = _numbers("uint16", (3, 256))
    yield "palette.tif", _tiff(grey, photometric="palette", colormap=colours)
    yield "big-endian.tif", _tiff(_numbers("uint16"), byteorder=">")
    yield "big.tif", _tiff(grey, bigtiff=True)
    yield "big-big-endian.tif", _tiff(_numbers("float32"), bigtiff=True, byteorder=">")
    yield "turned.tif", _tiff(grey, extratags=[(274, 3, 1, 6, True)])
    yield "nm.tif", _tiff(grey, resolution=(1e7, 1e7), resolutionunit="CENTIMETER")
    yield "stack.tif", _tiff(_numbers("uint8", (3, H, W)), photometric="minisblack")
    yield "pages.tif", _pages(grey, grey[::-1], grey.T.copy().reshape(H, W))
    yield "thumbnail.tif", _pages(grey, grey[::2, ::2].copy())
    stack = _numbers("uint16", (3, H, W))
    about = dict(axes="ZYX", unit="nm", spacing=5.0)
    yield "imagej.tif", _tiff(stack, imagej=True, resolution=(0.5, 0.5), metadata=about)
    size = dict(axes="ZYX", PhysicalSizeX=3.5, PhysicalSizeXUnit="nm")
    yield "ome.ome.tif", _tiff(stack, ome=True, metadata=size)
    yield "cmyk.tif", _pillow(rgb, "TIFF", "CMYK")
    yield "lab.tif", _pillow(rgb, "TIFF", "LAB")
    yield "old-jpeg.tif", _pillow(rgb, "TIFF", compression="jpeg")
    yield "group4.tif", _pillow(grey, "TIFF", "1", compression="group4")
    fei = "[User]\r\n[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\n"
    yield "fei.tif", _tiff(grey, extratags=[(34682, 2, len(fei) + 1, fei, True)])


def healthy():
    "Small files of every kind, by name."
    return dict(entry for files in (_png_files, _other_files, _tiff_files) for entry in files())


# ways to break them -------------------------------------------------------------------------------

ODD = [0, 1, 2, 3, 5, 8, 17, 32, 255, 256, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1]


def _at(a, n):
    "A place in `n` bytes; `a` is a share of 65536."
    return a * n // 65536


def flip(data, a, b, n):
    "One bit is another one."
    at = _at(a, len(data))
    return data[:at] + bytes([data[at] ^ 1 << n % 8]) + data[at + 1 :]


def put(data, a, b, n):
    "Two or four bytes become an odd number."
    at = _at(a, len(data))
    size = 4 if b % 2 else 2
    odd = (ODD[n % len(ODD)] % 2 ** (8 * size)).to_bytes(size, "little" if b % 4 < 2 else "big")
    return data[:at] + odd + data[at + size :]


def cut(data, a, b, n):
    "The end is gone."
    return data[: _at(a, len(data))]


def insert(data, a, b, n):
    "Some bytes too many."
    at = _at(a, len(data))
    return data[:at] + bytes([b % 256]) * (1 + n % 40) + data[at:]


def double(data, a, b, n):
    "A piece comes twice."
    first, last = sorted((_at(a, len(data)), _at(b, len(data))))
    return data[:last] + data[first:]


def lose(data, a, b, n):
    "A piece is missing."
    first, last = sorted((_at(a, len(data)), _at(b, len(data))))
    return data[:first] + data[last:]


def _tiff_entries(data):
    "Byte order, letters of a place and of an entry, and where the entries of all directories are."
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    place, many, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    at, found, ends = struct.unpack_from(order + place, data, 8 if big else 4)[0], [], []
    while 0 < at < len(data) - 8 and len(ends) < 8:
        count = struct.unpack_from(order + many, data, at)[0]
        first = at + struct.calcsize(many)
        size = struct.calcsize(order + entry)
        if count > 100 or first + count * size + struct.calcsize(place) > len(data):
            break
        found += [first + i * size for i in range(count)]
        ends.append(first + count * size)
        at = struct.unpack_from(order + place, data, ends[-1])[0]
    return order, place, entry, found, ends


def _repack(data, at, form, values):
    changed = bytearray(data)
    sizes = [8 * struct.calcsize(form[:1] + c) for c in form[1:]]
    struct.pack_into(form, changed, at, *(v % 2**s for v, s in zip(values, sizes)))
    return bytes(changed)


def entry(data, a, b, n):
    "A field of an entry of a TIFF directory: tag, type, count or value."
    where = _tiff_entries(data)
    if not where or not where[3]:
        return put(data, a, b, n)
    order, _, form, found, _ = where
    at = found[_at(a, len(found))]
    values = list(struct.unpack_from(order + form, data, at))
    field = b % 4
    odd = n % 19 if field == 1 else ODD[n % len(ODD)]
    values[field] = odd if b % 3 else values[field] * (1 + n % 7) + b % 2
    if field == 0:
        values[0] = struct.unpack_from(order + "H", data, found[n % len(found)])[0]
    return _repack(data, at, order + form, values)


def swap(data, a, b, n):
    "Two entries of a TIFF directory change places, tags stay."
    where = _tiff_entries(data)
    if not where or len(where[3]) < 2:
        return double(data, a, b, n)
    order, _, form, found, _ = where
    one, two = found[_at(a, len(found))], found[_at(b, len(found))]
    first, second = (struct.unpack_from(order + form, data, at) for at in (one, two))
    data = _repack(data, one, order + form, first[:1] + second[1:])
    return _repack(data, two, order + form, second[:1] + first[1:])


def link(data, a, b, n):
    "Where the next directory is: itself, the first, anywhere, nowhere."
    where = _tiff_entries(data)
    if not where or not where[3]:
        return lose(data, a, b, n)
    order, place, _, found, ends = where
    to = [found[0] - 2, _at(a, len(data)), len(data), 8, ODD[n % len(ODD)]][b % 5]
    return _repack(data, ends[_at(a, len(ends))], order + place, [to])


def _png_chunks(data):
    "The chunks of a PNG: (kind, content)."
    at, found = 8, []
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _chunk(kind, content):
    size, check = len(content), zlib.crc32(kind + content)
    return struct.pack(">I", size) + kind + content + struct.pack(">I", check)


def header(data, a, b, n):
    "A number of the header, with its check sum made right again where there is one."
    if data[:4] != b"\x89PNG":
        return put(data, a // 16, b, n)
    chunks = _png_chunks(data)
    if not chunks:
        return flip(data, a, b, n)
    i = _at(a, len(chunks)) if b % 3 == 0 else 0
    kind, content = chunks[i]
    if kind == b"IHDR" and len(content) == 13 and b % 2:
        sides = [ODD[n % len(ODD)] if b % 4 == 1 else W, ODD[n % len(ODD)] if b % 4 == 3 else H]
        content = struct.pack(">II", *sides) + content[8:]
    elif content:
        content = put(content, b, n, a)
    chunks[i] = (kind, content[:100_000])
    return data[:8] + b"".join(_chunk(*c) for c in chunks)


WAYS = dict(flip=flip, put=put, cut=cut, insert=insert, double=double, lose=lose)
WAYS |= dict(entry=entry, swap=swap, link=link, header=header)
HEADERS = ["entry", "entry", "swap", "link", "header"]  # more often: here the numbers stand


def mutated(data, changes):
    "`data` after each of `changes`: (way, a, b, n)."
    for way, a, b, n in changes:
        if data:
            data = WAYS[way](data, a, b, n)
    return data


def changes(ways=(*WAYS, *HEADERS), most=3):
    "A strategy: what is done to a file, one thing after the other."
    number = st.integers(0, 65535)
    return st.lists(
        st.tuples(st.sampled_from(ways), number, number, number), min_size=1, max_size=most
    )
