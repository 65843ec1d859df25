"""The docs site: complete, the same at every build, no dead link, nothing loaded from elsewhere,
usable by everybody.

The browser part is skipped, with the reason, where there is no chromium; `.ci/run` requires it."""

import filecmp
import html
import importlib
import inspect
import json
import re
import shutil
import struct
import threading
import unicodedata
from functools import partial
from html.parser import HTMLParser
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import docs
import docs_api
import docs_references
import docs_source
import nb_text
import pytest
import test_browser
from conftest import ROOT, required
from docs_md import Markdown, math
from fastcore.docments import docments
from readme import directives

browser = test_browser.chromium  # a fixture
NOTEBOOKS = sorted(p.name for p in (ROOT / "nbs").glob("[!._]*.ipynb"))


@pytest.fixture
def tiny(tmp_path):
    "`tiny({name: text}) -> Site`: a book of its own, from texts as tools/nb_text.py takes them."

    def make(files, outputs=()):
        shutil.copy(ROOT / "settings.ini", tmp_path)
        (tmp_path / "nbs").mkdir()
        (tmp_path / "unet_explorer").mkdir()
        for name, text in files.items():
            if name.endswith(".ipynb"):
                nb = nb_text.to_nb(text)
                if name.startswith("00_"):
                    next(c for c in nb["cells"] if c["cell_type"] == "code")["outputs"] = list(
                        outputs
                    )
                text = nb_text.dump(nb)
            target = tmp_path / ("unet_explorer" if name.endswith(".py") else "nbs") / name
            target.write_text(text, encoding="utf-8")
        return docs.Site(tmp_path, tmp_path / "_docs")

    return make


class Parsed(HTMLParser):
    "Ids, links, what is loaded, and pictures of a page."

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.images, self.h1, self.base = [], [], [], [], 0, None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.h1 += tag == "h1"
        if "id" in a:
            self.ids.append(a["id"])
        if tag == "base":
            self.base = a["href"]
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if tag == "link" and a.get("rel") not in ("canonical",):
            self.loads.append(a["href"])
        self.loads += [a[k] for k in ("src", "poster", "data") if a.get(k) and tag != "object"]
        self.loads += [part.split()[0] for part in a.get("srcset", "").split(",") if part.strip()]
        if tag == "img":
            self.images.append(a)


@pytest.fixture(scope="module")
def parsed(site):
    return {p.relative_to(site.out).as_posix(): Parsed(p) for p in sorted(site.out.rglob("*.html"))}


# The whole ----------------------------------------------------------------------------------------


def test_every_notebook_is_a_page(site):
    for name in NOTEBOOKS:
        assert (site.out / site.outs[name]).exists(), name
    assert {p.src for p in site.book.lessons} == set(NOTEBOOKS) - {"index.ipynb"}


def test_gallery(site):
    "Every baked widget of the lessons has a card; a picture that is gone stops the build."
    page = (site.out / "gallery.html").read_text(encoding="utf-8")
    cards = re.findall(r'<li><a href="([^"]+)"><img src="([^"]+)" alt="([^"]+)"', page)
    sliders = page.split('<ul class="gallery small">')[1].split("</ul>")[0]
    for lesson in site.book.lessons:
        cells = json.loads((ROOT / "nbs" / lesson.src).read_text(encoding="utf-8"))["cells"]
        saved = [
            o.get("data", {}).get("text/html", "") for c in cells for o in c.get("outputs", ())
        ]
        widgets = sum('class="uxp-poster"' in "".join(markup) for markup in saved)
        assert sliders.count(f'<li><a href="{lesson.out}') == widgets, lesson.src
    assert len({link.split("#")[0] for link, _, _ in cards}) >= 15, "most lessons have a card"
    weight = sum((site.out / picture).stat().st_size for _, picture, _ in cards)
    assert weight < 2_000_000, f"{weight // 1000} KB of pictures"
    with pytest.raises(SystemExit, match="0 pictures of 02_images.ipynb .* begins with: no such"):
        site.book.gallery.fill("<!-- picture 02_images.ipynb: no such words -->\n")


# lessons that still open with words; take one out when it opens with a picture
LATE = {
    "00_exercise.ipynb",  # has none
}
PICTURE = re.compile(r"!\[|class=.uxp[ \"]")


def words_before_a_picture(lesson):
    "Words of a lesson's text before its first picture; all of them, if there is none."
    words = 0
    for cell in lesson.body.cells:
        if cell.cell_type == "code":
            if docs_source.draws(cell):
                return words
            continue
        head, *rest = PICTURE.split(re.sub(r"(?s)```\{=html\}.*?```", "", cell.source))
        words += len(re.sub(r"\]\([^)]*\)", "]", head).split())
        if rest:
            return words
    return words


