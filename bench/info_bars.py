"""How often an info bar is found in one picture alone, and how often a specimen is taken for one.

Bars are drawn below real and simulated pictures, in the styles of seven makers, stored as PNG and
as JPEG. False alarms are counted at both ends of all pictures without a bar, and on what is most
like one: a wide dark gap below metal lines, with things in it, recorded with little noise."""

import io
from pathlib import Path

import numpy as np
from common import write
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from unet_explorer.data import cache_dir, load
from unet_explorer.headers import Bars
from unet_explorer.images import Picture
from unet_explorer.simulate import simulate

SEED = 0
STYLES = {  # paper, ink, lines of text, cells, share of the height
    "FEI, light": (255, 0, 2, 6, 0.065),
    "FEI, dark": (0, 255, 2, 6, 0.065),
    "Zeiss": (0, 255, 2, 3, 0.09),
    "TESCAN": (0, 255, 3, 3, 0.1),
    "JEOL": (0, 255, 1, 4, 0.06),
    "Hitachi": (0, 230, 1, 1, 0.075),
    "Phenom": (40, 220, 1, 5, 0.05),
}
WORDS = ["HV 5.00 kV", "WD 4.1 mm", "mag 50 000 x", "det TLD", "HFW 2.56 um", "Date: 3 Feb 2021"]
QUALITY = {"PNG": None, "JPEG 90": 90, "JPEG 75": 75}
GAPS = ("empty", "contacts", "squares", "pieces of lines", "particles", "ends of lines", "letters")
NOISE = (1, 2, 5, 12)  # grey values


def drawn_bar(width, height, style, seed):
    "A strip with text, cells and a scale bar."
    paper, ink, lines, cells, share = STYLES[style]
    rows = max(14, round(height * share))
    picture = Image.new("L", (width, rows), paper)
    size = max(7, int(rows / lines * 0.62))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    words = [WORDS[i] for i in np.random.default_rng(seed).permutation(len(WORDS))]
    for cell in range(cells):
        left = cell * width // cells
        for line in range(lines):
            text = words[(cell * lines + line) % len(words)] if cells > 1 else "  ".join(words)
            while pen.textlength(text, font=font) > width / cells - 6:
                text = text[:-1]
            pen.text((left + 4, rows * line / lines + 1), text, fill=ink, font=font)
        pen.line([(left, 0), (left, rows)], fill=ink)
    pen.rectangle([width * 0.7, rows - 6, width * 0.85, rows - 4], fill=ink)
    if style == "Zeiss":
        pen.rectangle([0, 0, width - 1, rows - 1], outline=ink)
    return np.asarray(picture)


def stored(a, quality):
    "A picture as a file gives it back."
    if quality is None:
        return a
    file = io.BytesIO()
    Image.fromarray(a).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def name_of_a_chip(height, width, size):
    "Letters of metal, grey values above those of the field."
    field = Image.new("L", (width, height), 0)
    text, font = "UNIT 42 CHIP 1987 SRAM 4K METAL 2 REV C", ImageFont.load_default(size)
    ImageDraw.Draw(field).text((6, (height - size) / 2), text, fill=170, font=font)
    return np.asarray(field)


def dark_gap(kind, noise, clipped, seed, h=480, w=640, level=30):
    "Metal lines, and below them a wide dark gap; `clipped`: so dark that nothing is recorded."
    r = np.random.default_rng(seed)
    gap = int(h * r.uniform(0.06, 0.24))
    a = np.full((h, w), 150.0)
    a[: h - gap][np.arange(h - gap) % 16 < 8] = 60
    a[h - gap :] = level
    middle, column = h - gap // 2, np.arange(w)
    if kind == "contacts":
        a[middle - 4 : middle + 4, column % 20 < 8] = 200
    if kind == "squares":
        for _ in range(40):
            side = int(r.integers(4, 14))
            y, x = int(r.integers(h - gap + 1, h - side)), int(r.integers(0, w - side))
            a[y : y + side, x : x + side] = 200
    if kind == "pieces of lines":
        x = 0
        while x < w - 20:
            n = int(r.integers(8, 60))
            a[middle - 4 : middle + 5, x : x + n] = 200
            x += n + int(r.integers(6, 20))
    if kind == "particles":
        y, x = np.mgrid[:h, :w]
        for _ in range(30):
            at, radius = (r.uniform(h - gap + 9, h - 9), r.uniform(0, w)), r.uniform(2, 8)
            a[(y - at[0]) ** 2 + (x - at[1]) ** 2 < radius**2] = 200
    if kind == "ends of lines":
        a[: h - gap // 3, column % 24 < r.integers(4, 16)] = 200
    if kind == "letters":
        a[h - gap :] += name_of_a_chip(gap, w, int(r.integers(12, 33)))
        a = gaussian_filter(a, 1)  # as wide as the beam
    a += r.normal(0, noise, a.shape)
    a -= (level + 3 * noise) * clipped
    return np.clip(a.round(), 0, 255).astype(np.uint8)


def as_bytes(a):
    a = np.asarray(a)
    a = a if a.dtype == np.uint8 else (a * 255).round().astype(np.uint8)
    return a if a.ndim == 2 else a[..., 0]


def specimens():
    "Pictures without a bar, by where they come from."
    found = {
        name: [as_bytes(row["image"]) for part in load(name, **how).values() for row in part]
        for name, how in dict(isbi2012={}, nasa_super1={}, ic_layout=dict(seed=SEED)).items()
    }
    found["simulated"] = [as_bytes(x[0]) for x, _ in simulate(30, (512, 640), SEED)]
    boards = sorted(Path(cache_dir() / "deeppcb").rglob("*.jpg"))
    return found | {"deeppcb": [np.asarray(Image.open(p).convert("L")) for p in boards]}


def cut(a):
    "Rows that are taken for a bar at the top and at the bottom."
    return Bars([]).of("no such file.png", Picture(a))[:2]


def main():
    pictures, hits = specimens(), []
    for source in ("isbi2012", "nasa_super1", "ic_layout", "simulated"):
        for style in STYLES:
            for kind, quality in QUALITY.items():
                right = wrong = 0
                some = pictures[source][:30]
                for i, a in enumerate(some):
                    bar = drawn_bar(a.shape[1], a.shape[0], style, SEED + i)
                    found = cut(stored(np.concatenate([a, bar]), quality))
                    right += found == (0, len(bar))
                    wrong += found not in ((0, 0), (0, len(bar)))
                row = dict(source=source, style=style, stored=kind, n=len(some))
                hits.append(row | dict(right=right, wrong=wrong))
    alarms = {k: dict(n=len(v), alarms=sum(any(cut(a)) for a in v)) for k, v in pictures.items()}
    for kind in GAPS:
        gaps = [(n, c, s) for n in NOISE for c in (0, 1) for s in range(20)]
        n = sum(any(cut(dark_gap(kind, *gap))) for gap in gaps)
        alarms[f"dark gap, {kind}"] = dict(n=len(gaps), alarms=n)
    write("info_bars", seed=SEED, styles=STYLES, hits=hits, alarms=alarms)


if __name__ == "__main__":
    main()
