"What the numbers in masks mean: every suspicious folder is refused or noted, and cures cure."

import ast
import json
import math
import re
import shlex
from unicodedata import normalize

import datasets
import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT
from PIL import Image

from unet_explorer import cli
from unet_explorer.contracts import InputError, as_json
from unet_explorer.data import load
from unet_explorer.pairs import load_pairs, pair_files
from unet_explorer.rows import meta, sample
from unet_explorer.labels import Masks, diagnose_masks
from unet_explorer.metrics import as_table, evaluate, opens_shorts
from unet_explorer.options import PHRASES, colours_in, names_in, values_in
from unet_explorer.shell import in_options
from unet_explorer.train import SegLoss

SIZE = (24, 32)
RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def mixed(numbers, dtype=np.uint8, seed=0):
    "A mask that holds each of `numbers`, anywhere."
    places = np.random.default_rng(seed).integers(0, len(numbers), SIZE)
    return np.array(numbers, dtype)[places]


def painted(*colours, seed=0):
    return np.array(colours, np.uint8)[mixed(range(len(colours)), seed=seed)]


def pieces(n, dtype=np.uint8):
    "A mask with `n` objects, numbered from 1, each in one piece."
    mask = np.zeros(SIZE, dtype)
    for i in range(n):
        mask[2:20, 4 * i + 1 : 4 * i + 3] = i + 1
    return mask


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    elif isinstance(array, Image.Image):
        array.save(path)
    else:
        Image.fromarray(array).save(path)


def folder(root, masks, suffix=".tif"):
    "images/ and masks/, a pair for each of `masks`."
    shades = np.tile(np.arange(SIZE[1], dtype=np.uint8), (SIZE[0], 1))
    for i, mask in enumerate(masks):
        write(root / f"images/{i}.png", shades)
        write(root / f"masks/{i}{suffix}", mask)
    return root


def complaint(f, *args, **how):
    with pytest.raises(InputError) as e:
        f(*args, **how)
    text = str(e.value)
    assert "\n" not in text and len(text) < 600
    return text


def cures(text, said):
    "What a message says can be typed, apart from what was typed."
    found = re.findall(r"(values|colours)=(\{[^{}]*\})", text)
    found = [{name: ast.literal_eval(cure)} for name, cure in found]
    return [cure for cure in found if not cure.items() <= said.items()]


def as_typed(cure):
    "The same by way of the command line."
    (name, value), *_ = cure.items()
    text = in_options(f"say {name}={value}", [name], PHRASES).removeprefix("say ")
    line = ["train", "images", "--out", "x", *shlex.split(text)]
    typed = vars(cli.parser(line).parse_args(line))
    return {name: {"values": values_in, "colours": colours_in}[name](typed[name])}


def check_read(ds, masks, values):
    "Every pixel has the class that was said for its number; 255 is ignored if nothing was said."
    for i, mask in enumerate(masks):
        wanted = np.vectorize(lambda v: values.get(int(v), 255))(mask)
        assert torch.equal(sample(ds, i)[1], torch.from_numpy(wanted).long())


