"""The stopwatch: one run, models interleaved, medians. Training steps (4 crops of 256x256) and inference (one picture of 512x512)
of the race, of every decoder width of bench/decoder.py and of every upsampler of bench/upsamplers.py; parameters, GMAC, peak memory.

A neighbour is timed as its user would run it (float32, contiguous memory) and, so that nobody is beaten by a setting, as our training
loop would run it too (channels-last memory; bf16). Run it on a quiet machine."""
import statistics
import subprocess
import sys
import time

import torch
from common import parameters, write
from decoder import WIDTHS
from peers import PEERS
from torch.utils.flop_counter import FlopCounterMode
from unet_explorer.deploy import BACKENDS, fused
from unet_explorer.effunet import EffUNet
from unet_explorer.train import SegLoss
from unet_explorer.upsample import UPSAMPLERS
from upsamplers import matched

ROUNDS, SLOW = 7, ("MONAI FlexibleUNet b0", "fastai DynamicUnet b0", "U-Net 2015")   # slow ones: three rounds
last = torch.channels_last


def gmac(model, size):
    "Billions of multiply-adds for one picture of `size` x `size`."
    with torch.no_grad(), FlopCounterMode(display=False) as counter: model.eval()(torch.zeros(1, 1, size, size))
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
        self.model, self.x = model.eval().to(memory_format=layout), torch.rand(1, 1, 512, 512).contiguous(memory_format=layout)
    def __call__(self):
        self.model.eval()
        with torch.inference_mode(): self.model(self.x)


def interleaved(jobs, rounds=ROUNDS):
    "Milliseconds of each job, in turn: `{name: {ms, fastest, slowest, rounds}}`. The first round warms up and does not count."
    times = {name: [] for name in jobs}
    for i in range(rounds + 1):
        for name, job in jobs.items():
            if i > 3 and name.startswith(SLOW): continue
            start = time.perf_counter()
            job()
            if i: times[name].append((time.perf_counter() - start) * 1e3)
    return {n: dict(ms=statistics.median(t), fastest=min(t), slowest=max(t), rounds=len(t)) for n, t in times.items()}


def peak_memory(name):
    "Peak resident memory of a process that does two training steps, in MiB, beyond what one has that only imports everything."
    code = (f"import re, speed; from peers import PEERS\n"
            f"peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
            f"base = peak(); step = speed.Step(PEERS[{name!r}](1, 1, 0)); step(); step()\n"
            f"print(peak() - base)")
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True).stdout
    return float(out.split()[-1])


def race():
    "The models of the race: training, inference, size."
    nets = {name: make(1, 1, 0) for name, make in PEERS.items()}
    size = {name: dict(parameters=parameters(m), gmac256=gmac(m, 256), gmac512=gmac(m, 512)) for name, m in nets.items()}
    ours, smp = "EffUNet lite0", "smp.Unet lite0 (tu-)"
    train = {name: Step(m) for name, m in nets.items() if name != ours}
    train |= {f"{ours}, float32": Step(nets[ours], last), f"{ours}, bf16 (its default here)": Step(PEERS[ours](1, 1, 0), last, torch.bfloat16),
              f"{smp}, in our loop": Step(PEERS[smp](1, 1, 0), last), f"{smp}, in our loop, bf16": Step(PEERS[smp](1, 1, 0), last, torch.bfloat16)}
    train = interleaved(train)
    x = torch.rand(1, 1, 512, 512)
    infer = {name: Look(m) for name, m in nets.items() if name != ours}
    infer |= {f"{smp}, channels-last": Look(PEERS[smp](1, 1, 0), last), "EffUNet, as trained": Look(nets[ours], last)}
    runs = {f"EffUNet, {b}": (lambda run: lambda: run(x))(make(nets[ours].eval())) for b, make in BACKENDS.items()}
    infer = interleaved(infer | runs)
    return size, train, infer


def main():
    torch.manual_seed(0)
    size, train, infer = race()
    memory = {name: peak_memory(name) for name in PEERS}
    for name, mib in memory.items(): size[name]["peak_mib"] = mib
    for n, t in (train | infer).items(): print(f"{n:48}{t['ms']:9.1f} ms", flush=True)
    widths = {n: EffUNet(decoder=d, convs=c, pretrained=False) for n, (d, c) in WIDTHS.items()}
    ups = {u: matched(u, pretrained=False) for u in UPSAMPLERS}
    def both(models):
        steps = interleaved({n: Step(m, last) for n, m in models.items()}, 5)
        looks = interleaved({n: Look(fused(m), last) for n, m in models.items()}, 5)
        return {n: dict(train=steps[n]["ms"], infer=looks[n]["ms"], gmac256=gmac(m, 256), parameters=parameters(m)) for n, m in models.items()}
    backends = {"smp.Unet": infer["smp.Unet lite0 (tu-)"], "EffUNet, as trained": infer["EffUNet, as trained"]}
    backends |= {b: infer[f"EffUNet, {b}"] for b in BACKENDS}
    write("speed", threads=torch.get_num_threads(), size=size, train=train, infer=infer, backends=backends, decoder=both(widths), upsamplers=both(ups))
