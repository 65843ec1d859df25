"""Six upsamplers inside the same U-Net, with as many parameters each: quality on real EM images,
and checkerboards before and after training; and PixelShuffle once more without ICNR, from torch's
own start. bench/speed.py times them. Finished runs are kept."""

from functools import cache

import torch
from common import RECIPE, SEEDS, about_data, earlier, parameters, spread, train_once, write
from scipy.ndimage import gaussian_filter
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, evaluating
from unet_explorer.upsample import UPSAMPLERS, ShuffleUp, nyquist_energy, phase_variance

BASE = (64, 48, 32, 16)
WITHOUT_ICNR = "shuffle, no ICNR"  # the model of "shuffle", but for the start of its layers
ROWS = (*UPSAMPLERS, WITHOUT_ICNR)


def count(widths, up):
    return parameters(EffUNet(pretrained=False, decoder=widths, up=up))


@cache
def narrowed(up):
    "Decoder widths with which `up` has the parameters of the default decoder, as nearly as can be."
    target = count(BASE, "shuffle")
    choices = {tuple(round(w * m / 100) for w in BASE) for m in range(70, 106)}
    return min(sorted(choices), key=lambda w: abs(count(w, up) - target))


def matched(up, seed=0, pretrained=True):
    if up != WITHOUT_ICNR:
        return EffUNet(up=up, decoder=narrowed(up), seed=seed, pretrained=pretrained)
    model = matched("shuffle", seed, pretrained)
    torch.manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, ShuffleUp):
            layer.conv.reset_parameters()
    return model


@torch.no_grad()
def patterns(model, image):
    """Checkerboards, four ways. layers: mean phase variance of the upsampling layers for ones;
    constant: of the logits for a grey picture; image: of the logits for a real picture; smooth:
    Nyquist energy of the logits for a blurred real picture."""
    with evaluating(model):
        return _patterns(model, image)


def _patterns(model, image):
    def logits(x):
        return model(x[None])

    layers = [block.up for block in model.decoder] + [model.head]
    widths = [model.encoder.channels[-1], *model.config["decoder"]]
    flat = [phase_variance(up(torch.ones(1, c, 16, 16)), margin=8) for up, c in zip(layers, widths)]
    blurred = torch.from_numpy(gaussian_filter(image.numpy(), (0, 6, 6)))
    return dict(
        layers=sum(flat) / len(flat),
        constant=phase_variance(logits(torch.full_like(image, 0.5)), margin=64),
        image=phase_variance(logits(image)),
        smooth=nyquist_energy(logits(blurred)),
    )


def main():
    ds = load("isbi2012")
    image = sample(ds["test"], 0)[0]
    old = {row["up"]: row["runs"] for row in earlier("upsamplers", recipe=RECIPE).get("rows", ())}
    runs = {up: old.get(up, []) for up in ROWS}
    for seed in SEEDS:
        for up in ROWS:
            if any(r["seed"] == seed for r in runs[up]):
                continue
            model = matched(up, seed)
            before = patterns(model, image)
            runs[up].append(
                dict(train_once(model, ds, seed), before=before, after=patterns(model, image))
            )
            r = runs[up][-1]
            print(
                f"{up}, seed {seed}: Dice {r['dice']:.4f}, "
                f"pattern {before['image']:.1e} -> {r['after']['image']:.1e}",
                flush=True,
            )
            rows = [
                dict(
                    up=u,
                    decoder=narrowed("shuffle" if u == WITHOUT_ICNR else u),
                    parameters=parameters(matched(u, pretrained=False)),
                    dice=spread([r["dice"] for r in rs]),
                    runs=rs,
                )
                for u, rs in runs.items()
                if rs
            ]
            write("upsamplers", data=about_data("isbi2012"), recipe=RECIPE, rows=rows)
