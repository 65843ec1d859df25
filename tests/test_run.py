"""The page "Your own picture, in this page": a picture goes through a model of the book in a
browser, and comes out as in Python. Nothing is loaded before a click, nothing from elsewhere."""

import io
import json
import shutil
import subprocess
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import docs
import docs_models
import numpy as np
import pytest
import test_docs
import tifffile
import torch
from conftest import ROOT, required
from PIL import Image
from test_docs import findings, strangers
from test_paint import saved

from unet_explorer.files import load_image, load_mask, load_stored
from unet_explorer.images import save_mask, to_image
from unet_explorer.simulate import simulate
from unet_explorer.strokes import load_head
from unet_explorer.tiles import segment_tiled

browser, page, web = test_docs.browser, test_docs.page, test_docs.web  # fixtures
FOLDER = ROOT / "nbs" / "models"
MODELS, SAMPLES = docs_models.listed(ROOT / "nbs")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
LATE = ("vendor/", "models/", "sw.js", "pictures.js", "run-worker.js")  # only after a click
IDLE = "document.getElementById('ui-run').dataset.busy === 'no'"
MINUTES = 4 * 60_000


@pytest.fixture
def ready(site, web, page):
    "The page, opened, on a build that has the programs."
    if not (site.out / "vendor" / "ort.wasm.mjs").is_file():
        required("BROWSER")("no onnxruntime-web: npm could not fetch it")
    page.goto(f"{web}/try.html")
    return page


@pytest.fixture(scope="module")
def python_model():
    "`python_model(name)`: a model of the page, as Python runs it."
    kept = {}

    def get(name):
        if name not in kept:
            kept[name] = docs_models.restored(FOLDER, name)
        return kept[name]

    return get


def metal(h, w, seed=11):
    return simulate(1, (h, w), seed=seed)[0][0][0].numpy()


def run_on(page, file, model):
    "Open `file` with `model`, wait, and give the numbers that the page has noted."
    page.select_option("[data-run=model]", model)
    page.set_input_files("[data-run=file]", file)
    page.wait_for_function(
        f"{IDLE} && uxRun.current.mask && uxRun.current.name === '{file.name}'", timeout=MINUTES
    )
    return dict(page.evaluate("({...document.getElementById('ui-run').dataset})"))


def saved_mask(page, folder):
    return saved(page, "Save the mask as PNG", folder)


