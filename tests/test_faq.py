"""The questions and answers (nbs/faq.qmd): every command parses, and the README's too; every
piece of Python runs; the list at the top names every question. So no answer can rot unseen."""

import json
import re
import shlex
from functools import partial

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT
from docs_md import slug
from docs_gallery import questions

import unet_explorer as ux
from unet_explorer import cli
from unet_explorer.data import load

PAGE = (ROOT / "nbs/faq.qmd").read_text(encoding="utf-8")
# an answer: its question, and what stands up to the next question or section
ANSWERS = re.findall(r"(?ms)^### ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE)


def fences(language, text=PAGE):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


def commands(text):
    "The lines of `text` that call the program, as lists of words, without `NAME=value` before it."
    for line in "\n".join(fences("sh", text)).splitlines():
        words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", line), comments=True)
        if words[:1] == ["unet-explorer"]:
            yield words[1:]


def test_answers_are_short_and_each_leads_on():
    assert len(ANSWERS) >= 50
    for question, answer in ANSWERS:
        prose = re.sub(r"(?ms)^```.*?^```$", "", answer)
        assert len(prose.split()) < 110, f"{question}: {len(prose.split())} words"
        assert fences(r"\w+", answer) or "](" in answer, question


def test_the_list_names_every_question():
    assert "<!-- questions -->" in PAGE
    listed = re.findall(r'<li><a href="#([^"]+)">', questions(PAGE))
    assert listed == [slug(q) for q, _ in ANSWERS]


README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [*commands(README), *commands(PAGE)], ids=" ".join)
def test_a_command_parses(words, capsys):
    "Those of the README, and of the answers."
    if words == ["--version"]:
        with pytest.raises(SystemExit, match="0"):
            cli.parser().parse_args(words)
    else:
        assert callable(cli.parser().parse_args(words).run)


def test_a_wrong_command_would_be_seen():
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["train", "images/", "masks/", "--no-such-option", "1"])


@pytest.fixture(scope="module")
def small():
    return load("simulated", n=6, size=(64, 64))


def folder_of(tmp_path):
    "Images with masks of 0 and 255, in two specimens; and masks in colour."
    for i in range(6):
        name = f"wafer{i // 2}/site{i}"
        image, mask = torch.rand(1, 40, 40), torch.zeros(40, 40, dtype=torch.int64)
        mask[:, 20:] = 255
        ux.save_image(tmp_path / f"images/{name}.png", image)
        ux.save_mask(tmp_path / f"masks/{name}.png", mask)
        red = torch.stack([(mask > 0).float(), *2 * [torch.zeros(40, 40)]])
        ux.save_image(tmp_path / f"colours/{name}.png", red)
    return tmp_path / "images", tmp_path / "masks"


@pytest.fixture
def work(small, tmp_path, monkeypatch):
    "Where the answers run: small data, and no long training."
    monkeypatch.chdir(tmp_path)
    real = ux.load
    made_up = ("simulated", "hf://org/name")
    monkeypatch.setattr(ux, "load", lambda source: small if source in made_up else real(source))
    monkeypatch.setattr(ux, "train_and_report", lambda ds, out, training: (len(ds), training))
    quick = partial(ux.learner, precision="fp32")  # "auto" would measure, each time
    monkeypatch.setattr(ux, "learner", quick)
    monkeypatch.setattr(ux, "Segmenter", partial(ux.Segmenter, backend="float32"))
    monkeypatch.setattr(ux, "fit", lambda learn, minutes: learn.model)
    return tmp_path


def outlines_of(images, work):
    "A file of COCO: a square on each picture."
    names = [p.relative_to(images).as_posix() for p in sorted(images.rglob("*.png"))]
    listed = [dict(id=i, file_name=name) for i, name in enumerate(names)]
    square = dict(category_id=1, segmentation=[[2, 2, 9, 2, 9, 9, 2, 9]])
    annotations = [square | dict(id=one["id"], image_id=one["id"]) for one in listed]
    categories = [dict(id=1, name="cell")]
    path = work / "coco.json"
    content = dict(images=listed, annotations=annotations, categories=categories)
    path.write_text(json.dumps(content))
    return path


def test_the_python_of_the_answers_runs(work, small):
    "Every block is executed, and a function that a block defines is called with small files."
    images, masks = folder_of(work / "mine")
    image, mask, model = images / "wafer0/site0.png", masks / "wafer0/site0.png", work / "model"
    net = ux.EffUNet("lite0")
    ux.save(net, model)
    pages = np.random.default_rng(0).random((3, 40, 40), np.float32)
    tifffile.imwrite(work / "stack.tif", pages, photometric="minisblack")
    given = {
        **dict.fromkeys(("look", "absolute"), (image,)),
        **dict.fromkeys(("check", "visible"), (mask,)),
        "mine": (work / "mine",),
        "pairs": (images, masks),
        "coloured": (images, work / "mine/colours"),
        "from_coco": (images, outlines_of(images, work)),
        "slices": (work / "stack.tif", net),
        "from_hub": (),
        "larger_than_the_disk": None,  # needs the hub; test_streams.py has shards of its own
        "go_on": (small, model),
        "tune": (model, images, masks),
        "as_onnx": (model,),
        "as_layers": (image,),
        "share": None,  # needs the hub; test_exchange.py puts another in its place
        "fast": (model, [torch.rand(1, 64, 64)]),
        "watched": None,  # needs tensorboard, which we do not
    }
    for question, answer in ANSWERS:
        for code in fences("python", answer):
            names = {"ux": ux}
            exec(compile(code, question, "exec"), names)
            for name, f in names.items():
                if getattr(getattr(f, "__code__", None), "co_filename", "") == question:
                    arguments = given.pop(name)
                    if arguments is not None:
                        f(*arguments)
    assert not given, f"no answer defines {list(given)}"
    assert (work / "model.onnx").exists()
