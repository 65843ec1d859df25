"""The book's source as both builders want it: what nbs/ holds, made ready for pages.

    Book(root).sources() -> {name: notebook (a dict) or markdown}      relative to nbs/

Quarto renders these files (docs.py --prepare writes them); docs.py renders the same without Quarto.
Exported code stays, since this is a book; terms are linked to the glossary and names to the
reference, where a page first uses them; saved HTML becomes raw blocks of markdown, since for
`text/html` Quarto would load require.js from elsewhere."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path

import docs_api
import docs_concepts
import docs_models
import jinja2
import recall
import yaml
from docs_api import raw
from docs_gallery import Gallery
from docs_md import slug
from docs_references import references
from docs_words import Words, definitions
from execnb.nbio import mk_cell, read_nb
from nbdev.config import get_config
from nbdev.process import NBProcessor, Processor
from nbdev.processors import filter_stream_, hide_, hide_line, populate_language, strip_ansi
from readme import BADGES, directives, fenced

WORDS, LINE, EXERCISE = 200, 3, 8  # words a minute, seconds a line of code, minutes an exercise
TALL, DRAWN = 30, 12  # lines of code above which a cell is folded; one that draws a picture
THEME = Path(__file__).resolve().parent / "docs_theme"
SETTINGS = dict(trim_blocks=True, lstrip_blocks=True, loader=jinja2.FileSystemLoader(THEME))
TEMPLATES = jinja2.Environment(autoescape=jinja2.select_autoescape(["html.j2"]), **SETTINGS)
TEMPLATES.filters.update(inline=docs_api.inline, entry=docs_api.entry, slug=slug)


@dataclass(eq=False)  # a page is itself, and may be the key of a dict
class Page:
    src: str  # in nbs/, or as if it were there
    kind: str  # home, lesson, plain, api
    title: str
    description: str = ""
    body: object = ""  # markdown, or a processed notebook
    module: str = ""
    label: str = ""  # in lists, where sidebar.yml gives one
    section: str = ""
    number: int = 0  # of a lesson
    minutes: int = 0  # to read it
    exercises: int = 0
    cards: list = field(default_factory=list)  # its recall questions
    teaches: list = field(default_factory=list)  # concepts, by their names in the glossary
    asks: dict = field(default_factory=dict)  # {Page that teaches them: concepts}
    way: list = field(default_factory=list)  # Pages to read before, these and what they ask for
    symbols: list = field(default_factory=list)  # of a module

    @property
    def stem(self):
        return Path(self.src).stem

    @property
    def key(self):
        return re.sub(r"\d+[a-z0-9]*_|\.\w+$", "", self.src)

    @property
    def out(self):
        return f"{self.key}.html"

    @property
    def in_all(self):
        return self.minutes + EXERCISE * self.exercises

    @property
    def short(self):
        "The title for lists: what stands before the colon, if that says enough."
        head = self.title.split(":")[0]
        return self.label or (head if len(head) > 2 else self.title)

    def cells(self, kind):
        return [c for c in self.body.cells if c.cell_type == kind]


def front_matter(text):
    "`(fields, rest)` of a .qmd file."
    m = re.match(r"---\n(.*?)\n---\n", text, re.S)
    return (yaml.safe_load(m[1]), text[m.end() :]) if m else ({}, text)


def take_title(nb):
    "`# Title` and `> description`, which may go over several lines, leave the notebook's text."
    cell = next(c for c in nb.cells if c.cell_type == "markdown")
    m = re.match(r"\s*(?:# ([^\n]+)\n*)?((?:>[^\n]*\n?)*)\n*(.*)", cell.source, re.S)
    cell.source = m[3]
    return m[1], " ".join(line.lstrip("> ") for line in m[2].splitlines())


def lines_of(text):
    return "".join(text) if isinstance(text, list) else text or ""


def seen(code):
    "Whether the code of a cell stands open on its page."
    flags = directives(code)[0]
    return flags.get("code-fold") != "true" and flags.get("echo") != "false"


def code_lines(code):
    "The lines of a cell, without empty ones and directives."
    return [line for line in code.splitlines() if line.strip() and line[:2] != "#|"]


def draws(cell):
    "Does it show a picture, or one with controls?"
    kinds = [kind for o in cell.get("outputs", []) for kind in o.get("data", {})]
    return any(kind.startswith("image/") or kind == "text/markdown" for kind in kinds)


def is_exercise(code):
    "Whether something in a cell is left to the reader: all of it, or a gap."
    return "raise NotImplementedError" in code or "gap(" in code


def fold_if_tall(cell):
    """What is too long to be read in passing is folded, and says what it holds; what it shows does
    not vanish. An exercise and its check never are folded."""
    if cell.cell_type != "code" or is_exercise(cell.source):
        return
    flags, code = directives(cell.source)
    tall, picture = len(code.splitlines()), draws(cell)
    if "code-fold" in flags or tall <= (DRAWN if picture else TALL):
        return
    names = re.findall(r"(?m)^(?:def|class) (\w+)", code)
    shown = [name for name in names if name[0] != "_"] or names
    what = ", ".join(shown[:3]) + (", ..." if shown[3:] else "")
    said = "How it is drawn" if picture else f"The code of {what}" if what else "The code"
    cell.source = f'#| code-fold: true\n#| code-summary: "{said}"\n{cell.source}'


def folds_of(cell):
    """The lines that fold a cell which exports. It has them without a colon, since nbdev writes
    what has one into the module, too."""
    names = [name for name in ("code-fold", "code-summary") if name in cell.directives_]
    return "".join(f"#| {name}: {' '.join(cell.directives_[name])}\n" for name in names)


class Prepare(Processor):
    "Notes what a notebook exports, quotes alt texts for YAML, makes saved HTML raw markdown."

    def _default_exp_(self, cell, module):
        self.nb.module_ = module
        cell.source = ""

    def _export_(self, cell, *_):
        cell.metadata["exported"] = True

    _exports_ = _exporti_ = _export_

    def cell(self, cell):
        def quoted(m):
            said = m[2].strip()
            said = said if said[0] == '"' else json.dumps(said.strip("'"), ensure_ascii=False)
            return m[1] + said

        if cell.cell_type == "markdown" and cell.source.startswith(BADGES):
            cell.source = ""  # a page says it in its head
        if cell.cell_type == "code":
            cell.source = folds_of(cell) + cell.source
            cell.source = re.sub(r"(?m)^(#\|\s*fig-alt:\s*)(.+)$", quoted, cell.source)
        for o in cell.get("outputs", []):
            if markup := lines_of(o.get("data", {}).get("text/html")):
                o["data"] = {"text/markdown": fenced(markup, "{=html}")}

    def end(self):
        self.nb.cells = [c for c in self.nb.cells if c.source]
        for cell in self.nb.cells:
            fold_if_tall(cell)


PROCS = [populate_language, strip_ansi, hide_line, filter_stream_, hide_, Prepare]


class Book:
    "What is in nbs/, in the order of sidebar.yml."

    def __init__(self, root):
        cfg = get_config(path=root)
        self.nbs, self.lib = Path(root) / "nbs", cfg.lib_path.name
        self.title, self.description, self.version = cfg.title, cfg.description, cfg.version
        self.git, self.branch, self.base = cfg.git_url, cfg.branch, cfg.doc_baseurl
        self.slug, self.url = f"{cfg.user}/{cfg.repo}", cfg.doc_host + cfg.doc_baseurl
        self.blob = f"{self.git}/blob/{self.branch}"
        modules = sorted((Path(root) / self.lib).glob("[!_]*.py"))
        pages = [self.lesson(path) for path in sorted(self.nbs.glob("[!._]*.ipynb"))]
        for p in pages:
            p.module *= p.module in [path.stem for path in modules]
        for path in sorted(self.nbs.glob("[!._]*.qmd")):
            fields, text = front_matter(path.read_text(encoding="utf-8"))
            about = fields.get("description", "")
            pages.append(Page(path.name, "plain", fields["title"], about, text))
        pages += self.reference(modules, {p.module: p for p in pages if p.module})
        self.pages, taken = {p.src: p for p in pages}, {}
        for p in pages:
            first = taken.setdefault(p.out, p.src)
            assert first == p.src, f"{p.src} and {first} would both become {p.out}"
        self.order()
        self.find_needs()

    def lesson(self, path):
        "The Page of a notebook; its links come later, when all pages are known."
        nb = read_nb(path)
        title, about = take_title(nb)
        NBProcessor(nb=nb, procs=PROCS, process=True)
        kind = "home" if path.name == "index.ipynb" else "lesson"
        page = Page(path.name, kind, title or path.stem, about, nb, nb.get("module_", ""))
        page.cards = recall.cards(self.nbs, path)
        nb.cells = [c for c in nb.cells if c.get("id") != recall.CELL]
        prose = re.sub(r"(?s)```.*?```", "", " ".join(c.source for c in page.cells("markdown")))
        code = [c.source for c in page.cells("code")]
        code = [c for c in code if seen(c)]
        lines = [x for c in code for x in code_lines(c)]
        page.minutes = max(1, round(len(prose.split()) / WORDS + len(lines) * LINE / 60))
        page.exercises = sum("\ncheck(" in f"\n{c}" and "must_pass" not in c for c in code)
        if page.cards:
            asked = raw(render("cards.html", page=page, about=recall.ABOUT, up=""))
            text = f"## {recall.HEADING}\n\n{asked}"
            nb.cells.append(mk_cell(text, "markdown", id=recall.CELL))
        return page

    def order(self):
        "self.book: the sections of sidebar.yml with their Pages; what it does not list comes last."
        sections = {}
        side = yaml.safe_load((self.nbs / "sidebar.yml").read_text(encoding="utf-8"))
        for top in side["website"]["sidebar"]["contents"]:
            inside = isinstance(top, dict) and "section" in top
            entries = sections.setdefault(top["section"] if inside else "", {})
            for item in top["contents"] if inside else [top]:
                item = {"href": item} if isinstance(item, str) else item
                entries[item["href"]] = item.get("text", "")
        self.listed = [name for entries in sections.values() for name in entries]
        books = [p.src for p in self.pages.values() if p.kind in ("home", "lesson")]
        self.unlisted = [name for name in books if name not in self.listed]
        sections["More"] = dict.fromkeys(self.unlisted, "")
        self.book = []
        for title, entries in sections.items():
            pages = [self.pages[name] for name in entries if name in self.pages]
            self.book += [dict(title=title, pages=pages)] if pages else []
            for p in pages:
                p.section, p.label = title, entries[p.src]
        self.lessons = [p for s in self.book for p in s["pages"] if p.kind == "lesson"]

    def find_needs(self):
        "Numbers of the lessons; what each teaches, and which it builds on, by their concepts."
        for number, p in enumerate(self.lessons, 1):
            p.number = number
        terms = definitions(self.pages["glossary.qmd"].body) if "glossary.qmd" in self.pages else {}
        docs_concepts.arrange(self.lessons, docs_concepts.read(self.nbs), terms)

    def reference(self, modules, teachers):
        "Pages of the reference; self.targets: where a name in code leads, if it is in one module."
        pages, self.targets = [], {}
        for path in modules:
            source, teacher = path.read_text(encoding="utf-8"), teachers.get(path.stem)
            page = Page(f"api/{path.stem}.qmd", "api", f"{self.lib}.{path.stem}", module=path.stem)
            page.description = teacher.description if teacher else ""
            try:
                page.symbols = docs_api.exported(source, self.lib)
            except SyntaxError as e:
                raise SystemExit(f"{path.name}: {e}")
            others = docs_api.imported(source, self.lib)
            page.body = render("module.md", book=self, page=page, teacher=teacher, others=others)
            pages += [page] if page.symbols else []
        count = Counter(s.name for p in pages for s in p.symbols)
        for page, name in [(p, s.name) for p in pages for s in p.symbols]:
            short = [name] if count[name] == 1 and len(name) > 2 else []
            for form in [f"{page.module}.{name}", *short]:
                self.targets[form] = self.targets[f"{self.lib}.{form}"] = f"{page.src}#{name}"
        self.targets |= {p.title: p.src for p in pages}
        # the names of `import unet_explorer as ux`
        stub, face = self.nbs.parent / self.lib / "__init__.pyi", {}
        if stub.exists():
            face = docs_api.imported(stub.read_text(encoding="utf-8"), self.lib)
        self.targets |= {f"ux.{name}": f"api/{m}.qmd#{name}" for name, m in face.items()}
        about = (
            f"The {len(pages)} modules of the library and what they export, {count.total()} names, "
            "from the docments in the source."
        )
        text = render("reference.md", modules=pages, face=face, book=self)
        return pages + [Page("api/index.qmd", "api", "Reference", about, text)] * bool(pages)

    @cached_property
    def gallery(self):
        return Gallery(self.lessons)

    def outward(self, text):
        "Links to files outside nbs/ lead to the repository."
        return re.sub(r"\]\(\.\./(?!nbs/)", f"]({self.blob}/", text)

    def sources(self):
        "`{name: notebook or markdown with front matter}`; pages' bodies are set on the way."
        words = self.words = Words(self.pages["glossary.qmd"].body, self.targets)
        hours = math.ceil(sum(p.in_all for p in self.lessons) / 60)
        names = ("path", "ways_in", "recall")
        made = {n: render(f"{n}.html", book=self, hours=hours) for n in names}
        models, samples = docs_models.listed(self.nbs)
        made["run"] = render("run.html", models=models, samples=samples)
        made["models"] = render("models.md", models=models)
        painting = (self.nbs.parent / self.lib / "paint.js").is_file()
        made["teach"] = render("teach.html") if painting else ""
        ways, first_use = made["ways_in"] + "\n## ", {}
        for p in [q for s in self.book for q in s["pages"] if q.kind in ("home", "lesson")]:
            seen, left = set(), 1
            for cell in p.cells("markdown"):
                text = cell.source if p.kind == "home" else words.linked(cell.source, seen)
                cell.source = self.outward(text)
                if p.kind == "home" and left:
                    parts = re.split(r"(?m)^## ", cell.source, maxsplit=1)
                    cell.source, left = ways.join(parts), len(parts) == 1
            first_use = {**dict.fromkeys(seen, p), **first_use}
        files = {}
        for p in self.pages.values():
            if p.kind == "plain":
                links = not re.search("<!-- (lessons|ways|references|sliders|recall) -->", p.body)
                text = p.body
                if p.src == "glossary.qmd":
                    text = words.back_links(text, first_use)
                text = text.replace("<!-- lessons -->", made["path"])
                text = text.replace("<!-- ways -->", raw(docs_concepts.drawing(self, escape)))
                text = text.replace("<!-- recall -->", made["recall"])
                text = text.replace("<!-- references -->", references(self.lessons))
                text = self.gallery.fill(text)
                p.body = self.outward(words.linked(text, set(), own=p.src) if links else text)
                for name in ("run", "models", "teach"):
                    p.body = p.body.replace(f"<!-- {name} -->", made[name])
            elif p.module and p.kind == "api":
                p.body = words.linked(p.body, {p.src}, up="../", own=p.src)
            fields = {"title": p.title, "description": p.description, "output-file": p.out}
            notebook = p.kind in ("home", "lesson")
            fields = {k: v for k, v in fields.items() if v and (notebook or k != "output-file")}
            head = f"---\n{yaml.safe_dump(fields, allow_unicode=True, width=1000)}---\n\n"
            if notebook:
                p.body.cells.insert(0, mk_cell(head, "raw"))
            files[p.src] = p.body if notebook else head + p.body
        return files


def render(template, **values):
    return TEMPLATES.get_template(f"{template}.j2").render(values)
