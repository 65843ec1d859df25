"""What a user gets: the wheel, built from the sdist, in an environment that holds what it declares
and nothing else, without a network.

By default that environment is made of links to the packages that are installed here: quick, and
what is missing in settings.ini is missing there. `-m slow` fills an empty one at both ends: with
the oldest versions that settings.ini allows, and with whatever pip finds today."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from setup_env import NO_NETWORK

SOURCES = ("setup.py", "settings.ini", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
# Python reads this at start: no connection but to the machine itself.
NO_WAY_OUT = """
import socket

def guarded(connect):
    def guard(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(101, "Network is unreachable (blocked by the test)")
        return connect(self, address)
    return guard

def getaddrinfo(host, *args, _real=socket.getaddrinfo, **kwargs):
    if host not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise socket.gaierror(-3, "Temporary failure in name resolution (blocked by the test)")
    return _real(host, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
"""
IMPORT_TIME = (
    "from time import perf_counter as now; t = now(); import unet_explorer; print(now() - t)"
)
EVERY_ROOM = """
import importlib, pkgutil, unet_explorer
for room in pkgutil.iter_modules(unet_explorer.__path__):
    importlib.import_module("unet_explorer." + room.name)
"""


def run(*command, **kwargs):
    p = subprocess.run(
        [str(c) for c in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **kwargs,
    )
    log = p.stdout + p.stderr
    if p.returncode and re.search(NO_NETWORK, log) and not os.environ.get("CI"):
        pytest.skip("pip can't reach the package index")
    assert p.returncode == 0, f"{command}\n{log[-5000:]}"
    return p.stdout


def build(folder, *options):
    "The wheel of what stands here, made from its sdist."
    src = folder / "src"
    src.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, src)
    shutil.copytree(
        ROOT / "unet_explorer", src / "unet_explorer", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "nbs", src / "nbs")
    run(sys.executable, "-m", "build", *options, "--outdir", folder / "dist", src)
    return next((folder / "dist").glob("*.whl"))


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements):
    """The installed distributions that `requirements` bring along, by name. The versions must be
    among those that are asked for."""
    found, seen, todo = {}, set(), [Requirement(r) for r in requirements]
    while todo:
        r = todo.pop()
        if (key := (canonical(r.name), *sorted(r.extras))) in seen:
            continue
        seen.add(key)
        dist = distribution(r.name)  # PackageNotFoundError: it is not installed
        assert r.specifier.contains(dist.version, prereleases=True), f"{r}: {dist.version} is here"
        found[key[0]] = dist
        for more in map(Requirement, dist.requires or []):
            extras = r.extras or {""}
            if more.marker is None or any(more.marker.evaluate({"extra": e}) for e in extras):
                todo.append(more)
    return found


def declared(wheel, extra=""):
    "The requirements of a wheel, with those of an extra, as its metadata has them."
    with zipfile.ZipFile(wheel) as z:
        meta = next(n for n in z.namelist() if n.endswith(".dist-info/METADATA"))
        text = z.read(meta).decode()
    for r in map(Requirement, re.findall(r"^Requires-Dist: (.*)$", text, re.M)):
        if r.marker is None or r.marker.evaluate({"extra": extra}):
            r.marker = None
            yield str(r)


def link(dists, site):
    "Make the distributions importable from the folder `site`."
    for dist in dists:
        for top in {
            f.parts[0] for f in dist.files or [] if f.parts[0] not in ("..", "__pycache__")
        }:
            where = Path(dist.locate_file(top))
            if not (site / top).exists():
                (site / top).symlink_to(where, target_is_directory=where.is_dir())


def python_of(venv):
    "The Python of an environment, its site-packages closed to the world."
    python = venv / "bin/python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(site, "sitecustomize.py").write_text(NO_WAY_OUT)
    return python, Path(site)


@pytest.fixture
def home(tmp_path):
    "A folder and the environment variables of somebody without caches and settings."
    home = tmp_path / "home"
    home.mkdir()
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("UNET_EXPLORER_", "PYTHON", "HF_", "XDG_"))
    }
    return home, env | dict(HOME=str(home), UNET_EXPLORER_DATA=str(home / "data"))


def check_import_time(python, home, env):
    seconds = min(float(run(python, "-c", IMPORT_TIME, cwd=home, env=env)) for _ in range(5))
    assert seconds < 0.3, f"import unet_explorer takes {seconds:.2f} s"


def check_demo(venv, home, env, *length):
    "Without data and network, the demo says so and works on simulated pictures."
    command = (venv / "bin/unet-explorer", "demo", *length, "--out", home / "out")
    said = run(*command, cwd=home, env=env, timeout=900)
    assert (home / "out/report.html").stat().st_size > 10_000
    assert "simulat" in said.lower(), said


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"), "--no-isolation")


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as z:
        names = {n for n in z.namelist() if n.startswith("unet_explorer/")}
        lessons = {n.removeprefix("unet_explorer/lessons/") for n in names if "/lessons/" in n}
    names -= {f"unet_explorer/lessons/{n}" for n in lessons}
    kinds = (".ipynb", ".json", ".png", ".svg")
    book = [p.relative_to(ROOT / "nbs") for p in (ROOT / "nbs").rglob("*") if p.suffix in kinds]
    assert lessons == {p.as_posix() for p in book if ".ipynb_checkpoints" not in p.parts}
    files = [p for p in (ROOT / "unet_explorer").rglob("*") if "__pycache__" not in p.parts]
    assert names == {p.relative_to(ROOT).as_posix() for p in files if p.is_file()}
    for name in (
        "registry.txt",
        "explore.js",
        "explore.css",
        "paint.js",
        "paint.css",
        "napari.yaml",
        "__init__.pyi",
        "py.typed",
    ):
        assert f"unet_explorer/{name}" in names


def test_rooms_import_only_what_is_declared(wheel):
    "Also inside of functions. Optional packages belong to an extra."
    dists = {}
    for extra in ("", "onnx", "big", "cluster", "processes", "share", "openvino"):
        dists |= closure(declared(wheel, extra))
    tops = {f.parts[0].removesuffix(".py") for d in dists.values() for f in d.files or []}
    known = tops | set(sys.stdlib_module_names) | {"unet_explorer", "elpv_dataset"}
    known |= {"tomli"}  # what Python 3.10 takes for tomllib
    strange = []
    for path in sorted((ROOT / "unet_explorer").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            strange += [f"{path.name}: {n}" for n in names if n.partition(".")[0] not in known]
    assert not strange


def test_wheel_with_nothing_but_its_requirements(wheel, tmp_path, home):
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python, site = python_of(venv)
    link(closure(declared(wheel)).values(), site)
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps")
    run(*pip, wheel, env={**os.environ, "PYTHONPATH": ""})

    missing = "import importlib.util as u; print([n for n in {} if u.find_spec(n)])"
    others = ["nbdev", "pytest", "jupyterlab", "onnx", "dask", "hypothesis"]
    assert run(python, "-c", missing.format(others), cwd=home[0], env=home[1]).strip() == "[]"
    where = run(
        python, "-c", "import unet_explorer as u; print(u.__file__)", cwd=home[0], env=home[1]
    )
    assert Path(where.strip()).is_relative_to(site)
    check_import_time(python, *home)
    run(python, "-W", "ignore", "-c", EVERY_ROOM, cwd=home[0], env=home[1])
    run(venv / "bin/unet-explorer", "lab", "book", "--no-start", cwd=home[0], env=home[1])
    assert (home[0] / "book/results/tiles.json").is_file() and (
        home[0] / "book/index.ipynb"
    ).is_file()
    check_demo(venv, *home, "--steps", "2", "--size", "64", "--precision", "fp32")


EXTRAS = """
import sys, dask.array, torch, zarr
from pathlib import Path
from unet_explorer.deploy import Segmenter
from unet_explorer.effunet import restore
from unet_explorer.images import save_image
from unet_explorer.mosaics import mosaic
model, picture = restore(sys.argv[1]), torch.rand(1, 70, 90)
same = Segmenter(model, backend="onnx").predict(picture) == model.predict(picture)
assert same.float().mean() > 0.99, same.float().mean()
save_image(Path("tile.png"), picture)
big = mosaic([["tile.png", "tile.png"]])
assert isinstance(big, dask.array.Array) and big.shape == (1, 70, 180), big
stored = zarr.open_array("mask.zarr", mode="w", shape=(70, 90), chunks=(32, 32), dtype="uint8")
stored[:] = model.predict(picture).numpy().astype("uint8")
"""


def test_every_requirement_says_how_old_it_may_be(wheel):
    for extra in ("", "onnx", "big", "elpv", "lab", "dev"):
        for r in map(Requirement, declared(wheel, extra)):
            assert any(s.operator in (">=", "==") for s in r.specifier), f"{extra}: {r}"


PROMISED = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "setup.py").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("version", PROMISED)
def test_what_make_setup_installs_has_wheels(version, wheel, tmp_path):
    "constraints.txt, made on one Python, holds on all that are promised, with nothing to compile."
    asked = [*declared(wheel), *declared(wheel, "lab"), *declared(wheel, "dev")]
    (tmp_path / "asked.in").write_text("\n".join(asked))
    uv = (sys.executable, "-m", "uv", "pip", "compile", "-q", "--only-binary", ":all:")
    run(*uv, "--python-version", version, "-c", ROOT / "constraints.txt", tmp_path / "asked.in")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["oldest", "newest"])
def test_wheel_alone(end, tmp_path, home, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)  # pip would find the library there
    if end == "oldest" and sys.version_info >= (3, 13):
        pytest.skip("the oldest versions have no wheels for Python 3.13")
    venv = tmp_path / "venv"
    try:
        wheel = build(tmp_path)
        run(sys.executable, "-m", "venv", venv)
        python = venv / "bin/python"
        pip = (python, "-m", "pip", "install", "--no-input")
        if end == "oldest":  # what is not named here is as new as that lets it be
            asked = [*declared(wheel), *declared(wheel, "onnx"), *declared(wheel, "big")]
            (tmp_path / "asked.in").write_text("\n".join(asked))
            uv = (sys.executable, "-m", "uv", "pip", "compile", "--resolution", "lowest-direct")
            pins = tmp_path / "pins.txt"
            run(*uv, "--python", python, "-q", "--no-annotate", "-o", pins, tmp_path / "asked.in")
            pip += ("-c", pins)
        run(*pip, wheel)
        installed = run(python, "-m", "pip", "list", "--format=freeze").lower()
        assert "unet-explorer==" in installed.replace("_", "-") and "nbdev==" not in installed
        named = "torch|torchvision|fastai|fastcore|timm|segmentation.models.pytorch|numpy|datasets"
        print(end, "of", sys.version.split()[0], *re.findall(rf"(?m)^(?:{named})==.*$", installed))
        site = python_of(venv)[1]
        check_import_time(python, *home)
        run(python, "-W", "ignore", "-c", EVERY_ROOM, cwd=home[0], env=home[1])
        check_demo(venv, *home, "--minutes", "0.3")
        (site / "sitecustomize.py").unlink()
        run(*pip, f"{wheel}[onnx,big]")
        run(python, "-c", EXTRAS, home[0] / "out", cwd=home[0], env=home[1])
    finally:  # torch with CUDA is some 6 GB, and pytest keeps the folders of its last runs
        shutil.rmtree(venv, ignore_errors=True)
