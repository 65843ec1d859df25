"""A baked widget in a real browser, from a file and over HTTP, and a live one in JupyterLab.

The controls move, the picture is the one that Python draws for that setting, nothing is asked of
another host, nothing goes to the console."""

import functools
import http.server
import io
import json
import re
import threading

import numpy as np
import pytest
from conftest import ROOT, required
from PIL import Image
from test_explore import BYPASSES, bypass
from test_lab import CHROMIUM, FLAGS, lab  # noqa: F401  (a fixture)

from unet_explorer.contracts import InputError
from unet_explorer.sliders import Control, bake, picture_of, rect, svg, text

KINDS = {"kernel": (1, 6), "mode": ["depth & <width>", "both"], "pad": True}


def squares(kernel=3, mode="both", pad=False):
    "Squares, one per pixel of the kernel"
    colour = "#0072b2" if mode == "both" else "#d55e00"
    row = [rect(2 + 22 * i, 2, 20, 20, colour, stroke="currentColor") for i in range(kernel)]
    words = text(2, 36, "padded" if pad else "plain", 10)
    return svg(160, 40, *row, words, label=f"{kernel} squares")


def noise(kernel, seed):
    "Noise, in colour for odd kernels"
    if kernel == 5:
        raise InputError("kernel=5: <not> possible here")
    shape = (8 * kernel, 12, 3) if kernel % 2 else (8, 8 * kernel)
    return np.random.default_rng([kernel, seed]).integers(0, 256, shape).astype(np.uint8)


def curve(seed):
    "A curve"
    from matplotlib.figure import Figure

    fig = Figure(figsize=(3, 2), layout="constrained")
    ax = fig.add_subplot()
    ax.plot(np.random.default_rng(seed).random(20))
    ax.set(xlabel="step", ylabel="loss")
    return fig


def widget(**more):
    return bake(
        squares,
        noise,
        curve,
        kernel=Control((1, 6), unit="px", start=3),
        mode=KINDS["mode"],
        pad=True,
        seed=Control((0, 9), label="time", play=True),
        note="Make the kernel larger & watch.",
        **more,
    )


PAGE = (
    '<!doctype html><html lang="en"{}><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>test</title>'
    '<link rel="icon" href="data:,"><main>{}</main></html>'
)
INPUT = "e.dispatchEvent(new Event('input', {bubbles: true}))"
# a copy of the canvas in memory, or Chromium warns
SHOWN = """() => [...document.querySelectorAll('.uxp-panel')].map(p => {
    const e = p.querySelector('.uxp-error'), c = p.querySelector('canvas');
    if (!e.hidden) return e.textContent;
    if (!c) return p.querySelector('[role=img]').shadowRoot.querySelector('svg').outerHTML;
    const memory = new OffscreenCanvas(c.width, c.height);
    const copy = memory.getContext('2d', {willReadFrequently: true});
    copy.drawImage(c, 0, 0);
    const all = copy.getImageData(0, 0, c.width, c.height).data;
    return [c.height, c.width, [...all].filter((_, i) => i % 4 < 3)];
})"""
WITHOUT_TITLE = """svg => {
    const d = document.createElement('div');
    d.innerHTML = svg;
    d.firstChild.querySelector('title')?.remove();
    return d.innerHTML;
}"""
KERNEL_READY = """() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext
    ?.session?.kernel?.status === 'idle'"""


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM:
        required("BROWSER")("no chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "A folder and the address it is served at."
    folder = tmp_path_factory.mktemp("site")
    (folder / "one.html").write_text(PAGE.format("", widget()), encoding="utf-8")
    (folder / "dark.html").write_text(PAGE.format(' data-theme="dark"', widget()), encoding="utf-8")
    four = widget(name="a") + widget(name="b") + widget() + bake(squares, kernel=(1, 6))
    (folder / "three.html").write_text(PAGE.format("", four), encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def visit(chromium):
    "`visit(url)` is the page, ready; a word on the console or to another host fails the test."
    pages, problems = [], []

    def go(url, ready=True, **options):
        page = chromium.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})
        pages.append(page)
        page.set_default_timeout(20_000)

        def asked(request):
            own = request.url.split("#")[0] == url.split("#")[0]
            inside = request.url.startswith(("data:", "blob:"))
            if not (own or inside or request.url.endswith("/favicon.ico")):
                problems.append(f"request: {request.url[:200]}")

        page.on("console", lambda m: problems.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: problems.append(f"error: {e}"))
        page.on("request", asked)
        page.goto(url)
        if ready:
            page.wait_for_function(
                "document.querySelectorAll('.uxp[data-ready=yes]').length === "
                "document.querySelectorAll('.uxp').length"
            )
        return page

    yield go
    for page in pages:
        page.close()
    assert not problems, problems


