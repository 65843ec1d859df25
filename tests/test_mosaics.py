"""A mask of a large picture on the disk: cut off at any moment it is known to be unfinished, goes
on, and ends with the bytes of one that was never cut off; nothing else may go on with it."""

import os
import random
import signal
import time

import numpy as np
import pytest
import tifffile
import torch

from unet_explorer import mosaics
from unet_explorer.contracts import InputError, NotWritten
from unet_explorer.effunet import EffUNet
from unet_explorer.files import open_image
from unet_explorer.images import Picture
from unet_explorer.mosaics import segment_file
from unet_explorer.tiles import segment_tiled

HOW = dict(tile=32, overlap=20, stride=4)  # three tiles lie over a row


def blurred(x):
    return torch.nn.functional.avg_pool2d(x, 5, 1, 2) * 9 - 4.5


def picture(h=90, w=70):
    return torch.rand(1, h, w, generator=torch.Generator().manual_seed(0))


def files(folder):
    return sorted(p.name for p in folder.iterdir())


def one_line(error):
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    return str(error.value)


class Stops:
    "A model that stops after so many tiles."

    def __init__(self, tiles):
        self.left = tiles

    def __call__(self, x):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return blurred(x)


def test_without_accident_it_is_segment_tiled(tmp_path):
    path = segment_file(blurred, picture(), tmp_path / "new" / "mask.tif", **HOW, mark="blur")
    expected = segment_tiled(blurred, picture(), **HOW).numpy()
    mask = tifffile.imread(path)
    assert mask.dtype == np.uint8 and np.array_equal(mask, expected)
    assert files(tmp_path / "new") == ["mask.tif"]
    before = path.stat().st_mtime_ns
    segment_file(Stops(0), picture(), path, **HOW, mark="blur")
    assert path.stat().st_mtime_ns == before, "what is finished is not computed again"


@pytest.mark.parametrize("tiles", range(0, 30, 2))
def test_cut_off_after_any_tile_it_goes_on(tmp_path, tiles):
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **HOW, mark="blur")
    path = tmp_path / "mask.tif"
    with pytest.raises(KeyboardInterrupt):
        segment_file(Stops(tiles), picture(), path, **HOW, mark="blur")
    assert not path.exists(), "what is not finished does not have the name of what is"
    assert files(tmp_path) == ["mask.tif.journal", "mask.tif.unfinished", "whole.tif"]
    segment_file(blurred, picture(), path, **HOW, mark="blur")
    assert path.read_bytes() == whole.read_bytes()
    assert files(tmp_path) == ["mask.tif", "whole.tif"]


def test_what_the_journal_or_the_disk_lost_is_computed_again(tmp_path):
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **HOW, mark="blur")
    path = tmp_path / "mask.tif"
    raster, journal = (tmp_path / f"mask.tif.{end}" for end in ("unfinished", "journal"))

    def torn():
        journal.write_text(journal.read_text()[:-3])

    def flipped():
        data = bytearray(raster.read_bytes())
        data[-70 * 75] ^= 1
        raster.write_bytes(data)

    def emptied():
        journal.write_text("")

    def nonsense():
        journal.write_bytes(b"\xff\x00 12\n" + journal.read_bytes())

    def headless():
        raster.write_bytes(b"gone")

    for damage in (torn, flipped, emptied, nonsense, headless):
        with pytest.raises(KeyboardInterrupt):
            segment_file(Stops(25), picture(), path, **HOW, mark="blur")
        damage()
        segment_file(blurred, picture(), path, **HOW, mark="blur")
        assert path.read_bytes() == whole.read_bytes(), damage.__name__
        path.unlink()


OTHERS = dict(
    model=dict(mark="another"),
    picture=dict(image=picture() * 0.5),
    threshold=dict(threshold=0.6),
    overlap=dict(overlap=16),
    blend=dict(blend="crop"),
    tile=dict(tile=36),
    stride=dict(stride=2),
    limits=dict(limits=(0, 2)),
    numbers=dict(numbers="uint16"),
)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("what", OTHERS)
def test_only_the_same_goes_on(tmp_path, what, finished):
    path = tmp_path / "mask.tif"
    if finished:
        segment_file(blurred, picture(), path, **HOW, mark="blur")
    else:
        with pytest.raises(KeyboardInterrupt):
            segment_file(Stops(20), picture(), path, **HOW, mark="blur")
    left = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    call = dict(model=blurred, image=picture(), path=path, mark="blur", **HOW) | OTHERS[what]
    with pytest.raises(InputError, match=f"another {what} lies there") as e:
        segment_file(**call)
    assert "overwrite=True" in one_line(e)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == left
    segment_file(**call, overwrite=True)
    anew = segment_file(**call | dict(path=tmp_path / "anew.tif"))
    assert path.read_bytes() == anew.read_bytes()


