"Clean pictures in, a list of defects out: what is written, and one line for all that is unusable."

import csv
import json
import shutil

import numpy as np
import pytest
import tifffile
import torch
from test_cli import refused, unet_explorer
from unet_explorer import inspection, measure
from unet_explorer.anomaly import Detector
from unet_explorer.contracts import InputError
from unet_explorer.files import load_image, load_mask
from unet_explorer.headers import pixel_size_nm
from unet_explorer.images import save_image
from unet_explorer.inspection import find_folder, fit_folder, read_clean, two_heaps
from unet_explorer.measure import alarms
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training

SETTING = dict(layouts=("lines",), size=(80, 96))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    "Thirty clean pictures."
    folder = tmp_path_factory.mktemp("clean")
    for i, r in enumerate(inspection_set(30, defects=(), seed=1, **SETTING)):
        save_image(folder / f"die{i}.png", r["image"])
    return folder


@pytest.fixture(scope="module")
def model(clean, tmp_path_factory):
    "A model of two steps, at 4 nm per pixel."
    out = tmp_path_factory.mktemp("fit") / "model"
    code, printed, err = unet_explorer(
        *("defects", "fit", clean, "--out", out, "--steps", 2, "--batch-size", 2),
        *("--method", "memory", "--pixel-nm", 4),
    )
    assert code == 0 and "11 clean pictures to learn from, 19 for the threshold" in printed, err
    return out


def tif(path, image, nm, **kw):
    tifffile.imwrite(
        path,
        (image[0].numpy() * 255).astype(np.uint8),
        imagej=True,
        resolution=(1 / nm, 1 / nm),
        metadata={"unit": "nm"},
        **kw,
    )


def test_alarms_by_hand():
    m = np.zeros((20, 30))
    m[2, 3:9] = 5
    m[10:14, 20:24] = 7
    m[18, 1] = 1
    a, b = alarms(m, 2, pixel_nm=2.0)
    assert (a["x"], a["y"], a["area_px"], a["area_nm2"], a["score"]) == (21.5, 11.5, 16, 64.0, 7.0)
    assert (
        (b["x"], b["y"], b["area_px"], b["score"]) == (5.5, 2.0, 6, 5.0)
        and 5 <= b["length_px"] <= 7
        and b["length_nm"] == pytest.approx(2 * b["length_px"])
    )
    assert [r["area_px"] for r in alarms(m, 2, min_px=7)] == [16] and alarms(m, 7) == []


def test_what_fit_writes(model):
    config, metrics = (json.loads((model / f"{n}.json").read_text()) for n in ("config", "metrics"))
    about = config["about"]
    assert (
        about["task"] == "anomaly"
        and about["fpr"] == 0.05
        and about["pixel_nm"] == 4
        and about["threshold"] == metrics["threshold"]
        and about["method"] == config["how"]["method"] == "memory"
        and set(about["sees"]) == {"memory", "memory, trained on"}
    )
    train, held = metrics["data"]["train"], metrics["data"]["threshold"]
    assert (
        len(train) == 11
        and len(held) == 19
        and not set(train) & set(held)
        and "--steps 2" in metrics["command"]
    )


def test_find_writes_everything_and_skips_what_is_bad(model, tmp_path):
    new, out = tmp_path / "new", tmp_path / "out"
    rows = inspection_set(3, seed=4, size_px=(10, 20), **SETTING)
    save_image(new / "a" / "one.png", rows[0]["image"])
    tif(new / "two.tif", rows[1]["image"], 4)
    tifffile.imwrite(
        new / "stack.tif",
        np.stack([(r["image"][0].numpy() * 255).astype(np.uint8) for r in rows[:2]]),
    )
    tif(new / "zoomed.tif", rows[2]["image"], 8)
    save_image(new / "black.png", rows[0]["image"] * 0)
    (new / "broken.png").write_bytes(b"no picture")
    code, printed, err = unet_explorer(
        "defects", "find", new, "--model", model, "--out", out, "--threshold", -20
    )
    assert code == 1 and "3 skipped" in printed
    assert all(word in err for word in ("8 nm per pixel", "nothing on it", "broken.png"))
    names = ["a/one", "stack_page0000", "stack_page0001", "two"]
    written = (("maps", "tif"), ("labels", "tif"), ("masks", "png"), ("overlays", "png"))
    for kind, suffix in written:
        assert (
            sorted(
                str(p.relative_to(out / kind).with_suffix(""))
                for p in (out / kind).rglob(f"*.{suffix}")
            )
            == names
        )
    m, mask = (
        tifffile.imread(out / "maps" / "two.tif"),
        load_mask(out / "masks" / "two.png").numpy(),
    )
    assert m.shape == (80, 96) and m.dtype == np.float32
    np.testing.assert_array_equal(mask, m > -20)
    table = list(csv.DictReader((out / "defects.csv").open()))
    assert set(table[0]) == {
        "image",
        "label",
        "x",
        "y",
        "length_px",
        "area_px",
        "length_nm",
        "area_nm2",
        "score",
    } and {r["image"] for r in table} <= set(names)
    assert [float(r["score"]) for r in table] == sorted(
        (float(r["score"]) for r in table), reverse=True
    )
    page = (out / "report.html").read_text()
    assert "could not be used" in page and f"{len(table)} alarm" in page and "http://" not in page
    line = refused("defects", "find", new, "--model", model, "--out", out)
    assert "holds an earlier result" in line


