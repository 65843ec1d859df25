"""Every check rejects the likely mistakes, and says what is wrong.

The mistakes lie in `wrong_answers/`, one file a lesson: each is a function called
`<exercise>_<mistake>`, and `@told(words)` holds a part of what the learner is told. It is written
as in a cell of its lesson and needs no imports. A file may also give a stand-in for what takes a
lesson long to make, such as a trained network.

No lesson is run for that. Its names are made when they are asked for: see `Lesson`."""

import ast
import contextlib
import dis
import importlib.util
import io
import json
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch
from conftest import ROOT

from unet_explorer.exercise import check

PATHS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
# what an array looks like: by name, in rows, its numbers parted by blanks, or simply long
ARRAY = re.compile(r"tensor\(|array\(|\[\s*\[|\[\s*[-+.\d]+\s+[-+.\d]|\[[-+\d.eE,\s]{60,}")
ODD = [None, "a text", 7, [], {}, np.zeros((40, 40)), torch.rand(40, 40), [[0.5] * 40] * 40]


@dataclass
class Exercise:
    "One line of a lesson that marks an answer."

    answer: str  # name of the function that is marked
    checks: str  # name of the function that marks it
    solved: bool  # whether it is the solution
    hint: ast.expr | None


def exercise_in(node):
    "The `Exercise` in a statement `check(answer, checks, ...)`; None in any other."
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "check":
        return None
    given = {k.arg: k.value for k in call.keywords}
    answer, checks, *hint = call.args
    hint = given.get("hint", hint[0] if hint else None)
    return Exercise(answer.id, checks.id, "must_pass" in given, hint)


def stored_by(code):
    "The names to which compiled code gives a value."
    return {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}


def changed_by(node):
    "The names whose value a statement changes: `a[0] = 1`, `a.b = 1`, `a += 1`."
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return set()
    inside = [n for n in ast.walk(node) if isinstance(n, (ast.Subscript, ast.Attribute))]
    targets = [n.value for n in inside if isinstance(n.ctx, ast.Store)]
    targets += [n.target for n in ast.walk(node) if isinstance(n, ast.AugAssign)]
    return {t.id for t in targets if isinstance(t, ast.Name)}


class Lesson(dict):
    """The names of a lesson, made when they are asked for.

    What the module exports comes from there, everything else from the last statement that stores
    it and those that change it, which are run with these names. So a check brings along what it
    needs, and no more."""

    def __init__(self, path):
        self.stem, self.makers, self.functions, self.exercises = path.stem, {}, {}, []
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            code = "".join(cell["source"])
            if cell["cell_type"] == "code" and not re.search(r"#\|\s*(eval:\s*false|export)", code):
                self.read(re.sub(r"(?m)^[!%].*$", "", code))
        self.update(told=self.told, __name__=self.stem, wrong={})
        file = ROOT / "tests/wrong_answers" / f"{self.stem}.py"
        if file.exists():
            exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), self)

    def read(self, cell):
        "Take note of the exercises in a cell, and of the statements that make each name."
        for node in ast.parse(cell).body:
            code, changed = compile(ast.Module([node], []), self.stem, "exec"), changed_by(node)
            self.makers |= {name: [code] for name in stored_by(code) - changed}
            for name in changed:
                self.makers.setdefault(name, []).append(code)
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            if exercise := exercise_in(node):
                self.exercises.append(exercise)

    def told(self, words):
        "The decorator of a wrong answer; `words` are part of what the learner is told."

        def keep(answer):
            self["wrong"][answer] = words
            return answer

        return keep

    @cached_property
    def module(self):
        name = f"unet_explorer.{self.stem[3:]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None

    def __missing__(self, name):
        if not name.startswith("__") and hasattr(self.module, name):
            return getattr(self.module, name)
        codes = self.makers[name]  # a KeyError sends Python on to its builtins
        with contextlib.redirect_stdout(io.StringIO()):
            for code in codes:
                exec(code, self)
        return self[name]

    def asked(self, solved=False):
        "The exercises, or their solutions."
        return [e for e in self.exercises if e.solved == solved]

    def wrong_for(self, exercise):
        "`{wrong answer: words}` of those named after this exercise."
        return {f: words for f, words in self["wrong"].items() if self.owner(f) == exercise.answer}

    def owner(self, answer):
        "The exercise after which a wrong answer is named: the longest that fits."
        names = [e.answer for e in self.asked() if answer.__name__.startswith(f"{e.answer}_")]
        return max(names, key=len, default=None)

    def verdict(self, answer, exercise):
        "What `check` prints about an answer."
        torch.manual_seed(0)
        np.random.seed(0)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            check(answer, self[exercise.checks])
        return said.getvalue().strip()


