"""A baked widget in a real browser, from a file and over HTTP, and a live one in JupyterLab: the controls move, the picture
is the one that Python draws for that setting, nothing is asked of another host, nothing goes to the console."""

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
from test_lab import CHROMIUM, FLAGS, lab  # noqa: F401  (a fixture)

from unet_explorer.explore import Control, _figure, _svg, bake
from unet_explorer.contracts import InputError

KINDS = {"kernel": (1, 6), "mode": ["depth & <width>", "both"], "pad": True}


def squares(kernel=3, mode="both", pad=False):
    "Squares, one per pixel of the kernel"
    colour = "#0072b2" if mode == "both" else "#d55e00"
    row = "".join(
        f'<rect x="{2 + 22 * i}" y="2" width="20" height="20" fill="{colour}" stroke="currentColor"/>'
        for i in range(kernel)
    )
    return f'<svg viewBox="0 0 160 40" width="320"><title>{kernel} squares</title>{row}<text x="2" y="36" font-size="10" fill="currentColor">{"padded" if pad else "plain"}</text></svg>'


def noise(kernel, seed):
    "Noise, in colour for odd kernels"
    if kernel == 5:
        raise InputError("kernel=5: <not> possible here")
    return (
        np.random.default_rng([kernel, seed])
        .integers(0, 256, (8 * kernel, 12, 3) if kernel % 2 else (8, 8 * kernel))
        .astype(np.uint8)
    )


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


PAGE = '<!doctype html><html lang="en"{}><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>test</title><link rel="icon" href="data:,"><main>{}</main></html>'


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
    (folder / "three.html").write_text(
        PAGE.format(
            "", widget(name="a") + widget(name="b") + widget() + bake(squares, kernel=(1, 6))
        ),
        encoding="utf-8",
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def visit(chromium):
    "`visit(url)` is the page, ready; whatever it says on the console or asks of another host fails the test."
    pages, problems = [], []

    def go(url, ready=True, **options):
        page = chromium.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})
        pages.append(page)
        page.set_default_timeout(20_000)
        page.on("console", lambda m: problems.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: problems.append(f"error: {e}"))
        page.on(
            "request",
            lambda r: (
                r.url.split("#")[0] == url.split("#")[0]
                or r.url.startswith(("data:", "blob:"))
                or r.url.endswith("/favicon.ico")
                or problems.append(f"request: {r.url[:200]}")
            ),
        )
        page.goto(url)
        if ready:
            page.wait_for_function(
                "document.querySelectorAll('.uxp[data-ready=yes]').length === document.querySelectorAll('.uxp').length"
            )
        return page

    yield go
    for page in pages:
        page.close()
    assert not problems, problems


def shown(page):
    "What the page shows: the SVG text or pixels of each panel, or the text of an error."
    return page.evaluate("""() => [...document.querySelectorAll('.uxp-panel')].map(p => {
        const e = p.querySelector('.uxp-error'), c = p.querySelector('canvas');
        if (!e.hidden) return e.textContent;
        if (!c) return p.querySelector('[role=img]').shadowRoot.querySelector('svg').outerHTML;
        const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});   // or Chromium warns
        copy.drawImage(c, 0, 0);
        return [c.height, c.width, [...copy.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 < 3)];
    })""")


def normal(page, svg):
    "SVG as the browser writes it, without the <title> that has become the alternative text."
    return page.evaluate(
        "s => { const d = document.createElement('div'); d.innerHTML = s; const t = d.firstChild.querySelector('title'); t && t.remove(); return d.innerHTML; }",
        svg,
    )


def assert_shows(page, kernel, mode, pad, seed):
    "The page shows what Python draws for these values."
    first, second, third = shown(page)
    assert first == normal(page, _svg(squares(kernel, mode, pad), ""))
    if kernel == 5:
        assert second == "kernel=5: <not> possible here"
    else:
        a = noise(kernel, seed)
        want = a if a.ndim == 3 else a[..., None].repeat(3, -1)
        np.testing.assert_array_equal(
            np.array(second[2], np.uint8).reshape(second[0], second[1], 3), want
        )
    assert third == normal(page, _svg(_figure(curve(seed)), ""))


@pytest.mark.parametrize("way", ["file", "http"])
def test_controls_move_the_picture(way, site, visit):
    folder, url = site
    page = visit(f"{folder.as_uri() if way == 'file' else url}/one.html")
    assert_shows(page, 3, "both", True, 0)
    kernel, mode, pad, seed = (
        page.locator(f"[data-control={n}]") for n in ("kernel", "mode", "pad", "seed")
    )
    kernel.focus()
    for key, k in [
        ("ArrowRight", 4),
        ("ArrowRight", 5),
        ("End", 6),
        ("Home", 1),
        ("ArrowUp", 2),
    ]:  # by keyboard
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
    page.wait_for_function(
        "document.querySelector('.uxp-status').textContent.includes('kernel 2')"
    )  # told to screen readers
    page.get_by_role("button", name="Reset").click()
    assert_shows(page, 3, "both", True, 0)


