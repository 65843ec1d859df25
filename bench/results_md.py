"""bench/RESULTS.md from the JSON files: nothing in it is typed by hand but the remarks on what was tried."""

import json
from pathlib import Path

from common import RESULTS

TRIED = Path(__file__).with_name("TRIED.md")
OURS, SMP, MONAI = "EffUNet lite0", "smp.Unet lite0 (tu-)", "MONAI FlexibleUNet b0"


def table(head, rows):
    "A markdown table."
    line = lambda cells: "| " + " | ".join(str(c) for c in cells) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def pm(s, digits=4):
    "Mean and spread of a summary of runs."
    if s["std"] is None:
        return f"{s['mean']:.{digits}f} (one seed)"
    return f"{s['mean']:.{digits}f} ± {s['std']:.{digits}f}"


def short(s):
    return pm(s, 3).removesuffix(" (one seed)")


def read(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def made(result):
    "On what machine, when and with what."
    f = result["facts"] | result.get("versions", {})
    packages = (
        "Python",
        "torch",
        "fastai",
        "segmentation-models-pytorch",
        "timm",
        "monai",
        "onnxruntime",
    )
    return (
        f"Last written on {f['processor']}, cores: {f['cores']}; {f['date']}, commit {f.get('commit', 'unknown')}; "
        + ", ".join(f"{k} {f[k]}" for k in packages if k in f)
        + "."
    )


def times(jobs, base):
    return table(
        ["model", "ms", "range", "factor"],
        [
            [
                n,
                f"{t['ms']:.0f}",
                f"{t['fastest']:.0f} to {t['slowest']:.0f}",
                f"{base / t['ms']:.2f}",
            ]
            for n, t in sorted(jobs.items(), key=lambda x: x[1]["ms"])
        ],
    )


def speed():
    s = read("speed")
    train, infer = ({n: t["ms"] for n, t in s[k].items()} for k in ("train", "infer"))
    like = {
        "training, float32": train[f"{SMP}, in our loop"] / train[f"{OURS}, float32"],
        "training, bf16": train[f"{SMP}, in our loop, bf16"] / train[f"{OURS}, bf16"],
        "inference, float32": infer[f"{SMP}, channels-last"] / infer["EffUNet, as trained"],
    }
    monai = {
        "training, float32": train[MONAI] / train[f"{OURS}, float32"],
        "inference, float32": infer[MONAI] / infer["EffUNet, as trained"],
    }
    words = lambda d: ", ".join(f"{k} {v:.2f}" for k, v in d.items())
    twins = "; ".join(f"{k} {', '.join(f'{t:.0f}' for t in v)} ms" for k, v in s["twins"].items())
    return [
        "## Size",
        made(s),
        table(
            [
                "model",
                "parameters (M)",
                "GMAC at 256",
                "GMAC at 512",
                "peak memory of training, MiB above imports",
            ],
            [
                [
                    n,
                    f"{z['parameters'] / 1e6:.2f}",
                    f"{z['gmac256']:.2f}",
                    f"{z['gmac512']:.2f}",
                    f"{z['peak_mib']:.0f}",
                ]
                for n, z in s["size"].items()
            ],
        ),
        "## Training step, 4 crops of 256x256",
        f"Median, fastest to slowest of the rounds; models in turn, {s['threads']} threads. Factor: how many times as fast as smp.Unet with the same encoder, as its user would run it.",
        times(s["train"], train[SMP]),
        "## Inference, one picture of 512x512",
        times(s["infer"], infer[SMP]),
        f"The fastest path that the library takes by itself (`Segmenter`): {s['chosen']['backend']}. Noise of the stopwatch, one and the same model timed three times in this run: {twins}.",
        f"With the same memory layout and precision on both sides, against smp.Unet: {words(like)}. Against MONAI: {words(monai)}.",
    ]


def quality():
    q = read("race_quality")
    rows = [
        [
            r["model"],
            r["data"],
            r["dice"]["n"],
            pm(r["dice"]),
            pm(r["pooled_iou"]),
            " to ".join(
                dict.fromkeys(f"{f(x.get('lr', 3e-3) for x in r['runs']):g}" for f in (min, max))
            ),
        ]
        for r in q["rows"]
    ]
    return [
        "## Quality after the same number of steps",
        f"{q['recipe']}. Mean and standard deviation over seeds. MONAI, fastai and the 2015 U-Net start without pretrained weights: none are to be had offline. "
        "The 2015 U-Net, which has no batch norms, gets a learning rate of its own.",
        made(q),
        "\n".join(f"- {n}: {d['split']}" for n, d in q["data"].items()),
        table(["model", "data", "seeds", "Dice", "pooled IoU", "highest learning rate"], rows),
    ]


def sweeps():
    d, u, s = read("decoder"), read("upsamplers"), read("speed")
    ms = lambda t: [
        f"{t[k]['ms']:.0f} ({t[k]['fastest']:.0f} to {t[k]['slowest']:.0f})"
        for k in ("train", "infer")
    ]
    valid = lambda r: sum(x["valid_dice"] for x in r["runs"]) / len(r["runs"])
    worst = lambda r, when: f"{max(x[when]['image'] for x in r['runs']):.1e}"
    return [
        "## Decoder widths (ISBI 2012)",
        f"{d['recipe']}. Validation chooses (lesson 15). Times: float32; inference with folded batch norms.",
        made(d),
        table(
            [
                "decoder",
                "parameters (M)",
                "seeds",
                "validation Dice",
                "test Dice",
                "train ms",
                "inference ms",
            ],
            [
                [
                    r["name"],
                    f"{r['parameters'] / 1e6:.2f}",
                    r["dice"]["n"],
                    f"{valid(r):.4f}",
                    pm(r["dice"]),
                    *ms(s["decoder"][r["name"]]),
                ]
                for r in d["rows"]
            ],
        ),
        "## Upsamplers at the same number of parameters (ISBI 2012)",
        f"{u['recipe']}.",
        made(u),
        table(
            [
                "upsampler",
                "parameters (M)",
                "seeds",
                "test Dice",
                "pattern in the logits of a real picture, before",
                "after",
                "train ms",
                "inference ms",
            ],
            [
                [
                    r["up"],
                    f"{r['parameters'] / 1e6:.2f}",
                    r["dice"]["n"],
                    pm(r["dice"]),
                    worst(r, "before"),
                    worst(r, "after"),
                    *ms(s["upsamplers"][r["up"]]),
                ]
                for r in u["rows"]
            ],
        ),
    ]


def contest():
    c = read("contest")
    if not c:
        return []
    keys = {
        "AP": "ap",
        "AUPRO": "aupro",
        "AUROC": "auroc",
        "image AUROC": "image_auroc",
        "IoU": "iou",
        "found": "found",
        "clean pictures with an alarm": "false_images",
        "real layers: AP": "real_ap",
        "real layers: AUPRO": "real_aupro",
        "home: AP": "home_ap",
        "home: AUPRO": "home_aupro",
        "processor seconds of training": "fit_cpu_seconds",
    }
    about = c["data"]
    products = ". ".join(
        f"{k.capitalize()}: {p['layouts']}; dose {p['dose']}, blur {p['blur_nm']} nm"
        for k, p in about["products"].items()
    )
    return [
        "## Defects without a label (simulated)",
        f'Test: {about["test"]}. Home: {about["home"]}. {products}. Training: {about["train"]}, {about["steps"][0]} steps of 8 crops of 128x128 ("short": {about["steps"][1]}). '
        f"Promised rate of clean pictures with an alarm: {about['fpr']:.0%}; found: share of defects at that threshold, mean over kinds. A number without ± is one seed.",
        made(c),
        table(
            ["method", *keys],
            [
                [n, *(short(m["summary"][k]) for k in keys.values())]
                for n, m in c["methods"].items()
            ],
        ),
        "Found at that threshold, by kind (all seeds together):",
        table(
            ["method", *about["classes"][1:]],
            [
                [n, *(f"{r['found']}/{r['n']}" for r in m["kinds"].values())]
                for n, m in c["methods"].items()
            ],
        ),
    ]


def options():
    o = read("options")
    if not o:
        return []
    keys = {
        "away: AP": "ap",
        "AUPRO": "aupro",
        "found": "found",
        "clean pictures with an alarm": "false_images",
        "home: AP": "home_ap",
        "home: AUPRO": "home_aupro",
        "processor seconds of training": "fit_cpu_seconds",
    }
    about = o["data"]
    return [
        "### The weight of the contrast, chosen",
        f"Not on the contest's test, but on a product of its own. Training: {about['train']}. Away: {about['away']}. Home: {about['home']}. {about['steps']} steps; the rest as above.",
        made(o),
        table(
            ["option", "seeds", *keys],
            [
                [n, len(m["runs"]), *(short(m["summary"][k]) for k in keys.values())]
                for n, m in o["options"].items()
            ],
        ),
    ]


def cells():
    e = read("elpv")
    if not e:
        return []
    rows = [
        [part, kind, n, m["any"]["n"], *(short(m[k]) for k in ("sure", "any", "false_alarms"))]
        for part, types in (("blocks", e["types"]), ("shuffled", e.get("shuffled", {})))
        for kind, ms in types.items()
        for n, m in ms.items()
    ]
    return [
        "## Solar cells (elpv-dataset)",
        f'{e["data"]["citation"]}; {e["data"]["licence"]}. {e["data"]["split"]}. "Shuffled": dealt out at random, for comparison. Promised false alarms: {e["fpr"]:.0%}.',
        made(e),
        table(
            [
                "split",
                "type",
                "method",
                "seeds",
                "image AUROC, surely defective",
                "image AUROC, probability from 1/3",
                "false alarms",
            ],
            rows,
        ),
    ]


def layers():
    c = read("circuits")
    if not c:
        return []
    rows = [
        [
            who,
            *(short(x[k]) for k in ("iou", "boundary_f1", "faultless")),
            *(x[k] for k in ("opens", "shorts", "missing", "extra", "pieces")),
        ]
        for who, x in c["summary"].items()
    ]
    return [
        "## Real layouts, layers left out",
        f"{c['recipe']}. {c['data']['pictures']}. Three folds, mean and standard deviation over them. Baseline: {c['folds'][0]['baseline']['name']}.",
        made(c),
        table(
            [
                "model",
                "IoU of metal",
                "boundary F1",
                "share of faultless pictures",
                "opens",
                "shorts",
                "missing",
                "extra",
                "of wires",
            ],
            rows,
        ),
    ]


def main():
    parts = [
        "# The race",
        "Written by `bench/results_md.py` from `nbs/results/*.json`; do not edit.",
        *speed(),
        *quality(),
        *sweeps(),
        *contest(),
        *options(),
        *cells(),
        *layers(),
        TRIED.read_text().strip(),
    ]
    path = TRIED.with_name("RESULTS.md")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("wrote bench/RESULTS.md")
