"""What a reader answers: guesses before a result, and recall questions that come again after days,
on a page, with no kernel and no script where that is possible."""

import csv
import json
import random
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import docs_source
import pytest
import recall
import test_browser
import test_docs
from conftest import ROOT, required
from docs_md import text_of
from readme import directives

from unet_explorer.exercise import Guess

browser = test_browser.chromium  # fixtures
web, page = test_docs.web, test_docs.page
LESSONS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
FILES = sorted((ROOT / "nbs" / recall.FOLDER).glob("*.md"))
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PILOT = "unet"  # the lesson whose page is tried
FIRST = "[data-of=exercise]"  # the questions of the first lesson, on the page of all


# Questions, as written ----------------------------------------------------------------------------


def test_every_file_is_in_its_lesson():
    run = [sys.executable, ROOT / "tools/recall.py", "--check"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lessons = {recall.name_of(path) for path in LESSONS}
    assert {path.name for path in FILES} <= lessons, "a file has the name of its lesson"


def test_a_stale_cell_is_seen(tmp_path):
    "A reworded answer is missing in the notebook, until it is written anew."
    (tmp_path / recall.FOLDER).mkdir()
    file, lesson = tmp_path / recall.FOLDER / "20_unet.md", tmp_path / "20_unet.ipynb"
    file.write_text("## Why `so`?\n\nSince *so*.\n", encoding="utf-8")
    lesson.write_text((ROOT / "nbs/20_unet.ipynb").read_text(encoding="utf-8"), encoding="utf-8")
    once = recall.with_questions(lesson)
    assert once != lesson.read_text(encoding="utf-8")
    lesson.write_text(once, encoding="utf-8")
    assert recall.with_questions(lesson) == once
    cell = json.loads(once)["cells"][-1]
    said = "<summary>Why <code>so</code>?</summary>\n\nSince *so*.\n"
    assert cell["id"] == recall.CELL and said in "".join(cell["source"])
    file.unlink()
    assert json.loads(recall.with_questions(lesson))["cells"] == json.loads(once)["cells"][:-1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_questions_can_be_answered(path):
    "Five to eight, each asks, each answer is short; only what Anki and a folded cell can show."
    cards = recall.cards(ROOT / "nbs", path)
    text = path.read_text(encoding="utf-8")
    assert 5 <= len(cards) <= 8 and len(cards) == len(re.findall("(?m)^#", text))
    assert not re.search(r"\]\(|\$|\t|<", text), "no links, formulas or tags"
    for card in cards:
        assert card.question.endswith("?"), card.question
        assert 1 <= len(card.text.split()) <= 60, f"{card.question} {card.text}"


def test_no_two_questions_have_one_name():
    keys = [card.key for path in FILES for card in recall.cards(ROOT / "nbs", path)]
    assert len(keys) == len(set(keys)) > 40


def test_anki(site):
    "One row a card, as Anki reads it: https://docs.ankiweb.net/importing/text-files.html"
    lines = (site.out / "anki.txt").read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert head == lines[: len(head)] and "#guid column:1" in head and "#separator:tab" in head
    rows = list(csv.reader(lines[len(head) :], delimiter="\t"))
    cards = {c.key: c for p in site.book.lessons for c in p.cards}
    assert [row[0] for row in rows] == list(cards) and {len(row) for row in rows} == {4}
    for key, front, back, tag in rows:
        assert front.startswith(" ".join(cards[key].question.split()))
        assert text_of(back) == text_of(cards[key].answer) and key.startswith(f"{tag}/")


# Guesses, as written ------------------------------------------------------------------------------


def guesses(path):
    "The cells of a lesson that ask for a guess."
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        flags, code = directives("".join(cell["source"]))
        if cell["cell_type"] == "code" and code.startswith("Guess("):
            yield flags, code, cell


@pytest.mark.parametrize("path", [p for p in LESSONS if any(guesses(p))], ids=lambda p: p.stem)
def test_a_guess_does_not_tell(path):
    "Its cell is folded in JupyterLab and not on the page; one choice is right, each has a reason."
    for flags, code, cell in guesses(path):
        guess = eval(code, {"Guess": Guess})
        assert flags.get("echo") == "false" and cell["metadata"]["jupyter"]["source_hidden"]
        assert "".join(cell["outputs"][0]["data"]["text/html"]) == guess._repr_html_()
        assert 2 <= len(guess.choices) <= 3 and all(guess.choices.values())
        assert not any(reason in repr(guess) for reason in guess.choices.values())


def test_a_guess_stands_open(site):
    "No rule that folds long cells hides it, nor leaves an empty fold above it."
    for page in site.book.lessons:
        text = (site.out / page.out).read_text(encoding="utf-8")
        seen = re.sub(r"(?s)<details><summary>.*?</details>", "", text)
        asked = len(list(guesses(ROOT / "nbs" / page.src)))
        assert seen.count('<div class="uxp-guess">') == asked, page.src
        assert "</summary></details>" not in re.sub(r"\s*<div[^>]*>\s*</div>\s*", "", text)


@pytest.mark.parametrize("choices", [{}, {"a": "since"}, {"a": "since", "b": "not"}])
def test_a_guess_without_a_right_answer_is_refused(choices):
    with pytest.raises(ValueError, match="^Guess: the choices are .* among them$"):
        Guess("Which?", choices, right="a" if len(choices) < 2 else "A")


def test_the_lessons_of_the_architecture_ask():
    for room in ("layers", "unet", "upsample", "scaling", "efficientnet"):
        (path,) = [p for p in LESSONS if p.stem[3:] == room]
        assert list(guesses(path)) and recall.cards(ROOT / "nbs", path), path.name


# The days, by FSRS --------------------------------------------------------------------------------


def test_days_are_those_of_fsrs(browser):
    "Random histories of 12 answers: stability, difficulty and days as the package `fsrs` has them."
    try:
        from fsrs import Card, Rating, Scheduler
    except ImportError:
        required("BROWSER")("no fsrs (pip install fsrs)")
    plain = Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    draw, script = random.Random(0), (docs_source.THEME / "fsrs.js").read_text(encoding="utf-8")
    histories = [
        [(draw.choice([1, 2, 3, 3, 3, 4]), draw.randint(1, 60)) for _ in range(12)]
        for _ in range(40)
    ]
    page = browser.new_page()
    page.evaluate(script)
    ours = page.evaluate(
        """histories => histories.map(history => {
        let memory = null;
        return history.map(([grade, days]) => {
            memory = UX_FSRS.next(memory, grade, days);
            return [memory.s, memory.d, UX_FSRS.interval(memory)];
        });
    })""",
        histories,
    )
    page.close()
    seen = set()
    for history, made in zip(histories, ours, strict=True):
        card, now = Card(), NOON
        for (grade, days), (s, d, interval) in zip(history, made, strict=True):
            now += timedelta(days=days)
            card, _ = plain.review_card(card, Rating(grade), now)
            assert [s, d] == pytest.approx([card.stability, card.difficulty], rel=1e-9)
            assert interval == (card.due - now).days
            seen.add(interval)
    assert min(seen) == 1 and max(seen) > 365, "short and long ones"


# On the pages -------------------------------------------------------------------------------------


def days_later(page, days):
    page.clock.set_fixed_time(NOON + timedelta(days=days))


def answer(page, card, word):
    if not card.get_attribute("open") and not card.evaluate("e => e.open"):
        card.locator("summary").click()
    card.get_by_role("button", name=word).click()


def test_answers_are_kept_and_come_again(web, page):
    days_later(page, 0)
    page.goto(f"{web}/{PILOT}.html")
    cards = page.locator(".cards .card")
    answer(page, cards.nth(0), "Good")
    answer(page, cards.nth(1), "Easy")
    assert "asked again on 3 March" in cards.nth(0).locator(".when").inner_text()
    answer(page, cards.nth(0), "Forgot")
    assert "asked again on 2 March" in cards.nth(0).locator(".when").inner_text(), (
        "a second answer on the same day replaces the first"
    )
    pressed = cards.nth(0).locator("[aria-pressed=true]")
    assert pressed.count() == 1 and pressed.inner_text().startswith("Forgot")

    due, said = page.locator("#ui-due .card"), page.locator("#ui-recall p")
    page.goto(f"{web}/recall.html")
    assert due.count() == 0 and "The next is due on 2 March" in said.inner_text()
    days_later(page, 1)
    page.reload()
    assert due.count() == 1 and "1 question to answer today" in said.inner_text()
    answer(page, due.nth(0), "Good")
    assert due.nth(0).get_by_role("link").get_attribute("href") == f"{PILOT}.html"
    assert "Nothing more is due today" in said.inner_text()
    days_later(page, 40)
    page.reload()
    assert due.count() == 2, "the easy one, too"
    page.get_by_role("button", name="Forget my answers").click()
    assert due.count() == 0 and "no question yet" in said.inner_text()
    assert not test_docs.strangers(page, web) and not page.errors


def test_a_finished_lesson_is_asked(site, web, page):
    "Its questions appear, no more than twenty a day, and those of several lessons mixed."
    days_later(page, 0)
    with_cards = [p for p in site.book.lessons if p.cards][:4]
    page.goto(f"{web}/{with_cards[0].out}")
    page.check(".done input")
    page.goto(f"{web}/recall.html")
    keys = "cards => cards.map(c => c.dataset.card)"
    due = page.locator("#ui-due .card")
    assert set(due.evaluate_all(keys)) == {c.key for c in with_cards[0].cards}
    done = json.dumps([p.key for p in with_cards])
    page.evaluate("done => localStorage.setItem('unet-explorer:done', done)", done)
    page.reload()
    from_ = [key.partition("/")[0] for key in due.evaluate_all(keys)]
    assert len(from_) == 20 and len(set(from_)) > 2
    changes = sum(a != b for a, b in zip(from_, from_[1:]))
    assert changes > 8, "mixed, not lesson by lesson"
    assert "20 questions to answer today, and" in page.inner_text("#ui-recall")


def test_questions_by_keyboard(web, page):
    days_later(page, 0)
    page.goto(f"{web}/{PILOT}.html")
    page.locator(".card summary").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".card .grades")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator(".card [aria-pressed=true]").inner_text().startswith("Good")


def test_without_a_script_or_a_store(browser, web):
    "Guesses, questions and answers are there, and open, whatever the browser allows."
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{web}/{PILOT}.html")
    for folded in (".uxp-guess details", ".card"):
        first = page.locator(folded).first
        inside = first.locator("p").first
        assert not inside.is_visible()
        first.locator("summary").click()
        assert inside.is_visible()
    context.close()
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    page.goto(f"{web}/{PILOT}.html")
    page.locator(".card summary").first.click()
    assert page.locator(".card p").first.is_visible() and not errors
    assert page.locator(".grades").count() == 0, "no buttons that do nothing"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_and_narrow(web, page, scheme):
    "With some answered, in both colours; and no sideways scrolling on a telephone."
    days_later(page, 0)
    page.emulate_media(color_scheme=scheme)
    parts = {f"{PILOT}.html": [".uxp-guess", ".cards"], "recall.html": ["#ui-recall", FIRST]}
    for name, within in parts.items():
        page.goto(f"{web}/{name}")
        cards = page.locator(".cards:not(#ui-due) .card")
        answer(page, cards.nth(0), "Hard")
        for guess in page.locator(".uxp-guess summary").all():
            guess.click()
        assert not [found for part in within for found in test_docs.findings(page, part)]
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.set_viewport_size({"width": 1440, "height": 1000})


def test_the_search_does_not_lead_to_questions(site):
    index = (site.out / "search.js").read_text(encoding="utf-8")
    assert recall.HEADING not in index
    card = next(c for p in site.book.lessons if p.key == PILOT for c in p.cards)
    assert card.text.split(".")[0] not in index
    words = (site.out / f"{PILOT}.md").read_text(encoding="utf-8")
    assert recall.HEADING not in words and "<section" not in words
