"""Spaces and signs of Python's own help, restored: a U-Net over characters, alone and with a
dictionary, beside `wordsegment` (alone and with counts of the training text) and a window of
letters. Then the same U-Net without skips, and with one to four levels.

    python bench/text.py             # all; a run that is there already is not made again
    python bench/text.py 400         # stops after about 400 seconds, to go on another time
    python bench/text.py 400 2 unet  # only seed 2, only that; or only `wordsegment`"""

import itertools
import platform
import sys
import time
from collections import Counter
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from common import SEEDS, earlier, facts, parameters, spread, write
from torch import nn
from unet_explorer.layers import field_extent, measured_field
from unet_explorer.metrics import confusion, dice
from unet_explorer.text import (
    SIGNS,
    lexicon,
    letter_maps,
    python_prose,
    put_signs,
    strip_signs,
)
from unet_explorer.train import fit_batches
from unet_explorer.unet import UNet

SPLIT_SEED = 0
# two levels: more do worse on validation ("levels" below); one was not tried with such widths
WIDTHS = (64, 96, 128)
SMALL = (32, 48, 64, 80, 96)  # of `levels` levels the first `levels + 1`
LONG, SHORT = 1500, 800  # steps: of what is compared with wordsegment; of the ablations
BATCH, SIDE = 8, 256
RECIPE = f"{BATCH} windows of {SIDE} letters a step, AdamW, one cycle up to 3e-3, cross-entropy"
SHARES = (0.1, 0.3)  # of the training text in the mixed counts; validation chooses
MIXED = 0.3  # the same for the channels of the network: what `wordsegment` liked best
ELSEWHERE = (
    ("names", "Ada Lovelace wrote to Charles Babbage and Mary Somerville in London."),
    ("an address", "See https://docs.python.org/3/library/re.html for details."),
    ("another subject", "Mix the flour with two eggs, add milk slowly, and let the batter rest."),
    ("German", "Die Donaudampfschifffahrtsgesellschaft sucht einen Kapitän, sofort."),
    ("two readings", "The godisnowhere example has two readings."),
)


@cache
def data():
    "Letters and classes of each part, a list of pairs."
    parts = python_prose(SPLIT_SEED)
    return {k: [strip_signs(line) for line in lines] for k, lines in parts.items()}


def train_lines():
    return data()["train"] * 2 + data()["more"]


@cache
def stream(words):
    "The training text in one row: maps `(c n)` and classes `(n,)`."
    lines = train_lines()
    letters = "".join(part for part, _ in lines)
    return maps_of(letters, words), torch.as_tensor(np.concatenate([c for _, c in lines]))


@cache
def counts(words):
    "Counts of words: of the web, or with those of the training text mixed in."
    return dict(segmenter(MIXED if words == "both" else 0).unigrams)


def maps_of(letters, words):
    x = letter_maps(letters)
    return torch.cat([x, lexicon(letters, counts(words))]) if words else x


def batches(words):
    x, y = stream(words)

    def batch(rng):
        at = rng.integers(0, x.shape[1] - SIDE, BATCH)
        return torch.stack([x[:, a : a + SIDE] for a in at]), torch.stack(
            [y[a : a + SIDE] for a in at]
        )

    return batch


@torch.no_grad()
def answers(model, lines, words=False):
    return [model(maps_of(letters, words)[None])[0].argmax(0).numpy() for letters, _ in lines]


def judge(preds, lines):
    "Scores of breaks (anything but nothing) and of each class; the end of a paragraph is given."
    p = np.concatenate([a[:-1] for a in preds])
    t = np.concatenate([c[:-1] for _, c in lines])
    (_, false), (missed, hit) = confusion((p > 0).astype(int), (t > 0).astype(int), 2)
    per = dice(confusion(p, t, len(SIGNS)))
    return dict(
        f1=float(2 * hit / (2 * hit + false + missed)),
        precision=float(hit / (hit + false)),
        recall=float(hit / (hit + missed)),
        per_class=[None if np.isnan(v) else round(float(v), 4) for v in per],
    )


