"A run that may be stopped: one at a time in a folder, nothing half-written, and it goes on."

import errno
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from unet_explorer import runs
from unet_explorer.contracts import JOURNAL, InputError, Interrupted, NotWritten, printable
from unet_explorer.contracts import write_atomic
from unet_explorer.runs import LOCK, alone_in, array_on_disk, run_in, stoppable, take_space
from unet_explorer.shell import ending

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
forked = pytest.mark.skipif(FORK is None, reason="this system starts no process by fork")


def wait_for(path):
    for _ in range(500):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


def hold(out):
    "Hold the lock of a folder, with something half-written, until somebody kills us."
    with alone_in(out):
        (out / ".part-abcd1234.png").write_text("half")
        (out / "held").touch()
        time.sleep(60)


@forked
def test_a_lock_falls_with_its_process(tmp_path):
    "The second is refused while the first runs; after kill -9 nothing is in the way."
    child = FORK.Process(target=hold, args=(tmp_path,))
    child.start()
    wait_for(tmp_path / "held")
    with pytest.raises(
        InputError, match=f"another run writes there now, process {child.pid}; wait"
    ):
        with alone_in(tmp_path):
            pass
    assert (tmp_path / ".part-abcd1234.png").exists(), "what a running one writes is not touched"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with alone_in(tmp_path):
        assert not (tmp_path / ".part-abcd1234.png").exists()


def test_only_our_own_leftovers_are_removed(tmp_path):
    keep = [".part-list.txt", "x.part-abcd1234", ".part-ABCD1234.png", "deep/notes.txt"]
    (tmp_path / LOCK).touch()  # somebody died here
    for name in [*keep, ".part-abcd1234", "deep/.part-a_cd1234.tif"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with alone_in(tmp_path / "other"):
        (tmp_path / "other" / ".part-zzzz0000.png").touch()
        with alone_in(tmp_path):
            assert (tmp_path / "other" / ".part-zzzz0000.png").exists(), "another run's"
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left - {LOCK, f"other/{LOCK}"} == {*keep, "other/.part-zzzz0000.png"}


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with alone_in(tmp_path / "a" / "b"):
        pass
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with alone_in(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir(), "it was there before"
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match="cannot be written to"):
        with alone_in(tmp_path / "file"):
            pass


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_request_to_end_is_ctrl_c(name):
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    number = getattr(signal, name)
    before, put_away = signal.getsignal(number), []
    with pytest.raises(KeyboardInterrupt), stoppable() as came:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            put_away.append(True)
    assert put_away and came == [number] and signal.getsignal(number) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_nohup_stays_and_other_threads_change_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable() as came:
            os.kill(os.getpid(), signal.SIGHUP)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)
    seen = []

    def elsewhere():
        with stoppable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_how_a_command_ends():
    assert ending(KeyboardInterrupt(), False, []) == ("interrupted", 130)
    assert ending(ImportError("half loaded"), True, []) == ("interrupted", 130)
    assert ending(InputError("size=3; no"), False, ["size"]) == ("--size 3; no", 2)
    line, code = ending(PermissionError(13, "Permission denied", "a\nb"), False, [])
    assert (line, code) == ("a\\nb: Permission denied", 2)
    with pytest.raises(KeyError):
        ending(KeyError("ours"), False, [])


def test_no_name_reaches_the_terminal_as_it_is(tmp_path):
    "ESC rewrites the screen, a line break makes two lines, a lone byte ends in an error."
    for odd in ("\x1b[2J", "\n", "\r", "\u2028", "\u202e", "\x9b", "\udcff", "\x00"):
        said = str(InputError(f"{odd}.png: cannot be read"))
        assert said.isprintable() and said.endswith(".png: cannot be read")
        said.encode()
    assert printable("grün 金 µ é") == "grün 金 µ é"


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path):
    with pytest.raises(
        NotWritten, match=r"could not be written \(the disk is full\); free some space"
    ):
        with write_atomic(tmp_path / "a.csv") as tmp:
            tmp.write_text("half")
            raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


