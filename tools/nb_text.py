"""Edit notebooks in a plain text editor: `nb_text.py out FILE.ipynb` prints a notebook as markdown
with ```python cells; `nb_text.py in FILE.md FILE.ipynb` writes it back. Cell ids stay the same for
unchanged cells and are made from the content otherwise; outputs of unchanged cells are kept.

A cell may carry flags on its fence: ```python hide  -> the input is folded in JupyterLab.
Two markdown cells in a row are parted by a line `<!-- cell -->`."""

import hashlib
import json
import re
import sys
from pathlib import Path

PART = "<!-- cell -->"
META = {"hide": {"jupyter": {"source_hidden": True}}}


def to_text(nb):
    "The notebook `nb` (a dict) as text."
    parts, last = [], None
    for cell in nb["cells"]:
        src = "".join(cell["source"])
        if cell["cell_type"] == "code":
            hide = " hide" if cell["metadata"].get("jupyter", {}).get("source_hidden") else ""
            parts.append(f"```python{hide}\n{src}\n```")
        elif cell["cell_type"] == "raw":
            parts.append(f"```raw\n{src}\n```")
        else:
            parts.append((f"{PART}\n\n" if last == "markdown" else "") + src)
        last = cell["cell_type"]
    return "\n\n".join(parts) + "\n"


def cells_of(text):
    "`(cell_type, source, metadata)` for each cell in `text`."
    for chunk in re.split(r"(?ms)^(```(?:python|raw)[^\n]*\n.*?^```)[ ]*$", text):
        fence = re.match(r"(?s)```(python|raw)([^\n]*)\n(.*?)\n?```$", chunk)
        if fence:
            kind, flags, src = fence.groups()
            meta = META["hide"] if "hide" in flags.split() else {}
            yield ("code" if kind == "python" else "raw"), src, meta
        else:
            for src in chunk.split(PART):
                if src.strip():
                    yield "markdown", src.strip("\n"), {}


def to_nb(text, old=None, stem=""):
    "A notebook dict from `text`; ids and outputs of unchanged cells come from `old`."
    known = {}
    for cell in (old or {"cells": []})["cells"]:
        known.setdefault((cell["cell_type"], "".join(cell["source"])), []).append(cell)
    cells, used = [], set()
    for kind, src, meta in cells_of(text):
        same = known.get((kind, src), [])
        before = same.pop(0) if same else {}
        n, cid = 0, before.get("id")
        while cid is None or cid in used:
            cid = hashlib.sha1(f"{stem}{kind}{src}{n}".encode()).hexdigest()[:8]
            n += 1
        used.add(cid)
        cell = dict(cell_type=kind, id=cid, metadata=meta, source=src.splitlines(keepends=True))
        if kind == "code":
            cell.update(execution_count=None, outputs=before.get("outputs", []))
        cells.append(cell)
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    return dict(cells=cells, metadata={"kernelspec": kernel}, nbformat=4, nbformat_minor=5)


def dump(nb):
    return json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def main(argv):
    if len(argv) == 2 and argv[0] == "out":
        sys.stdout.write(to_text(json.loads(Path(argv[1]).read_text(encoding="utf-8"))))
    elif len(argv) == 3 and argv[0] == "in":
        path = Path(argv[2])
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        path.write_text(
            dump(to_nb(Path(argv[1]).read_text(encoding="utf-8"), old, path.stem)), encoding="utf-8"
        )
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
