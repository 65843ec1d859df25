"""Letters and signs: there and back, letters as channels, parts of a text that share nothing."""

import re

import numpy as np
import pytest
import torch

from unet_explorer.contracts import InputError
from unet_explorer.text import (
    ALPHABET,
    SIGNS,
    letter_maps,
    lexicon,
    prose,
    put_signs,
    python_prose,
    strip_signs,
)


@pytest.mark.parametrize(
    ("words", "back"),
    [
        ("Ah, yes. No.", "ah, yes. no."),
        ("a (b, c), d", "a b, c, d."),
        ("Why? Since 3.11!", "why. since 3 11."),
        ("well-known; don't", "well-known: dont."),
        ("Öl, née", "ol, nee."),
        ("“So,” he said.", "so, he said."),
    ],
)
def test_signs_come_back_as_they_were(words, back):
    letters, classes = strip_signs(words + ("" if words.endswith((".", "!")) else "."))
    assert put_signs(letters, classes) == back
    assert len(letters) == len(classes) and set(letters) <= set(ALPHABET)


@pytest.mark.parametrize(
    ("words", "back"),
    [
        ("Straße, GROẞ", "strasse, gross"),
        ("a ß", "a"),  # alone it is a sign, as in Python's own help
        ("№5 costs 5℃™", "no5 costs 5 ctm"),
        ("non‑breaking, non‐breaking", "non-breaking, non-breaking"),
        ("it´s, it`s, it’s", "its, its, its"),
        ("Łódź æther", "odz ther"),
    ],
)
def test_signs_that_are_written_in_more_than_one_way(words, back):
    assert put_signs(*strip_signs(words)) == back


def test_what_has_no_letters_stays_empty():
    letters, classes = strip_signs("你好。")
    assert letters == put_signs(letters, classes) == put_signs("", []) == ""


@pytest.mark.parametrize(
    "classes",
    [
        [[1], [0, 2]],  # ragged
        torch.zeros(2, requires_grad=True),
        torch.zeros(2, 6).argmax(0),  # of the wrong axis: six
        [0.0, 1.0],
        [0],
        [0, 6],
        [0, -1],
        [[0, 1]],
        None,
    ],
)
def test_put_signs_says_what_it_takes(classes):
    with pytest.raises(InputError, match=r"classes=.*for 2 letters.*\.argmax\(0\)$"):
        put_signs("ab", classes)


@pytest.mark.parametrize("letters", ["a b", "Ab", "a.", "é", "No where!"])
def test_letters_are_the_same_in_each_room(letters):
    for name, ask in (
        ("put_signs", lambda: put_signs(letters, [0] * len(letters))),
        ("letter_maps", lambda: letter_maps(letters)),
        ("lexicon", lambda: lexicon(letters, {"no": 1})),
    ):
        with pytest.raises(InputError, match=f"^{name}: letters=.*strip_signs"):
            ask()
    for ask in (lambda: letter_maps(""), lambda: lexicon("", {"no": 1})):
        with pytest.raises(InputError, match="no letters"):
            ask()


@pytest.mark.parametrize("n", [-1, -0.5, float("inf"), float("nan"), "many", None, 1j, [1]])
def test_each_count_is_a_number_from_0_up(n):
    with pytest.raises(InputError, match="^lexicon: the count of 'no' is .*; each must be a"):
        lexicon("nowhere", {"now": 5, "no": n})


def test_lexicon_refuses_what_is_no_word_and_what_fits_no_memory():
    with pytest.raises(InputError, match="^lexicon: 7 is counted"):
        lexicon("nowhere", {"no": 1, 7: 1})
    for counts in ({}, {"no": 0}):
        with pytest.raises(InputError, match="above 0"):
            lexicon("nowhere", counts)
    for longest in (0, 10**10):
        with pytest.raises(InputError, match="longest=.*from 1 to 100"):
            lexicon("nowhere", {"no": 1}, longest=longest)
    x = lexicon("nowhere", {"No": 9, "no": 9, "n o": 9})  # others are never found
    assert x.shape == (14, 7) and x.nonzero().tolist() == [[1, 1]]


def test_a_text_without_signs_stays_as_it_is():
    rng = np.random.default_rng(0)
    for _ in range(50):
        letters = "".join(rng.choice(list(ALPHABET), 30))
        classes = rng.integers(0, len(SIGNS), 30)
        classes[-1] = 3
        again = strip_signs(put_signs(letters, classes))
        assert again[0] == letters and np.array_equal(again[1], classes)


def test_each_letter_has_a_channel_of_its_own():
    x = letter_maps(ALPHABET)
    assert torch.equal(x, torch.eye(len(ALPHABET)))
    with pytest.raises(InputError, match="strip_signs"):
        letter_maps("a b")


def test_the_lexicon_looks_back_from_each_letter():
    x = lexicon("nowhere", dict(no=9, now=99, here=9, where=999), longest=5)
    assert x.shape == (5, 7) and x.dtype == torch.float32
    found = {(k + 1, i) for k, i in x.nonzero().tolist()}
    assert found == {(2, 1), (3, 2), (4, 6), (5, 6)}  # no, now, here, where, at their last letters
    assert x[4, 6] == 1 and 0 < x[3, 6] < x[2, 2] < 1
    assert torch.allclose(x[1, 1], torch.tensor(1 / 3))  # log10(10) / log10(1000)


def test_prose_is_what_is_said_in_sentences():
    page = (
        "A heading\n*********\n\nThis is a sentence that is long, with a built-\nin word.\n\n"
        "   a ::= b c d e f g.\n\n>>> print('one two three four five six.')\n\nToo short.\n"
    )
    assert prose(page) == ["This is a sentence that is long, with a built-in word."]


def test_no_part_knows_a_later_one():
    parts = python_prose(1)

    def runs(lines):
        words = [re.findall("[a-z0-9]+", line.lower()) for line in lines]
        return {tuple(w[i : i + 8]) for w in words for i in range(len(w) - 7)}

    held = {name: runs(lines) for name, lines in parts.items()}
    assert all(len(h) > 1000 for h in held.values())
    for name in ("train", "more"):
        assert not held[name] & (held["valid"] | held["test"])
    assert not held["valid"] & held["test"]
    assert python_prose(1) == parts
