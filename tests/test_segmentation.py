"The supervised job: what it writes, what it refuses, and that it speaks Python."

import ast
import json
import re

import numpy as np
import pytest
import tifffile
import torch

from unet_explorer.contracts import InputError
from unet_explorer.data import load, split
from unet_explorer.pairs import load_pairs
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.files import load_mask
from unet_explorer.images import save_image, save_mask
from unet_explorer.own_model import judge, summary, train_and_report
from unet_explorer.segmentation import segment_folder
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


def cells(folder, classes, flip):
    "Six pictures of cells between walls as a `DatasetDict`; `flip` numbers the classes anew."
    for i in range(6):
        wall = torch.zeros(32, 32, dtype=torch.int64)
        wall[:, 8 + i : 11 + i] = wall[20:23] = 1
        noise = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(i))
        save_image(folder / "images" / f"g{i}" / "a.png", 0.7 - 0.4 * wall[None] + 0.2 * noise)
        save_mask(folder / "masks" / f"g{i}" / "a.png", 1 - wall if flip else wall)
    return split(load_pairs(folder / "images", folder / "masks", classes), valid=0.2, test=0.4)


def test_rand_f_is_of_the_cells_whatever_their_number(tmp_path, monkeypatch):
    "The wrong class was scored when the membrane was class 0."

    def with_a_gap(model, part):
        truths = [sample(part, i)[1] for i in range(len(part))]
        preds = [m.clone() for m in truths]
        for p in preds:
            p[4:7] = p[0, 0]  # every wall has a hole: cells are merged
        return preds, truths

    monkeypatch.setattr("unet_explorer.train.predict_all", with_a_gap)
    model = EffUNet(pretrained=False)
    found = {}
    for classes in (["cell", "membrane"], ["membrane", "cell"], ["Cell_Walls", "Zelle"]):
        ds = cells(tmp_path / classes[0], classes, flip="membrane" not in classes[1:])
        found[classes[0]] = judge(model, ds)
    values = [f.scores["rand_f"] for f in found.values()]
    assert values[0] == values[1] == values[2] and 0.5 < values[0] < 1
    assert [f.scores["objects"] for f in found.values()] == ["cell", "cell", "Zelle"]
    said = [summary(dict(scores=f.scores, held_out="test")) for f in found.values()]
    assert f"Rand F of Zelle {values[0]:.3f}" in said[2]
    rivals = [b["value"] for f in found.values() for b in f.baselines if "Rand F of" in b["metric"]]
    assert len(rivals) == 3 and rivals[0] == rivals[1] == rivals[2]


def test_who_the_objects_are(ds, tmp_path):
    model = EffUNet(pretrained=False)
    assert "rand_f" not in judge(model, ds).scores  # insulator, metal: nothing lies between
    assert judge(model, ds, objects="metal").scores["objects"] == "metal"
    with pytest.raises(InputError, match="objects='cat' is not known; choose one of insulator"):
        train_and_report(ds, tmp_path / "new", QUICK, objects="cat")
    assert not (tmp_path / "new").exists()  # refused before anything is made


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


def of_size(path, nm):
    "A picture whose file says how large a pixel is."
    per_um = 1000 / nm
    how = dict(imagej=True, resolution=(per_um, per_um), metadata={"unit": "um"})
    tifffile.imwrite(path, np.zeros((40, 50), np.uint8), **how)


def test_what_is_odd_about_a_folder_is_said(tmp_path):
    "A mask among the pictures, and a pixel size that the files contradict."
    (tmp_path / "in").mkdir()
    of_size(tmp_path / "in" / "a.tif", 4)
    save_image(tmp_path / "in" / "a_mask.png", torch.zeros(1, 40, 50))
    lines = []
    how = dict(pixel_nm=8.0, say=lines.append)
    segment_folder(tmp_path / "in", EffUNet(pretrained=False), tmp_path / "out", **how)
    assert any("1 files are called like masks (first: a_mask)" in line for line in lines), lines
    assert any("pixel_nm=8 was used, but files say 4 nm" in line for line in lines), lines
    assert "called like masks" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    "said, learned, note",
    [
        ((4, 2), None, "a: 4 nm per pixel, but b says 2: .*counts are not comparable"),
        ((4, 2), 4, "a: 4 nm per pixel, but b says 2: .*counts are not comparable"),
        ((4, 4.05), 8, "a: 4 nm per pixel, but the model says 8: .*resample"),
        ((4, 4.05), 4, ""),
        ((4, 4.05), None, ""),
        ((4, None), 4, ""),
        ((None, 2), 4, "b: 2 nm per pixel, but the model says 4: .*resample"),
        ((None, None), 4, ""),
    ],
)
def test_pixel_sizes_that_disagree_are_said(tmp_path, said, learned, note):
    (tmp_path / "in").mkdir()
    for name, nm in zip("ab", said):
        if nm:
            of_size(tmp_path / "in" / f"{name}.tif", nm)
        else:
            save_image(tmp_path / "in" / f"{name}.png", torch.zeros(1, 40, 50))
    save(EffUNet(pretrained=False), tmp_path / "model", pixel_nm=learned)
    lines = []
    segment_folder(tmp_path / "in", tmp_path / "model", tmp_path / "out", say=lines.append)
    notes = [line for line in lines if "nm per pixel" in line]
    assert len(notes) == bool(note) and re.search(note, "".join(notes)), lines
    report = (tmp_path / "out" / "report.html").read_text()
    assert ("nm per pixel" in report) == bool(note)


@pytest.mark.parametrize("classes", [["one"], ["a", "b", "c"]], ids=repr)
@pytest.mark.parametrize("given", [True, False])
def test_a_wrong_number_of_classes_is_one_line(tmp_path, classes, given):
    save_image(tmp_path / "a.png", torch.zeros(1, 40, 50))
    save(EffUNet(pretrained=False), tmp_path / "model", classes=["gap", "metal"])
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["about"]["classes"] = classes
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    model = restore(tmp_path / "model") if given else tmp_path / "model"
    with pytest.raises(InputError, match="classes=.* 2 classes; copy config.json from") as e:
        segment_folder(tmp_path / "a.png", model, tmp_path / "out")
    assert ("the model" if given else str(model)) in str(e.value) and "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()
