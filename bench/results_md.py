"""bench/RESULTS.md from the JSON files: nothing in it is typed by hand but the remarks on what was
tried."""

import json
from pathlib import Path

from common import RESULTS

TRIED = Path(__file__).with_name("TRIED.md")
OURS, SMP, MONAI = "EffUNet lite0", "smp.Unet lite0 (tu-)", "MONAI FlexibleUNet b0"


def table(head, rows):
    "A markdown table."

    def line(cells):
        return "| " + " | ".join(str(c) for c in cells) + " |"

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


PACKAGES = (
    "Python",
    "torch",
    "fastai",
    "segmentation-models-pytorch",
    "timm",
    "monai",
    "onnxruntime",
)


def made(result):
    "On what machine, when and with what."
    f = result["facts"] | result.get("versions", {})
    packages = ", ".join(f"{k} {f[k]}" for k in PACKAGES if k in f)
    return (
        f"Last written on {f['processor']}, cores: {f['cores']}; {f['date']}, "
        f"commit {f.get('commit', 'unknown')}; {packages}."
    )


def times(jobs, base):
    "Median and range of each job, the fastest first, and how many times as fast as `base`."
    jobs = sorted(jobs.items(), key=lambda x: x[1]["ms"])
    rows = [
        [n, f"{t['ms']:.0f}", f"{t['fastest']:.0f} to {t['slowest']:.0f}", f"{base / t['ms']:.2f}"]
        for n, t in jobs
    ]
    return table(["model", "ms", "range", "factor"], rows)


def words(factors):
    return ", ".join(f"{k} {v:.2f}" for k, v in factors.items())


def sizes(models):
    "Parameters, work and memory of each model."
    head = ["model", "parameters (M)", "GMAC at 256", "GMAC at 512"]
    rows = []
    for name, z in models.items():
        millions, peak = z["parameters"] / 1e6, z["peak_mib"]
        gmac = [f"{z['gmac256']:.2f}", f"{z['gmac512']:.2f}"]
        rows.append([name, f"{millions:.2f}", *gmac, f"{peak:.0f}"])
    return table([*head, "peak memory of training, MiB above imports"], rows)


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
    twins = "; ".join(f"{k} {', '.join(f'{t:.0f}' for t in v)} ms" for k, v in s["twins"].items())
    return [
        "## Size",
        made(s),
        sizes(s["size"]),
        "## Training step, 4 crops of 256x256",
        "Median, fastest to slowest of the rounds; models in turn, "
        f"{s['threads']} threads. Factor: how many times as fast as smp.Unet with the same "
        "encoder, as its user would run it.",
        times(s["train"], train[SMP]),
        "## Inference, one picture of 512x512",
        times(s["infer"], infer[SMP]),
        "The fastest path that the library takes by itself (`Segmenter`): "
        f"{s['chosen']['backend']}. Noise of the stopwatch, one and the same model timed three "
        f"times in this run: {twins}.",
        "With the same memory layout and precision on both sides, against smp.Unet: "
        f"{words(like)}. Against MONAI: {words(monai)}.",
    ]


def rates(runs):
    "The highest learning rates of these runs, from the lowest on."
    used = [x.get("lr", 3e-3) for x in runs]
    return " to ".join(dict.fromkeys([f"{min(used):g}", f"{max(used):g}"]))


def quality():
    q = read("race_quality")
    rows = [
        [
            r["model"],
            r["data"],
            r["dice"]["n"],
            pm(r["dice"]),
            pm(r["pooled_iou"]),
            rates(r["runs"]),
        ]
        for r in q["rows"]
    ]
    return [
        "## Quality after the same number of steps",
        f"{q['recipe']}. Mean and standard deviation over seeds. MONAI, fastai and the 2015 U-Net "
        "start without pretrained weights: none are to be had offline. "
        "The 2015 U-Net, which has no batch norms, gets a learning rate of its own.",
        made(q),
        "\n".join(f"- {n}: {d['split']}" for n, d in q["data"].items()),
        table(["model", "data", "seeds", "Dice", "pooled IoU", "highest learning rate"], rows),
    ]


def trained_and_used(t):
    "Milliseconds of a training step and of inference, with their ranges."
    jobs = [t[k] for k in ("train", "infer")]
    return [f"{j['ms']:.0f} ({j['fastest']:.0f} to {j['slowest']:.0f})" for j in jobs]


def valid_dice(runs):
    return f"{sum(x['valid_dice'] for x in runs) / len(runs):.4f}"


def worst_pattern(runs, when):
    return f"{max(x[when]['image'] for x in runs):.1e}"


