"""What every experiment writes beside its numbers."""
import json
from pathlib import Path

from unet_explorer.report import system_facts

RESULTS = Path(__file__).resolve().parent.parent / "nbs" / "results"


def write(name, **content):
    "Write `content` with the facts about machine and versions as nbs/results/NAME.json."
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(dict(content, facts=system_facts()), indent=1) + "\n", encoding="utf-8")
    print(f"wrote nbs/results/{path.name}", flush=True)