def test_lessons_open_with_a_picture(site):
    late = {p.src: words_before_a_picture(p) for p in site.book.lessons}
    late = {src: words for src, words in late.items() if words > 250}
    assert set(late) <= LATE, f"words before the first picture: {late}"


def test_no_wall_of_code(site):
    "Cells above 30 lines are folded, and so is the code of pictures; exercises are not."
    folds = 0
    for lesson in site.book.lessons:
        for cell in lesson.cells("code"):
            flags, code = directives(cell.source)
            folds += flags.get("code-fold") == "true"
            most = docs_source.DRAWN if docs_source.draws(cell) else docs_source.TALL
            tall = len(code.splitlines()) > most and not docs_source.is_exercise(code)
            assert flags.get("code-fold") == "true" or not tall, (lesson.src, code[:80])
    assert folds > 300


def test_a_cell_that_exports_may_be_folded(tiny):
    "Its directives have no colon: nbdev would write a line with one into the module."
    cell = '#| export\n#| code-fold true\n#| code-summary "How: skip it"\nx = 1'
    text = f"# Tiny\n> W.\n\nOne.\n\n```python\n{cell}\n```\n"
    side = "website: {sidebar: {contents: [index.ipynb, 00_tiny.ipynb, 01_next.ipynb]}}"
    lesson = tiny({**TINY, "00_tiny.ipynb": text, "sidebar.yml": side}).book.lessons[0]
    flags, code = directives(next(iter(lesson.cells("code"))).source)
    assert flags == {"code-fold": "true", "code-summary": '"How: skip it"'} and code == "x = 1"
    assert not docs_source.seen(next(iter(lesson.cells("code"))).source)


def test_sidebar_fits_the_folder(site):
    assert not site.book.unlisted, f"add to nbs/sidebar.yml: {site.book.unlisted}"
    gone = [n for n in site.book.listed if n not in site.book.pages]
    assert not gone, (
        f"nbs/sidebar.yml lists what is not there (Quarto would show a dead link): {gone}"
    )


def test_same_bytes_and_fast(site, tmp_path):
    assert site.seconds < 60
    docs.Site(ROOT, tmp_path / "again").build()
    one, two = (
        sorted(p.relative_to(top) for p in top.rglob("*") if p.is_file())
        for top in (site.out, tmp_path / "again")
    )
    assert one == two
    differ = [
        p for p in one if not filecmp.cmp(site.out / p, tmp_path / "again" / p, shallow=False)
    ]
    assert not differ


def test_links(site, parsed):
    "Every link inside the site leads to a file, and its #part to an id of that page."
    base, bad = f"http://host{site.book.base}/", []
    for name, page in parsed.items():
        start = f"http://host{page.base}" if page.base else base + name
        for link in page.links:
            to = urlsplit(urljoin(start, link))
            if to.netloc != "host" or to.scheme != "http":
                continue
            path = unquote(to.path).removeprefix(site.book.base + "/") or "index.html"
            if not (site.out / path).is_file():
                bad.append(f"{name}: {link}")
            elif to.fragment and unquote(to.fragment) not in (
                parsed[path].ids if path in parsed else ()
            ):
                if not re.match(r"[\w-]+=", to.fragment):  # #phi=2 is a widget's own
                    bad.append(f"{name}: {link}")
    assert not bad


