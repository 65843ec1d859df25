"""What Quarto is given: the same pages as our own builder makes. Quarto itself is in no registry,
so its input is tested: what `make docs-quarto` puts before it, and how pandoc, which is Quarto's
reader, reads every page (`pypandoc-binary` brings pandoc)."""

import base64
import difflib
import html
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path

import docs
import docs_assets
import docs_source
import pypandoc
import pytest
import test_browser
import yaml
from conftest import ROOT

browser = test_browser.chromium  # a fixture

# A stand-in for Quarto: notes what it finds, then has the project's script run, as Quarto does
# (in the project's folder, https://quarto.org/docs/projects/scripts.html).
QUARTO = """#!{python}
import json, subprocess, sys, yaml
from pathlib import Path
found = dict(argv=sys.argv[1:], cwd=str(Path.cwd()), files=sorted(p.name for p in Path().iterdir()))
with open({log!r}, "a") as f:
    f.write(json.dumps(found) + "\\n")
subprocess.run(yaml.safe_load(open("_quarto.yml"))["project"]["pre-render"].split(), check=True)
Path("_docs").mkdir()
Path("_docs/index.html").write_text("made by Quarto")
if "gfm" in sys.argv:
    Path("_docs/index_files").mkdir()
    Path("_docs/README.md").write_text("made by Quarto")
"""
# As Quarto reads: pandoc's markdown with the extensions that are on by default, formulas as MathML
# (readqmd.lua of quarto-cli). One process for all pages.
READER = """
local join = pandoc.path.join
for _, name in ipairs(pandoc.system.list_directory(arg[1])) do
  local f = io.open(join{arg[1], name})
  local doc = pandoc.read(f:read("a"), "markdown")
  f:close()
  local head = pandoc.List{}
  for _, part in ipairs{"title", "description"} do
    if doc.meta[part] then head:insert(pandoc.Div({pandoc.Plain(doc.meta[part])}, {class=part})) end
  end
  local options = {html_math_method="mathml", wrap_text="none", highlight_method="none"}
  f = io.open(join{arg[2], name}, "w")
  f:write(pandoc.write(pandoc.Pandoc(head .. doc.blocks), "html", options))
  f:close()
end
"""
PAGE = """<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<style>*, ::before, ::after {{ box-sizing: border-box }} img {{ max-width: 100%; height: auto }}
body {{ margin: 1rem; background: var(--bg); color: var(--ink) }}</style>{css}</head>
<body class=quarto-light><main class=content>{body}</main>{scripts}</body></html>"""


