"""The same folder on a dask cluster of two processes: the same files. Workers are killed, a picture
kills each worker, the caller is killed; nobody answers, nobody sees the files."""

import filecmp
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from unet_explorer import clusters, inspection, segmentation
from unet_explorer.clusters import Answer, ClusterLost, pool_of, segment_mosaic
from unet_explorer.contracts import InputError, Interrupted, NotWritten
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, save
from unet_explorer.files import load_image
from unet_explorer.images import save_image
from unet_explorer.inspection import find_folder
from unet_explorer.segmentation import segment_folder

distributed = pytest.importorskip("distributed", reason="needs unet-explorer[cluster]")

N = 12
OF_SEGMENTATION = vars(segmentation)  # the insides, to kill what is in the middle of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A model, and pictures of which two are none."
    here = tmp_path_factory.mktemp("cluster")
    ds = load("simulated", n=4, size=(96, 96))
    images = [sample(ds["train"], i % 2)[0] for i in range(N)]
    for i, image in enumerate(images):
        save_image(here / f"in/lot{i % 2}/{i}.png", image.roll(7 * i, -1))
    (here / "in/broken.png").write_text("no picture")
    (here / "in/lot0/cut.png").write_bytes((here / "in/lot0/0.png").read_bytes()[:300])
    tiny = EffUNet(in_ch=1, decoder=(16, 16, 8, 8), convs=1, pretrained=False, seed=0)
    save(tiny, here / "model", classes=["gap", "metal"])
    return here


@pytest.fixture(scope="module", autouse=True)
def same_facts():
    "Reports of the same machine at the same moment."
    with pytest.MonkeyPatch.context() as m:
        m.setattr(segmentation, "system_facts", lambda: dict(processor="one"))
        yield


@pytest.fixture(scope="module")
def cluster():
    "Two worker processes, each with a nanny that starts it anew."
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=50,
        ) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def alone(folder):
    "What one process makes of the folder, and what it says."
    said = []
    done = segment_folder(
        folder / "in",
        folder / "model",
        folder / "alone",
        min_px=3,
        probabilities=True,
        say=said.append,
    )
    return done, said


def same(a, b):
    "Whether all files are equal, the journal aside."
    names = [
        sorted(str(p.relative_to(x)) for p in Path(x).rglob("*") if p.is_file()) for x in (a, b)
    ]
    assert names[0] == names[1]
    visible = [n for n in names[0] if not n.startswith(".")]
    assert len(visible) > 3 * N
    return filecmp.cmpfiles(a, b, visible, shallow=False)[1:] == ([], [])


def there(folder, cluster, out, **more):
    "The folder on the cluster, and what is said."
    said = []
    how = dict(min_px=3, probabilities=True, scheduler=cluster.scheduler_address) | more
    done = segment_folder(folder / "in", folder / "model", out, **how, say=said.append)
    return done, said


def test_same_call_same_files(folder, cluster, alone):
    done, said = there(folder, cluster, folder / "out")
    assert (done, said) == alone and len(done.skipped) == 2
    assert same(folder / "alone", folder / "out")


def pids(cluster):
    return sorted(nanny.process.pid for nanny in cluster.workers.values())


def after(n, then, monkeypatch):
    "Call `then` when `n` pictures are kept."
    left, keep = [n], vars(clusters.InTurn)["_keep"]

    def counted(self, found, answer):
        answer = keep(self, found, answer)
        left[0] -= answer.error is None
        if left[0] == 0:
            then()
        return answer

    monkeypatch.setattr(clusters.InTurn, "_keep", counted)


def test_a_killed_worker_loses_nothing(folder, cluster, alone, tmp_path, monkeypatch):
    killed = []

    def kill():
        killed.append(pids(cluster)[0])
        os.kill(killed[0], signal.SIGKILL)

    after(3, kill, monkeypatch)
    done, said = there(folder, cluster, tmp_path / "out")
    assert killed and killed[0] not in pids(cluster)
    assert (done, said) == alone and same(folder / "alone", tmp_path / "out")


def deadly(do, found):
    "What a picture does that does not fit into the memory of any worker."
    if found.name == "lot1/3":
        os.kill(os.getpid(), signal.SIGKILL)
    return do(found)


def test_a_picture_that_kills_every_worker_is_skipped(
    folder, cluster, alone, tmp_path, monkeypatch
):
    task = OF_SEGMENTATION["_task"]
    monkeypatch.setitem(OF_SEGMENTATION, "_task", lambda *a: partial(deadly, task(*a)))
    done, said = there(folder, cluster, tmp_path / "out")
    assert len(done.skipped) == 3 and sum("lot1/3: 2 workers died" in line for line in said) == 1
    assert [name for name in alone[0].names if name != "lot1/3"] == done.names
    assert not (tmp_path / "out/masks/lot1/3.png").exists()


