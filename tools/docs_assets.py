"""What pages need beside their text, for both builders: the theme, its colours, the card, the
gallery's pictures, the questions for Anki, the models that run in a page."""

import re
import shutil

import docs_models
import recall
from docs_source import THEME

WORDS = [
    "Learn U-Net, EfficientNet and",
    "PixelShuffle step by step.",
    "Segment your own micrographs",
    "and pictures of chips.",
]


def palette(css=None):
    "`{name: (light, dark)}`: the colours of text.css as hex numbers."
    css = css or (THEME / "text.css").read_text(encoding="utf-8")
    return {n: (a, b) for n, a, b in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", css)}


def card(book, target):
    "The picture that others show beside a link to the site: 1200 x 630."
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#0b3a5c")
    result = book.nbs / "images/result.png"
    if result.exists():
        picture = plt.imread(result)
        ax = fig.add_axes([0.49, 0.1, 0.47, 0.8])
        ax.imshow(picture)
        ax.axis("off")
    fig.text(0.05, 0.74, book.title, color="white", fontsize=46, weight="bold", va="center")
    for i, line in enumerate(WORDS):
        fig.text(0.05, 0.59 - i * 0.075, line, color="#d7e6f2", fontsize=21, va="center")
    facts = f"{len(book.lessons)} lessons · one library · no GPU needed"
    fig.text(0.05, 0.14, facts, color="#f0b35c", fontsize=17, va="center")
    fig.savefig(target, metadata={"Software": None}, facecolor=fig.get_facecolor())
    plt.close(fig)


def ship(book, target):
    "All of these into `target`."
    shutil.copytree(
        THEME, target / "theme", ignore=shutil.ignore_patterns("*.j2"), dirs_exist_ok=True
    )
    card(book, target / "card.png")
    book.gallery.write(target)
    asked = recall.anki({p.title: p.cards for p in book.lessons})
    (target / "anki.txt").write_text(asked, encoding="utf-8")
    shutil.copyfile(THEME / "sw.js", target / "sw.js")  # it works on the folder that it lies in
    for file in (book.nbs.parent / book.lib).glob("paint.*s*"):  # .js and .css: also JupyterLab's
        shutil.copyfile(file, target / "theme" / file.name)
    docs_models.ship(book.nbs, target)
