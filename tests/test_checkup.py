"The check-up: each spoiled copy is seen through, its repaired copy is clean; clean sets are clean."

import json
import os
import shutil
import time

import numpy as np
import pytest
import spoil
from PIL import Image
from scipy.ndimage import gaussian_filter

import unet_explorer as ux
from unet_explorer.checkup import FINDINGS, SAID_ANYWAY, Checkup, Finding, doctor
from unet_explorer.contracts import InputError
from unet_explorer.data import load_pairs, meta, pair_files, sort_files, split
from unet_explorer.files import load_mask
from unet_explorer.headers import pixel_size_nm
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
    from unet_explorer import checkup

    folder, calls, save = clean("isbi2012"), [], checkup.save_mask

    def fails(*args):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return save(*args)

    monkeypatch.setattr(checkup, "save_mask", fails)
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
    from unet_explorer import checkup, segmentation
    from unet_explorer.cli import main

    def ends(*args, **how):
        raise InputError("far enough")

    monkeypatch.setattr(segmentation, "train_and_report", ends)

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

    monkeypatch.setattr(checkup, "doctor", broken)
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
