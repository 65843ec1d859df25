"""The doors of the rooms: what is public says what it takes, gives and refuses; what is private
stays in its room; and a name means one thing in the whole house."""

import ast
import importlib
import inspect
import json
import re
import textwrap
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(p.stem for p in (ROOT / "unet_explorer").glob("[a-z]*.py"))
# a shape in backticks, or where it is said: `weight`, from `measured_field`, the same
SHAPE = re.compile(r"`\(|`\w+`|the same|both|shape|square|one number")


def module_of(room):
    return importlib.import_module(f"unet_explorer.{room}")


def public(room):
    "The functions and classes of a room, by name."
    module = module_of(room)
    found = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return {n: o for n, o in found.items() if inspect.isfunction(o) or inspect.isclass(o)}


def functions(room):
    "Public functions, methods and makers of a room: name, function, and all that is said about it."
    for name, o in public(room).items():
        if inspect.isfunction(o):
            yield name, o, o.__doc__ or ""
            continue
        for key, f in vars(o).items():
            written = inspect.isfunction(f) and f.__module__ == o.__module__
            if written and "<" not in inspect.unwrap(f).__code__.co_filename:
                if key == "__init__" or not key.startswith("_"):
                    yield f"{name}.{key}", f, f"{o.__doc__ or ''} {f.__doc__ or ''}"


def source_of(f):
    return textwrap.dedent(inspect.getsource(inspect.unwrap(f)))


def parts(f):
    "Arguments and return value of a function: name, annotation, and the comment on its line."
    lines = source_of(f).splitlines()
    node = ast.parse(source_of(f)).body[0]
    for arg in ast.walk(node.args):
        if isinstance(arg, ast.arg) and arg.arg not in ("self", "cls"):
            said = lines[arg.end_lineno - 1][arg.end_col_offset :].partition("#")[2]
            yield arg.arg, ast.unparse(arg.annotation or ast.Constant(None)), said
    inside = [n for n in ast.walk(node) if isinstance(n, ast.Return | ast.Yield)]
    if any(n.value is not None for n in inside):
        head = "\n".join(lines[node.lineno - 1 : node.body[0].lineno])
        said = re.findall(r"^.*?\)[^()\n]*:\s*# (.*)$", head, re.M)
        yield "return", ast.unparse(node.returns or ast.Constant(None)), "".join(said[-1:])


def refuses(f):
    return "raise InputError" in source_of(f) or "@checked" in source_of(f)


def listed(offenders):
    assert not offenders, f"{len(offenders)}:\n" + "\n".join(offenders)


@pytest.mark.parametrize("room", ROOMS)
def test_every_door_has_a_sign(room):
    "A docstring for every public name, a word on what it refuses, and a comment for each argument."
    bare = [n for n, o in public(room).items() if not (vars(o).get("__doc__") or o.__doc__)]
    missing = [f"{room}.{name}: no docstring" for name in bare]
    for name, f, said in functions(room):
        # the docstring of a command is its help, read by people who know no exceptions
        if refuses(f) and "InputError" not in said and room != "cli":
            missing.append(f"{room}.{name}: may raise InputError, and does not say so")
        method = "." in name
        for key, kind, comment in parts(f):
            if not comment and not (method and (key == "return" or not name.endswith("__init__"))):
                missing.append(f"{room}.{name}: no comment on {key}")
            if re.search("Tensor|ndarray", kind) and not SHAPE.search(f"{comment} {said}"):
                missing.append(f"{room}.{name}: no shape of {key}")
    listed(missing)


def crossings(tree, here=""):
    "Private names of other rooms that a source uses: by import, as an attribute, or patched."
    rooms = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            rooms |= {
                (a.asname or a.name): a.name for a in node.names if "unet_explorer." in a.name
            }
        if isinstance(node, ast.ImportFrom):
            of = node.module or ""
            inside = of.startswith("unet_explorer") or node.level
            for a in node.names if inside else ():
                if a.name in ROOMS:
                    rooms[a.asname or a.name] = a.name
                if re.match(r"_[a-z]", a.name, re.I) and of.rpartition(".")[2] != here:
                    yield node.lineno, f"{of}.{a.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            if ast.unparse(node.value) in rooms:
                yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            of = ast.unparse(node.args[0]) if node.args else ""
            for word in words:
                if isinstance(word, str) and re.match(r"_[^_]", word) and of in rooms:
                    yield node.lineno, f"{of}.{word}"


def sources():
    "Every Python source: its name, the room it belongs to, and its text."
    for folder in ("unet_explorer", "tests", "bench"):
        for path in sorted((ROOT / folder).glob("*.py")):
            yield f"{folder}/{path.name}", path.stem, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            text = "".join(cell["source"])
            if cell["cell_type"] == "code" and not re.search(r"^\s*[!%]", text, re.M):
                yield f"nbs/{path.name} cell {i}", path.stem[3:], text


def test_no_private_name_crosses_a_room():
    found = [
        f"{name}:{line}: {what}"
        for name, room, text in sources()
        for line, what in crossings(ast.parse(text), room)
    ]
    listed(found)


def test_a_crossing_is_seen():
    "The test above is able to fail."
    text = """
from unet_explorer.data import _secret, load
from unet_explorer import tiles
import unet_explorer.train as t
tiles._plan(3), t._loop, tiles.__doc__, own._thing
monkeypatch.setattr(tiles, "_room", 3)
"""
    seen = {what for _, what in crossings(ast.parse(text))}
    assert seen == {"unet_explorer.data._secret", "tiles._plan", "t._loop", "tiles._room"}


def test_a_name_means_one_thing():
    "No name is defined as public in two rooms."
    rooms = defaultdict(list)
    for room in ROOMS:
        for name in getattr(module_of(room), "__all__", ()):
            rooms[name].append(room)
    listed([f"{name}: {', '.join(where)}" for name, where in rooms.items() if len(where) > 1])
