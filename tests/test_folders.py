"What lies in a folder: one answer for every job."

import csv
import os
import unicodedata
from functools import partial
from pathlib import Path, PurePosixPath
from unittest.mock import patch

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unet_explorer.contracts import JOURNAL, InputError, NotWritten, write_atomic
from unet_explorer.pairs import load_pairs
from unet_explorer.folders import files_in, for_each, natural_key, output_folder
from unet_explorer.folders import pictures_in, write_table
from unet_explorer.images import save_image, save_mask


def names(folder, **how):
    return [f.name for f in pictures_in(folder, **how)]


@pytest.fixture
def stick(tmp_path):
    "A folder as people have it."
    for name in ("die10.png", "die9.png", "b/die1.tif", "out/masks/die9.png", ".hidden/x.png"):
        save_image(tmp_path / name, torch.zeros(1, 4, 4))
    for name in ("._die9.png", "notes.txt", "__MACOSX/die9.png", "b/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    return tmp_path


def test_natural_order_hidden_files_and_results_left_out(stick):
    assert names(stick, without=stick / "out") == ["b/die1", "die9", "die10"]
    assert [p.name for p in files_in(stick / "die9.png")] == ["die9.png"]
    assert len(files_in(stick / ".hidden")) == 1, "a hidden folder that is named is meant"
    (stick / "empty").mkdir()
    with pytest.raises(InputError, match="no images in it"):
        files_in(stick / "empty")


def test_every_job_reads_the_same_folder_alike(stick, tmp_path_factory):
    masks = tmp_path_factory.mktemp("masks")
    for name in names(stick, without=stick / "out"):
        save_mask(masks / f"{name}.png", torch.eye(4, dtype=torch.long))
    for p in (stick / "out" / "masks").iterdir():
        p.unlink()
    assert load_pairs(stick, masks)["name"] == names(stick)


def file_on_any_disk(name):
    "The same for names that are one file on some disk, by the definition of Unicode (3.13, D145)."
    nfd = partial(unicodedata.normalize, "NFD")
    return nfd(nfd(nfd(name).casefold()).casefold())


def put(folder, files):
    "Write tiny pictures; `s.tif:3` has three pages."
    for name in files:
        path, _, pages = name.partition(":")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if pages:
            stack = np.zeros((int(pages), 4, 4), np.uint8)
            tifffile.imwrite(folder / path, stack, photometric="minisblack")
        else:
            save_image(folder / path, torch.zeros(1, 4, 4))


def check_unique(found, root):
    "No result replaces another, or lies where another needs a folder; and each name can be a file."
    files = [file_on_any_disk(f"{n}{s}") for n in found for s in (".png", ".tif")]
    assert len(set(files)) == 2 * len(found)
    folders = {str(f) for name in files for f in PurePosixPath(name).parents}
    assert not folders & set(files)
    for name in found:
        assert name.isprintable() and not PurePosixPath(name).is_absolute()
        for suffix in (".png", ".tif"):
            path = root / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(path) as tmp:
                tmp.touch()


@pytest.mark.parametrize(
    "files",
    [
        ["a.png", "a.bmp", "a.tif"],
        ["s.tif:2", "s_page0000.png", "s_page0001.bmp"],
        ["A.png", "a.bmp"],
        ["A.png", "a.png"],
        ["s.tif:3", "s.tiff:2"],
        ["é.png", "e\u0301.png"],
        ["É.png", "e\u0301.bmp"],
        ["x.tif", "x.png/a.png"],
        ["x.tif", "x.bmp", "x.tif.png/x.tif.png", "X.PNG/b.png"],
        ["s.tif:2", "s_page0000.tif/a.png"],
        ["Lot/a.png", "lot/A.png", "lot/b.png"],
        ["a.png", "a.bmp", "a.png.png", "a.png.tif", "a.bmp.bmp"],
        ["x" * 251 + ".png", "x" * 251 + ".bmp", "x" * 250 + "y.png", "ü" * 125 + ".tif:2"],
        ["a\x1b[2J.png", "a\n.png", "a_.png", "b\udcff.png", "l\n/a.png", "l_/a.png"],
        ["=cmd.png", "-1.png", "stra\u00dfe.png", "STRASSE.png"],
    ],
    ids=lambda files: ascii(files)[:60],
)
def test_no_result_replaces_another(tmp_path, files):
    try:
        put(tmp_path / "in", files)
    except (OSError, InputError) as e:
        pytest.skip(f"this disk has no such names: {e}")
    if len(list(files_in(tmp_path / "in"))) < len(files):
        pytest.skip("on this disk some of these names are one file")
    found = names(tmp_path / "in")
    check_unique(found, tmp_path / "out")
    assert len(found) == sum(int(f.partition(":")[2] or 1) for f in files)
    assert found == names(tmp_path / "in"), "the same the second time"


PARTS = st.sampled_from(["a", "A", "é", "e\u0301", "a.png", "a.tif", "a_page0000", "\n", "ß", "ss"])


def names_of(pages):
    "What `pictures_in` would call these: only names, no disk is needed."
    room = "unet_explorer.folders"
    with patch(f"{room}.files_in", lambda *_: list(pages)), patch(f"{room}._pages", pages.get):
        return [f.name for f in pictures_in(".")]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.tuples(PARTS, PARTS, st.sampled_from(["png", "bmp", "tif"])), st.integers(1, 2)
    )
)
def test_names_are_unique_whatever_lies_there(some):
    found = names_of(
        {
            Path(f"{folder}/{name}.{suffix}"): [None] if n == 1 else list(range(n))
            for (folder, name, suffix), n in some.items()
        }
    )
    files = [file_on_any_disk(f"{n}{s}") for n in found for s in (".png", ".tif")]
    folders = {str(f) for name in files for f in PurePosixPath(name).parents}
    assert len(set(files)) == len(files) and not folders & set(files)


