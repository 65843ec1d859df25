"What comes from outside and may be nonsense: saved models, drawings, pages, caches, numbers."

import json
import os
import re
import shlex
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT

from unet_explorer import cli, data, effunet
from unet_explorer.batches import augment
from unet_explorer.contracts import InputError, NotWritten, Number, check_value, model_folder
from unet_explorer.contracts import rule_of, shown, write_atomic
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.layout import read_svg
from unet_explorer.train import check_room

SMALL = dict(decoder=(16, 16, 8, 8), convs=1, pretrained=False)


def refused(function, *args, says=".", **how):
    "The one line with which a call is refused."
    with pytest.raises(InputError, match=says) as e:
        function(*args, **how)
    text = str(e.value)
    assert "\n" not in text and len(text) < 500, text
    return text


# --- saved models ---


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(EffUNet(**SMALL), folder, classes=["cell", "membrane"], pixel_nm=4.0)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def model(saved, tmp_path):
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def changed(folder, **parts):
    "Write a config.json in which `parts` stand in place of what stood there."
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name, value in parts.items():
        keeps = isinstance(value, dict) and isinstance(config[name], dict)
        config[name] = config[name] | value if keeps else value
    path.write_text(json.dumps(config))


@pytest.fixture
def no_memory(monkeypatch):
    "Building a model anywhere but on the device meta is an error."
    build = EffUNet.__init__

    def only_planned(self, *args, **how):
        assert torch.get_default_device().type == "meta", "memory was asked for"
        build(self, *args, **how)

    monkeypatch.setattr(EffUNet, "__init__", only_planned)


@pytest.mark.parametrize(
    "slip",
    [
        dict(decoder=[10**6] * 4),
        dict(decoder=[10**12] * 4),
        dict(decoder=[16, 16, 8, 8, 10**9]),
        dict(n_classes=10**9),
        dict(n_classes=10**30),
        dict(in_ch=10**6),
        dict(in_ch=10**30),
        dict(convs=10**9),
        dict(convs=2),
        dict(encoder="b7"),
        dict(family="timm", encoder="resnet18", in_ch=10**9),
        dict(family="smp", encoder="resnet18", in_ch=10**9),
        dict(up="transposed", decoder=[10**6] * 4),
    ],
)
def test_shapes_are_compared_before_memory_is_asked_for(model, slip, no_memory):
    changed(model, model=slip)
    refused(restore, model, says="does not fit config.json")


@pytest.mark.parametrize("odd", ["2", [2], True, None, float("nan"), -1, 0, 1.5, {}, 1e400])
def test_an_odd_format(model, odd):
    changed(model, format=odd)
    refused(restore, model, says="damaged")


@pytest.mark.parametrize("part", ["model", "about"])
@pytest.mark.parametrize("odd", [None, [], "a", 3, True])
def test_parts_that_are_no_dicts(model, part, odd):
    changed(model, **{part: odd})
    refused(restore, model, says="damaged")


@pytest.mark.parametrize(
    "slip",
    [
        dict(encoder=None),
        dict(encoder=["lite0"]),
        dict(decoder="16"),
        dict(decoder=None),
        dict(decoder=[16, 16, 8, None]),
        dict(decoder=[[16], 16, 8, 8]),
        dict(convs=None),
        dict(up=None),
        dict(family={}),
        dict(in_ch=True),
        dict(pretrained=True),
        dict(no_such_option=1),
    ],
)
def test_settings_of_the_wrong_type(model, slip):
    changed(model, model=slip)
    refused(restore, model, says="config.json")


@pytest.mark.parametrize(
    "slip",
    [
        dict(classes="ab"),
        dict(classes=[1, 2]),
        dict(classes={"a": 1}),
        dict(pixel_nm="4"),
        dict(pixel_nm=-4),
        dict(pixel_nm=[4]),
        dict(threshold=float("nan")),
        dict(threshold=None),
        dict(fpr=2),
        dict(task=3),
        dict(reference="yes"),
    ],
)
def test_what_is_kept_with_a_model_has_its_type(model, slip):
    changed(model, about=slip)
    (name,) = slip
    refused(restore, model, says=name)
    refused(save, EffUNet(**SMALL), model / "again", says=name, **slip)
    assert not (model / "again").exists()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": 2, "model": {}, "about": ' + '{"a":' * 50_000,
        '{"format": ' + "9" * 10_000 + "}",
        " " * (effunet.LARGEST + 1),
        "null",
        "\ufeff{}",
    ],
)
def test_json_that_nobody_wrote(model, text):
    (model / "config.json").write_text(text)
    refused(restore, model, says="damaged")


