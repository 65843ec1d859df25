"""bench/RESULTS.md from the JSON files: nothing in it is typed by hand but the remarks on what was tried."""
import json
from pathlib import Path

from common import RESULTS

TRIED = Path(__file__).with_name("TRIED.md")


def table(head, rows):
    "A markdown table."
    line = lambda cells: "| " + " | ".join(str(c) for c in cells) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def pm(s): return f"{s['mean']:.4f} ± {s['std']:.4f}" if s["std"] is not None else f"{s['mean']:.4f} (one seed)"


def short(s): return f"{s['mean']:.3f} ± {s['std']:.3f}" if s["std"] is not None else f"{s['mean']:.3f}"


def read(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def defects():
    "The tables of contest.json, elpv.json and circuits.json, as far as they are there."
    parts, contest, elpv, circuits = [], read("contest"), read("elpv"), read("circuits")
    if contest:
        keys = {"AP": "ap", "AUPRO": "aupro", "AUROC": "auroc", "image AUROC": "image_auroc", "IoU": "iou", "clean pictures with an alarm": "false_images", "home: AP": "home_ap",
                "home: AUPRO": "home_aupro", "seconds of training": "fit_seconds"}
        parts += ["## Defects without a label (simulated)", f"Test: {contest['data']['test']}. Home: {contest['data']['home']}. Training: {contest['data']['train']}, "
                  f"{contest['budget']['steps']} steps. Promised rate of clean pictures with an alarm: {contest['data']['fpr']:.0%}. A number without ± is one seed. Seconds: the machine was shared.",
                  table(["method", *keys], [[n, *(short(m["summary"][k]) for k in keys.values())] for n, m in contest["methods"].items()]),
                  "Found at that threshold, by kind (all seeds together):",
                  table(["method", *contest["data"]["classes"][1:]], [[n, *(f"{r['found']}/{r['n']}" for r in m["kinds"].values())] for n, m in contest["methods"].items()])]
    if elpv:
        rows = [[kind, n, m["any"]["n"], *(short(m[k]) for k in ("sure", "any", "false_alarms"))] for kind, ms in elpv["types"].items() for n, m in ms.items()]
        parts += ["## Solar cells (elpv-dataset)", f"{elpv['data']['citation']}; {elpv['data']['licence']}. {elpv['data']['split']}. Promised false alarms: {elpv['fpr']:.0%}.",
                  table(["type", "method", "seeds", "image AUROC, surely defective", "image AUROC, probability from 1/3", "false alarms"], rows)]
    if circuits:
        rows = [[who, *(short(c[k]) for k in ("iou", "boundary_f1", "faultless")), *(c[k] for k in ("opens", "shorts", "missing", "extra", "pieces"))] for who, c in circuits["summary"].items()]
        parts += ["## Real layouts, layers left out", f"{circuits['recipe']}. {circuits['data']['pictures']}. Three folds, mean and standard deviation over them. Baseline: {circuits['folds'][0]['baseline']['name']}.",
                  table(["model", "IoU of metal", "boundary F1", "share of faultless pictures", "opens", "shorts", "missing", "extra", "of wires"], rows)]
    return parts


def main():
    results = {n: json.loads((RESULTS / f"{n}.json").read_text()) for n in ("speed", "race_quality", "decoder", "upsamplers")}
    speed, quality = results["speed"], results["race_quality"]
    smp, ours = "smp.Unet lite0 (tu-)", "EffUNet lite0"
    base, base_i = speed["train"][smp]["ms"], speed["infer"][smp]["ms"]
    facts = speed["facts"]
    parts = ["# The race", "Written by `bench/results_md.py` from `nbs/results/*.json`; do not edit.",
             f"Hardware: {facts['processor']}, {speed['threads']} threads. " + ", ".join(f"{k} {facts[k]}" for k in facts if k in ("Python", "torch", "timm", "fastai", "segmentation-models-pytorch")) +
             f". {facts['date']}, commit {facts.get('commit', 'unknown')}.",
             "## Size", table(["model", "parameters (M)", "GMAC at 256", "GMAC at 512", "peak memory of training, MiB above imports"],
                              [[n, f"{s['parameters']/1e6:.2f}", f"{s['gmac256']:.2f}", f"{s['gmac512']:.2f}", f"{s['peak_mib']:.0f}"] for n, s in speed["size"].items()]),
             "## Training step, 4 crops of 256x256", "Median, fastest to slowest of the rounds; models in turn. Factor: how many times as fast as smp.Unet with the same encoder, as its user would run it.",
             table(["model", "ms", "range", "factor"], [[n, f"{t['ms']:.0f}", f"{t['fastest']:.0f} to {t['slowest']:.0f}", f"{base/t['ms']:.2f}"]
                                                        for n, t in sorted(speed["train"].items(), key=lambda x: x[1]["ms"])]),
             "## Inference, one picture of 512x512",
             table(["model", "ms", "range", "factor"], [[n, f"{t['ms']:.0f}", f"{t['fastest']:.0f} to {t['slowest']:.0f}", f"{base_i/t['ms']:.2f}"]
                                                        for n, t in sorted(speed["infer"].items(), key=lambda x: x[1]["ms"])]),
             "## Quality after the same number of steps", f"{quality['recipe']}. Mean and standard deviation over seeds. MONAI, fastai and the 2015 U-Net start without pretrained weights (none are to be had offline); the 2015 U-Net was only timed, a run of it takes a quarter of an hour here.",
             "\n".join(f"- {n}: {d['split']}" for n, d in quality["data"].items()),
             table(["model", "data", "seeds", "Dice", "pooled IoU"], [[r["model"], r["data"], r["dice"]["n"], pm(r["dice"]), pm(r["pooled_iou"])] for r in quality["rows"]]),
             "## Decoder widths (ISBI 2012)", f"{results['decoder']['recipe']}.",
             table(["decoder", "parameters (M)", "Dice", "train ms", "inference ms"],
                   [[r["name"], f"{r['parameters']/1e6:.2f}", pm(r["dice"]), f"{speed['decoder'][r['name']]['train']:.0f}", f"{speed['decoder'][r['name']]['infer']:.0f}"] for r in results["decoder"]["rows"]]),
             "## Upsamplers at the same number of parameters (ISBI 2012)", f"{results['upsamplers']['recipe']}.",
             table(["upsampler", "parameters (M)", "Dice", "pattern in the logits of a real picture, before", "after", "train ms", "inference ms"],
                   [[r["up"], f"{r['parameters']/1e6:.2f}", pm(r["dice"]), f"{max(x['before']['image'] for x in r['runs']):.1e}", f"{max(x['after']['image'] for x in r['runs']):.1e}",
                     f"{speed['upsamplers'][r['up']]['train']:.0f}", f"{speed['upsamplers'][r['up']]['infer']:.0f}"] for r in results["upsamplers"]["rows"]]),
             *defects(), TRIED.read_text().strip()]
    path = TRIED.with_name("RESULTS.md")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("wrote bench/RESULTS.md")