class Page(NamedTuple):
    path: object
    page: int | None
    name: str


@pytest.fixture
def todo(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text(name)
    return [Page(tmp_path / "in" / name, None, name) for name in "abc"]


def walk(todo, out, stop=None, overwrite=False, **plan):
    "Write `masks/NAME.png` for each; the names of those that were made now."
    new = []
    with run_in(out, plan, overwrite=overwrite) as run:
        run.claim([f"masks/{p.name}.png" for p in todo])
        for p in todo:
            if run.earlier(p) is None:
                if p.name == stop:
                    raise KeyboardInterrupt
                with write_atomic(out / f"masks/{p.name}.png") as tmp:
                    tmp.write_bytes(p.path.read_bytes())
                run.keep(p, [f"masks/{p.name}.png"])
                new.append(p.name)
    return "".join(new)


def stopped(todo, out, **plan):
    with pytest.raises(Interrupted):
        walk(todo, out, stop=todo[-1].name, **plan)


@pytest.mark.parametrize("which", ["in/a", "out/masks/a.png"])
def test_same_size_and_other_content_is_another_file(tmp_path, todo, which):
    stopped(todo, tmp_path / "out")
    (tmp_path / which).write_text("X")
    with run_in(tmp_path / "out", {}) as run:
        lines = run.going_on(todo)
    assert lines[0] == "going on: 1 of 3 pictures were done"
    assert lines[1].startswith("done again: 1, since they, or their results, have changed")


@pytest.mark.parametrize("what", ["changed", "gone", "another"])
def test_what_lies_beside_a_picture_counts(tmp_path, todo, what):
    "A picture is done again if what it is compared with is no longer the same, and only that one."
    other = tmp_path / "other.png"
    other.write_text("o")
    beside, again = {"a": other}, {"a": other}
    with pytest.raises(Interrupted), run_in(tmp_path / "out", {}, beside=beside) as run:
        run.claim(["a.txt", "b.txt"])
        for found in todo[:2]:
            (tmp_path / "out" / f"{found.name}.txt").write_text(found.name)
            run.keep(found, [f"{found.name}.txt"])
        raise KeyboardInterrupt
    with pytest.raises(Interrupted), run_in(tmp_path / "out", {}, beside=dict(beside)) as run:
        assert run.going_on(todo) == ["going on: 2 of 3 pictures were done"]
        raise KeyboardInterrupt
    if what == "changed":
        other.write_text("p")
    if what == "gone":
        other.unlink()
    if what == "another":
        again["a"] = tmp_path / "third.png"
        again["a"].write_text("o" * 3)
    with run_in(tmp_path / "out", {}, beside=again) as run:
        lines = run.going_on(todo)
    assert lines[0] == "going on: 1 of 3 pictures were done"
    assert lines[1].startswith("done again: 1, since they, what they are compared with, or their")


def begun(run):
    run.claim(["a.txt"])
    (run.out / "a.txt").write_text("a")


def rows_of(run, todo):
    return {found.name: [row["k"] for row in run.rows(found.name)] for found in todo}


def test_rows_of_a_table_lie_in_the_journal_and_come_back_in_order(tmp_path, todo, monkeypatch):
    "Also where a run was killed between two lines of them, and others came in between."
    monkeypatch.setattr(runs, "ROWS", 2)
    a, b, c = todo
    with pytest.raises(Interrupted), run_in(tmp_path / "out", {}) as run:
        begun(run)
        run.keep(a, ["a.txt"], (dict(k=k) for k in range(5)), n=5)
        run._say(rows_of="b", part=0, rows=[dict(k=70), dict(k=71)])
        run._say(rows_of="b", part=1, rows=[dict(k=72)])
        run._say(rows_of="c", part=0, rows=[dict(k=73)])
        raise KeyboardInterrupt
    with run_in(tmp_path / "out", {}) as run:
        assert run.earlier(a) == dict(n=5) and run.earlier(b) is run.earlier(c) is None
        run.keep(b, [], [dict(k=9)])
        run.keep(c, [])
        assert rows_of(run, todo) == dict(a=[0, 1, 2, 3, 4], b=[9], c=[])
        assert "rows" not in str(run.done["a"]["facts"]), "rows are not in memory"
        (tmp_path / "out" / JOURNAL).write_bytes(b"{}")
        with pytest.raises(InputError, match="somebody else has changed it"):
            rows_of(run, todo)


def test_a_picture_whose_rows_are_lost_is_done_again(tmp_path, todo):
    with pytest.raises(Interrupted), run_in(tmp_path / "out", {}) as run:
        begun(run)
        run.keep(todo[0], ["a.txt"], [dict(k=1)])
        raise KeyboardInterrupt
    path = tmp_path / "out" / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b"rows_of" not in line))
    with run_in(tmp_path / "out", {}) as run:
        assert run.earlier(todo[0]) is None