def test_who_only_waited_beside_it_is_not_to_blame(monkeypatch):
    def flow(self, do, tasks, name):
        tasks = list(tasks)
        for task in tasks:
            killed = task == "deadly" or (task == "beside it" and len(tasks) > 1)
            error = distributed.KilledWorker(task, None, 3) if killed else None
            yield task, Answer(None if killed else task.upper(), error)

    monkeypatch.setattr(clusters.Workers, "_flow", flow)
    pool = clusters.Workers(None, "somewhere")
    answers = dict(pool.each(str.upper, ["deadly", "beside it", "well"]))
    assert answers["beside it"].get() == "BESIDE IT" and answers["well"].get() == "WELL"
    with pytest.raises(InputError, match="deadly: 4 workers died while they were at it"):
        answers["deadly"].get()


def test_ctrl_c_goes_on(folder, cluster, alone, tmp_path, monkeypatch):
    def stop():
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        after(4, stop, m)
        with pytest.raises(Interrupted, match="4 pictures are done, and the same again goes on"):
            there(folder, cluster, tmp_path / "out")
    assert not list((tmp_path / "out").rglob(".part-*"))
    done, said = there(folder, cluster, tmp_path / "out")
    assert said.pop(0) == f"going on: 4 of {N + 2} pictures were done"
    assert (done, said) == alone and same(folder / "alone", tmp_path / "out")


KILLED = """
import os, sys
from unet_explorer import segmentation
from unet_explorer.clusters import InTurn
from unet_explorer.segmentation import segment_folder

def keep(self, found, answer, keep=InTurn._keep, left=[5]):
    left[0] -= answer.error is None
    if not left[0]:
        os.kill(os.getpid(), 9)
    return keep(self, found, answer)

InTurn._keep = keep
segmentation.system_facts = lambda: dict(processor="one")
source, model, out, scheduler = sys.argv[1:]
segment_folder(source, model, out, min_px=3, probabilities=True, scheduler=scheduler)
"""