# name: masks, what was said
ODD = {
    "-1 0 1": ([[-1, 0, 1]], {}, "int8 int16 int32 int64 float32 float64"),
    "-1 1": ([[-1, 1]], {}, "int8 int32 float32"),
    "-1 0": ([[-1, 0]], {}, "int16"),
    "-5 -2 0": ([[-5, -2, 0]], {}, "int16 float64"),
    "-3 -2 -1": ([[-3, -2, -1]], {}, "int8 int64"),
    "two types": ([[-1, 0, 1], [0, 1]], {}, "int16"),
    "above 255": ([[0, 300, 70000]], {}, "int32 uint32 float32 int64"),
    "256 257": ([[0, 256, 257]], {}, "uint16"),
    "511": ([[0, 511]], {}, "uint16"),
    "-1 in 16 bits": ([[0, 1, 65535]], {}, "uint16"),
    "above 2^31": ([[0, 2**31, 2**32]], {}, "int64 uint64 float64"),
    "0 128 255": ([[0, 128, 255]], {}, "uint8 uint16 float32"),
    "0 1 2 255, two names": ([[0, 1, 2, 255]], dict(classes=["a", "b"]), "uint8"),
    "0 255, three names": ([[0, 255]], dict(classes=["a", "b", "c"]), "uint8"),
    "5 alone": ([[5], [5]], {}, "uint8"),
    "0 alone": ([[0], [0]], {}, "uint8 int16 float32"),
    "1 alone": ([[1]], {}, "uint8"),
    "255 alone": ([[255]], {}, "uint8"),
    "255 alone, three names": ([[255]], dict(classes=["a", "b", "c"]), "uint8"),
    "1 and ignored": ([[1, 255]], {}, "uint8"),
    "2 3": ([[2, 3]], {}, "uint8"),
    "0 7, 7 ignored": ([[0, 7]], dict(values={0: 0, 7: 255}), "uint8"),
    "all ignored": ([[0, 1]], dict(values={0: 255, 1: 255}), "uint8"),
    "one forgotten": ([[0, 90, 200]], dict(values={0: 0, 90: 1}), "uint8"),
    "-1 in 8 bits": ([[255, 0, 1]], dict(values={-1: 0, 0: 1, 1: 2}), "uint8"),
}
CASES = [(name, dtype) for name, (_, _, types) in ODD.items() for dtype in types.split()]


@pytest.mark.parametrize("name, dtype", CASES)
def test_what_is_refused_names_a_cure_that_cures(tmp_path, name, dtype):
    numbers, said, _ = ODD[name]
    masks = [mixed(v, dtype if i == 0 else np.uint8) for i, v in enumerate(numbers)]
    d = folder(tmp_path, masks)
    text = complaint(load_pairs, d, **said)
    found = cures(text, said)
    assert found, text
    rest = {k: v for k, v in said.items() if k != "values"}
    for cure in found:
        check_read(load_pairs(d, **rest, **cure), masks, cure["values"])
        assert as_typed(cure) == cure