def test_a_name_that_stands_twice(model):
    path = model / "config.json"
    path.write_text(path.read_text().replace('"up"', '"convs": 3,\n"up"', 1))
    refused(restore, model, says="damaged")
    path.write_bytes(b'{"format": 2, "\xff": 1}')
    refused(restore, model, says="damaged")


def head_of(data, change):
    "A file of safetensors with another list of tensors."
    n = struct.unpack("<Q", data[:8])[0]
    head = json.dumps(change(json.loads(data[8 : 8 + n]))).encode()
    return struct.pack("<Q", len(head)) + head + data[8 + n :]


@pytest.mark.parametrize("shape", [[10**6, 10**6], [-1], [2**63], []])
def test_a_list_of_tensors_that_lies(model, saved, shape, no_memory):
    def lie(head):
        next(v for k, v in head.items() if k != "__metadata__")["shape"] = shape
        return head

    path = model / "model.safetensors"
    path.write_bytes(head_of(saved["model.safetensors"], lie))
    refused(restore, model, says="damaged")
    for content in (b"", b"\xff" * 8, struct.pack("<Q", 2**62) + b"{}", b"\0" * 100):
        path.write_bytes(content)
        refused(restore, model, says="damaged")


def test_weights_that_are_not_finite(model):
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    next(v for k, v in weights.items() if k.startswith("decoder") and v.ndim == 4)[0] = float("nan")
    save_file(weights, model / "model.safetensors")
    refused(restore, model, says="not finite")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_files_that_are_none(model, name):
    path = model / name
    path.unlink()
    path.mkdir()
    refused(restore, model, says="no ordinary file")
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)  # whoever reads it waits for ever
        refused(restore, model, says="no ordinary file")
        path.unlink()
    path.symlink_to(path)
    refused(model_folder, model, says="missing")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "."])
def test_files_that_may_not_be_read(model, name):
    (model / name).chmod(0)
    try:
        refused(restore, model)
    finally:
        (model / name).chmod(0o755)


def test_folders_that_cannot_be():
    for folder in ("a\0b", "x" * 5000, 3, None):
        refused(model_folder, folder)


def test_a_model_behind_a_link_is_a_model(model, tmp_path_factory):
    link = tmp_path_factory.mktemp("link") / "there"
    link.symlink_to(model, target_is_directory=True)
    assert restore(link).about["classes"] == ["cell", "membrane"]


@pytest.mark.parametrize("family, encoder", [("own", "b0"), ("timm", "resnet18"), ("smp", "vgg11")])
@pytest.mark.parametrize("in_ch", [1, 4])
def test_models_of_all_families_come_back(family, encoder, in_ch, tmp_path):
    model = EffUNet(**SMALL, encoder=encoder, family=family, in_ch=in_ch, n_classes=3)
    save(model, tmp_path)  # what was planned from its config.json has just its shapes
    again = restore(tmp_path).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items())


# --- drawings ---


def drawing(inside="", box="0 0 60 40"):
    return f'<svg viewBox="{box}">{inside}</svg>'