def window_net(in_ch, half=10, seed=0):
    "A window of `half` letters on either side through two hidden layers: no pooling, no way up."
    torch.manual_seed(seed)
    layers = [nn.Conv1d(in_ch, 256, 2 * half + 1, padding=half), nn.ReLU()]
    layers += [nn.Conv1d(256, 128, 1), nn.ReLU(), nn.Conv1d(128, len(SIGNS), 1)]
    return nn.Sequential(*layers)


def unet(in_ch, widths=WIDTHS, skips=True, seed=0):
    common = dict(padding=True, norm=True, dims=1, seed=seed)
    return UNet(in_ch, len(SIGNS), widths, skips=skips, **common)


def small(levels, skips=True):
    return lambda in_ch, seed: unet(in_ch, SMALL[: levels + 1], skips, seed)


KINDS = {  # name: which dictionary it sees, steps, and what makes it
    "unet": (False, LONG, unet),
    "unet + both": ("both", LONG, unet),
    "unet + dictionary": ("web", LONG, unet),
    "levels 1": (False, SHORT, small(1)),
    "levels 2": (False, SHORT, small(2)),
    "levels 3": (False, SHORT, small(3)),
    "levels 4": (False, SHORT, small(4)),
    "no skips": (False, SHORT, small(2, skips=False)),
    "window": (False, LONG, window_net),
    "window + dictionary": ("web", LONG, window_net),
}


def example():
    "The first test paragraph of 180 to 280 letters with a comma and a full stop inside."
    fits = [
        (letters, c)
        for letters, c in data()["test"]
        if 180 <= len(letters) <= 280 and {2, 3} <= set(c[:-1])
    ]
    return fits[0]


def digits(classes):
    "Classes as a text, one digit a letter."
    return "".join(map(str, classes))


def run(kind, seed):
    words, steps, make = KINDS[kind]
    start = time.perf_counter()
    in_ch = maps_of("a", words).shape[0]
    model = make(in_ch, seed=seed)
    losses = fit_batches(model, batches(words), F.cross_entropy, steps=steps, seed=seed)
    seconds = time.perf_counter() - start
    ((_, field),) = field_extent(measured_field(model, 512, in_ch=in_ch))
    about = facts()
    said = {}
    if seed == 0:
        lines = [strip_signs(line) for _, line in ELSEWHERE]
        shown = zip([n for n, _ in ELSEWHERE], answers(model, lines, words), lines)
        said["elsewhere"] = {n: put_signs(letters, p) for n, p, (letters, _) in shown}
        said["example"] = digits(answers(model, [example()], words)[0])
    return dict(
        kind=kind,
        seed=seed,
        steps=steps,
        parameters=parameters(model),
        field=field,
        loss=round(float(np.mean(losses[-50:])), 4),
        **{k: judge(answers(model, data()[k], words), data()[k]) for k in ("valid", "test")},
        **said,
        seconds=round(seconds, 1),
        on=", ".join(
            [about["processor"], about["cores"], about["date"], about.get("commit", "no commit")]
        ),
    )


def segmenter(share):
    "`wordsegment`, with counts of which `share` comes from the training text and the rest from it."
    from wordsegment import Segmenter

    s = Segmenter()
    s.load()
    if share:
        lines = [put_signs(letters, np.minimum(c, 1)).split() for letters, c in train_lines()]
        words = Counter(w for line in lines for w in line)
        pairs = Counter(" ".join(p) for line in lines for p in zip(["<s>", *line], line))
        scale = share / (1 - share) * s.total / sum(words.values())
        for mine, theirs in ((words, s.unigrams), (pairs, s.bigrams)):
            for key, n in mine.items():
                theirs[key] = theirs.get(key, 0.0) + scale * n
        s.total /= 1 - share
    return s


