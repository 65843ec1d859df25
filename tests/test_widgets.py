"""Every slider of the book, as it stands in the saved lessons.

Each control moves a picture, with no kernel, no console message and no request.
(tests/test_browser.py shows that the picture is the one Python draws.)"""

import re

import nbformat
import numpy as np
import pytest
from conftest import ROOT
from test_browser import INPUT, PAGE, chromium, normal, shown, visit  # noqa: F401  (fixtures)

from unet_explorer.contracts import InputError
from unet_explorer.sliders import panels_of, picture_of


def baked(path):
    "The widgets in the saved outputs of a notebook."
    outputs = [o for c in nbformat.read(path, 4).cells for o in c.get("outputs", [])]
    texts = [o.get("data", {}).get("text/html", "") for o in outputs]
    return [html for html in texts if re.search('class="uxp[ "]', html)]


WIDGETS = {path.stem: baked(path) for path in sorted((ROOT / "nbs").glob("[!._]*.ipynb"))}
WIDGETS = {stem: widgets for stem, widgets in WIDGETS.items() if widgets}
MOVES = dict(
    select=f"(e, back) => {{ e.selectedIndex = back ? 0 : e.options.length - 1; {INPUT}; }}",
    checkbox="(e, back) => e.click()",
    range=f"(e, back) => {{ e.value = back ? e.min : e.max; {INPUT}; }}",
)
LOOKS = """() => [...document.querySelectorAll('.uxp-panel')].map(p => {
    const e = p.querySelector('.uxp-error'), c = p.querySelector('canvas');
    if (!e.hidden) return e.textContent;
    if (c) return c.toDataURL();
    return p.querySelector('[role=img]').shadowRoot.querySelector('svg').outerHTML;
})"""
TURN = f"""([name, k]) => {{
    const e = document.querySelector(`[data-control=${{name}}]`);
    if (e.type === 'checkbox') {{ if (e.checked !== !!k) e.click(); return; }}
    if (e.tagName === 'SELECT') e.selectedIndex = k; else e.value = k;
    {INPUT};
}}"""
CALL = re.compile(r"^(display\()?explore\(", re.M)


def looks(page):
    "What every panel shows, short: the SVG, or the canvas as a `data:` address."
    return page.evaluate(LOOKS)


def test_the_book_has_its_widgets():
    lessons = {"index", "07_sliders", "24_unet_ledger", "21_upsample", "22_scaling", "27_effunet"}
    assert lessons | {"29_metrics", "32_mosaics", "40_anomaly"} <= set(WIDGETS)
    assert len(WIDGETS["21_upsample"]) == 3
    heaviest = max(len(html) for widgets in WIDGETS.values() for html in widgets)
    assert heaviest < 1_000_000, "a widget may weigh 1 MB"


@pytest.mark.parametrize("stem", WIDGETS)
def test_every_control_moves_a_picture(stem, visit, tmp_path):
    for i, html in enumerate(WIDGETS[stem]):
        page_file = tmp_path / f"{i}.html"
        page_file.write_text(PAGE.format("", html), encoding="utf-8")
        page = visit(page_file.as_uri())
        said = page.locator(".uxp").get_attribute("aria-label")
        assert said, "a widget needs a name for screen readers"
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
            name = control.get_attribute("data-control")
            assert any(s != seen[0] for s in seen[1:]), f"widget {i + 1}: {name} moves nothing"


# their code runs in seconds; `make test-slow` takes more
QUICK = ("index", "24_unet_ledger", "22_scaling", "29_metrics")
# these define the engine itself, or show a training, which another machine repeats only nearly
ELSE = ("07_sliders", "21_upsample", "31_train", "32_mosaics", "40_anomaly")


def drawn(stem, monkeypatch):
    "Panels and knobs of a lesson's widgets: its code is run up to the last of them."
    nb = nbformat.read(ROOT / "nbs" / f"{stem}.ipynb", 4)
    cells = [c.source for c in nb.cells if c.cell_type == "code"]
    cells = [source for source in cells if "#| eval: false" not in source]
    calls = [i for i, source in enumerate(cells) if CALL.search(source)]
    found, space = [], {"__name__": "lesson", "display": lambda *_: None}

    def note_down(*draws, name=None, note="", **controls):
        found.append(panels_of(draws, controls))

    monkeypatch.chdir(ROOT / "nbs")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda *a, **k: None)
    for i, source in enumerate(cells[: calls[-1] + 1]):
        if i not in calls:
            exec(source, space)
            continue
        at = CALL.search(source).start()
        exec(source[:at], space)
        own, space["explore"] = space["explore"], note_down
        exec(source[at:], space)
        space["explore"] = own
    return found


def assert_shows(page, panel, values, got):
    "The page shows what Python draws now for these values of a panel's controls."
    try:
        kind, want = picture_of(panel.draw, **values)
    except InputError as e:
        assert got == str(e), (panel.name, values)
        return
    if kind == "svg":
        assert got == normal(page, want), (panel.name, values)
        return
    want = want if want.shape[-1] == 3 else want.repeat(3, -1)
    got = np.array(got[2], np.uint8).reshape(want.shape)
    np.testing.assert_array_equal(got, want, err_msg=f"{panel.name} {values}")


SLOW = [
    stem if stem in QUICK else pytest.param(stem, marks=pytest.mark.slow)
    for stem in WIDGETS
    if stem not in ELSE
]


@pytest.mark.parametrize("stem", SLOW)
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
                page.evaluate(TURN, [name, at])
            page.wait_for_timeout(60)
            for panel, got in zip(panels, shown(page)):
                values = {k.name: k.values[setting[k.name]] for k in panel.knobs}
                assert_shows(page, panel, values, got)


def test_nbconvert(visit, tmp_path):
    "A lesson as HTML of `jupyter nbconvert` keeps its sliders; nbconvert's own scripts are cut."
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert comes with the extra `lab`")
    elsewhere = dict.fromkeys(("mathjax_url", "require_js_url", "mermaid_js_url"), "")
    exporter = nbconvert.HTMLExporter(embed_images=True, **elsewhere)
    body, _ = exporter.from_filename(str(ROOT / "nbs" / "22_scaling.ipynb"))
    scripts = r"<script[^>]* (src|type=\"module\")[^>]*>.*?</script>"
    body = re.sub(rf"{scripts}|<link[^>]*href=\"https?:[^>]*>", "", body, flags=re.S)
    (tmp_path / "lesson.html").write_text(body, encoding="utf-8")
    page = visit((tmp_path / "lesson.html").as_uri())
    slider = page.locator("[data-control=phi]").first
    slider.focus()
    before = shown(page)
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert shown(page) != before
