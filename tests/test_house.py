"""The rules of the house (CONTRIBUTING.md): notebooks are the source, clean and saved; imports go
down the floors; code reads aloud; nothing of one machine is committed."""

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from conftest import ROOT
from execnb.nbio import nb2str
from IPython.core.inputtransformer2 import TransformerManager
from nbdev.clean import clean_nb
from nbdev.config import get_config
from readme import BADGES, directives
from which_torch import CPU_INDEX

NOTEBOOKS = sorted((ROOT / "nbs").glob("[!._]*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def code_cells(path):
    "`(directives, code, cell)` of each code cell."
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield (*directives("".join(cell["source"])), cell)


def trees(path):
    "`(directives, syntax tree)` of each code cell, `!` and `%` lines turned into Python."
    for flags, code, _ in code_cells(path):
        yield flags, ast.parse(TransformerManager().transform_cell(code))


def is_exported(flags):
    return bool({"export", "exports", "exporti"} & set(flags))


def default_exp(path):
    "The module that a notebook exports, or None."
    return next(
        (flags["default_exp"] for flags, *_ in code_cells(path) if "default_exp" in flags), None
    )


MODULES = {default_exp(p): p.name for p in NOTEBOOKS if default_exp(p)}  # module -> notebook


def own_imports(tree):
    "The modules of this package that a cell imports."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name.split(".") for a in node.names]
            yield from (n[1] for n in names if n[0] == "unet_explorer" and len(n) > 1)
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level or parts[0] == "unet_explorer":
                parts = [p for p in (parts if node.level else parts[1:]) if p]
                yield from parts[:1] or (a.name for a in node.names if a.name != "__version__")


# Source and export --------------------------------------------------------------------------------


def test_no_two_notebooks_export_one_module():
    exported = [default_exp(p) for p in NOTEBOOKS if default_exp(p)]
    assert len(exported) == len(set(exported)), sorted(exported)


def test_every_module_has_its_notebook():
    modules = {p.stem for p in (ROOT / "unet_explorer").glob("*.py")}
    modules -= {"__init__", "__main__", "_modidx"}
    assert modules == set(MODULES)


def test_export_is_in_sync(tmp_path):
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(
        ROOT / "nbs",
        tmp_path / "nbs",
        ignore=lambda _, names: [n for n in names if n.endswith(".png")],
    )
    (tmp_path / "unet_explorer").mkdir()
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(ROOT / "unet_explorer" / name, tmp_path / "unet_explorer")
    subprocess.run([Path(sys.executable).with_name("nbdev_export")], cwd=tmp_path, check=True)
    fresh, here = (
        {p.name: p.read_text() for p in (top / "unet_explorer").glob("*.py")}
        for top in (tmp_path, ROOT)
    )
    differ = sorted(n for n in {*fresh, *here} if fresh.get(n) != here.get(n))
    assert not differ, f"{', '.join(differ)}: run make export"


def test_readme_matches_index():
    run = subprocess.run(
        [sys.executable, "tools/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("module", sorted(MODULES))
def test_first_line_is_a_sentence(module):
    "nbdev takes only the first line of the quotation under a title, so it must hold all of it."
    doc = ast.get_docstring(
        ast.parse((ROOT / f"unet_explorer/{module}.py").read_text(encoding="utf-8"))
    )
    assert doc and doc[-1] in ".?!", (
        f"{MODULES[module]}: put the quotation under the title on one line that ends with a "
        f"sentence mark; it gives {doc!r}"
    )


# Notebooks as saved -------------------------------------------------------------------------------


@each
def test_notebook_is_clean(path):
    text, cfg = path.read_text(encoding="utf-8"), get_config(path=ROOT)
    nb = json.loads(text)
    clean_nb(
        nb,
        False,
        cfg.allowed_metadata_keys.split(),
        cfg.allowed_cell_metadata_keys.split(),
        cfg.clean_ids,
    )
    assert nb2str(nb) == text, f"run make notebooks ARGS=nbs/{path.name}"


@each
def test_saved_outputs(path):
    "Saved with outputs, without errors, stderr, live widgets (dead without a kernel)."
    outputs = [o for _, _, cell in code_cells(path) for o in cell["outputs"]]
    assert outputs, f"saved without outputs: run make notebooks ARGS=nbs/{path.name}"
    for o in outputs:
        assert o["output_type"] != "error", o
        assert o.get("name") != "stderr", "".join(o["text"])
        assert "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
    silent = [
        code.splitlines()[0]
        for flags, code, cell in code_cells(path)
        if not cell["outputs"] and flags.get("eval") != "false" and says_something(code)
    ]
    assert not silent, f"cells that print, saved without: run make notebooks ARGS=nbs/{path.name}"


def says_something(code):
    "Whether a cell calls `print` or `check` at its top level, whatever happens."
    body = ast.parse(TransformerManager().transform_cell(code)).body
    calls = [
        n.value.func for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)
    ]
    return any(isinstance(f, ast.Name) and f.id in ("print", "check") for f in calls)


@each
def test_a_saved_svg_is_a_picture_by_itself(path):
    "Without its namespace a browser shows it inside a page, but not as a file, and JupyterLab not."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    data = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
    for drawn in (d["image/svg+xml"] for d in data if "image/svg+xml" in d):
        root = ElementTree.fromstring("".join(drawn))
        assert root.tag == "{http://www.w3.org/2000/svg}svg", "show picture_of(draw, ...)[1]"


@each
def test_runs_in_colab(path, monkeypatch):
    "A folded cell installs the library in Colab, before anything is imported, and only there."
    flags, code, cell = next(code_cells(path))
    assert flags.get("eval") == "false" and cell["metadata"]["jupyter"]["source_hidden"]
    code, asked = TransformerManager().transform_cell(code), []
    shell = SimpleNamespace(run_line_magic=lambda *args: asked.append(args))  # no `!`, no system()
    exec(code, {"get_ipython": lambda: shell})
    assert not asked, "at home it does nothing"
    monkeypatch.setitem(sys.modules, "google.colab", shell)
    exec(code, {"get_ipython": lambda: shell})
    assert [name for name, _ in asked] == ["pip"]


@each
def test_badges(path):
    "Below the title: where else this notebook opens, each an address of its own."
    cell = json.loads(path.read_text(encoding="utf-8"))["cells"][1]
    slug, text = "unet-explorer/unet-explorer", "".join(cell["source"])
    assert text.startswith(BADGES) and cell["id"] == "open-in"
    assert re.findall(r"\[!\[([^]]+)\]\(([^)]+)\)\]\(([^)]+)\)", text) == [
        (
            "Open in Colab",
            "images/colab.svg",
            f"https://colab.research.google.com/github/{slug}/blob/main/nbs/{path.name}",
        ),
        (
            "Open in Binder",
            "images/binder.svg",
            f"https://mybinder.org/v2/gh/{slug}/main?labpath=nbs/{path.name}",
        ),
    ]
    for name in ("colab", "binder"):
        assert "<svg" in (ROOT / f"nbs/images/{name}.svg").read_text()


@each
def test_every_exercise_has_a_solution(path):
    asked, solved = set(), set()
    for _, tree in trees(path):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Call)
                and len(node.value.args) > 1
                and getattr(node.value.func, "id", "") == "check"
            ):
                must_pass = any(k.arg == "must_pass" for k in node.value.keywords)
                (solved if must_pass else asked).add(ast.unparse(node.value.args[1]))
    assert asked <= solved, f"no solution (must_pass=True) for {sorted(asked - solved)}"
    if re.match(r"\d", path.name):
        assert asked, "a lesson has exercises"