def test_names_that_nobody_could_mistake_stay():
    files = ["a.png", "lot b/grün 金.tif", "x.1.png", "-5 deg.bmp"]
    found = names_of({Path(f): [None] for f in files})
    assert found == ["a", "lot b/grün 金", "x.1", "-5 deg"]


class Twice:
    "Rows that are made when they are asked for."

    def __iter__(self):
        yield from (dict(image="a", k=k) for k in range(3))
        yield dict(image="µ", other=1)


@pytest.mark.parametrize("make", [Twice, lambda: iter(Twice()), lambda: list(Twice())])
def test_a_table_is_written_of_rows_that_are_made_one_by_one(tmp_path, make):
    write_table(tmp_path / "t.csv", make(), ["image"])
    text = (tmp_path / "t.csv").read_text(encoding="utf-8-sig")
    assert text == "image,k,other\na,0,\na,1,\na,2,\nµ,,1\n"
    assert (tmp_path / "t.csv").read_bytes().startswith("\ufeff".encode())


def test_a_table_does_nothing_in_a_spreadsheet(tmp_path):
    rows = [dict(image=name, share=-0.5) for name in ("=1+1", "+1", "-1", "@x", "a\nb", 'q",;')]
    write_table(tmp_path / "t.csv", rows, ["image", "share"])
    raw = (tmp_path / "t.csv").read_bytes()
    assert raw.count(b"\n") == 7 and raw.isascii(), "a line a row; no mark before plain ASCII"
    read = list(csv.DictReader((tmp_path / "t.csv").open(newline="")))
    assert [r["image"] for r in read] == ["'=1+1", "'+1", "'-1", "'@x", "a\\nb", 'q",;']
    assert {r["share"] for r in read} == {"-0.5"}, "numbers are no formulas"
    write_table(tmp_path / "t.csv", [dict(image="für µ", x=None)], ["image"])
    assert (tmp_path / "t.csv").read_bytes() == "\ufeffimage,x\nfür µ,\n".encode()
    write_table(tmp_path / "t.csv", [dict(image="\udcff")], ["image"])
    assert (tmp_path / "t.csv").read_bytes() == b"image\n\\udcff\n"


def test_a_full_disk_ends_the_walk(tmp_path):
    "The next picture could not be written either; it is no fault of the picture."
    put(tmp_path, ["a.png", "b.png"])
    seen = []

    def do(found):
        seen.append(found.name)
        raise NotWritten("out/a.png: could not be written (No space left on device); free some")

    with pytest.raises(NotWritten):
        for_each(tmp_path, pictures_in(tmp_path), do)
    assert seen == ["a"]


def test_results_of_a_run_that_was_stopped_are_no_pictures(tmp_path):
    put(tmp_path, ["a.png", "result/masks/a.png"])
    assert len(files_in(tmp_path)) == 2
    (tmp_path / "result" / JOURNAL).touch()
    assert names(tmp_path) == ["a"]
    with pytest.raises(InputError, match="holds an earlier result .an unfinished run"):
        output_folder(tmp_path / "result")
    assert output_folder(tmp_path / "result", goes_on=True) == tmp_path / "result"