@pytest.fixture(scope="module", params=PATHS, ids=lambda p: p.stem)
def lesson(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT / "nbs")
        patch.setenv("UNET_EXPLORER_STATIC", "1")
        yield Lesson(request.param)


def test_every_file_belongs_to_a_lesson():
    files = sorted((ROOT / "tests/wrong_answers").glob("*.py"))
    assert {p.stem for p in files} == {p.stem for p in PATHS}
    for file in files:  # a mistake without @told would be asked by nobody
        functions = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef)]
        mistakes = [n for n in functions if n.name[0] != "_"]  # the others help several of them
        bare = [n.name for n in mistakes if not n.decorator_list]
        assert not bare, f"{file.name}: what is the learner told? {bare}"


def test_every_exercise_has_two_wrong_answers(lesson):
    strays = [f.__name__ for f in lesson["wrong"] if lesson.owner(f) is None]
    assert not strays, f"named after no exercise of {lesson.stem}: {strays}"
    unsaid = [f.__name__ for f in lesson["wrong"] if not f.__doc__]
    assert not unsaid, f"what is the mistake? {unsaid}"
    few = [e.answer for e in lesson.asked() if len(lesson.wrong_for(e)) < 2]
    assert not few, f"fewer than two in tests/wrong_answers/{lesson.stem}.py: {few}"


def test_every_exercise_has_a_hint(lesson):
    assert not [e.answer for e in lesson.asked() if e.hint is None]


def test_every_check_says_what_is_wrong(lesson):
    for exercise in lesson.asked():
        inside = ast.walk(lesson.functions[exercise.checks])
        bare = [ast.unparse(n) for n in inside if isinstance(n, ast.Assert) and not n.msg]
        assert not bare, f"{exercise.checks} rejects without a word: {bare}"


def test_solutions_are_correct(lesson):
    for exercise in lesson.asked(solved=True):
        said = lesson.verdict(lesson[exercise.answer], exercise)
        assert said.endswith(": correct"), said


def test_wrong_answers_are_rejected(lesson):
    for exercise in lesson.asked():
        for answer, words in lesson.wrong_for(exercise).items():
            said = lesson.verdict(answer, exercise)
            where = f"{answer.__name__} ({answer.__doc__})"
            assert ": not yet. " in said, f"{where} is accepted"
            assert words in said, f"{where}\n  is told  {said}\n  and not  {words}"
            assert "cannot use" not in said, f"{where} stops the check: {said}"
            assert "stopped with NameError" not in said, (
                f"{where} uses a name that its lesson lacks: {said}"
            )
            assert len(said) < 260 and not ARRAY.search(said), f"{where}: long, or an array: {said}"


def test_no_check_prints_an_array(lesson):
    for exercise in lesson.asked():
        for odd in ODD:
            said = lesson.verdict(lambda *args, **kwargs: odd, exercise)
            assert len(said) < 260 and not ARRAY.search(said), f"{exercise.checks}: {said}"


# The verdict itself ------------------------------------------------------------------------------


def told_of(answer, checks, capsys):
    assert not check(answer, checks, hint="look again")
    return capsys.readouterr().out


def test_a_verdict_holds_no_rows_of_numbers(capsys):
    for numbers in ODD[-3:]:

        def checks(f):
            raise AssertionError(f"the sum is wrong: {numbers}, and not 7")

        said = told_of(lambda: None, checks, capsys)
        assert "the sum is wrong: [...]" in said and "and not 7\n  hint: look again" in said


def test_few_numbers_stay(capsys):
    def checks(f):
        raise AssertionError("(3, 2, 2), and not [1, 2, 3]")

    assert "not yet. (3, 2, 2), and not [1, 2, 3]\n" in told_of(lambda: None, checks, capsys)


def test_a_verdict_is_short(capsys):
    def checks(f):
        raise ValueError("word " * 100 + "\n" + "another line")

    lines = told_of(lambda: None, checks, capsys).splitlines()
    assert len(lines) == 2 and 200 < len(lines[0]) < 300 and lines[0].endswith("word ...")


def test_a_verdict_says_who_stopped(capsys):
    def checks(f):
        if f(2) + 1 != 3:  # an assert in here would be told in pytest's words
            raise AssertionError("two and one are three")

    assert "not yet. It stopped with ZeroDiv" in told_of(lambda n: n / 0, checks, capsys)
    assert "not yet. The check cannot use what it returned" in told_of(
        lambda n: str(n), checks, capsys
    )
    assert "not yet. The check cannot use what" in told_of(lambda n: None, checks, capsys)
    assert "not yet. two and one are three\n" in told_of(lambda n: n + 1, checks, capsys)