# Imports ------------------------------------------------------------------------------------------


def number(name):
    "The number of a notebook, which gives its place in the house; index.ipynb stands above all."
    return int(name[:2]) if re.match(r"\d\d_", name) else 100


def test_every_notebook_has_its_own_number():
    wrong = [p.name for p in NOTEBOOKS if not re.match(r"\d\d_[a-z]\w*\.ipynb$", p.name)]
    assert wrong == ["index.ipynb"], "two digits, an underscore, a name"
    numbers = [number(p.name) for p in NOTEBOOKS]
    assert len(numbers) == len(set(numbers)), (
        f"twice: {[n for n in numbers if numbers.count(n) > 1]}"
    )


@each
def test_imports_go_down(path):
    for flags, tree in trees(path):
        for name in own_imports(tree):
            assert name in MODULES, f"{name} is no module of this package"
            below = number(MODULES[name]) < number(path.name)
            itself = MODULES[name] == path.name and not is_exported(flags)  # other processes import
            assert below or itself, f"{name} ({MODULES[name]}) is not below {path.name}"


@each
def test_exported_imports(path):
    "No `*`, and no nbdev, which users do not have."
    for flags, tree in trees(path):
        for node in ast.walk(tree) if is_exported(flags) else ():
            if isinstance(node, ast.ImportFrom):
                assert node.names[0].name != "*", ast.unparse(node)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert "nbdev" not in ast.unparse(node), ast.unparse(node)


