"""Pictures per second on a dask cluster of this machine: none, one and two workers of one thread;
and what the caller has to do for each picture, which no number of workers makes less.

Slices of ISBI 2012 (512 x 512), linked so that there are more of them; a small network, trained for
STEPS steps. Only the walk over the folder is timed: workers have been started before, and the first
round, in which they read the model, is left out. float32 throughout, median of ROUNDS rounds. It
takes less than four minutes on two cores."""

import filecmp
import os
import statistics
import tempfile
import time
from pathlib import Path

from common import about_data, write
from thousandfold import thousandfold
from unet_explorer import segmentation
from unet_explorer.batches import dataloaders
from unet_explorer.clusters import pool_of
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, save
from unet_explorer.files import load_image
from unet_explorer.images import save_image
from unet_explorer.train import fit, learner

PICTURES, TIMES, STEPS, ROUNDS, TASKS = 10, 3, 30, 3, 1000
NETWORK = dict(in_ch=1, decoder=(32, 16, 16, 8), convs=1)


def prepare(folder):
    "A trained model and a folder of pictures."
    ds = load("isbi2012")
    model = EffUNet(**NETWORK, seed=0)
    learn = learner(dataloaders(ds, 128, 4, seed=0, channels=1), model, precision="fp32")
    fit(learn, steps=STEPS, seed=0, bar=False, epochs=1)
    save(model, folder / "model", classes=["membrane", "cell"])
    for i in range(PICTURES):
        save_image(folder / f"slices/{i}.png", sample(ds["train"], i)[0])
    return thousandfold(folder / "slices", folder / "in", TIMES)


def timed(folder, name, **how):
    "Seconds of the walk over all pictures."
    walk, seconds = segmentation.for_each, []

    def each(*args, **kwargs):
        start = time.perf_counter()
        skipped = walk(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
        return skipped

    segmentation.for_each = each
    try:
        source, out = folder / "in", folder / name
        segmentation.segment_folder(source, folder / "model", out, overwrite=True, **how)
    finally:
        segmentation.for_each = walk
    return seconds[0]


def own_part(folder):
    "Seconds of a walk in which each picture is given at once: what is left for the caller."
    inside = vars(segmentation)
    done, report = inside["_done"], segmentation.write_segmented
    known = {}

    def keep(step, found):
        known[found.name] = done(step, found)
        return known[found.name]

    inside["_done"] = keep
    try:
        timed(folder, "own")
        inside["_done"] = lambda step, found: known[found.name]
        segmentation.write_segmented = lambda *args: None  # the files are not there
        return timed(folder, "own")
    finally:
        inside["_done"], segmentation.write_segmented = done, report


def per_task(address):
    "Seconds for a task that does nothing; kB that the caller holds more after TASKS of them."
    with pool_of(address) as pool:
        for _ in pool.each(abs, range(50)):
            pass
        before, start = memory(), time.perf_counter()
        for _ in pool.each(abs, range(TASKS)):
            pass
        return (time.perf_counter() - start) / TASKS, memory() - before


def memory():
    "kB that this process holds."
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def reading(folder):
    "Seconds to read a picture, and its bytes."
    paths = sorted((folder / "slices").glob("*.png"))
    start = time.perf_counter()
    for path in paths:
        load_image(path)
    seconds = (time.perf_counter() - start) / len(paths)
    return seconds, statistics.mean(p.stat().st_size for p in paths)


def local(n):
    "A cluster of `n` processes, as `local:n` starts one."
    from distributed import LocalCluster

    how = dict(threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50)
    return LocalCluster(n_workers=n, **how)


def measure(folder):
    "All rounds; seconds of each, for 0, 1 and 2 workers."
    seconds = {0: [timed(folder, "none") for _ in range(1 + ROUNDS)][1:]}
    for n in (1, 2):
        with local(n) as cluster:
            how = dict(scheduler=cluster.scheduler_address)
            seconds[n] = [timed(folder, f"w{n}", **how) for _ in range(1 + ROUNDS)][1:]
            task, more = per_task(cluster.scheduler_address)
        print(n, "workers", seconds[n], flush=True)
    return seconds, task, more


def equal(a, b):
    "Whether masks and tables are equal, byte for byte."
    names = [str(p.relative_to(a)) for p in a.rglob("*") if p.suffix in (".png", ".csv")]
    return filecmp.cmpfiles(a, b, names, shallow=False)[1:] == ([], [])


def main():
    # float32 everywhere: nothing is measured before, and nothing differs
    vars(segmentation)["_pixels"] = lambda todo: 1
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        n = prepare(folder)
        seconds, task, more = measure(folder)
        rates = {str(k): n / statistics.median(v) for k, v in seconds.items()}
        read, size = reading(folder)
        same = all(equal(folder / "none", folder / name) for name in ("w1", "w2"))
        written = sum(p.stat().st_size for p in (folder / "none").rglob("*.png")) / n
        write(
            "clusters",
            pictures=n,
            side=512,
            network=NETWORK,
            steps=STEPS,
            seed=0,
            data=about_data("isbi2012"),
            rounds=ROUNDS,
            seconds={str(k): v for k, v in seconds.items()},
            per_second=rates,
            task_seconds=task,
            caller_seconds=own_part(folder) / n,
            caller_kb_for_tasks=dict(tasks=TASKS, kb=more),
            read_seconds=read,
            bytes_read=size,
            bytes_written=written,
            equal=same,
        )
    print({k: f"{v:.2f}/s" for k, v in rates.items()}, "equal" if same else "NOT EQUAL")


if __name__ == "__main__":
    main()