def test_sizes():
    "The encoder at most 4 MB, a decoder 1 MB, all of them together 4 MB."
    assert {m["name"] for m in MODELS} == {"isbi2012", "nasa_super1", "simulated"}
    files = [p for p in FOLDER.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 4e6
    assert max(p.stat().st_size for p in FOLDER.glob("*.safetensors")) < 1e6
    for m in MODELS:
        assert m["licence"] and m["recipe"] and m["split"] and m["seed"] == 0
        assert set(m["scores"]) == {"frozen", "encoder in 8 bits", "rounded", "full"}


def test_onnx_is_the_model(site, python_model):
    "The two graphs together give the logits of torch, for odd sizes, too."
    ort = pytest.importorskip("onnxruntime")
    encoder = ort.InferenceSession(str(site.out / "models" / "encoder.onnx"))
    for m in MODELS:
        decoder = ort.InferenceSession(str(site.out / "models" / f"{m['name']}.onnx"))
        for h, w in ((70, 90), (33, 1), (128, 96)):
            x = torch.rand(1, 1, h, w, generator=torch.Generator().manual_seed(h))
            maps = encoder.run(None, {"image": x.numpy()})
            y = decoder.run(None, dict(zip(docs_models.MAPS, maps)))[0][..., :h, :w]
            with torch.no_grad():
                torch.testing.assert_close(
                    torch.from_numpy(y), python_model(m["name"])(x), atol=1e-3, rtol=1e-3
                )


def test_nothing_is_loaded_before_a_click(web, page):
    page.goto(f"{web}/try.html")
    page.wait_for_timeout(500)
    assert not [u for u in page.asked if any(word in u for word in LATE)]
    assert not strangers(page, web) and not page.errors
    for name in ("index.html", "recall.html"):
        page.asked.clear()
        page.goto(f"{web}/{name}")
        assert not [u for u in page.asked if "run" in u.rsplit("/", 1)[1]], "others pay nothing"


def test_the_same_as_python(web, ready, python_model, tmp_path):
    "An 8-bit PNG, a TIFF of 16 bits, and one so large that it goes through in tiles."
    pictures = {"small.png": metal(512, 512), "deep.tif": metal(300, 421), "large.tif": None}
    pictures["large.tif"] = metal(1100, 1010)
    for name, x in pictures.items():
        bits = 255 if name.endswith("png") else 9000
        a = (x * bits + (0 if bits == 255 else 700)).astype(np.uint8 if bits == 255 else np.uint16)
        file = tmp_path / name
        Image.fromarray(a).save(file) if bits == 255 else tifffile.imwrite(file, a)
        for model in ["simulated"] if name == "large.tif" else [m["name"] for m in MODELS]:
            said = run_on(ready, file, model)
            got = load_mask(saved_mask(ready, tmp_path)).numpy()
            image = load_image(file, channels=1)
            wanted = segment_tiled(python_model(model), image, most=2**20).numpy()
            equal = (got == wanted).mean()
            print(f"{name}, {model}: {equal:.4%} equal, {said['tiles']} tiles, {said['took']} ms")
            assert equal >= 0.999, (name, model, equal)
            assert (int(said["tiles"]) > 1) == (name == "large.tif")
    assert not strangers(ready, web) and not ready.errors


def test_how_fast(ready, tmp_path):
    "Printed, not asserted: the machine may be busy. The first pass also compiles."
    file = tmp_path / "a.png"
    Image.fromarray((metal(512, 512) * 255).astype(np.uint8)).save(file)
    said = run_on(ready, file, "isbi2012")
    times = ready.evaluate("""async () => {
        const {picture} = uxRun.current, out = [];
        for (let i = 0; i < 3; i++) out.push((await uxRun.features(picture)).ms);
        return out;
    }""")
    print(
        f"encoder at 512x512: {said['encoder']} ms at first, then "
        f"{', '.join(f'{ms:.0f}' for ms in times)} ms; memory {int(said['heap']) / 2**20:.0f} MB"
    )
    assert 0 < int(said["heap"]) < 2**31 and min(times) > 0


def test_features_are_those_of_torch(ready, python_model, tmp_path):
    "What a head is taught on: the maps at strides 2, 4, 8 and 16."
    file = tmp_path / "a.png"
    Image.fromarray((metal(70, 90) * 255).astype(np.uint8)).save(file)
    run_on(ready, file, "simulated")
    found = ready.evaluate("""async () => (await uxRun.features(uxRun.current.picture))
        .map(m => ({...m, data: [...m.data]}))""")
    x = to_image(load_image(file), 1)[None]
    with torch.no_grad():
        wanted = [s for s in python_model("simulated").stages(x) if s.name == "encoder"][:4]
    assert [m["stride"] for m in found] == [2, 4, 8, 16] == [s.stride for s in wanted]
    for m, s in zip(found, wanted):
        got = torch.tensor(m["data"]).reshape(1, m["channels"], m["height"], m["width"])
        torch.testing.assert_close(got, s.tensor, atol=1e-3, rtol=1e-3)


def files_of_all_kinds(folder):
    "One picture, stored in many ways."
    grey = (metal(41, 53) * 255).astype(np.uint8)
    deep = (metal(41, 53) * 5000 + 100).astype(np.uint16)
    rgb = np.stack([grey, grey[::-1], 255 - grey], -1)
    rgba = np.dstack([rgb, np.full_like(grey, 77)])
    few = grey // 64
    for name, a in {"grey": grey, "rgb": rgb, "rgba": rgba, "la": rgba[..., 2:]}.items():
        Image.fromarray(a).save(folder / f"{name}.png")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(grey > 99).save(folder / "bits.png")
    palette = Image.fromarray(few)
    palette.putpalette([0, 0, 0, 250, 10, 20, 3, 200, 9, 90, 90, 255] + [0] * 756)
    palette.save(folder / "palette.png", bits=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(folder / "turned.png", exif=exif)
    Image.fromarray(grey).save(folder / "plain.bmp")
    Image.fromarray(grey).save(folder / "grey.jpg", quality=95)
    Image.fromarray(rgb).save(folder / "rgb.jpg", quality=95, subsampling=0, exif=exif)
    deflate, lzw = dict(compression="zlib", predictor=True), dict(compression="lzw")
    ways = {
        "grey8": (grey, {}),
        "deep": (deep, {}),
        "motorola": (deep, dict(byteorder=">")),
        "deflate": (deep, deflate),
        "lzw": (grey, lzw),
        "tiled": (deep, dict(tile=(16, 32))),
        "signed": (deep.astype(np.int16) - 900, {}),
        "float": (metal(41, 53), {}),
        "counts": (metal(41, 53) * 777, {}),
        "white": (deep, dict(photometric="miniswhite")),
        "rgb": (rgb, dict(photometric="rgb")),
        "planes": (rgb.transpose(2, 0, 1), dict(photometric="rgb", planarconfig="separate")),
        "turned": (deep, dict(extratags=[(274, 3, 1, 8, True)])),
        "pages": (np.stack([deep, deep[::-1]]), dict(photometric="minisblack")),
    }
    for name, (a, options) in ways.items():
        tifffile.imwrite(folder / f"{name}.tif", a, **options)
    return sorted(folder.iterdir())


def test_pictures_are_read_as_in_python(ready, tmp_path):
    read = """async ([name, bytes]) => {
        const {height, width, data} = await uxRun.read(new File([new Uint8Array(bytes)], name));
        return [height, width, [...data]];
    }"""
    bad = []
    for file in files_of_all_kinds(tmp_path):
        page = 0 if file.stem == "pages" else None  # Python wants to be told which
        wanted = to_image(load_image(file, page=page), 1)[0].numpy()
        try:
            h, w, data = ready.evaluate(read, [file.name, list(file.read_bytes())])
        except Exception as e:
            bad.append(f"{file.name}: {str(e)[:150]}")
            continue
        if (h, w) != wanted.shape:
            bad.append(f"{file.name}: {h}x{w}, not {wanted.shape}")
            continue
        off = np.abs(np.reshape(data, (h, w)) - wanted).max()
        if off > (2.5 / 255 if file.suffix == ".jpg" else 1e-6):  # browsers decode JPEG a bit apart
            bad.append(f"{file.name}: off by {off:.6f}")
    assert not bad, "\n".join(bad)


def test_what_is_no_picture_is_said(ready, tmp_path):
    empty = np.full((20, 30), -9999, np.float32)
    empty[:3, :3] = np.linspace(0, 1, 9).reshape(3, 3)
    tifffile.imwrite(tmp_path / "far.tif", empty)
    (tmp_path / "page.png").write_text("<html>")
    half = io.BytesIO()
    Image.fromarray((metal(64, 64) * 255).astype(np.uint8)).save(half, "png")
    (tmp_path / "cut.png").write_bytes(half.getvalue()[:900])
    for name, words in {
        "far.tif": "no data",
        "page.png": "neither PNG",
        "cut.png": "cut short",
    }.items():
        ready.set_input_files("[data-run=file]", tmp_path / name)
        status = "document.querySelector('[data-run=status]').textContent"
        ready.wait_for_function(f"{status}.startsWith('{name}:')")
        assert words in ready.inner_text("[data-run=status]"), name
    assert not ready.errors


def test_mask_file_is_that_of_the_library(ready, tmp_path):
    mask = torch.arange(35).reshape(5, 7) % 4
    save_mask(tmp_path / "ours.png", mask)
    ready.evaluate("uxRun.read(new File([1], 'x')).catch(() => {})")
    data = ready.evaluate(
        """async a => { const mask = {height: 5, width: 7, data: Uint8Array.from(a)};
        return [...new Uint8Array(await (await UX_PICTURES.maskFile(mask)).arrayBuffer())]; }""",
        mask.flatten().tolist(),
    )
    (tmp_path / "theirs.png").write_bytes(bytes(data))
    one, two = Image.open(tmp_path / "ours.png"), Image.open(tmp_path / "theirs.png")
    assert one.mode == two.mode == "P" and (np.asarray(one) == np.asarray(two)).all()
    n = 3 * 4
    assert one.getpalette()[:n] == two.getpalette()[:n]
    assert (load_mask(tmp_path / "theirs.png") == mask).all()


def test_stop_and_go_on(ready, tmp_path):
    file = tmp_path / "large.tif"
    tifffile.imwrite(file, (metal(1100, 1000) * 255).astype(np.uint8))
    ready.set_input_files("[data-run=file]", file)
    ready.wait_for_function(
        "document.querySelector('[data-run=status]').textContent.startsWith('Tile ')",
        timeout=MINUTES,
    )
    assert ready.locator("[data-run=progress]").is_visible()
    ready.click("[data-run=stop]")
    assert ready.inner_text("[data-run=status]") == "Stopped."
    assert not ready.locator("[data-run=stop]").is_visible()
    assert not ready.locator("[data-run=result]").is_visible()
    small = tmp_path / "small.png"
    Image.fromarray((metal(64, 64) * 255).astype(np.uint8)).save(small)
    run_on(ready, small, "simulated")
    assert not ready.errors


def test_offline_and_for_everybody(web, ready):
    "Samples; usable by everybody, on a telephone; and again without a network."
    for sample in SAMPLES[:1]:
        ready.click(f"[data-sample='{sample['file']}']")
        ready.wait_for_function(f"{IDLE} && uxRun.current.mask", timeout=MINUTES)
    for scheme in ("light", "dark"):
        ready.emulate_media(color_scheme=scheme)
        assert not findings(ready)
    ready.set_viewport_size({"width": 390, "height": 844})
    assert ready.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    ready.focus("[data-run=slider]")
    ready.keyboard.press("End")
    assert ready.evaluate("document.querySelector('[data-run=mask]').style.opacity") == "1"
    kept = "(document.getElementById('ui-run').dataset.kept || '').endsWith('.onnx')"
    ready.wait_for_function(kept, timeout=MINUTES)
    ready.context.set_offline(True)
    ready.reload()
    ready.click(f"[data-sample='{SAMPLES[0]['file']}']")
    ready.wait_for_function(f"{IDLE} && uxRun.current.mask", timeout=MINUTES)
    ready.context.set_offline(False)
    assert not strangers(ready, web)
    assert not [e for e in ready.errors if "Failed to load resource" not in e]


DROP = """([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    const box = document.getElementById("ui-run");
    for (const kind of ["dragenter", "dragover", "drop"])
        box.dispatchEvent(new DragEvent(kind, {dataTransfer: data, cancelable: true}));
}"""


def test_a_picture_may_be_dropped(ready, tmp_path):
    file = tmp_path / "dropped.png"
    Image.fromarray((metal(64, 96) * 255).astype(np.uint8)).save(file)
    ready.evaluate(DROP, [file.name, list(file.read_bytes())])
    ready.wait_for_function(f"{IDLE} && uxRun.current.mask", timeout=MINUTES)
    assert ready.evaluate("[uxRun.current.name, uxRun.current.mask.width]") == ["dropped.png", 96]


def test_painted_in_the_page_goes_on_in_python(web, ready, tmp_path):
    "Features by ONNX in the page, a head from two strokes: Python gives the same mask with it."
    file = tmp_path / "chip.png"
    Image.fromarray((metal(256, 320) * 255).astype(np.uint8)).save(file)
    run_on(ready, file, "simulated")
    assert not [u for u in ready.asked if "paint" in u], "only who paints loads it"
    ready.click("[data-teach=begin]")
    canvas = ready.locator("[data-teach=room] canvas").first
    canvas.wait_for(timeout=MINUTES)
    canvas.focus()
    for key, step in (("1", "ArrowUp"), ("2", "ArrowDown")):
        for press in (key, f"Shift+{step}", "Enter", "Shift+ArrowRight", "Shift+ArrowRight"):
            ready.keyboard.press(press)
        ready.keyboard.press("Enter")
    unsure = "document.querySelector('.uxpaint-status').innerText.includes('Unsure')"
    ready.wait_for_function(unsure, timeout=MINUTES)
    head, mask, strokes = (
        saved(ready, name, tmp_path) for name in ("Head (JSON)", "Mask (PNG)", "Strokes (PNG)")
    )
    assert set(np.unique(load_stored(strokes))) == {0, 1, 255}
    wanted = load_head(head).predict(load_image(file, channels=1)).numpy()
    equal = (load_mask(mask).numpy() == wanted).mean()
    took = ready.get_attribute("#ui-teach", "data-ms")
    print(f"painted in the page: {equal:.4%} equal, the encoder took {took} ms")
    assert equal >= 0.999
    assert not findings(ready) and not strangers(ready, web) and not ready.errors


def test_a_build_without_the_programs_says_so(site, web, page):
    about = json.dumps(dict(missing="there is no npm here", models=[]))
    page.route("**/models/models.json", lambda route: route.fulfill(body=about))
    page.goto(f"{web}/try.html")
    page.click("[data-sample]")
    words = "document.querySelector('[data-run=status]').textContent"
    page.wait_for_function(f"{words}.includes('there is no npm here')")


def test_as_a_file_it_says_what_to_do(site, page, tmp_path):
    page.goto((site.out / "try.html").as_uri())
    file = tmp_path / "a.png"
    Image.fromarray((metal(64, 64) * 255).astype(np.uint8)).save(file)
    page.set_input_files("[data-run=file]", file)
    words = "document.querySelector('[data-run=status]').textContent"
    page.wait_for_function(f"{words}.includes('python -m http.server')")
    assert page.locator("[data-run=picture]").is_visible(), "the picture itself is shown"
    assert not page.errors


INSIDE = """<!doctype html><meta charset="utf-8"><title>test</title>
<iframe src="try.html" width="1000" height="900"></iframe>
<script>
const frame = document.querySelector("iframe");
const send = said => fetch("said", {method: "POST", body: JSON.stringify(said)});
frame.onload = async () => {
    const inside = frame.contentWindow, page = frame.contentDocument;
    inside.addEventListener("error", e => send({error: e.message}));
    page.querySelector("[data-sample]").click();
    for (let i = 0; i < 2000 && !inside.uxRun.current.mask; i++) {
        const said = page.querySelector("[data-run=status]").textContent;
        if (said.includes("not work")) return send({error: said});
        await new Promise(done => setTimeout(done, 100));
    }
    const {mask} = inside.uxRun.current;
    send({mask: [...mask.data], height: mask.height, width: mask.width, ms: mask.ms});
};
</script>"""


def test_firefox(site, python_model, tmp_path):
    """The same in Firefox's engine. Playwright drives only its own build of it, so the page is run
    in a frame of another, which sends us what comes out."""
    if not FIREFOX:
        pytest.skip("no firefox (Debian: apt install firefox-esr)")
    if not (site.out / "vendor" / "ort.wasm.mjs").is_file():
        required("BROWSER")("no onnxruntime-web: npm could not fetch it")
    heard, told = {}, threading.Event()

    class Listening(docs.Handler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if not self.path.endswith("/inside.html"):
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(INSIDE.encode())

        def do_POST(self):
            heard.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            told.set()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Listening, directory=site.out.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}{site.book.base}/inside.html"
    call = [FIREFOX, "--headless", "--no-remote", "--profile", str(tmp_path), address]
    firefox = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert told.wait(240), "Firefox gave no answer"
    finally:
        firefox.terminate()
        firefox.wait(30)
        server.shutdown()
    assert "error" not in heard, heard["error"]
    image = load_image(site.out / "models" / SAMPLES[0]["file"], channels=1)
    wanted = segment_tiled(python_model(SAMPLES[0]["model"]), image, most=2**20).numpy()
    got = np.reshape(heard["mask"], (heard["height"], heard["width"]))
    print(f"Firefox: {(got == wanted).mean():.4%} equal, encoder {heard['ms']['encoder']:.0f} ms")
    assert (got == wanted).mean() >= 0.999
