"The check-up: each spoiled copy is seen through, its repaired copy is clean; clean sets are clean."

import json
import os
import re
import shutil
import time

import numpy as np
import pytest
import spoil
from PIL import Image
from scipy.ndimage import gaussian_filter

import unet_explorer as ux
from unet_explorer import case
from unet_explorer.contracts import InputError
from unet_explorer.data import split
from unet_explorer.pairs import load_pairs, pair_files, sort_files
from unet_explorer.rows import meta
from unet_explorer.files import load_mask
from unet_explorer.findings import FINDINGS, SAID_ANYWAY, Checkup, Finding
from unet_explorer.headers import pixel_size_nm
from unet_explorer.repair import doctor
from unet_explorer.scenes import class_weights

SETS = ("isbi2012", "nasa_super1", "simulated", "deeppcb")


@pytest.fixture(scope="module")
def clean(require_each, tmp_path_factory):
    "A small clean copy of a data set, made when it is first asked for."
    made = {}

    def copy(name):
        if name not in made:
            column = "template" if name == "deeppcb" else "image"
            how = dict(n=12, size=(spoil.SIDE, spoil.SIDE)) if name == "simulated" else {}
            folder, n = tmp_path_factory.mktemp(name), 14 if name == "deeppcb" else spoil.N
            made[name] = spoil.clean_copy(require_each(name, **how), folder, column, n)
        return made[name]

    return copy


@pytest.fixture(scope="module")
def require_each():
    from conftest import required

    def need(name, **how):
        try:
            return ux.load(name, **how)
        except (InputError, OSError) as e:
            reason = f"{name} can't be had: {e}"
        required("DATA")(reason)

    return need


def folders(folder):
    "What is given to the doctor."
    paired = (folder / "images").is_dir()
    return [folder / "images", folder / "masks"] if paired else [folder]


def look(folder, fix=None):
    return doctor(*folders(folder), fix=fix)