def test_every_frame(site, visit):
    page = visit(site[0].as_uri() + "/one.html")
    move = "([name, k]) => { const e = document.querySelector(`[data-control=${name}]`); e.value = k; e.dispatchEvent(new Event('input')); }"
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
    assert (
        page.get_by_role(
            "img", name="Noise, in colour for odd kernels (kernel 3\N{NO-BREAK SPACE}px, time 0)"
        ).count()
        == 1
    )
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
    again.evaluate(
        "location.hash = '#kernel=2&mode=both&seed=7'"
    )  # a link followed within the page
    again.wait_for_function("document.querySelector('[data-control=kernel]').value === '1'")
    assert_shows(again, 2, "both", True, 7)
    assert_shows(
        visit(address + "#kernel=77&mode=%3Cscript%3E&seed=x&seed=&=&a%ZZ"), 3, "both", True, 0
    )  # nonsense is ignored
    assert_shows(visit(address + "#section-2"), 3, "both", True, 0)


def test_widgets_on_one_page_do_not_fight(site, visit):
    page = visit(site[1] + "/three.html#b.kernel=6&other=1")
    values = lambda p: p.evaluate(
        "[...document.querySelectorAll('[data-control=kernel]')].map(e => +e.value + 1)"
    )
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
    seed = lambda p: int(p.locator("[data-control=seed]").input_value())
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
    return len(
        png.crop(
            [
                int(v)
                for v in (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
            ]
        )
        .convert("RGB")
        .getcolors(1 << 24)
    )


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
    assert (
        "kernel = 3" in page.locator(".uxp").inner_text()
        and "{" not in page.locator(".uxp").inner_text()
    )
    # a viewer like GitHub's throws scripts and styles away altogether
    bare = re.sub(r"<(script|style).*?</\1>", "", (site[0] / "one.html").read_text(), flags=re.S)
    (site[0] / "bare.html").write_text(bare)
    png = Image.open(
        io.BytesIO(
            visit(site[0].as_uri() + "/bare.html", ready=False).screenshot(
                path=tmp_path / "bare.png"
            )
        )
    )
    assert len(png.convert("RGB").getcolors(1 << 24)) > 50


def luminance(rgb):
    c = [
        v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in (v / 255 for v in rgb)
    ]
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
    "Screenshots to look at; nothing runs off the side; text has the contrast that WCAG AA asks for."
    page = visit(f"{site[0].as_uri()}/{'dark' if name == 'theme' else 'one'}.html", **options)
    page.locator("[data-control=kernel]").focus()
    page.keyboard.press("ArrowRight")
    if name == "narrow":
        page.keyboard.press("ArrowRight")  # with the text of an error
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    back, *text = page.evaluate("""() => {
        const pixel = colour => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle = colour; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
        const of = (s, p) => pixel(getComputedStyle(document.querySelector(s))[p]);
        return [of('.uxp', 'backgroundColor'), of('.uxp', 'color'), of('.uxp-foot button', 'color'), of('.uxp-error', 'color'), of('.uxp select', 'color')];
    }""")
    assert (luminance(back[:3]) < 0.1) == (name in ("dark", "theme"))
    for colour in text:
        a, b = sorted([luminance(colour[:3]), luminance(back[:3])])
        assert (b + 0.05) / (a + 0.05) >= 4.5, (name, colour, back)


def test_a_step_takes_less_than_20_ms(tmp_path, visit):
    "400 SVG frames and 200 noisy 128x128 pictures; from the input event to the changed page, laid out."

    def shapes(a, b):
        return (
            '<svg viewBox="0 0 640 400" width="640">'
            + "".join(
                f'<rect x="{i * 16}" y="{200 + 180 * np.sin(a * i / 40 + b):.1f}" width="12" height="{i + b:.1f}" fill="#0072b2"/><text x="{i * 16}" y="390" font-size="6">{i * a}</text>'
                for i in range(40)
            )
            + "</svg>"
        )

    def noisy(b, c):
        return (np.random.default_rng(0).integers(0, 12, (128, 128)) + 9 * b + c * 20).astype(
            np.uint8
        )

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
        f"{len(fragment) / 1e6:.2f} MB; a step: lower quartile {times[15]:.1f} ms, median {times[30]:.1f} ms, slowest {times[-1]:.1f} ms"
    )
    assert times[15] <= 20  # not the median: other programs' turns on the processor are in it


# JupyterLab -------------------------------------------------------------------------------------------------------