def test_an_output_folder_leaves_what_is_there(tmp_path):
    "A file of the user's may have any name, and a failed try leaves no folder."
    (tmp_path / "out").mkdir()
    (tmp_path / "out/try.txt").write_text("mine")
    output_folder(tmp_path / "out")
    output_folder(tmp_path / "deep/er")
    assert (tmp_path / "out/try.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    with pytest.raises(InputError, match="cannot be written to"):
        output_folder("/proc/nowhere")


@pytest.mark.parametrize("bad", [None, 3, float("nan"), [], "", "\0"], ids=repr)
def test_what_is_no_path_gets_one_line(bad):
    for function in (files_in, pictures_in):
        try:
            function(bad)
        except InputError as e:
            assert "\n" not in str(e)
        else:
            assert bad == "", "only an empty path means something: the folder one stands in"


def test_natural_key_compares_anything_with_anything():
    assert sorted(["9", "10", "a10", "a9"], key=natural_key) == ["9", "10", "a9", "a10"]


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_a_bad_one_among_many_is_skipped_and_a_bad_one_alone_is_an_error(tmp_path, bad):
    for i in range(3):
        save_image(tmp_path / f"{i}.png", torch.zeros(1, 4, 4))
    done, said = [], []

    def do(found):
        if int(found.name) < bad:
            raise InputError(f"{found.name}: bad")
        done.append(found.name)

    if bad == 3:
        with pytest.raises(InputError, match="none of 3 pictures could be used; 0: bad"):
            for_each(tmp_path, pictures_in(tmp_path), do, say=said.append)
    else:
        skipped = for_each(tmp_path, pictures_in(tmp_path), do, say=said.append)
        assert said == [f"skipped: {line}" for line in skipped]
    assert len(said) == bad and len(done) == 3 - bad
    if bad:
        with pytest.raises(InputError, match="^0: bad$"):
            for_each(tmp_path / "0.png", pictures_in(tmp_path / "0.png"), do)


def test_a_log_gets_a_line_now_and_then(tmp_path, monkeypatch):
    "Where no terminal shows the bar, somebody still wants to know that it goes on."
    for i in range(4):
        save_image(tmp_path / f"{i}.png", torch.zeros(1, 4, 4))
    monkeypatch.setattr("unet_explorer.folders.LINE_EVERY", -1)
    lines, done = [], []
    for_each(tmp_path, pictures_in(tmp_path), done.append, desc="looking", say=lines.append)
    assert len(done) == 4 and "looking: 3 of 4 pictures" in lines


def test_what_is_not_read_is_said_before_the_walk(tmp_path, monkeypatch):
    import numpy as np
    import tifffile

    from unet_explorer import files

    monkeypatch.setattr(files, "find_spec", lambda name: None)
    for name in ("x.dm3", "sub/y.dm3", "z.czi", ".hidden.czi", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="2 .dm3 files are not read: pip install"):
        pictures_in(tmp_path)
    for name in ("a.tif", "b.tif"):
        with tifffile.TiffWriter(tmp_path / name) as f:
            f.write(np.zeros((20, 30), np.uint8), metadata=None)
            f.write(np.zeros((5, 7), np.uint8), metadata=None)
    said, todo = [], pictures_in(tmp_path)
    assert [found.page for found in todo] == [None, None]
    assert for_each(tmp_path, todo, lambda found: None, say=said.append) == []
    assert said == [
        "1 .czi file is not read: export as TIFF",
        "2 .dm3 files are not read: pip install 'unet-explorer[em]'",
        f"{tmp_path / 'a.tif'} and 1 more: smaller pictures of it are left out: 7x5 pixels",
    ]


@pytest.mark.parametrize("name", ["aux", "CON", "nul.x", "com1", "lot./a", "b ./c", "what?", "a|b"])
def test_names_that_windows_does_not_allow(tmp_path, name):
    "A device, a point or a blank at the end of a folder, a sign that is not allowed."
    put(tmp_path / "in", [f"{name}.png"])
    (result,) = names(tmp_path / "in")
    for part in result.split("/"):
        stem = part.split(".")[0].strip().lower()
        assert stem not in ("aux", "con", "nul", "com1") and part == part.rstrip(". ")
        assert not set(part) & set('<>:"|?*')


@pytest.mark.parametrize("folder", ["@eaDir", "$RECYCLE.BIN", "System Volume Information"])
def test_folders_that_a_network_drive_makes_are_left_out(tmp_path, folder):
    put(tmp_path, ["a.png", f"{folder}/a.png"])
    assert names(tmp_path) == ["a"]


def test_a_pipe_in_a_folder_is_named(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes")
    put(tmp_path, ["a.png"])
    os.mkfifo(tmp_path / "p.png")
    said = []
    for_each(tmp_path, pictures_in(tmp_path), lambda found: None, say=said.append)
    assert [line for line in said if "p.png: is no file (a pipe" in line] == said
