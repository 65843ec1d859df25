"""Killed at any moment and started again, `segment` and `find` give what they give without. The
command runs in a forked process, so that torch, and all else that it needs, is loaded once."""

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch

from unet_explorer.anomaly import fit_normal, save_detector
from unet_explorer.cli import main
from unet_explorer.contracts import JOURNAL, InputError, Interrupted, NotWritten
from unet_explorer.effunet import EffUNet, save
from unet_explorer.images import save_image
from unet_explorer.inspection import find_folder
from unet_explorer.runs import LOCK
from unet_explorer.segmentation import segment_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is started by fork")
SIGNALS = {name: getattr(signal, name, None) for name in ("SIGKILL", "SIGTERM", "SIGINT")}
TINY = dict(decoder=(8, 8, 8, 8), convs=1, pretrained=False)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    "Six pictures, and two models that have learned nothing."
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads do not survive a fork
    with pytest.MonkeyPatch.context() as m:
        for module in ("segmentation", "inspection"):  # time and commit are no part of a result
            m.setattr(f"unet_explorer.{module}.system_facts", dict)
        yield furnished(tmp_path_factory.mktemp("room"))
    torch.set_num_threads(threads)


def furnished(room):
    for i in range(6):
        noise = torch.rand(1, 40, 48, generator=torch.Generator().manual_seed(i))
        save_image(room / "in" / ("b" * (i % 2)) / f"{i}.png", noise)
    save(EffUNet(**TINY, seed=0), room / "segment", classes=["gap", "metal"])
    about = dict(threshold=-20.0, fpr=0.05, pixel_nm=None, look=None, shape=[40, 48])
    clean = [torch.rand(1, 40, 48, generator=torch.Generator().manual_seed(i)) for i in range(8)]
    save_detector(fit_normal(clean, method="own"), room / "find", scores=[0.0], **about)
    for job in ("segment", "find"):  # here, so that the forks find all loaded
        assert main(words(room, job, room / f"whole-{job}")) == 0
    return room


def words(room, job, out, *more):
    typed = {"segment": ["segment"], "find": ["defects", "find"]}[job]
    typed += [room / "in", "--model", room / job, "--out", out, "--tile", 64, "--overlap", 0, *more]
    return [str(w) for w in typed]


def _child(argv, errors):
    "What both streams say goes into a file, a traceback, too."
    with open(errors, "w", buffering=1) as file:
        sys.stdout = sys.stderr = file
        try:
            code = main(argv)
        except BaseException:
            traceback.print_exc()
            code = 99
    os._exit(code)


def started(room, job, out, *more, errors=None):
    "The command in a process of its own."
    argv = words(room, job, out, *more)
    child = multiprocessing.get_context("fork").Process(
        target=_child, args=(argv, errors or f"{out}.err"), daemon=True
    )
    child.start()
    return child


def command(room, job, out, *more, errors=None):
    "Run the command to its end; the exit code."
    child = started(room, job, out, *more, errors=errors)
    return ended(child)


def ended(child, wait=120):
    "The exit code of a process; one that has not ended within `wait` seconds is ended."
    child.join(wait)
    if child.is_alive():
        child.kill()
        child.join()
        raise AssertionError(f"not at its end within {wait} s")
    return child.exitcode


def result(out):
    "All that a run leaves, without what tells the time."
    files = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and name not in (LOCK, JOURNAL):
            files[name] = path.read_bytes()
    page = files["report.html"].decode()
    files["report.html"] = re.sub(r"--out \S+-again", "", page)
    return files


def same(out, whole):
    here, there = result(out), result(whole)
    assert sorted(here) == sorted(there)
    assert [name for name in here if here[name] != there[name]] == []


def killed(room, job, out, number, after, more=()):
    "Start, end by a signal after so many seconds; the exit code."
    child = started(room, job, out, *more)
    child.join(after)
    if child.is_alive():
        os.kill(child.pid, number)
    ended(child)
    said = open(f"{out}.err").read()
    assert "Traceback" not in said, said
    if number != signal.SIGKILL:
        assert child.exitcode in (0, 130), said
        assert not [p for p in out.rglob(".part-*")], "put away on the way out"
    return child.exitcode


def seconds(room, job, out):
    start = time.monotonic()
    assert command(room, job, out) == 0
    shutil.rmtree(out)
    return time.monotonic() - start


@pytest.mark.parametrize("job, name", [("segment", "SIGKILL"), ("find", "SIGTERM")])
def test_killed_and_started_again(room, tmp_path, job, name):
    "Two moments each; the slow test has twenty."
    whole = seconds(room, job, tmp_path / "out")
    for k, part in enumerate((0.35, 0.7)):
        out = tmp_path / f"out{k}"
        code = killed(room, job, out, SIGNALS[name], part * whole)
        if code != 0:  # the signal may also come when all is written
            code = command(room, job, out)
            assert code == 0 or "holds an earlier result" in Path(f"{out}.err").read_text()
        assert not [p for p in out.rglob(".part-*")]
        same(out, room / f"whole-{job}")


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("job", ["segment", "find"])
def test_killed_at_twenty_moments(room, tmp_path, job, name):
    "Again and again in the same folder, until it is through."
    whole, goings_on = seconds(room, job, tmp_path / "out"), 0
    for k in range(20):
        out = tmp_path / f"out{k}"
        code = killed(room, job, out, SIGNALS[name], (k + 0.5) / 20 * whole)
        if code != 0:
            killed(room, job, out, SIGNALS[name], (20 - k) / 20 * whole)
            assert (out / "report.html").exists() or command(room, job, out) == 0
            goings_on += "going on" in open(f"{out}.err").read()
        assert not [p for p in out.rglob(".part-*")]
        same(out, room / f"whole-{job}")
    assert goings_on > 1, "some moments must fall between the first picture and the last"


