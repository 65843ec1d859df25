"""Painting in a real browser: the head is the one that Python trains, everything goes by keyboard,
the work is kept and exported, and nothing is asked of another host. And the same in JupyterLab."""

import base64
import functools
import http.server
import json
import shutil
import threading

import forks
import numpy as np
import pytest
import tifffile
import torch
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT
from test_browser import KERNEL_READY, chromium, code_cell  # noqa: F401  (a fixture)
from test_lab import lab  # noqa: F401  (a fixture)

import unet_explorer as ux
from unet_explorer.files import load_image, load_mask, load_stored
from unet_explorer.images import IGNORE, save_image
from unet_explorer.strokes import draw_strokes, fit_head, picture_features, save_head

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>paint</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="paint.css">
<body style="margin: 8px"><main><h1>Paint</h1><div id="root"></div></main>
<script type="module">
import * as paint from "./paint.js";
const floats = text => {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
};
const spec = await (await fetch("NAME.json")).json();
const picture = { ...spec.picture, data: floats(spec.picture.data) };
const features = async () => spec.maps.map(m => ({ ...m, data: floats(m.data) }));
window.paint = paint;
const root = document.getElementById("root"), classes = ["gap", "metal"];
window.it = paint.mount(root, { picture, features, classes, name: "chip" });
window.prepared = paint.prepare(picture, await features());
</script></html>
"""
LEARN = """async ([labels, hidden, names]) => {
    const classes = names.map((name, k) => ({ name, colour: paint.COLOURS[k] }));
    const head = paint.fitHead(prepared, Uint8Array.from(labels), { classes, hidden });
    return [head, Array.from(paint.predict(head, prepared).mask)];
}"""
UPDATED = "n => Number(document.getElementById('root').dataset.updates || 0) > n"


def as_spec(features):
    "What a page is given: the picture, and the maps of the encoder."

    def one(f):
        data = base64.b64encode(f.contiguous().numpy().astype("<f4").tobytes()).decode()
        return dict(channels=f.shape[0], height=f.shape[1], width=f.shape[2], data=data)

    return dict(
        picture=one(features[1]), maps=[dict(stride=s, **one(f)) for s, f in features.items()]
    )


@pytest.fixture(scope="module")
def chip():
    "A small picture of metal lines, not a multiple of 32, what the encoder says of it, the truth."
    image, truth = ux.sample(ux.load("simulated", n=9, size=(160, 160))["train"], 0)
    image, truth = image[:, :120, :150].contiguous(), truth[:120, :150]
    return image, picture_features(image), truth.numpy()


@pytest.fixture(scope="module")
def large():
    "512 x 512 pixels, for the clock."
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 64, 64, generator=g)
    return torch.nn.functional.interpolate(image[None], size=(512, 512), mode="bicubic")[0].clip(
        0, 1
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory, chip, large):
    "A folder and the address it is served at."
    folder = tmp_path_factory.mktemp("web")
    for name in ("paint.js", "paint.css"):
        shutil.copy(ROOT / "unet_explorer" / name, folder)
    for name, features in (("chip", chip[1]), ("large", picture_features(large))):
        (folder / f"{name}.json").write_text(json.dumps(as_spec(features)))
        (folder / f"{name}.html").write_text(PAGE.replace("NAME", name), encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def visit(chromium, served):
    "`visit(name)` is the page, ready; an error, or a request to another host, fails the test."
    contexts, problems = [], []

    def go(name="chip", init="", **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        if init:
            page.add_init_script(init)
        page.on("console", lambda m: problems.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: problems.append(f"error: {e}"))
        page.on(
            "request",
            lambda r: r.url.startswith((served, "data:", "blob:")) or problems.append(r.url[:200]),
        )
        page.goto(f"{served}/{name}.html")
        page.wait_for_function("document.getElementById('root').dataset.ready === 'yes'")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not problems


def updates(page):
    return page.evaluate("Number(document.getElementById('root').dataset.updates || 0)")


def stroke(page, class_key, start, end):
    "Paint a line with the mouse, from one (row, column) to another; wait for the head."
    n = updates(page)
    page.keyboard.press(class_key)
    box = page.locator("canvas").bounding_box()
    h, w = page.evaluate(
        "[document.querySelector('canvas').height, document.querySelector('canvas').width]"
    )
    points = [
        (box["x"] + x * box["width"] / w, box["y"] + y * box["height"] / h) for y, x in (start, end)
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=5)
    page.mouse.up()
    page.wait_for_function(UPDATED, arg=n)
    page.wait_for_timeout(50)


def state(page):
    "Labels, head and mask as they are on the page."
    labels, head, mask, size = page.evaluate(
        """() => {
            const { labels, head, mask } = it.state, c = document.querySelector('canvas');
            return [Array.from(labels), head, mask && Array.from(mask), [c.height, c.width]];
        }"""
    )
    as_array = [None if v is None else np.array(v).reshape(size) for v in (labels, mask)]
    return as_array[0], head, as_array[1]


def same_head(a, b):
    for stride, w in a.weights.items():
        torch.testing.assert_close(w, b.weights[stride], atol=1e-4, rtol=0)
    torch.testing.assert_close(a.bias, b.bias, atol=1e-4, rtol=0)
    for v, w in zip(a.out or (), b.out or (), strict=True):
        torch.testing.assert_close(v, w, atol=1e-4, rtol=0)


@pytest.mark.parametrize("hidden", [0, 16])
@pytest.mark.parametrize("names", [["gap", "metal"], ["gap", "metal", "never painted"]])
def test_the_page_trains_the_head_that_python_trains(visit, chip, tmp_path, hidden, names):
    _, features, truth = chip
    labels = draw_strokes(truth, 6, seed=1)
    content, mask = visit().evaluate(LEARN, [labels.ravel().tolist(), hidden, names])
    (tmp_path / "head.json").write_text(json.dumps(content))
    theirs, ours = (
        ux.load_head(tmp_path / "head.json"),
        fit_head(features, labels, names, hidden=hidden),
    )
    same_head(theirs, ours)
    assert theirs.classes == ours.classes and theirs.kind == ours.kind
    for head in (theirs, ours):
        assert (head.predict(features).numpy().ravel() == mask).all()
    assert set(mask) == {0, 1}


def test_a_stroke_is_learned_and_shown(visit, chip):
    page = visit()
    page.locator("canvas").focus()
    status = page.locator(".uxpaint-status")
    assert "Paint a stroke of each class" in status.inner_text()
    stroke(page, "1", (20, 20), (20, 90))
    assert "Now paint a second class: metal" in status.inner_text()
    stroke(page, "2", (80, 20), (80, 90))
    labels, head, mask = state(page)
    assert (labels[20, 25:85] == 0).all() and (labels[80, 25:85] == 1).all()
    assert "Unsure" in status.inner_text() and mask[80, 50] == 1 and mask[20, 50] == 0
    ours = fit_head(chip[1], labels, ["gap", "metal"])
    assert (ours.predict(chip[1]).numpy() == mask).all()


def test_all_goes_by_keyboard(visit):
    page = visit()
    page.locator("canvas").focus()
    middle = page.evaluate("it.state.cursor")
    page.keyboard.press("1")
    page.keyboard.down(" ")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    labels, _, _ = state(page)
    row, column = middle["y"], middle["x"]
    assert (labels[row, column : column + 5] == 0).all()
    page.keyboard.press("2")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")  # lowers the brush
    page.keyboard.press("Shift+ArrowLeft")
    n = updates(page)
    page.keyboard.press("Enter")
    page.wait_for_function(UPDATED, arg=n)
    labels, head, _ = state(page)
    assert (labels[row + 20, column - 6 : column + 4] == 1).all() and head
    page.keyboard.press("n")
    place = page.evaluate("[it.state.cursor, it.state.next]")
    assert place[0] == place[1]
    page.keyboard.press("z")
    page.wait_for_function("!it.state.head")
    assert not (state(page)[0] == 1).any()
    page.keyboard.press("y")
    page.wait_for_function("it.state.head")
    assert (state(page)[0] == labels).all()
    page.keyboard.press("0")
    page.keyboard.press(" ")
    assert (
        "Eras" in page.locator(".uxpaint-status").inner_text()
        or page.evaluate("it.state.active") == -1
    )


def test_classes_are_added_and_named(visit, tmp_path):
    page = visit()
    page.get_by_role("button", name="Add a class").click()
    page.keyboard.type("pore")
    page.keyboard.press("Tab")
    page.get_by_label("name of class 1").fill("pore")  # names differ
    page.keyboard.press("Tab")
    assert page.evaluate("it.state.classes.map(c => c.name)") == ["pore 2", "metal", "pore"]
    for key, row in (("1", 20), ("2", 50), ("3", 90)):
        page.locator("canvas").focus()
        stroke(page, key, (row, 20), (row, 60))
    _, head, mask = state(page)
    assert [c["name"] for c in head["classes"]] == ["pore 2", "metal", "pore"]
    assert set(mask.ravel()) == {0, 1, 2}


def test_the_work_is_kept_and_may_be_forgotten(visit):
    page = visit()
    page.locator("canvas").focus()
    stroke(page, "1", (20, 20), (20, 60))
    stroke(page, "2", (80, 20), (80, 60))
    before, _, mask = state(page)
    page.reload()
    page.wait_for_function("it.state.mask")
    after, _, again = state(page)
    assert (before == after).all() and (mask == again).all()
    page.get_by_role("button", name="Start again").click()
    page.wait_for_function("!it.state.head")
    page.reload()
    page.wait_for_function("document.getElementById('root').dataset.ready === 'yes'")
    assert (state(page)[0] == IGNORE).all()


def test_where_storage_is_refused_it_is_said(visit):
    refuse = "Storage.prototype.setItem = () => { throw new Error('refused'); };"
    page = visit(init=refuse)
    assert page.get_by_text("refuses to store the work").is_visible()


def saved(page, name, folder):
    "The file that a button saves."
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_what_is_exported_goes_on_in_python(visit, chip, tmp_path):
    "The head predicts the same, and the strokes are labels to train on: 255 is ignored."
    image, features, truth = chip
    page = visit()
    page.locator("canvas").focus()
    stroke(page, "1", (20, 20), (20, 90))
    stroke(page, "2", (80, 20), (80, 90))
    labels, _, mask = state(page)
    strokes, predicted, head = (
        saved(page, name, tmp_path) for name in ("Strokes (PNG)", "Mask (PNG)", "Head (JSON)")
    )
    assert (np.asarray(load_stored(strokes)) == labels).all()
    assert (load_mask(predicted).numpy() == mask).all()
    assert (ux.load_head(head).predict(image).numpy() == mask).all()
    for i in range(6):  # a folder as `unet-explorer train` takes it
        save_image(tmp_path / f"folder/chip{i}.png", image.roll(i, 2))
        shutil.copy(strokes, tmp_path / f"folder/chip{i}_mask.png")
    ds = ux.load(tmp_path / "folder")
    _, read = ux.sample(ds["train"], 0)
    assert (read.numpy() == labels).all() and set(labels.ravel()) == {0, 1, IGNORE}
    out = tmp_path / "model"
    options = ("--classes", "gap,metal", "--steps", 4, "--size", 64, "--out", out)
    program = "import sys; from unet_explorer.cli import main; sys.exit(main())"
    code, printed, err = forks.run(program, "train", tmp_path / "folder", *options, timeout=300)
    assert code == 0 and (out / "model.safetensors").is_file(), printed + err


def test_on_a_phone(visit):
    page = visit(viewport={"width": 390, "height": 780}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sides = page.locator("canvas").bounding_box()
    assert sides["x"] >= 0 and sides["x"] + sides["width"] <= 390
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, input[type=text], .uxpaint-class label')]"
        ".filter(e => e.getBoundingClientRect().height < 24).length"
    )
    assert not small


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(visit, scheme):
    page = visit(color_scheme=scheme)
    page.locator("canvas").focus()
    stroke(page, "1", (20, 20), (20, 60))
    stroke(page, "2", (80, 20), (80, 60))
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, options=rules).response["violations"]
    assert not found, [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]


def test_the_clock(visit, capsys):
    "Printed, not asserted: what a stroke costs at 512 x 512."
    page = visit("large")
    page.locator("canvas").focus()
    stroke(page, "1", (100, 100), (100, 300))
    times = {}
    for kind in ("0", "16"):
        page.locator("select").select_option(kind)
        page.wait_for_timeout(1500)
        times[kind] = []
        for i in range(4):
            page.locator("canvas").focus()
            stroke(page, "12"[i % 2], (150 + 40 * i, 60), (150 + 40 * i, 300))
            times[kind].append(page.evaluate("it.state.ms"))
    with capsys.disabled():
        for kind, name in (("0", "linear"), ("16", "hidden")):
            ms = ", ".join(f"{t:.0f}" for t in times[kind])
            print(f"\na stroke's update at 512x512 in headless chromium, {name}: {ms} ms")
    assert min(times["0"]) > 0


def test_the_widget_knows_what_was_painted(chip, tmp_path):
    "What the page sends to the kernel: labels and head."
    image, features, truth = chip
    labels = draw_strokes(truth, 6, seed=1)
    head = fit_head(features, labels, ["gap", "metal"])
    save_head(head, tmp_path / "head.json")
    work = ux.paint(image, ["gap", "metal"])
    assert work.head is None and (work.labels == IGNORE).all()
    work.labels_, work.head_ = (
        labels.astype(np.uint8).tobytes(),
        (tmp_path / "head.json").read_text(),
    )
    assert (work.labels == labels).all()
    assert (work.head.predict(image) == head.predict(features)).all()
    again = ux.paint(image, ["gap", "metal"], labels)
    assert (again.labels == labels).all()
    for bad, words in (((["one"],), "1 classes"), ((["a", "b"], labels[:5]), "both must agree")):
        with pytest.raises(ux.InputError, match=words):
            ux.paint(image, *bad)


def test_a_file_is_read_as_by_the_page(chip, tmp_path):
    "16 bits, and turned as its header says; a stack and a file cut short get one line each."
    image, features, truth = chip
    head = fit_head(features, draw_strokes(truth, 6, seed=1), ["gap", "metal"])
    deep = (image[0].numpy() * 60000).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    turned = deep.T.copy()
    tifffile.imwrite(tmp_path / "turned.tif", turned, extratags=[(274, 3, 1, 5, True)])
    wanted = head.predict(load_image(tmp_path / "deep.tif", channels=1))
    for name in ("deep.tif", "turned.tif"):
        assert (head.predict(tmp_path / name) == wanted).all(), name
        assert ux.paint(str(tmp_path / name)).size == list(wanted.shape)
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([deep] * 3), photometric="minisblack")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "deep.tif").read_bytes()[:2000])
    for name in ("stack.tif", "cut.tif", "gone.tif"):
        for use in (head.predict, ux.paint):
            with pytest.raises(ux.InputError, match=name) as said:
                use(tmp_path / name)
            assert "\n" not in str(said.value)


def test_a_head_that_is_none_is_refused(chip, tmp_path):
    _, features, truth = chip
    path = tmp_path / "head.json"
    save_head(fit_head(features, draw_strokes(truth, 4), ["gap", "metal"]), path)
    good = path.read_text()
    damaged = ["", "[]", "{}", good[:-9], good.replace('"linear"', '"deep"')]
    damaged += [
        good.replace('"bias": [', '"bias": [1, '),
        good.replace('"format": 1', '"format": 2'),
    ]
    damaged += [good.replace('"lite0"', '"b7"'), good.replace('"gap"', '"metal"')]
    for text in damaged:
        path.write_text(text)
        with pytest.raises(ux.InputError) as said:
            ux.load_head(path)
        assert str(path) in str(said.value) and "\n" not in str(said.value)


LAB = """
import torch, unet_explorer as ux
g = torch.Generator().manual_seed(0)
work = ux.paint(torch.rand(1, 64, 96, generator=g), ["gap", "metal"])
work
"""
KERNEL_SAYS = (
    "print('kernel has', (work.labels == 0).sum(), (work.labels == 1).sum(), work.head.kind)"
)


def test_the_same_in_jupyterlab(lab, chromium, tmp_path):
    "Painted in JupyterLab, the kernel has labels and head; arrow keys do not move the cells."
    url, token = lab
    cells = [code_cell(f"c{i}", source) for i, source in enumerate((LAB, KERNEL_SAYS))]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    nb = dict(cells=cells, metadata={"kernelspec": kernel}, nbformat=4, nbformat_minor=5)
    (tmp_path / "nbs/tiny.ipynb").write_text(json.dumps(nb))
    page, problems = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/nbs/tiny.ipynb?token={token}")
    page.wait_for_function(KERNEL_READY)
    run = "() => window.jupyterapp.commands.execute('notebook:run-cell')"
    page.evaluate(run)
    page.wait_for_selector(".jp-OutputArea-output .uxpaint-canvas")
    canvas = page.locator(".uxpaint-canvas")
    canvas.focus()
    for key, row in (("1", "ArrowUp"), ("2", "ArrowDown")):
        page.keyboard.press(key)
        page.keyboard.press(f"Shift+{row}")
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.uxpaint-status').innerText.includes('Unsure')")
    page.wait_for_timeout(2000)  # what is painted is on its way to the kernel
    page.screenshot(path=tmp_path / "lab.png")
    page.evaluate("""() => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        notebook.activeCellIndex = 1;
    }""")
    page.evaluate(run)
    page.wait_for_function(
        "[...document.querySelectorAll('.jp-OutputArea-output pre')]"
        ".some(e => /kernel has.*linear/.test(e.textContent))"
    )
    said = page.locator(".jp-OutputArea-output pre").last.inner_text().split()
    assert int(said[2]) > 50 and int(said[3]) > 50 and said[4] == "linear"
    page.close()
    assert not problems, problems
