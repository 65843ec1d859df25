"""Every slider of the book, as it stands in the saved lessons: each control moves a picture, with no kernel, no console message and no
request. (tests/test_browser.py shows that the picture is the one Python draws.)"""
import nbformat
import pytest
from conftest import ROOT
from test_browser import PAGE, chromium, shown, visit  # noqa: F401  (fixtures)


def baked(path):
    "The widgets in the saved outputs of a notebook."
    outputs = [o for c in nbformat.read(path, 4).cells for o in c.get("outputs", [])]
    return [html for o in outputs if 'class="uxp' in (html := o.get("data", {}).get("text/html", ""))]


WIDGETS = {path.stem: baked(path) for path in sorted((ROOT / "nbs").glob("[!._]*.ipynb"))}
WIDGETS = {stem: widgets for stem, widgets in WIDGETS.items() if widgets}
MOVES = dict(select="(e, back) => { e.selectedIndex = back ? 0 : e.options.length - 1; e.dispatchEvent(new Event('input', {bubbles: true})); }",
             checkbox="(e, back) => e.click()",
             range="(e, back) => { e.value = back ? e.min : e.max; e.dispatchEvent(new Event('input', {bubbles: true})); }")


def test_the_book_has_its_widgets():
    assert {"index", "01_explore", "11_unet", "12_upsample", "13_scaling", "15_effunet", "20_metrics", "22_tiles"} <= set(WIDGETS)
    assert len(WIDGETS["12_upsample"]) == 3
    assert all(len(html) < 1_000_000 for widgets in WIDGETS.values() for html in widgets), "a widget may weigh 1 MB"


@pytest.mark.parametrize("stem", WIDGETS)
def test_every_control_moves_a_picture(stem, visit, tmp_path):  # noqa: F811
    for i, html in enumerate(WIDGETS[stem]):
        page_file = tmp_path / f"{i}.html"
        page_file.write_text(PAGE.format("", html), encoding="utf-8")
        page = visit(page_file.as_uri())
        assert page.locator(".uxp").get_attribute("aria-label"), "a widget needs a name for screen readers"
        controls = page.locator("[data-control]")
        for k in range(controls.count()):
            control = controls.nth(k)
            kind = control.evaluate("e => e.tagName === 'SELECT' ? 'select' : e.type")
            seen = [shown(page)]
            for back in (False, True):
                control.evaluate(f"(e, back) => ({MOVES[kind]})(e, back)", back)
                page.wait_for_timeout(60)
                seen.append(shown(page))
            page.get_by_role("button", name="Reset").click()
            assert any(s != seen[0] for s in seen[1:]), f"{stem}, widget {i + 1}: {control.get_attribute('data-control')} moves nothing"