def shown(page):
    "What the page shows: the SVG text or pixels of each panel, or the text of an error."
    return page.evaluate(SHOWN)


def normal(page, picture):
    "SVG as the browser writes it, without the <title> that has become the alternative text."
    return page.evaluate(WITHOUT_TITLE, picture)


def assert_shows(page, kernel, mode, pad, seed):
    "The page shows what Python draws for these values."
    first, second, third = shown(page)
    setting = dict(kernel=kernel, mode=mode, pad=pad)
    assert first == normal(page, picture_of(squares, **setting)[1])
    if kernel == 5:
        assert second == "kernel=5: <not> possible here"
    else:
        a = noise(kernel, seed)
        want = a if a.ndim == 3 else a[..., None].repeat(3, -1)
        got = np.array(second[2], np.uint8).reshape(second[0], second[1], 3)
        np.testing.assert_array_equal(got, want)
    assert third == normal(page, picture_of(curve, seed=seed)[1])


def what_they_do(chromium, drawings):
    "The addresses that a page with these SVGs asks for, and whether a script runs."
    page, asked = chromium.new_page(), set()
    try:
        page.route("**/*", lambda route: (asked.add(route.request.url), route.abort()))
        still = dict(body="<!doctype html><title>still</title>", content_type="text/html")
        page.route("http://site.invalid/", lambda route: route.fulfill(**still))
        page.goto("http://site.invalid/")  # an address, so that relative ones lead somewhere
        show = """all => { for (const svg of all) {
            const box = document.body.appendChild(document.createElement("div"));
            box.attachShadow({mode: "open"}).innerHTML = svg;
        } }"""
        page.evaluate(show, drawings)
        page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r, 300)))")
        return asked, page.title() != "still"
    finally:
        page.close()


def test_no_drawing_runs_or_asks(chromium):
    "As they are given, most of `BYPASSES` ask for something; as `picture_of` gives them, none."
    asked, ran = what_they_do(chromium, [bypass(name) for name in BYPASSES])
    assert ran and len(asked) > len(BYPASSES) / 2, sorted(asked)
    assert any(url.startswith("http://site.invalid/spy.png") for url in asked)
    assert any(url.endswith("spy.invalid/50") for url in asked), "with a tab in its address"
    drawings = []
    for name in BYPASSES:
        try:
            drawings.append(picture_of(lambda: bypass(name))[1])
        except InputError:
            pass
    assert drawings and what_they_do(chromium, drawings) == (set(), False)


@pytest.mark.parametrize("way", ["file", "http"])
def test_controls_move_the_picture(way, site, visit):
    folder, url = site
    page = visit(f"{folder.as_uri() if way == 'file' else url}/one.html")
    assert_shows(page, 3, "both", True, 0)
    kernel, mode, pad, seed = (
        page.locator(f"[data-control={n}]") for n in ("kernel", "mode", "pad", "seed")
    )
    kernel.focus()
    keys = ("ArrowRight", "ArrowRight", "End", "Home", "ArrowUp")
    for key, k in zip(keys, (4, 5, 6, 1, 2)):  # by keyboard
        page.keyboard.press(key)
        assert_shows(page, k, "both", True, 0)
    assert kernel.get_attribute("aria-valuetext") == "2\N{NO-BREAK SPACE}px"
    page.keyboard.press("Tab")  # on to the menu
    page.keyboard.press("ArrowUp")
    assert_shows(page, 2, KINDS["mode"][0], True, 0)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert_shows(page, 2, KINDS["mode"][0], False, 0)
    box = seed.bounding_box()  # by mouse
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert_shows(page, 2, KINDS["mode"][0], False, 9)
    mode.select_option("1")
    pad.click()
    assert_shows(page, 2, "both", True, 9)
    told = "document.querySelector('.uxp-status').textContent"  # to screen readers
    page.wait_for_function(f"{told}.includes('kernel 2')")
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, 3, "both", True, 0)