def decoded(annotation, h, w):
    "The mask `(h w)` of an annotation, its polygon filled by even and odd."
    (corners,) = annotation["segmentation"]
    crossed, points = np.zeros((h, w + 1), int), np.reshape(corners, (-1, 2))
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        if x0 == x1:
            crossed[min(y0, y1) : max(y0, y1), x0] += 1
    return crossed[:, :w].cumsum(axis=1) % 2 == 1


def test_a_row_a_region_and_an_annotation_are_one_alarm(model, clean, tmp_path):
    "In pictures of subfolders and pages; what is too small has no number, but is in the mask."
    new, out = tmp_path / "new", tmp_path / "out"
    images = [load_image(clean / f"die{i}.png") for i in range(3)]
    save_image(new / "a" / "Bläuling 1.png", images[0])
    pages = [(i[0].numpy() * 255).astype(np.uint8) for i in images[1:]]
    tifffile.imwrite(new / "stack.tif", np.stack(pages))
    find_folder(new, model, tmp_path / "look", threshold=1e6)
    maps = [tifffile.imread(p) for p in (tmp_path / "look" / "maps").rglob("*.tif")]
    limit = float(np.quantile(np.stack(maps), 0.8))
    find_folder(new, model, out, threshold=limit, min_px=4)
    coco = json.loads((out / "coco.json").read_text(encoding="utf-8"))
    table = list(csv.DictReader((out / "defects.csv").open(encoding="utf-8-sig")))
    files = {image["name"]: image["file_name"] for image in coco["images"]}
    assert list(files.values()) == ["a/Bläuling 1.png", "stack_page0000.tif", "stack_page0001.tif"]
    assert {(i["width"], i["height"]) for i in coco["images"]} == {(96, 80)}
    assert [c["id"] for c in coco["categories"]] == [1] and len(table) > 3
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(table) + 1))
    names = {image["id"]: image["name"] for image in coco["images"]}
    labels = {name: tifffile.imread(out / "labels" / f"{name}.tif") for name in files}
    for row, a in zip(table, coco["annotations"], strict=True):
        assert (row["image"], int(row["label"])) == (names[a["image_id"]], a["label"])
        region = labels[row["image"]] == a["label"]
        np.testing.assert_array_equal(decoded(a, 80, 96), region)
        y, x = np.nonzero(region)
        assert a["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        assert a["area"] == len(y) == int(row["area_px"]) >= 4 and a["score"] > limit
    for name, numbers in labels.items():
        ours = [int(row["label"]) for row in table if row["image"] == name]
        assert ours == list(range(1, len(ours) + 1)) and numbers.max() == len(ours)
        mask = load_mask(out / "masks" / f"{name}.png").numpy()
        assert numbers.dtype == np.uint16 and (mask[numbers > 0] == 1).all()


def test_an_outline_that_no_program_draws_becomes_its_box(model, clean, tmp_path, monkeypatch):
    for module in (measure, inspection):
        monkeypatch.setattr(module, "LONGEST_OUTLINE", 12)
    look, out, said = tmp_path / "look", tmp_path / "out", []
    find_folder(clean / "die0.png", model, look, threshold=1e6)
    limit = float(np.quantile(tifffile.imread(look / "maps" / "die0.tif"), 0.8))
    find_folder(clean / "die0.png", model, out, threshold=limit, say=said.append)
    labels = tifffile.imread(out / "labels" / "die0.tif")
    boxed = 0
    for a in json.loads((out / "coco.json").read_text())["annotations"]:
        framed = np.pad(labels == a["label"], 1)
        long = sum((np.diff(framed, axis=axis) != 0).sum() for axis in (0, 1)) > 12
        x, y, w, h = a["bbox"]
        box = [x, y, x + w, y, x + w, y + h, x, y + h]
        if long:
            assert a["segmentation"] == [box] and a["area"] == framed.sum()
        else:
            np.testing.assert_array_equal(decoded(a, 80, 96), framed[1:-1, 1:-1])
        boxed += long
    assert boxed and [line for line in said if f"more than 12 px: {boxed};" in line]


def test_no_alarm_is_a_result_too(model, clean, tmp_path):
    found, skipped = find_folder(clean / "die0.png", model, tmp_path, threshold=1e6)
    assert (
        not found
        and not skipped
        and (tmp_path / "defects.csv").read_text().startswith("image,label,x,y")
    )
    assert (
        "0 alarms in 0 of 1 picture" in (tmp_path / "report.html").read_text()
        and not load_mask(tmp_path / "masks" / "die0.png").any()
    )


def test_another_look_is_said(model, clean, tmp_path):
    noisy = tmp_path / "new" / "noisy.png"
    image = load_image(clean / "die0.png")
    save_image(
        noisy,
        (
            image * 0.5
            + 0.4
            + 0.3 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        ).clamp(0, 1),
    )
    said = []
    find_folder(noisy, model, tmp_path / "out", say=said.append)
    assert any("(calibrate='lot')" in line for line in said)
    assert "The promised rate does not hold" in (tmp_path / "out" / "report.html").read_text()
    find_folder(clean / "die1.png", model, tmp_path / "out2")
    assert "does not hold" not in (tmp_path / "out2" / "report.html").read_text()


def test_bad_clean_folders(clean, tmp_path):
    def spoil(name, write):
        shutil.copytree(clean, tmp_path / name)
        write(tmp_path / name)
        return refused("defects", "fit", tmp_path / name, "--out", tmp_path / "model", "--steps", 2)

    image = load_image(clean / "die0.png")
    few = tmp_path / "few"
    few.mkdir()
    for i in range(5):
        shutil.copy(clean / f"die{i}.png", few)
    assert "at least 8 are needed" in refused("defects", "fit", few, "--out", tmp_path / "model")
    for i in range(5, 12):
        shutil.copy(clean / f"die{i}.png", few)
    assert "27 in all" in refused("defects", "fit", few, "--out", tmp_path / "model")
    assert "must be of one size" in spoil("size", lambda f: save_image(f / "x.png", image[:, :64]))
    assert "nothing on it" in spoil("black", lambda f: save_image(f / "x.png", image * 0))
    assert "one magnification" in spoil(
        "zoom", lambda f: (tif(f / "x.tif", image, 4), tif(f / "y.tif", image, 3))
    )
    assert "cannot be read" in spoil("damaged", lambda f: (f / "x.png").write_bytes(b"no picture"))
    assert "no such file" in refused(
        "defects", "fit", tmp_path / "gone", "--out", tmp_path / "model"
    )
    assert "above 0 and below 1" in refused(
        "defects", "fit", clean, "--out", tmp_path / "model", "--fpr", 2
    )
    for size in (128, 80, 32):
        assert "choose at most 64" in refused(
            "defects", "fit", clean, "--out", tmp_path / "model", "--size", size, "--steps", 2
        )
    for i in range(30):
        save_image(tmp_path / "small" / f"{i}.png", image[:, :48])
    assert "at least 64x64 are needed: record" in refused(
        "defects", "fit", tmp_path / "small", "--out", tmp_path / "model"
    )
    assert "results would mix" in refused("defects", "fit", clean, "--out", clean)
    assert not (tmp_path / "model").exists(), "a failed command leaves no empty folder"


@pytest.mark.parametrize(
    "words, rule",
    [
        (("--seed", -1), "whole number from 0"),
        (("--pixel-nm", -4), "above 0"),
        (("--pixel-nm", "nan"), "above 0"),
        (("--pixel-nm", 0), "above 0"),
        (("--minutes", 0), "above 0"),
        (("--steps", 0), "from 1 up"),
        (("--size", 0), "whole number from 1"),
        (("--fpr", "nan"), "above 0 and below 1"),
    ],
)
def test_fit_refuses_numbers_before_anything_else(clean, tmp_path, words, rule):
    line = refused("defects", "fit", clean, "--out", tmp_path / "model", *words)
    assert (
        line.startswith(f"unet-explorer: {words[0]} ")
        and rule in line
        and not (tmp_path / "model").exists()
    )


def test_find_refuses_numbers_and_folders(model, clean, tmp_path):
    for words, rule in (
        (("--threshold", "nan"), "finite"),
        (("--threshold", "inf"), "finite"),
        (("--min-px", 0), "whole number from 1 up"),
    ):
        assert rule in refused(
            "defects", "find", clean, "--model", model, "--out", tmp_path / "out", *words
        )
    (tmp_path / "empty").mkdir()
    assert "'defects fit' wrote" in refused(
        "defects", "find", clean, "--model", tmp_path / "empty", "--out", tmp_path / "out"
    )
    assert "results would mix" in refused(
        "defects", "find", clean, "--model", model, "--out", clean
    )
    save_image(tmp_path / "black.png", torch.zeros(1, 80, 96))
    assert "nothing on it; take it out" in refused(
        "defects", "find", tmp_path / "black.png", "--model", model, "--out", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="pixel_nm=nan"):
        read_clean(clean, float("nan"))
    with pytest.raises(InputError, match="threshold=nan"):
        find_folder(clean, model, tmp_path / "out", threshold=float("nan"))


def test_a_threshold_by_hand_promises_nothing(model, clean, tmp_path):
    find_folder(clean / "die0.png", model, tmp_path / "hand", threshold=100)
    find_folder(clean / "die0.png", model, tmp_path / "own")
    hand, own = ((tmp_path / name / "report.html").read_text() for name in ("hand", "own"))
    assert (
        "This threshold was given by hand; no rate is promised." in hand
        and "promised rate" not in hand
        and "5.0%" not in hand
    )
    assert "lets 5.0% of clean pictures" in own and "promised rate" in own and "by hand" not in own


def test_another_size_is_said(model, clean, tmp_path):
    image = load_image(clean / "die0.png")

    def notes(*sizes, **how):
        folder, said = tmp_path / f"{len(list(tmp_path.iterdir()))}", []
        for i, (h, w) in enumerate(sizes):
            save_image(folder / "new" / f"{i}.png", image.repeat(1, 3, 3)[:, :h, :w])
        find_folder(folder / "new", model, folder / "out", say=said.append, **how)
        page = (folder / "out" / "report.html").read_text()
        assert all(line.removeprefix("note: ") in page for line in said)
        return said

    assert notes((80, 96)) == [] and notes((80, 112)) == [], "within 20 percent"
    (line,) = notes((160, 192))
    assert "These pictures are 4 times as large" in line and "per picture of 96x80" in line
    assert (
        "1 of these 2 pictures are up to 4 times" in notes((80, 96), (160, 192))[0]
        and "0.5 times" in notes((80, 48))[0]
    )
    assert notes((160, 192), threshold=3.0) == [], "where no rate is promised, none is broken"


def test_wrong_models(clean, tmp_path):
    from unet_explorer.effunet import EffUNet, save

    save(EffUNet(pretrained=False), tmp_path, classes=["a", "b"])
    assert "needs one from 'defects fit'" in refused(
        "defects", "find", clean, "--model", tmp_path, "--out", tmp_path / "out"
    )


def test_two_heaps_keep_the_promise_possible():
    from unet_explorer.promise import conformal

    for n in range(27, 400, 13):
        conformal(np.arange(two_heaps(n, 0.05)), 0.05)
    with pytest.raises(InputError, match="add clean pictures") as e:
        two_heaps(26)
    assert "8 to learn from, 27 in all" in str(e.value) and "training" not in str(e.value)


def test_grey_and_colour(clean, tmp_path):
    for i in range(8):
        shutil.copy(clean / f"die{i}.png", tmp_path)
    image = load_image(clean / "die9.png")
    save_image(tmp_path / "x.png", image.expand(3, -1, -1).clone())  # grey, saved as RGB
    assert all(len(i) == 1 for i in read_clean(tmp_path)[1])
    save_image(tmp_path / "y.png", torch.cat([image, image * 0.5, image]))
    assert all(len(i) == 3 for i in read_clean(tmp_path)[1])


@pytest.mark.parametrize(
    "unit, value, nm",
    [("nm", 5.0, 5.0), ("um", 0.005, 5.0), ("micron", 0.02, 20.0), ("pixel", 1.0, None)],
)
def test_pixel_size_of_imagej(tmp_path, unit, value, nm):
    tifffile.imwrite(
        tmp_path / "x.tif",
        np.zeros((4, 4), np.uint8),
        imagej=True,
        resolution=(1 / value, 1 / value),
        metadata={"unit": unit},
    )
    assert pixel_size_nm(tmp_path / "x.tif") == (
        None if nm is None else pytest.approx(nm, rel=1e-4)
    )


def test_pixel_size_of_others(tmp_path):
    path, a = tmp_path / "x.tif", np.zeros((4, 4), np.uint8)
    tifffile.imwrite(
        path,
        a,
        extratags=[
            (
                34682,
                2,
                0,
                "[User]\r\nUser=x\r\n[Scan]\r\nPixelWidth=2.5e-09\r\nPixelHeight=2.5e-09\r\n",
                True,
            )
        ],
    )
    assert pixel_size_nm(path) == pytest.approx(2.5)
    tifffile.imwrite(
        tmp_path / "x.ome.tif",
        a,
        metadata={"axes": "YX", "PhysicalSizeX": 0.0032, "PhysicalSizeXUnit": "µm"},
    )
    assert pixel_size_nm(tmp_path / "x.ome.tif") == pytest.approx(3.2)
    tifffile.imwrite(path, a, resolution=(72, 72))
    assert pixel_size_nm(path) is None and pixel_size_nm(tmp_path / "x.png") is None
    path.write_bytes(b"II*\0")
    with pytest.raises(InputError, match="cannot be read"):
        pixel_size_nm(path)


def test_fit_repeats(clean, tmp_path):
    how = Training(steps=2, bs=2, bar=False)
    a, b = (fit_folder(clean, tmp_path / k, how, method="place") for k in "ab")
    assert a["threshold"] == b["threshold"]
    weights = [(tmp_path / k / "model.safetensors").read_bytes() for k in "ab"]
    assert weights[0] == weights[1]


def test_what_was_noted_is_kept(clean, tmp_path):
    how = Training(steps=1, bs=2, bar=False)
    result = fit_folder(clean, tmp_path, how, bar=8, method="place")
    kept = json.loads((tmp_path / "metrics.json").read_text())
    assert kept["notes"] == result["notes"] and "info bar: 8 rows" in kept["notes"][0]
    assert kept["notes"][-1].startswith("Compared with: place; believed: ")


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("fpr", None, "a share above 0"),
        ("fpr", "0.05", "a share above 0"),
        ("look", {}, "brightness and noise"),
        ("look", {"brightness": 0.5, "noise": None}, "brightness and noise"),
        ("look", 3, "brightness and noise"),
        ("shape", [], "height and width"),
        ("shape", [80, "96"], "height and width"),
        ("shape", 80, "height and width"),
        ("sees", [3], "what each method sees"),
        ("sees", {"memory": "much"}, "what each method sees"),
        ("sees", {"memory": {"both": "0.3"}}, "what each method sees"),
    ],
)
def test_a_config_with_a_gap_is_one_line(model, clean, tmp_path, name, value, rule):
    shutil.copytree(model, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["about"][name] = value
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"config.json: .*{name}.*{rule}.*(mend it|copy the file)"):
        find_folder(clean / "die0.png", tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    if value is None:
        del config["about"][name]
        (tmp_path / "model" / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=f"{name}=None; it must be {rule}"):
            find_folder(clean / "die0.png", tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize("name", ["look", "shape"])
def test_what_older_versions_did_not_keep_is_no_fault(model, clean, tmp_path, name):
    shutil.copytree(model, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    del config["about"][name]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    find_folder(clean / "die0.png", tmp_path / "model", tmp_path / "out")


# Without clean pictures, with another die, and a lot that sets its own threshold ------------------


@pytest.fixture(scope="module")
def lot(tmp_path_factory):
    "Twenty pictures, two of them with a defect, and what is known of those: name, truth."
    folder = tmp_path_factory.mktemp("lot")
    rows = inspection_set(20, defects=(), seed=2, **SETTING)
    planted = {}
    for i, r in enumerate(rows):
        image = r["image"].clone()
        if i in (4, 11):
            image[:, 30:42, 40:52] = 0.95
            planted[f"{i}"] = (30, 42, 40, 52)
        save_image(folder / f"{i}.png", image)
    return folder, planted


def strongest(rows, planted):
    "Whether the strongest alarms are what was planted."
    best = rows[: len(planted)]
    inside = [
        t - 4 <= row["y"] <= b + 4 and left - 4 <= row["x"] <= right + 4
        for row in best
        for t, b, left, right in [planted.get(row["image"], (1e9,) * 4)]
    ]
    return {row["image"] for row in best} == set(planted) and all(inside)


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    "Twenty-four pictures of routed metal, two with a particle of 20 px; and their other dies."
    root = tmp_path_factory.mktemp("blind")
    how = dict(layouts=("routed",), size=(96, 96), size_px=(20, 20), reference=True)
    rows = inspection_set(22, defects=(), seed=1, **how)
    rows += inspection_set(2, defects=("particle",), seed=101, **how)
    for i, r in enumerate(rows):
        save_image(root / "lot" / f"{i}.png", r["image"])
        save_image(root / "other" / f"{i}.png", r["reference"])
    return root


def test_a_weak_lot_is_said(blind, tmp_path):
    "Nothing is found, and nobody is left to believe that nothing is there."
    out = tmp_path / "out"
    code, printed, err = unet_explorer("defects", "find", blind / "lot", "--out", out)
    assert code == 0 and "0 alarms in 0 of 24 pictures" in printed, err
    assert "of 20 planted defects of 10 to 20 px, " in printed
    (line,) = [line for line in err.splitlines() if "plain defects" in line]
    assert "This lot is weak, and no alarm does not mean clean: learn from clean pictures" in line
    assert "('defects fit'), or give another die, --reference FOLDER" in line
    told = json.loads((out / "coco.json").read_text())["info"]["strength"]
    assert told["planted"] == 20 and told["flagged"] < 10 and told["sizes"] == [10, 20]
    assert f"{told['flagged']} would be flagged" in printed and f"{told['flagged']} would" in line
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "This lot is weak" in page and f"{told['flagged']} of 20" in page


def test_a_stronger_lot_is_said_to_be_so(blind, lot, tmp_path):
    "Another die, or lines that repeat: more is found of what is planted, and of what is there."
    said = []
    how = dict(reference=blind / "other", say=said.append)
    found = find_folder(blind / "lot", out=tmp_path / "die", **how)
    assert found.strength.planted == 20 and found.strength.flagged >= 10
    assert {row["image"] for row in found.alarms} & {"22", "23"}
    assert not any("weak" in line for line in said)
    assert any(f"{found.strength.flagged} would be flagged" in line for line in said)


def test_by_clean_pictures_nothing_is_planted(model, clean, tmp_path):
    found = find_folder(clean / "die0.png", model, tmp_path)
    assert found.strength is None and "strength" not in json.loads(
        (tmp_path / "coco.json").read_text()
    ).get("info")
    rows, skipped = found
    assert rows is found.alarms and skipped == []


@pytest.mark.parametrize(
    "training, rule",
    [
        (dict(loss="dice"), "loss='dice'; the judge is trained with a loss of its own"),
        (dict(augment="none"), "augment='none'; .* crops of its own"),
        (dict(precision="bf16"), "precision='bf16'; .* 32 bits: leave it out"),
        (dict(lr=0.01, steps=None), "lr=0.01; nothing is trained: say how long, by steps or min"),
        (dict(size=64, steps=None), "size=64; nothing is trained"),
        (dict(bs=2, steps=None), "bs=2; nothing is trained"),
        (dict(workers=1, steps=None), "workers=1; nothing is trained"),
    ],
)
def test_what_does_nothing_is_refused(clean, tmp_path, training, rule):
    with pytest.raises(InputError, match=rule):
        fit_folder(clean, tmp_path / "model", Training(**(dict(steps=2, bar=False) | training)))
    assert not (tmp_path / "model").exists()


def test_what_does_nothing_is_refused_in_the_words_of_the_shell(clean, tmp_path):
    fit = ("defects", "fit", clean, "--out", tmp_path / "model")
    line = refused(*fit, "--steps", 2, "--precision", "bf16")
    assert "--precision bf16; the judge is trained with 32 bits: leave it out" in line
    assert "--batch-size 2; nothing is trained" in refused(*fit, "--batch-size", 2)
    assert "--lr 0.01; nothing is trained" in refused(*fit, "--lr", 0.01)
    assert not (tmp_path / "model").exists()


def test_a_lot_is_its_own_reference(lot, tmp_path):
    "By the command line; nothing is trained, and no model is given."
    folder, planted = lot
    out = tmp_path / "out"
    code, printed, err = unet_explorer("defects", "find", folder, "--out", out)
    assert code == 0 and "of 20 pictures" in printed, err
    assert "No model was given: these pictures are their own reference. Compared with: " in err
    table = list(csv.DictReader((out / "defects.csv").open(encoding="utf-8-sig")))
    rows = [r | dict(x=float(r["x"]), y=float(r["y"])) for r in table]
    assert strongest(rows, planted)
    for kind, suffix in dict(maps="tif", labels="tif", masks="png", overlays="png").items():
        assert len(list((out / kind).glob(f"*.{suffix}"))) == 20
    assert {p.name for p in out.glob("*.*")} >= {"coco.json", "report.html", "settings.toml"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "No model was given" in page and "set the threshold themselves" in page
    assert "<td>none</td>" in page and "does not hold" not in page


@pytest.mark.parametrize("method", ["own", "memory", "place"])
def test_a_lot_is_compared_as_it_is_said(lot, tmp_path, method):
    folder, planted = lot
    rows, skipped = find_folder(folder, out=tmp_path, method=method, fpr=0.1)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert strongest(rows, planted) and not skipped
    assert f"Compared with: {method};" in page and "in 10.0% of the clean" in page


def test_a_picture_of_a_lot_is_not_compared_with_itself(lot, tmp_path, monkeypatch):
    "Else a memory would find every defect in it again."
    looked, whole = [], Detector.anomaly_map

    def spy(self, image, reference=None, without=None):
        looked.append(without)
        return whole(self, image, reference, without)

    monkeypatch.setattr(Detector, "anomaly_map", spy)
    find_folder(lot[0], out=tmp_path, method="memory")
    for_the_threshold, for_the_result, for_its_strength = looked[:20], looked[20:40], looked[40:]
    assert sorted(for_the_threshold) == sorted(for_the_result) == list(range(20))
    assert len(for_its_strength) == 20 and set(for_its_strength) <= set(range(20))


def test_a_lot_that_is_too_small(lot, tmp_path):
    folder, _ = lot
    few = tmp_path / "few"
    few.mkdir()
    for i in range(5):
        shutil.copy(folder / f"{i}.png", few)
    line = refused("defects", "find", few, "--out", tmp_path / "out")
    assert "5 pictures make 5 pieces" in line and "give a model" in line
    assert not (tmp_path / "out").exists()
    large = load_image(folder / "4.png").repeat(1, 4, 4)[:, :, :340]
    save_image(tmp_path / "one" / "large.png", large)
    find_folder(tmp_path / "one", out=tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists(), "one picture of 20 pieces is a lot"
    for method, why in dict(memory="8 pictures to remember", place="takes 20 pictures").items():
        line = refused(
            "defects", "find", tmp_path / "one", "--out", tmp_path / "no", "--method", method
        )
        assert why in line and not (tmp_path / "no").exists()


def test_pieces_with_nothing_on_them_are_no_reference(lot, tmp_path):
    folder, _ = lot
    image = load_image(folder / "0.png").repeat(1, 5, 4)
    image[:, :70] = 0.3
    save_image(tmp_path / "in" / "a.png", image)
    assert find_folder(tmp_path / "in", out=tmp_path / "out").skipped == []


def test_ways_that_exclude_each_other(lot, model, tmp_path):
    folder, _ = lot
    find = ("defects", "find", folder, "--out", tmp_path / "out")
    for words, rule in (
        (("--model", model, "--method", "own"), "a model has its own"),
        (("--reference", folder, "--method", "own"), "leave one of the two out"),
        (("--method", "padim"), "--method padim is not known"),
        (("--calibrate", "me"), "--calibrate me is not known"),
        (("--model", model, "--reference", folder), "leave the reference out"),
        (("--fpr", 2), "above 0 and below 1"),
    ):
        line = refused(*find, *words)
        assert rule in line, line
    for words in (("--fpr", 0.1), ("--calibrate", "lot")):
        line = refused(*find, "--model", model, "--threshold", 3, *words)
        assert " ".join(map(str, words)) in line and "leave one of the two out" in line, line
    assert "cannot promise" in refused(*find, "--model", model, "--fpr", 0.001)
    assert not (tmp_path / "out").exists()


def test_a_stopped_lot_goes_on_and_ends_as_if_it_had_not(lot, tmp_path, monkeypatch):
    folder, _ = lot
    here = tmp_path / "in"
    shutil.copytree(folder, here)
    save, count = inspection.save_mask, [0]

    def stop(path, mask):
        count[0] += 1
        if count[0] == 8:
            raise KeyboardInterrupt
        save(path, mask)

    with monkeypatch.context() as m:
        m.setattr(inspection, "save_mask", stop)
        with pytest.raises(KeyboardInterrupt, match="7 pictures are done"):
            find_folder(here, out=tmp_path / "out", method="memory")
    said = []
    rows = find_folder(here, out=tmp_path / "out", method="memory", say=said.append).alarms
    assert "going on: 7 of 20 pictures were done" in said
    assert rows == find_folder(here, out=tmp_path / "whole", method="memory").alarms
    maps = [sorted((tmp_path / k / "maps").glob("*.tif")) for k in ("out", "whole")]
    assert [p.read_bytes() for p in maps[0]] == [p.read_bytes() for p in maps[1]]


def test_another_lot_is_another_run(lot, tmp_path, monkeypatch):
    "A picture that is another makes other references: what was done before no longer holds."
    here = tmp_path / "in"
    shutil.copytree(lot[0], here)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(inspection, "save_mask", stop)
        with pytest.raises(KeyboardInterrupt):
            find_folder(here, out=tmp_path / "out", method="own")
    shutil.copy(here / "1.png", here / "2.png")
    with pytest.raises(InputError, match="unfinished run .lot="):
        find_folder(here, out=tmp_path / "out", method="own")


@pytest.fixture(scope="module")
def dies(tmp_path_factory):
    "Folders of clean pictures, of the other die of each, and of new pictures with theirs."
    root = tmp_path_factory.mktemp("dies")
    rows = inspection_set(50, defects=(), seed=3, reference=True, **SETTING)
    for i, r in enumerate(rows):
        part = root / ("clean" if i < 28 else "new")
        image = r["image"].clone()
        if i in (30, 41):
            image[:, 30:42, 40:52] = 0.95
        save_image(part / f"{i}.png", image)
        save_image(root / f"{part.name}_other" / f"{i}.png", r["reference"])
    return root


PLANTED = {"30": (30, 42, 40, 52), "41": (30, 42, 40, 52)}


@pytest.fixture(scope="module")
def die_model(dies, tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "model"
    code, printed, err = unet_explorer(
        *("defects", "fit", dies / "clean", "--out", out, "--steps", 2, "--batch-size", 2),
        *("--reference", dies / "clean_other"),
    )
    assert code == 0 and "Compared with: die" in printed, err
    return out


def test_another_die(dies, die_model, lot, tmp_path):
    "Fitted and used by the command line; what has no partner is left out in one line."
    other = tmp_path / "other"
    shutil.copytree(dies / "new_other", other)
    (other / "33.png").unlink()
    save_image(other / "34.png", load_image(other / "34.png")[:, :64])
    (other / "35.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    find = ("defects", "find", dies / "new", "--model", die_model)
    code, printed, err = unet_explorer(*find, "--out", out, "--reference", other)
    assert code == 1 and "of 19 pictures, 3 skipped" in printed
    assert "33.png: no picture of the other die is called 33; name both alike" in err
    assert "34.png: 96x64 pixels, for a picture of 96x80; both dies must be of one size" in err
    assert "other/35.png: cannot be read" in err
    rows = list(csv.DictReader((out / "defects.csv").open(encoding="utf-8-sig")))
    assert strongest([r | dict(x=float(r["x"]), y=float(r["y"])) for r in rows], PLANTED)
    assert "give --reference" in refused(*find, "--out", tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "no images in it" in refused(
        *find, "--out", tmp_path / "no", "--reference", tmp_path / "empty"
    )
    assert not (tmp_path / "no").exists()


def stopped_at(n, monkeypatch, *args, **how):
    "An inspection that Ctrl-C ends at the n-th picture."
    save, count = inspection.save_mask, [0]

    def stop(path, mask):
        count[0] += 1
        if count[0] == n:
            raise KeyboardInterrupt
        save(path, mask)

    with monkeypatch.context() as m:
        m.setattr(inspection, "save_mask", stop)
        with pytest.raises(KeyboardInterrupt):
            find_folder(*args, **how)


def test_a_die_that_changed_is_compared_again(dies, die_model, tmp_path, monkeypatch):
    "Only its own picture is looked at again, and the result is that of a run in one go."
    other, said = tmp_path / "other", []
    shutil.copytree(dies / "new_other", other)
    args = (dies / "new", die_model, tmp_path / "out")
    stopped_at(8, monkeypatch, *args, reference=other)
    shutil.copy(other / "29.png", other / "28.png")
    found = find_folder(*args, reference=other, say=said.append)
    assert said[0] == "going on: 6 of 22 pictures were done"
    assert said[1].startswith("done again: 1, since they, what they are compared with, or")
    whole = find_folder(*args[:2], tmp_path / "whole", reference=other)
    assert found.alarms == whole.alarms


def test_a_lot_whose_dies_changed_is_another_run(dies, tmp_path, monkeypatch):
    "Its threshold came from them."
    other = tmp_path / "other"
    shutil.copytree(dies / "new_other", other)
    how = dict(out=tmp_path / "out", reference=other)
    stopped_at(3, monkeypatch, dies / "new", **how)
    shutil.copy(other / "29.png", other / "28.png")
    with pytest.raises(InputError, match="unfinished run .lot="):
        find_folder(dies / "new", **how)


def test_another_die_without_a_model(dies, tmp_path):
    "Missing partners are left out here, too."
    other = tmp_path / "other"
    shutil.copytree(dies / "new_other", other)
    (other / "33.png").unlink()
    rows, skipped = find_folder(dies / "new", out=tmp_path / "out", reference=other)
    assert strongest(rows, PLANTED) and len(skipped) == 1 and "is called 33" in skipped[0]


def test_clean_pictures_without_their_other_die(dies, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(dies / "clean_other", other)
    (other / "3.png").unlink()
    fit = ("defects", "fit", dies / "clean", "--out", tmp_path / "model", "--steps", 1)
    assert "no picture of the other die is called 3;" in refused(*fit, "--reference", other)
    save_image(other / "3.png", load_image(other / "4.png")[:, :64])
    assert "both dies must be of one size" in refused(*fit, "--reference", other)
    assert "leave one of the two out" in refused(
        *fit, "--reference", dies / "clean_other", "--method", "own"
    )
    assert not (tmp_path / "model").exists()


def test_a_lot_sets_its_own_threshold(model, lot, tmp_path):
    "Brighter and noisier clean pictures: the old threshold no longer holds."
    new, g = tmp_path / "new", torch.Generator().manual_seed(0)
    for i, r in enumerate(inspection_set(24, defects=(), seed=5, **SETTING)):
        noise = 0.15 * torch.randn(r["image"].shape, generator=g)
        save_image(new / f"{i}.png", (0.6 * r["image"] + 0.35 + noise).clamp(0, 1))
    alarmed = {}
    for who in ("clean", "lot"):
        said = []
        how = dict(calibrate=who, say=said.append)
        rows = find_folder(new, model, tmp_path / who, **how).alarms
        alarmed[who] = len({r["image"] for r in rows})
        page = (tmp_path / who / "report.html").read_text(encoding="utf-8")
        assert ("set the threshold themselves" in page) == (who == "lot")
        assert ("The promised rate does not hold" in page) == (who == "clean")
    assert alarmed["lot"] < alarmed["clean"] and alarmed["lot"] <= 5


def test_an_old_model_is_one_line(clean, tmp_path):
    from unet_explorer.effunet import EffUNet, save

    about = dict(threshold=0.5, fpr=0.05, pixel_nm=None, reference=False)
    save(EffUNet(pretrained=False), tmp_path / "old", task="anomaly", **about)
    line = refused("defects", "find", clean, "--model", tmp_path / "old", "--out", tmp_path / "o")
    assert "a detector of an earlier version" in line and "fit again" in line


def test_the_same_place_is_looked_at_whole(clean, tmp_path, monkeypatch):
    "However few pixels may go through at once; a tile, or another size, is refused."
    how = Training(steps=1, bs=2, bar=False)
    fit_folder(clean, tmp_path / "place", how, method="place")
    monkeypatch.setattr(inspection, "COMPARED_WHOLE", 1000)
    rows, skipped = find_folder(clean, tmp_path / "place", tmp_path / "out", threshold=1e6)
    assert not skipped and len(list((tmp_path / "out" / "maps").glob("*.tif"))) == 30
    with pytest.raises(InputError, match="tile=96.*in whole pictures"):
        find_folder(clean, tmp_path / "place", tmp_path / "no", tile=96)
    image = load_image(clean / "die0.png").repeat(1, 2, 1)
    save_image(tmp_path / "new" / "x.png", image)
    with pytest.raises(InputError, match="x.png: 96x160 pixels, and .* of 96x80"):
        find_folder(tmp_path / "new" / "x.png", tmp_path / "place", tmp_path / "no")