def sweeps():
    d, u, s = read("decoder"), read("upsamplers"), read("speed")
    widths, upsamplers = [], []
    for r in d["rows"]:
        model = [r["name"], f"{r['parameters'] / 1e6:.2f}", r["dice"]["n"]]
        dice = [valid_dice(r["runs"]), pm(r["dice"])]
        widths.append([*model, *dice, *trained_and_used(s["decoder"][r["name"]])])
    for r in u["rows"]:
        model = [r["up"], f"{r['parameters'] / 1e6:.2f}", r["dice"]["n"], pm(r["dice"])]
        pattern = [worst_pattern(r["runs"], when) for when in ("before", "after")]
        times = s["upsamplers"].get(r["up"], s["upsamplers"]["shuffle"])  # another start, same work
        upsamplers.append([*model, *pattern, *trained_and_used(times)])
    head, cost = ["parameters (M)", "seeds"], ["train ms", "inference ms"]
    pattern = "pattern in the logits of a real picture, before"
    return [
        "## Decoder widths (ISBI 2012)",
        f"{d['recipe']}. Validation chooses (`27_effunet`). Times: float32; inference with folded "
        "batch norms.",
        made(d),
        table(["decoder", *head, "validation Dice", "test Dice", *cost], widths),
        "## Upsamplers at the same number of parameters (ISBI 2012)",
        f"{u['recipe']}.",
        made(u),
        table(["upsampler", *head, "test Dice", pattern, "after", *cost], upsamplers),
    ]


def context():
    c = read("context")
    rows = [
        [
            r["levels"],
            r["field"],
            r["width"],
            f"{r['parameters']:,}",
            r["error"]["n"],
            pm(r["error"]),
        ]
        for r in c["rows"]
    ]
    head = ["levels", "sees, px", "channels", "parameters", "seeds", "share of wrong pixels"]
    return [
        "## What levels are for: membrane, or the wall of a mitochondrion?",
        f"{c['task']}. {c['recipe']}.",
        made(c),
        table(head, rows),
    ]


def summaries(methods, keys):
    "One row of scores for each method."
    return [[n, *(short(m["summary"][k]) for k in keys)] for n, m in methods.items()]


CONTEST = {
    "AP": "ap",
    "AUPRO": "aupro",
    "image AUROC": "image_auroc",
    "found": "found",
    "clean pictures with an alarm": "false_images",
    "the lot's own threshold: found": "lot_found",
    "clean pictures with an alarm, lot": "lot_false_images",
    "real layers: AP": "real_ap",
    "home: AP": "home_ap",
    "home: AUPRO": "home_aupro",
    "seconds to fit": "fit_seconds",
    "ms a picture": "ms_per_picture",
}
BARE = {k: v for k, v in CONTEST.items() if v not in ("lot_found", "lot_false_images")}
BARE = {k: v for k, v in BARE.items() if v not in ("fit_seconds", "ms_per_picture")}


def contest():
    c, before = read("contest"), read("contest_bare")
    if not c:
        return []
    about = c["data"]
    products = ". ".join(
        f"{k.capitalize()}: {p['layouts']}; dose {p['dose']}, blur {p['blur_nm']} nm"
        for k, p in about["products"].items()
    )
    kinds = [
        [n, *(f"{r['found']}/{r['n']}" for r in m["kinds"].values())]
        for n, m in c["methods"].items()
    ]
    return [
        "## Defects without a label (simulated)",
        f"Test: {about['test']}. Home: {about['home']}. {products}. "
        f"Clean: {about['train']}; where our judge is trained on, {about['steps']} steps of 8 "
        "crops of 128x128. The judge of the wheel saw the same simulator, on other layers, "
        f"pitches and doses. Promised rate of clean pictures with an alarm: {about['fpr']:.0%}; "
        "found: share of defects at that threshold, mean over kinds. A number without ± is one "
        "seed. Rungs: what the picture is compared with; judge, distance or both says.",
        made(c),
        table(["method", *CONTEST], summaries(c["methods"], CONTEST.values())),
        "Found at that threshold, by kind (all seeds together):",
        table(["method", *about["classes"][1:]], kinds),
        "### One network on the bare picture: the method before",
        "Kept as it was measured; the code is commit 6df125c.",
        made(before),
        table(["method", *BARE], summaries(before["methods"], BARE.values())),
    ]


def interval(pooled, name):
    if name not in pooled:
        return "-"
    low, high = pooled[name]["interval"]
    return f"{pooled[name]['mean']:.3f} [{low:.3f}, {high:.3f}]"


def cells():
    e = read("elpv")
    if not e:
        return []
    rows = []
    for kind, methods in e["types"].items():
        for name, m in methods.items():
            alarms = [
                " ".join(f"{f[k]:.2f}" for f in m["folds"])
                for k in ("false_alarms", "lot_false_alarms")
            ]
            scores = [interval(m["pooled"], k) for k in ("sure", "any")]
            rows.append([kind, name, len(m["folds"]), *scores, *alarms])
    scores = ("image AUROC, surely defective", "image AUROC, probability from 1/3")
    alarms = ("false alarms by fold", "the same, the lot's own threshold")
    return [
        "## Solar cells (elpv-dataset)",
        f"{e['data']['citation']}; {e['data']['licence']}. {e['data']['split']}. "
        f"Folds pooled, 95 % intervals over cells. Promised false alarms: {e['fpr']:.0%}.",
        made(e),
        table(["type", "method | says", "folds", *scores, *alarms], rows),
    ]


