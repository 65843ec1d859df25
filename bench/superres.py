"""Pictures made larger: PSNR, SSIM, checkerboards and time of four last layers against bicubic and
the best linear filter, on photographs and on EM; and what becomes of a line width, and of a bite
that no training picture had. Finished runs are kept, so it can be stopped at any time."""

import itertools
import sys
import time
from functools import cache

import numpy as np
import torch
from common import RESULTS, SEEDS, SPLIT, earlier, facts, parameters, write
from torch.nn.functional import mse_loss
from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.images import show_grid
from unet_explorer.layout import Roughness, lines, roughen
from unet_explorer.physical_defects import add_defect
from unet_explorer.superres import (
    PICTURES,
    SuperRes,
    best_linear,
    bicubic,
    line_edges,
    line_widths,
    luminance,
    paired_crops,
    psnr_ssim,
    shrink,
    two_scans,
)
from unet_explorer.train import fit_batches
from unet_explorer.upsample import checkerboard_score, nyquist_energy, phase_variance, smooth_noise

SCALES = (2, 3, 4)
UPS = ("shuffle", "nearest", "transposed", "transposed_uneven")
STEPS = dict(photographs=800, EM=300)
RECIPE = (
    f"{STEPS['photographs']} steps (photographs) or {STEPS['EM']} steps (EM) of 16 random crops, "
    "24x24 pixels of the small picture, turned and mirrored; AdamW, one cycle up to 3e-3, squared "
    "error; luminance in [0, 1]; shrunk by anti-aliased bicubic interpolation, not rounded; a "
    "margin of two small pixels is left out of the scores"
)


def on():
    about = facts()
    keys = ("processor", "cores", "date")
    return ", ".join([*(str(about[k]) for k in keys), about.get("commit", "no commit")])


# --- pictures ----------------------------------------------------------------------------------


def full_size(kind, part):
    "Name and picture `(1 h w)` of each picture of a part."
    if kind == "photographs":
        return [(name, luminance(name)) for name in PICTURES[part]]
    ds = load("isbi2012")[part]
    return [(ds[i]["name"], sample(ds, i)[0]) for i in range(len(ds))]


