"""The stopwatch: one run, all models in turn, medians. Training steps (4 crops of 256x256) and
inference (one picture of 512x512) of the race, of every decoder width of bench/decoder.py and of
every upsampler of bench/upsamplers.py; parameters, GMAC, peak memory.

The default model is in all three tables, so it is timed three times over: how far its medians
differ is the noise of this stopwatch. A neighbour is timed as its user would run it (float32,
contiguous memory) and, so that nobody is beaten by a setting, as our training loop would run it too
(channels-last memory; bf16). Run it on a quiet machine."""

import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from common import parameters, write
from decoder import WIDTHS
from peers import PEERS
from torch.utils.flop_counter import FlopCounterMode
from unet_explorer.deploy import BACKENDS, Segmenter, fused
from unet_explorer.effunet import EffUNet
from unet_explorer.train import SegLoss
from unet_explorer.upsample import UPSAMPLERS
from upsamplers import matched

ROUNDS, SLOW = 11, {"MONAI FlexibleUNet b0": 5, "fastai DynamicUnet b0": 5, "U-Net 2015": 3}
DEFAULT = dict(decoder="64-48-32-16, 2 convs", upsamplers="shuffle")  # its name in other tables
last = torch.channels_last


def gmac(model, size):
    "Billions of multiply-adds for one picture of `size` x `size`."
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 1, size, size))
    return counter.get_total_flops() / 2e9


class Step:
    "One training step, ready to run."

    def __init__(self, model, layout=torch.contiguous_format, dtype=None):
        self.model, self.dtype = model.train().to(memory_format=layout), dtype
        g = torch.Generator().manual_seed(0)
        self.x = torch.rand(4, 1, 256, 256, generator=g).contiguous(memory_format=layout)
        self.y = torch.randint(0, 2, (4, 256, 256), generator=g)
        self.loss, self.opt = SegLoss(1), torch.optim.AdamW(model.parameters(), 1e-4)

    def __call__(self):
        self.model.train()
        self.model.amp = self.dtype
        self.opt.zero_grad()
        self.loss(self.model(self.x), self.y).backward()
        self.opt.step()
        self.model.amp = None


class Look:
    "One picture, ready to run."

    def __init__(self, model, layout=torch.contiguous_format):
        self.model = model.eval().to(memory_format=layout)
        self.x = torch.rand(1, 1, 512, 512).contiguous(memory_format=layout)

    def __call__(self):
        self.model.eval()
        with torch.inference_mode():
            self.model(self.x)


def interleaved(jobs):
    """Milliseconds of each job, in turn: `{name: {ms, fastest, slowest, rounds}}`. The first round
    warms up and does not count."""
    times = {name: [] for name in jobs}
    for i in range(ROUNDS + 1):
        for name, job in jobs.items():
            if i > SLOW.get(name, ROUNDS):
                continue
            start = time.perf_counter()
            job()
            if i:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {
        n: dict(ms=statistics.median(t), fastest=min(t), slowest=max(t), rounds=len(t))
        for n, t in times.items()
    }


def peak_memory(name):
    """Peak resident memory of a process that does two training steps, in MiB, beyond what one has
    that only imports everything."""
    code = (
        "import speed; from peers import PEERS; from tiles import peak\n"
        f"base = peak(); step = speed.Step(PEERS[{name!r}](1, 1, 0)); step(); step()\n"
        "print((peak() - base) / 2**20)"
    )
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return float(out.split()[-1])


def race(nets):
    "Jobs of the race: training, inference. `nets` are the peers by name."
    ours, smp = "EffUNet lite0", "smp.Unet lite0 (tu-)"

    def new(name):
        return PEERS[name](1, 1, 0)

    train = {name: Step(m) for name, m in nets.items() if name != ours}
    train |= {
        f"{ours}, float32": Step(nets[ours], last),
        f"{ours}, bf16": Step(new(ours), last, torch.bfloat16),
        f"{smp}, in our loop": Step(new(smp), last),
        f"{smp}, in our loop, bf16": Step(new(smp), last, torch.bfloat16),
    }
    x, quick = torch.rand(1, 1, 512, 512), new(ours).eval()
    infer = {name: Look(m) for name, m in nets.items() if name != ours}
    infer |= {
        f"{smp}, channels-last": Look(new(smp), last),
        "EffUNet, as trained": Look(new(ours), last),
    }
    infer |= {f"EffUNet, {b}": partial(make(quick), x) for b, make in BACKENDS.items()}
    return train, infer


def stopwatch(train, infer, variants):
    """Times of the race, and of every variant: `{table: {name: {train, infer, gmac256,
    parameters}}}`, all in one run."""
    each = {(t, n): m for t, ms in variants.items() for n, m in ms.items()}
    steps = interleaved(train | {k: Step(m, last) for k, m in each.items()})
    looks = interleaved(infer | {k: Look(fused(m), last) for k, m in each.items()})

    def row(t, n, m):
        times = dict(train=steps[t, n], infer=looks[t, n])
        return times | dict(gmac256=gmac(m, 256), parameters=parameters(m))

    return (
        {n: steps[n] for n in train},
        {n: looks[n] for n in infer},
        {t: {n: row(t, n, m) for n, m in ms.items()} for t, ms in variants.items()},
    )


def main():
    torch.manual_seed(0)
    nets = {name: make(1, 1, 0) for name, make in PEERS.items()}
    size = {
        name: dict(parameters=parameters(m), gmac256=gmac(m, 256), gmac512=gmac(m, 512))
        for name, m in nets.items()
    }
    variants = dict(
        decoder={n: EffUNet(decoder=d, convs=c, pretrained=False) for n, (d, c) in WIDTHS.items()},
        upsamplers={u: matched(u, pretrained=False) for u in UPSAMPLERS},
    )
    train, infer, tables = stopwatch(*race(nets), variants)
    for n, t in [*train.items(), *infer.items()]:
        print(f"{n:48}{t['ms']:9.1f} ms  {t['fastest']:9.1f} to {t['slowest']:9.1f}", flush=True)
    twins = {
        "train": [train["EffUNet lite0, float32"]["ms"]],
        "infer": [infer["EffUNet, float32"]["ms"]],
    }
    for what, ms in twins.items():
        ms += [tables[t][n][what]["ms"] for t, n in DEFAULT.items()]
    print("the default model, timed three times:", twins, flush=True)
    for name in PEERS:
        size[name]["peak_mib"] = peak_memory(name)
    auto = Segmenter(PEERS["EffUNet lite0"](1, 1, 0))
    write(
        "speed",
        threads=torch.get_num_threads(),
        versions={p: version(p) for p in ("monai", "onnxruntime")},
        size=size,
        train=train,
        infer=infer,
        twins=twins,
        chosen=dict(backend=auto.backend, differences=auto.differences),
        **tables,
    )