def test_a_killed_caller_goes_on(folder, cluster, alone, tmp_path):
    "What was begun on a cluster goes on without one, too."
    where = [folder / "in", folder / "model", tmp_path / "out", cluster.scheduler_address]
    ended = subprocess.run([sys.executable, "-c", KILLED, *map(str, where)], capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    assert list((tmp_path / "out").glob(".part-*.seen"))
    done, said = there(folder, cluster, tmp_path / "out", scheduler=None)
    assert said.pop(0) == f"going on: 4 of {N + 2} pictures were done"
    assert (done, said) == alone and same(folder / "alone", tmp_path / "out")
    assert not list((tmp_path / "out").glob(".part-*"))


def test_workers_that_see_other_files_end_the_run(folder, cluster, tmp_path, monkeypatch):
    "Else a machine without the shared folder would skip all pictures, faster than others do them."

    @contextmanager
    def elsewhere(out):
        yield os.path.join(out, ".part-elsewhere.seen")

    with monkeypatch.context() as m:
        m.setitem(vars(clusters), "_token", elsewhere)
        with pytest.raises(
            ClusterLost, match="does not see .*out as the caller does; source, model"
        ):
            there(folder, cluster, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    place = vars(clusters)["_Place"]("", ((str(folder / "model/config.json"), 1),), ())
    with pool_of(cluster.scheduler_address) as pool:
        monkeypatch.setattr(pool, "place", place._replace(token=str(folder / "in/broken.png")))
        ((_, answer),) = pool.each(str.upper, ["a"])
    assert isinstance(answer.error, NotWritten)  # which `for_each` does not skip


@pytest.fixture(scope="module")
def lot(folder):
    "A lot of 22 pictures with a cut one; the other die of all but one, with defects."
    ds = load("simulated", n=3, size=(96, 96))
    image = sample(ds["train"], 0)[0]
    for i in range(22):
        piece = image.roll((5 * i, 9 * i), (-2, -1)).clone()
        save_image(folder / f"lot/{i:02d}.png", piece)
        if i % 4 == 0:
            piece[:, 30:44, 40:52] = 1 - piece[:, 30:44, 40:52]
        if i:
            save_image(folder / f"die/{i:02d}.png", piece)
    cut = (folder / "lot/03.png").read_bytes()[:300]
    for name in ("lot/cut.png", "die/cut.png"):
        (folder / name).write_bytes(cut)
    return folder


@pytest.mark.parametrize("reference, skipped", [(None, 1), ("die", 2)])
def test_an_inspection_likewise(lot, cluster, tmp_path, monkeypatch, reference, skipped):
    "By names relative to where the caller is, and where a worker is killed in the middle."
    monkeypatch.chdir(lot)
    monkeypatch.setattr(inspection, "system_facts", lambda: dict(processor="one"))
    how = dict(reference=reference, threshold=0.5, min_px=2)
    said, other, killed = [], [], []
    whole = find_folder("lot", out=tmp_path / "whole", **how, say=said.append)

    def kill():
        for pid in pids(cluster):
            with suppress(ProcessLookupError):  # one that the nanny is about to start anew
                os.kill(pid, signal.SIGKILL)
                return killed.append(pid)

    after(5, kill, monkeypatch)
    how |= dict(scheduler=cluster.scheduler_address)
    done = find_folder("lot", out=tmp_path / "shared", **how, say=other.append)
    assert killed and len(done.skipped) == skipped and (not reference or done.alarms)
    assert (done.alarms, done.skipped, other) == (whole.alarms, whole.skipped, said)
    assert same(tmp_path / "whole", tmp_path / "shared")
    assert not (tmp_path / "shared" / ".detector.pickle").exists()


@pytest.fixture(scope="module")
def mosaic(folder):
    "A picture of many blocks, and its mask as one process makes it."
    image = load_image(folder / "in/lot0/0.png").repeat(1, 3, 3)
    save_image(folder / "mosaic/chip.png", image)
    return folder / "mosaic", dict(block=64, chunk=64, tile=64, overlap=32)


def test_a_mosaic_likewise(mosaic, folder, cluster, tmp_path):
    "The blocks of a mosaic are tasks as pictures are; one worker is killed half way."
    source, how = mosaic
    image, killed = source / "chip.png", []
    with pool_of() as pool:
        here = segment_mosaic(folder / "model", image, tmp_path / "a/mask.zarr", pool, **how)
    with pool_of(cluster.scheduler_address) as pool:
        each = pool.each

        def counted(do, tasks, name):
            for n, pair in enumerate(each(do, tasks, name)):
                if n == 5:
                    killed.append(pids(cluster)[0])
                    os.kill(killed[0], signal.SIGKILL)
                yield pair

        pool.each = counted
        out = segment_mosaic(folder / "model", image, tmp_path / "b/mask.zarr", pool, **how)
    assert killed and files_of(here) == files_of(out) and len(files_of(out)) > 25


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_call_for_a_mosaic(mosaic, folder, cluster, tmp_path):
    made = []
    for name, scheduler in (("here", None), ("there", cluster.scheduler_address)):
        out = tmp_path / name
        segment_folder(mosaic[0], folder / "model", out, masks_as="zarr", scheduler=scheduler)
        made.append({k: v for k, v in files_of(out).items() if not k.startswith(".unet")})
    assert made[0] == made[1] and "masks/chip.zarr/.zattrs" in made[0]


def test_never_all_of_them_under_way(cluster):
    asked = []
    with pool_of(cluster.scheduler_address) as pool:
        for n, (task, answer) in enumerate(
            pool.each(abs, (asked.append(i) or i for i in range(60)))
        ):
            assert answer == Answer(task) and len(asked) <= n + 1 + clusters.UNDER_WAY * 2
    assert asked == list(range(60))


def test_errors_are_answers(cluster):
    for scheduler in (None, cluster.scheduler_address):
        with pool_of(scheduler) as pool:
            answers = dict(pool.each(int, ["1", "x", "3"]))
        assert answers["1"].get() == 1 and answers["3"].get() == 3
        with pytest.raises(ValueError, match="invalid literal"):
            answers["x"].get()


def pages_asked_for(arrays):
    "Pages of memory that a process asks for while it makes arrays of 8 MB and lets them go."
    import resource

    import numpy as np

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(arrays):
        np.ones(2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="dask sets it for glibc")
def test_a_worker_keeps_the_memory_that_a_picture_needs_again(cluster):
    "dask has it given back at once: a picture took more than twice the time of the processor."
    with pool_of(cluster.scheduler_address) as pool:
        asked = [answer.get() for _, answer in pool.each(pages_asked_for, [20] * 6)]
    assert max(asked[2:]) < 2048, f"{asked}; dask alone: 10,000, as Linux gives some at once"


def test_other_versions_are_told(cluster, monkeypatch):
    own, said = vars(clusters)["_versions"](), []
    monkeypatch.setitem(vars(clusters), "_versions", lambda: own)
    monkeypatch.setattr(clusters.Workers, "ask", lambda self, f: [own | dict(torch="1.0"), own])
    with pool_of(cluster.scheduler_address, said.append):
        pass
    (line,) = said
    assert line.endswith(f"torch {own['torch']} here, 1.0 on workers")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


PAGE = Path(__file__).parent.parent / "nbs/cluster.qmd"


def test_the_files_of_the_page():
    "YAML parses, Python compiles, bash reads the script; options of dask and of ours are known."
    import shlex

    import yaml
    from distributed.cli import dask_scheduler, dask_worker

    from unet_explorer.cli import parser

    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    by_kind = {kind: [b for k, b in blocks if k == kind] for kind in dict(blocks)}
    assert [yaml.safe_load(b)["kind"] for b in by_kind["yaml"]] == ["PersistentVolumeClaim"]
    for code in by_kind["python"]:
        compile(code, str(PAGE), "exec")
        assert max(map(len, code.split("\n"))) <= 100
    (script,) = by_kind["bash"]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    said = script.replace("\\\n", " ")
    for name, program in (("worker", dask_worker), ("scheduler", dask_scheduler)):
        known = {o for p in program.main.params for o in (*p.opts, *p.secondary_opts)}
        line = re.search(rf"dask {name} (.*)", said)[1]
        assert set(re.findall(r"--[a-z-]+", line)) <= known
    lines = "\n".join([*by_kind["sh"], said])
    typed = re.findall(r"(?m)^unet-explorer (.*?)(?: &)?$", lines)
    assert len(typed) == 2
    for line in typed:
        assert parser().parse_args(shlex.split(line)).scheduler


def test_nobody_answers(folder, tmp_path):
    start = time.monotonic()
    with pytest.raises(InputError, match="no dask scheduler answers there") as e:
        address = f"tcp://127.0.0.1:{free_port()}"
        segment_folder(folder / "in", folder / "model", tmp_path / "out", scheduler=address)
    assert time.monotonic() - start < 15 and "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ("", "it must be the address of a dask scheduler"),
        ("foo://host", "unknown address scheme 'foo'"),
        ("tcp://127.0.0.1", "missing port number"),
        ("local:0", "after local: comes a number"),
        ("local:x", "after local: comes a number"),
        (Path(__file__), "no file of a dask scheduler"),
    ],
)
def test_what_is_no_scheduler(scheduler, said):
    with pytest.raises(InputError, match=said), pool_of(scheduler):
        pass