def test_every_frame(site, visit):
    page = visit(site[0].as_uri() + "/one.html")
    find = "const e = document.querySelector(`[data-control=${name}]`)"
    move = f"([name, k]) => {{ {find}; e.value = k; {INPUT}; }}"
    for kernel in range(1, 7):
        for seed in range(10):
            page.evaluate(move, ["kernel", kernel - 1])
            page.evaluate(move, ["seed", seed])
            assert_shows(page, kernel, "both", True, seed)


def test_names_for_screen_readers(site, visit):
    page = visit(site[0].as_uri() + "/one.html")
    assert page.get_by_role("group", name="Make the kernel larger & watch.").count() == 1
    for role, name in [
        ("slider", "kernel"),
        ("slider", "time"),
        ("combobox", "mode"),
        ("checkbox", "pad"),
        ("button", "Play time"),
        ("img", "3 squares"),
    ]:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    name = "Noise, in colour for odd kernels (kernel 3\N{NO-BREAK SPACE}px, time 0)"
    assert page.get_by_role("img", name=name).count() == 1
    page.locator("[data-control=kernel]").focus()
    page.keyboard.press("End")
    assert page.get_by_role("img", name="6 squares").count() == 1
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("alert").text_content() == "kernel=5: <not> possible here"
    assert page.locator("canvas").is_hidden(), "the error stands in the place of the picture"


def test_share_link(site, visit):
    address = site[1] + "/one.html"
    page = visit(address)
    page.locator("[data-control=kernel]").focus()
    page.keyboard.press("End")
    page.locator("[data-control=mode]").select_option("0")
    page.wait_for_function("location.hash.includes('kernel=6') && !location.hash.includes('both')")
    link = page.url
    assert "pad=on" in link and "seed=0" in link
    again = visit(link)
    assert_shows(again, 6, KINDS["mode"][0], True, 0)
    # a link followed within the page
    again.evaluate("location.hash = '#kernel=2&mode=both&seed=7'")
    again.wait_for_function("document.querySelector('[data-control=kernel]').value === '1'")
    assert_shows(again, 2, "both", True, 7)
    nonsense = "#kernel=77&mode=%3Cscript%3E&seed=x&seed=&=&a%ZZ"  # is ignored
    assert_shows(visit(address + nonsense), 3, "both", True, 0)
    assert_shows(visit(address + "#section-2"), 3, "both", True, 0)


def test_widgets_on_one_page_do_not_fight(site, visit):
    page = visit(site[1] + "/three.html#b.kernel=6&other=1")

    def values(page):
        find = "[...document.querySelectorAll('[data-control=kernel]')]"
        return page.evaluate(f"{find}.map(e => +e.value + 1)")

    assert values(page) == [3, 6, 3, 3]
    for i, key in enumerate(["Home", "End", "Home", "End"]):
        page.locator("[data-control=kernel]").nth(i).focus()
        page.keyboard.press(key)
        page.wait_for_timeout(350)
    assert values(page) == [1, 6, 1, 6]
    link = page.url.split("#")[1].split("&")
    assert {"a.kernel=1", "b.kernel=6", "kernel=1", "other=1"} <= set(link), (
        "each its own key, and what is not a widget's stays"
    )
    assert any(re.fullmatch(r"w[0-9a-f]{8}\.kernel=6", part) for part in link), (
        "the second without a name goes by its content"
    )
    assert values(visit(page.url)) == [1, 6, 1, 6]


