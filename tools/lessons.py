"""What each lesson asks of its reader, counted: a table in CONTRIBUTING.md, from the notebooks.

lessons.py          print it
lessons.py --write  write it into CONTRIBUTING.md
lessons.py --check  exits 1 if the table there is stale"""

import re
import sys
from dataclasses import astuple, dataclass
from pathlib import Path

from docs_source import Book, code_lines, lines_of, seen
from readme import directives

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "CONTRIBUTING.md"
WRONG = ROOT / "tests/wrong_answers"  # NN_name.py: functions `exercise_mistake`, see its test
BEGIN, END = "<!-- made by `python tools/lessons.py --write` -->\n", "<!-- end -->"
HEADS = ("lesson", "words", "code", "minutes", "figures", "sliders", "guesses", "recall")
HEADS += ("exercises", "of them rejecting", "with a gap", "training")
NEAR, LONG = 250, 30  # words before the first figure, minutes to read: what we aim for


@dataclass
class Row:
    "One lesson; the first two numbers are counted up to its first figure."

    lesson: str
    words: int
    code: int
    minutes: int
    figures: int
    sliders: int
    guesses: int
    recall: int
    exercises: int
    rejecting: int
    faded: int
    training: int


def prose(text):
    "The words of some markdown, without blocks of code and without pictures."
    return re.sub(r"(?s)```.*?```|!\[[^]]*\]\([^)]*\)", " ", text).split()


def sliders(cell):
    "How many baked widgets a cell shows."
    return sum("uxp-poster" in text for text in markups(cell))


def markups(cell):
    "What a cell has saved that is neither plain text nor a picture."
    for output in cell.get("outputs", ()):
        yield lines_of(output.get("data", {}).get("text/markdown"))


def figures(cell):
    "How many pictures a cell shows, sliders not among them."
    if cell.cell_type == "markdown":
        return len(re.findall(r"!\[[^]]*\]\(", cell.source))
    kinds = [set(output.get("data", {})) for output in cell.get("outputs", ())]
    drawn = sum(bool(k & {"image/png", "image/jpeg", "image/svg+xml"}) for k in kinds)
    return drawn + sum("<svg" in text and "uxp-poster" not in text for text in markups(cell))


def is_guess(cell):
    return cell.cell_type == "code" and directives(cell.source)[1].startswith("Guess(")


def until_figure(cells):
    "`(words, lines of code that stand open)` before the first figure or slider of a lesson."
    words = code = 0
    for cell in cells:
        if cell.cell_type == "markdown":
            words += len(prose(re.split(r"!\[[^]]*\]\(", cell.source)[0]))
        elif cell.cell_type == "code" and seen(cell.source):
            code += len(code_lines(directives(cell.source)[1]))
        if figures(cell) or sliders(cell):
            break
    return words, code


def rejecting(lesson, cells):
    "How many exercises have wrong answers of which a test proves that they are rejected."
    path = WRONG / f"{Path(lesson).stem}.py"
    given = re.findall(r"(?m)^def (\w+)", path.read_text("utf-8")) if path.exists() else []
    asked = re.findall(r"(?m)^check\(\s*(\w+),", "\n".join(cells))
    names = {name for name in asked if not name.endswith("_solution")}
    return sum(any(wrong.startswith(f"{name}_") for wrong in given) for name in names)


def faded(cells):
    "How many exercises are an example that is worked out but for a gap."
    return sum("\ncheck(" in cell and "gap(" in cell for cell in cells)


def training(page):
    "How many exercises ask the reader to train something: their titles say so."
    return sum(len(re.findall(r"(?m)^\*\*\d+\. Train", c.source)) for c in page.cells("markdown"))


def count(page):
    "The Row of a lesson, a Page of docs_source."
    cells = page.body.cells
    code = [c.source for c in page.cells("code")]
    return Row(
        Path(page.src).stem,
        *until_figure(cells),
        page.minutes,
        sum(map(figures, cells)),
        sum(map(sliders, cells)),
        sum(map(is_guess, cells)),
        len(page.cards),
        page.exercises,
        rejecting(page.src, code),
        faded(code),
        training(page),
    )


def table(book):
    "The table as markdown, and a line on how many lessons are as we want them."
    rows = [count(page) for page in book.lessons]
    lines = ["| " + " | ".join(HEADS) + " |", "|---" + "|---:" * (len(HEADS) - 1) + "|"]
    for row in rows:
        name, *numbers = astuple(row)
        lines.append("| " + " | ".join([f"`{name}`", *map(str, numbers)]) + " |")
    near = sum(row.words <= NEAR and row.figures + row.sliders > 0 for row in rows)
    short = sum(row.minutes <= LONG for row in rows)
    asked = sum(row.guesses > 0 for row in rows)
    kept = sum(row.recall > 0 for row in rows)
    done = sum(row.rejecting == row.exercises > 0 for row in rows)
    gaps = sum(row.faded > 0 for row in rows)
    trains = sum(row.training > 0 for row in rows)
    said = (
        f"Of {len(rows)} lessons {near} have a figure within {NEAR} words, {short} take at most "
        f"{LONG} minutes to read, {asked} ask for a guess, {kept} have recall questions, and in "
        f"{done} every exercise has wrong answers that are proved to be rejected, {gaps} have an "
        f"example with a gap, {trains} ask to train."
    )
    return "\n".join([said, "", *lines]) + "\n"


def filled(text, made):
    "`text` of CONTRIBUTING.md with the table `made`."
    start, rest = text.split(BEGIN)
    return start + BEGIN + made + END + rest.split(END, 1)[1]


def main(argv):
    made, text = table(Book(ROOT)), TARGET.read_text(encoding="utf-8")
    if argv == ["--check"] and filled(text, made) != text:
        sys.exit(f"the lessons' table in {TARGET.name} is stale: run tools/lessons.py --write")
    if argv == ["--write"]:
        TARGET.write_text(filled(text, made), encoding="utf-8")
    if not argv:
        print(made, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
