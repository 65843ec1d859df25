"""How wide should the decoder be? Every width is trained on real EM images; bench/speed.py times
them. Finished runs are kept."""

from common import (
    RECIPE,
    SEEDS,
    about_data,
    channels_classes,
    earlier,
    parameters,
    spread,
    train_once,
    write,
)
from unet_explorer.data import load
from unet_explorer.effunet import EffUNet

WIDTHS = {  # name: decoder widths at stride 16, 8, 4, 2 (and 1), 3x3 convolutions per step
    "256-128-64-32, 2 convs": ((256, 128, 64, 32), 2),
    "256-128-64-32, 1 conv": ((256, 128, 64, 32), 1),
    "128-64-32-32, 2 convs": ((128, 64, 32, 32), 2),
    "128-64-32-16, 2 convs": ((128, 64, 32, 16), 2),
    "128-64-32-16, 1 conv": ((128, 64, 32, 16), 1),
    "64-48-32-16, 2 convs": ((64, 48, 32, 16), 2),
    "32-32-16-16, 1 conv": ((32, 32, 16, 16), 1),
    "256-128-64-32-16, full resolution": ((256, 128, 64, 32, 16), 2),
    "64-48-32-16-8, full resolution": ((64, 48, 32, 16, 8), 2),
}


def size_of(decoder, convs):
    return parameters(EffUNet(pretrained=False, decoder=decoder, convs=convs))


def main():
    ds = load("isbi2012")
    channels, k = channels_classes(ds)
    old = {row["name"]: row["runs"] for row in earlier("decoder", recipe=RECIPE).get("rows", ())}
    runs = {name: old.get(name, []) for name in WIDTHS}
    for seed in SEEDS[:2]:
        for name, (decoder, convs) in WIDTHS.items():
            if any(r["seed"] == seed for r in runs[name]):
                continue
            model = EffUNet(in_ch=channels, n_classes=k, decoder=decoder, convs=convs, seed=seed)
            runs[name].append(train_once(model, ds, seed))
            print(f"{name}, seed {seed}: Dice {runs[name][-1]['dice']:.4f}", flush=True)
            rows = [
                dict(
                    name=n,
                    decoder=WIDTHS[n][0],
                    convs=WIDTHS[n][1],
                    dice=spread([r["dice"] for r in rs]),
                    runs=rs,
                    parameters=size_of(*WIDTHS[n]),
                )
                for n, rs in runs.items()
                if rs
            ]
            write("decoder", data=about_data("isbi2012"), recipe=RECIPE, rows=rows)