def cut(s, letters):
    "Classes of what `wordsegment` says: a space behind each word."
    words = s.segment(letters)
    return np.array([k for w in words for k in [0] * (len(w) - 1) + [1]])


def segment_all(done):
    "`wordsegment` on validation and test text; `done` holds what is there already."
    for share in (0, *SHARES):
        if str(share) not in done:
            s, lines = segmenter(share), data()["valid"]
            done[str(share)] = dict(valid=judge([cut(s, w) for w, _ in lines], lines))
            yield
    best = max(SHARES, key=lambda v: done[str(v)]["valid"]["f1"])
    for share in (0, best):
        mine = done[str(share)]
        if "test" not in mine:
            s, lines = segmenter(share), data()["test"]
            mine["test"] = judge([cut(s, w) for w, _ in lines], lines)
            mine["example"] = digits(cut(s, example()[0]))
            lines = [(n, strip_signs(line)[0]) for n, line in ELSEWHERE]
            mine["elsewhere"] = {n: " ".join(s.segment(letters)) for n, letters in lines}
            yield


def about_data():
    counts = {k: np.bincount(np.concatenate([c for _, c in v])) for k, v in data().items()}
    letters, truth = example()
    return dict(
        title="prose of pydoc_data.topics, and docstrings of the standard library for training",
        python=platform.python_version(),
        licence="PSF-2.0",
        split=f"by groups of topics that share a paragraph, seed {SPLIT_SEED}; "
        "no run of eight words of the training text occurs in validation or test",
        letters={k: int(n.sum()) for k, n in counts.items()},
        classes={k: n.tolist() for k, n in counts.items()},
        paragraphs={k: len(v) for k, v in data().items()},
        example=dict(letters=letters, truth=digits(truth)),
        elsewhere=dict(ELSEWHERE),
    )


def summary(runs):
    rows = {}
    for kind in KINDS:
        mine = [r for r in runs if (r["kind"], r["steps"]) == (kind, KINDS[kind][1])]
        if mine:
            tests = [r["test"] for r in mine]
            rows[kind] = {k: spread([t[k] for t in tests]) for k in ("f1", "precision", "recall")}
            per = np.array([t["per_class"] for t in tests], dtype=float).mean(0)
            rows[kind]["per_class"] = per.round(4).tolist()
            rows[kind] |= {k: mine[0][k] for k in ("field", "parameters", "steps")}
    return rows


def main(limit=1e9, seeds=SEEDS, kinds=tuple(KINDS), dictionary=True):
    torch.set_num_threads(1)
    start, same = time.perf_counter(), dict(recipe=RECIPE, data=about_data())

    def keep(new=(), words=None):
        "Write what is new beside what is there by now; says whether the time is over."
        old = earlier("text", **same)
        runs = [*old.get("runs", []), *new]
        words = old.get("wordsegment", {}) if words is None else words
        write("text", **same, wordsegment=words, runs=runs, summary=summary(runs))
        return time.perf_counter() - start > limit

    def there(kind, seed):
        runs, steps = earlier("text", **same).get("runs", []), KINDS[kind][1]
        return (kind, seed, steps) in {(r["kind"], r["seed"], r["steps"]) for r in runs}

    for seed, kind in itertools.product(seeds, kinds):
        if not there(kind, seed):
            r = run(kind, seed)
            print(kind, seed, r["valid"], r["test"], r["seconds"], flush=True)
            if keep([r]):
                return
    words = earlier("text", **same).get("wordsegment", {})
    for _ in segment_all(words) if dictionary else ():
        print({k: v["valid"]["f1"] for k, v in words.items()}, flush=True)
        if keep(words=words):
            return
    keep()


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1e9
    seeds = [int(v) for v in sys.argv[2:] if v.isdigit()]
    kinds = [v for v in sys.argv[2:] if v in KINDS]
    if "wordsegment" in sys.argv:
        main(seconds, seeds=())
    else:
        main(seconds, seeds or SEEDS, kinds or tuple(KINDS), dictionary=not seeds)