class Prepared:
    "`proc`: the folder that Quarto renders; `log`: how Quarto was called; `config`: its settings."

    def __init__(self, root, log):
        self.root, self.proc = root, root / "_proc"
        self.log = [json.loads(line) for line in log.read_text().splitlines()]
        self.config = yaml.safe_load((self.proc / "_quarto.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    "`make docs-quarto`, in a copy of the repository, with the stand-in."
    root = tmp_path_factory.mktemp("clone")
    for name in ("nbs", "tools", "unet_explorer"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("settings.ini", "_quarto.yml", "Makefile", "README.md"):
        shutil.copy(ROOT / name, root)
    bin, log = tmp_path_factory.mktemp("bin"), root / "quarto.log"
    quarto = bin / "quarto"
    quarto.write_text(QUARTO.format(python=sys.executable, log=str(log)), encoding="utf-8")
    quarto.chmod(quarto.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(bin), str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(root)}
    run = dict(cwd=root, env=env, capture_output=True, text=True)
    recipe = subprocess.run(
        ["make", "-n", "--no-print-directory", "docs-quarto"], **run
    ).stdout.splitlines()
    recipe = [line for line in recipe if "setup_env" not in line]
    done = subprocess.run(["sh", "-ec", "\n".join(recipe)], **run)
    assert done.returncode == 0, done.stdout + done.stderr
    return Prepared(root, log)


def test_quarto_is_called_once_where_all_is_ready(prepared):
    assert [(c["argv"], c["cwd"]) for c in prepared.log] == [
        (["render", "--no-cache"], str(prepared.proc))
    ], "once: an older README would be rendered, too, and leave index_files/"
    assert not list(prepared.root.rglob("index_files"))
    assert (prepared.root / "_docs/index.html").read_text() == "made by Quarto"
    for name in ("README.md", "_quarto.yml", "nbs/nbdev.yml", "nbs/sidebar.yml"):
        assert (prepared.root / name).read_bytes() == (ROOT / name).read_bytes(), name
    for name in ("images", "results", "api", "theme"):
        assert name not in prepared.log[0]["files"], "if nbdev copies it, --prepare need not"
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    clean = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nclean:")[1]
    for name in ("_docs", "_proc", "index_files"):  # what nbdev_docs by itself may leave
        assert name in clean and {f"{name}/", f"/{name}/"} & set(ignored)


def test_sources_are_what_quarto_accepts(prepared):
    """All that the sidebar lists; YAML in every cell; no text/html, for which Quarto would load
    require.js from elsewhere; nothing that Quarto would take for a shortcode of its own."""
    side = (prepared.proc / "sidebar.yml").read_text(encoding="utf-8")
    listed = re.findall(r"[\w/]+\.(?:ipynb|qmd)", side)
    assert len(listed) > 30 and all((prepared.proc / name).is_file() for name in listed)
    for path in prepared.proc.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = lines(cell["source"])
            if cell["cell_type"] == "code":
                options = [x[2:].strip() for x in source.splitlines() if x.startswith("#|")]
                said = yaml.safe_load("\n".join(options))
                assert isinstance(said, (dict, type(None))), (path.name, options)
                assert not [o for o in cell["outputs"] if "text/html" in o.get("data", {})]
            assert "{{<" not in source, (path.name, source)
    for path in prepared.proc.rglob("*.qmd"):
        fields, body = docs_source.front_matter(path.read_text(encoding="utf-8"))
        assert fields["title"] and not re.search("<!-- (lessons|references) -->|{{<", body)


# How pandoc reads it ------------------------------------------------------------------------------


def lines(text):
    return "".join(text)


def output(o, alt, save):
    "An output as Quarto turns it into markdown; `save(data, kind)` keeps a picture."
    data = {kind: lines(d) for kind, d in o.get("data", {}).items()}
    if o["output_type"] in ("stream", "error"):
        return f"```````\n{lines(o.get('text', o.get('evalue', '')))}\n```````"
    for kind in ("svg+xml", "png", "jpeg"):
        if f"image/{kind}" in data:
            src, words = save(data[f"image/{kind}"], kind.split("+")[0]), html.escape(alt)
            return f'```{{=html}}\n<figure><img src="{src}" alt="{words}"></figure>\n```'
    if "text/markdown" in data:
        return data["text/markdown"]
    assert "text/html" not in data and "text/latex" not in data
    return f"```````\n{data.get('text/plain', '')}\n```````"


def as_markdown(path):
    "A notebook as the markdown that Quarto gives to pandoc."
    nb, parts, folder = json.loads(path.read_text(encoding="utf-8")), [], f"{path.stem}_files"

    def save(data, kind):
        (path.parent / folder).mkdir(exist_ok=True)
        name = f"{folder}/{len(list((path.parent / folder).iterdir()))}.{kind}"
        data = data.encode() if kind == "svg" else base64.b64decode(data)
        (path.parent / name).write_bytes(data)
        return name

    for cell in nb["cells"]:
        options, code = docs.directives(lines(cell["source"]))
        if cell["cell_type"] != "code":
            parts.append(lines(cell["source"]))
        elif options.get("include") != "false":
            alt = options.get("fig-alt", '""')
            outs = cell["outputs"] if options.get("output") != "false" else []
            shown = [output(o, json.loads(alt), save) for o in outs]
            if options.get("echo") != "false":
                shown.insert(0, f"``````` {{.python .cell-code}}\n{code}\n```````")
            inside = "\n\n".join(f"::: {{.cell-output-display}}\n\n{s}\n\n:::" for s in shown)
            parts.append(f":::: {{.cell}}\n\n{inside}\n\n::::")
    return "\n\n".join(parts)


@pytest.fixture(scope="module")
def pages(prepared, tmp_path_factory):
    "`{name of a source: its HTML by pandoc}`, title and description first."
    read, made = tmp_path_factory.mktemp("read"), tmp_path_factory.mktemp("made")
    names = [*prepared.proc.glob("*.ipynb"), *prepared.proc.rglob("*.qmd")]
    for path in names:
        text = as_markdown(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        name = path.relative_to(prepared.proc).as_posix().replace("/", "!")
        (read / name).write_text(text, encoding="utf-8")
    (read.parent / "reader.lua").write_text(READER, encoding="utf-8")
    command = [pypandoc.get_pandoc_path(), "lua", str(read.parent / "reader.lua"), read, made]
    subprocess.run([str(c) for c in command], check=True, cwd=read.parent)
    return {p.name.replace("!", "/"): p.read_text(encoding="utf-8") for p in made.iterdir()}


# What the two readers write differently, and nobody minds.
ALIKE = {
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "…": "...",  # pandoc sets quotes and dots as a printer does
    "\u2061": "",  # "function applied", between log and x, which is not seen
    "⋅": "·",
    "\u00a0": " ",
}


def words(markup):
    "What is read, by words; of formulas, the signs."
    markup = re.sub(r"(?s)<annotation.*?</annotation>|<(script|style|button)\b.*?</\1>", "", markup)
    markup = re.sub(r"</?(span|em|strong|a|code|b|i|sup|sub|kbd|del|mark|wbr)\b[^>]*>", "", markup)
    text = html.unescape(re.sub(r"<[^>]+>", " ", markup))
    for theirs, our in ALIKE.items():
        text = text.replace(theirs, our)
    return unicodedata.normalize("NFKC", text).split()


def of_ours(site, page):
    "The HTML of our own page, from its title to its end, without what only our builder adds."
    text = (site.out / page.out).read_text(encoding="utf-8")
    text = text.split("<article>")[1].split("</article>")[0]
    where = re.search(r'(?s)<p class="where">.*?</p>', text)
    text = re.sub(r'(?s)<p class="where">.*?</p>', "", text, count=1)
    text = text.replace('<div class="facts">', where[0] + '<div class="facts">') if where else text
    folds = r'(?s)<details><summary>.*?</summary>|<p class="to">.*?</p>|<a class="anchor".*?</a>'
    return re.sub(folds, "", text)


def test_pandoc_reads_what_we_read(pages, site):
    "Every word of every page, titles and heads of lessons too; where it fails, see ALIKE."
    bad = []
    for src, page in site.book.pages.items():
        a, b = words(of_ours(site, page)), words(pages[src])
        if a == b:
            continue  # what follows takes seconds for a long page
        for op, i, j, k, n in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
            if op != "equal":
                bad.append(f"{src}: ours {a[i - 2 : j + 2][:20]}, pandoc's {b[k - 2 : n + 2][:20]}")
    assert set(pages) == set(site.book.pages) and not bad, "\n".join(bad)


def test_pandoc_makes_what_we_make(pages, site):
    "As many headings, lists, tables, pictures, formulas and links, and the same anchors."
    bad = []
    for src, page in site.book.pages.items():
        a, b = of_ours(site, page), pages[src]
        for tag in "h2 h3 h4 li ol td th blockquote math img em strong a".split():
            many = [len(re.findall(rf"<{tag}\b", text)) for text in (a, b)]
            bad += [f"{src}: <{tag}> {many}"] if many[0] != many[1] else []
        ids = [re.findall(r'<h[2-4][^>]* id="([^"]+)"', text) for text in (a, b)]
        bad += [f"{src}: @ begins a citation"] * ('class="citation"' in b)
        bad += [f"{src}: {set(ids[0]) ^ set(ids[1])}"] if ids[0] != ids[1] else []
    assert not bad, "\n".join(bad)


# What lies beside the pages -----------------------------------------------------------------------


def test_links_lead_somewhere(prepared, pages, site):
    "To a file, a page by its source's name or by its own, and there to an id that pandoc makes."
    bad, outward = [], re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)
    sources = {p.out: p.src for p in site.book.pages.values()}
    for name, text in pages.items():
        for url in map(html.unescape, set(re.findall(r'\b(?:href|src)="([^"]*)"', text))):
            path, _, part = url.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            there = sources.get(there, there)
            if outward.match(url):
                continue
            if there not in pages:
                bad += [f"{name}: {url}"] * (not (prepared.proc / there).is_file())
            elif part and f'id="{part}"' not in pages[there] and not re.match(r"[\w-]+=", part):
                bad.append(f"{name}: {url}")
    assert not bad, bad


def test_pictures_are_there_with_words(prepared, pages):
    seen = 0
    for name, text in pages.items():
        for tag in re.findall(r"<img\b[^>]*>", text):
            seen += 1
            assert re.search(r'alt="[^"]*\w', tag), f"{name}: {tag[:100]}"
    assert seen > 60 and 'src="images/result.png"' in pages["index.ipynb"]
    assert "<figcaption" not in pages["index.ipynb"], "the words are for those who do not see it"


def test_what_the_settings_name_is_there(prepared, site):
    "Styles, scripts, icon, card and what is to be copied; addresses are whole, hosts are ours."
    settings, book = prepared.config, site.book
    page, site = settings["format"]["html"], settings["website"]
    files = [*page["css"], page["include-after-body"], site["favicon"], site["navbar"]["logo"]]
    files += [part for theme in page["theme"].values() for part in theme if part != "default"]
    for name in files:
        assert (prepared.proc / name).is_file(), name
    for glob in settings["project"]["resources"]:
        assert list(prepared.proc.glob(glob)), glob
    for name in re.findall(r"url\(([^)]*)\)", (prepared.proc / "theme/text.css").read_text()):
        assert (prepared.proc / "theme" / name).is_file(), name
    for kind in ("open-graph", "twitter-card"):
        assert site[kind]["image"] == f"{book.url}/card.png"
    assert site["navbar"]["right"][0]["href"] == book.git
    assert page["html-math-method"] == "mathml", "anything else loads a script from elsewhere"
    assert {theme[0] for theme in page["theme"].values()} == {"default"}, "no Google Fonts"
    written = [p for p in (prepared.proc / "theme").iterdir() if p.is_file()]
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|(?:src|href)=|https?:(?!//(?:www\.w3\.org|quarto))", text)


def test_lessons_have_their_head(prepared, pages, site):
    "Time, what it builds on, where to open it, and the tick at the end: as our own builder shows."
    for p in site.book.lessons:
        page = (site.out / p.out).read_text(encoding="utf-8")
        for part in ("where", "facts", "done"):
            mine = re.search(rf'(?s)<(p|div) class="{part}".*?</\1>', page)[0]
            assert mine in pages[p.src], (p.src, part)
    assert pages["path.qmd"].count("data-done=") == len(site.book.lessons)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, two):
    "After WCAG 2."
    a, b = sorted((luminance(one), luminance(two)))
    return (b + 0.05) / (a + 0.05)


def test_contrast_of_both_themes(prepared):
    "Every colour of text on every background of text, in what both style sheets say."
    assert (
        round(contrast("#ffffff", "#000000")) == 21
        and round(contrast("#777777", "#ffffff"), 1) == 4.5
    )
    ours = docs_assets.palette()
    for at in (0, 1):
        grounds = [ours[name][at] for name in ("bg", "soft")]
        for name in ("ink", "muted", "link", "accent", "warm"):
            for ground in grounds:
                assert contrast(ours[name][at], ground) >= 4.5, (name, at, ground)
    for theme, at in (("light", 0), ("dark", 1)):
        text = (prepared.proc / f"theme/{theme}.scss").read_text(encoding="utf-8")
        values = dict(re.findall(r"\$([\w-]+): (#\w+);", text))
        assert text.startswith("/*-- scss:defaults --*/\n") and len(values) > 20
        pairs = [("body-color", "body-bg"), ("link-color", "body-bg"), ("text-muted", "body-bg")]
        pairs += [("toc-color", "body-bg"), ("code-color", "code-bg"), ("input-color", "input-bg")]
        pairs += [
            (f"{part}-{k}", f"{part}-bg") for part in ("navbar", "sidebar") for k in ("fg", "hl")
        ]
        pairs += [
            ("footer-fg", "footer-bg"),
            ("body-color", "code-block-bg"),
            ("body-color", "popover-bg"),
        ]
        for front, back in pairs:
            assert contrast(values[front], values[back]) >= 4.5, (theme, front, back)
        assert values["body-bg"] == ours["bg"][at]


API = ["api/data.html", "api/metrics.html", "api/physical_defects.html", "api/upsample.html"]

# In a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(prepared, pages, site):
    "Pages by pandoc with our styles and scripts, but without Quarto's frame; they lie in _proc/."
    scripts = (prepared.proc / "theme/scripts.html").read_text(encoding="utf-8")
    for p in site.book.pages.values():
        up = "../" * p.src.count("/")
        links = [
            f'<link rel=stylesheet href="{up}{c}">'
            for c in prepared.config["format"]["html"]["css"]
        ]
        text = PAGE.format(title=p.key, css="".join(links), body=pages[p.src], scripts=scripts)
        (prepared.proc / p.out).write_text(text, encoding="utf-8")
    return list(site.outs.values())


def test_nothing_scrolls_the_page_sideways(prepared, shown, browser):
    """At 390 pixels tables, formulas, signatures and code scroll by themselves. Of the reference,
    whose pages are made alike, some."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page, bad, boxes = context.new_page(), [], set()
    for name in [n for n in shown if not n.startswith("api/")] + ["api/index.html", *API]:
        page.goto((prepared.proc / name).as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        bad += [f"{name}: {wide} px"] * (wide > 0)
        boxes |= set(
            page.evaluate("[...document.querySelectorAll('[tabindex]')].map(e => e.className)")
        )
    context.close()
    assert not bad, bad
    assert "wide" in boxes, "and the keyboard reaches them"


def test_ticks_are_kept(prepared, shown, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto((prepared.proc / "upsample.html").as_uri())
    page.check("[data-done=upsample]")
    page.goto((prepared.proc / "path.html").as_uri())
    assert page.is_checked("[data-done=upsample]") and page.is_visible("#ui-progress a")
    assert page.inner_text("#ui-progress output").startswith("1 of ")
    for name in ("upsample", "unet"):  # as in Quarto's list of pages at the side
        link = f'<a class="sidebar-link" href="./{name}.html">x</a>'
        page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '{link}')")
    page.evaluate((prepared.proc / "theme/progress.js").read_text(encoding="utf-8"))
    assert page.locator(".sidebar-link .tick").count() == 1
    context.close()


def test_colours_follow_the_theme(prepared, shown, browser):
    "Quarto says by a class of the body which theme is on; the system's choice does not count then."
    context = browser.new_context(color_scheme="dark")
    page, ours = context.new_page(), docs_assets.palette()
    page.goto((prepared.proc / "index.html").as_uri())
    for at, theme in enumerate(("light", "dark")):
        page.evaluate(f"document.body.className = 'quarto-{theme}'")
        is_ = "getComputedStyle(document.querySelector('.way')).backgroundColor"
        want = tuple(int(ours["soft"][at][i : i + 2], 16) for i in (1, 3, 5))
        assert page.evaluate(is_) == f"rgb{want}"
    context.close()
