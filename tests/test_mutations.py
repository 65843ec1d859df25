"""Files that no program ever wrote: healthy ones, mutated. Each is read by everything that reads,
in a process with limits, and each call ends in a legal value or in one line: no traceback, no
hang, no gigabytes, no half a picture, nothing that a library prints."""

import os
import shutil
import signal
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mutate import H, W, changes, cut, healthy, mutated
import sandbox
from sandbox import Sandbox
from unet_explorer.contracts import InputError
from unet_explorer.files import contents, load_image, load_mask, n_pages, open_image
from unet_explorer.folders import pictures_in
from unet_explorer.headers import pixel_size_nm

FILES = healthy()
QUIET = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))
QUIET |= dict(phases=[Phase.explicit, Phase.generate])  # to shrink a hang takes hours

# what runs in the sandbox -------------------------------------------------------------------------


def one_line(error):
    said = str(error)
    good = "\n" not in said and 10 < len(said) < 600
    return [] if good else [f"not one line: {said[:300]!r}"]


def legal_image(x):
    low, high = float(x.min()), float(x.max())
    good = x.ndim == 3 and len(x) in (1, 3) and x.dtype == torch.float32
    return good and min(x.shape) > 0 and 0 <= low <= high <= 1


def legal_mask(m):
    return m.ndim == 2 and min(m.shape) > 0 and m.dtype == torch.int64


def legal_size(nm):
    return nm is None or (isinstance(nm, float) and 0 < nm < float("inf"))


def legal_found(found):
    return len({f.name for f in found}) == len(found) > 0


def readers(path):
    "Every call that reads the file at `path`: name, call, what it may give."
    yield "load_image", lambda: load_image(path), legal_image
    yield "load_mask", lambda: load_mask(path), legal_mask
    yield "n_pages", lambda: n_pages(path), lambda n: 1 <= n < 10**6
    yield "open_image", lambda: open_image(path, page=0, channels=1)[:], legal_image
    yield "pixel_size_nm", lambda: pixel_size_nm(path), legal_size
    yield "pictures_in", lambda: pictures_in(path.parent), legal_found


def read_all(path):
    "The faults of all readers at one file."
    path, faults = Path(path), []
    for name, call, legal in readers(path):
        try:
            value = call()
            if not legal(value):
                faults.append(f"{name}: no legal value: {str(value)[:200]}")
        except InputError as e:
            faults += [f"{name}: {fault}" for fault in one_line(e)]
        except MemoryError:
            faults.append(f"{name}: more than 2 GB asked for")
        except BaseException as e:
            faults.append(f"{name}: {type(e).__name__}: {str(e)[:200]}")
    left = [p.name for p in path.parent.iterdir() if p != path]
    return faults + [f"left behind: {left}"] * bool(left)


def as_before_or_refused(path, whole):
    "A file that was cut off gives the same picture as the whole one, or a line."
    expected = load_image(whole, page=0)
    try:
        x = load_image(path, page=0)
    except InputError as e:
        return one_line(e)
    return [] if torch.equal(x, expected) else ["half a picture"]


# the tests ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box():
    with Sandbox("test_mutations") as box:
        yield box


@pytest.fixture(scope="module")
def folder():
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


def tried(box, folder, name, data, call="read_all", *more):
    "The faults at a file of that content."
    path = folder / name
    path.write_bytes(data)
    faults = box.call(call, path, *more)
    path.unlink()
    return faults


def test_the_sandbox_notices_what_it_is_for(box):
    calls = [
        ("_hangs", "hang"),
        ("_eats", "MemoryError"),
        ("_prints", "printed: boo"),
        ("_warns", "a warning"),
        ("_crashes", "a crash: -11"),
        ("_raises", "a traceback"),
    ]
    for call, word in calls:
        faults = box.call(call, seconds=0.3)
        assert len(faults) == 1 and word in faults[0], (call, faults)
    assert box.call("_is_fine") == []


def _hangs():
    while True:
        pass


def _eats():
    return [] if bytearray(3 * 2**30) else []


def _prints():
    os.write(2, b"boo")
    return []


def _warns():
    warnings.warn("boo")
    return []


def _crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


def _raises():
    raise KeyError("boo")


def _is_fine():
    return []


@pytest.mark.parametrize("name", FILES)
def test_a_healthy_file_has_no_faults(box, folder, name):
    assert tried(box, folder, name, FILES[name]) == []


def test_a_png_is_not_decoded_to_learn_what_is_in_it(tmp_path, monkeypatch):
    from PIL import ImageFile

    path, turned = tmp_path / "grey.png", tmp_path / "turned.png"
    path.write_bytes(FILES["grey.png"])
    turned.write_bytes(FILES["turned.png"])
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    assert contents(path)[:3] == (1, H, W)
    assert contents(turned)[:3] == (1, W, H)


def broken_files(examples, **how):
    "Decorator: the test gets a name and the content of a mutated file, so many times."

    def decorate(test):
        names = given(name=st.sampled_from(sorted(FILES)), done=changes())
        return settings(max_examples=examples, **QUIET, **how)(names(test))

    return decorate


@broken_files(300, derandomize=True)
def test_a_mutated_file_is_read_or_refused(box, folder, name, done):
    assert tried(box, folder, name, mutated(FILES[name], done)) == []


@pytest.mark.slow
@broken_files(5000, print_blob=True)
def test_thousands_of_mutated_files(box, folder, name, done):
    assert tried(box, folder, name, mutated(FILES[name], done)) == []


def cut_files(examples, **how):
    def decorate(test):
        names = given(name=st.sampled_from(sorted(FILES)), at=st.integers(0, 65535))
        return settings(max_examples=examples, **QUIET, **how)(names(test))

    return decorate


def _cut_is_noticed(box, folder, name, at):
    whole = folder.parent / f"{folder.name}-whole{Path(name).suffix}"
    whole.write_bytes(FILES[name])
    data = cut(FILES[name], at, 0, 0)
    try:
        assert tried(box, folder, name, data, "as_before_or_refused", whole) == []
    finally:
        whole.unlink()


@cut_files(100, derandomize=True)
def test_what_was_cut_off_is_never_half_a_picture(box, folder, name, at):
    _cut_is_noticed(box, folder, name, at)


@pytest.mark.slow
@cut_files(2000, print_blob=True)
def test_thousands_of_cuts(box, folder, name, at):
    _cut_is_noticed(box, folder, name, at)


def test_where_there_is_no_sandbox_the_tests_are_skipped(monkeypatch, tmp_path):
    for name, value in (("STATM", tmp_path / "none"), ("resource", None)):
        with monkeypatch.context() as m:
            m.setattr(sandbox, name, value)
            with pytest.raises(pytest.skip.Exception, match="no sandbox here"):
                sandbox.Sandbox("test_mutations")
    assert sandbox.missing() is None or not sandbox.STATM.exists()