def test_play_and_reduced_motion(site, visit):
    page = visit(site[0].as_uri() + "/one.html")

    def seed(page):
        return int(page.locator("[data-control=seed]").input_value())

    page.get_by_role("button", name="Play time").click()
    page.wait_for_function("document.querySelector('[data-control=seed]').value >= 3")
    page.get_by_role("button", name="Pause time").click()
    at = seed(page)
    page.wait_for_timeout(600)
    assert seed(page) == at
    calm = visit(site[0].as_uri() + "/one.html", reduced_motion="reduce")
    calm.get_by_role("button", name="Step time").click()
    calm.wait_for_timeout(600)
    assert seed(calm) == 1
    assert_shows(calm, 3, "both", True, 1)


def coloured(png, box):
    "How many different colours the screenshot has inside `box`."
    x, y = int(box["x"]), int(box["y"])
    inside = png.crop((x, y, int(box["x"] + box["width"]), int(box["y"] + box["height"])))
    return len(inside.convert("RGB").getcolors(1 << 24))


def test_without_scripts_there_is_a_still_picture(site, visit, tmp_path):
    page = visit(site[0].as_uri() + "/one.html", ready=False, java_script_enabled=False)
    images = page.locator(".uxp img").all()
    assert [i.get_attribute("alt").split(" (")[0] for i in images] == [
        "Squares, one per pixel of the kernel",
        "Noise, in colour for odd kernels",
        "A curve",
    ]
    png = Image.open(io.BytesIO(page.screenshot(path=tmp_path / "no-script.png")))
    for image in images:
        assert coloured(png, image.bounding_box()) > 3, "the still picture is drawn"
    words = page.locator(".uxp").inner_text()
    assert "kernel = 3" in words and "{" not in words
    # a viewer like GitHub's throws scripts and styles away altogether
    bare = re.sub(r"<(script|style).*?</\1>", "", (site[0] / "one.html").read_text(), flags=re.S)
    (site[0] / "bare.html").write_text(bare)
    page = visit(site[0].as_uri() + "/bare.html", ready=False)
    png = Image.open(io.BytesIO(page.screenshot(path=tmp_path / "bare.png")))
    assert len(png.convert("RGB").getcolors(1 << 24)) > 50


def luminance(rgb):
    shares = [v / 255 for v in rgb]
    c = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]


@pytest.mark.parametrize(
    "name, options",
    [
        ("light", {}),
        ("dark", dict(color_scheme="dark")),
        ("narrow", dict(viewport=dict(width=390, height=1400))),
        ("theme", {}),
    ],
)
def test_looks(name, options, site, visit, tmp_path):
    "Screenshots to look at; nothing runs off the side; text has the contrast of WCAG AA."
    page = visit(f"{site[0].as_uri()}/{'dark' if name == 'theme' else 'one'}.html", **options)
    page.locator("[data-control=kernel]").focus()
    page.keyboard.press("ArrowRight")
    if name == "narrow":
        page.keyboard.press("ArrowRight")  # with the text of an error
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    back, *words = page.evaluate("""() => {
        const pixel = colour => {
            const c = document.createElement('canvas').getContext('2d');
            c.fillStyle = colour;
            c.fillRect(0, 0, 1, 1);
            return [...c.getImageData(0, 0, 1, 1).data];
        };
        const of = (s, p) => pixel(getComputedStyle(document.querySelector(s))[p]);
        const readable = ['.uxp', '.uxp-foot button', '.uxp-error', '.uxp select'];
        return [of('.uxp', 'backgroundColor'), ...readable.map(s => of(s, 'color'))];
    }""")
    assert (luminance(back[:3]) < 0.1) == (name in ("dark", "theme"))
    for colour in words:
        a, b = sorted([luminance(colour[:3]), luminance(back[:3])])
        assert (b + 0.05) / (a + 0.05) >= 4.5, (name, colour, back)


