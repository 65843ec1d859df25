"""Recall questions: written once, as text, in nbs/recall/, under the name of their lesson.

    recall.py           copies them, folded, into the last cell of each lesson
    recall.py --check   exits 1 if such a cell is stale

A file holds a line `## Question?` for each question, and the answer below it, as markdown without
links and formulas. docs_source.py shows them on the pages, docs_assets.py lists them for Anki."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from docs_md import Markdown, slug, text_of
from nb_text import dump

ROOT = Path(__file__).resolve().parent.parent
FOLDER, CELL = "recall", "recall"  # in nbs/; the id of the last cell of a lesson
HEADING = "Recall questions"
ABOUT = "Answer each aloud, from memory. Then unfold it."
QUESTION = re.compile(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)")


@dataclass
class Card:
    "One question. An answer may be reworded; another question is another card."

    key: str  # lesson/the-question, under which a browser and Anki remember it
    question: str  # HTML
    answer: str  # HTML
    text: str  # the answer as markdown


def name_of(lesson):
    "`20_unet.md` of a lesson's path or file name."
    return f"{Path(lesson).stem}.md"


def cards(nbs, lesson):
    "The Cards of a lesson, in order; none if it has no file."
    path = Path(nbs) / FOLDER / name_of(lesson)
    if not path.exists():
        return []
    found, text = QUESTION.findall(path.read_text(encoding="utf-8")), Markdown()
    start = re.sub(r"^\d+_", "", path.stem)
    made = []
    for question, answer in found:
        asked = re.sub(r"^<p>|</p>\s*$", "", text(question.strip()))
        key = f"{start}/{slug(text_of(asked))}"
        made.append(Card(key, asked, text(answer.strip()).strip(), answer.strip()))
    return made


def cell(found):
    "The last cell of a lesson: a heading, and the questions with folded answers."
    folded = [
        f"<details>\n<summary>{c.question}</summary>\n\n{c.text}\n\n</details>" for c in found
    ]
    source = "\n\n".join([f"## {HEADING}", ABOUT, *folded])
    return dict(cell_type="markdown", id=CELL, metadata={}, source=source.splitlines(keepends=True))


def with_questions(path):
    "The notebook at `path` with its questions as they are now, as text."
    nb = json.loads(path.read_text(encoding="utf-8"))
    nb["cells"] = [c for c in nb["cells"] if c["id"] != CELL]
    found = cards(path.parent, path)
    nb["cells"] += [cell(found)] if found else []
    return dump(nb)


def anki(lessons):
    """The questions of `{title: Cards}` as text that Anki imports (File, Import): one line a card.
    The first column tells Anki which card it has already, so importing again changes answers only.
    https://docs.ankiweb.net/importing/text-files.html"""
    head = ["separator:tab", "html:true", "notetype:Basic", "deck:unet-explorer", "guid column:1"]
    head += ["tags column:4", "columns:guid\tFront\tBack\tTags"]
    rows = [f"#{line}" for line in head]
    for title, found in lessons.items():
        for c in found:
            front = f"{c.question}<br><small>{title}</small>"
            parts = [c.key, front, c.answer, c.key.partition("/")[0]]
            rows.append("\t".join(" ".join(part.split()) for part in parts))
    return "\n".join(rows) + "\n"


def main(argv):
    stale = []
    for path in sorted((ROOT / "nbs").glob("[0-9]*.ipynb")):
        text = with_questions(path)
        if text != path.read_text(encoding="utf-8"):
            stale.append(path.name)
            if argv != ["--check"]:
                path.write_text(text, encoding="utf-8")
    if argv == ["--check"] and stale:
        sys.exit(f"not the questions of nbs/{FOLDER}/: {', '.join(stale)}; run tools/recall.py")
    print(f"questions written into {len(stale)} notebooks")


if __name__ == "__main__":
    main(sys.argv[1:])