# Reading aloud ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff(command):
    "Lines of at most 100 characters, one statement each, nothing unused: see pyproject.toml."
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


CODE = [
    *NOTEBOOKS,
    *(p for d in ("tests", "bench", "tools") for p in sorted((ROOT / d).glob("*.py"))),
]


def unlovely(code, shows=False):
    "What does not read aloud, though ruff lets it pass; `shows`: the last expression is displayed."
    tree = ast.parse(code)
    shown = tree.body[-1] if shows and tree.body else None
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Tuple) and node is not shown:
            yield f"a comma parts statements: {ast.unparse(node)}"
        inside = ast.walk(node) if isinstance(node, ast.Lambda) else ()
        if any(isinstance(n, ast.NamedExpr) for n in inside):
            yield f"a walrus in a lambda: {ast.unparse(node)}"
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        note = re.search(r"# noqa\b(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?(.*)", token.string)
        if token.type == tokenize.COMMENT and note and not re.search(r"[A-Za-z]{3}", note[3]):
            yield f"a noqa without a reason behind it: {token.line.strip()}"


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.stem)
def test_code_reads_aloud(path):
    if path.suffix == ".py":
        assert not list(unlovely(path.read_text(encoding="utf-8")))
    for _, code, _ in code_cells(path) if path.suffix == ".ipynb" else ():
        assert not list(unlovely(TransformerManager().transform_cell(code), shows=True))


def test_what_does_not_read_aloud():
    "The rule can fail, and a tuple that a cell of a lesson ends with is what the cell shows."
    bad = ["a.append(1), b.append(2)", "f(lambda x: (y := x) + y)", "import os  # noqa: F401"]
    good = ["a = 1, 2", "import os  # noqa: F401  gives Learner its plots", "if (n := 3) > 2: n"]
    assert all(list(unlovely(code)) for code in bad)
    assert not any(list(unlovely(code)) for code in good)
    assert list(unlovely("1, 2\n3, 4")) and len(list(unlovely("1, 2\n3, 4", shows=True))) == 1


# The repository -----------------------------------------------------------------------------------


def test_binder_and_devcontainer():
    "Both name a Python that is supported, and Binder takes torch from where `make setup` does."
    box = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    runtime = (ROOT / ".binder/runtime.txt").read_text().strip()
    versions = [box["image"].rpartition(":")[2], runtime.rpartition("-")[2]]
    least = tuple(map(int, get_config(path=ROOT).min_python.split(".")))
    assert all(tuple(map(int, v.split("."))) >= least for v in versions), versions
    assert box["postCreateCommand"] == "make setup"
    script = ROOT / ".binder/postBuild"
    assert script.stat().st_mode & 0o111 and "from which_torch import CPU_INDEX" in (
        script.read_text()
    )
    told = [p for p in sources() if CPU_INDEX in p.read_text(encoding="utf-8")]
    assert told == [ROOT / "tools/which_torch.py"], "one place says where that index is"


WORKFLOWS = {p.stem: yaml.safe_load(p.read_text()) for p in ROOT.glob(".github/workflows/*.yml")}


