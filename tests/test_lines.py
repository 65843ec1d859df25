"""Command lines that nobody should type: words that are missing, doubled, odd; values that are
huge, negative, no numbers, signs of control; paths to nothing, pipes and files; files of settings
with bytes that are flipped. Each ends with 0, 1, 2 or 130, never with a traceback: for 2 in one
line, and without a file that is new. Trainings are replaced by an interruption; all that comes
before them, and all of `segment` and `find` on tiny pictures, is as it is."""

import argparse
import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import unet_explorer.report
import unet_explorer.train  # noqa: F401  (what a line may import is there before the fork)
from mutate import changes, mutated
from sandbox import Sandbox
from unet_explorer.anomaly import fit_normal, save_detector
from unet_explorer import cli, data, deploy, inspection, own_model
from unet_explorer.contracts import Interrupted
from unet_explorer.effunet import EffUNet, save
from unet_explorer.shell import add_command

QUIET = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))
QUIET |= dict(phases=[Phase.explicit, Phase.generate])
SECONDS = 20  # of processor time for a line: some load and run a model

# where the lines are typed ------------------------------------------------------------------------


def build(place):
    "Pictures, masks, models, and what is none of them."
    rng = np.random.default_rng(0)
    for name in ("images", "masks", "clean", "empty", "lessons", "bad"):
        (place / name).mkdir(parents=True)
    (place / "both").mkdir()
    for i in range(12):
        numbers = rng.integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(numbers).save(place / "both" / f"p{i}.png")
        Image.fromarray(numbers // 128).save(place / "both" / f"p{i}_mask.png")
        for folder, a in (("images", numbers), ("masks", numbers // 128), ("clean", numbers)):
            if i < 3 or folder == "clean":
                Image.fromarray(a).save(place / folder / f"p{i}.png")
    tifffile.imwrite(place / "stack.tif", rng.integers(0, 4096, (3, 40, 40), dtype=np.uint16))
    (place / "bad" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    (place / "file.txt").write_text("no picture\n")
    (place / "lessons" / "index.ipynb").write_text("{}")
    os.mkfifo(place / "pipe.png")
    tiny = dict(decoder=(8, 8, 8, 8), convs=1, pretrained=False)
    save(EffUNet(**tiny), place / "model", classes=["gap", "metal"])
    about = dict(threshold=0.5, scores=[0.1, 0.5], pixel_nm=None, fpr=0.05)
    noise = [torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(i)) for i in range(8)]
    save_detector(fit_normal(noise, method="own"), place / "normal", **about)
    save(EffUNet(**tiny), place / "old", task="anomaly", **about)
    shutil.copytree(place / "model", place / "broken")
    (place / "broken" / "config.json").write_text("[1, 2")


def like(place, copy):
    "The same files under another name; pipes are made anew, the rest is linked."
    shutil.copytree(place, copy, copy_function=os.link, ignore=lambda *_: ["pipe.png"])
    os.mkfifo(copy / "pipe.png")


# what is typed ------------------------------------------------------------------------------------

LINES = [  # that are right, but for the last
    "demo --data simulated --steps 2 --size 32 --out out",
    "train images masks --out out --steps 2 --size 32 --no-pretrained",
    "train both --out out --classes a,b --pixel-nm 4 --valid 0.3",
    "segment images --model model --out out",
    "segment stack.tif --model model --out out --tile 64 --overlap 0 --threshold 0.4",
    "defects fit clean --out out --steps 2 --size 32",
    "defects fit clean --out out --reference clean --fpr 0.3 --steps 2",
    "defects find images --model normal --out out --min-px 2",
    "defects find images --model normal --out out --calibrate lot --fpr 0.2",
    "defects find clean --out out --method own --threshold 3",
    "defects find clean --out out --reference clean",
    "export model --out model.onnx",
    "lab new --no-start",
    "--version",
    "",
]
STRANGE = ["--help", "-h", "--config", "--", "-", "---", "--ou", "-x", "--ünit", "--no-overwrite"]
COMMANDS = [words.split() for words in LINES]


def own_options(words):
    "The options of the command that a line begins with, then some that it has not."
    name = cli.command_in(words)
    if name is None:
        return STRANGE
    command = add_command(argparse.ArgumentParser().add_subparsers(), "x", cli.COMMANDS[name])
    return [o for action in command._actions for o in action.option_strings] + STRANGE


NUMBERS = "0 -1 1 2 0.5 1.5 -0.0 1e-400 1e308 1e999 nan inf -inf 1_000 ٣ ½ 0x10 1,5 -".split()
NUMBERS += ["9" * 30, "9" * 5000, "1000000", str(2**31), str(2**63)]
NAMES = "images masks clean empty bad model normal old broken out new missing".split()
NAMES += ["stack.tif", "file.txt"]
NAMES += [
    "pipe.png",
    "bad/bad.png",
    "images/p0.png",
    "model/config.json",
    "/dev/null",
    "/dev/null/x",
]
NAMES += [
    "a" * 300,
    "x/" * 2000,
    ".",
    "images/../images",
    "out/deep/er",
    "m.onnx",
    "m.pt2",
    "m.png",
]
TEXTS = [
    "",
    " ",
    "ä ö",
    "a\nb",
    "\x1b[31mred",
    "\u202e",
    "\udce4",
    "💥",
    "a,b",
    "a,,b",
    ",",
    "=",
    "%s",
]
TEXTS += [
    "{}",
    "0=0,255=1",
    "0,128",
    "255,0,0=1 0,0,255=2",
    "1,2,3=999999999999999999999",
    "(",
    "(a+",
]
TEXTS += [
    "cpu",
    "cuda",
    "mps",
    "auto",
    "keep",
    "own",
    "lot",
    "b7",
    "resnet34",
    "smp",
    "timm",
    "focal",
    "turns",
]
TEXTS += [
    "fp32",
    "bf16",
    "file",
    "block",
    "isbi2012",
    "simulated",
    "gap",
    "-1,-2",
    "'",
    '"',
    "$HOME",
]
WORDS = 2 * NUMBERS + NAMES + TEXTS
SETTINGS = """# unet-explorer
command = "segment"
model = "model"
out = "out"
threshold = 0.5
tile = 64
pixel_nm = 4.0
probabilities = false
classes = ["gap", "metal"]
"""

WAYS = "value value value option option option glued insert drop double".split()
CHANGES = st.tuples(
    st.sampled_from(WAYS), st.integers(0, 999), st.integers(0, 999), st.sampled_from(WORDS)
)


def changed(words, how):
    "A line after each of these changes: (way, where, which option, value)."
    words, options = list(words), own_options(words)
    for way, at, which, value in how:
        first = min(1 if at % 8 else 0, len(words))  # the command itself is seldom changed
        at = first + at % (len(words) - first + 1)
        name = options[which % len(options)]
        if way == "value":
            words[at : at + 1] = [value]
        elif way == "option":
            words += [name, value] if which % 5 else [name]
        elif way == "glued":
            words.append(f"{name}={value}")
        elif way == "insert":
            words.insert(at, value)
        elif way == "drop":
            words[at : at + 1] = []
        elif way == "double":
            words[at:at] = words[at : at + 1]
    return words


# what runs in the sandbox -------------------------------------------------------------------------


def interrupted(*_, **__):
    raise Interrupted


def few(name, **_):
    "Data that need no network."
    if name != "simulated":
        raise Interrupted
    return REAL_LOAD("simulated", n=9, size=(32, 32))


def one_byte(model, path):
    Path(path).write_bytes(b"m")
    return Path(path)


REAL_LOAD = data.load
FAKES = [
    (own_model, "_learner", interrupted),
    (inspection, "fit_normal", interrupted),
    (data, "load", few),
    (cli, "_lessons", lambda: Path("lessons").resolve()),
    (cli, "subprocess", SimpleNamespace(run=interrupted)),
]


def ran(argv):
    "Exit code, what was printed, and what was said."
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        for where, name, fake in FAKES:
            stack.enter_context(mock.patch.object(where, name, fake))
        stack.enter_context(mock.patch.dict(deploy.EXPORTS, {".onnx": one_byte, ".pt2": one_byte}))
        stack.enter_context(mock.patch.dict(os.environ, HOME=os.getcwd(), COLUMNS="80"))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            code = cli.main(argv)
        except SystemExit as e:
            code = e.code
    return code, out.getvalue(), err.getvalue()


def said_wrong(code, err):
    "What is wrong with what was said at the end."
    lines = err.rstrip("\n").split("\n") if err else []
    if code not in (0, 1, 2, 130):
        return [f"exit code {code}"]
    if code == 2 and lines and lines[0].startswith("usage:"):
        return [] if ": error: " in lines[-1] else [f"usage without an error: {lines[-1][:200]}"]
    if code in (2, 130) and len(lines) != 1:
        return [f"{len(lines)} lines for exit code {code}: {err[:300]!r}"]
    odd = [line for line in lines if not line.startswith("unet-explorer: ")]
    odd += [line for line in lines if any(ord(c) < 32 or c == "\x7f" for c in line)]
    return [f"not in one line: {line[:200]!r}" for line in odd[:1]]


def listed(place):
    return {p.relative_to(place) for p in place.rglob("*") if not p.is_dir()}


def line(argv, place, toml=""):
    "The faults of one line, typed in a copy of the folder `place`."
    folder = Path(tempfile.mkdtemp())
    copy = folder / "a" / "b"  # so that .. is ours, too
    copy.parent.mkdir()
    like(Path(place), copy)
    os.chdir(copy)
    if toml:
        Path("mutated.toml").write_bytes(toml.encode("latin-1"))
    try:
        before = listed(folder)
        code, _, err = ran(json.loads(argv))
        new = sorted(map(str, listed(folder) - before))
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    faults = said_wrong(code, err)
    half = [name for name in new if ".part-" in name or code == 2]
    return faults + ([f"new after exit code {code}: {half[:3]}"] if half else [])


# the tests ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place():
    place = Path(tempfile.mkdtemp())
    build(place / "t")
    yield place / "t"
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def box():
    with Sandbox("test_lines") as box:
        yield box


def tried(box, place, argv, toml=""):
    return box.call("line", json.dumps(argv), place, toml, seconds=SECONDS)


@pytest.mark.parametrize("words", LINES)
def test_a_line_that_is_right_has_no_faults(box, place, words):
    assert tried(box, place, words.split()) == []


def lines(examples, **how):
    "Decorator: the test gets so many lines."

    def decorate(test):
        some = st.builds(
            changed, st.sampled_from(COMMANDS), st.lists(CHANGES, min_size=1, max_size=3)
        )
        return settings(max_examples=examples, **QUIET, **how)(given(argv=some)(test))

    return decorate


def configs(examples, **how):
    "Decorator: the test gets so many files of settings, as text of one byte a sign."

    def decorate(test):
        some = changes(("flip", "put", "cut", "insert", "double", "lose"))
        return settings(max_examples=examples, **QUIET, **how)(given(done=some)(test))

    return decorate


def with_config(box, place, done):
    toml = mutated(SETTINGS.encode(), done).decode("latin-1")
    argv = "segment images --config mutated.toml".split()
    return tried(box, place, argv, toml or "\n")


@lines(100, derandomize=True)
def test_an_odd_line_ends_in_a_line(box, place, argv):
    assert tried(box, place, argv) == []


@configs(50, derandomize=True)
def test_odd_settings_end_in_a_line(box, place, done):
    assert with_config(box, place, done) == []


@pytest.mark.slow
@lines(3000, print_blob=True)
def test_thousands_of_odd_lines(box, place, argv):
    assert tried(box, place, argv) == []


@pytest.mark.slow
@configs(1000, print_blob=True)
def test_a_thousand_odd_settings(box, place, done):
    assert with_config(box, place, done) == []
