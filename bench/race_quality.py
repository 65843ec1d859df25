"""Quality of every model of the race after the same number of steps, on both data sets, three seeds.

Ours and smp.Unet on both data sets with three seeds; the slow neighbours, minutes for each run, on ISBI 2012 with `slow_seeds` seeds.
The 2015 U-Net is only timed (bench/speed.py): a hundred steps of it take a quarter of an hour on two cores."""
from common import RECIPE, SEEDS, about_data, channels_classes, parameters, spread, train_once, write
from peers import PEERS
from unet_explorer.data import load

FIRST = ("EffUNet lite0", "smp.Unet lite0 (tu-)")     # the two that are compared at equal Dice go first


def main(slow_seeds=1):
    data = {name: load(name) for name in ("isbi2012", "nasa_super1")}
    runs = {(model, name): [] for model in PEERS for name in data}
    slow = [m for m in PEERS if m not in (*FIRST, "U-Net 2015")]
    order = [(m, s, n) for s in SEEDS for m in FIRST for n in data] + [(m, s, "isbi2012") for s in SEEDS[:slow_seeds] for m in slow]
    for model, seed, name in order:
        ds = data[name]
        channels, k = channels_classes(ds)
        net = PEERS[model](channels, k, seed)
        runs[model, name].append(train_once(net, ds, seed))
        print(f"{model}, {name}, seed {seed}: Dice {runs[model, name][-1]['dice']:.4f}", flush=True)
        rows = [dict(model=m, data=n, dice=spread([r["dice"] for r in rs]), pooled_iou=spread([r["pooled_iou"] for r in rs]), runs=rs)
                for (m, n), rs in runs.items() if rs]
        write("race_quality", data=about_data(*data), recipe=RECIPE, rows=rows)