@pytest.mark.parametrize(
    "text, says",
    [
        (drawing(box="0 0 1000000 1000000"), "viewBox"),
        (drawing(box="0 0 1e200 1e200"), "viewBox"),
        (drawing(box="0 0 1e999 1"), "viewBox"),
        (drawing(box="0 0 1.2.3 9"), "viewBox"),
        (drawing(box="0 0 -3 9"), "viewBox"),
        (drawing(box="0 0 0 9"), "viewBox"),
        (drawing(box="0 0 nan 9"), "viewBox"),
        (drawing(box="0 0 1e400 10"), "no size"),
        (drawing(box="0 0 1e300 10"), "no size"),
        (drawing(box="0 0 1e8 1"), "no size"),
        (drawing(box="5 0 9 9"), "viewBox"),
        ("<svg/>", "viewBox"),
        (drawing('<path d="M1,1 L1e30,5 L9,9"/>'), "at most"),
        (drawing('<path d="M1,1 L1e999,5 L9,9"/>'), "at most"),
        (drawing('<path d="M1,1 L-,5 L9,9"/>'), "numbers"),
        (drawing('<path d="M1,1 L3,5 L9"/>'), "polygon"),
        (drawing(f'<path d="M1,1 L{"1" * 50_000}x L9"/>'), "polygon"),
        (drawing("<path/>"), "polygon"),
        (drawing('<circle cx="1.2.3.4" cy="1" r="inf"/>'), "numbers"),
        (drawing('<circle cx="1" cy="1" r="1e300"/>'), "at most"),
        (drawing('<rect width="4" height="4"/>'), "<rect>"),
        (drawing('<g transform="scale(2)"/>'), "transform"),
        (drawing("<path"), "well-formed"),
        ("<p>no</p>", "not an <svg>"),
        ('<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + drawing("&b;"), "entities"),
        (drawing("<g>" * 10_000 + '<path d="M1,1 C2,2"/>' + "</g>" * 10_000), "deep"),
        (drawing("\x00"), "well-formed"),
    ],
)
def test_drawings_that_nobody_could_use(text, says, tmp_path):
    refused(read_svg, text, says=says)
    path = tmp_path / "a.svg"
    path.write_text(text)
    refused(read_svg, path, says=says)


PATH = '<path d="M1,1 L8,1 L8,8 L1,8 Z"/>'


def path(more):
    return PATH.replace("/>", f" {more}/>")


HIDDEN, LIME = path("fill='inherit'"), path("fill='lime'")
VISIBLE = path("style='visibility: visible'")
STILL = path("transform='none' class='a'")
UNSEEN = {  # what is in the drawing -> what is said
    f"<defs>{PATH}</defs>": "<defs>",
    f"<metadata>{PATH}</metadata>": "<metadata>",
    "<desc><g><circle cx='4' cy='4' r='2'/></g></desc>": "<desc>",
    f"<x:a xmlns:x='urn:a'>{PATH}</x:a>": "another kind",
    "<x:path xmlns:x='urn:a' d='M1,1 L8,1 L8,8 Z'/>": "another kind",
    f"<svg x='10' y='10' viewBox='0 0 1 1'>{PATH}</svg>": "<svg>",
    f"<g visibility='hidden'>{PATH}</g>": "visibility",
    f"<g style='visibility: COLLAPSE'>{PATH}</g>": "visibility",
    f"<g display='none'><g display='inline'>{PATH}</g></g>": "display",
    f"<g opacity='0'><g opacity='1'>{PATH}</g></g>": "opacity",
    f"<g fill='none'>{PATH}</g>": "fill",
    f"<g fill='none'>{HIDDEN}</g>": "fill",
    path("display='none'"): "display",
    path("fill='none'"): "fill",
    path("fill='transparent'"): "fill",
    path("fill-opacity='0.0'"): "fill-opacity",
    path("fill='red' style='fill:/* */none !important'"): "fill",
    path("style='transform:translate(10px,10px)'"): "transform",
    path("style='stroke: red; translate: 4px'"): "translate",
    path("style='d: path(\"M0 0\")'"): "d=",
    path("clip-path='url(#a)'"): "clip-path",
    path("systemLanguage='xx'"): "systemLanguage",
    "<style>path{transform:translate(10px)}</style>": "transform",
    "<style>.a {stroke: red; DISPLAY: none}</style>": "display",
    "<style>circle {r: 9px}</style>": "r: 9px",
    "<style>@import 'a.css'</style>": "@",
    "<style>path {tr\\61nsform: scale(2)}</style>": "style sheet",
}


@pytest.mark.parametrize("inside", UNSEEN)
def test_metal_is_what_browsers_draw_where_they_draw_it(inside):
    refused(read_svg, drawing(inside), says=UNSEEN[inside])


def test_looks_that_neither_hide_nor_move():
    whole = read_svg(drawing(PATH)).metal
    for inside in (
        f"<g fill='none'>{LIME}</g>",
        f"<g visibility='hidden'>{VISIBLE}</g>",
        f"<g style='fill: rgb(0, 255, 0); stroke: none; opacity: 0.5'>{PATH}</g>",
        f"<style>path {{fill: #0f0; stroke-width: 0}}</style>{PATH}",
        f"<defs><style>.a {{fill: red}}</style></defs>{STILL}",
        f"<metadata><x:RDF xmlns:x='urn:a'/></metadata><title>a</title>{PATH}",
    ):
        assert np.array_equal(read_svg(drawing(inside)).metal, whole)


def test_a_second_point_begins_a_number():
    layer = read_svg(drawing('<path d="M1.5.5 L50 8 L40-.5 L9,30"/>'))  # as SVG has it
    same = read_svg(drawing('<path d="M1.5,0.5 L50,8 L40,-0.5 L9,30 Z"/>'))
    assert layer.metal.any() and np.array_equal(layer.metal, same.metal)


def test_files_that_are_no_drawings(tmp_path):
    path = tmp_path / "a.svg"
    path.write_bytes(b"\xff\xfe<svg/>")
    refused(read_svg, path, says="UTF-8")
    refused(read_svg, tmp_path, says="no such file")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.svg")
        refused(read_svg, tmp_path / "pipe.svg", says="no such file")
    for odd in (None, 3, "a\0b", "x" * 5000):
        refused(read_svg, odd, says="no such file")


# --- numbers ---


def test_numbers_beyond_floats():
    for n in (10**400, -(10**400), float("inf"), float("nan")):
        refused(check_value, "", "n", n, rule_of(Number), says="finite")
    loop = []
    loop.append(loop)
    assert shown(10**5000) == "a int too large to be shown" and shown(loop)


# --- the command line ---


PROGRAM = [sys.executable, "-c", "import sys; from unet_explorer.cli import main; sys.exit(main())"]


JOB = "unet_explorer.own_model.train_and_report"


def without_memory():
    raise MemoryError


@pytest.mark.parametrize(
    "fails, says",
    [
        (without_memory, "use a smaller --size or --batch-size"),
        (lambda: np.zeros((10**6, 10**6, 10**6)), "use a smaller --size or --batch-size"),
        (lambda: np.zeros((10**12, 10**12)), "use a smaller --size or --batch-size"),
        (lambda: torch.zeros(10**14), "use a smaller --size or --batch-size"),
        (lambda: torch.zeros(10**10, 10**10), "use a smaller --size or --batch-size"),
        (lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"a"), "the disk is full"),
    ],
)
def test_what_the_machine_lacks_is_one_line(fails, says, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(JOB, lambda *args, **how: fails())
    words = ["demo", "--data", "simulated", "--out", str(tmp_path / "out"), "--steps", "1"]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.strip().split("\n")
    assert line.startswith("unet-explorer: ") and says in line


def test_a_full_disk_is_called_so(tmp_path):
    "Also where a library of Rust says it in its own words, without a number."
    rust = "Error while serializing: I/O error: No space left on device (os error 28)"
    for error in (OSError(28, "No space left on device"), OSError(122, "Quota"), OSError(rust)):
        with pytest.raises(NotWritten, match=r"could not be written \(the disk is full\); free"):
            with write_atomic(tmp_path / "a.safetensors"):
                raise error
    with pytest.raises(NotWritten, match="written .Input/output error.;"):
        with write_atomic(tmp_path / "a.safetensors"):
            raise OSError("Error while serializing: I/O error: something (os error 5)")
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_program_is_not_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(JOB, lambda *args, **how: [][1])
    with pytest.raises(IndexError):
        cli.main(["demo", "--data", "simulated", "--out", str(tmp_path / "out"), "--steps", "1"])


@pytest.mark.parametrize("how", ["left", "closed", "full"])
def test_a_listener_who_goes_away_stops_nothing(tmp_path, how):
    words = f"{shlex.join(PROGRAM)} lab lessons --no-start"
    shell = {
        "left": f"{words} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
        "closed": f"{words} >&- 2>&-",
        "full": f"{words} > /dev/full",
    }[how]
    p = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True)
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "")
    assert (tmp_path / "lessons" / "index.ipynb").is_file()


