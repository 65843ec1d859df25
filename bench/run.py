"""The long experiments. `bench/run.py` runs all, `bench/run.py NAME ...` only those: imports,
simulator, speed, tiles, mosaics, context, decoder, upsamplers, race_quality, quality, contest,
elpv, deeppcb, comparator, circuits, signals, text, superres, classify_detect, scenes,
carry_over, info_bars, browser, strokes, splits, checkup, exchange, clusters, feeding,
results_md (writes bench/RESULTS.md). For MONAI: pip install -r bench/requirements.txt

Each writes JSON under nbs/results/, with seed, data, split, hardware, versions and commit; lessons
draw from it."""

import importlib
import sys

NAMES = (
    "imports",
    "simulator",
    "speed",
    "tiles",
    "mosaics",
    "context",
    "decoder",
    "upsamplers",
    "race_quality",
    "quality",
    "contest",
    "elpv",
    "deeppcb",
    "comparator",
    "circuits",
    "signals",
    "text",
    "superres",
    "classify_detect",
    "scenes",
    "carry_over",
    "info_bars",
    "browser",
    "strokes",
    "splits",
    "checkup",
    "exchange",
    "clusters",
    "feeding",
    "results_md",
)

if __name__ == "__main__":
    chosen = sys.argv[1:] or NAMES
    unknown = [n for n in chosen if n not in NAMES]
    if unknown:
        sys.exit(f"bench: {unknown[0]} is not known; choose from {', '.join(NAMES)}")
    for name in chosen:
        importlib.import_module(name).main()