NOTED = {
    "0 255": ([mixed([0, 255])], {}, "0 and 255: read as class 0 and class 1"),
    "1 2": ([mixed([1, 2])], {}, "in no mask: class 0"),
    "0 2": ([mixed([0, 2])], {}, "in no mask: class 1"),
    "0 1, three names": ([mixed([0, 1])], dict(classes=["a", "b", "c"]), "in no mask: c"),
    "one class, said": ([mixed([0])], dict(values={0: 0, 1: 1}), "one class only, class 0"),
    "255 beside 1": ([mixed([0, 1]), mixed([0, 255])], {}, "none in a mask with a class above 0"),
    "one is ignored": (
        [mixed([0, 1]), mixed([9])],
        dict(values={0: 0, 1: 1, 9: 255}),
        "1 of 2 masks altogether",
    ),
    "four pieces in each": ([pieces(4)] * 2, {}, "numbers of objects"),
    "many numbers": ([mixed(range(12))], {}, "numbers of objects"),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_is_noted_may_name_a_cure_that_cures(tmp_path, name):
    masks, said, note = NOTED[name]
    d = folder(tmp_path, masks)
    notes = " ".join(meta(load_pairs(d, **said))["notes"])
    assert note in notes
    for cure in cures(notes, said):
        check_read(load_pairs(d, **cure), masks, cure["values"])
        assert as_typed(cure) == cure


def test_numbers_of_objects_are_no_classes(tmp_path):
    masks = [pieces(4), pieces(2), pieces(0)]
    d = folder(tmp_path / "a", masks)
    (note,) = meta(load_pairs(d))["notes"]
    assert "2 to 4 in a picture, each in one piece: all are read as class 1" in note
    check_read(load_pairs(d), masks, {0: 0, 1: 1, 2: 1, 3: 1, 4: 1})
    (classes,) = cures(note, {})
    check_read(load_pairs(d, **classes), masks, classes["values"])
    two = load_pairs(d, classes=["gap", "cell"])
    assert meta(two)["classes"] == ["gap", "cell"] and sample(two, 0)[1].max() == 1
    named = load_pairs(d, classes=list("abcde"))
    assert sample(named, 0)[1].max() == 4, "whoever names five classes has five classes"
    layers = [pieces(4), np.where(pieces(4) == 2, 0, pieces(4))]  # 1, 3, 4: no counting
    assert "numbers of objects" in meta(load_pairs(folder(tmp_path / "b", layers)))["notes"][0]
    scattered = [mixed(range(5)), mixed(range(3))]
    assert not meta(load_pairs(folder(tmp_path / "c", scattered)))["notes"]


def grid(n):
    "A label image as napari saves it: `n` objects on a grid, numbered in a random order."
    mask, side = np.zeros(SIZE, np.uint16), 2
    order = np.random.default_rng(n).permutation(n) + 1
    for i, number in enumerate(order):
        y, x = divmod(i, (SIZE[1] - 1) // (side + 1))
        mask[y * (side + 1) + 1 : y * (side + 1) + 3, x * (side + 1) + 1 : x * (side + 1) + 3] = (
            number
        )
    return mask


def test_a_label_image_of_many_objects_is_one_class(tmp_path):
    masks = [grid(60), grid(40)]
    assert [m.max() for m in masks] == [60, 40]
    ds = load_pairs(folder(tmp_path / "a", masks))
    for i, mask in enumerate(masks):
        assert np.array_equal(sample(ds, i)[1], mask > 0)
    assert "40 to 60 in a picture" in " ".join(meta(ds)["notes"])
    large = [m.astype(np.int32) * 1000 for m in masks]
    assert sample(load_pairs(folder(tmp_path / "b", large)), 0)[1].max() == 1
    shifted = [np.where(m > 0, m + 200, 0).astype(np.uint16) for m in masks]  # 201 to 260: 255, too
    assert set(np.unique(sample(load_pairs(folder(tmp_path / "c", shifted)), 0)[1])) == {0, 1}
    ramp = np.add.outer(np.arange(SIZE[0]), np.arange(SIZE[1])).astype(
        np.uint8
    )  # in one piece each
    assert "different values" in complaint(load_pairs, folder(tmp_path / "d", [ramp]))


@pytest.mark.parametrize("number", [2**60, 2.0**60, 1e20, -1e30])
def test_numbers_that_no_class_has_are_refused(tmp_path, number):
    mask = mixed([0, number], np.int64 if isinstance(number, int) else np.float64)
    assert "whole and few" in complaint(load_pairs, folder(tmp_path, [mask]))


@pytest.mark.parametrize("k", [256, 300, -1, 1.5, "a"])
def test_a_class_is_a_number_up_to_254(tmp_path, k):
    d = folder(tmp_path, [painted(BLACK, RED)], ".png")
    assert "no class" in complaint(load_pairs, d, colours={BLACK: 0, RED: k})
    assert "a class from 0 to 254" in complaint(load_pairs, d, values={0: 0, 1: k})
    assert "2 to 255 names" in complaint(load_pairs, d, classes=[f"c{i}" for i in range(300)])


def typed(root, *more):
    return ["train", str(root / "images"), str(root / "masks"), "--out", str(root / "out"), *more]


@pytest.mark.parametrize(
    "masks",
    [
        [mixed([-1, 0, 1], np.int16)] * 5,
        [mixed([0, 300], np.uint16)] * 5,
        [mixed([1, 2])] * 5,
        [pieces(n) for n in (1, 4, 3, 2, 5)],
        [painted(BLACK, RED)] * 5,
    ],
    ids=["below 0", "above 255", "from 1", "objects", "colours"],
)
def test_the_cure_can_be_typed(tmp_path, monkeypatch, capsys, masks):
    taken = []

    def only_look(ds, *rest, **how):
        taken.append(ds)
        raise InputError("enough")

    monkeypatch.setattr("unet_explorer.own_model.train_and_report", only_look)
    folder(tmp_path, masks, ".tif" if masks[0].dtype.kind == "i" else ".png")
    cli.main(typed(tmp_path))
    said = capsys.readouterr()
    options = re.findall(r"""--(?:values|colours)[ =](?:"[^"]+"|[-\d=,]+)""", said.out + said.err)
    assert options and "values={" not in said.out + said.err
    for option in options:
        taken.clear()
        cli.main(typed(tmp_path, *shlex.split(option)))
        (ds,) = taken
        name, text = re.split("[ =]", " ".join(shlex.split(option)), maxsplit=1)
        meant = values_in(text) if name == "--values" else colours_in(text)
        rows = [sample(part, i)[1] for part in ds.values() for i in range(len(part))]
        for mask, got in zip(masks, rows):
            flat = mask.reshape(-1, 3) if mask.ndim == 3 else mask.ravel()
            wanted = [meant[tuple(v) if mask.ndim == 3 else v] for v in flat.tolist()]
            assert got.ravel().tolist() == wanted


def test_masks_say_what_they_mean_when_all_are_read():
    alone, both = Masks(), Masks()
    for doctor, masks in ((alone, [mixed([0, 255])]), (both, [mixed([0, 255]), mixed([0, 1])])):
        for i, mask in enumerate(masks):
            assert np.array_equal(doctor.read(mask, f"{i}.png", SIZE, "image"), mask)
    assert alone.meaning()[0] == {0: 0, 255: 1} and alone.meaning()[2] == ["class 0", "class 1"]
    assert both.meaning()[0] == {0: 0, 1: 1, 255: 255}
    assert "no mask was read" in complaint(Masks().meaning)
    assert "they must be equal" in complaint(both.read, mixed([0, 1]), "m", (9, 9), "image")


# --- colours and the alpha channel -------------------------------------------------------------


@pytest.mark.parametrize(
    "colours, said",
    [
        ([BLACK, RED, BLUE], {}),
        ([RED, BLUE], {}),
        ([BLACK, RED, BLUE], {BLACK: 0, RED: 1}),
        ([BLACK, RED], {(1, 2, 3): 1}),
        ([BLACK, RED], {BLACK: 0, RED: 255}),
        ([BLACK, RED], {BLACK: 255, RED: 255}),
        ([BLACK, RED], {BLACK: 0, RED: 0}),
    ],
    ids=str,
)
def test_the_cure_for_colours_cures(tmp_path, colours, said):
    masks = [painted(*colours)]
    d = folder(tmp_path, masks, ".png")
    how = dict(colours=said) if said else {}
    found = cures(complaint(load_pairs, d, **how), how)
    assert found
    for cure in found:
        wanted = np.vectorize(lambda *c: cure["colours"][c])(*np.moveaxis(masks[0], -1, 0))
        got = sample(load_pairs(d, **cure), 0)[1]
        assert torch.equal(got, torch.from_numpy(wanted).long()) and as_typed(cure) == cure


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_in_the_alpha_channel_is_read_from_there(tmp_path, colour, suffix):
    alphas = [mixed([0, 255]), np.zeros(SIZE, np.uint8)]  # on the second nothing is painted
    full = [np.full((*SIZE, 3), colour, np.uint8)] * 2
    masks = [np.dstack([rgb, alpha]) for rgb, alpha in zip(full, alphas)]
    d = folder(tmp_path, masks, suffix)
    ds = load_pairs(d)
    assert "1 of 2 masks are read from their alpha channel" in meta(ds)["notes"][0]
    check_read(ds, alphas, {0: 0, 255: 1})
    assert "drop colours" in complaint(load_pairs, d, colours={colour: 1})
    opaque = [np.dstack([painted(BLACK, RED), np.full(SIZE, 255, np.uint8)])]
    ds = load_pairs(folder(tmp_path / "b", opaque, suffix), colours={BLACK: 0, RED: 1})
    assert not meta(ds)["notes"] and sample(ds, 0)[1].max() == 1


# --- the hub says what a folder says -----------------------------------------------------------


def from_hub(monkeypatch, masks):
    shades = Image.fromarray(np.tile(np.arange(SIZE[1], dtype=np.uint8), (SIZE[0], 1)))
    cells = dict(image=[shades] * len(masks), mask=list(masks))
    kinds = datasets.Features(dict.fromkeys(cells, datasets.Image()))
    there = datasets.DatasetDict(train=datasets.Dataset.from_dict(cells, features=kinds))
    monkeypatch.setattr(datasets, "load_dataset", lambda repo: there)
    return "hf://a/b"


def palette(numbers):
    mask = Image.fromarray(mixed(numbers))
    mask.putpalette([*BLACK, *RED, *BLUE])
    return mask


ALPHA = np.dstack([np.zeros((*SIZE, 3), np.uint8), mixed([0, 255])])
ALIKE = {
    "colours": ([painted(BLACK, RED)] * 5, {}),
    "colours named": ([painted(BLACK, RED)] * 5, dict(colours={BLACK: 0, RED: 1})),
    "palette": ([palette([0, 1, 2])] * 5, {}),
    "palette, colours": ([palette([0, 1])] * 5, dict(colours={BLACK: 1, RED: 0})),
    "1 bit": ([mixed([False, True], bool)] * 5, {}),
    "black and white": ([mixed([0, 255])] * 5, {}),
    "alpha": ([ALPHA] * 5, {}),
    "grey and alpha": ([ALPHA[..., 2:]] * 5, {}),
    "16 bits": ([mixed([0, 300], np.uint16)] * 5, {}),
    "16 bits said": ([mixed([0, 300], np.uint16)] * 5, dict(values={0: 0, 300: 1})),
    "below 0": ([mixed([-1, 0, 1], np.int32)] * 5, dict(values={-1: 0, 0: 1, 1: 2})),
    "half": ([mixed([0, 0.5], np.float32)] * 5, {}),
    "nothing": ([mixed([0])] * 5, {}),
    "counted from 1": ([mixed([1, 2])] * 5, {}),
    "objects": ([pieces(n) for n in (1, 4, 3, 2, 5)], {}),
    "another size": ([mixed([0, 1])[:, :30]] * 5, {}),
}


def outcome(read, at, how):
    try:
        ds = read(at, **how)
    except InputError as e:
        said = re.sub(r"\S*(?:images|masks)/\d\.\w+|hf://a/b train row \d( \(mask\))?", "X", str(e))
        return said, None
    rows = [ds[part] for part in ds] if isinstance(ds, dict) else [ds]
    notes = [n for n in meta(rows[0])["notes"] if not n.startswith("images ")]
    return notes, [sample(part, i)[1].tolist() for part in rows for i in range(len(part))]


@pytest.mark.parametrize("name", ALIKE)
def test_masks_of_the_hub_are_read_as_those_of_a_folder(tmp_path, monkeypatch, name):
    masks, how = ALIKE[name]
    signed = not isinstance(masks[0], Image.Image) and masks[0].dtype.kind in "if"
    d = folder(tmp_path, masks, ".tif" if signed else ".png")
    cells = [m if isinstance(m, Image.Image) else Image.fromarray(m) for m in masks]
    assert outcome(load, from_hub(monkeypatch, cells), how) == outcome(load_pairs, d, how)


def test_a_jpeg_is_no_mask_on_the_hub_either(tmp_path, monkeypatch):
    Image.fromarray(mixed([0, 255])).save(tmp_path / "m.jpg")
    at = from_hub(monkeypatch, [dict(path=None, bytes=(tmp_path / "m.jpg").read_bytes())] * 5)
    assert "JPEG blurs class numbers" in complaint(load, at)


# --- names -------------------------------------------------------------------------------------


NFC, NFD = (normalize(form, "Prüfling é") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    "images, masks",
    [
        ("wafer1_gt", "wafer1_gt"),
        ("wafer1 wafer1_gt", "wafer1 wafer1_gt"),
        ("wafer1 wafer1_gt", "wafer1_mask wafer1_gt_mask"),
        (f"{NFC}", f"{NFD}"),
        (f"{NFD}_1", f"{NFC}_1_mask"),
        ("Site1", "site1"),
        ("SITE1", "site1_GT"),
        ("site1 Site1", "site1 Site1"),
        ("a.tif", "a.tif.png"),
        ("a", "a.tif"),
        ("a.ome", "a"),
        ("a ", "a"),
        ("a", "a _mask"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("two", [True, False])
def test_names_find_each_other(tmp_path, images, masks, two):
    pairs = list(zip(re.split(" (?=[wsSa])", images), re.split(" (?=[wsSa])", masks)))
    for image, mask in pairs:
        write(tmp_path / f"images/{image}.png", mixed([0, 1]))
        write(tmp_path / f"masks/{mask}.bmp", mixed([0, 1]))
    folders = [tmp_path / "images", tmp_path / "masks"] if two else [tmp_path]
    found = {(p.image.path.stem, p.mask.path.stem) for p in pair_files(*folders)}
    assert found == set(pairs)


@pytest.mark.parametrize(
    "masks, says",
    [
        ("a.png a_gt.png", "2 masks fit it"),
        ("a_gt.png a_seg.png", "2 masks fit it"),
        ("a_1.png a_2.png a_3.png", "the names of 3 masks begin with its name"),
        ("a/1.png a/2.png", "the names of 2 masks begin with its name"),
    ],
)
def test_many_masks_for_an_image_are_refused_with_the_way_out(tmp_path, masks, says):
    write(tmp_path / "images/a.png", mixed([0, 1]))
    for name in masks.split():
        write(tmp_path / "masks" / name, mixed([0, 1]))
    text = complaint(pair_files, tmp_path / "images", tmp_path / "masks")
    assert says in text and "into one file" in text and "a number for each class" in text


def test_blanks_in_what_is_typed_do_no_harm(tmp_path):
    assert names_in("a, b") == names_in(" a ,b ") == ["a", "b"]
    assert values_in("0 = 0, 255=1") == values_in(" 0=0 ,255 = 1") == {0: 0, 255: 1}
    wanted = {RED: 1, BLUE: 2}
    for text in ("255, 0, 0 = 1 ; 0,0, 255=2", "255,0,0=1, 0,0,255=2", " 255,0,0=1 0,0,255=2 "):
        assert colours_in(text) == wanted
    ds = load_pairs(folder(tmp_path, [mixed([0, 1])]), classes=["gap ", " metal"])
    assert meta(ds)["classes"] == ["gap", "metal"]


# --- pixels that do not count ------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
@pytest.mark.parametrize("k", [1, 3])
def test_the_loss_is_the_mean_over_the_pixels_that_count(k, share):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, k, 16, 16, generator=g, requires_grad=True)
    y = torch.randint(0, max(k, 2), (2, 16, 16), generator=g)
    mask = torch.where(torch.rand(y.shape, generator=g) < share, 255, y)
    keep = mask != 255
    if k == 1:
        flat, wanted = x[:, 0][keep], mask[keep].float()
        oracle = torch.nn.functional.binary_cross_entropy_with_logits(flat, wanted)
    else:
        oracle = torch.nn.functional.cross_entropy(x, mask, ignore_index=255)
    ours = SegLoss(k, dice=0)(x, mask)
    assert torch.allclose(ours, oracle, rtol=1e-5)
    assert torch.allclose(*(torch.autograd.grad(v, x)[0] for v in (ours, oracle)), atol=1e-7)


@pytest.mark.parametrize("pixels", ["ce", "focal", "none"])
@pytest.mark.parametrize("k", [1, 3])
def test_ignored_pixels_change_no_loss_and_alone_they_give_none(k, pixels):
    loss, x = SegLoss(k, pixels=pixels), torch.randn(1, k, 8, 8)
    y = torch.randint(0, max(k, 2), (1, 8, 8))
    wide = torch.cat([x, torch.randn(1, k, 8, 24)], -1)
    padded = torch.cat([y, torch.full((1, 8, 24), 255)], -1)
    assert torch.allclose(loss(wide, padded), loss(x, y), rtol=1e-5), "three quarters are ignored"
    x.requires_grad_()
    nothing = loss(x, torch.full_like(y, 255))
    nothing.backward()
    assert nothing == 0 and not x.grad.any()


def test_no_nan_is_written_as_json(tmp_path):
    value = {"iou": [0.5, math.nan, np.float64("-inf")], "of": ("a", None, True, 2)}
    text = as_json(value)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "iou": [0.5, None, None],
        "of": ["a", None, True, 2],
    }
    assert "JSON cannot hold it" in complaint(as_json, {"a": {1, 2}})
    for room in (ROOT / "unet_explorer").glob("*.py"):
        code = room.read_text(encoding="utf-8")
        if room.stem in ("segmentation", "inspection", "effunet", "deploy"):
            assert "text(json.dumps(" not in code and "as_json(" in code, room.name


def test_a_part_that_is_ignored_gives_none_not_nan():
    mask = np.full(SIZE, 255)
    scores = evaluate([np.zeros(SIZE, int)], [mask], ["gap", "metal"], objects="gap")
    assert as_json(scores) == json.dumps(scores, allow_nan=False), "no NaN was in it"
    assert scores["mean_iou"] is None and scores["n_pixels"] == 0
    assert (as_table(scores).loc["metal"] == "n/a").sum() >= 2


def test_what_is_not_looked_at_is_told(tmp_path):
    d = folder(tmp_path, [mixed([0, 1])] * 2)
    with tifffile.TiffWriter(d / "images/2.tif") as tif:
        tif.write(mixed([5, 9]), photometric="minisblack")
        tif.write(mixed([5, 9])[::4, ::4], photometric="minisblack")
    write(d / "masks/2.png", mixed([0, 1]))
    (d / "masks/3.czi").write_bytes(b"x")
    for folders in ([d], [d / "images", d / "masks"]):
        notes = " ".join(meta(load_pairs(*folders))["notes"])
        assert "1 .czi file is not read" in notes and "is left out" in notes
        assert "2.tif" in notes and str(tmp_path) not in notes


def test_opens_and_shorts_where_there_is_no_metal():
    wires = np.zeros(SIZE, int)
    wires[2], wires[8] = 1, 1
    none, ignored = np.zeros_like(wires), np.full_like(wires, 255)
    nothing = dict.fromkeys(("opens", "shorts", "missing", "extra", "total", "pieces"), 0)
    for pred, truth, wanted in (
        (none, none, nothing),
        (wires, ignored, nothing),
        (wires, none, nothing | dict(extra=2, total=2)),
        (none, wires, nothing | dict(missing=2, total=2, pieces=2)),
    ):
        found = opens_shorts(pred, truth)
        assert len(found.pop("sites")) == wanted["total"] and found == wanted
    assert "at least one pixel" in complaint(opens_shorts, none[:0], none[:0])


def indexed(numbers, *colours):
    "A mask with a palette."
    mask = Image.fromarray(np.asarray(numbers, np.uint8))
    mask.putpalette([v for colour in colours for v in colour])
    return mask


@pytest.mark.parametrize("other", [RED, BLUE, (255, 255, 255)])
def test_palettes_in_another_order_do_not_mix_the_classes(tmp_path, other):
    drawn = [mixed([0, 1], seed=i) for i in range(6)]
    masks = [indexed(m ^ (i % 2), *((BLACK, other)[:: (-1) ** i])) for i, m in enumerate(drawn)]
    root = folder(tmp_path, masks, ".png")
    text = complaint(load_pairs, root)
    assert "the number 0 is shown as" in text
    by_colour, by_number = cures(text, {})
    assert as_typed(by_colour) == by_colour
    ds = load_pairs(root, **by_colour)
    for i, m in enumerate(drawn):
        assert torch.equal(sample(ds, i)[1], torch.from_numpy(m).long())
    ds = load_pairs(root, **by_number)
    assert any("is shown as" in note for note in meta(ds)["notes"])
    doctor = Masks()
    for mask in masks:  # as the hub gives them
        doctor.read(mask, "m", SIZE, "image")
    assert "colours=" in complaint(doctor.meaning)


def test_palettes_that_differ_in_colours_nobody_uses_are_fine(tmp_path):
    masks = [indexed(mixed([0, 1], seed=i), BLACK, RED, (i, i, 9)) for i in range(4)]
    assert meta(load_pairs(folder(tmp_path, masks, ".png")))["classes"] == ["class 0", "class 1"]


@pytest.mark.parametrize("numbers", [[0, 3], [0, 255], [0, 1], [3]], ids=str)
def test_one_class_is_no_number_of_classes(numbers):
    "Its cure would make every number class 0, of which nothing can be learned."
    text = complaint(diagnose_masks, numbers, n_classes=1)
    assert "n_classes=1; it must be a whole number from 2 to" in text and not cures(text, {})
