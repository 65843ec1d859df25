"""What Quarto is given to render: the book's source, with all that our own builder adds around it.

`docs.py --prepare DIR` writes it over what nbdev_docs has put into `DIR` (_proc/). nbdev copies
the notebooks, but no folder; Quarto reads markdown by pandoc and has its own frame of a page."""

import re
import shutil
from pathlib import Path

from docs_api import raw
from docs_assets import palette, ship
from docs_source import Book, render
from execnb.nbio import mk_cell, write_nb

FOLDERS = ("images", "results")  # of nbs/, that pages show or link to
FENCED = r"(?ms)^(?P<f>`{3,}|~{3,})[^`\n]*\n.*?^(?P=f)[`~]*[ ]*$"
TABLE = r"(?P<table>^\|[^\n]*\n\|[ :|-]+\n(?:\|[^\n]*(?:\n|\Z))*)"
PICTURE = r"(?P<picture>^!\[[^\]]*\]\([^)]*\)$)"
# Quarto's colours from ours: https://quarto.org/docs/output-formats/html-themes.html
COLOURS = {
    "body-bg": "bg",
    "body-color": "ink",
    "link-color": "link",
    "primary": "accent",
    "secondary": "muted",
    "light": "soft",
    "text-muted": "muted",
    "border-color": "line",
    "table-border-color": "line",
    "blockquote-footer-color": "muted",
    "code-color": "ink",
    "code-bg": "soft",
    "code-block-bg": "soft",
    "navbar-bg": "bg",
    "navbar-fg": "ink",
    "navbar-hl": "link",
    "sidebar-bg": "bg",
    "sidebar-fg": "ink",
    "sidebar-hl": "link",
    "toc-color": "link",
    "footer-bg": "bg",
    "footer-fg": "muted",
    "input-bg": "bg",
    "input-color": "ink",
    "popover-bg": "bg",
}


def for_pandoc(text):
    "Tables in a box that scrolls; a picture that stands alone stays one, without a caption."

    def around(m):
        if m["table"]:
            return f"::: {{.wide}}\n\n{m['table'].rstrip()}\n\n:::\n"
        return f"{m['picture']}&nbsp;" if m["picture"] else m[0]

    return re.sub(f"{FENCED}|{TABLE}|{PICTURE}", around, text)


def scss(dark):
    "One of Quarto's two themes."
    rows = [f"${name}: {pair[dark]};" for name, pair in colours().items()]
    return "\n".join(["/*-- scss:defaults --*/", *rows, ""])


def colours():
    "`{variable of Quarto: (light, dark)}`."
    ours = palette()
    return {name: ours[colour] for name, colour in COLOURS.items()}


def scripts(theme):
    "Those that work on the text; within the page, since api/ lies a folder deeper."
    names = ("progress.js", "reach.js", "fsrs.js", "recall.js")
    parts = [(theme / name).read_text(encoding="utf-8") for name in names]
    return "".join(f"<script>\n{part}</script>\n" for part in parts)


def prepare(root, target):
    "Write the sources for Quarto into `target`, and what they need beside them."
    book, target = Book(root), Path(target)
    files = book.sources()
    for p in book.lessons:
        facts = [render(f"{n}.html", page=p, site=book, up="") for n in ("where", "facts")]
        p.body.cells.insert(1, mk_cell(raw("\n".join(facts)), "markdown"))
        p.body.cells.append(mk_cell(raw(render("done.html", page=p, site=book, up="")), "markdown"))
    for name, body in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(body, str):
            path.write_text(for_pandoc(body), encoding="utf-8")
            continue
        for cell in body.cells:
            if cell.cell_type == "markdown":
                cell.source = for_pandoc(cell.source)
        write_nb(body, path)
    for folder in FOLDERS:
        if (book.nbs / folder).is_dir():
            shutil.copytree(book.nbs / folder, target / folder, dirs_exist_ok=True)
    ship(book, target)
    theme = target / "theme"
    for name, dark in (("light", False), ("dark", True)):
        (theme / f"{name}.scss").write_text(scss(dark), encoding="utf-8")
    (theme / "scripts.html").write_text(scripts(theme), encoding="utf-8")
