"What lies in a folder: one answer for every job."

import numpy as np
import pytest
import tifffile
import torch

from unet_explorer.contracts import InputError
from unet_explorer.data import load_pairs
from unet_explorer.folders import files_in, for_each, natural_key, output_folder, pictures_in
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
        save_mask(masks / f"{name}.png", torch.zeros(4, 4, dtype=torch.long))
    for p in (stick / "out" / "masks").iterdir():
        p.unlink()
    assert load_pairs(stick, masks)["name"] == names(stick)


@pytest.mark.parametrize(
    "files",
    [
        ["a.png", "a.bmp", "a.tif"],
        ["s.tif:2", "s_page0000.png", "s_page0001.bmp"],
        ["A.png", "a.bmp"],
        ["s.tif:3", "s.tiff:2"],
    ],
    ids=str,
)
def test_no_result_replaces_another(tmp_path, files):
    for name in files:
        path, _, pages = name.partition(":")
        if pages:
            stack = np.zeros((int(pages), 4, 4), np.uint8)
            tifffile.imwrite(tmp_path / path, stack, photometric="minisblack")
        else:
            save_image(tmp_path / path, torch.zeros(1, 4, 4))
    found = names(tmp_path)
    assert len({n.casefold() for n in found}) == len(found) >= len(files)


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