def test_a_terminal_without_our_letters(tmp_path):
    env = os.environ | dict(PYTHONIOENCODING="ascii")
    words = [*PROGRAM, "lab", "f\xe4\N{SNOWMAN}", "--no-start"]
    p = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert p.returncode == 0 and p.stderr == "" and r"f\xe4\u2603" in p.stdout


def test_a_crop_that_no_memory_holds():
    model = EffUNet(**SMALL)
    for size, bs in ((10**6, 4), (32, 10**9), (10**18, 10**18)):
        assert "GB are free" in refused(check_room, model, size, bs, says=f"size={size}, bs={bs}")
    check_room(model, 64, 4)


@pytest.mark.parametrize("words", [["--size", 10**6], ["--size", 32, "--batch-size", 10**9]])
def test_the_line_for_it(words, tmp_path, capsys):
    start = ["demo", "--data", "simulated", "--steps", 1, "--no-pretrained"]
    assert cli.main([*start, "--out", tmp_path / "out", *words]) == 2
    (line,) = capsys.readouterr().err.strip().split("\n")[-1:]
    assert "--batch-size" in line and "GB are free" in line and "=" not in line


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 300)])
def test_augmentation_of_the_smallest_pictures(shape):
    rng = np.random.default_rng(0)
    for _ in range(60):  # the blur comes in a fifth of the cases
        image, mask = augment(torch.rand(1, *shape), torch.zeros(shape).long(), rng)
        assert image.shape[1:] == mask.shape and image.isfinite().all()


