"""What a lesson teaches and needs: words of the glossary, taught before, and said in its text."""

import re
from html import unescape

import docs_concepts
import pytest
import test_docs
from conftest import ROOT

tiny = test_docs.tiny  # a fixture


def prose(page):
    "What a lesson says, without recall questions and references."
    text = "\n".join(c.source for c in page.cells("markdown"))
    return (
        page.title
        + page.description
        + re.split(r"(?m)^## (?:Recall questions|References)", text)[0]
    )


def spoken_of(concept, text):
    "Whether one of its words, in any form, is in `text`: `splitting` speaks of Split."
    words = [word for word in re.findall(r"[A-Z]*[a-z]+|[A-Z]+", concept) if len(word) > 2]
    return any(re.search(rf"(?i){word[:5]}", text) for word in words or [concept])


def test_a_lesson_speaks_of_what_it_teaches_and_needs(site):
    silent = []
    for page in site.book.lessons:
        text = prose(page)
        named = [*page.teaches, *(c for concepts in page.asks.values() for c in concepts)]
        silent += [(page.stem, concept) for concept in named if not spoken_of(concept, text)]
    assert not silent


def test_every_lesson_has_a_line(site):
    listed = set(docs_concepts.read(ROOT / "nbs"))
    assert listed == {page.stem for page in site.book.lessons}


def test_a_page_says_what_it_needs_and_teaches(site):
    for page in site.book.lessons:
        text = (site.out / page.out).read_text(encoding="utf-8")
        needs = unescape(re.search(r"<p>You need (.*?)</p>", text)[1])
        for teacher, concepts in page.asks.items():
            assert teacher.out in needs and all(f">{c}<" in needs for c in concepts)
        assert page.asks or "nothing from other lessons" in needs
        assert all(f">{c}<" in text for c in page.teaches)


def test_the_drawing_shows_every_lesson_that_builds_on_others(site):
    text = (site.out / "path.html").read_text(encoding="utf-8")
    drawn = re.findall(r'<a href="(\w+\.html)" id="at\d+"', text)
    linked = {q.out for p in site.book.lessons for q in (p, *p.asks) if p.asks}
    assert set(drawn) == linked and len(drawn) == len(set(drawn)) > 30


SIDE = "website: {sidebar: {contents: [index.ipynb, 00_tiny.ipynb, 01_next.ipynb]}}"
GLOSSARY = "---\ntitle: Glossary\n---\n\n## Mask\nA mask.\n\n## Dice\nA score.\n"


@pytest.mark.parametrize(
    ("concepts", "told"),
    [
        ("00_tiny: {teaches: [Dyce]}", "00_tiny teaches Dyce, which is not in glossary.qmd"),
        (
            "00_tiny: {teaches: [Dice]}\n01_next: {teaches: [Dice]}",
            "01_next teaches Dice, which is taught twice",
        ),
        (
            "00_tiny: {needs: [Mask]}\n01_next: {teaches: [Mask]}",
            "00_tiny needs Mask, which no lesson before it teaches",
        ),
        ("01_next: {needs: [Mask]}", "01_next needs Mask, which no lesson before it teaches"),
    ],
)
def test_what_does_not_fit_is_refused(tiny, concepts, told):
    lesson = test_docs.TINY["00_tiny.ipynb"]
    files = {"sidebar.yml": SIDE, "concepts.yml": concepts, "glossary.qmd": GLOSSARY}
    with pytest.raises(SystemExit, match=f"concepts.yml: {told}"):
        tiny({**test_docs.TINY, **files, "01_next.ipynb": lesson})