def test_a_changed_result_is_made_again(tmp_path, todo):
    stopped(todo, tmp_path / "out")
    mask = tmp_path / "out/masks/a.png"
    mask.write_text("X")
    for pictures in (todo, todo[1:]):  # also where its picture is gone
        with pytest.raises(InputError, match="a.png: was changed since a run wrote it; move it"):
            walk(pictures, tmp_path / "out")
    assert mask.read_text() == "X"
    assert walk(todo, tmp_path / "out", overwrite=True) == "ac"
    assert mask.read_text() == "a"


@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_a_result_that_is_lost_is_made_again(tmp_path, todo, loss):
    "An empty file is what a disk may show after the power was cut."
    stopped(todo, tmp_path / "out")
    mask = tmp_path / "out/masks/a.png"
    mask.unlink() if loss == "gone" else mask.write_bytes(b"")
    assert walk(todo, tmp_path / "out") == "ac"


def test_a_live_writer_without_a_lock_is_not_disturbed(tmp_path):
    with write_atomic(tmp_path / "sub/mask.png") as tmp:
        tmp.write_text("half")
        with alone_in(tmp_path):
            assert tmp.exists()
        tmp.write_text("whole")
    assert (tmp_path / "sub/mask.png").read_text() == "whole"


ODD = [
    '{"plan": "abc"}',
    '{"plan": {}, "writes": [1]}',
    '{"plan": {}, "writes": ["x\\u0000y"]}',
    '{"plan": {}, "chosen": 3}',
    '{"plan": {}}\n{"done": "a"}',
    '{"plan": {}}\n{"done": "a", "files": [], "facts": {}}',
    '{"plan": {}}\n{"done": ["a"]}',
    '{"plan": {}}\n{"rows_of": ["a"], "part": 0, "rows": []}',
    '{"plan": {}}\n{"rows_of": "a", "part": "0", "rows": []}',
    '{"plan": {}}\n{"done": "a", "files": {}, "facts": {}, "parts": "x"}',
]


@pytest.mark.parametrize("lines", [*ODD, None], ids=range(len(ODD) + 1))
def test_an_odd_journal_is_one_line(tmp_path, todo, lines):
    out = tmp_path / "out"
    out.mkdir()
    if lines is None:
        (out / JOURNAL).mkdir()
    else:
        (out / JOURNAL).write_text(lines + "\n")
    with pytest.raises(InputError, match="journal .* cannot be read"):
        walk(todo, out, u=1)
    if lines is not None:
        assert walk(todo, out, overwrite=True, u=1) == "abc"


def test_a_journal_removes_no_folder_and_nothing_outside(tmp_path, todo):
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    names = '"mine", "..", ".", "mine/..", "../in/a", "mine/../../in/b"'
    (out / JOURNAL).write_text('{"plan": {"u": 2}, "writes": [%s]}\n' % names)
    assert walk(todo, out, overwrite=True, u=1) == "abc"
    assert (out / "mine").is_dir() and (tmp_path / "in/a").exists() and (tmp_path / "in/b").exists()