def test_workflows_cover_every_python_that_is_promised():
    told = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "setup.py").read_text())
    assert told[0] == get_config(path=ROOT).min_python
    jobs = WORKFLOWS["test"]["jobs"]
    matrix = {name: job["strategy"]["matrix"] for name, job in jobs.items() if "strategy" in job}
    assert matrix["test"]["python"] == [told[0], told[-1]]
    assert matrix["wheel"]["python"] == told and matrix["wheel"]["end"] == ["newest"]
    assert matrix["wheel"]["include"] == [dict(python=told[0], end="oldest")]
    ends = [step.get("run", "") for step in jobs["wheel"]["steps"]]
    assert any("-m slow -k ${{ matrix.end }} tests/test_wheel.py" in run for run in ends)


def test_workflows_may_only_read():
    "But for the two jobs that are there to write: an issue, the site."
    for flow in WORKFLOWS.values():
        assert flow["permissions"] == {"contents": "read"}
    writes = {
        (flow, name): {what for what, how in job["permissions"].items() if how == "write"}
        for flow, content in WORKFLOWS.items()
        for name, job in content["jobs"].items()
        if "permissions" in job
    }
    assert writes == {("test", "tell"): {"issues"}, ("docs", "docs"): {"pages", "id-token"}}


@pytest.mark.parametrize("open_already", [False, True])
def test_one_issue_is_kept_open(open_already, tmp_path):
    "The step of the weekly run, with a `gh` that writes down what it is asked for."
    tell = WORKFLOWS["test"]["jobs"]["tell"]
    assert tell["needs"] == "wheel" and "failure()" in tell["if"] and "schedule" in tell["if"]
    listed = '[ "$2" != list ] || echo 7' if open_already else "true"
    gh = tmp_path / "gh"
    gh.write_text(f'#!/bin/sh\necho "$1 $2 $3" >> {tmp_path}/asked\n{listed}\n')
    gh.chmod(0o755)
    env = dict(os.environ, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", RUN="that run")
    subprocess.run(["bash", "-ec", tell["steps"][0]["run"]], env=env, check=True)
    listing, then = (tmp_path / "asked").read_text().splitlines()
    assert listing.startswith("issue list")
    assert then == ("issue comment 7" if open_already else "issue create --title")


def sources():
    "The scripts and settings of this repository, for which there is no notebook."
    for folder in (".binder", ".ci", ".devcontainer", ".github/workflows", "tests", "tools"):
        yield from sorted(
            p for p in (ROOT / folder).glob("*") if p.suffix != ".pyc" and p.is_file()
        )


def test_nothing_of_one_machine():
    "No paths of one machine and no hosts of package registries in what git tracks, or is about to."
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    # put together here, so that this file does not contain them
    paths = [rf"(?<![\w.])/{top}/" for top in ("work", "root", "home")]
    hosts = [
        rf"\b{a}\.{b}\b"
        for a, b in (
            ("pypi", "org"),
            ("files", "pythonhosted"),
            ("deb", "debian"),
            ("registry", "npmjs"),
        )
    ]
    bad = re.compile("|".join(paths + hosts))
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    found = []
    for name in filter(None, listed):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (
            UnicodeDecodeError,
            FileNotFoundError,
            IsADirectoryError,
        ):  # a picture, just deleted, a link
            continue
        found += [
            f"{name}:{text[: m.start()].count(chr(10)) + 1}: {m[0]}" for m in bad.finditer(text)
        ]
    assert not found, found


@each
def test_a_lesson_keeps_the_names_of_its_module(path):
    """In a notebook all cells share one namespace: a lesson that assigns to `whole` has broken the
    `whole` that an exported cell imported."""
    taken = set()
    for flags, tree in trees(path):
        for node in tree.body:
            if is_exported(flags):
                if isinstance(node, ast.ImportFrom):
                    taken |= {a.asname or a.name for a in node.names}
                elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    taken.add(node.name)
                continue
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                stored = {node.name}
            else:
                names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
                stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
            assert not stored & taken, f"{stored & taken}: choose other names in {path.name}"