def test_a_step_takes_less_than_20_ms(tmp_path, visit):
    "400 SVG frames and 200 noisy pictures; from the input event to the changed page, laid out."

    def shapes(a, b):
        drawn = []
        for i in range(40):
            y = 200 + 180 * np.sin(a * i / 40 + b)
            drawn += [rect(i * 16, y, 12, i + b, "#0072b2"), text(i * 16, 390, i * a, 6)]
        return svg(640, 400, *drawn)

    def noisy(b, c):
        grey = np.random.default_rng(0).integers(0, 12, (128, 128))
        return (grey + 9 * b + c * 20).astype(np.uint8)

    fragment = bake(shapes, noisy, a=(1, 20), b=(1, 20), c=(0, 9))
    (tmp_path / "large.html").write_text(PAGE.format("", fragment), encoding="utf-8")
    page = visit((tmp_path / "large.html").as_uri())
    times = page.evaluate("""async () => {
        const e = document.querySelector('[data-control=b]'), times = [];
        for (let k = 0; k < 60; k++) {
            const start = performance.now();
            e.value = 1 + k % 19;
            e.dispatchEvent(new Event('input'));
            document.body.getBoundingClientRect();
            times.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
        }
        return times.sort((a, b) => a - b);
    }""")
    print(
        f"{len(fragment) / 1e6:.2f} MB; a step: lower quartile {times[15]:.1f} ms, "
        f"median {times[30]:.1f} ms, slowest {times[-1]:.1f} ms"
    )
    assert times[15] <= 20  # not the median: other programs' turns on the processor are in it


# JupyterLab ---------------------------------------------------------------------------------------

PREPARE = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
DRAW = """
import os
import numpy as np
from unet_explorer.sliders import Control, explore
def squares(k=3):
    "Squares"
    return f'<svg viewBox="0 0 90 20" width="270"><rect width="{9 * k}" height="20"/></svg>'
def block(k):
    "Block"
    if k == 6: raise ValueError("six")
    return np.full((16, 16), 20 * k, np.uint8)
"""
LIVE = """os.environ.pop('UNET_EXPLORER_STATIC', None)
explore(squares, block, k=Control((1, 9), unit='px'))"""
BAKED = "os.environ['UNET_EXPLORER_STATIC'] = '1'\nexplore(squares, block, k=(1, 5))"
CELLS = [PREPARE + DRAW, LIVE, BAKED]


def code_cell(id, source):
    common = dict(cell_type="code", metadata={}, execution_count=None, outputs=[])
    return dict(common, id=id, source=source.strip())


def test_jupyterlab(lab, chromium, tmp_path):
    "Live and baked, in one notebook: the arrow keys move the picture and not the cells."
    url, token = lab
    cells = [code_cell(f"c{i}", source) for i, source in enumerate(CELLS)]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    nb = dict(cells=cells, metadata={"kernelspec": kernel}, nbformat=4, nbformat_minor=5)
    (tmp_path / "nbs/tiny.ipynb").write_text(json.dumps(nb))
    page, problems = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/nbs/tiny.ipynb?token={token}")
    page.wait_for_function(KERNEL_READY)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    error = ".jp-OutputArea-output[data-mime-type*=error]"
    page.wait_for_selector(f"{error}, .uxp[data-ready=yes]", state="attached")
    assert not page.locator(error).count(), page.locator(".jp-Notebook").inner_text()
    page.wait_for_selector(".widget-html img[alt='Block (k = 3)']")
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"

    # live
    handle = page.locator(".jp-OutputArea-output .noUi-handle").first
    handle.click()
    cell = page.evaluate(active)
    before = page.locator(".widget-html img").nth(0).get_attribute("src")
    times = []
    for k in (4, 5):
        start = page.evaluate("performance.now()")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f".widget-html img[alt='Block (k = {k})']")
        times.append(page.evaluate("performance.now()") - start)
    assert page.locator(".widget-html img").nth(0).get_attribute("src") != before
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".widget-html [role=alert]")
    assert "ValueError: six" in page.locator(".widget-html [role=alert]").inner_text()
    page.screenshot(path=tmp_path / "live-error.png")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".widget-html img[alt='Block (k = 7)']")
    assert page.evaluate(active) == cell
    ms = page.evaluate("""async () => {  // from the key to the picture, within the page
        const images = [...document.querySelectorAll('.widget-html img')];
        const panel = images.find(i => i.alt.startsWith('Block')).closest('.widget-html');
        const handle = document.querySelector('.jp-OutputArea-output .noUi-handle'), times = [];
        const now = () => panel.querySelector('img')?.alt;
        for (let k = 0; k < 9; k++) {
            const alt = now(), start = performance.now(), key = ['ArrowRight', 'ArrowLeft'][k % 2];
            const options = {key, bubbles: true, cancelable: true};
            handle.dispatchEvent(new KeyboardEvent('keydown', options));
            while (now() === alt && performance.now() - start < 5000)
                await new Promise(r => setTimeout(r, 2));
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b);
    }""")
    print(f"JupyterLab, live: key to picture median {ms[4]:.0f} ms, fastest {ms[0]:.0f} ms")
    assert ms[4] < 1000, ms  # < 100 on a quiet machine, printed above; this one may be busy

    # baked
    slider = page.locator(".uxp [data-control=k]")
    slider.scroll_into_view_if_needed()
    slider.focus()
    cell = page.evaluate(active)
    frames = dict(ArrowRight="3", ArrowDown="2", End="4", ArrowUp="4", Home="0")
    for key, frame in frames.items():
        page.keyboard.press(key)
        assert page.locator(".uxp .uxp-panel").nth(1).get_attribute("data-frame") == frame
    assert page.evaluate(active) == cell and "k=" not in page.url
    page.screenshot(path=tmp_path / "lab.png")
    page.close()
    assert not problems, problems


