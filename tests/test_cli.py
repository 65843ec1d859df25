"The command line as a user meets it: a real process, real files, one line per error."

import html
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from unittest.mock import patch

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT
from PIL import Image

from unet_explorer.contracts import Interrupted
from unet_explorer.data import load, sample
from unet_explorer.effunet import EffUNet, save
from unet_explorer.images import load_image, load_mask, save_image, save_mask

RNG = np.random.default_rng(0)
PROGRAM = [sys.executable, "-c", "import sys; from unet_explorer.cli import main; sys.exit(main())"]


def unet_explorer(*words, timeout=300, **env):
    "Run the program; returns (exit code, stdout, stderr)."
    p = subprocess.run(
        [*PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
    )
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
    assert names == ["config.json", "masks", "metrics.json", "model.safetensors", "report.html"]
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
    assert load_image(tmp_path / "seg" / "overlays" / "wafer0" / "0.png").shape == (3, 64, 64)
    line = refused("train", pairs / "images", pairs / "masks", "--out", out)
    assert "--overwrite" in line
    assert (out / "metrics.json").read_text() == json.dumps(result, indent=1), (
        "the earlier result is untouched"
    )


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


def test_the_command_in_the_report_runs_and_gives_the_same(pairs, tmp_path):
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
        assert "a number above 0" in refused(
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
    from unet_explorer import segmentation
    from unet_explorer.cli import main

    def stopped(*args, **how):
        raise Interrupted()

    monkeypatch.setattr(segmentation, "train_and_report", stopped)
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