def test_a_file_of_another_origin_is_not_replaced(tmp_path):
    path = tmp_path / "mask.tif"
    for about in (None, "[1, 2]", "7", "{}", '"segment_file"', '{"unet_explorer": "other"}'):
        tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description=about, metadata=None)
        with pytest.raises(InputError, match="was not written by segment_file") as e:
            segment_file(blurred, picture(), path, **HOW, mark="blur")
        assert "None" not in one_line(e)
    assert tifffile.imread(path).shape == (4, 4)


def damages(data):
    "A finished mask as accidents leave it: (what happened, its bytes)."
    yield "cut to half", data[: len(data) // 2]
    yield "cut by one", data[:-1]
    yield "one more", data + b"\0"
    yield "zeros at the end", data[:-200] + bytes(200)
    for at in random.Random(0).sample(range(len(data)), 40):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        yield f"byte {at} flipped", bytes(flipped)


def test_a_finished_mask_that_is_broken_is_not_taken_for_good(tmp_path):
    path = segment_file(blurred, picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    good = path.read_bytes()
    for what, data in damages(good):
        path.write_bytes(data)
        with pytest.raises(InputError, match="overwrite=True") as e:
            segment_file(blurred, picture(), path, **HOW, mark="blur")
            pytest.fail(what)
        one_line(e)
        assert path.read_bytes() == data, what
    segment_file(blurred, picture(), path, **HOW, mark="blur", overwrite=True)
    assert path.read_bytes() == good


def test_a_mask_that_was_edited_is_neither_taken_nor_lost(tmp_path):
    path = segment_file(blurred, picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    with tifffile.TiffFile(path) as tif:
        mask, about = tif.asarray(), tif.pages[0].description
    mask[10:20, 10:20] = 0
    tifffile.imwrite(path, mask, description=about, metadata=None)
    edited = path.read_bytes()
    with pytest.raises(InputError, match="is not as segment_file finished it"):
        segment_file(blurred, picture(), path, **HOW, mark="blur")
    assert path.read_bytes() == edited


@pytest.mark.parametrize("end", ["unfinished", "journal"])
@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_others_call_like_our_files_stays(tmp_path, end, finished, overwrite):
    path = tmp_path / "mask.tif"
    if finished:
        segment_file(blurred, picture(), path, **HOW, mark="blur")
    theirs = tmp_path / f"mask.tif.{end}"
    theirs.write_text("notes for Monday")
    before = files(tmp_path)
    with pytest.raises(InputError, match="is in the way") as e:
        segment_file(blurred, picture(), path, **HOW, mark="blur", overwrite=overwrite)
    assert theirs.name in one_line(e)
    assert theirs.read_text() == "notes for Monday" and files(tmp_path) == before
    theirs.unlink()
    segment_file(blurred, picture(), path, **HOW, mark="blur")


def test_stopped_between_any_two_steps_it_goes_on(tmp_path, monkeypatch):
    """Beginning and ending are several steps on the disk; after each the same call must work."""
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **HOW, mark="blur")
    path = tmp_path / "mask.tif"
    for room, name in ((mosaics, "_empty_tiff"), (mosaics, "_seal"), (os, "replace")):
        for late in (False, True):
            done = getattr(room, name)

            def stops(*args, done=done, late=late):
                if late:
                    done(*args)
                raise KeyboardInterrupt

            with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
                m.setattr(room, name, stops)
                segment_file(blurred, picture(), path, **HOW, mark="blur")
            segment_file(blurred, picture(), path, **HOW, mark="blur")
            assert path.read_bytes() == whole.read_bytes(), (name, late)
            assert files(tmp_path) == ["mask.tif", "whole.tif"], (name, late)
            path.unlink()


def test_a_folder_that_takes_no_files_and_a_long_name_are_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="too long") as e:
        segment_file(blurred, picture(), tmp_path / f"{'m' * 247}.tif", **HOW, mark="blur")
    one_line(e)
    assert files(tmp_path) == []
    longest = segment_file(blurred, picture(), tmp_path / f"{'m' * 240}.tif", **HOW, mark="blur")
    assert files(tmp_path) == [longest.name]


def test_a_lock_that_is_refused_is_said_in_one_line(tmp_path, monkeypatch):
    def refuses(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuses)
    with pytest.raises(NotWritten, match="Permission denied") as e:
        segment_file(blurred, picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    one_line(e)


def test_a_model_is_known_by_its_weights(tmp_path):
    tiny = dict(decoder=(8, 8, 8, 8), convs=1, pretrained=False)
    first, same, other = (EffUNet(**tiny, seed=seed).eval() for seed in (0, 0, 1))
    path = segment_file(first, picture(), tmp_path / "mask.tif")
    segment_file(same, picture(), path)
    with pytest.raises(InputError, match="another model"):
        segment_file(other, picture(), path)
    with pytest.raises(InputError, match="mark='...'") as e:
        segment_file(blurred, picture(), tmp_path / "new.tif")
    one_line(e)


def test_a_picture_is_known_by_all_its_pixels_and_what_they_mean(tmp_path):
    a = np.random.default_rng(0).integers(0, 4096, (300, 70), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", a)
    how = dict(tile=64, overlap=8, stride=8, mark="blur")
    path = segment_file(blurred, open_image(tmp_path / "p.tif", 1), tmp_path / "mask.tif", **how)
    segment_file(blurred, Picture(a, 1), path, **how)
    changed = a.copy()
    changed[299, 69] ^= 1
    for other in (Picture(changed, 1), Picture(a, 1, scale="dtype")):
        with pytest.raises(InputError, match="another picture"):
            segment_file(blurred, other, path, **how)


def test_the_tile_that_the_memory_chose_stays(tmp_path, monkeypatch):
    how = dict(overlap=8, stride=4, mark="blur")
    monkeypatch.setattr(mosaics, "fitting_tile", lambda *_: (40, 70))
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **how)
    with pytest.raises(KeyboardInterrupt):
        segment_file(Stops(2), picture(), tmp_path / "mask.tif", **how)
    monkeypatch.setattr(mosaics, "fitting_tile", lambda *_: (90, 70))
    path = segment_file(blurred, picture(), tmp_path / "mask.tif", **how)
    assert path.read_bytes() == whole.read_bytes()


def test_a_full_disk_is_said_before_the_work_and_nothing_stays(tmp_path, monkeypatch):
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("no posix_fallocate here")

    def full(fd, offset, size):
        assert size > 90 * 70
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NotWritten, match="No space left") as e:
        segment_file(Stops(0), picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    one_line(e)
    assert files(tmp_path) == []


def test_a_disk_that_fails_later_leaves_what_goes_on(tmp_path, monkeypatch):
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **HOW, mark="blur")
    calls, sync = [], os.fsync

    def fails(fd):
        calls.append(fd)
        if len(calls) == 6:
            raise OSError(5, "Input/output error")
        sync(fd)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(NotWritten, match="Input/output error") as e:
        segment_file(blurred, picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    one_line(e)
    path = segment_file(blurred, picture(), tmp_path / "mask.tif", **HOW, mark="blur")
    assert path.read_bytes() == whole.read_bytes()


def test_more_classes_than_numbers_and_other_suffixes_are_refused(tmp_path):
    def many(x):
        return torch.zeros(1, 300, *x.shape[2:])

    with pytest.raises(InputError, match="300 classes") as e:
        segment_file(many, picture(), tmp_path / "mask.tif", **HOW, mark="many")
    one_line(e)
    with pytest.raises(InputError, match="ends in .tif"):
        segment_file(blurred, picture(), tmp_path / "mask.png", **HOW, mark="blur")


def slow(x):
    time.sleep(0.002)
    return blurred(x)


def forked(do):
    "The process id of a fork that does it."
    pid = os.fork()
    if pid == 0:
        try:
            do()
        finally:
            os._exit(0)
    return pid


def test_two_processes_at_once(tmp_path):
    def job():
        segment_file(slow, picture(300), tmp_path / "mask.tif", **HOW, mark="blur")

    pid = forked(job)
    try:
        while not (tmp_path / "mask.tif.journal").exists():
            time.sleep(0.01)
        with pytest.raises(InputError, match="another process writes it") as e:
            job()
        one_line(e)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    job()
    assert files(tmp_path) == ["mask.tif"]


def killed_and_continued(tmp_path, moments, seed):
    "A mask whose process is killed `moments` times at a random moment, and begun again each time."
    rng = random.Random(seed)
    how = dict(**HOW, mark="blur")
    whole = segment_file(blurred, picture(), tmp_path / "whole.tif", **how).read_bytes()
    begun = time.monotonic()
    segment_file(slow, picture(), tmp_path / "timed.tif", **how)
    lasts = time.monotonic() - begun
    path = tmp_path / "mask.tif"
    for _ in range(moments):
        pid = forked(lambda: segment_file(slow, picture(), path, **how))
        time.sleep(rng.uniform(0, lasts * 0.6))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        left = set(files(tmp_path)) - {"whole.tif", "timed.tif"}
        allowed = {f"mask.tif.{end}" for end in ("unfinished", "journal", "lock")} | {"mask.tif"}
        assert left <= allowed
        if path.exists():
            assert path.read_bytes() == whole
            path.unlink()
    segment_file(blurred, picture(), path, **how)
    assert path.read_bytes() == whole
    assert files(tmp_path) == ["mask.tif", "timed.tif", "whole.tif"]


def test_killed_at_a_few_moments(tmp_path):
    killed_and_continued(tmp_path, moments=3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_twenty_random_moments(tmp_path, seed):
    killed_and_continued(tmp_path, moments=20, seed=seed)
