"""The book as a web site in _docs/, without Quarto: `make docs`. It asks no other host.

    docs.py                 build
    docs.py --serve         build, then serve at http://127.0.0.1:8000
    docs.py --prepare DIR   write what Quarto is to render; _quarto.yml has Quarto call this

docs_source.py makes the text, docs_md.py turns markdown into HTML, docs_api.py reads the modules,
docs_quarto.py makes what Quarto is given, docs_theme/ holds the templates, the style and the
scripts."""

import argparse
import base64
import html
import json
import re
import shutil
import struct
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docs_md
import recall
from docs_assets import ship
from docs_quarto import prepare
from docs_source import TEMPLATES, Book, Page, lines_of
from jinja2.utils import markupsafe
from readme import directives

Markup = markupsafe.Markup
ROOT = Path(__file__).resolve().parent.parent
EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.I)


def printed(text):
    return f"<pre>{html.escape(text.rstrip())}</pre>\n" if text.strip() else ""


class Site:
    "Builds `out` from the Book in `root`."

    def __init__(self, root, out):
        self.book, self.out = Book(root), Path(out)
        self.book.sources()
        self.outs = {p.src: p.out for p in self.book.pages.values()}
        self.index, self.missing = [], []
        self.template = TEMPLATES.get_template("page.html.j2")

    # Links ----------------------------------------------------------------------------------------

    def relink(self, page, url):
        "Where a link of `page`'s source leads on the site."
        if EXTERNAL.match(url):
            return url
        path, _, frag = url.partition("#")
        here, up = Path(page.src).parent, "../" * page.out.count("/")
        name = (here / path).as_posix() if path else page.src
        name = re.sub(r"^(?:[^/]+/\.\./)+", "", name)
        if name in self.outs:
            return up + self.outs[name] + (f"#{frag}" if frag else "")
        if (self.book.nbs / name).is_file() and not name.endswith((".ipynb", ".qmd")):
            target = self.out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.book.nbs / name, target)
            return up + name
        if not path.endswith(".html"):  # those our own HTML links to are checked when all is there
            self.missing.append(f"{page.src}: {url}")
        return url

    # Cells ----------------------------------------------------------------------------------------

    def picture(self, page, data, suffix, alt):
        "A saved picture as a file, with its size, so that the page does not jump."
        page.pictures = getattr(page, "pictures", 0) + 1
        name = f"files/{page.key}/{page.pictures}.{suffix}"
        target = self.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        size = ""
        if suffix == "png":
            w, h = struct.unpack(">II", data[16:24])
            size = f' width="{w}" height="{h}"'
            size += ' class="broad"' if w > max(700, 1.6 * h) else ""
        lazy = ' loading="lazy"' if page.pictures > 1 else ""
        src, alt = "../" * page.out.count("/") + name, html.escape(alt, quote=True)
        return f'<figure><img src="{src}" alt="{alt}"{size}{lazy}></figure>\n'

    def output(self, page, md, o, alt):
        if o["output_type"] == "stream":
            return printed(lines_of(o["text"]))
        if o["output_type"] == "error":
            return printed(f"{o['ename']}: {o['evalue']}")
        data = {kind: lines_of(d) for kind, d in o.get("data", {}).items()}
        if "text/markdown" in data:
            raw = re.fullmatch(r"(`{3,})\{=html\}\n(.*)\n\1", data["text/markdown"], re.S)
            if raw:
                return f'<div class="html-output">{raw[2]}</div>\n'
            return md(data["text/markdown"])
        if "image/svg+xml" in data:
            return self.picture(page, data["image/svg+xml"].encode(), "svg", alt)
        for kind in ("png", "jpeg"):
            if f"image/{kind}" in data:
                return self.picture(page, base64.b64decode(data[f"image/{kind}"]), kind, alt)
        if "text/latex" in data:
            formula = docs_md.math(data["text/latex"].strip("$ "), "block")
            return f'<div class="math">{formula}</div>\n'
        return printed(data.get("text/plain", ""))

    def cell(self, page, md, cell):
        flags, code = directives(cell.source)
        if flags.get("include") == "false":
            return ""
        alt = re.sub(r'^"(.*)"$', lambda m: json.loads(m[0]), flags.get("fig-alt", ""))
        parts = [docs_md.pre(code)] if code and flags.get("echo") != "false" else []
        if cell.metadata.get("exported") and page.module and parts:
            where = '<p class="to"><span class="unseen">The next cell goes </span>to '
            parts.insert(0, f"{where}{page.module}.py</p>")
        outputs = cell.get("outputs", []) if flags.get("output") != "false" else []
        shown = "".join(self.output(page, md, o, alt) for o in outputs)
        output = f'<div class="output">{shown}</div>' if shown else ""
        if not parts and not output:
            return ""
        kind = "cell exported" if cell.metadata.get("exported") else "cell"
        if flags.get("code-fold") != "true" or not parts:
            return f'<div class="{kind}">{"".join(parts)}{output}</div>\n'
        summary = html.escape(flags.get("code-summary", "Code").strip("\"'"))
        # A solution is folded whole. Of all else only the code is, as Quarto does it.
        solution = flags.get("code-summary", "").strip("\"'").startswith("Solution")
        folded, seen = (parts + [output], "") if solution else (parts, output)
        inside = f'<div class="{kind}">{"".join(folded)}</div>\n'
        fold = f"<details><summary>{summary}</summary>{inside}</details>\n"
        return fold + (f'<div class="{kind}">{seen}</div>\n' if seen else "")

    # Pages ----------------------------------------------------------------------------------------

    def body(self, page):
        "`(html, headings)`; its words go to the search index."
        md = docs_md.Markdown(lambda url: self.relink(page, url))
        parts = []
        for c in page.body.cells if page.kind in ("home", "lesson") else ():
            if c.cell_type == "markdown":
                parts.append(("text", md(c.source)))
            elif c.cell_type == "code":
                parts.append(("cell", self.cell(page, md, c)))
        if isinstance(page.body, str):
            parts = [("text", md(page.body))]
        self.note_words(page, "".join(text for kind, text in parts if kind == "text"))
        return "".join(text for _, text in parts), md.headings

    def note_words(self, page, text):
        text = re.sub(r'<a class="anchor".*?</a>', "", text)
        heading = rf'(?:<h2 id="{docs_md.slug(recall.HEADING)}">.*?</h2>\s*)?'
        text = re.sub(rf'(?s){heading}<section class="cards".*?</section>', " ", text)
        text = re.sub(r'(?s)<div class="code">.*?</pre></div>|<script.*?</script>', " ", text)
        sections = re.split(r'(?s)<h[23] id="([^"]+)">(.*?)</h[23]>', text)
        start = docs_md.text_of(sections[0])
        self.index.append([page.out, page.title, "", f"{page.description} {start}".strip()])
        for anchor, heading, words in zip(sections[1::3], sections[2::3], sections[3::3]):
            heading, words = docs_md.text_of(heading), docs_md.text_of(words)
            self.index.append([f"{page.out}#{anchor}", page.title, heading, words])

    def render(self, page, body, toc, before=None, after=None):
        up = "../" * page.out.count("/")
        md = docs_md.Markdown(lambda url: self.relink(page, url))

        def inline(text):
            return Markup(re.sub(r"^<p>|</p>\s*$", "", md(text)))

        page.title_html, page.description_html = inline(page.title), inline(page.description)
        if page.kind == "api":  # unet_explorer.upsample may break at its dot
            page.title_html = page.title_html.replace(".", Markup(".<wbr>"))
        level = 3 if page.kind == "api" else 2
        toc = [(n, i, re.sub(r"</?a\b[^>]*>", "", text)) for n, i, text in toc if n <= level]
        return self.template.render(
            page=page,
            site=self.book,
            up=up,
            body=Markup(body),
            before=before,
            after=after,
            toc=[(n, i, Markup(t)) for n, i, t in toc if page.kind != "home" and len(toc) > 1],
        )

    def build(self):
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        ship(self.book, self.out)
        chain = [p for s in self.book.book for p in s["pages"]]
        modules = [p for p in self.book.pages.values() if p.kind == "api" and p.module]
        for page in self.book.pages.values():
            row = [None, *(modules if page in modules else chain), None]
            at = row.index(page) if page in row else 0
            before, after = (row[at - 1], row[at + 1]) if at else (None, None)
            body, toc = self.body(page)
            self.write(page.out, self.render(page, body, toc, before, after))
            if page.kind in ("home", "lesson"):
                self.write(f"{page.key}.md", self.plain(page))
        index = json.dumps(self.index, ensure_ascii=False, separators=(",", ":"))
        self.write("search.js", f"window.SEARCH_INDEX = {index};\n")
        self.write("sitemap.xml", self.sitemap())
        self.write("llms.txt", self.llms())
        self.write("404.html", self.not_found())
        self.write(".nojekyll", "")
        if self.missing:
            raise SystemExit("links that lead nowhere:\n  " + "\n  ".join(self.missing))
        return self

    def write(self, name, text):
        (self.out / name).parent.mkdir(parents=True, exist_ok=True)
        (self.out / name).write_text(text, encoding="utf-8")

    def plain(self, page):
        "A lesson as markdown, for readers (and programs) who want the words only."
        parts = [f"# {page.title}\n\n> {page.description}"]
        for c in page.body.cells:
            if c.cell_type == "markdown" and c.get("id") != recall.CELL:
                ours = r"\[([^]]+)\]\((?:\.\./)*[\w/]+\.qmd[^)]*\)"
                parts.append(re.sub(ours, r"\1", c.source))
            elif c.cell_type == "code":
                parts.append("```python\n" + directives(c.source)[1] + "\n```")
        return re.sub(r"(?s)```\{=html\}\n.*?\n```\n?", "", "\n\n".join(parts)) + "\n"

    def sitemap(self):
        urls = "".join(
            f"<url><loc>{self.book.url}/{'' if p.kind == 'home' else p.out}</loc></url>\n"
            for p in self.book.pages.values()
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'

    def llms(self):
        "The site as a plain list, after llmstxt.org."
        out = [
            f"# {self.book.title}\n\n> {self.book.description}\n\nEach lesson is a notebook and "
            "the source of one module. The .md files hold the lessons' words and code.\n"
        ]
        for section in self.book.book:
            out.append(f"## {section['title'] or 'Start here'}\n")
            for p in section["pages"]:
                name = f"{p.key}.md" if p.kind in ("home", "lesson") else p.out
                about = f": {p.description}" if p.description else ""
                out.append(f"- [{p.title}]({self.book.url}/{name}){about}")
            out.append("")
        return "\n".join(out)

    def not_found(self):
        "404.html is shown at any address, so its own addresses start at the site's root."
        about = "The page may have moved, or the address may be mistyped."
        page = Page("404.qmd", "plain", "Nothing here", about)
        body = (
            '<p>Try the search above, <a href="path.html">the path through the lessons</a>, '
            'or <a href="index.html">the front page</a>.</p>'
        )
        charset = '<meta charset="utf-8">'
        base = f'{charset}\n<base href="{self.book.base}/">'
        return self.render(page, body, []).replace(charset, base)


class Handler(SimpleHTTPRequestHandler):
    "As GitHub Pages: what is not there gets 404.html."

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        body = re.sub(rb'<base href="[^"]*">', b'<base href="/">', page.read_bytes())
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prepare", metavar="DIR")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args(argv)
    if args.prepare:
        return prepare(ROOT, args.prepare)
    out = ROOT / "_docs"
    site = Site(ROOT, out).build()
    if site.book.unlisted:
        print("not in nbs/sidebar.yml:", ", ".join(site.book.unlisted), file=sys.stderr)
    print(f"{len(site.book.pages)} pages: {(out / 'index.html').relative_to(ROOT)}")
    if args.serve:
        print(f"http://127.0.0.1:{args.port}  (Ctrl-C ends)")
        try:
            handler = partial(Handler, directory=out)
            ThreadingHTTPServer(("127.0.0.1", args.port), handler).serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    sys.exit(main())
