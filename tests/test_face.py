"The face: `import unet_explorer as ux` is instant, offers what the README uses, and says so."

import ast
import inspect
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import unet_explorer as ux

STUB = ast.parse((ROOT / "unet_explorer/__init__.pyi").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = {a.name: n.module for n in STUB.body if isinstance(n, ast.ImportFrom) for a in n.names}


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, unet_explorer as ux\n"
        "dir(ux)\n"
        "heavy = {'torch', 'numpy', 'fastai', 'matplotlib', 'PIL', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from unet_explorer import InputError\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_ten_lines_of_the_readme_warn_of_nothing():
    "What other libraries intend to change is not a reader's business."
    code = re.findall(r"```python\n(import unet_explorer as ux.*?)```", README, re.S)[0]
    short = re.sub(r"steps=\d+", "steps=2", re.sub(r"size=\d+", "size=64", code))
    assert short != code
    env = dict(os.environ, MPLBACKEND="agg", OMP_NUM_THREADS="1")
    loud = [sys.executable, "-W", "error::FutureWarning", "-W", "default::UserWarning"]
    run = subprocess.run([*loud, "-c", short], cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0 and "Warning" not in run.stderr, run.stderr[-3000:]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_there_and_explains_itself(name):
    found = getattr(ux, name)
    assert name in dir(ux) and name in ux.__all__
    assert inspect.getmodule(found).__name__ == f"unet_explorer.{NAMES[name]}"
    assert inspect.getdoc(found)


def test_a_room_and_a_name_do_not_collide():
    "`import unet_explorer.x` would set the attribute `x` of the package, over the function `x`."
    rooms = {p.stem for p in (ROOT / "unet_explorer").glob("*.py")}
    assert not rooms & set(NAMES), rooms & set(NAMES)


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(ux, "no_such_name")


def test_the_names_of_the_readme_are_there():
    "Every `ux.name` that a page or lesson uses."
    import re

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"\bux\.(\w+)", text))
    assert used <= set(NAMES), used - set(NAMES)


def test_an_editor_knows_the_names_before_anything_is_loaded():
    "Completion and signatures come from the stub, as in an editor or a notebook."
    import jedi

    code = "import unet_explorer as ux\nux."
    offered = {c.name for c in jedi.Script(code, path=ROOT / "example.py").complete(2, 3)}
    assert set(NAMES) <= offered, set(NAMES) - offered
    code = "import unet_explorer as ux\nux.fit(\n"
    (call,) = jedi.Script(code, path=ROOT / "example.py").get_signatures(2, 7)
    assert {"learn", "steps", "minutes", "seed", "bar"} <= {p.name for p in call.params}


def test_help_names_the_rooms():
    "`help(ux)` shows what there is."
    import pydoc

    text = pydoc.plain(pydoc.render_doc(ux))
    assert "type checkers" in text and "load(" in text and "class EffUNet" in text
