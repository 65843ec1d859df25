"""Every slider of the book, as it stands in the saved lessons: each control moves a picture, with no kernel, no console message and no
request. (tests/test_browser.py shows that the picture is the one Python draws.)"""

import re

import nbformat
import numpy as np
import pytest
from conftest import ROOT
from test_browser import PAGE, chromium, normal, shown, visit  # noqa: F401  (fixtures)
from unet_explorer.explore import _picture, _plan
from unet_explorer.contracts import InputError


def baked(path):
    "The widgets in the saved outputs of a notebook."
    outputs = [o for c in nbformat.read(path, 4).cells for o in c.get("outputs", [])]
    return [
        html for o in outputs if 'class="uxp' in (html := o.get("data", {}).get("text/html", ""))
    ]


WIDGETS = {path.stem: baked(path) for path in sorted((ROOT / "nbs").glob("[!._]*.ipynb"))}
WIDGETS = {stem: widgets for stem, widgets in WIDGETS.items() if widgets}
MOVES = dict(
    select="(e, back) => { e.selectedIndex = back ? 0 : e.options.length - 1; e.dispatchEvent(new Event('input', {bubbles: true})); }",
    checkbox="(e, back) => e.click()",
    range="(e, back) => { e.value = back ? e.min : e.max; e.dispatchEvent(new Event('input', {bubbles: true})); }",
)


def looks(page):
    "What every panel shows, short: the SVG, or the canvas as a `data:` address."
    return page.evaluate("""() => [...document.querySelectorAll('.uxp-panel')].map(p => {
        const e = p.querySelector('.uxp-error'), c = p.querySelector('canvas');
        return !e.hidden ? e.textContent : c ? c.toDataURL() : p.querySelector('[role=img]').shadowRoot.querySelector('svg').outerHTML; })""")


def test_the_book_has_its_widgets():
    assert {
        "index",
        "04_explore",
        "15_unet_ledger",
        "12_upsample",
        "13_scaling",
        "18_effunet",
        "20_metrics",
        "22_mosaics",
        "31_anomaly",
    } <= set(WIDGETS)
    assert len(WIDGETS["12_upsample"]) == 3
    assert all(len(html) < 1_000_000 for widgets in WIDGETS.values() for html in widgets), (
        "a widget may weigh 1 MB"
    )


@pytest.mark.parametrize("stem", WIDGETS)
def test_every_control_moves_a_picture(stem, visit, tmp_path):
    for i, html in enumerate(WIDGETS[stem]):
        page_file = tmp_path / f"{i}.html"
        page_file.write_text(PAGE.format("", html), encoding="utf-8")
        page = visit(page_file.as_uri())
        assert page.locator(".uxp").get_attribute("aria-label"), (
            "a widget needs a name for screen readers"
        )
        controls = page.locator("[data-control]")
        for k in range(controls.count()):
            control = controls.nth(k)
            kind = control.evaluate("e => e.tagName === 'SELECT' ? 'select' : e.type")
            seen = [looks(page)]
            for back in (False, True):
                control.evaluate(f"(e, back) => ({MOVES[kind]})(e, back)", back)
                page.wait_for_timeout(60)
                seen.append(looks(page))
            page.get_by_role("button", name="Reset").click()
            assert any(s != seen[0] for s in seen[1:]), (
                f"{stem}, widget {i + 1}: {control.get_attribute('data-control')} moves nothing"
            )


QUICK = (
    "index",
    "15_unet_ledger",
    "13_scaling",
    "20_metrics",
)  # whose code runs in seconds; `make test-slow` takes more
ELSE = (
    "04_explore",
    "12_upsample",
    "22_mosaics",
    "31_anomaly",
)  # defines the engine itself; or shows a training, which another machine repeats only nearly


