"The command line as a user meets it: a real process, real files, one line per error."

import csv
import html
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from unittest.mock import patch

import forks
import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT
from PIL import Image

from unet_explorer.cli import ABOUT, COMMANDS, command_in, parser
from unet_explorer.contracts import Interrupted
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, save
from unet_explorer.files import load_image, load_mask
from unet_explorer.images import save_image, save_mask
from unet_explorer.options import colours_in, values_in
from unet_explorer.shell import check_options

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

RNG = np.random.default_rng(0)
MAIN = "import sys; from unet_explorer.cli import main; sys.exit(main())"
PROGRAM = [sys.executable, "-c", MAIN]


def unet_explorer(*words, timeout=300, **env):
    "Run the program; returns (exit code, stdout, stderr)."
    return forks.run(MAIN, *words, timeout=timeout, env={**os.environ, **env})


def from_nothing(*words):
    "The same, with nothing loaded before: what libraries say when they are imported is heard, too."
    how = dict(capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    p = subprocess.run([*PROGRAM, *map(str, words)], **how)
    return p.returncode, p.stdout, p.stderr


def refused(*words, **env):
    "The line of an error with exit code 2. In this process: it saves the loading of torch."
    from unet_explorer.cli import main

    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, env), redirect_stdout(out), redirect_stderr(err):
        code = main([str(w) for w in words])
    lines = err.getvalue().strip().split("\n")
    assert code == 2 and len(lines) == 1 and lines[0].startswith("unet-explorer: "), (
        code,
        out.getvalue(),
        err.getvalue(),
    )
    return lines[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(EffUNet(pretrained=False), folder, classes=["cell", "membrane"])
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    "Six images with masks of 0 and 255, in three subfolders."
    folder = tmp_path_factory.mktemp("pairs")
    ds = load("simulated", n=9, size=(64, 64))["train"]
    for i in range(6):
        image, mask = sample(ds, i)
        save_image(folder / "images" / f"wafer{i // 2}" / f"{i}.png", image)
        save_mask(folder / "masks" / f"wafer{i // 2}" / f"{i}.png", mask * 255)
    return folder


def test_help_is_quick_and_loads_no_torch():
    code = (
        "import sys; from unet_explorer.cli import parser; parser().format_help(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code, out, _ = unet_explorer("--help")
    assert code == 0 and all(c in out for c in ("demo", "train", "segment"))


def test_installed_as_a_program():
    from pathlib import Path

    program = Path(sys.executable).parent / "unet-explorer"
    if not program.exists():
        pytest.skip("unet-explorer is not installed in this environment")
    assert subprocess.run([program, "--version"], capture_output=True, text=True).stdout.startswith(
        "unet-explorer "
    )


def test_train_then_segment(pairs, tmp_path):
    out = tmp_path / "model"
    code, printed, err = unet_explorer(
        "train",
        pairs / "images",
        pairs / "masks",
        "--classes",
        "gap,metal",
        "--steps",
        8,
        "--size",
        64,
        "--out",
        out,
    )
    assert code == 0, err
    assert "0 and 255" in printed and "test" in printed
    names = sorted(p.name for p in out.iterdir())
    assert names == ["config.json", "masks", "metrics.json", "model.safetensors"] + [
        "report.html",
        "settings.toml",
    ]
    result = json.loads((out / "metrics.json").read_text())
    assert (
        result["scores"]["classes"] == ["gap", "metal"]
        and result["held_out"] == "test"
        and len(result["baselines"]) >= 2
    )
    assert "--steps 8" in result["command"] and "--seed 0" in result["command"]
    page = (out / "report.html").read_text()
    HTMLParser().feed(page)
    assert "wafer2" in page and "Otsu" in page
    assert ">licence<" not in page and ">citation<" not in page  # his own: nothing to say
    assert "all 2, worst first by mean Dice" in page and "2 images are too few" in page + printed
    code, printed, err = unet_explorer(
        "segment", pairs / "images", "--model", out, "--out", tmp_path / "seg"
    )
    assert code == 0 and "6 of 6" in printed, err
    mask = load_mask(tmp_path / "seg" / "masks" / "wafer0" / "0.png")
    assert mask.shape == (64, 64) and set(mask.unique().tolist()) <= {0, 1}
    _, h, w = load_image(tmp_path / "seg" / "overlays" / "wafer0" / "0.png").shape
    assert h > 64 and w >= 64, "with a legend below"
    line = refused("train", pairs / "images", pairs / "masks", "--out", out)
    assert "--overwrite" in line
    assert (out / "metrics.json").read_text() == json.dumps(result, indent=1), (
        "the earlier result is untouched"
    )


def test_every_example_of_the_help_can_be_typed():
    "What a help shows is a line that the program takes."
    shown = [f.__doc__ for f in COMMANDS.values()] + [ABOUT]
    lines = [line.strip() for text in shown for line in text.split("\n")]
    lines = [re.split("  +", x)[0] for x in lines if x.startswith("unet-explorer ")]
    assert len(lines) > 15
    for line in lines:
        words = shlex.split(line)[1:]
        if "COMMAND" in words or "--config" in words:
            continue
        check_options(words, COMMANDS[command_in(words)])
        parser(words).parse_args(words)


@pytest.mark.parametrize(
    "words, said",
    [
        (["train", "a", "--out", "b", "--classs", "x"], "--classs is no option"),
        (["train", "a", "--out", "b", "--colours", "255,0=1"], "--colours 255,0=1"),
        (["train", "a", "--out", "b", "--device", "gpu"], "--device gpu; it must be"),
        (["train", "a", "--out", "b", "--loss", "mse"], "focal+dice"),
        (["train", "a", "--out", "b", "--augment", "zoom"], "upright"),
        (["train", "a", "--out", "b", "--batch-size", "0"], "--batch-size 0"),
        (["train", "a", "--out", "b", "--encoder", "resnet34"], "--family smp"),
        (["train", "a", "--out", "b", "--encoder", "resnet3", "--family", "smp"], "resnet34"),
        (["train", "a", "--out", "b", "--family", "keras"], "own, timm, smp"),
        (["train", "a", "--out", "b", "--config", "gone.toml"], "gone.toml"),
        (["train", "a", "--out", "b", "--values", ""], "--values ; it must be whole numbers"),
        (["train", "a", "--out", "b", "--values", "0,0"], "each once"),
        (["train", "a", "--out", "b", "--valid", "0"], "images are needed"),
        (["train", "a", "--out", "b", "--device", "meta"], "--device meta; it must"),
        (
            ["export", "a", "--out", "b.h5"],
            "--out b.h5; its name must end in .onnx or .int8.onnx",
        ),
        (["segment", "a", "--model", "gone", "--out", "b"], "no such model folder"),
        (["train", "a", "--out", "b", "--steps", "1e99"], "--steps 1e99; it must be a whole"),
        (["train", "a", "--out", "b", "--steps", "5.5"], "--steps 5.5; it must be a whole"),
        (["train", "a", "--out", "b", "--seed", "1.5"], "--seed 1.5; it must be a whole"),
        (["train", "a", "--out", "b", "--minutes", "two"], "--minutes two; it must be a finite"),
        (["train", "a", "--out", "b", "--pixel-nm", "1e400"], "--pixel-nm 1e400; it must be a fin"),
        (["train", "a", "--out", "b", "--lr", "0"], "--lr 0; it must be"),
        (["train", "a", "--out", "b", "--lr", "1e30"], "--lr 1e30; it must be a number above 0, a"),
        (["train", "a", "--out", "b", "--valid", "1"], "--valid 1; it must be a share above 0 and"),
        (["train", "a", "--out", "b", "--test", "1"], "--test 1; it must be a share from 0 to be"),
        (["train", "a", "--out", "b", "--precision", "fp64"], "--precision fp64; it must be"),
        (["train", "a", "--out", "b", "--precision", ""], "--precision ''; it must be"),
        (["train", "a", "--out", "b", "--precision", "\x1b[1m"], r"--precision '\x1b[1m'; it must"),
        (["train", "a", "--out", "b", "--size", "9" * 20], "whole number from 1 to 1000000000"),
        (
            ["train", "a", "--out", "b", "--batch-size", "9" * 20],
            "whole number from 1 to 1000000000",
        ),
        (["train", "a", "--out", "b", "--workers", "999999"], "--workers 999999; it must be 4 for"),
        (["segment", "a", "--model", "b", "--out", "c", "--tile", "5.0"], "--tile 5.0; it must be"),
        (["export", "a", "--out", r"'\x'"], "its name must end in .onnx or .int8.onnx"),
    ],
)
def test_what_is_typed_wrongly_is_said_in_options(words, said):
    "Before any file is read: `a` does not exist."
    assert said in refused(*words)


def test_a_device_that_is_not_here_is_not_recommended(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    line = refused("train", "a", "--out", "b", "--device", "cuda:99")
    assert "--device cuda:99; " in line and line.count("cuda") == 1 and "'cpu'" in line
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "'cpu' or 'cuda'" in refused("train", "a", "--out", "b", "--device", "cuda:99")


def test_the_bar_is_to_blame_for_what_it_takes_away(pairs, tmp_path):
    "Not the masks, of which one row is left."
    with Image.open(next((pairs / "images").rglob("*.png"))) as image:
        height = image.height
    line = refused("train", pairs, "--out", tmp_path / "x", "--bar", height - 1)
    assert f"--bar {height - 1}: leaves 1 of {height} rows" in line
    assert "leaves 0 of" in refused("train", pairs, "--out", tmp_path / "x", "--bar", height + 9)


def test_an_expression_that_parts_nothing_is_named(pairs, tmp_path):
    line = refused("train", pairs, "--out", tmp_path / "x", "--split-by", "(wafer)")
    assert "--split-by '(wafer)'; the expression puts all names into one group" in line
    assert "or use --split-by block" in line and "group(s)" not in line


def test_alarms_are_counted_in_words(tmp_path, capsys, monkeypatch):
    "One alarm is one, and the pictures without any were looked at, too."
    from unet_explorer import cli, inspection
    from unet_explorer.inspection import Inspected

    for k in range(3):
        save_image(tmp_path / "in" / f"{k}.png", torch.rand(1, 8, 8))
    save(EffUNet(pretrained=False), tmp_path / "model")
    rows = [dict(image="0.png"), dict(image="0.png"), dict(image="1.png")]
    words = ["defects", "find", str(tmp_path / "in"), "--model", str(tmp_path / "model"), "--out"]
    for n, said in ((1, "1 alarm in 1 of 3 pictures"), (3, "3 alarms in 2 of 3 pictures")):
        monkeypatch.setattr(inspection, "find_folder", lambda *_, **__: Inspected(rows[:n], []))
        assert cli.main([*words, str(tmp_path / "out")]) == 0
        assert capsys.readouterr().out.startswith(said + "\n")


def test_the_module_is_the_program():
    module = [sys.executable, "-m", "unet_explorer.cli"]
    done = subprocess.run([*module, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("unet-explorer ")
    assert subprocess.run([*module, "paint"], capture_output=True).returncode == 2


def test_settings_repeat_a_run_and_what_is_typed_goes_first(pairs, tmp_path):
    "One folder that holds both, and the options that people look for."
    words = ["--out", tmp_path / "first", "--size", 64, "--steps", 2, "--device", "cpu"]
    words += ["--batch-size", 2, "--lr", 0.01, "--loss", "focal+dice", "--augment", "upright"]
    words += ["--valid", 0.3, "--test", 0.2, "--split-by", "file", "--classes", "gap, metal"]
    words += ["--encoder", "resnet18", "--family", "smp", "--no-pretrained", "--objects", "metal"]
    code, printed, err = from_nothing("train", pairs, *words)
    assert code == 0 and "FutureWarning" not in err and "Rand F of metal" in printed, err
    settings = tmp_path / "first" / "settings.toml"
    said = tomllib.loads(settings.read_text())
    assert said["command"] == "train" and said["steps"] == 2 and said["pretrained"] is False
    assert "out" not in said and "minutes" not in said
    result = json.loads((tmp_path / "first" / "metrics.json").read_text())
    assert "resnet18 of smp, without" in result["settings"]["model"]
    assert result["settings"]["loss"] == "focal+dice" and result["settings"]["crops per step"] == 2
    text = settings.read_text().replace('classes = "gap, metal"', 'classes = ["gap", "metal"]')
    settings.write_text(text)
    again = ["--config", settings, "--out", tmp_path / "twin"]
    code, _, err = unet_explorer("train", *again)
    assert code == 0, err
    twins = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("first", "twin")]
    assert twins[0] == twins[1]
    argv = ["train", *map(str, again), "--minutes", "3", "--loss", "ce"]
    given = vars(parser(argv).parse_args(argv))
    assert given["steps"] is None and given["minutes"] == 3 and given["loss"] == "ce"
    assert "its settings are for 'train'" in refused("segment", *again)
    settings.write_text("steps = 0")
    assert "0; it must be a whole number" in refused("train", pairs, *again)
    settings.write_text("\ufeffoverwrite = 1", encoding="utf-8")
    assert "overwrite=1; it must be true or false" in refused("train", pairs, *again)
    settings.write_text("overwrite = true\nclasses = '50% a,b'")
    argv = ["train", "a", "--config", str(settings), "--no-overwrite", "--out", "x"]
    assert vars(parser(argv).parse_args(argv))["overwrite"] is False
    shown = parser(argv).parse_args(argv).command.format_help()
    assert "(default 50% a,b)" in " ".join(shown.split())
    settings.write_text("stepps = 3")
    assert "did you mean steps" in refused("train", pairs, *again)
    settings.write_text("steps = ")
    assert "is no TOML" in refused("train", pairs, *again)


def test_the_cure_of_a_message_can_be_pasted(pairs, tmp_path):
    "Numbers and colours in masks: what the line offers is an option, and it helps."
    source = tmp_path / "data"
    shutil.copytree(pairs / "images", source / "images")
    for kind in ("numbers", "colours"):
        for path in (pairs / "masks").rglob("*.png"):
            mask = load_mask(path).numpy()
            new = np.where(mask == 255, 128, 64).astype(np.uint8)
            if kind == "colours":
                new = np.array([(0, 0, 0), (255, 0, 0)], np.uint8)[(mask == 255).astype(int)]
            target = source / "masks" / path.relative_to(pairs / "masks")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(new).save(target)
        line = refused("train", source, "--out", tmp_path / "x")
        option = re.search(r"--(values|colours) (\".*?\"|[\d=,]+)", line)
        read = dict(values=values_in, colours=colours_in)[option[1]]
        meaning = read(option[2].strip('"'))
        assert sorted(meaning.values()) == [0, 1], line
        found = load(source, **{option[1]: meaning})
        assert sample(found["train"], 0)[1].unique().tolist() == [0, 1]
    line = refused("train", pairs, "--classes", "a,b,c", "--out", tmp_path / "x")
    assert "--values" in line and not (tmp_path / "x").exists(), line


def test_segment_writes_what_an_engineer_needs(model, tmp_path):
    d = tmp_path / "in"
    for i in range(2):
        save_image(d / f"{i}.png", torch.rand(1, 40, 50 + i))
    words = ["segment", d, "--model", model, "--out", tmp_path / "out"]
    more = ["--probabilities", "--pixel-nm", 2, "--tile", 64, "--overlap", 32, "--min-px", 3]
    code, printed, err = unet_explorer(*words, *more, "--device", "cpu")
    assert code == 0, err
    out = tmp_path / "out"
    with Image.open(out / "masks" / "1.png") as file:
        assert file.mode == "P" and file.size == (51, 40)
    p = tifffile.imread(out / "probabilities" / "1.tif")
    mask = load_mask(out / "masks" / "1.png").numpy()
    assert p.squeeze().shape == (40, 51) and np.array_equal(p.squeeze() > 0.5, mask == 1)
    with open(out / "classes.csv") as file:
        rows = list(csv.DictReader(file))
    assert [r["class"] for r in rows] == ["cell", "membrane"] * 2
    for r in rows:
        assert float(r["area_nm2"]) == 4 * int(r["area_px"])
    assert sum(int(r["area_px"]) for r in rows if r["image"] == "1") == 40 * 51
    assert int(rows[3]["area_px"]) == (mask == 1).sum()
    with open(out / "objects.csv") as file:
        pieces = list(csv.DictReader(file))
    assert len(pieces) == sum(int(r["objects"]) for r in rows)
    assert min(int(x["area_px"]) for x in pieces) >= 3
    page = (out / "report.html").read_text()
    assert "2 pictures segmented" in page and "membrane" in page and "segment" in page
    HTMLParser().feed(page)
    assert tomllib.loads((out / "settings.toml").read_text())["tile"] == 64
    assert "--overwrite" in refused(*words)
    assert "results would mix" in refused(*words[:-1], model)
    assert "tile - overlap must be" in refused(*words, "--overwrite", "--tile", 1)


def test_a_line_can_be_typed_again_whatever_the_names_are(model, tmp_path, monkeypatch):
    "A leading dash, and a result inside the folder that is read: it is no picture next time."
    monkeypatch.chdir(tmp_path)
    save_image("in/a.png", torch.rand(1, 40, 50))
    for words in (["--out=-res"], ["--out", "in/res/"]):
        code, printed, err = unet_explorer("segment", "in", "--model", model, *words)
        assert code == 0 and "1 of 1" in printed, err
    page = (tmp_path / "in" / "res" / "report.html").read_text()
    line = re.search("<code>(unet-explorer .*?)</code>", html.unescape(page))[1]
    assert line.endswith("--out in/res-again")
    code, printed, err = unet_explorer(*shlex.split(line)[1:])
    assert code == 0 and "1 of 1" in printed, err
    assert (tmp_path / "-res" / "settings.toml").exists()


def test_a_model_of_the_other_job_is_refused(model, tmp_path):
    about = json.loads((model / "config.json").read_text())
    about["about"]["task"] = "anomaly"
    shutil.copytree(model, tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text(json.dumps(about))
    save_image(tmp_path / "a.png", torch.rand(1, 40, 50))
    line = refused(
        "segment", tmp_path / "a.png", "--model", tmp_path / "m", "--out", tmp_path / "o"
    )
    assert "'defects fit'" in line and "'defects find'" in line
    (tmp_path / "m" / "config.json").write_text('{"detector": 1, "how": {}, "about": {}}')
    out = tmp_path / "o.onnx"
    for words in (
        ["segment", tmp_path / "a.png", "--model", tmp_path / "m"],
        ["export", tmp_path / "m"],
    ):
        line = refused(*words, "--out", out)
        assert "a detector of 'defects fit', which goes with 'defects find'" in line


def test_export_for_others(model, tmp_path):
    for name in ("model.onnx", "model.pt2"):
        code, printed, err = unet_explorer("export", model, "--out", tmp_path / name)
        assert code == 0 and name in printed and not err, err
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
    assert about["classes"] == ["cell", "membrane"]
    assert "is there" in refused("export", model, "--out", tmp_path / "model.onnx")


def test_lab_copies_the_lessons_and_keeps_what_is_there(tmp_path):
    from unet_explorer.cli import main

    words = ["lab", str(tmp_path / "book"), "--no-start"]
    assert main(words) == 0
    index = tmp_path / "book" / "index.ipynb"
    assert (tmp_path / "book" / "results" / "tiles.json").is_file() and index.is_file()
    index.write_text("mine")
    (tmp_path / "book" / "21_upsample.ipynb").unlink()
    assert main(words) == 0
    assert index.read_text() == "mine" and (tmp_path / "book" / "21_upsample.ipynb").is_file()


def test_same_command_same_result(pairs, tmp_path):
    words = [
        "train",
        pairs / "images",
        pairs / "masks",
        "--steps",
        4,
        "--size",
        64,
        "--precision",
        "fp32",
        "--seed",
        3,
    ]
    scores = []
    for name in "ab":
        code, _, err = unet_explorer(*words, "--out", tmp_path / name)
        assert code == 0, err
        scores.append(
            (
                json.loads((tmp_path / name / "metrics.json").read_text())["scores"],
                (tmp_path / name / "model.safetensors").read_bytes(),
            )
        )
    assert scores[0] == scores[1]


def test_thecommand_in_the_report_runs_and_gives_the_same(pairs, tmp_path):
    "As it stands there, in a folder with a blank in its name."
    shutil.copytree(pairs, tmp_path / "my pairs")
    folders = (tmp_path / "my pairs" / part for part in ("images", "masks"))
    words = ["--classes", "gap,metal", "--pixel-nm", 2.5, "--size", 64, "--steps", 2]
    out = tmp_path / "out"
    code, _, err = unet_explorer("train", *folders, *words, "--out", out)
    assert code == 0, err
    line = json.loads((out / "metrics.json").read_text())["command"]
    assert line in html.unescape((out / "report.html").read_text())
    program, *typed = shlex.split(line)
    assert program == "unet-explorer"
    code, _, err = unet_explorer(*typed)
    assert code == 0, err
    twin = tmp_path / "out-again"
    assert (twin / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    about = json.loads((twin / "config.json").read_text())["about"]
    assert about["pixel_nm"] == 2.5 and about["classes"] == ["gap", "metal"]


def test_a_wrong_model_is_refused_before_torch_is_loaded(tmp_path):
    code = (
        "import sys; from unet_explorer.cli import main\n"
        "for words in (['segment', '.', '--model', 'gone', '--out', 'x'],\n"
        "              ['defects', 'find', '.', '--model', '.', '--out', 'x'],\n"
        "              ['train', 'a', 'b', '--out', 'x', '--steps', '-3']):\n"
        "    assert main(words) == 2\n"
        "slow = {'torch', 'numpy', 'fastai', 'matplotlib'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=env)


def test_segment_every_format_and_skip_the_bad(model, tmp_path):
    d = tmp_path / "in"
    d.mkdir()
    grey = RNG.integers(0, 255, (40, 50)).astype(np.uint8)
    Image.fromarray(grey).save(d / "a.png")
    Image.fromarray(np.stack([grey] * 3, -1)).save(d / "b.jpg")
    tifffile.imwrite(d / "c.tif", grey)
    tifffile.imwrite(d / "d.tiff", grey.astype(np.uint16) * 16)
    tifffile.imwrite(d / "stack.tif", np.stack([grey] * 3), photometric="minisblack")
    Image.fromarray(grey[:1, :1]).save(d / "pixel.png")
    Image.fromarray(grey).save(d / "same.png")
    tifffile.imwrite(d / "same.tif", grey)
    (d / "notes.txt").write_text("not an image, and not called one")
    (d / "text.png").write_text("a text file")
    (d / "cut.png").write_bytes((d / "a.png").read_bytes()[:900])
    (d / "cut.tif").write_bytes((d / "c.tif").read_bytes()[:900])
    tifffile.imwrite(d / "nan.tif", np.full((9, 9), np.nan, np.float32))
    code, printed, err = unet_explorer("segment", d, "--model", model, "--out", tmp_path / "out")
    assert code == 1 and "10 of 14" in printed, (printed, err)
    skipped = [line for line in err.strip().split("\n") if "skipped" in line]
    assert len(skipped) == 4 and all(
        any(n in line for line in skipped) for n in ("text.png", "cut.png", "cut.tif", "nan.tif")
    )
    made = sorted(p.name for p in (tmp_path / "out" / "masks").iterdir())
    assert made == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
        "pixel.png",
        "same.png.png",
        "same.tif.png",
    ] + [f"stack_page000{i}.png" for i in range(3)]
    for name in made:
        assert set(load_mask(tmp_path / "out" / "masks" / name).unique().tolist()) <= {0, 1}
    torch.testing.assert_close(
        load_mask(tmp_path / "out" / "masks" / "a.png"),
        load_mask(tmp_path / "out" / "masks" / "c.png"),
    )
    assert "damaged" in refused(
        "segment", d / "cut.tif", "--model", model, "--out", tmp_path / "out2"
    )


def test_errors_are_one_line(model, pairs, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    picture = pairs / "images" / "wafer0" / "0.png"
    out = tmp_path / "o"
    assert "no such file or folder" in refused(
        "train", tmp_path / "gone", pairs / "masks", "--out", out
    )
    assert "no images in it" in refused("train", tmp_path / "empty", pairs / "masks", "--out", out)
    assert "no images in it" in refused(
        "segment", tmp_path / "empty", "--model", model, "--out", out
    )
    assert "no such file" in refused(
        "segment", tmp_path / "gone.png", "--model", model, "--out", out
    )
    assert "not a model folder" in refused(
        "segment", picture, "--model", tmp_path / "empty", "--out", out
    )
    assert "no such model folder" in refused(
        "segment", picture, "--model", tmp_path / "gone", "--out", out
    )
    assert "is a file" in refused("segment", picture, "--model", model, "--out", tmp_path / "file")
    assert "cannot be written to" in refused(
        "segment", picture, "--model", model, "--out", "/proc/nowhere"
    )
    assert "cannot be written to" in refused(
        "demo", "--data", "simulated", "--out", "/proc/nowhere"
    )
    assert "lite0" in refused(
        "demo", "--data", "simulated", "--encoder", "resnet50", "--steps", 1, "--out", out
    )
    assert "nasa_super1" in refused("demo", "--data", "isbi2021", "--out", out)
    assert "whole numbers" in refused(
        "train", pairs / "images", pairs / "masks", "--values", "a,b", "--out", out
    )
    line = refused("segment", picture, "--model", model, "--out", out, "--threshold", 2)
    assert line.startswith("unet-explorer: --threshold 2.0; it must be")
    assert "a finite number" in refused(
        "segment", picture, "--model", model, "--out", out, "--threshold", "nan"
    )
    for words in (
        ("--steps", -3),
        ("--steps", 0),
        ("--minutes", 0),
        ("--minutes", "nan"),
        ("--size", 0),
    ):
        assert "it must be a" in refused("demo", "--data", "simulated", *words, "--out", out)
    for seed in (-1, 2**31):
        assert "whole number from 0 to" in refused(
            "demo", "--data", "simulated", "--seed", seed, "--out", out
        )
    for nm in (0, -4, "nan", "inf"):
        assert "number above 0" in refused(
            "train", pairs / "images", pairs / "masks", "--pixel-nm", nm, "--out", out
        )
    assert "results would mix" in refused(
        "train", pairs / "images", pairs / "masks", "--out", pairs
    )
    assert "results would mix" in refused(
        "train", pairs / "images", pairs / "masks", "--out", pairs / "masks", "--overwrite"
    )
    assert "results would mix" in refused(
        "segment", pairs / "images", "--model", model, "--out", pairs / "images"
    )
    assert not out.exists(), "a failed command leaves no empty folder"
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob(".part-*"))
    code, _, err = unet_explorer("demo", "--minutes", 1, "--steps", 3)
    assert code == 2 and "not allowed with" in err


def test_ctrl_c_before_the_first_checkpoint_is_said(tmp_path, monkeypatch, capsys):
    from unet_explorer import own_model
    from unet_explorer.cli import main

    def stopped(*args, **how):
        raise Interrupted()

    monkeypatch.setattr(own_model, "train_and_report", stopped)
    words = ["demo", "--data", "simulated", "--steps", "1", "--out", str(tmp_path / "out")]
    assert main(words) == 130
    line = capsys.readouterr().err.strip().split("\n")[-1]
    assert line == "unet-explorer: interrupted before the first checkpoint; nothing was saved"


def test_demo_without_network_and_cache_says_so(tmp_path):
    code, printed, err = unet_explorer(
        "demo",
        "--steps",
        2,
        "--size",
        64,
        "--out",
        tmp_path / "out",
        UNET_EXPLORER_DATA=str(tmp_path / "none"),
        UNET_EXPLORER_REQUIRE_DATA="0",
        HTTPS_PROXY="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
    )
    assert code == 0 and "using simulated images instead" in printed, (printed, err)
    assert "simulated" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("data", ["isbi2012", "nasa_super1"])
def test_demo_on_real_data(data, tmp_path, require_data):
    require_data(data)
    code, printed, err = unet_explorer(
        "demo", "--data", data, "--steps", 2, "--size", 64, "--out", tmp_path / "out"
    )
    assert code == 0, err
    r = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert r["scores"]["n_images"] == len(r["data"]["test"]) and len(
        list((tmp_path / "out" / "masks").iterdir())
    ) == len(r["data"]["test"])
    assert ("rand_f" in r["scores"]) == (data == "isbi2012")


def test_ctrl_c_keeps_the_best_epoch_and_still_reports(tmp_path):
    out = tmp_path / "out"
    p = subprocess.Popen(
        [
            *PROGRAM,
            "demo",
            "--data",
            "simulated",
            "--steps",
            "2000",
            "--size",
            "64",
            "--out",
            str(out),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.time() + 240
    while not (out / "config.json").exists() and time.time() < end and p.poll() is None:
        time.sleep(0.2)
    os.kill(p.pid, signal.SIGINT)
    printed, err = p.communicate(timeout=120)
    assert p.returncode == 130 and "best epoch so far was kept" in err, (printed, err)
    assert (
        "interrupted" in (out / "report.html").read_text() and (out / "model.safetensors").exists()
    )


def test_train_on_outlines_and_write_them(tmp_path):
    "In a shell: a COCO file in, objects out in all formats, and the line that does it again."
    shapes = [dict(id=i, image_id=i, category_id=3, iscrowd=0, area=400) for i in range(4)]
    for i, one in enumerate(shapes):
        save_image(tmp_path / "in" / f"{i}.png", torch.rand(1, 40, 50))
        one["segmentation"] = [[4 * i, 5, 4 * i + 20, 5, 4 * i + 20, 25, 4 * i, 25]]
    images = [dict(id=i, file_name=f"{i}.png", width=50, height=40) for i in range(4)]
    content = dict(images=images, annotations=shapes, categories=[dict(id=3, name="plate")])
    (tmp_path / "coco.json").write_text(json.dumps(content))
    quick = [
        "--steps",
        2,
        "--size",
        32,
        "--batch-size",
        1,
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    model = tmp_path / "model"
    words = ["train", tmp_path / "in", tmp_path / "coco.json", "--no-pretrained", *quick]
    code, printed, err = unet_explorer(*words, "--out", model)
    assert code == 0, err
    assert "note: 4 outlines of COCO on 4 pictures" in printed
    assert "classes background, plate" in printed
    out = tmp_path / "out"
    segment = ["segment", tmp_path / "in", "--model", model, "--device", "cpu", "--out", out]
    code, printed, err = unet_explorer(*segment, "--format", "labels, coco,geojson")
    assert code == 0, err
    assert "overlays/, labels/, coco.json, geojson/" in printed
    assert tomllib.loads((out / "settings.toml").read_text())["format"] == "labels, coco,geojson"
    assert len(list(out.glob("labels/*.tif"))) == len(list(out.glob("geojson/*.geojson"))) == 4
    assert len(json.loads((out / "coco.json").read_text())["images"]) == 4
    assert "choose one of labels, coco, geojson" in refused(*segment, "--format", "svg")
    assert "--values" in refused(*words, "--values", "0,1", "--out", tmp_path / "new")