# --- what is fetched ---


@pytest.mark.parametrize("how", ["flipped", "empty", "cut", "folder"])
def test_a_damaged_file_in_the_cache_is_named(how, tmp_path, monkeypatch):
    lines = (ROOT / "unet_explorer" / "registry.txt").read_text(encoding="utf-8").split("\n")
    name = min(x.split()[0][9:] for x in lines if x.startswith("isbi2012/"))
    path = tmp_path / "isbi2012" / name
    path.parent.mkdir(parents=True)
    path.mkdir() if how == "folder" else path.write_bytes(b"" if how == "empty" else b"II*\0")
    monkeypatch.setenv("UNET_EXPLORER_DATA", str(tmp_path))

    def no_network(*args, **how):
        raise ConnectionError("no network")

    monkeypatch.setattr("pooch.core.stream_download", no_network)
    monkeypatch.setattr(data, "natural_key", lambda f: (f != name, f))
    line = refused(data.fetch, "isbi2012", says="is damaged")
    assert str(path) in line and "delete it" in line
    refused(data.load, "isbi2012", fallback=True, says="is damaged")


def test_a_data_set_of_the_hub_at_a_revision(monkeypatch):
    asked = []

    def spy(name, **how):
        asked.append((name, how))
        raise OSError("no network")

    monkeypatch.setattr("datasets.load_dataset", spy)
    for name in ("hf://org/name@1a2b3c", "hf://org/name"):
        refused(data.load, name, says="cannot be loaded")
    assert asked == [("org/name", dict(revision="1a2b3c")), ("org/name", {})]


def test_weights_of_smp_are_pinned_by_their_revision():
    from segmentation_models_pytorch.encoders import encoders

    for name in ("resnet34", "mobilenet_v2", "efficientnet-b0", "vgg16"):
        settings = encoders[name]["pretrained_settings"]["imagenet"]
        assert re.fullmatch("[0-9a-f]{40}", settings["revision"]), name


# --- workflows ---

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.skipif(not WORKFLOWS, reason="no clone: an installed package has no workflows")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_pin_what_they_use_and_may_write_nothing(path):
    "A tag can be moved by whoever owns it, a commit cannot. What is not said may write."
    import yaml

    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses:\s*(.*)", text)
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {"contents": "read"}
    needed = {"docs": {"contents": "read", "pages": "write", "id-token": "write"}}
    needed |= {"tell": {"issues": "write"}}
    for name, job in flow["jobs"].items():
        assert job.get("permissions", needed.get(name)) == needed.get(name), name


def test_what_else_goes_wrong_while_a_file_is_written_goes_through(tmp_path):
    "Another file that cannot be read is not blamed on this one; nothing half-written stays."
    path = tmp_path / "a.txt"
    for error in (
        FileNotFoundError(2, "No such file or directory", str(tmp_path / "other.png")),
        PermissionError(13, "Permission denied", str(tmp_path / "other.png")),
        OSError(5, "Input/output error"),
        OSError("cannot identify image file"),
    ):
        with pytest.raises(OSError) as caught, write_atomic(path):
            raise error
        assert caught.value is error and not list(tmp_path.iterdir())
    for error in (OSError(30, "Read-only file system"), OSError("encoder error -2 when writing")):
        with pytest.raises(NotWritten, match="a.txt: could not be written"), write_atomic(path):
            raise error
    with pytest.raises(NotWritten, match="a.txt: could not be written .Input"):
        with write_atomic(path) as tmp:
            raise OSError(5, "Input/output error", str(tmp))
    path.mkdir()
    with pytest.raises(NotWritten, match="a.txt: could not be written .Is a directory"):
        with write_atomic(path) as tmp:
            tmp.write_text("x")