def test_scaling_lesson_in_jupyterlab(lab, chromium, tmp_path):
    "The lesson on scaling in JupyterLab: its first slider moves the picture, by mouse and by key."
    (url, token), lesson = lab, "nbs/22_scaling.ipynb"
    nb = json.loads((tmp_path / lesson).read_text())
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    setting = code_cell(
        "setting", f"{PREPARE}; import os; os.environ.pop('UNET_EXPLORER_STATIC', None)"
    )
    nb["cells"].insert(0, setting)
    (tmp_path / lesson).write_text(json.dumps(nb))
    sources = ["".join(c["source"]) if c["cell_type"] == "code" else "" for c in nb["cells"]]
    where = next(i for i, s in enumerate(sources) if re.search(r"^explore\(", s, re.M))
    page, problems = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
    page.on("pageerror", lambda e: problems.append(str(e)))

    def said(message):
        if message.type == "error" and "favicon" not in message.text:
            problems.append(message.text)

    page.on("console", said)
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/{lesson}?token={token}")
    page.wait_for_function(KERNEL_READY)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    errors = page.evaluate("""() => {
        const model = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
        const outputs = model.toJSON().cells.flatMap(c => c.outputs || []);
        return outputs.filter(o => o.output_type === 'error').map(o => o.evalue);
    }""")
    assert not errors, errors
    page.evaluate(
        """i => {
        const nb = window.jupyterapp.shell.currentWidget.content;
        nb.activeCellIndex = i;
        return nb.scrollToItem(i, 'start');
    }""",
        where,
    )
    handle = page.locator(".jp-OutputArea-output .noUi-handle").first
    output = handle.locator("xpath=ancestor::div[contains(@class,'jp-OutputArea-output')][1]")
    read = """o => [...o.querySelectorAll('.widget-html')]
        .filter(e => e.querySelector('img, svg')).map(e => e.innerHTML).join()"""
    output.locator(".widget-html :is(img, svg)").first.wait_for()

    def changes(move):
        before = output.evaluate(read)
        move()
        page.wait_for_function(
            f"([before, o]) => ({read})(o) !== before", arg=[before, output.element_handle()]
        )

    handle.scroll_into_view_if_needed()
    handle.focus()
    changes(lambda: page.keyboard.press("ArrowRight"))
    box = handle.bounding_box()

    def drag():
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()

    changes(drag)
    page.screenshot(path=tmp_path / "scaling.png")
    page.close()
    assert not problems, problems