def test_the_program_says_1_where_one_was_skipped(room, tmp_path):
    "The installed script itself; a name with ESC is shown as what it is."
    program = Path(sys.executable).parent / "unet-explorer"
    if not program.exists():
        pytest.skip("the program is not installed beside this Python")
    save_image(tmp_path / "in" / "a.png", torch.rand(1, 33, 33))
    (tmp_path / "in" / "b\x1b[2J.png").write_bytes(b"no picture")
    typed = [program, "segment", tmp_path / "in", "--model", room / "segment"]
    done = subprocess.run([*typed, "--out", tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode == 1 and "1 of 2 images segmented" in done.stdout, done.stderr
    assert "b\\x1b[2J.png" in done.stderr and "\x1b" not in done.stderr + done.stdout


def stop_at(monkeypatch, job, name, error=KeyboardInterrupt):
    "The job is stopped while it writes the mask of the picture `name`."
    module = f"unet_explorer.{dict(segment='segmentation', find='inspection')[job]}"
    from unet_explorer.images import save_mask

    def save_or_stop(path, mask):
        if path.stem == name:
            raise error
        save_mask(path, mask)

    monkeypatch.setattr(f"{module}.save_mask", save_or_stop)


JOBS = dict(segment=segment_folder, find=find_folder)
HOW = dict(tile=64, overlap=0)


@pytest.mark.parametrize("job", JOBS)
def test_what_is_done_is_not_done_again(room, tmp_path, monkeypatch, job):
    "A changed picture is, a picture that is gone takes its results along, another plan is refused."
    shutil.copytree(room / "in", tmp_path / "in")
    out, do, said = tmp_path / "out", JOBS[job], []
    with monkeypatch.context() as m:
        stop_at(m, job, "3")
        with pytest.raises(Interrupted, match="interrupted; 4 pictures are done, and the same"):
            do(tmp_path / "in", room / job, out, **HOW, say=said.append)
    with pytest.raises(InputError, match="unfinished run .tile=64.; go on with the same settings"):
        do(tmp_path / "in", room / job, out, tile=96, overlap=0)
    masks = {p.stem: p.stat().st_mtime_ns for p in (out / "masks").rglob("*.png")}
    assert set(masks) == {"0", "2", "4", "1"}
    save_image(tmp_path / "in" / "0.png", torch.rand(1, 33, 33))
    (tmp_path / "in" / "b" / "1.png").unlink()
    assert (out / "maps").exists() == (job == "find")
    do(tmp_path / "in", room / job, out, **HOW, say=said.append)
    assert "going on: 2 of 5 pictures were done" in said
    now = {p.stem: p.stat().st_mtime_ns for p in (out / "masks").rglob("*.png")}
    assert set(now) == {"0", "2", "3", "4", "5"}
    assert now["2"] == masks["2"] and now["4"] == masks["4"] and now["0"] != masks["0"]
    assert not [p for p in out.rglob("1.*")]
    do(tmp_path / "in", room / job, tmp_path / "new", **HOW)
    same(out, tmp_path / "new")


@pytest.mark.parametrize("job", JOBS)
def test_the_tiles_of_the_first_start_are_those_of_the_second(room, tmp_path, monkeypatch, job):
    "However much memory is free by then."
    shutil.copytree(room / "in", tmp_path / "in")
    save_image(tmp_path / "in" / "4.png", torch.rand(1, 150, 150))
    do, module = JOBS[job], f"unet_explorer.{dict(segment='segmentation', find='inspection')[job]}"
    for name, limits in dict(whole=[128**2], stopped=[128**2, 1536**2]).items():
        with monkeypatch.context() as m:
            m.setattr(f"{module}.largest_at_once", lambda: limits[0])
            if len(limits) > 1:
                stop_at(m, job, "2")
                with pytest.raises(Interrupted):
                    do(tmp_path / "in", room / job, tmp_path / name)
        with monkeypatch.context() as m:
            m.setattr(f"{module}.largest_at_once", lambda: limits[-1])
            do(tmp_path / "in", room / job, tmp_path / name)
    same(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.parametrize("job", JOBS)
def test_what_the_user_put_there_stays(room, tmp_path, job):
    "Beside the results, and in their way; with overwrite, too."
    source, do, out = tmp_path / "in", JOBS[job], tmp_path / "out"
    shutil.copytree(room / "in", source)
    for name in ("try.txt", ".part-list.txt", "notes/masks.txt"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    do(source, room / job, out, **HOW)
    with pytest.raises(InputError, match="holds an earlier result.*overwrite=True"):
        do(source, room / job, out, **HOW)
    (out / "masks" / "mine.png").write_text("mine")
    (out / "masks" / "7.png").write_text("mine")
    (source / "0.png").rename(source / "6.png")
    do(source, room / job, out, **HOW, overwrite=True)
    masks = {p.relative_to(out / "masks").as_posix() for p in (out / "masks").rglob("*.png")}
    assert masks == {
        "2.png",
        "4.png",
        "6.png",
        "b/1.png",
        "b/3.png",
        "b/5.png",
        "mine.png",
        "7.png",
    }
    save_image(source / "7.png", torch.rand(1, 33, 33))
    with pytest.raises(InputError, match="masks/7.png: lies there already, and no run of unet-exp"):
        do(source, room / job, out, **HOW, overwrite=True)
    mine = ["try.txt", ".part-list.txt", "notes/masks.txt", "masks/mine.png", "masks/7.png"]
    assert {(out / name).read_text() for name in mine} == {"mine"}
    table = tmp_path / "other" / {"segment": "classes.csv", "find": "report.html"}[job]
    table.parent.mkdir()
    table.write_text("mine")
    with pytest.raises(InputError, match="lies there already|holds an earlier result"):
        do(source, room / job, tmp_path / "other", **HOW)
    with pytest.raises(InputError, match="lies there already"):
        do(source, room / job, tmp_path / "other", **HOW, overwrite=True)
    assert table.read_text() == "mine" and list(tmp_path.joinpath("other").glob("*")) == [table]


def test_a_journal_that_somebody_wrote_reaches_no_other_file(room, tmp_path):
    "A folder of results can come from anywhere; what it says to remove must lie in it."
    out, mine = tmp_path / "out", tmp_path / "mine.txt"
    mine.write_text("mine")
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    names = ["../mine.txt", str(mine), "link/mine.txt"]
    lines = (
        f'{{"plan": {{"a": 1}}, "writes": {names}}}\n'.replace("'", '"') + '{"finished": true}\n'
    )
    (out / JOURNAL).write_text(lines)
    segment_folder(room / "in", room / "segment", out, **HOW, overwrite=True)
    assert mine.read_text() == "mine"
    for odd in ("", "[]", "\x00" * 50, '{"plan": 3}\n{"done": []}\n', '{"writes": 3}\n'):
        other = tmp_path / f"out{len(odd)}"
        other.mkdir()
        (other / JOURNAL).write_text(odd)
        with pytest.raises(InputError, match="overwrite=True"):
            segment_folder(room / "in", room / "segment", other, **HOW)
        segment_folder(room / "in", room / "segment", other, **HOW, overwrite=True)


@pytest.mark.parametrize("job", JOBS)
def test_two_runs_in_one_folder(room, tmp_path, job):
    out = tmp_path / "out"
    child = started(room, job, out)
    try:
        for _ in range(2000):
            if (out / JOURNAL).exists():
                break
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(InputError, match=f"another run writes there now, process {child.pid}"):
            JOBS[job](room / "in", room / job, out, **HOW)
    finally:
        os.kill(child.pid, signal.SIGCONT)
        ended(child)
    assert child.exitcode == 0
    same(out, room / f"whole-{job}")


@pytest.mark.parametrize("job", JOBS)
def test_a_full_disk_is_one_line_and_goes_on(room, tmp_path, job, monkeypatch):
    "Exit 2, not a picture skipped; with space the same command goes on."
    out = tmp_path / "out"
    with monkeypatch.context() as m:
        stop_at(
            m, job, "3", NotWritten(f"{out}/masks/b/3.png: could not be written (No space left")
        )
        with pytest.raises(NotWritten):
            JOBS[job](room / "in", room / job, out, **HOW)
    assert not (out / "report.html").exists()
    assert command(room, job, out) == 0
    assert "going on: 4 of 6" in open(f"{out}.err").read()


SLOW = [pytest.param(kib, marks=pytest.mark.slow) for kib in (60, 200)]


@pytest.mark.parametrize("kib", [20, 120, *SLOW])
def test_a_disk_that_is_really_full(room, tmp_path, kib):
    "Also where a file is mapped into memory: the system would end the program by SIGBUS."
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk of a chosen size can be made here")
    try:
        more = ("--probabilities",)
        assert command(room, "segment", disk / "out", *more, errors=tmp_path / "said") == 2
        said = (tmp_path / "said").read_text().strip().split("\n")
        full = re.compile("the disk is full|No space left")
        assert len([line for line in said if full.search(line)]) == 1, said
        assert not [line for line in said if "Traceback" in line or "skipped" in line], said
        assert not [p for p in disk.rglob(".part-*")]
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert command(room, "segment", disk / "out", *more, errors=tmp_path / "said") == 0
        assert len(list((disk / "out" / "masks").rglob("*.png"))) == 6
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_process_that_never_ends_is_ended():
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    child.start()
    with pytest.raises(AssertionError, match="not at its end"):
        ended(child, 0.1)
    assert not child.is_alive()