def test_workers_read_a_model_from_a_folder(folder, tmp_path):
    with pytest.raises(InputError, match="workers read one from a folder; save"):
        segment_folder(folder / "in", EffUNet(pretrained=False), tmp_path / "out", scheduler="a:1")


def test_the_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'unet-explorer\[cluster\]'"), pool_of("a:1"):
        pass


def test_no_worker_comes(monkeypatch):
    monkeypatch.setattr(clusters, "WITHOUT_WORKERS", 1)
    how = dict(n_workers=0, dashboard_address=":0", host="127.0.0.1")
    with distributed.LocalCluster(**how, silence_logs=50) as empty:
        with pytest.raises(ClusterLost, match="has had no worker for 1 s; what is done is kept"):
            with pool_of(empty.scheduler_address):
                pass


def test_the_scheduler_goes_away(monkeypatch):
    how = dict(n_workers=0, dashboard_address=":0", host="127.0.0.1", silence_logs=50)
    with distributed.LocalCluster(**how) as empty:
        threading.Timer(0.5, empty.close).start()
        with pytest.raises(ClusterLost, match="went away|does not answer any more"):
            with pool_of(empty.scheduler_address):
                pass


def test_all_workers_leave(cluster, monkeypatch):
    "The last test of the file: it takes the workers away."
    monkeypatch.setattr(clusters, "WITHOUT_WORKERS", 1)
    with pool_of(cluster.scheduler_address) as pool:
        coming = pool.each(time.sleep, [0, 30, 31, 32])
        next(coming)
        cluster.scale(0)
        with pytest.raises(ClusterLost, match="has had no worker for 1 s"):
            next(coming)


@pytest.mark.skipif(os.name != "posix", reason="groups of processes")
def test_ctrl_c_in_a_shell_is_one_line(folder, tmp_path):
    "The shell sends it to the whole group; the workers of local:N leave it to the caller."
    words = ["segment", folder / "in", "--model", folder / "model", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "unet_explorer", *map(str, words), "--scheduler", "local:2"]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run = subprocess.Popen(command, start_new_session=True, **pipes)
    while not list((tmp_path / "out").glob("masks/**/*.png")):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130 and "Traceback" not in said, said
    assert "unet-explorer: interrupted" in said


def test_a_script_without_a_guard_gets_one_line(folder, tmp_path):
    where = f"{str(folder / 'in')!r}, {str(folder / 'model')!r}, 'out'"
    call = f"segment_folder({where}, scheduler='local:1')"
    script = tmp_path / "script.py"
    script.write_text(f"from unet_explorer.segmentation import segment_folder\n{call}\n")
    pipes = dict(capture_output=True, text=True, timeout=120, cwd=tmp_path)
    done = subprocess.run([sys.executable, script], **pipes)
    assert done.returncode == 1 and "bootstrapping" not in done.stderr, done.stderr
    assert "below if __name__ == '__main__'" in done.stderr.strip().splitlines()[-1]