def fingerprint(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


ON_THE_MIDDLE = (
    "all_masks_one_pixel_off",
    "mask_turned",
    "mask_inverted",
    "inverted",
    "mask_of_another_size",
)


@pytest.mark.parametrize("name", ON_THE_MIDDLE)
def test_of_a_large_picture_the_middle_is_looked_at(name, clean, tmp_path, monkeypatch):
    "A gigapixel would need 25 GB otherwise; its copy is still repaired as a whole."
    of, kind, spoils, _ = spoil.FAULTS[name]
    folder = tmp_path / "data"
    shutil.copytree(clean(of), folder)
    files = spoils(spoil.Set(folder))
    monkeypatch.setattr(case, "LOOKED_AT_WHOLE", 100)
    monkeypatch.setattr(case, "MIDDLE", 3 * spoil.SIDE // 4)
    found = look(folder, fix=tmp_path / "fixed")
    assert {f.kind for f in found} == {kind}, str(found)
    assert {name for f in found for name in f.files} == set(files)
    assert found.facts["looked at"].startswith("the middle ")
    monkeypatch.undo()
    assert look(tmp_path / "fixed") == []


def test_what_lies_outside_the_middle_is_not_forgotten(tmp_path, monkeypatch):
    "Pictures that differ there alone are two; a class that is drawn there alone is one."
    monkeypatch.setattr(case, "LOOKED_AT_WHOLE", 100)
    monkeypatch.setattr(case, "MIDDLE", 64)
    rng = np.random.default_rng(0)
    middle = rng.integers(255, size=(192, 192)).astype(np.uint8)
    for i in range(4):
        image = rng.integers(255, size=(192, 192)).astype(np.uint8)
        image[60:132, 60:132] = middle[60:132, 60:132]
        mask = (middle > 127).astype(np.uint8)
        mask[:9, : 9 + i] = 2
        for folder, a in (("images", image), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(a).save(tmp_path / folder / f"{i}.png")
    found = doctor(tmp_path / "images", tmp_path / "masks")
    assert not {"duplicate", "near-duplicate", "one mask twice"} & set(found.kinds()), str(found)
    assert "class 2 0." in found.facts["classes"], found.facts["classes"]


@pytest.mark.parametrize("name", SETS)
def test_no_false_alarm(name, clean):
    assert look(clean(name)) == []


@pytest.mark.parametrize("name", spoil.FAULTS)
def test_each_fault_is_found_and_repaired(name, clean, tmp_path):
    "This kind, these files, nothing else; the files stay; the copy is clean and trains unremarked."
    of, kind, spoils, repaired = spoil.FAULTS[name]
    folder = tmp_path / "data"
    shutil.copytree(clean(of), folder)
    files = spoils(spoil.Set(folder))
    before = fingerprint(folder)
    found = look(folder, fix=tmp_path / "fixed")
    assert {f.kind for f in found} == {kind}, str(found)
    assert {name for f in found for name in f.files} == set(files)
    assert fingerprint(folder) == before
    again = look(tmp_path / "fixed")
    assert not again or not repaired, str(again)
    assert repaired or {f.kind for f in again} == {kind}
    if len(folders(folder)) > 1 and repaired:
        assert meta(load_pairs(*folders(tmp_path / "fixed")))["notes"] == []


def test_there_are_twenty_faults_and_more():
    assert len(spoil.FAULTS) >= 20
    assert {f.kind for f in spoil.FAULTS.values()} <= set(FINDINGS)
    assert set(SAID_ANYWAY) < set(FINDINGS)


# --- what the repaired copy holds ---------------------------------------------------------------


def test_the_copy_is_what_the_clean_set_was(clean, tmp_path):
    "Inverted, turned, shifted, of other numbers: pixel by pixel as before."
    folder, fixed = tmp_path / "data", tmp_path / "fixed"
    shutil.copytree(clean("nasa_super1"), folder)
    s = spoil.Set(folder)
    was = {p.stem: (spoil.read(p), spoil.read(m)) for p, m in zip(s.images, s.masks)}
    spoil.change(s.images[0], lambda a: 255 - a)
    spoil.change(s.masks[1], np.rot90)
    spoil.change(s.masks[2], lambda m: np.roll(m, (2, 1), (0, 1)))
    look(folder, fix=fixed)
    for path in s.images:
        image = spoil.read(fixed / "images" / path.name)
        mask = load_mask(fixed / "masks" / path.name).numpy()
        old, truth = was[path.stem]
        if path == s.images[2]:  # where both are known
            old, truth = old[:-2, :-1], truth[:-2, :-1]
        assert (image == old).all() and (mask == truth).all(), path.stem


def sixteen(folder, numbers):
    "A folder of one picture of 16 bits, and what the doctor says of it and makes of it."
    spoil.save(folder / "in/a.tif", numbers.astype(np.uint16))
    found = doctor(folder / "in", fix=folder / "out")
    (path,) = (folder / "out").glob("a.*")
    return [f.message for f in found if f.kind == "bits"], spoil.read(path)


@pytest.mark.parametrize("step", [256, 257])
def test_eight_bits_come_back(step, tmp_path):
    eight = np.random.default_rng(0).integers(0, 256, (64, 64))
    said, fixed = sixteen(tmp_path, eight * step)
    assert said and said[0].startswith(f"8 bits stored in 16 (in steps of {step})")
    assert fixed.dtype == np.uint8 and (fixed == eight).all()


@pytest.mark.parametrize("factor", [1, 16])
def test_twelve_bits_lose_nothing(factor, tmp_path):
    twelve = np.random.default_rng(0).permutation(4096).reshape(64, 64)
    said, fixed = sixteen(tmp_path, twelve * factor)
    assert said and said[0].startswith("12 bits stored in 16")
    assert fixed.dtype == np.uint16 and (fixed >> 4 == twelve).all() and fixed.max() == 65535


def test_sixteen_bits_are_sixteen(tmp_path):
    many = np.random.default_rng(0).integers(0, 65536, (64, 64))
    said, fixed = sixteen(tmp_path, many)
    assert not said and (fixed == many).all()


def test_the_pixel_size_goes_along(clean, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(clean("isbi2012"), folder)
    how = dict(imagej=True, resolution=(1 / 4, 1 / 4), metadata=dict(unit="nm"))
    for path in spoil.Set(folder).images:
        spoil.save(path.with_suffix(".tif"), spoil.read(path), **how)
        path.unlink()
    assert look(folder, fix=tmp_path / "fixed").facts["pixel size"] == "4 nm"
    some = list((tmp_path / "fixed/images").iterdir())
    assert {round(pixel_size_nm(p), 3) for p in some} == {4.0}


def test_a_copy_is_whole_or_not_there(clean, tmp_path, monkeypatch):
    from unet_explorer import repair

    folder, calls, save = clean("isbi2012"), [], repair.save_mask

    def fails(*args):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return save(*args)

    monkeypatch.setattr(repair, "save_mask", fails)
    with pytest.raises((OSError, InputError)):
        look(folder, fix=tmp_path / "fixed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["images", "images/fixed", "masks/a/b", "."])
def test_never_in_place(where, clean, tmp_path):
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    before = fingerprint(tmp_path)
    with pytest.raises(InputError, match="choose"):
        look(tmp_path / "data", fix=tmp_path / "data" / where)
    assert fingerprint(tmp_path) == before


def test_the_folder_must_be_new(clean, tmp_path):
    (tmp_path / "fixed").mkdir()
    (tmp_path / "fixed/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        look(clean("isbi2012"), fix=tmp_path / "fixed")
    (tmp_path / "fixed/notes.txt").unlink()
    look(clean("isbi2012"), fix=tmp_path / "fixed")
    assert (tmp_path / "fixed/repairs.csv").is_file()


def test_no_copy_where_nobody_knows_what_masks_mean(clean, tmp_path):
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    for path in spoil.Set(tmp_path / "data").masks:
        spoil.change(path, lambda m: np.array([[255, 0, 0], [0, 0, 255]], np.uint8)[m])
    (finding,) = look(tmp_path / "data")
    assert finding.kind == "mask numbers" and "colours=" in finding.cure
    with pytest.raises(InputError, match="colours="):
        look(tmp_path / "data", fix=tmp_path / "fixed")
    ask = folders(tmp_path / "data")
    colours = {(255, 0, 0): 0, (0, 0, 255): 1}
    assert doctor(*ask, fix=tmp_path / "fixed", colours=colours).healthy
    assert meta(load_pairs(*folders(tmp_path / "fixed")))["notes"] == []


# --- leaks, neighbours, repeating structures ----------------------------------------------------


def test_a_copy_in_another_part_is_a_leak(clean, tmp_path):
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    spoil.Set(tmp_path / "data").beside(0, "zz.png")
    (found,) = look(tmp_path / "data")
    assert "one for train and one for test" in found.message


def test_neighbours_of_a_stack_are_no_copies(tmp_path):
    "Slices that are alike, more than the limit asks for, and all about equally."
    rng = np.random.default_rng(0)
    whole = gaussian_filter(rng.normal(size=(24, 96, 96)), (8, 4, 4), mode="wrap")
    slices = (whole / np.abs(whole).max() * 127 + 128).astype(np.uint8)
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(slices, slices[1:])]
    assert min(alike) > 0.95
    for i, a in enumerate(slices):
        spoil.save(tmp_path / f"slice{i:02}.png", a)
    assert doctor(tmp_path) == []
    spoil.save(tmp_path / "zz.png", (slices[3] * 0.9).astype(np.uint8))
    assert doctor(tmp_path).kinds() == {"near-duplicate": 2}


def test_two_exposures_of_one_grating_are_no_copies(tmp_path):
    "Repeating lines look the same everywhere; the grain does not."
    lines = np.tile((np.arange(192) // 8 % 2) * 100.0 + 60, (192, 1))
    rng = np.random.default_rng(0)
    for i in range(6):
        noisy = lines + rng.normal(0, 25, lines.shape)
        spoil.save(tmp_path / f"{i}.png", noisy.clip(0, 255).astype(np.uint8))
    assert doctor(tmp_path) == []


# --- the door -----------------------------------------------------------------------------------


def test_it_prints_and_shows_and_can_be_read(clean, tmp_path):
    shutil.copytree(clean("simulated"), tmp_path / "data")
    spoil.FAULTS["inverted_chip"].spoil(spoil.Set(tmp_path / "data"))
    found = look(tmp_path / "data")
    (one,) = found
    assert isinstance(found, Checkup) and isinstance(one, Finding) and not found.healthy
    assert one.cure in str(found) and one.command in found.text(shell=True)
    assert one.cure.startswith("ux.doctor(") and one.command.startswith("unet-explorer doctor")
    assert "<table>" in found._repr_html_() and "1 finding" in repr(found)
    said = json.loads(found.to_json())
    assert said["healthy"] is False and said["findings"][0]["kind"] == "contrast"
    assert found.kinds() == {"contrast": 1} and len(found.notes()) == 1


def test_a_cure_can_be_typed(clean, tmp_path, monkeypatch):
    "Both words do what they say, in Python and in a shell."
    import shlex

    from unet_explorer.cli import main

    shutil.copytree(clean("simulated"), tmp_path / "it's data")
    spoil.FAULTS["inverted_chip"].spoil(spoil.Set(tmp_path / "it's data"))
    (one,) = look(tmp_path / "it's data")
    fixed = tmp_path / "it's data/images-fixed"
    eval(one.cure, dict(ux=ux))
    assert doctor(fixed / "images", fixed / "masks").healthy
    shutil.rmtree(fixed)
    assert main(shlex.split(one.command)[1:]) == 1
    assert doctor(fixed / "images", fixed / "masks").healthy


def test_every_cure_is_words_of_the_library(clean, tmp_path):
    "Each finding of each fault has a Python and a shell form that can be parsed."
    import ast
    import shlex

    from unet_explorer.cli import parser

    for name in ("two_pixel_sizes", "another_magnification", "numbers_with_gaps", "another_format"):
        folder = tmp_path / name
        shutil.copytree(clean(spoil.FAULTS[name].of), folder)
        spoil.FAULTS[name].spoil(spoil.Set(folder))
        for f in look(folder):
            ast.parse(f.cure)
            words = shlex.split(f.command)
            if words[0] == "unet-explorer":
                parser(words[1:]).parse_args(words[1:])


def test_the_command(clean, tmp_path, capsys):
    from unet_explorer.cli import main

    ask = [str(p) for p in folders(clean("isbi2012"))]
    assert main(["doctor", *ask]) == 0
    assert "healthy" in capsys.readouterr().out
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    spoil.FAULTS["inverted"].spoil(spoil.Set(tmp_path / "data"))
    ask = [str(p) for p in folders(tmp_path / "data")]
    assert main(["doctor", *ask, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "contrast"
    assert main(["doctor", *ask, "--fix", ask[0]]) == 2
    assert "--fix" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path / "gone")]) == 2
    assert main(["doctor", *ask, "--split-by", "("]) == 2


def test_training_says_what_matters_and_goes_on(clean, tmp_path, capsys, monkeypatch):
    "It is the training that ends here, on purpose."
    from unet_explorer import own_model, repair
    from unet_explorer.cli import main

    def ends(*args, **how):
        raise InputError("far enough")

    monkeypatch.setattr(own_model, "train_and_report", ends)

    def heard(folder):
        assert main(["train", *map(str, folders(folder)), "--out", str(tmp_path / "out")]) == 2
        out, err = capsys.readouterr()
        assert "far enough" in err
        return out

    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    assert "doctor" not in heard(tmp_path / "data")
    spoil.FAULTS["masks_swapped"].spoil(spoil.Set(tmp_path / "data"))
    out = heard(tmp_path / "data")
    assert "note: wrong mask (slice" in out and "unet-explorer doctor" in out

    def broken(*args, **kwargs):
        raise RuntimeError("the doctor is ill")

    monkeypatch.setattr(repair, "doctor", broken)
    assert "doctor" not in heard(tmp_path / "data")


def test_many_pictures_are_sampled_and_the_time_is_bounded(clean, monkeypatch):
    found = doctor(*folders(clean("isbi2012")), most=5)
    assert found.facts["pictures"] == f"{spoil.N}, 5 of them looked at"
    start = time.monotonic()
    found = doctor(*folders(clean("isbi2012")), seconds=0.01)
    assert time.monotonic() - start < 5 and "of them looked at" in found.facts["pictures"]
    with pytest.raises(InputError, match="drop most and seconds"):
        doctor(*folders(clean("isbi2012")), fix="x", most=5)


def test_weights_are_those_of_scenes(clean, require_each):
    ds = load_pairs(*folders(clean("nasa_super1")))
    theirs = class_weights(ds, 3).numpy()
    facts = look(clean("nasa_super1")).facts
    ours = [float(text.split()[-1]) for text in facts["weights"].split(", ")]
    assert np.allclose(ours, theirs, atol=0.006)


@pytest.mark.parametrize("k", range(1, 8))
def test_turns_are_undone(k, clean, tmp_path):
    "A mask in any of the seven other positions comes back, to the pixel."
    shutil.copytree(clean("nasa_super1"), tmp_path / "data")
    mask = spoil.Set(tmp_path / "data").masks[k]
    was = spoil.read(mask)
    spoil.save(mask, np.ascontiguousarray(np.rot90(was[:, ::-1] if k > 3 else was, k % 4)))
    assert look(tmp_path / "data", fix=tmp_path / "fixed").kinds() == {"turned mask": 1}
    assert (load_mask(tmp_path / "fixed/masks" / mask.name).numpy() == was).all()


# --- what pairs, and what does not --------------------------------------------------------------


def test_sort_files_is_pair_files_where_that_works(clean):
    ask = folders(clean("isbi2012"))
    found = sort_files(*ask)
    assert found.pairs == pair_files(*ask)
    assert not (found.images or found.masks or found.several)
    theirs = split(load_pairs(*ask))
    assert {k: v["name"] for k, v in split(found.rows).items()} == {
        k: v["name"] for k, v in theirs.items()
    }


def test_strange_folders(tmp_path):
    "Empty, missing, one file, a folder of broken files: one line, or findings."
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(InputError):
            doctor(path)
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(tmp_path / "one.png")
    assert doctor(tmp_path / "one.png").healthy
    (tmp_path / "bad").mkdir()
    for i in range(3):
        (tmp_path / f"bad/{i}.png").write_bytes(b"no picture")
    assert [f.kind for f in doctor(tmp_path / "bad")] == ["unreadable"] * 3
    if os.geteuid():
        (tmp_path / "bad/0.png").chmod(0)
        assert len(doctor(tmp_path / "bad")) == 3


def test_masks_turned_by_exif_and_palettes_are_read_as_shown(clean, tmp_path):
    "A palette, and a picture that asks to be turned together with its mask, are no fault."
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    s = spoil.Set(tmp_path / "data")
    for path in s.masks:
        mask = Image.fromarray(spoil.read(path)).convert("P")
        mask.putpalette([0, 0, 0, 230, 159, 0])
        mask.save(path)
    for path in (s.images[0], s.masks[0]):
        picture = Image.open(path)
        exif = picture.getexif()
        exif[274] = 6
        picture.save(path, exif=exif)
    assert look(tmp_path / "data") == []


# --- outlines instead of masks ------------------------------------------------------------------


def as_drawn(folder):
    "COCO of the masks of a copy, as `measure` writes it; its phases by name."
    from skimage.measure import label

    from unet_explorer.measure import as_coco, outlines_of

    images, rows, regions = [], [], []
    s = spoil.Set(folder)
    for i, (path, mask) in enumerate(zip(s.images, s.masks), start=1):
        numbers = spoil.read(mask)
        h, w = numbers.shape
        images.append(dict(id=i, file_name=path.name, name=path.stem, width=w, height=h))
        for k in range(1, int(numbers.max()) + 1):
            for n, region in outlines_of(label(numbers == k, connectivity=2)).items():
                rows.append(
                    {
                        "image": path.stem,
                        "class": f"phase {k}",
                        "label": n,
                        "area_px": n,
                        "score": 1,
                    }
                )
                regions.append(region)
    classes = sorted({row["class"] for row in rows})
    return as_coco(images, rows, regions, classes=classes)


@pytest.fixture
def drawn(clean, tmp_path):
    "A copy with COCO instead of masks: `drawn(name, change)` -> its folder, and the file."

    def copy(name="nasa_super1", change=lambda coco: None):
        folder = tmp_path / "data"
        shutil.copytree(clean(name), folder)
        coco = as_drawn(folder)
        change(coco)
        (folder / "masks").rename(tmp_path / "truth")
        (folder / "coco.json").write_text(json.dumps(coco))
        return folder / "images", folder / "coco.json"

    return copy


def first_of(coco, k=0):
    "The annotations of the first picture, or another."
    return [a for a in coco["annotations"] if a["image_id"] == coco["images"][k]["id"]]


def moved(rows, down, right):
    for a in rows:
        for ring in a["segmentation"]:
            ring[::2] = [x + right for x in ring[::2]]
            ring[1::2] = [y + down for y in ring[1::2]]


def without_the_first(coco):
    gone = first_of(coco)
    coco["annotations"] = [a for a in coco["annotations"] if a not in gone]


def swapped(coco):
    for a, b in ((0, 7), (7, 0)):
        for row in first_of(coco, a):
            row["to"] = coco["images"][b]["id"]
    for row in coco["annotations"]:
        row["image_id"] = row.pop("to", row["image_id"])


def of_another(coco):
    coco["images"].append(dict(coco["images"][0], id=99, file_name="gone.png"))
    coco["annotations"].append(dict(coco["annotations"][0], id=9999, image_id=99))


def one_far_off(coco):
    moved(first_of(coco)[:1], 1000, 0)


def all_far_off(coco):
    moved(first_of(coco), 1000, 1000)


def on_a_larger(coco):
    coco["images"][0].update(width=500, height=500)


def unnamed(coco):
    coco["images"] = coco["images"][1:]
    gone = {i["id"] for i in coco["images"]}
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in gone]


DRAWN = {  # what is spoiled -> what the doctor calls it, and what is left in the copy
    "as it is": (lambda coco: None, set(), spoil.N),
    "shifted": (lambda coco: moved(first_of(coco), 2, -2), {"shifted mask", "outside"}, spoil.N),
    "nothing on one": (without_the_first, {"empty mask"}, spoil.N - 1),
    "of another picture": (swapped, {"wrong mask"}, spoil.N - 2),
    "of a picture that is gone": (of_another, {"names"}, spoil.N),
    "a picture without": (unnamed, {"names"}, spoil.N - 1),
    "one outside": (one_far_off, {"outside"}, spoil.N),
    "all outside": (all_far_off, {"outside"}, spoil.N - 1),
    "on a larger picture": (on_a_larger, {"mask size"}, spoil.N - 1),
}


@pytest.mark.parametrize("name", DRAWN)
def test_outlines_are_examined_as_masks_are(name, drawn, tmp_path):
    "Found, the files stay, and the copy trains unremarked."
    change, kinds, left = DRAWN[name]
    ask = drawn("isbi2012" if change is swapped else "nasa_super1", change)
    before = fingerprint(tmp_path / "data")
    found = doctor(*ask, fix=tmp_path / "fixed")
    assert {f.kind for f in found} - {"rare class"} == kinds, str(found)
    assert fingerprint(tmp_path / "data") == before
    fixed = tmp_path / "fixed"
    assert len(list((fixed / "masks").iterdir())) == left
    assert not {f.kind for f in look(fixed)} - {"rare class"}
    assert meta(load_pairs(fixed / "images", fixed / "masks"))["notes"] == []


def test_outlines_are_painted_as_load_pairs_does(drawn, tmp_path):
    ask = drawn()
    doctor(*ask, fix=tmp_path / "fixed")
    ds = load_pairs(*ask)
    for name, mask in zip(ds["name"], (ux.sample(ds, i)[1] for i in range(len(ds)))):
        assert (load_mask(tmp_path / f"fixed/masks/{name}.png") == mask).all()
        assert (mask.numpy() == spoil.read(tmp_path / f"truth/{name}.png")).all()
    facts = doctor(*ask).facts
    assert facts["masks"] == "10 drawn as outlines" and "phase 2" in facts["classes"]


def test_a_copy_says_how_to_train_on_it(drawn, tmp_path, capsys):
    "The command that stands there takes the classes along, which masks cannot."
    import shlex

    from unet_explorer.cli import main, parser

    found = doctor(*drawn(), fix=tmp_path / "fixed")
    words = shlex.split(found.facts["go on with"])[1:]
    parser(words[1:]).parse_args(words)
    assert "background,phase 1,phase 2" in words
    assert main(["doctor", *words[1:3]]) == 0
    capsys.readouterr()


def labelme(path, name, rings, label="{}"):
    "Outlines as labelme writes them; `rings` are annotations of COCO, or points."
    if not isinstance(rings[0], dict):
        rings = [dict(segmentation=[np.ravel(rings).tolist()], category_id="cell")]
    shapes = [
        dict(
            label=label.format(a["category_id"]),
            points=np.reshape(a["segmentation"][0], (-1, 2)).tolist(),
            shape_type="polygon",
        )
        for a in rings
    ]
    said = dict(version="5.0", shapes=shapes, imagePath=name, imageHeight=192, imageWidth=192)
    path.write_text(json.dumps(said))


RING = [[20, 20], [150, 30], [100, 160]]


def test_outlines_where_others_have_masks(clean, tmp_path):
    "Two pictures with labelme, the others with masks of 0 and 255: the copy has masks of both."
    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    s = spoil.Set(tmp_path / "data")
    coco, truth = as_drawn(tmp_path / "data"), spoil.read(s.masks[1])
    for path in s.masks:
        spoil.change(path, lambda m: m * 255)
    for k in (1, 4):
        s.masks[k].unlink()
        labelme(s.images[k].with_suffix(".json"), s.images[k].name, first_of(coco, k))
    found = look(tmp_path / "data", fix=tmp_path / "fixed")
    (one,) = [f for f in found if f.kind == "outlines"]
    assert one.files == (s.images[1].stem, s.images[4].stem) and "paints" in one.message
    assert not [f for f in found if f.kind == "names"]
    mask = load_mask(tmp_path / "fixed/masks" / s.images[1].name)
    assert (mask.numpy() == truth).all()
    assert meta(load_pairs(tmp_path / "fixed/images", tmp_path / "fixed/masks"))["notes"] == []


def test_outlines_of_many_classes_beside_masks_need_names(clean, tmp_path):
    "Nobody knows which name has which number: it asks, and the answer is taken."
    shutil.copytree(clean("nasa_super1"), tmp_path / "data")
    s = spoil.Set(tmp_path / "data")
    coco, truth = as_drawn(tmp_path / "data"), spoil.read(s.masks[1])
    s.masks[1].unlink()
    labelme(s.images[1].with_suffix(".json"), s.images[1].name, first_of(coco, 1), "phase {}")
    (one,) = [f for f in look(tmp_path / "data") if f.kind == "outlines"]
    assert "classes=" in one.cure and "name all classes" in one.message
    names = ["gap", "phase 1", "phase 2"]
    doctor(*folders(tmp_path / "data"), classes=names, fix=tmp_path / "fixed")
    assert (load_mask(tmp_path / "fixed/masks" / s.images[1].name).numpy() == truth).all()


def test_damaged_outlines_and_those_drawn_twice(drawn, tmp_path):
    images, coco = drawn("isbi2012")
    for k, path in enumerate(sorted(images.iterdir())):
        labelme(path.with_suffix(".json"), path.name, [[x + k, y] for x, y in RING])
    coco.unlink()
    first, second, *_ = sorted(images.glob("*.json"))
    first.write_text('{"shapes": [{"points": "no"}], "imagePath": "a.png", "version": "5"}')
    shutil.copy(second, images / "zz.json")
    said = [(f.kind, f.message) for f in doctor(images)]
    assert any(k == "unreadable" and first.name in m for k, m in said), said
    assert any(k == "names" and "is drawn on twice" in m for k, m in said), said
    assert any(k == "names" and "1 picture without outlines" in m for k, m in said), said


def test_training_asks_about_outlines(drawn, tmp_path, capsys, monkeypatch):
    from unet_explorer import own_model
    from unet_explorer.cli import main

    def ends(*args, **how):
        raise InputError("far enough")

    monkeypatch.setattr(own_model, "train_and_report", ends)
    ask = drawn("isbi2012", swapped)
    assert main(["train", *map(str, ask), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert "far enough" in err and "note: wrong mask" in out and "coco.json says more" in out


# --- a stranger's folder ------------------------------------------------------------------------


def tiled(clean, folder, step=60, side=96):
    "Overlapping tiles of one picture, and of its mask."
    s = spoil.Set(clean("isbi2012"))
    image, mask = (np.tile(spoil.read(p), (2, 2)) for p in (s.images[0], s.masks[0]))
    for r in range(5):
        for c in range(5):
            at = np.s_[r * step : r * step + side, c * step : c * step + side]
            spoil.save(folder / f"images/tile_r{r:03}_c{c:03}.png", image[at])
            spoil.save(folder / f"masks/tile_r{r:03}_c{c:03}.png", mask[at])
    return folder


def test_touching_tiles_leak_across_the_split(clean, tmp_path):
    import shlex

    from unet_explorer.cli import parser

    ask = folders(tiled(clean, tmp_path / "data"))
    (one,) = [f for f in doctor(*ask) if f.kind == "split"]
    assert "touch tiles in train" in one.message and "split_by='tiles'" in one.cure
    words = shlex.split(one.command)[1:]
    parser(words).parse_args(words)
    assert words[words.index("--split-by") + 1] == "tiles"
    cured = doctor(*ask, split_by="tiles")
    assert "split" not in cured.kinds() and "train" in cured.facts["split"]
    parts = split(load_pairs(*ask), split_by="tiles")
    said = ", ".join(f"{len(rows)} {part}" for part, rows in parts.items())
    assert cured.facts["split"] == said


def test_a_day_in_the_name_or_none(clean, tmp_path):
    ask = folders(tiled(clean, tmp_path / "data"))
    with pytest.raises(InputError, match="have no date"):
        doctor(*ask, split_by="date")


def zarr_of(path, a):
    zarr = pytest.importorskip("zarr")
    from test_pyramids import _write_zarr

    assert zarr
    path.parent.mkdir(parents=True, exist_ok=True)
    return _write_zarr(path, a, "yx", scale=[0.004, 0.004])


def test_zarrs_among_pictures_and_alone(clean, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(clean("isbi2012"), folder)
    s = spoil.Set(folder)
    for path in (s.images[0], s.images[4], s.masks[4]):
        zarr_of(path.with_name(f"{path.stem}.ome.zarr"), spoil.read(path))
        path.unlink()
    assert look(folder, fix=tmp_path / "fixed") == []
    again = look(tmp_path / "fixed")
    assert again == [] and again.facts["pixel size"] == "4 nm"
    one = folder / f"images/{s.images[0].stem}.ome.zarr"
    assert doctor(one).facts["pictures"] == "1"
    with pytest.raises(InputError, match="one picture; with masks a folder"):
        doctor(one, folder / "masks")


def strange(clean, folder):
    "What lies around: bits, an info bar, EXIF, a screenshot, copies, half a file, outlines, a zip."
    shutil.copytree(clean("isbi2012"), folder)
    s = spoil.Set(folder)
    coco = as_drawn(folder)
    images, masks = folder / "Bilder", folder / "Masken"
    s.folder.joinpath("images").rename(images)
    s.folder.joinpath("masks").rename(masks)
    for k, old in enumerate(path.name for path in s.images):
        a, m = spoil.read(images / old), spoil.read(masks / old) * 255
        (images / old).unlink()
        (masks / old).unlink()
        name = f"Übersicht {k + 1}.png"
        a = 255 - a if k == 3 else spoil.with_bar(a) if k == 6 else a
        m = np.roll(m, 2, 0) if k == 1 else m
        if k % 3 == 2:
            spoil.save(images / name.replace("png", "tif"), a.astype(np.uint16) * 257)
        elif k == 4:
            exif = Image.Exif()
            exif[274] = 6
            Image.fromarray(np.rot90(a)).save(images / name, exif=exif)
        else:
            spoil.save(images / name, a)
        if k == 7:
            labelme(masks / name.replace("png", "json"), name, first_of(coco, k))
        elif k != 9:
            spoil.save(masks / name, m)
    shutil.copy(images / "Übersicht 1.png", images / "Kopie von 1.png")
    shutil.copy(masks / "Übersicht 1.png", masks / "Kopie von 1.png")
    spoil.save(images / "Bildschirmfoto.png", np.zeros((100, 200, 3), np.uint8))
    half = (images / "Übersicht 3.tif").read_bytes()
    (images / "halb.tif").write_bytes(half[: len(half) // 2])
    shutil.copy(masks / "Übersicht 3.png", masks / "halb.png")
    (images / "alt.zip").write_bytes(b"PK\3\4")
    (images / "Thumbs.db").write_bytes(b"\xd0\xcf")
    shutil.copytree(images, images / ".ipynb_checkpoints")
    return images, masks


def test_a_strangers_folder(clean, tmp_path, capsys):
    "Each thing is said once, the cure is typed, and nothing is left to say; by one folder or two."
    from unet_explorer.cli import main

    images, masks = strange(clean, tmp_path / "Müllers Proben")
    found = doctor(images, masks)
    assert found.kinds() == {
        "unreadable": 1,
        "names": 2,
        "outlines": 1,
        "duplicate": 2,
        "contrast": 1,
        "bits": 3,
        "shifted mask": 1,
        "info bar": 1,
    }, str(found)
    (shift,) = [f for f in found if f.kind == "shifted mask"]
    assert "2 px too low" in shift.message
    assert doctor(tmp_path / "Müllers Proben").kinds() == found.kinds()
    fixed = tmp_path / "fertig"
    assert main(["doctor", str(images), str(masks), "--fix", str(fixed)]) == 1
    out = capsys.readouterr().out
    assert "done, see" in out and "go on with" in out and "cure: unpack" in out
    left = (fixed / "repairs.csv").read_text(encoding="utf-8-sig")
    assert "Bildschirmfoto.png,no,without a mask of the same name" in left
    assert doctor(fixed) == []
    assert meta(load_pairs(fixed / "images", fixed / "masks"))["notes"] == []
    assert len(load_pairs(fixed)) == spoil.N - 1


def test_pictures_of_another_size_are_all_put_aside(clean, tmp_path):
    shutil.copytree(clean("simulated"), tmp_path / "data")
    s = spoil.Set(tmp_path / "data")
    for k in (1, 2):
        for path in (s.images[k], s.masks[k]):
            spoil.change(path, lambda a: a[:100, :120])
    (one,) = [f for f in look(tmp_path / "data") if f.kind == "size"]
    assert all(str(s.images[k]) in one.command for k in (1, 2))


def test_training_names_the_doctor_where_files_do_not_pair(clean, tmp_path, capsys):
    from unet_explorer.cli import main

    shutil.copytree(clean("isbi2012"), tmp_path / "data")
    spoil.Set(tmp_path / "data").masks[2].unlink()
    ask = [str(p) for p in folders(tmp_path / "data")]
    assert main(["train", *ask, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert "have no mask" in err and "unet-explorer doctor" in out


def test_two_masks_may_lie_off_in_two_ways(clean, tmp_path):
    "Each way is a finding of its own."
    shutil.copytree(clean("simulated"), tmp_path / "data")
    paths = sorted((tmp_path / "data/masks").iterdir())
    for path, down in ((paths[3], 2), (paths[6], -2)):
        Image.fromarray(np.roll(np.asarray(Image.open(path)), down, 0)).save(path)
    found = [f for f in look(tmp_path / "data") if f.kind == "shifted mask"]
    said = {
        f.files: re.split(",| and ", f.message)[0] for f in found
    }  # to the side: give or take 1
    assert said == {
        (paths[3].stem,): "the mask lies 2 px too low",
        (paths[6].stem,): "the mask lies 2 px too high",
    }


@pytest.mark.parametrize("values", [None, "0=0,1=1,255=1"])
def test_a_training_does_not_take_some_masks_for_something_else(clean, tmp_path, capsys, values):
    "255 in some masks is 1 in the others: read together, half of the metal would be ignored."
    from unet_explorer.cli import main

    folder = tmp_path / "data"
    shutil.copytree(clean("simulated"), folder)
    spoil.FAULTS["white_in_some_masks"].spoil(spoil.Set(folder))
    line = ["train", *map(str, folders(folder)), "--out", str(tmp_path / "model"), "--steps", "1"]
    line += ["--size", "32", "--no-pretrained"] + ["--values", values] * bool(values)
    assert main(line) == (0 if values else 2)
    said = capsys.readouterr().err
    assert values or "means what 1 means in the others" in said and "--fix" in said
    assert (tmp_path / "model").exists() == bool(values)
