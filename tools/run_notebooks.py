"""Execute the lessons and save their outputs, so that a second run changes not one byte.

    run_notebooks.py [--check] [NOTEBOOK ...]     without names: all of nbs/, in order

`--check` writes nothing and lists the notebooks whose saved outputs differ. A notebook that fails
stays on disk as it was; the failing cell and its error are shown, and the exit code is 1.
Cells with `#| eval: false` are not run and keep their outputs. JupyterLab, as `make setup` sets it
up, saves in the same way: `on_save`."""

import argparse
import base64
import io
import json
import os
import re
import sys
import time
from itertools import groupby
from pathlib import Path

import nbformat
from execnb.nbio import nb2str
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbdev.clean import clean_nb
from nbdev.config import get_config
from PIL import Image, ImageChops

ROOT = Path(__file__).resolve().parent.parent
MOVE = 16  # of 255: by how much a palette may change a colour
VIEW = "application/vnd.jupyter.widget-view+json"
SKIP = "skip-execution"  # the tag by which nbclient knows a cell that it must not run
ENV = dict(
    UNET_EXPLORER_STATIC="1",  # widgets are dead without a kernel: lessons bake pictures instead
    PYTHONHASHSEED="0",
    MPLBACKEND="module://matplotlib_inline.backend_inline",
    PYTHONWARNINGS="ignore::DeprecationWarning",  # it names paths of this machine
)


def bare_png(b64):
    "A PNG (base64) without its text chunks, where matplotlib writes its version."
    png, out, at = base64.b64decode(b64), b"", 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            out += png[at:end]
        at = end
    return base64.b64encode(png[:8] + out).decode()


def light_png(b64):
    """A PNG (base64) as `bare_png`; one above 150 KB, full of noise, gets a palette of 256 colours,
    if that is smaller and shows the same: grey pictures keep every value, in colour none may move
    by more than `MOVE`."""
    bare = bare_png(b64)
    if len(bare) < 150_000:
        return bare
    image, out = Image.open(io.BytesIO(base64.b64decode(bare))), io.BytesIO()
    if image.mode == "P" or (image.mode == "RGBA" and image.getchannel("A").getextrema()[0] < 255):
        return bare
    rgb = image.convert("RGB")
    # no colour far from all of the palette
    few = rgb.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    if max(high for _, high in ImageChops.difference(rgb, few.convert("RGB")).getextrema()) > MOVE:
        return bare
    few.save(out, "png", optimize=True)
    return min(base64.b64encode(out.getvalue()).decode(), bare, key=len)


def tidy(outputs):
    "`outputs` of one cell without what varies from run to run."
    kept = []
    for is_stream, run in groupby(outputs, lambda o: o["output_type"] == "stream"):
        if is_stream:  # chunks come as the pipe pleases: one each of stdout and stderr is kept
            texts = {}
            for o in run:
                texts[o["name"]] = texts.get(o["name"], "") + o["text"]
            for name in sorted(texts, reverse=True):
                kept.append(nbformat.v4.new_output("stream", name=name, text=texts[name]))
            continue
        for o in run:
            data = o.get("data", {})
            if data.pop(VIEW, None):  # a live widget or a progress bar: dead without its kernel
                data.pop("text/plain", None)  # but a slider has brought its page along
                if "text/html" not in data:
                    continue
            if "image/png" in data:
                data["image/png"] = light_png(data["image/png"])
            if "text/html" in data:  # fastprogress and tqdm leave a style sheet and emptied bars
                left = r"(?s)\s*<style>\s*(/\*[^*]*\*/\s*)?progress\b.*?</style>\s*"
                data["text/html"] = re.sub(left, "", data["text/html"])
                if not data["text/html"].strip():
                    continue
            kept.append(o)
    return kept


def executed(path):
    "The text of the notebook at `path`, executed and cleaned."
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if re.match(r"(?:\s*#\|.*\n)*?\s*#\|\s*eval:\s*false", cell.source):
            cell.metadata["tags"] = [SKIP]
    NotebookClient(
        nb,
        timeout=1800,
        kernel_name="python3",
        skip_cells_with_tag=SKIP,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    return nb2str(cleaned(nb))


def cleaned(nb):
    "The notebook `nb` as it is saved, without what varies from run to run."
    nb.metadata.pop("widgets", None)  # what live widgets showed; JupyterLab can be asked to keep it
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
    plain = json.loads(nbformat.writes(nb))  # lines in lists, as on disk
    cfg = get_config(path=ROOT)
    clean_nb(
        plain,
        False,
        cfg.allowed_metadata_keys.split(),
        cfg.allowed_cell_metadata_keys.split(),
        cfg.clean_ids,
    )
    return plain


def on_save(model, contents_manager, path, **kwargs):
    """JupyterLab's pre-save hook: what it saves is what this script would save.

    A slider whose page took too long to draw keeps the one on disk, if its code is the same."""
    if model["type"] != "notebook" or model["content"]["nbformat"] != 4:
        return
    nb, old = nbformat.v4.rwbase.rejoin_lines(nbformat.from_dict(model["content"])), {}
    file = Path(contents_manager.root_dir, path)
    if file.exists():
        cells = nbformat.read(file, as_version=4).cells
        old = {(c.get("id"), c.source): c.get("outputs") for c in cells}
    for cell in nb.cells:
        live = [o for o in cell.get("outputs", []) if VIEW in o.get("data", {})]
        pages = [o for o in old.get((cell.get("id"), cell.source)) or [] if is_slider(o)]
        if len(live) == len(pages):
            for new, page in zip(live, pages):
                new.data.setdefault("text/html", page.data["text/html"])
    model["content"] = cleaned(nb)


def is_slider(output):
    page = output.get("data", {}).get("text/html", "")
    return re.search('class="uxp[ "]', "".join(page)) is not None  # a guess is `uxp-guess`


def why(error, nb_path):
    "The failing cell and its error, in short."
    if isinstance(error, CellExecutionError):
        cell = re.search(r"-{18}\n(.*?)\n-{18}", str(error), re.S)
        shown = "\n".join("    " + line for line in (cell[1] if cell else "").splitlines()[:30])
        return f"{nb_path.name}: this cell failed\n{shown}\n{error.ename}: {error.evalue}"
    return f"{nb_path.name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}"


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument(
        "--check", action="store_true", help="compare with the saved outputs, write nothing"
    )
    args = parser.parse_args(argv)
    os.environ.update(ENV)
    bad = 0
    for path in args.notebooks or sorted(
        p for p in (ROOT / "nbs").glob("*.ipynb") if p.name[0] not in "._"
    ):
        start = time.time()
        try:
            text = executed(path.resolve())
        # the last: a kernel that died
        except (CellExecutionError, CellTimeoutError, RuntimeError) as e:
            print(why(e, path), file=sys.stderr)
            bad = 1
            continue
        same = text == path.read_text(encoding="utf-8")
        told = "same" if same else "differs" if args.check else "saved"
        print(f"{path.name}: {time.time() - start:.0f} s, {told}", flush=True)
        if args.check:
            bad |= not same
        elif not same:  # beside its name and then renamed: never half a notebook
            new = path.with_suffix(".ipynb.new")
            new.write_text(text, encoding="utf-8")
            os.replace(new, path)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
