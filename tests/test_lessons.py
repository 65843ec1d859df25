"""What each lesson asks of its reader, counted: the table in CONTRIBUTING.md."""

import docs_source
import lessons
import pytest
import test_docs

tiny = test_docs.tiny  # a fixture
DRAWN = dict(output_type="display_data", metadata={}, data={"image/png": "", "text/plain": "f"})
LESSON = """# Tiny
> Not counted.

Four words of prose.

```python
x = 1

y = 2  # the first line that stands open is above
```

```python
#| code-fold: true
hidden = 3
```

Two more: ![not these](images/picture.png) after it.

```python
Guess("Is it?", {"yes": "it is", "no": "not"}, right="yes")
```

```python
def half(n):
    raise NotImplementedError


check(half, check_half)
```

```python hide
#| code-fold: true
check(half_solution, check_half, must_pass=True)
```

**2. Train it.** This asks to train.

```python
def third(n):
    return n // gap("by how many")


check(third, check_third)
```
"""


def test_the_table_is_fresh():
    text = lessons.TARGET.read_text(encoding="utf-8")
    fresh = lessons.filled(text, lessons.table(docs_source.Book(lessons.ROOT)))
    assert fresh == text, "run python tools/lessons.py --write"


def test_a_lesson_is_counted(tiny, tmp_path, monkeypatch):
    page = tiny({**test_docs.TINY, "00_tiny.ipynb": LESSON, "sidebar.yml": SIDE}).book.lessons[0]
    (tmp_path / "00_tiny.py").write_text("def half_rounded_down(n):\n    return n // 2\n")
    monkeypatch.setattr(lessons, "WRONG", tmp_path)
    row = lessons.count(page)
    assert (row.words, row.code) == (6, 2)
    assert (row.figures, row.sliders, row.guesses, row.recall) == (1, 0, 1, 0)
    assert (row.exercises, row.rejecting) == (2, 1)
    assert (row.faded, row.training) == (1, 1)
    monkeypatch.setattr(lessons, "WRONG", tmp_path / "absent")
    assert lessons.count(page).rejecting == 0


SIDE = "website: {sidebar: {contents: [index.ipynb, 00_tiny.ipynb, 01_next.ipynb]}}"


@pytest.mark.parametrize("folded", [False, True])
def test_a_drawn_figure_ends_the_count(tiny, folded):
    "The code that draws counts if it stands open; what comes after does not."
    head = "#| code-fold: true\n" if folded else ""
    text = f"# Tiny\n> W.\n\nOne two.\n\n```python\n{head}draw()\n```\n\nThree.\n"
    made = tiny({**test_docs.TINY, "00_tiny.ipynb": text, "sidebar.yml": SIDE}, [DRAWN])
    row = lessons.count(made.book.lessons[0])
    assert (row.words, row.code, row.figures) == (2, 0 if folded else 1, 1)