def drawn(stem, monkeypatch):
    "The functions and controls of a lesson's widgets, `(panels, knobs)` each: its code is run up to the last of them."
    cells = [
        c.source
        for c in nbformat.read(ROOT / "nbs" / f"{stem}.ipynb", 4).cells
        if c.cell_type == "code" and "#| eval: false" not in c.source
    ]
    calls = [i for i, c in enumerate(cells) if re.search(r"^(display\()?explore\(", c, re.M)]
    found, space = [], {"__name__": "lesson", "display": lambda *_: None}
    monkeypatch.chdir(ROOT / "nbs")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda *a, **k: None)
    for i, cell in enumerate(cells[: calls[-1] + 1]):
        own = space.get("explore")
        if i in calls:
            exec(re.search(r"(?ms)\A.*?(?=^(display\()?explore\()", cell)[0], space)
            own = space["explore"]
            space["explore"] = lambda *draws, name=None, note="", **controls: found.append(
                _plan(draws, controls)
            )
            exec(cell[re.search(r"^(display\()?explore\(", cell, re.M).start() :], space)
            space["explore"] = own
        else:
            exec(cell, space)
    return found


@pytest.mark.parametrize(
    "stem",
    [
        stem if stem in QUICK else pytest.param(stem, marks=pytest.mark.slow)
        for stem in WIDGETS
        if stem not in ELSE
    ],
)
def test_the_page_shows_what_python_draws(stem, visit, tmp_path, monkeypatch):
    "Random settings of every widget of the lesson, against a call of its draw functions now."
    monkeypatch.setenv("UNET_EXPLORER_STATIC", "1")
    widgets = drawn(stem, monkeypatch)
    assert len(widgets) == len(WIDGETS[stem])
    for i, ((panels, knobs), html) in enumerate(zip(widgets, WIDGETS[stem])):
        (tmp_path / f"{i}.html").write_text(PAGE.format("", html), encoding="utf-8")
        page, rng = visit((tmp_path / f"{i}.html").as_uri()), np.random.default_rng(i)
        for _ in range(4):
            setting = {k.name: int(rng.integers(len(k.values))) for k in knobs}
            for name, at in setting.items():
                page.evaluate(
                    """([name, k]) => { const e = document.querySelector(`[data-control=${name}]`);
                    if (e.type === 'checkbox') { if (e.checked !== !!k) e.click(); return; }
                    if (e.tagName === 'SELECT') e.selectedIndex = k; else e.value = k;
                    e.dispatchEvent(new Event('input', {bubbles: true})); }""",
                    [name, at],
                )
            page.wait_for_timeout(60)
            for panel, got in zip(panels, shown(page)):
                values = {k.name: k.values[setting[k.name]] for k in panel.knobs}
                try:
                    kind, want = _picture(panel, values)
                except InputError as e:
                    assert got == str(e), (panel.name, values)
                    continue
                if kind == "svg":
                    assert got == normal(page, want), (panel.name, values)
                else:
                    want = (
                        np.asarray(want)
                        if np.asarray(want).shape[-1] == 3
                        else np.asarray(want).repeat(3, -1)
                    )
                    np.testing.assert_array_equal(
                        np.array(got[2], np.uint8).reshape(want.shape),
                        want,
                        err_msg=f"{panel.name} {values}",
                    )


def test_nbconvert(visit, tmp_path):
    "A lesson turned into HTML by `jupyter nbconvert` keeps its sliders (nbconvert's own scripts from other hosts are left out)."
    nbconvert = pytest.importorskip(
        "nbconvert", reason="nbconvert comes with JupyterLab: extra `lab`"
    )
    exporter = nbconvert.HTMLExporter(
        mathjax_url="", require_js_url="", mermaid_js_url="", embed_images=True
    )
    body, _ = exporter.from_filename(str(ROOT / "nbs" / "13_scaling.ipynb"))
    body = re.sub(
        r"<script[^>]* (src|type=\"module\")[^>]*>.*?</script>|<link[^>]*href=\"https?:[^>]*>",
        "",
        body,
        flags=re.S,
    )
    (tmp_path / "lesson.html").write_text(body, encoding="utf-8")
    page = visit((tmp_path / "lesson.html").as_uri())
    slider = page.locator("[data-control=phi]").first
    slider.focus()
    before = shown(page)
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert shown(page) != before