def test_nothing_is_loaded_from_elsewhere(site, parsed):
    "By what the files say; the browser test below sees what really happens."
    for name, page in parsed.items():
        for url in page.loads:
            assert not urlsplit(url).netloc and urlsplit(url).scheme in ("", "data", "blob"), (
                f"{name}: {url[:100]}"
            )
    for path in (*site.out.rglob("*.css"), *site.out.rglob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(['\"]?(?:[a-z]+:)?//|@import|href=['\"]https?:", text), (
            path.name
        )


def test_every_picture_has_words(parsed):
    bad = [
        f"{name}: {i.get('src', '')[:60]}"
        for name, page in parsed.items()
        for i in page.images
        if not i.get("alt", "").strip() and "theme/icon" not in i.get("src", "")
    ]
    assert not bad, f"no `#| fig-alt:` in the cell: {bad}"


def test_pages_are_well_formed(parsed):
    for name, page in parsed.items():
        assert page.h1 == 1, f"{name}: {page.h1} h1"
        twice = {i for i in page.ids if page.ids.count(i) > 1}
        assert not twice, f"{name}: {twice}"


def test_lessons_tell_where_they_stand(site):
    chain = [p for s in site.book.book for p in s["pages"]]
    for p in site.book.lessons:
        text = (site.out / p.out).read_text(encoding="utf-8")
        assert f"{p.minutes} min to read" in text and p.minutes > 0
        assert f"/blob/{site.book.branch}/nbs/{p.src}" in text
        assert "colab.research.google.com/github/" in text
        assert f"localhost:8888/lab/tree/nbs/{p.src}" in text
        at = chain.index(p)
        assert f'rel="prev" href="{chain[at - 1].out}"' in text
        assert f'rel="next" href="{chain[at + 1].out}"' in text or at + 1 == len(chain)
        assert not re.search(r"<code>\s*#\|", text), "a directive is no part of the text"
    assert all(n.number < p.number for p in site.book.lessons for n in p.asks)


def test_solutions_are_folded(site):
    for name in NOTEBOOKS:
        solved = len(
            re.findall(r"must_pass=True", (ROOT / "nbs" / name).read_text(encoding="utf-8"))
        )
        page = (site.out / site.outs[name]).read_text(encoding="utf-8")
        folded = "".join(re.findall(r"(?s)<details><summary>.*?</details>", page))
        if not name.startswith("00_exercise"):
            assert page.count("must_pass") == folded.count("must_pass"), name
            assert solved == 0 or "<details><summary>Solution" in page, name


def test_of_a_figure_only_the_code_is_folded(site):
    "A lesson may fold the code that draws; the reader still sees what it drew."
    asked = 0
    for name in NOTEBOOKS:
        page = (site.out / site.outs[name]).read_text(encoding="utf-8")
        seen = re.sub(r"(?s)<details><summary>.*?</details>", "", page)
        for cell in json.loads((ROOT / "nbs" / name).read_text(encoding="utf-8"))["cells"]:
            solution = 'code-summary: "Solution"' in "".join(cell["source"])
            drawn = any("image/png" in o.get("data", {}) for o in cell.get("outputs", ()))
            alt = re.search("(?m)^#[|] fig-alt: (.*)$", "".join(cell["source"]))
            if alt and drawn and not solution:
                asked += 1
                assert f'alt="{html.escape(alt[1])[:40]}' in seen, f"{name}: {alt[1][:60]}"
    assert asked > 30


def test_indexes(site):
    urls = set(re.findall(r"<loc>(.*?)</loc>", (site.out / "sitemap.xml").read_text()))
    assert urls == {
        f"{site.book.url}/{'' if p.kind == 'home' else p.out}" for p in site.book.pages.values()
    }
    llms = (site.out / "llms.txt").read_text()
    assert llms.startswith("# unet-explorer\n\n> ")
    for p in site.book.lessons:
        assert f"[{p.title}]({site.book.url}/{p.key}.md)" in llms
        words = (site.out / f"{p.key}.md").read_text(encoding="utf-8")
        assert words.startswith(f"# {p.title}") and ".qmd" not in words
    index = json.loads(
        (site.out / "search.js")
        .read_text(encoding="utf-8")
        .removeprefix("window.SEARCH_INDEX = ")
        .rstrip(";\n")
    )
    assert {url.split("#")[0] for url, *_ in index} == {p.out for p in site.book.pages.values()}
    assert any(url == "glossary.html#icnr" for url, *_ in index)


def test_social_card(site):
    png = (site.out / "card.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (1200, 630)
    home = (site.out / "index.html").read_text(encoding="utf-8")
    assert f'property="og:image" content="{site.book.url}/card.png"' in home


def test_front_page(site):
    text = (site.out / "index.html").read_text(encoding="utf-8")
    assert text.count("You will be able to") == 3
    for way in ("path.html", "pairs.html", "CONTRIBUTING.md", "images/result.png"):
        assert way in text


# The reference ------------------------------------------------------------------------------------


def test_reference_has_every_export(site):
    for path in (ROOT / "unet_explorer").glob("[!_]*.py"):
        names = re.search(r"(?s)__all__ = (\[.*?\])", path.read_text(encoding="utf-8"))
        if names:
            text = (site.out / f"api/{path.stem}.html").read_text(encoding="utf-8")
            missing = [
                n
                for n in re.findall(r"'(\w+)'", names[1])
                if f'id="{n}"' not in text and f'.html#{n}">' not in text
            ]
            assert not missing, (path.name, missing)


def test_reference_has_the_face(site):
    "Every name of `import unet_explorer as ux` is in the overview and leads to its definition."
    import unet_explorer as ux

    text = (site.out / "api/index.html").read_text(encoding="utf-8")
    for name in set(ux.__all__) - {"__version__"}:
        module = getattr(ux, name).__module__.split(".")[-1]
        assert f'<a href="{module}.html#{name}"><code>ux.{name}</code>' in text, name
    assert site.book.targets["ux.explore"] == "api/sliders.qmd#explore"


@pytest.mark.parametrize(
    "module", ["exercise", "images", "layers", "upsample", "metrics", "effunet", "data"]
)
def test_docments_as_fastcore_reads_them(module):
    "We read the source without importing it; fastcore, whose docments these are, imports it."
    live = importlib.import_module(f"unet_explorer.{module}")
    seen = 0
    for s in docs_api.exported(Path(live.__file__).read_text(encoding="utf-8")):
        obj = inspect.unwrap(getattr(live, s.name))
        if not inspect.isfunction(obj):
            continue
        theirs = docments(obj, full=True, args_kwargs=True)
        assert (s.doc or None) == inspect.getdoc(obj)
        for name, _, _, note in s.rows:
            assert (note or None) == theirs[name.strip("*")]["docment"], (s.name, name)
            seen += bool(note)
        assert (s.returns[1] or None) == theirs["return"]["docment"], s.name
    assert seen


SOURCE = '''"""A module."""
__all__ = ['FIRST', 'LIMIT', 'area', 'Box', 'Point']

# %% ../nbs/99_module.ipynb #1a2b3c4d
FIRST = 1

# %% ../nbs/99_module.ipynb #5e6f7a8b
# how many at most
LIMIT = 3

def area(a:int, # side,
         # in pixels
         b:float=2., *rest, scale=1, # of `both`
         **kw)->float: # what it covers
    """The area.

    Raises `ValueError`."""
    return a * b

class Box:
    "A box."
    def __init__(self, w:int, # width
                ):
        self.w = w
    def grow(self, by:int=1): # how much
        "Larger."
    @property
    def side(self)->int: "One side."
    def _hidden(self): "No."

from typing import NamedTuple
class Point(NamedTuple):
    "A place."
    x:int # across
    y:int = 0 # down
'''


def test_reference_of_a_module():
    first, limit, area, box, point = docs_api.exported(SOURCE)
    assert first.doc == "", "nbdev's cell markers document nothing"
    assert (limit.kind, limit.signature, limit.doc) == ("value", "LIMIT = 3", "how many at most")
    assert area.signature == "area(a: int, b: float=2.0, *rest, scale=1, **kw) -> float"
    assert area.rows == [
        ("a", "int", "", "side,"),
        ("b", "float", "2.0", ""),
        ("*rest", "", "", ""),
        ("scale", "", "1", "of `both`"),
        ("**kw", "", "", ""),
    ]
    assert area.returns == ("float", "what it covers") and area.first_line == "The area"
    assert box.signature == "Box(w: int)" and box.rows == [("w", "int", "", "width")]
    assert [(m.name, m.kind, m.signature) for m in box.members] == [
        ("Box.grow", "method", "Box.grow(by: int=1)"),
        ("Box.side", "property", "Box.side -> int"),
    ]
    assert point.rows == [("x", "int", "", "across"), ("y", "int", "0", "down")]
    assert "<td>of <code>both</code></td>" in docs_api.table(area)
    assert docs_api.tidy_doc(r"a <title\d> in `<b\d>`") == r"a &lt;title\\d> in `<b\d>`"


def test_no_cell_marker_is_shown(site):
    for name in [p.out for p in site.book.pages.values() if p.kind == "api"]:
        text = (site.out / name).read_text(encoding="utf-8")
        assert not re.search(r"%%|\.\./nbs/|AUTOGENERATED", text), name
    index = (site.out / "search.js").read_text(encoding="utf-8")
    assert "%% ../nbs" not in index


# Words --------------------------------------------------------------------------------------------


def test_glossary(site):
    page = site.book.pages["glossary.qmd"].body
    heads = re.findall(r"(?m)^## (.+)$", page)
    assert heads == sorted(heads, key=str.lower), "in the order of the alphabet"
    forms = [f for forms, _ in site.book.words.glossary.values() for f in forms]
    assert len(forms) == len(set(forms)), {f for f in forms if forms.count(f) > 1}
    unused = [
        h
        for h, text in re.findall(r"(?ms)^## ([^\n]+)\n(.*?)(?=^##|\Z)", page)
        if "First used in [" not in text
    ]
    assert len(unused) <= len(heads) // 20, (
        f"no lesson uses {unused}"
    )  # some are for lessons to come
    linked = (site.out / "upsample.html").read_text(encoding="utf-8").split('class="facts"')[1]
    linked = linked.split("</div>", 1)[1]  # what a lesson teaches is linked above its text, too
    assert linked.count('href="glossary.html#checkerboard"') == 1, (
        "at its first use, and there only"
    )


def test_references_are_sorted_by_author(site):
    """Every way in which the lessons write an author; and the whole list, by surnames that are
    read another way: of those who have initials, the last word before comma, stop or title."""
    for said, last in [
        ("P. Deutsch. *DEFLATE version 1.3.* RFC 1951, 1996", "deutsch"),
        ("C.-L. Li et al., *CutPaste*, CVPR 2021", "li"),
        ("A. van den Oord, Y. Li, *Representation learning*, 2018", "oord"),
        ("Ö. Çiçek et al., *3D U-Net*, MICCAI 2016", "cicek"),
        ("The Linux kernel's documentation, *Control Group v2*", "linux kernel's documentation"),
        ("*fastcore*, `docments`", "fastcore"),
        ("[ONNX Runtime](https://onnxruntime.ai)", "onnx runtime"),
    ]:
        assert docs_references.author(said)[0] == last
    works = """## References

- P. Pérez, M. Gangnet, *Poisson*, 2003. K. Perlin, *Noise*, 1985: ours.
- R. Two, *A*: b, *C: d*, 2001; the E project, *F*.
"""
    assert list(docs_references.cited(works)) == [
        "P. Pérez, M. Gangnet, *Poisson*, 2003",
        "K. Perlin, *Noise*, 1985",
        "R. Two, *A*",
        "the E project, *F*",
    ]
    rows = re.findall(r"(?m)^- (.*)$", site.book.pages["literature.qmd"].body)
    heads = [re.match(r"((?:[A-ZÀ-Ý]\S*\.[ -]?)+)([^,.*]+?)(?:,| et al|\.)", row) for row in rows]
    last = [unicodedata.normalize("NFD", m[2].split()[-1].lower()) for m in heads if m]
    last = ["".join(c for c in name if not unicodedata.combining(c)) for name in last]
    assert last == sorted(last) and len(last) > 70
    starless = [row for row in rows if row.count("*") % 2 and "FAT*" not in row]
    assert not starless, "a title that is cut"


WORDS = """---
title: Glossary
---
## IoU
<!-- also: mean IoU -->
Intersection over union. More.

## Logit
<!-- also: logits -->
A raw number.

## Short
<!-- only: shorts -->
A bridge.
"""

LESSON = """# Tiny: a *lesson*
> About
> `things`.

The logits, a short word, iou, and more Logits.

## Logits and shorts here

`logits` $IoU$ [the IoU](01_next.ipynb#one) <b title="IoU">x</b> logits-like shorts;
`half`, `tiny.half(3)` and `half`. An IoU. [r](../README.md)

```python
#| default_exp tiny
```

```python
#| export
def half(n): return n / 2
```

```python
#| hide
secret
```

```python hide
#| fig-alt: A cat: "two"
shown = 1
```

## References

- A. Author, *IoU and logits*, 2001: remark. See `x`.
- B. Bauer, *Another (one)*, CVPR 2002 (arXiv 2001.12345): the first;
  C. Čech, *Third: a title*, 2003.
"""
NEXT = """# Next
> Then.

## One

Mean IoU.

## References

- B. Bauer, *Another (one)*, CVPR 2002.
"""
SIDE = """website: {sidebar: {contents: [index.ipynb,
  {section: All, contents: [00_tiny.ipynb, gone.ipynb]},
  {section: Words, contents: [glossary.qmd, literature.qmd]}]}}"""
TINY = {
    "index.ipynb": "# Home\n> It.\n\nHello.\n\n## More\n",
    "00_tiny.ipynb": LESSON,
    "01_next.ipynb": NEXT,
    "glossary.qmd": WORDS,
    "literature.qmd": "---\ntitle: References\n---\n<!-- references -->\n",
    "sidebar.yml": SIDE,
    "tiny.py": '__all__ = ["half"]\ndef half(n): return n / 2\n',
}
WIDGET = """<div id="w">still ``` picture</div>
<script>document.getElementById("w").textContent = "moved"</script>"""


def test_words_become_links(tiny):
    site = tiny(TINY).build()
    text = (site.out / "tiny.html").read_text(encoding="utf-8")
    logits = '<a href="glossary.html#logit" title="A raw number.">logits</a>'
    assert f"The {logits}, a short word, iou, and more Logits." in text
    assert "<code>logits</code>" in text
    assert '<a href="next.html#one">the IoU</a>' in text
    assert '<b title="IoU">x</b>' in text
    assert 'logits-like <a href="glossary.html#short" title="A bridge.">shorts</a>' in text
    assert text.count('href="api/tiny.html#half"') == 1
    assert '<a href="api/tiny.html#half"><code>half</code></a>, <code>tiny.half(3)</code>' in text
    assert 'An <a href="glossary.html#iou" title="Intersection over union.">IoU</a>.' in text
    assert "<em>IoU and logits</em>" in text, "titles of papers stay as they are"
    assert f'href="{site.book.git}/blob/main/README.md"' in text
    assert "secret" not in text and "default_exp" not in text and "to tiny.py" in text
    assert '<p class="lead">About <code>things</code>.</p>' in text
    assert "<h1>Tiny: a <em>lesson</em></h1>" in text
    assert site.book.unlisted == ["01_next.ipynb"]
    assert [p.src for p in site.book.lessons] == ["00_tiny.ipynb", "01_next.ipynb"]
    refs = [
        re.sub(r"<[^>]+>", "", x)
        for x in re.findall(
            r"<li>(.*?)</li>", (site.out / "literature.html").read_text().split("<main")[1]
        )
    ]
    assert refs == [
        "A. Author, IoU and logits, 2001. In Tiny.",
        "B. Bauer, Another (one), CVPR 2002 (arXiv 2001.12345). In Tiny, Next.",
        "C. Čech, Third: a title, 2003. In Tiny.",
    ]
    assert 'First used in <a href="tiny.html">Tiny</a>' in (site.out / "glossary.html").read_text()


def test_dead_links_stop_the_build(tiny):
    with pytest.raises(SystemExit, match="00_tiny.ipynb: 99_gone.ipynb"):
        tiny({**TINY, "00_tiny.ipynb": LESSON + "\n[gone](99_gone.ipynb)\n"}).build()


def test_two_notebooks_cannot_be_one_page(tiny):
    with pytest.raises(AssertionError, match="both become next.html"):
        tiny({**TINY, "05_next.ipynb": NEXT})


def test_a_bad_formula_stops_the_build():
    assert "<mfrac>" in math(r"\frac{1}{2}")
    assert "<mfrac>" in Markdown()("$$\n\\frac{1}{2}\n$$")
    with pytest.raises(ValueError, match=r"\\foo in the formula"):
        math(r"1 + \foo{x}")


def test_saved_html_for_quarto(tiny, tmp_path):
    out = [
        dict(output_type="display_data", metadata={}, data={"text/html": WIDGET, "text/plain": "w"})
    ]
    tiny({**TINY, "00_tiny.ipynb": "# Tiny\n> W.\n\n```python\nw\n```\n"}, out)
    docs.prepare(tmp_path, tmp_path / "_proc")
    cell = [
        c
        for c in json.loads((tmp_path / "_proc/00_tiny.ipynb").read_text())["cells"]
        if c["cell_type"] == "code"
    ][0]
    assert "".join(cell["outputs"][0]["data"]["text/markdown"]) == f"````{{=html}}\n{WIDGET}\n````"


# In a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(site):
    "The site's address on a server of our own."

    class Quiet(docs.Handler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site.out.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{site.book.base}"
    server.shutdown()


@pytest.fixture
def page(browser):
    "A page that writes down what it asks for and complains about."
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.asked, page.errors = [], []
    page.on("request", lambda r: page.asked.append(r.url))
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on(
        "response", lambda r: page.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    yield page
    context.close()


def strangers(page, home):
    return [u[:120] for u in page.asked if not u.startswith((home, "data:", "blob:"))]


def findings(page, within=None, **options):
    "What axe-core calls serious or critical, in short; `within`: a selector."
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        required("BROWSER")("no axe-playwright-python (pip install axe-playwright-python)")
    if within and not page.locator(within).count():
        return []
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    run = "([within, options]) => axe.run(within || document, options).then(r => r.violations)"
    said = page.evaluate(run, [within, {"resultTypes": ["violations"], **options}])
    return [
        f"{v['id']}: {v['nodes'][0]['target']} {v['nodes'][0]['html'][:150]} ({len(v['nodes'])}x)"
        for v in said
        if v["impact"] in ("serious", "critical")
    ]


def test_sounds_can_be_played(web, page):
    "The sounds of a lesson lie in its page, each with a length and a name."
    page.goto(f"{web}/signals.html")
    lengths = "() => [...document.querySelectorAll('audio')].map(a => a.duration)"
    page.wait_for_function(f"() => ({lengths})().every(s => s > 0.5)")
    names = [a.get_attribute("aria-label") for a in page.locator("audio").all()]
    assert len(page.evaluate(lengths)) == len(names) >= 8
    assert len(set(names)) == len(names) and all(names)
    assert not strangers(page, web) and not page.errors


def test_every_page_in_the_browser(site, web, page):
    """Nothing leaves the host, no error, accessible in both colours, and no sideways scrolling on a
    telephone.

    axe-core takes seconds for the colours of a long page, of its words and of links beside words,
    and most pages are made alike: colours are measured on one of each kind, and elsewhere in the
    widgets and tables, which differ. What `region` says is not serious, and takes long, too."""
    bad, colours = [], ["color-contrast", "link-in-text-block"]
    without = {rule: {"enabled": False} for rule in ("region", *colours)}
    names = [p.out for p in site.book.pages.values()] + ["404.html"]
    plain = {p.out for p in site.book.pages.values() if p.kind in ("home", "plain")} | {
        "404.html",
        "api/index.html",
    }
    each_kind = plain | {"exercise.html", "images.html", "api/upsample.html"}
    each_kind -= {"recall.html"}  # 300 times the same: test_recall.py measures the first
    for name in names:
        page.asked.clear()
        page.errors.clear()
        page.set_viewport_size({"width": 1440, "height": 1000})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(f"{web}/{name}")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate("dispatchEvent(new Event('resize'))")
        # axe looks at every coloured word of the code, which are thousands: the first cells will do
        page.evaluate(
            "[...document.querySelectorAll('pre code')].slice(5)"
            ".forEach(c => { c.textContent = c.textContent; })"
        )
        bad += [f"{name}: asks {u}" for u in strangers(page, web)] + [
            f"{name}: {e}" for e in page.errors
        ]
        page.set_viewport_size({"width": 390, "height": 844})
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        bad += [f"{name}: {wide} px too wide at 390 px"] * (wide > 0)
        page.set_viewport_size({"width": 1440, "height": 1000})
        whole = name in each_kind
        if name.startswith("api/") and not whole:
            continue
        bad += [f"{name}: {f}" for f in findings(page, rules=without)]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = findings(page, None if whole else ".html-output", runOnly=colours)
            bad += [f"{name}, {scheme}: {f}" for f in found]
    assert not bad, "\n".join(bad)


def test_pages_as_files(site, page):
    "Opened from a folder, without a server: nothing missing, and the search works."
    home = site.out.as_uri()
    for name in ("index.html", "upsample.html", "api/upsample.html"):
        page.goto(f"{home}/{name}")
        assert page.evaluate(
            "document.fonts.ready.then(() => [...document.fonts].some(f => f.status === 'loaded'))"
        )
    page.keyboard.press("/")
    page.fill("#ui-query", "icnr")
    page.wait_for_selector("#ui-hits a")
    assert not strangers(page, home) and not page.errors


LEADS = {  # what people type: one of the first three places must begin with this
    "resume": "faq.html#can-i-resume-a-training",
    "my own images": "faq.html#how-do-i-train-on-my-own-images",
    "out of memory": "faq.html#out-of-memory-while",
    "GPU": "faq.html#i-have-a-gpu",
    "no gpu": "faq.html#i-have-no-gpu",
    "loss nan": "faq.html#the-loss-is-nan",
    "freeze encoder": "faq.html#how-do-i-freeze-the-encoder",
    "checkerboard": "glossary.html#checkerboard",
    "chekerboards": "upsample.html",  # misspelt
    "icnr": "glossary.html#icnr",
    "load_pairs": "api/pairs.html#load_pairs",
    "mask values": "labels.html",
    "ONNX export": "faq.html#how-do-i-export-to-onnx",
    "receptive field": "glossary.html#receptive-field",
    "boundary f1": "metrics.html#where-does-the-line-run-boundary-f1",
    "how do I split honestly": "data.html",
    "false alarm rate": "glossary.html#false-alarm",
    "squeeze excite": "efficientnet.html",
    "command line": "cli.html",
}
ASK = """async words => {
    document.getElementById("ui-find").click();
    const query = document.getElementById("ui-query"), hits = document.getElementById("ui-hits");
    const start = performance.now();
    hits.replaceChildren();
    query.value = words;
    query.dispatchEvent(new Event("input", {bubbles: true}));
    while (!hits.children.length && performance.now() - start < 5000)
        await new Promise(done => setTimeout(done, 0));
    const ms = performance.now() - start;
    return [[...hits.querySelectorAll("a")].map(a => a.getAttribute("href")), ms];
}"""


def test_search_ranks(web, page):
    "What people type leads to the right place, and a letter more is answered at once."
    page.goto(f"{web}/index.html")
    page.evaluate(ASK, "warm")
    wrong, waits = [], []
    for words, place in LEADS.items():
        found, ms = page.evaluate(ASK, words)
        waits.append(ms)
        if not any(url.startswith(place) for url in found[:3]):
            wrong.append(f"{words}: {found[:3]}, not {place}")
    assert not wrong, "\n".join(wrong)
    assert sorted(waits)[len(waits) // 2] < 100, f"ms for an answer: {waits}"
    assert not page.errors


def test_search(web, page):
    page.goto(f"{web}/path.html")
    page.click("#ui-find")
    page.fill("#ui-query", "checkerboards")
    page.wait_for_selector("#ui-hits a")
    assert "place" in page.inner_text("#ui-count") and page.locator("#ui-hits mark").count()
    about = page.locator("#ui-hits a > span").all_inner_texts()
    assert all(len(words) < 200 for words in about) and "checkerboard" in about[0].lower()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert not findings(page, "#ui-search")
    page.fill("#ui-query", "xyzzy qqqq")
    page.wait_for_function("document.getElementById('ui-count').textContent.startsWith('Nothing')")
    page.fill("#ui-query", "<img src=x onerror=alert(1)> icnr")
    page.fill("#ui-query", "ICNR")
    page.wait_for_selector("#ui-hits a")
    assert page.locator("#ui-hits a").first.get_attribute("href").endswith("glossary.html#icnr")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('#ui-hits') !== null")
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary.html#icnr")
    page.keyboard.press("/")
    assert page.locator("#ui-search").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#ui-search").is_visible() and not page.errors


def test_progress_stays_in_this_browser(site, web, page):
    page.goto(f"{web}/path.html")
    total = len(site.book.lessons)
    assert f"0 of {total} lessons finished" in page.inner_text("#ui-progress output")
    page.goto(f"{web}/upsample.html")
    page.asked.clear()
    page.check("[data-done=upsample]")
    assert page.locator("#ui-book [data-lesson=upsample] .tick").count() == 1
    assert not [u for u in page.asked if "icon" not in u], "a tick is sent nowhere"
    page.goto(f"{web}/path.html")
    assert f"1 of {total} lessons finished" in page.inner_text("#ui-progress output")
    assert page.is_checked("[data-done=upsample]") and page.locator("#ui-progress a").is_visible()
    page.click("#ui-forget")
    assert not page.is_checked("[data-done=upsample]")
    assert page.locator("#ui-book .tick").count() == 0
    assert not page.errors


def test_colours(web, page):
    page.goto(f"{web}/upsample.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.click("#ui-theme")
    dark = page.evaluate(background)
    assert light != dark and page.evaluate("document.body.dataset.jpThemeLight") == "false"
    page.reload()
    assert page.evaluate(background) == dark, "the choice is kept"
    page.click("#ui-theme")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(background) == dark, "no choice: as the system"


def test_code_of_100_characters_fits(web, page):
    """In every kind of code box, from 1280 pixels on; on a telephone the box scrolls, not the page.
    docs_theme/style.css gives the widths, pyproject.toml the 100 characters."""
    lines = """boxes => boxes.map(pre => {
        pre.querySelector("code").textContent = "m".repeat(100)
        return pre.scrollWidth - pre.clientWidth })"""
    for name in ("index.html", "upsample.html", "api/upsample.html"):
        for width in (1280, 1440, 1480, 1920, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"{web}/{name}")
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            page.evaluate("document.fonts.ready")
            over = page.locator(".code pre").evaluate_all(lines)
            assert over and (min(over) > 0 if width == 390 else max(over) <= 0), (name, width, over)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_keyboard(web, page):
    page.goto(f"{web}/upsample.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, (
        "visible when focused"
    )
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "ui-main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", (
        "focus can be seen"
    )
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.locator("#ui-book").is_visible()
    page.focus("#ui-menu")
    page.keyboard.press("Enter")
    assert page.locator("#ui-book").is_visible()
    assert page.get_attribute("#ui-menu", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not page.locator("#ui-book").is_visible()
    assert page.evaluate("document.activeElement.id") == "ui-menu"


def test_a_baked_widget_runs(tiny, page):
    out = [
        dict(output_type="display_data", metadata={}, data={"text/html": WIDGET, "text/plain": "w"})
    ]
    site = tiny({**TINY, "00_tiny.ipynb": "# Tiny\n> W.\n\n```python\nw\n```\n"}, out).build()
    page.goto((site.out / "tiny.html").as_uri())
    assert page.inner_text("#w") == "moved" and not page.errors
