"Promises of the simulator: exact masks, true nanometres, and noise as the dose says."

import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import required
from scipy import ndimage
from skimage.draw import polygon

from unet_explorer.contracts import InputError
from unet_explorer.data import cache_dir
from unet_explorer.rows import meta, sample
from unet_explorer.sliders import circle, shape, svg
from unet_explorer.images import check_image, check_mask
from unet_explorer.layout import (
    LAYOUTS,
    Layout,
    Roughness,
    changed,
    contacts,
    crop,
    lines,
    random_layout,
    read_svg,
    roughen,
    routed,
    wander,
)
from unet_explorer.physical_defects import DEFECTS, SMALLEST, add_defect, feret_diameter, possible
from unet_explorer.simulate import (
    RANGES,
    Sem,
    as_dataset,
    inspection_set,
    metal_lines,
    radial_power,
    random_sem,
    scan,
    sem_image,
    signal,
    simulate,
)
from unet_explorer.tissue import tissue

LINES = [
    shape("path", d=f"M10,{y} L280,{y} L280,{y + 24} L10,{y + 24} L10,{y} Z")
    for y in range(20, 280, 50)
]
VIAS = [circle(x, y + 12, 8) for y in range(20, 280, 50) for x in (40, 150, 260)]
SVG = svg(300, 300, *LINES, *VIAS)
DESIGNS = dict(
    lines=lambda seed: lines((256, 256), seed=seed),
    contacts=lambda seed: contacts((256, 256), seed=seed),
    routed=lambda seed: routed((256, 256), seed=seed),
    real=lambda seed: read_svg(SVG),
)
STILL = Sem(drift_nm=0, jitter_nm=0, charging=0, wander=0, detector=0, edge=0, glow=0, blur_nm=0)


def pieces(layout):
    return ndimage.label(layout.metal if layout.metal.any() else layout.via)[1]


def nets_under(design, chip, smallest=60):
    "For each piece of the design but slivers at the border, the pieces of the chip that lie on it."
    before, after = (ndimage.label(x.metal if x.metal.any() else x.via)[0] for x in (design, chip))
    return [
        set(after[before == i]) - {0}
        for i in range(1, before.max() + 1)
        if (before == i).sum() >= smallest
    ]


def complaint(f, *args, **kwargs):
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    assert "\n" not in str(e.value)
    return str(e.value)


# Layouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_seed_repeats_a_layout(name):
    a, b, c = (random_layout(name, (200, 150), seed=s) for s in (3, 3, 4))
    assert not changed(a, b).any() and changed(a, c).any() and a.shape == (200, 150)
    assert (
        0.1 < (a.metal | a.via).mean() < 0.8 and not (a.via & ~a.metal).any() or name == "contacts"
    )