def boards():
    d = read("deeppcb")
    if not d:
        return []
    rows = [
        [board, name, f"{r['boxes']:.3f}", r["n"], f"{r['ap']:.3f}", f"{r['ms_per_picture']:.0f}"]
        for board, methods in d["boards"].items()
        for name, r in methods.items()
    ]
    head = ("boxes found at 1 false alarm a picture", "boxes", "AP of box pixels", "ms a picture")
    return [
        "## Circuit boards (DeepPCB)",
        f"{d['data']}",
        made(d),
        table(["tested board", "method", *head], rows),
    ]


def layers():
    c = read("circuits")
    if not c:
        return []
    scores = ("IoU of metal", "boundary F1", "share of faultless pictures")
    faults = ("opens", "shorts", "missing", "extra")
    rows = []
    for who, x in c["summary"].items():
        good = [short(x[k]) for k in ("iou", "boundary_f1", "faultless")]
        rows.append([who, *good, *(x[k] for k in (*faults, "pieces"))])
    return [
        "## Real layouts, layers left out",
        f"{c['recipe']}. {c['data']['pictures']}. Three folds, mean and standard deviation over "
        f"them. Baseline: {c['folds'][0]['baseline']['name']}.",
        made(c),
        table(["model", *scores, *faults, "of wires"], rows),
    ]


def splits():
    s = read("splits")
    rows = [
        [
            name,
            way,
            short(r["own"]["dice"]),
            short(r["truth"]["dice"]),
            short(r["flatters"]["dice"]),
        ]
        for name, ways in s["splits"].items()
        for way, r in ways.items()
    ]
    head = ["data", "split by", "Dice on its own test", "where nobody touched", "flatters by"]
    return [
        "## How far a split of tiles flatters",
        f"{s['recipe']}. Three seeds. " + " ".join(f"{k}: {v}." for k, v in s["data"].items()),
        made(s),
        table(head, rows),
    ]


def mosaics():
    m = read("mosaics")
    rows = [
        [
            r["job"],
            f"{r['side']:,} x {r['side']:,}",
            r["net"],
            r["seconds"],
            f"{r['peak_bytes'] / 2**30:.2f}",
        ]
        for r in m["jobs"] + m["full"]
    ]
    return [
        "## Mosaics as OME-Zarr",
        f"Data: {m['data']}. Memory is the peak of the process; "
        f"{m['full'][0]['before_bytes'] / 2**30:.2f} GiB of it are there before the first pixel. "
        "The small network has one layer; `tables` is the whole command, with overlay and report.",
        made(m),
        table(["job", "pixels", "network", "seconds", "memory, GiB"], rows),
    ]


def clusters():
    c = read("clusters")
    names = {"0": "no cluster", "1": "one worker", "2": "two workers"}
    rows = [[names[k], f"{v:.2f}"] for k, v in c["per_second"].items()]
    return [
        "## A folder on a dask cluster of this machine",
        f"{c['pictures']} pictures of {c['side']} x {c['side']}, one thread a worker, median of "
        f"{c['rounds']} rounds; the files are equal.",
        made(c),
        table(["who", "pictures per second"], rows),
    ]


def backends():
    e = read("exchange")
    speed = [
        [
            name,
            f"{t['ms']:.1f}",
            f"{t['fastest']:.1f} to {t['slowest']:.1f}",
            f"{e['differences'][name]:.5f}",
        ]
        for name, t in e["times"].items()
    ]
    cost = [
        [
            name,
            f"{r['dice_before']:.3f}",
            f"{r['dice_after']:.3f}",
            f"{r['by OpenVINO']['dice_after']:.3f}",
        ]
        for name, r in e["cost"].items()
    ]
    return [
        "## Backends, and what 8 bits cost",
        f"{e['recipe']}. One picture of 512x512, {e['threads']} threads, "
        f"{', '.join(e['instructions'])}.",
        made(e),
        table(["backend", "ms (median)", "range", "mean difference in probability"], speed),
        table(["data", "Dice", "in 8 bits, ONNX Runtime", "in 8 bits, OpenVINO"], cost),
    ]


def main():
    parts = [
        "# The race",
        "Written by `bench/results_md.py` from `nbs/results/*.json`; do not edit.",
        *speed(),
        *quality(),
        *sweeps(),
        *context(),
        *contest(),
        *cells(),
        *boards(),
        *layers(),
        *splits(),
        *mosaics(),
        *clusters(),
        *backends(),
        TRIED.read_text().strip(),
    ]
    path = TRIED.with_name("RESULTS.md")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("wrote bench/RESULTS.md")
