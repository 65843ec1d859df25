"The supervised job: what it writes, what it refuses, and that it speaks Python."

import ast
import json
import re

import pytest
import torch

from unet_explorer.contracts import InputError
from unet_explorer.data import load, sample
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.images import load_mask, save_image
from unet_explorer.segmentation import segment_folder, train_and_report
from unet_explorer.train import Training

QUICK = Training(steps=2, size=64, bs=2, precision="fp32", bar=False)


@pytest.fixture(scope="module")
def ds():
    return load("simulated", n=9, size=(64, 64))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(EffUNet(pretrained=False), folder, classes=["gap", "metal"])
    return folder


def test_the_line_of_python_that_repeats_it(ds, tmp_path):
    "What stands in the report can be typed, and gives the same weights."
    first = train_and_report(ds, tmp_path / "a", QUICK)
    eval(first["command"], dict(globals(), ds=ds, out=tmp_path / "b"))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    kept = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert kept["scores"] == first["scores"]
    assert restore(tmp_path / "a").about["classes"] == ["insulator", "metal"]


def test_an_earlier_result_stays(ds, tmp_path):
    (tmp_path / "report.html").write_text("an earlier one")
    with pytest.raises(InputError, match="overwrite=True") as e:
        train_and_report(ds, tmp_path, QUICK)
    assert "--" not in str(e.value)
    assert (tmp_path / "report.html").read_text() == "an earlier one"


def test_masks_are_those_of_the_model(ds, model, tmp_path):
    images = [sample(ds["train"], i)[0] for i in range(3)]
    for i, image in enumerate(images):
        save_image(tmp_path / "in" / f"{i}.tif", image)
    done = segment_folder(tmp_path / "in", model, tmp_path / "out", threshold=0.3)
    assert done.names == ["0", "1", "2"] and not done.skipped
    net = restore(model)
    for name, image in zip(done.names, images):
        mask = load_mask(tmp_path / "out" / "masks" / f"{name}.png")
        assert torch.equal(mask, net.predict((image * 255).round() / 255, 0.3))


def test_nothing_usable_is_an_error(model, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "b.png").write_text("no picture")
    said = []
    with pytest.raises(InputError, match="none of 2 pictures") as e:
        segment_folder(tmp_path, model, tmp_path / "out", say=said.append)
    assert len(said) == 2 and "\n" not in str(e.value)


@pytest.mark.parametrize("threshold", [0, 1, -1, 2, None, "x", float("nan"), True], ids=repr)
def test_impossible_thresholds(model, tmp_path, threshold):
    with pytest.raises(InputError, match="threshold=.*such as 0.5"):
        segment_folder(tmp_path, model, tmp_path / "out", threshold=threshold)


def test_no_error_of_the_library_speaks_of_options():
    "Options belong to the shell: `--size` means nothing to a Python caller."
    from conftest import ROOT

    for path in (ROOT / "unet_explorer").glob("*.py"):
        if path.stem in ("shell", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise):
                said = ast.unparse(node)
                found = re.findall(r"(?<!pip install )(?<![-\w<!])--[a-z][-a-z]+", said)
                assert not found, f"{path.name}:{node.lineno}: {said}"