def pairs(pictures, scale):
    out = []
    for name, large in pictures:
        h, w = (n // scale * scale for n in large.shape[-2:])
        out.append((name, shrink(large, scale), large[:, :h, :w]))
    return out


@torch.no_grad()
def scores(f, test, scale):
    "PSNR and SSIM of each picture."
    found = {n: psnr_ssim(f(small[None])[0], large, 2 * scale) for n, small, large in test}
    return dict(psnr={n: v[0] for n, v in found.items()}, ssim={n: v[1] for n, v in found.items()})


@torch.no_grad()
def patterns(net, scale):
    """Checkerboards. flat: phase variance of the output for greys, the highest; smooth: Nyquist
    energy of the output for a smooth picture; layer: phase variance of the last layer for ones."""
    greys = [torch.full((1, 1, 32, 32), g) for g in (0.2, 0.5, 0.8)]
    smooth = (0.5 + 0.15 * smooth_noise(1, 32)).clamp(0, 1)
    return dict(
        flat=max(phase_variance(net(g), scale, 8 * scale) for g in greys),
        smooth=nyquist_energy(net(smooth), scale),
        layer=checkerboard_score(net.up, 32, scale)["phase"],
    )


def wanted(kind):
    "The runs `(scale, up, seed)` of a kind of pictures, the most important ones first."
    for seed in SEEDS:
        for scale in SCALES:
            for up in UPS if kind == "photographs" or scale == 2 else ("shuffle",):
                yield scale, up, seed


def enlarge(kind, rows, save):
    "Fill `rows` of one kind of pictures."
    done = {(r["scale"], r["up"], r.get("seed")) for r in rows}
    pictures = {part: full_size(kind, part) for part in ("train", "valid", "test")}
    for scale in SCALES:
        if (scale, "bicubic", None) in done:
            continue
        parts = {part: pairs(p, scale) for part, p in pictures.items()}
        linear = best_linear([p[1:] for p in parts["train"]], scale)
        for up, f in (("bicubic", lambda x, s=scale: bicubic(x, s)), ("linear", linear)):
            valid = float(np.mean(list(scores(f, parts["valid"], scale)["psnr"].values())))
            rows.append(dict(scale=scale, up=up, valid_psnr=valid))
            rows[-1] |= scores(f, parts["test"], scale)
        save()
    for scale, up, seed in wanted(kind):
        if (scale, up, seed) in done:
            continue
        parts = {part: pairs(p, scale) for part, p in pictures.items()}
        net, start = SuperRes(scale, up, seed=seed), time.perf_counter()
        before = patterns(net, scale)
        batch = paired_crops([p[1:] for p in parts["train"]], scale)
        fit_batches(net, batch, mse_loss, steps=STEPS[kind], seed=seed)
        seconds = round(time.perf_counter() - start, 1)
        valid = float(np.mean(list(scores(net, parts["valid"], scale)["psnr"].values())))
        row = dict(scale=scale, up=up, seed=seed, parameters=parameters(net), valid_psnr=valid)
        row |= scores(net, parts["test"], scale) | dict(before=before, after=patterns(net, scale))
        rows.append(row | dict(seconds=seconds, on=on()))
        save()
        mean = np.mean(list(row["psnr"].values()))
        print(f"{kind} x{scale} {up}, seed {seed}: {mean:.2f} dB, {seconds} s", flush=True)


@torch.no_grad()
def times(rounds=11, side=504):
    "Milliseconds to make a picture of 504x504, one thread; all take turns; median and range."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    jobs = {}
    for scale in SCALES:
        x = torch.rand(1, 1, side // scale, side // scale)
        jobs[f"bicubic x{scale}"] = (lambda x, s=scale: bicubic(x, s), x)
        for up in UPS:
            jobs[f"{up} x{scale}"] = (SuperRes(scale, up).eval(), x)
    took = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, (f, x) in jobs.items():
            start = time.perf_counter()
            f(x)
            took[name].append(1000 * (time.perf_counter() - start))
    torch.set_num_threads(threads)
    ms = {k: v[1:] for k, v in took.items()}
    found = {k: dict(ms=float(np.median(v)), fastest=min(v), slowest=max(v)) for k, v in ms.items()}
    return dict(rounds=rounds, side=side, threads=1, on=on(), **found)


# --- line widths -------------------------------------------------------------------------------

SIDE, NOMINAL, PITCHES = 384, 40.0, (80, 96)  # nm; the second for `nominal` only
SMOOTH, LONGER = (8.0, 3.0), (24.0, 4.0)  # of the gauge, along and across the lines, in nm
LEVEL = 0.45  # grey level of an edge
DOSES = (10, 40)  # electrons per pixel of the quick scan
WIDTHS = (34, 37, 40, 43, 46)
BITES = (20, 32, 44)
DIES, LINE_STEPS, TEST = 12, 400, 700_000
TRAINING = {  # design widths in nm, width of the spaces in nm (None: the pitch is kept), bites
    "nominal": ((39.0, 41.0), None, False),
    "wide": ((28.0, 52.0), (32.0, 48.0), False),
    "wide, with bites": ((28.0, 52.0), (32.0, 48.0), True),
}
LINES = (
    f"48 dies of {SIDE}x{SIDE} nm for each training, {LINE_STEPS} steps, quick scan in pixels of "
    "8 nm, slow scan (200 electrons) in pixels of 2 nm; "
    f"widths on {DIES} other dies; nominal: widths 39 to 41 nm at the pitch of the test; "
    f"wide: widths 28 to 52 nm, spaces 32 to 48 nm; pitches {PITCHES} nm"
)


def die(width, pitch, seed):
    "Rough upright lines in pixels of 1 nm."
    return roughen(lines((SIDE, SIDE), 1.0, pitch, width, seed, upright=True), Roughness(), seed)


def dies_to_train(name, pitch, seed, n=48):
    "Layouts, none of which is looked at again."
    widths, spaces, bites = TRAINING[name]
    rng, out = np.random.default_rng([seed, *name.encode()]), []
    for _ in range(n):
        width = rng.uniform(*widths)
        gap = pitch - width if spaces is None else rng.uniform(*spaces)
        chip = die(width, width + gap, int(rng.integers(2**30)))
        for _ in range(4 if bites else 0):
            try:
                chip = add_defect(chip, "mouse_bite", rng.uniform(12, 56), int(rng.integers(2**30)))
                chip = chip[0]
            except InputError:  # no room for one more
                continue
        out.append(chip)
    return out


def line_net(name, pitch, dose, seed):
    "A network that has seen quick and slow scans of the dies of `name`."
    chips = dies_to_train(name, pitch, seed)
    scans = [two_scans(c.metal, float(dose), seed=1000 * seed + i) for i, c in enumerate(chips)]
    net = SuperRes(4, seed=seed)
    fit_batches(net, paired_crops(scans, 4, turn=False), mse_loss, steps=LINE_STEPS, seed=seed)
    return net


@torch.no_grad()
def as_seen(f, quick):
    return f(quick[None])[0, 0].numpy()


@cache
def line_scene(width, pitch, i, dose):
    "Quick and slow scan of a clean die, what endless electrons would show, and the true width."
    metal = die(width, pitch, 5000 + i).metal
    perfect = two_scans(metal, float("inf"), float("inf"))[1][0].numpy()
    truth = float(np.nanmean(line_widths(metal, 1.0, (0, 0), 0.5)))
    return *two_scans(metal, float(dose), seed=TEST + i), perfect, truth


@cache
def bite_scene(size, pitch, i, dose):
    "Scans of a die with a bite, of the same one without, mask of the bite, its area and depth."
    chip = die(NOMINAL, pitch, 9000 + i)
    broken, mask, _ = add_defect(chip, "mouse_bite", float(size), seed=i)
    scans = [two_scans(c.metal, float(dose), seed=TEST + i) for c in (broken, chip)]
    return *scans, mask, *bite_found(broken.metal, 1.0, mask, level=0.5)


def bite_found(image, pixel_nm, mask, smooth_nm=SMOOTH, level=LEVEL):
    """Missing area in nm2 and greatest depth in nm of the edge at a bite, in a picture. The place
    of the edge without it: its median over the rows away from the bite."""
    y, x = np.nonzero(mask)
    edges, rising = line_edges(image, pixel_nm, smooth_nm, level)
    middle = np.nanmedian(edges, 0)
    j = np.abs(middle - (x.min() + x.max() + 1) / 2).argmin()
    rows = (np.arange(len(edges)) + 0.5) * pixel_nm
    near = (rows > y.min() - 8) & (rows < y.max() + 9)
    inwards = (1 if rising[j] else -1) * (edges[:, j] - np.nanmedian(edges[~near, j]))
    inwards = np.nan_to_num(inwards[near])
    return float(inwards.sum() * pixel_nm), float(inwards.max())


def measured(view, pitch, dose, smooth_nm=SMOOTH):
    """What `view(quick, slow)`, a picture with pixels of 2 nm, measures. For each width: errors in
    nm before calibration, one for each die, the roughness (3 sigma) and the PSNR. For each bite:
    the shares of its area and of its depth, and the share of area where there is no bite."""
    found = dict(errors={}, roughness={}, psnr={}, area={}, depth={}, clean_area={})
    for width in WIDTHS:
        rows = []
        for i in range(DIES):
            quick, slow, perfect, truth = line_scene(width, pitch, i, dose)
            picture = view(quick, slow)
            seen = line_widths(picture, 2.0, smooth_nm, LEVEL)
            psnr = -10 * np.log10(np.mean((picture - perfect)[8:-8, 8:-8] ** 2))
            rows.append((np.nanmean(seen) - truth, 3 * np.nanmean(np.nanstd(seen, 0)), psnr))
        errors, rough, psnr = np.transpose(rows)
        found["errors"][width] = [round(float(e), 3) for e in errors]
        found["roughness"][width] = round(float(rough.mean()), 3)
        found["psnr"][width] = round(float(psnr.mean()), 2)
    for size in BITES:
        rows = []
        for i in range(DIES):
            broken, clean, mask, true_area, true_depth = bite_scene(size, pitch, i, dose)
            area, depth = bite_found(view(*broken), 2.0, mask, smooth_nm)
            nothing, _ = bite_found(view(*clean), 2.0, mask, smooth_nm)
            rows.append((area / true_area, depth / true_depth, nothing / true_area))
        for key, values in zip(("area", "depth", "clean_area"), np.transpose(rows)):
            found[key][size] = [round(float(v), 3) for v in values]
    return found


def slow_scan(quick, slow):
    return slow[0].numpy()


def by_bicubic(quick, slow):
    return bicubic(quick, 4)[0].numpy()


PLAIN = {
    "slow scan": (slow_scan, SMOOTH),
    "bicubic": (by_bicubic, SMOOTH),
    "bicubic, smoother": (by_bicubic, LONGER),
}


def measure_lines(rows, save):
    "Fill `rows` of line widths and bites."
    done = {(r["method"], r["pitch"], r["dose"], r.get("seed")) for r in rows}
    cases = [(pitch, dose) for pitch in PITCHES for dose in DOSES]
    for (pitch, dose), (method, (view, smooth)) in itertools.product(cases, PLAIN.items()):
        if (method, pitch, dose, None) not in done:
            row = measured(view, pitch, dose, smooth)
            rows.append(dict(method=method, pitch=pitch, dose=dose) | row)
            save()
    for seed, (pitch, dose), method in itertools.product(SEEDS, cases, TRAINING):
        unasked = pitch != PITCHES[0] and method != "nominal"
        if unasked or (method, pitch, dose, seed) in done:
            continue
        net = line_net(method, pitch, dose, seed)
        row = measured(lambda q, s, net=net: as_seen(net, q), pitch, dose)
        rows.append(dict(method=method, pitch=pitch, dose=dose, seed=seed) | row | dict(on=on()))
        save()
        error = {w: round(float(np.mean(e)), 1) for w, e in row["errors"].items()}
        print(f"{method}, {pitch} nm, dose {dose}, seed {seed}: errors in nm {error}", flush=True)


def floor_of_depth(rows, save):
    "Fill `rows`: the depth where there is no bite, as a share of that of the bite; no networks."
    done = {(r["method"], r["dose"]) for r in rows}
    for dose, (method, (view, smooth)) in itertools.product(DOSES, PLAIN.items()):
        if (method, dose) in done:
            continue
        depth = {}
        for size in BITES:
            depth[size] = []
            for i in range(DIES):
                _, clean, mask, _, true_depth = bite_scene(size, PITCHES[0], i, dose)
                read = bite_found(view(*clean), 2.0, mask, smooth)[1]
                depth[size].append(round(read / true_depth, 3))
        rows.append(dict(method=method, dose=dose, clean_depth=depth))
    save()


def portrait(path=RESULTS.parent / "images" / "superres.png"):
    "The picture at the head of the lesson: a bite in four pictures, at the lower dose."
    if path.is_file():
        return
    (quick, slow), _, mask, *_ = bite_scene(32, PITCHES[0], 1, DOSES[0])
    large = (
        bicubic(quick, 4)[0].numpy(),
        as_seen(line_net("nominal", PITCHES[0], DOSES[0], 0), quick),
    )
    y, x = (min(max(int(v.mean()), 96), SIDE - 96) // 8 * 8 for v in np.nonzero(mask))
    views = []
    for a in (quick[0].numpy(), *large, slow[0].numpy()):
        k = SIDE // len(a)
        views.append(a[(y - 96) // k : (y + 96) // k, (x - 96) // k : (x + 96) // k])
    titles = ("quick scan, 8 nm pixels", "bicubic", "network", "slow scan, 2 nm pixels")
    show_grid(views, titles, vmin=0.1, vmax=0.9, size=2.5).savefig(path, dpi=90)


PARTS = ("line_widths", "floor", "photographs", "EM", "time")


def main(parts=PARTS):
    same = dict(recipe=RECIPE, lines=LINES)
    old = earlier("superres", **same)
    kept = {part: old.get(part, []) for part in parts}

    def save():  # what another process has written stays
        split = dict(photographs=PICTURES, EM=SPLIT["isbi2012"])
        now = earlier("superres", **same)
        others = {part: now.get(part, []) for part in PARTS if part not in parts}
        write("superres", **same, split=split, **kept, **others)

    if "line_widths" in parts:
        measure_lines(kept["line_widths"], save)
        portrait()
    if "floor" in parts:
        floor_of_depth(kept["floor"], save)
    for kind in ("photographs", "EM"):
        if kind in parts:
            enlarge(kind, kept[kind], save)
    if "time" in parts and not kept["time"]:
        kept["time"] = times()
        save()


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