def test_no_file_is_mapped_when_it_gets_its_name(tmp_path, monkeypatch):
    "Windows would refuse."
    maps, rename, seen = Path("/proc/self/maps"), os.replace, []
    if not maps.exists():
        pytest.skip("this system does not say what is mapped")

    def replace(here, there):
        seen.append(str(here) in maps.read_text())
        rename(here, there)

    monkeypatch.setattr(os, "replace", replace)
    with array_on_disk(tmp_path / "a.tif", (2, 3)) as array:
        array[:] = 1
        del array
    assert seen == [False]


def test_space_is_taken_where_the_disk_knows_no_call_for_it(tmp_path, monkeypatch):
    def no(*args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", no, raising=False)
    with open(tmp_path / "a", "wb") as file:
        file.truncate(3_000_000)
    take_space(tmp_path / "a")
    about = os.stat(tmp_path / "a")
    assert about.st_size == 3_000_000
    assert not hasattr(about, "st_blocks") or about.st_blocks * 512 >= 3_000_000


@pytest.mark.parametrize("journal", [None, "damaged"])
def test_only_names_of_results_are_replaced_where_no_journal_tells(tmp_path, todo, journal):
    "A version without journals: its own names with overwrite=True, and no other."
    out = tmp_path / "out"
    for name in ("masks/a.png", "masks/note.txt", "a.txt"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("old")
    (out / "settings.toml").write_text("# unet-explorer 0.1")
    if journal:
        (out / JOURNAL).write_text(journal)
    for name in ("a.txt", "masks/note.txt"):
        with pytest.raises(InputError, match="lies there already, and no run"):
            with run_in(out, {}, overwrite=True) as run:
                run.claim([name])
    with pytest.raises(InputError, match="lies there already|cannot be read"):
        walk(todo, out)
    assert (out / "masks/a.png").read_text() == "old"
    assert walk(todo, out, overwrite=True) == "abc"
    assert (out / "masks/a.png").read_text() == "a"
    assert (out / "a.txt").read_text() == (out / "masks/note.txt").read_text() == "old"


def test_what_is_refused_loses_nothing_of_the_earlier_result(tmp_path, todo):
    out = tmp_path / "out"
    walk(todo, out, u=2)
    before = (out / JOURNAL).read_bytes()
    (out / "masks/d.png").write_text("mine")
    (tmp_path / "in/d").write_text("d")
    with pytest.raises(InputError, match="masks/d.png: lies there already"):
        walk([*todo, Page(tmp_path / "in/d", None, "d")], out, overwrite=True, u=3)
    assert {p.name for p in (out / "masks").iterdir()} == {"a.png", "b.png", "c.png", "d.png"}
    assert (out / JOURNAL).read_bytes() == before


def test_something_of_another_kind_is_in_the_way(tmp_path, todo):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/masks").write_text("mine")
    with pytest.raises(InputError, match="out/masks: is a file, but a folder is needed there"):
        walk(todo, tmp_path / "out")
    (tmp_path / "new/masks/b.png").mkdir(parents=True)
    with pytest.raises(InputError, match="b.png: is a folder, but a file is needed there"):
        walk(todo, tmp_path / "new")
    stopped(todo, tmp_path / "other")
    (tmp_path / "other/masks/a.png").unlink()
    (tmp_path / "other/masks/a.png").mkdir()
    with pytest.raises(InputError, match="a.png: was changed since a run wrote it"):
        walk(todo[1:], tmp_path / "other")
    assert walk(todo[1:], tmp_path / "other", overwrite=True) == "c"
    assert (tmp_path / "other/masks/a.png").is_dir()


def test_the_message_names_only_what_a_plan_has(tmp_path, todo):
    stopped(todo, tmp_path / "out", u=1, v=2)
    with pytest.raises(InputError, match=r"unfinished run \(no w, v=2\); go on"):
        walk(todo, tmp_path / "out", u=1, w=3)
