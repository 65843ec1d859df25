"""Small copies of clean data sets, and one fault at a time put into them. Everything is decided by
numbers written here: the same folder each time."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFilter
from skimage.measure import label

SIDE = 192  # pixels of a small copy
N = 10  # pictures of each


def save(path, a, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, a, photometric="rgb" if a.ndim == 3 else "minisblack", **how)
    else:
        Image.fromarray(a).save(path, **how)


def read(path):
    return tifffile.imread(path) if path.suffix == ".tif" else np.array(Image.open(path))


def clean_copy(ds, folder, column="image", n=N):
    "The first pictures of a data set, cut small, with masks of class numbers, if it has any."
    from unet_explorer.rows import sample
    from unet_explorer.images import to_image

    rows = [(part, i) for part in ds.values() for i in range(len(part))]
    for part, i in rows[:: max(1, len(rows) // n)][:n]:
        image, mask = sample(part, i)
        image = to_image(part[i][column], 1)[0, :SIDE, :SIDE] if column != "image" else image[0]
        a = (image[:SIDE, :SIDE].numpy() * 255).round().astype(np.uint8)
        name = part[i]["name"]
        if column == "image":
            save(folder / f"images/{name}.png", a)
            save(folder / f"masks/{name}.png", mask[:SIDE, :SIDE].numpy().astype(np.uint8))
        elif 0.05 < (a > 128).mean() < 0.95:
            save(folder / f"{name}.png", a)
    return folder


class Set:
    "The pictures and masks of a copy, by number."

    def __init__(self, folder):
        self.folder = Path(folder)
        self.paired = (self.folder / "images").is_dir()
        self.images = sorted((self.folder / "images" if self.paired else self.folder).glob("*.png"))
        self.masks = [self.folder / "masks" / p.name for p in self.images] if self.paired else []

    def beside(self, k, name, image=None, mask=None):
        "A further picture, like number k."
        a = read(self.images[k]) if image is None else image
        save(self.images[k].with_name(name), a)
        if self.paired:
            m = read(self.masks[k]) if mask is None else mask
            save((self.folder / "masks" / name).with_suffix(".png"), m)


class Fault(NamedTuple):
    of: str  # which clean copy
    kind: str  # what the doctor calls it
    spoil: object  # puts it into a `Set`; returns the names of the pictures or files concerned
    repaired: bool = True  # whether `fix` leaves nothing


FAULTS = {}


def fault(of, kind, repaired=True):
    def keep(f):
        FAULTS[f.__name__] = Fault(of, kind, f, repaired)
        return f

    return keep


def change(path, f):
    save(path, f(read(path)))


# --- pictures that are there twice --------------------------------------------------------------


@fault("isbi2012", "duplicate")
def same_file_under_two_names(s):
    s.beside(1, "zz.png")
    return [s.images[1].stem, "zz"]


@fault("nasa_super1", "duplicate")
def same_picture_with_another_mask(s):
    s.beside(2, "zz.png", mask=np.roll(read(s.masks[2]), 40, 0))
    return [s.images[2].stem, "zz"]


@fault("isbi2012", "near-duplicate")
def saved_again_as_jpeg(s):
    save(s.images[3].with_name("zz.jpg"), read(s.images[3]), quality=70)
    shutil.copy(s.masks[3], s.folder / "masks/zz.png")
    return [s.images[3].stem, "zz"]


@fault("nasa_super1", "near-duplicate")
def turned_and_brightened(s):
    image = (read(s.images[4]) * 0.8 + 20).astype(np.uint8)
    s.beside(4, "zz.png", np.rot90(image), np.rot90(read(s.masks[4])))
    return [s.images[4].stem, "zz"]


@fault("deeppcb", "near-duplicate")
def enlarged(s):
    image = np.array(Image.fromarray(read(s.images[1])).resize((288, 288), Image.BICUBIC))
    s.beside(1, "zz.png", image)
    return [s.images[1].stem, "zz"]


# --- pictures -----------------------------------------------------------------------------------


@fault("isbi2012", "contrast")
def inverted(s):
    change(s.images[2], lambda a: 255 - a)
    return [s.images[2].stem]


@fault("simulated", "contrast")
def inverted_chip(s):
    change(s.images[5], lambda a: 255 - a)
    return [s.images[5].stem]


@fault("nasa_super1", "bits")
def eight_bits_stretched_to_sixteen(s):
    for path in s.images[:2]:
        save(path.with_suffix(".tif"), read(path).astype(np.uint16) * 257)
        path.unlink()
    return [p.stem for p in s.images[:2]]


@fault("simulated", "bits")
def twelve_bits_of_sixteen(s):
    rng = np.random.default_rng(0)
    for path in s.images:
        a = read(path).astype(np.uint16)
        save(path.with_suffix(".tif"), a * 16 + rng.integers(0, 16, a.shape).astype(np.uint16))
        path.unlink()
    return [p.stem for p in s.images]


@fault("deeppcb", "constant")
def shutter_closed(s):
    change(s.images[0], lambda a: np.full_like(a, 17))
    return [s.images[0].stem]


@fault("isbi2012", "blurred")
def out_of_focus(s):
    change(s.images[6], lambda a: np.array(Image.fromarray(a).filter(ImageFilter.GaussianBlur(3))))
    return [s.images[6].stem]


@fault("deeppcb", "blurred")
def out_of_focus_board(s):
    change(s.images[2], lambda a: np.array(Image.fromarray(a).filter(ImageFilter.GaussianBlur(4))))
    return [s.images[2].stem]


@fault("isbi2012", "colour")
def screenshot(s):
    a = read(s.images[4])
    colour = np.stack([a, a, a], -1)
    colour[:40, :60] = 250, 120, 20
    save(s.images[4], colour)
    return [s.images[4].stem]


def with_bar(a):
    strip = Image.new("L", (a.shape[1], 24), 0)
    draw = ImageDraw.Draw(strip)
    draw.text((4, 6), "10.0 kV  x 20,000  500 nm  SE  WD 5", fill=255)
    return np.concatenate([a, np.array(strip)])


@fault("nasa_super1", "info bar")
def info_bars(s):
    for image, mask in zip(s.images, s.masks):
        change(image, with_bar)
        change(mask, lambda m: np.pad(m, ((0, 24), (0, 0))))
    return [p.stem for p in s.images]


@fault("simulated", "size", repaired=False)
def another_magnification(s):
    for path, how in ((s.images[3], Image.BICUBIC), (s.masks[3], Image.NEAREST)):
        change(path, lambda a, how=how: np.array(Image.fromarray(a).resize((256, 240), how)))
    return [s.images[3].stem]


@fault("isbi2012", "pixel size", repaired=False)
def two_pixel_sizes(s):
    for path, nm in zip(s.images[:2], (4, 8)):
        how = dict(imagej=True, resolution=(1 / nm, 1 / nm), metadata=dict(unit="nm"))
        tifffile.imwrite(path.with_suffix(".tif"), read(path), **how)
        path.unlink()
    return [s.images[1].stem]


# --- files --------------------------------------------------------------------------------------


@fault("nasa_super1", "unreadable")
def cut_off(s):
    s.images[1].write_bytes(s.images[1].read_bytes()[:900])
    return [str(s.images[1])]


@fault("simulated", "names")
def mask_missing(s):
    s.masks[2].unlink()
    return [str(s.images[2])]


@fault("isbi2012", "names")
def picture_missing(s):
    s.images[2].unlink()
    return [str(s.masks[2])]


@fault("nasa_super1", "names")
def two_masks_of_one_name(s):
    shutil.copy(s.masks[0], s.masks[0].with_name(f"{s.masks[0].stem}_mask.png"))
    return [
        str(p) for p in (s.images[0], s.masks[0], s.masks[0].with_stem(f"{s.masks[0].stem}_mask"))
    ]


@fault("isbi2012", "not read", repaired=True)
def another_format(s):
    (s.folder / "images/stack.czi").write_bytes(b"ZISRAWFILE" + bytes(100))
    return []


# --- masks --------------------------------------------------------------------------------------


@fault("simulated", "mask size")
def mask_of_another_size(s):
    change(s.masks[1], lambda m: m[:-7, :-9])
    return [s.images[1].stem]


@fault("isbi2012", "inverted mask")
def mask_inverted(s):
    change(s.masks[7], lambda m: 1 - m)
    return [s.images[7].stem]


@fault("nasa_super1", "turned mask")
def mask_turned(s):
    change(s.masks[3], np.rot90)
    return [s.images[3].stem]


@fault("isbi2012", "wrong mask")
def masks_swapped(s):
    a, b = (read(s.masks[k]) for k in (2, 8))
    save(s.masks[2], b)
    save(s.masks[8], a)
    return [s.images[k].stem for k in (2, 8)]


@fault("simulated", "wrong mask")
def mask_of_another_picture(s):
    shutil.copy(s.masks[1], s.masks[4])
    return [s.images[4].stem]


@fault("isbi2012", "shifted mask")
def mask_two_pixels_off(s):
    change(s.masks[5], lambda m: np.roll(m, (2, -1), (0, 1)))
    return [s.images[5].stem]


@fault("nasa_super1", "shifted mask")
def all_masks_one_pixel_off(s):
    for path in s.masks:
        change(path, lambda m: np.roll(m, 1, 1))
    return [p.stem for p in s.images]


@fault("isbi2012", "soft mask")
def mask_saved_as_jpeg(s):
    save(s.masks[1].with_suffix(".jpg"), read(s.masks[1]) * 255, quality=80)
    s.masks[1].unlink()
    for path in s.masks[:1] + s.masks[2:]:
        change(path, lambda m: m * 255)
    return [s.images[1].stem]


@fault("simulated", "soft mask")
def all_masks_smoothed(s):
    for path in s.masks:
        big = Image.fromarray(read(path) * 255).resize((70, 70), Image.BICUBIC)
        save(path, np.array(big.resize((SIDE, SIDE), Image.BICUBIC)))
    return [p.stem for p in s.images]


@fault("nasa_super1", "objects")
def numbers_of_objects(s):
    for path in s.masks:
        change(path, lambda m: label(m > 0, connectivity=2).astype(np.uint16))
    return []


@fault("simulated", "other numbers")
def white_in_some_masks(s):
    for path in s.masks[:2]:
        change(path, lambda m: m * 255)
    return [p.stem for p in s.images[:2]]


@fault("nasa_super1", "mask numbers")
def numbers_with_gaps(s):
    for path in s.masks:
        change(path, lambda m: np.array([0, 85, 170], np.uint8)[m])
    return []


@fault("isbi2012", "empty mask")
def mask_forgotten(s):
    change(s.masks[9], np.zeros_like)
    return [s.images[9].stem]


@fault("isbi2012", "wrong mask")
def one_mask_for_two(s):
    s.beside(4, "zz.png", np.roll(read(s.images[4]), 60, 0))
    return ["zz"]


@fault("simulated", "rare class", repaired=False)
def five_pixels_of_a_class(s):
    for path in s.masks:
        change(path, lambda m: np.where(np.indices(m.shape).sum(0) < 4, 2, m).astype(np.uint8))
    return []