CELLS = [
    f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    + """
import os
import numpy as np
from unet_explorer.explore import Control, explore
def squares(k=3):
    "Squares"
    return f'<svg viewBox="0 0 90 20" width="270"><rect width="{9 * k}" height="20"/></svg>'
def block(k):
    "Block"
    if k == 6: raise ValueError("six")
    return np.full((16, 16), 20 * k, np.uint8)
""",
    "os.environ.pop('UNET_EXPLORER_STATIC', None)\nexplore(squares, block, k=Control((1, 9), unit='px'))",
    "os.environ['UNET_EXPLORER_STATIC'] = '1'\nexplore(squares, block, k=(1, 5))",
]


def test_jupyterlab(lab, chromium, tmp_path):
    "Live and baked, in one notebook: the arrow keys move the picture and not the cells."
    url, token = lab
    cells = [
        dict(
            cell_type="code",
            id=f"c{i}",
            metadata={},
            execution_count=None,
            outputs=[],
            source=s.strip(),
        )
        for i, s in enumerate(CELLS)
    ]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    (tmp_path / "nbs/tiny.ipynb").write_text(
        json.dumps(dict(cells=cells, metadata={"kernelspec": kernel}, nbformat=4, nbformat_minor=5))
    )
    page, problems = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/nbs/tiny.ipynb?token={token}")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        "() => document.querySelector('.jp-OutputArea-output[data-mime-type*=error]') || document.querySelector('.uxp[data-ready=yes]')"
    )
    assert not page.locator(".jp-OutputArea-output[data-mime-type*=error]").count(), page.locator(
        ".jp-Notebook"
    ).inner_text()
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
    ms = page.evaluate("""async () => {        // from the key to the picture, within the page
        const panel = [...document.querySelectorAll('.widget-html img')].find(i => i.alt.startsWith('Block')).closest('.widget-html');
        const handle = document.querySelector('.jp-OutputArea-output .noUi-handle'), times = [];
        for (let k = 0; k < 9; k++) {
            const alt = panel.querySelector('img')?.alt, start = performance.now();
            handle.dispatchEvent(new KeyboardEvent('keydown', {key: ['ArrowRight', 'ArrowLeft'][k % 2], bubbles: true, cancelable: true}));
            while (panel.querySelector('img')?.alt === alt && performance.now() - start < 5000) await new Promise(r => setTimeout(r, 2));
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
    for key, frame in [
        ("ArrowRight", "3"),
        ("ArrowDown", "2"),
        ("End", "4"),
        ("ArrowUp", "4"),
        ("Home", "0"),
    ]:
        page.keyboard.press(key)
        assert page.locator(".uxp .uxp-panel").nth(1).get_attribute("data-frame") == frame
    assert page.evaluate(active) == cell and "k=" not in page.url
    page.screenshot(path=tmp_path / "lab.png")
    page.close()
    assert not problems, problems


def test_scaling_lesson_in_jupyterlab(lab, chromium, tmp_path):
    "The lesson on scaling, opened and run in JupyterLab: its first slider moves the picture by mouse and by keyboard."
    (url, token), lesson = lab, "nbs/13_scaling.ipynb"
    nb = json.loads((tmp_path / lesson).read_text())
    for cell in nb["cells"]:
        cell.pop("outputs", None) if cell["cell_type"] == "markdown" else cell.update(outputs=[])
    setting = dict(
        cell_type="code",
        id="setting",
        metadata={},
        execution_count=None,
        outputs=[],
        source=f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); os.environ.pop('UNET_EXPLORER_STATIC', None)",
    )
    nb["cells"].insert(0, setting)
    (tmp_path / lesson).write_text(json.dumps(nb))
    where = next(
        i
        for i, c in enumerate(nb["cells"])
        if c["cell_type"] == "code" and re.search(r"^explore\(", "".join(c["source"]), re.M)
    )
    page, problems = chromium.new_page(viewport={"width": 1400, "height": 1000}), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.on(
        "console",
        lambda m: (
            problems.append(m.text) if m.type == "error" and "favicon" not in m.text else None
        ),
    )
    page.set_default_timeout(120_000)
    page.goto(f"{url}/lab/tree/{lesson}?token={token}")
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    errors = page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells.flatMap(c => c.outputs || []).filter(o => o.output_type === 'error').map(o => o.evalue)"
    )
    assert not errors, errors
    page.evaluate(
        "i => { const nb = window.jupyterapp.shell.currentWidget.content; nb.activeCellIndex = i; return nb.scrollToItem(i, 'start'); }",
        where,
    )
    handle = page.locator(".jp-OutputArea-output .noUi-handle").first
    output = handle.locator("xpath=ancestor::div[contains(@class,'jp-OutputArea-output')][1]")
    read = "o => [...o.querySelectorAll('.widget-html')].filter(e => e.querySelector('img, svg')).map(e => e.innerHTML).join()"
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