@pytest.mark.parametrize("pixel_nm", [8.0, 4.0, 1.0])
def test_lengths_are_nanometres(pixel_nm):
    n = int(4800 / pixel_nm)
    layout = lines((40, n), pixel_nm, pitch_nm=96, width_nm=32, seed=2)
    row = (
        layout.metal[0]
        if np.ptp(layout.metal[0].astype(int))
        else lines((n, 40), pixel_nm, pitch_nm=96, width_nm=32, seed=2).metal[:, 0]
    )
    starts = np.flatnonzero(np.diff(row.astype(int)) == 1)
    assert (
        abs(np.diff(starts).mean() * pixel_nm - 96) < 0.5 * pixel_nm
        and abs(row.mean() - 1 / 3) < 0.02
    )
    labels, _ = ndimage.label(contacts((n // 4, n // 4), pixel_nm, 200, 80, seed=1).via)
    whole = [
        s
        for s in ndimage.find_objects(labels)
        if s[0].start > 0 and s[1].start > 0 and s[0].stop < n // 4 and s[1].stop < n // 4
    ]
    assert np.mean([(s[0].stop - s[0].start) * pixel_nm for s in whole]) == pytest.approx(
        80, abs=pixel_nm
    )


def test_one_pixel_and_long_layouts():
    for size in ((1, 1), (1, 300), (300, 1), (7, 5)):
        for name in LAYOUTS:
            layout = roughen(random_layout(name, size, seed=1))
            assert layout.shape == size and scan(layout).shape == size
    assert simulate(1, size=(1, 1))[0][0].shape == (1, 1, 1)


def test_svg_and_crop():
    layer = read_svg(SVG, pixel_nm=5)
    assert (
        layer.metal.sum() == 6 * 271 * 25
        and pieces(layer) == 6
        and ndimage.label(layer.via)[1] == 18
    )
    assert (
        read_svg(SVG, pixel_nm=5, scale=2).shape == (600, 600)
        and read_svg(SVG, pixel_nm=5, scale=2).pixel_nm == 2.5
    )
    a, b = crop(layer, (64, 80), seed=1), crop(layer, (64, 80), seed=1)
    assert a.shape == (64, 80) and not changed(a, b).any() and a.metal.mean() >= 0.05
    assert (crop(layer, (64, 80), at=(3, 5)).metal == layer.metal[3:67, 5:85]).all()
    assert "smaller" in complaint(crop, layer, (400, 10)) and "no such file" in complaint(
        read_svg, "nowhere.svg"
    )
    assert "flatten" in complaint(
        read_svg, '<svg viewBox="0 0 9 9"><path d="M1,1 C2,2 3,3 4,4 Z"/></svg>'
    )
    assert "viewBox" in complaint(read_svg, "<svg></svg>")


def test_the_ten_real_layers():
    folder = cache_dir() / "ic_layout"
    if not folder.is_dir():
        required("DATA")(f"no ic_layout in {folder.parent}")
    for i in range(10):
        path = folder / f"label{i:04d}.svg"
        layer, text = read_svg(path), path.read_text()
        assert (
            layer.shape == (3536, 4096)
            and 0.1 < layer.metal.mean() < 0.4
            and 0 < layer.via.mean() < 0.1
        )
        if i < 2:  # most polygons are there twice, so areas do not add up: compare the union
            union = np.zeros(layer.shape, bool)
            for d in re.findall(r'<path d="([^"]*)"', text):
                x, y = np.array(re.findall(r"-?[\d.]+", d), float).reshape(-1, 2).T
                union[polygon(y, x, union.shape)] = True
            part = np.s_[1000:1800, 1000:1800]
            assert (
                not (union & ~layer.metal).any()
                and not (
                    layer.metal[part]
                    & ~ndimage.binary_dilation(union[part], np.ones((3, 3)), border_value=1)
                ).any()
            )
        for kind in possible(layer) if i % 4 == 0 else ():
            chip = roughen(crop(layer, (384, 384), seed=i), seed=i)
            after, mask, _ = add_defect(chip, kind, 60, seed=1)
            assert (mask == changed(chip, after)).all() and feret_diameter(mask) >= SMALLEST
            if DEFECTS[kind].needs in ("line", "edge"):
                assert pieces(after) - pieces(chip) == DEFECTS[kind].nets


# Roughness ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma, length, hurst", [(4.0, 20.0, 0.5), (6.0, 40.0, 0.8)])
def test_roughness_measured_back(sigma, length, hurst):
    design = Layout(np.broadcast_to(np.arange(160) >= 80, (4000, 160)).copy(), pixel_nm=1.0)
    edges = np.array(
        [
            160 - roughen(design, Roughness(sigma, length, hurst), seed).metal.sum(1)
            for seed in range(12)
        ],
        float,
    )
    edges -= edges.mean()
    covariance = np.array([(edges[:, : 4000 - lag] * edges[:, lag:]).mean() for lag in range(150)])
    assert edges.std() == pytest.approx(sigma, rel=0.1)
    xi = np.flatnonzero(covariance < covariance[0] / np.e)[0]
    assert xi == pytest.approx(length, rel=0.2)
    lags = np.arange(3, xi)
    slope = np.polyfit(np.log(lags), np.log(-np.log(covariance[lags] / covariance[0])), 1)[0]
    assert slope / 2 == pytest.approx(hurst, abs=0.12)


def test_roughness_scales_with_the_pixel_and_is_independent_in_both_directions():
    for px in (1.0, 4.0):
        dy, dx = wander((800, 800), Roughness(3.0, 40.0, 0.7), px, seed=1)
        assert dy.std() * px == pytest.approx(3, rel=0.15) and dx.std() * px == pytest.approx(
            3, rel=0.15
        )
        assert abs(np.corrcoef(dy.ravel(), dx.ravel())[0, 1]) < 0.2
    assert "hurst" in complaint(Roughness, 1, 1, 0)
    smooth = lines((64, 64), seed=1)
    assert not changed(smooth, roughen(smooth, Roughness(0.0))).any()


@pytest.mark.parametrize("name", DESIGNS)
def test_usual_roughness_neither_cuts_nor_bridges(name):
    for seed in range(5):
        design = DESIGNS[name](seed)
        under = nets_under(design, roughen(design, seed=seed))
        assert all(len(u) == 1 for u in under) and len(set.union(*under)) == len(under)


# Defects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_px", [SMALLEST, 15, 30])
@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("name", DESIGNS)
def test_every_defect_at_every_layout(name, kind, size_px):
    for seed in range(4):
        before = roughen(DESIGNS[name](seed), seed=seed)
        if kind not in possible(before):
            assert (
                name == "lines"
                and kind == "missing_via"
                or name == "contacts"
                and kind in ("open", "collapse")
            )
            assert "cannot have it" in complaint(add_defect, before, kind, 60)
            continue
        untouched = [getattr(before, f).copy() for f in ("metal", "via", "foreign", "relief_nm")]
        after, mask, said = add_defect(before, kind, size_px * before.pixel_nm, seed)
        assert all(
            (getattr(before, f) == u).all()
            for f, u in zip(("metal", "via", "foreign", "relief_nm"), untouched)
        )
        assert said == kind and mask.dtype == bool and (mask == changed(before, after)).all()
        assert (
            feret_diameter(mask) >= SMALLEST
            and not mask[[0, -1]].any()
            and not mask[:, [0, -1]].any()
        )
        if DEFECTS[kind].needs in ("line", "edge"):
            assert pieces(after) - pieces(before) == DEFECTS[kind].nets
        if kind in ("particle", "residue", "scratch"):
            assert feret_diameter(mask) == pytest.approx(size_px, abs=2.5)
        if kind == "missing_via":
            assert ndimage.label(after.via)[1] == ndimage.label(before.via)[1] - 1
        if kind == "extra_via":
            assert ndimage.label(after.via)[1] == ndimage.label(before.via)[1] + 1
        again = add_defect(before, kind, size_px * before.pixel_nm, seed)
        assert (again[1] == mask).all() and not changed(again[0], after).any()
        assert np.abs(signal(after) - signal(before))[mask].max() > 0.01


def test_defects_that_cannot_be():
    chip = lines((128, 128), seed=1)
    assert "choose one of open" in complaint(add_defect, chip, "crack")
    assert "24 to 256 nm" in complaint(
        add_defect, chip, "open", 23
    ) and "24 to 256 nm" in complaint(add_defect, chip, "open", 300)
    assert "no room" in complaint(add_defect, chip, "particle", 40, avoid=np.ones((128, 128), bool))
    assert "narrower" in complaint(lines, width_nm=96)
    assert "from 1 up" in complaint(routed, (0, 5))
    assert "not known" in complaint(random_layout, "maze")
    empty = Layout(np.zeros((64, 64), bool))
    assert possible(empty) == ["extra_via", "particle", "residue", "scratch"]
    for kind in possible(empty):
        assert add_defect(empty, kind, 40)[1].any()
    assert "equal" in complaint(Layout, np.zeros((4, 4), bool), via=np.zeros((4, 5), bool))


# Imaging ------------------------------------------------------------------------------------------


def test_noise_is_what_the_dose_says():
    flat = Layout(np.zeros((300, 300), bool))
    for dose in (5, 20, 80, 320):
        sem = replace(STILL, dose=dose, insulator=0.5, detector=0.01)
        picture, low = scan(flat, sem, seed=dose), dose == 5  # there some counts are clipped
        want = np.sqrt(0.5 / dose + 0.01**2)
        assert picture.std() == pytest.approx(want, rel=0.15 if low else 0.03)
        assert picture.mean() == pytest.approx(0.5, abs=0.05 if low else 0.02)
    assert scan(flat, replace(STILL, dose=float("inf"))).std() < 1e-6
    picture = sem_image(np.zeros((300, 300), bool), dose=40)
    assert picture.std() == pytest.approx(np.sqrt(0.2 / 40), rel=0.03)


def test_seeds_repeat_and_differ():
    chip = routed((96, 96), seed=1)
    a, b, c = (scan(chip, seed=s) for s in (1, 1, 2))
    assert (
        (a == b).all() and (a != c).any() and a.dtype == np.float32 and 0 <= a.min() <= a.max() <= 1
    )
    assert random_sem(3) == random_sem(3) != random_sem(4)
    image, mask = tissue((90, 70), seed=1)
    assert all((a == b).all() for a, b in zip((image, mask), tissue((90, 70), seed=1)))
    assert image.shape == (90, 70) and set(np.unique(mask)) <= {0, 1, 2}
    assert (mask == 1).mean() > 0.1 and tissue((1, 1))[0].shape == (1, 1)
    assert "thinner" in complaint(tissue, membrane_nm=500)


def test_masks_move_with_the_specimen():
    chip = routed((200, 200), seed=2)
    levels = dict(insulator=0.0, metal=1.0, via=1.0)
    moving = replace(STILL, dose=float("inf"), drift_nm=60.0, jitter_nm=6.0, **levels)
    picture, (metal,) = scan(chip, moving, seed=5, masks=[chip.metal])
    assert (metal != chip.metal).mean() > 0.02
    assert ((picture >= 0.5) == metal).all()  # no blur: the picture is the moved layout
    still, (same,) = scan(chip, STILL, masks=[chip.metal])
    assert (same == chip.metal).all()


def test_charging_follows_the_scan_and_tilt_tells_sides():
    block = np.zeros((60, 200), bool)
    block[20:40, 60:100] = True
    quiet, block = replace(STILL, dose=float("inf")), Layout(block)
    change = scan(block, replace(quiet, charging=0.3)) - scan(block, quiet)
    assert change[30, 105] < -0.02 and abs(change[10, 105]) < 1e-6
    assert change[30, 105] < change[30, 180]
    tilted = signal(block, replace(quiet, edge=0.4, tilt_deg=10))
    assert abs(tilted[30, 59:61].max() - tilted[30, 99:101].max()) > 0.01


def test_settings_that_cannot_be():
    assert "dose" in complaint(Sem, dose=0) and "tilt" in complaint(Sem, tilt_deg=80)
    assert "not known" in complaint(random_sem, focus=3)
    for odd in ("4", None, (3, 1), (1, 2, 3), float("nan"), 0):
        assert "dose" in complaint(random_sem, dose=odd)
    for seed in range(20):
        sem = random_sem(seed, dose=(200, 300), blur_nm=3)
        assert 200 <= sem.dose <= 300 and sem.blur_nm == 3
        for k, (low, high) in RANGES.items():
            assert k in ("dose", "blur_nm") or low <= getattr(sem, k) <= high


def test_radial_power_of_white_noise():
    f, p = radial_power(np.random.default_rng(0).normal(0, 0.1, (256, 200)))
    assert len(f) == 32 and abs(p[4:].mean() / 0.01 - 1) < 0.03
    assert np.abs(p[4:] / 0.01 - 1).max() < 0.4
    for odd in (None, [], "ab", np.zeros(9), np.full((9, 9), np.nan)):
        assert "image" in complaint(radial_power, odd)


# Sets ---------------------------------------------------------------------------------------------


def test_inspection_set():
    rows = inspection_set(20, size=(160, 160), reference=True, seed=4)
    assert [r["defects"][0]["kind"] for r in rows] == [*DEFECTS] * 2
    for r in rows:
        check_image(r["image"])
        check_image(r["reference"])
        check_mask(r["mask"], 2)
        check_mask(r["conductor"], 2)
        (d,) = r["defects"]
        y0, x0, y1, x1 = d["box"]
        assert (
            r["mask"][y0:y1, x0:x1].sum() == r["mask"].sum() > 0
            and d["area_nm2"] == r["mask"].sum() * 16
        )
        assert d["extent_nm"] >= 4 * (SMALLEST - 2)  # drift can squeeze it by a little
    first = inspection_set(3, size=(160, 160), reference=True, seed=4)
    assert all(
        torch.equal(a[k], b[k]) for a, b in zip(first, rows) for k in ("image", "mask", "reference")
    )
    clean = inspection_set(3, defects=(), size=(64, 64))
    assert not any(r["mask"].any() or r["defects"] for r in clean)
    several = inspection_set(2, per_image=4, size=(256, 256), size_px=(6, 16))
    assert all(len(r["defects"]) == 4 for r in several)
    real = inspection_set(
        4,
        layouts=[read_svg(SVG)],
        size=(200, 200),
        defects=["open", "short", "missing_via", "scratch"],
    )
    assert all(r["layout"] == "real" and r["pixel_nm"] == 5 for r in real)
    assert "not known" in complaint(
        inspection_set, 1, defects=["crack"]
    ) and "cannot be made" in complaint(inspection_set, 1, ["contacts"], ["open"])
    assert "n=0" in complaint(inspection_set, 0) and "between 6 pixels" in complaint(
        inspection_set, 1, size_px=(2, 3)
    )


def test_the_set_as_a_dataset():
    rows = inspection_set(4, size=(96, 80), size_px=(6, 20), reference=True, seed=1)
    ds = as_dataset(rows)
    assert meta(ds)["classes"] == ["normal", "defect"] and meta(ds)["pixel_nm"] == 4
    for i, r in enumerate(rows):
        image, mask = sample(ds, i)
        assert torch.equal(image, r["image"]) and torch.equal(mask, r["mask"])
        assert ds[i]["kinds"] == [d["kind"] for d in r["defects"]] and ds[i]["boxes"] == [
            d["box"] for d in r["defects"]
        ]
        assert np.array_equal(np.array(ds[i]["reference"]), r["reference"][0].numpy())


def test_what_other_lessons_use_has_not_changed():
    assert metal_lines((64, 64), seed=3).sum() == 2137
    image, mask = simulate(2, (64, 64), seed=7)[1]
    assert (
        image.shape == (1, 64, 64)
        and mask.dtype == torch.int64
        and torch.equal(image, simulate(3, (64, 64), seed=7)[1][0])
    )


def test_speed_is_printed(capsys):
    "Printed, not asserted: machines differ. The aim is 4 pictures of 512x512 per second and core."
    inspection_set(1, size=(512, 512))
    start, n = time.process_time(), 10
    inspection_set(n, size=(512, 512), seed=1)
    inspected = n / (time.process_time() - start)
    start = time.process_time()
    for i in range(4):
        tissue(seed=i)
    grown = 4 / (time.process_time() - start)
    with capsys.disabled():
        print(
            f"\n512x512 per second of one core: {inspected:.1f} inspection pictures "
            f"(layout, roughness, defect, scan), {grown:.1f} of tissue"
        )
