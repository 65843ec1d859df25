"""The book's source as both builders want it: what nbs/ holds, made ready for pages.

    Book(root).sources() -> {name: notebook (a dict) or markdown}      relative to nbs/

Quarto renders these files (docs.py --prepare writes them); docs.py renders the same without Quarto. What happens here:
- nbdev's own processors: front matter from the title, hidden cells, and so on;
- exported cells stay and say which module they go to: this is a book, the code is the text;
- terms are linked to the glossary and names to the reference, each where a page first uses it;
- saved HTML (baked widgets, tables) becomes raw HTML blocks: for `text/html` Quarto would load require.js from elsewhere;
- the reference, the list of references, the path and the glossary's back links are made from the lessons."""

import configparser
import html
import json
import math
import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import docs_api
import yaml
from docs_md import slug
from execnb.nbio import read_nb
from nbdev.frontmatter import FrontmatterProc
from nbdev.process import NBProcessor
from nbdev.processors import (
    filter_stream_,
    hide_,
    hide_line,
    populate_language,
    rm_header_dash,
    strip_ansi,
)
from readme import directives

THEME = Path(__file__).resolve().parent / "docs_theme"
WORDS, LINE, EXERCISE = (
    200,
    3,
    8,
)  # words read in a minute, seconds for a line of code, minutes for an exercise
# What must stay as it is when words become links: code, formulas, links, tags, headings, addresses.
KEEP = re.compile(r"""(?msx)(
    ^(?P<f>`{3,}|~{3,})[^`\n]*\n.*?^(?P=f)[`~]*[ ]*$ | \$\$.+?\$\$ | (?<!\$)\$(?!\s)[^$\n]+?(?<!\s)\$ | <!--.*?--> |
    !?\[(?:[^][`]|`[^`\n]*`|\[[^]]*\])*\](?:\([^)]*\)|\[[^]]*\]) | <[a-zA-Z/][^>]*> | ^[#]{1,6}[ ][^\n]* | https?://\S+ |
    (?P<t>`+)(?P<code>[^`\n]+)(?P=t))""")


@dataclass
class Page:
    src: str  # in nbs/, or as if it were there
    out: str  # on the site
    kind: str  # home, lesson, plain, api
    title: str
    description: str = ""
    body: object = ""  # markdown, or a processed notebook
    section: str = ""
    number: int = 0
    minutes: int = 0
    exercises: int = 0
    module: str = ""
    needs: list = field(default_factory=list)  # Pages
    label: str = ""  # in lists, where sidebar.yml gives one

    @property
    def key(self):
        return self.out.rsplit(".", 1)[0]

    @property
    def short(self):
        "The title for lists: what stands before the colon, if that says enough."
        if self.label:
            return self.label
        head = self.title.split(":")[0]
        return head if 2 < len(head) < len(self.title) else self.title


def front_matter(text):
    "`(fields, rest)` of a .qmd file."
    m = re.match(r"---\n(.*?)\n---\n", text, re.S)
    return (yaml.safe_load(m[1]), text[m.end() :]) if m else ({}, text)


def split_title(nb):
    """nbdev takes a first cell `# title`, `> description` off for the front matter, the whole cell, and of the
    description the first line only. So the cell is parted there, and the description joined."""
    cell = next((c for c in nb.cells if c.cell_type == "markdown" and c.source.strip()), None)
    m = cell and re.match(r"\s*(# [^\n]+)\n*((?:>[^\n]*\n?)*)(.*)", cell.source, re.S)
    if m:
        description = " ".join(line.lstrip("> ").strip() for line in m[2].splitlines())
        rest = m[3].strip("\n")
        cell.source = m[1] + (f"\n\n> {description}" if description else "")
        if rest:
            rest = dict(cell_type="markdown", metadata={}, source=rest)
            nb.cells.insert(nb.cells.index(cell) + 1, type(cell)(cell.idx_ + 1, rest))


def online(said):
    "Papers by their numbers, as links."
    said = re.sub(
        r"(?<![\[/])arXiv[: ](\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", said
    )
    return re.sub(
        r"(?<![\[/])doi[: ](10\.[^\s)]+[^\s).,:;])", r"[doi \1](https://doi.org/\1)", said
    )


def lines_of(text):
    return "".join(text) if isinstance(text, list) else text or ""


def raw_html(cell):
    "A processor: saved HTML as a raw block of markdown."
    for o in cell.get("outputs", []):
        markup = lines_of(o.get("data", {}).get("text/html"))
        if markup:
            ticks = "`" * max([3] + [len(t) + 1 for t in re.findall("`{3,}", markup)])
            o["data"] = {"text/markdown": f"{ticks}{{=html}}\n{markup}\n{ticks}"}


def drop_setup(cell):
    "A processor: cells that only configure nbdev are no part of the text."
    if (
        cell.cell_type == "code"
        and cell.directives_
        and {"default_exp", "hide"} & set(cell.directives_)
    ):
        del cell["source"]


def mark_export(cell):
    "A processor: remembers that a cell is part of the library."
    if cell.cell_type == "code" and {"export", "exports", "exporti"} & set(cell.directives_ or ()):
        cell.metadata["exported"] = True


def quote_alt(cell):
    "A processor: YAML, as which Quarto reads it, needs quotes around most sentences."

    def quoted(m):
        said = m[2].strip()
        return m[1] + (said if said[:1] == '"' else json.dumps(said.strip("'"), ensure_ascii=False))

    if cell.cell_type == "code":
        cell.source = re.sub(r"(?m)^(#\|\s*fig-alt:\s*)(.+)$", quoted, cell.source)


PROCS = [
    FrontmatterProc,
    populate_language,
    strip_ansi,
    hide_line,
    filter_stream_,
    rm_header_dash,
    mark_export,
    drop_setup,
    hide_,
    quote_alt,
    raw_html,
]


class Book:
    "What is in nbs/, in the order of sidebar.yml."

    def __init__(self, root):
        self.root, self.nbs = Path(root), Path(root) / "nbs"
        ini = configparser.ConfigParser()
        ini.read(self.root / "settings.ini")
        self.settings = ini["DEFAULT"]
        self.title, self.description = self.settings["title"], self.settings["description"]
        self.version, self.branch = self.settings["version"], self.settings["branch"]
        self.git = self.settings["git_url"]
        self.slug = f"{self.settings['user']}/{self.settings['repo']}"
        self.base = self.settings["doc_baseurl"]
        self.url = self.settings["doc_host"] + self.base
        self.package = self.root / self.settings["lib_path"]
        self.notebooks = {p.name: read_nb(p) for p in sorted(self.nbs.glob("[!._]*.ipynb"))}
        self.make_pages()

    # What there is ------------------------------------------------------------------------------------------------

    def make_pages(self):
        self.pages, self.book, self.unlisted = {}, [], []
        for name, nb in self.notebooks.items():
            self.pages[name] = self.lesson(name, nb)
        for path in sorted(self.nbs.glob("[!._]*.qmd")):
            fields, text = front_matter(path.read_text(encoding="utf-8"))
            self.pages[path.name] = Page(
                path.name,
                f"{path.stem}.html",
                "plain",
                fields["title"],
                fields.get("description", ""),
                text,
            )
        self.make_api()
        taken = {}
        for p in self.pages.values():
            assert p.out not in taken, f"{p.src} and {taken[p.out]} would both become {p.out}"
            taken[p.out] = p.src
        self.order()
        modules = {p.module: p for p in self.lessons if p.module}
        direct = {
            p.src: [modules[m] for m in self.imports(p.src) if m in modules and modules[m] is not p]
            for p in self.lessons
        }

        def below(p):
            return {q.src for d in direct[p.src] for q in (d, *map(self.pages.get, below(d)))}

        for p in self.lessons:  # what the others it needs do not need already
            p.needs = [
                d
                for d in direct[p.src]
                if d.module != "exercise"
                and not any(d.src in below(other) for other in direct[p.src])
            ]

    def lesson(self, name, nb):
        "The Page of a notebook; its text is made later, when all pages are known."
        split_title(nb)
        NBProcessor(nb=nb, procs=PROCS).process()
        fm = nb.frontmatter_
        page = Page(
            name,
            fm.get("output-file", f"{name[:-6]}.html"),
            "home" if name == "index.ipynb" else "lesson",
            fm.get("title", name[:-6]),
            fm.get("description", ""),
            nb,
        )
        prose = " ".join(c.source for c in nb.cells if c.cell_type == "markdown")
        code = [
            c
            for c in nb.cells
            if c.cell_type == "code" and directives(c.source)[0].get("code-fold") != "true"
        ]
        seconds = len(re.sub(r"(?s)```.*?```", "", prose).split()) * 60 / WORDS
        seconds += LINE * sum(
            len([x for x in c.source.splitlines() if x.strip() and x[:2] != "#|"]) for c in code
        )
        page.minutes = max(1, round(seconds / 60))
        page.exercises = sum(
            bool(re.search(r"(?m)^check\(", c.source)) and "must_pass" not in c.source for c in code
        )
        raw = "\n".join(
            lines_of(c["source"])
            for c in json.loads((self.nbs / name).read_text(encoding="utf-8"))["cells"]
        )
        exp = re.search(r"(?m)^#\|\s*default_exp\s+(\S+)", raw)
        page.module = exp[1] if exp and (self.package / f"{exp[1]}.py").exists() else ""
        return page

    def imports(self, name):
        "The modules of this package that a notebook imports, in order."
        code = "\n".join(c.source for c in self.notebooks[name].cells if c.cell_type == "code")
        package = self.settings["lib_path"]
        return list(dict.fromkeys(re.findall(rf"(?m)^\s*from {package}\.(\w+) import", code)))

    def order(self):
        "self.book: the sections of sidebar.yml with their Pages; a notebook it lacks joins those of its floor."
        side = (
            yaml.safe_load((self.nbs / "sidebar.yml").read_text(encoding="utf-8"))
            if (self.nbs / "sidebar.yml").exists()
            else {}
        )
        contents = side.get("website", {}).get("sidebar", {}).get("contents", [])
        self.listed = []

        def page(item):
            name = item if isinstance(item, str) else item.get("href", item.get("file"))
            self.listed.append(name)
            found = self.pages.get(name)
            if found and not isinstance(item, str):
                found.label = item.get("text", "")
            return found

        for item in contents:
            if isinstance(item, dict) and "section" in item:
                self.book.append(
                    dict(
                        title=item["section"], pages=list(filter(None, map(page, item["contents"])))
                    )
                )
            else:
                if not self.book or self.book[-1]["title"]:
                    self.book.append(dict(title="", pages=[]))
                self.book[-1]["pages"] += filter(None, [page(item)])
        for name, p in self.pages.items():
            if p.kind in ("home", "lesson") and name not in self.listed:
                self.unlisted.append(name)
                floor = [
                    s
                    for s in self.book
                    if any(q.src[0] == name[0] and q.kind == "lesson" for q in s["pages"])
                ]
                if not floor:
                    self.book.append(dict(title="More", pages=[]))
                section = (floor or self.book)[-1]
                section["pages"] = sorted([*section["pages"], p], key=lambda q: q.src)
        self.book = [s for s in self.book if s["pages"]]
        for section in self.book:
            for p in section["pages"]:
                p.section = section["title"]
        self.lessons = [p for s in self.book for p in s["pages"] if p.kind == "lesson"]
        for i, p in enumerate(self.lessons):
            p.number = i + 1

    # The reference ------------------------------------------------------------------------------------------------

    def make_api(self):
        "Pages of the reference; self.symbols: {name: (module, anchor)} of all names that only one module has."
        self.modules = {}
        for path in sorted(self.package.glob("[!_]*.py")):
            try:
                found = docs_api.exported(path.read_text(encoding="utf-8"))
            except SyntaxError as e:
                raise SystemExit(f"{path.name}: {e}")
            if found:
                self.modules[path.stem] = found
        lessons = {p.module: p for p in self.pages.values() if p.module}
        every, index = [], []
        for name, symbols in self.modules.items():
            teacher = lessons.get(name)
            every += [(s.name, name) for s in symbols]
            about = f"Explained in [{teacher.title}](../{teacher.src})." if teacher else ""
            source = f"{self.git}/blob/{self.branch}/{self.settings['lib_path']}/{name}.py"
            body = [
                about,
                "",
                f"```python\nfrom {self.settings['lib_path']} import {name}\n```",
                "",
            ]
            body += [docs_api.entry(s, 2, source) for s in symbols]
            others = docs_api.imported(
                (self.package / f"{name}.py").read_text(encoding="utf-8"), self.settings["lib_path"]
            )
            if others:
                body.append("## From other modules {#others}\n")
                body += [f"- [`{n}`]({m}.qmd#{n}), from `{m}`" for n, m in others.items()]
            self.pages[f"api/{name}.qmd"] = Page(
                f"api/{name}.qmd",
                f"api/{name}.html",
                "api",
                f"{self.settings['lib_path']}.{name}",
                teacher.description if teacher else "",
                "\n".join(body),
                module=name,
            )
            rows = "".join(
                f'<tr><th scope=row><a href="{name}.html#{s.name}"><code>{s.name}</code></a></th>'
                f"<td>{docs_api.inline(s.first_line)}</td></tr>"
                for s in symbols
                if s.doc
            )
            index += [
                f"## [{name}]({name}.qmd) {{#{name}}}\n",
                (teacher.description if teacher else "") + "\n",
                docs_api.raw(
                    f'<div class="wide"><table class="docments"><tbody>{rows}</tbody></table></div>'
                ),
            ]
        self.symbols = {
            n: m for n, m in every if len(n) > 2 and sum(n == other for other, _ in every) == 1
        }
        if self.modules:
            names = [n for m in self.modules.values() for n in m]
            self.pages["api/index.qmd"] = Page(
                "api/index.qmd",
                "api/index.html",
                "api",
                "Reference",
                f"The {len(self.modules)} modules of the library and what they export, {len(names)} names, from the docments in the source.",
                "\n".join(index),
            )

    def symbol_link(self, code, seen):
        "Where a name in code leads: `upsample.icnr_`, `icnr_`, `icnr_(...)`; once a page."
        name = re.sub(r"\(.*\)$", "", code).removeprefix(self.settings["lib_path"] + ".")
        module, _, rest = name.partition(".")
        if module in self.modules and not rest and code.startswith(self.settings["lib_path"] + "."):
            target = f"api/{module}.qmd"
        elif module in self.modules and any(rest == s.name for s in self.modules[module]):
            target = f"api/{module}.qmd#{rest}"
        elif name in self.symbols:
            target = f"api/{self.symbols[name]}.qmd#{name}"
        else:
            return None
        if target in seen:
            return None
        seen.add(target)
        return target

    # The glossary -------------------------------------------------------------------------------------------------

    @cached_property
    def glossary(self):
        "`{term: (forms, definition as plain text)}` of glossary.qmd."
        page, terms = self.pages.get("glossary.qmd"), {}
        for head, text in re.findall(
            r"(?ms)^## ([^\n]+)\n(.*?)(?=^##|\Z)", page.body if page else ""
        ):
            note = re.search(
                r"<!-- (also|only): (.*?) -->", text
            )  # only: without the word itself, which has other meanings
            forms = [head.strip()] if not note or note[1] == "also" else []
            forms += [f.strip() for f in note[2].split(",")] if note else []
            plain = re.sub(
                r"<!--.*?-->|[*`_]|\$|\[([^]]*)\]\([^)]*\)", lambda m: m[1] or "", text
            ).split("\n\n")
            terms[head.strip()] = (forms, " ".join(" ".join(plain).split()))
        return terms

    @cached_property
    def term_pattern(self):
        "Matches any term; capitals inside a form (IoU, ICNR) must be there, others need not."

        def loose(form):
            body = re.escape(form).replace(r"\ ", r"\s+")
            return body if re.search(r".[A-Z]|^[A-Z]$", form) else f"(?i:{body})"

        self.terms = sorted(
            ((f, t) for t, (forms, _) in self.glossary.items() for f in forms),
            key=lambda x: -len(x[0]),
        )
        return re.compile(
            r"(?<![\w/.-])(?:"
            + "|".join(f"({loose(f)})s?" for f, _ in self.terms)
            + r")(?![\w/]|-\w|\.\w)"
        )

    def linked(self, text, seen, up="", own=""):
        """Markdown with the first use of each term and each name of the library as links. `seen` remembers; `up` leads to
        nbs/, `own` is the page, which does not link to itself."""

        def term(m):
            name = self.terms[m.lastindex - 1][1]
            if name in seen:
                return m[0]
            seen.add(name)
            said = self.glossary[name][1].split(". ")[0].rstrip(".").replace('"', "'")
            return f'[{m[0]}]({up}glossary.qmd#{slug(name)} "{said}.")'

        text, cited, rest = re.match(
            r"(?ms)(.*?)(^#+ References\s*$|\Z)(.*)", text
        ).groups()  # titles stay as they are
        out, at = [], 0
        for m in [*KEEP.finditer(text), None]:
            plain = text[at : m.start() if m else len(text)]
            out.append(
                self.term_pattern.sub(term, plain)
                if self.glossary and own != "glossary.qmd"
                else plain
            )
            if m is None:
                break
            target = m["code"] and self.symbol_link(m["code"].strip(), seen)
            out.append(
                f"[{m[0]}]({up}{target})" if target and target.split("#")[0] != own else m[0]
            )
            at = m.end()
        return "".join(out) + cited + online(rest)

    def outward(self, text):
        "Links to files outside nbs/ lead to the repository."

        def there(m):
            path = posixpath.normpath(posixpath.join("nbs", m[2]))
            return (
                f"{m[1]}{self.git}/blob/{self.branch}/{path}"
                if not path.startswith("nbs/")
                else m[0]
            )

        return re.sub(r"(\]\()(\.\.?/[^)\s]+)", there, text)

    # Pages made from lessons --------------------------------------------------------------------------------------

    def references(self):
        "What the lessons cite, each once, by first author, and where."
        found = {}
        for p in self.lessons:
            cells = [c.source for c in self.notebooks[p.src].cells if c.cell_type == "markdown"]
            for text in cells:
                m = re.search(r"(?ms)^#+ References\s*$(.*?)(?=^#|\Z)", text)
                for item in re.findall(r"(?ms)^[-*] (.*?)(?=^[-*] |\Z)", m[1]) if m else ():
                    item = " ".join(item.split())
                    for part in re.split(r";\s+(?=[A-ZÀ-Ý]\S*\.? [^*;]*\*[^*]+\*)", item):
                        # our remark stands behind the first colon after the title, outside brackets
                        said = re.sub(
                            r"^((?:[^*]*\*[^*]+\*)(?:\([^)]*\)|[^:(]|:(?!\s))*):\s.*$", r"\1", part
                        )
                        title = re.search(r"\*([^*]+)\*", said)
                        if not title and not re.search(r"(19|20)\d\d|\]\(", said):
                            continue  # thanks, not a reference
                        if not title and "see `" in part:
                            continue
                        key = slug(title[1] if title else said)
                        old = found.setdefault(key, [said, []])
                        old[0] = max(old[0], said, key=len)
                        if p not in old[1]:
                            old[1].append(p)

        def surname(said):
            first = re.split(r",| et al\.", re.sub(r"^[\[*]", "", said))[0]
            return unicodedata.normalize("NFKD", first.split()[-1].lower())

        out = []
        for said, where in sorted(found.values(), key=lambda x: (surname(x[0]), x[0])):
            out.append(
                f"- {online(said.rstrip('.'))}. In "
                + ", ".join(f"[{p.short}]({p.src})" for p in where)
                + "."
            )
        return "\n".join(out)

    def total_minutes(self):
        return sum(p.minutes + EXERCISE * p.exercises for p in self.lessons)

    def path(self):
        "The lessons with times and prerequisites, and boxes to tick."
        out = [
            docs_api.raw(
                f'<div id="ui-progress" role="group" aria-label="Your progress" hidden><progress max="{len(self.lessons)}" value="0" '
                'aria-label="Lessons finished"></progress><output></output> <a href="#" hidden>Go on</a>'
                '<button type="button" id="ui-forget" hidden>Forget my progress</button></div>'
            )
        ]
        for section in self.book:
            items = []
            for p in section["pages"]:
                if p.kind != "lesson":
                    continue
                minutes = p.minutes + EXERCISE * p.exercises
                plural = "s" if p.exercises > 1 else ""
                facts = f"{p.minutes} min to read" + (
                    f", {p.exercises} exercise{plural}, about {minutes} min in all"
                    if p.exercises
                    else ""
                )
                after = (
                    " · after "
                    + ", ".join(f'<a href="{n.out}">{html.escape(n.short)}</a>' for n in p.needs)
                    if p.needs
                    else ""
                )
                box = (
                    f'<input type="checkbox" data-done="{p.key}" data-minutes="{minutes}" data-href="{p.out}" '
                    f'data-title="{html.escape(p.short, quote=True)}" aria-label="Finished: {html.escape(p.short, quote=True)}">'
                )
                items.append(
                    f'<li><p>{box}</p><p class="title"><a href="{p.out}">{html.escape(p.title)}</a></p>'
                    f'<p class="about">{docs_api.inline(p.description)}</p><p class="small">{facts}{after}</p></li>'
                )
            if items:
                out += [
                    f"## {section['title']}\n",
                    docs_api.raw('<ol class="path">\n' + "\n".join(items) + "\n</ol>"),
                ]
        return "\n".join(out)

    def ways_in(self):
        "The three cards of the front page, as markdown."

        def to(name):
            return self.pages[name].out if name in self.pages else "index.html"

        text = (THEME / "ways_in.html").read_text(encoding="utf-8")
        return docs_api.raw(
            text.format(
                path=to("path.qmd"),
                data=to("09_data.ipynb"),
                cli=to("54_cli.ipynb"),
                api="api/index.html",
                lessons=len(self.lessons),
                hours=math.ceil(self.total_minutes() / 60),
                contributing=f"{self.git}/blob/{self.branch}/CONTRIBUTING.md",
            ).strip()
        )

    # All of it ----------------------------------------------------------------------------------------------------

    def sources(self):
        "`{name: notebook or markdown with front matter}`; pages' bodies are set on the way."
        first_use = {}
        for p in [q for s in self.book for q in s["pages"] if q.kind in ("home", "lesson")]:
            seen, nb = set(), p.body
            for cell in nb.cells:
                if cell.cell_type == "markdown":
                    cell.source = self.outward(
                        cell.source if p.kind == "home" else self.linked(cell.source, seen)
                    )
            for term in seen & set(self.glossary):
                first_use.setdefault(term, p)
            if p.kind == "home":
                cell = next(
                    (
                        c
                        for c in nb.cells
                        if c.cell_type == "markdown" and re.search(r"(?m)^## ", c.source)
                    ),
                    None,
                )
                if cell and "path.qmd" in self.pages:
                    cell.source = re.sub(
                        r"(?m)^## ", lambda m: self.ways_in() + "\n" + m[0], cell.source, count=1
                    )
        for p in self.pages.values():
            if p.kind == "plain":
                p.body = p.body.replace("<!-- lessons -->", self.path()).replace(
                    "<!-- references -->", self.references()
                )
            if p.src == "glossary.qmd":

                def used(m):
                    where = first_use.get(m[1].strip())
                    return (
                        m[0].rstrip()
                        + (f" First used in [{where.short}]({where.src})." if where else "")
                        + "\n\n"
                    )

                p.body = re.sub(r"(?ms)^## ([^\n]+)\n(.*?)(?=^##|\Z)", used, p.body)
                first = {}
                for term in self.glossary:
                    first.setdefault(term[0].upper(), term)
                letters = " ".join(
                    f'<a href="#{slug(t)}">{c}</a>' for c, t in sorted(first.items())
                )
                p.body = p.body.replace(
                    "## ", docs_api.raw(f'<p class="letters">{letters}</p>') + "\n## ", 1
                )
            if p.kind == "plain":
                p.body = self.outward(
                    self.linked(p.body, set(), own=p.src)
                    if p.src not in ("path.qmd", "references.qmd")
                    else p.body
                )
            if p.kind == "api":
                p.body = (
                    self.linked(p.body, {p.src, f"api/{p.module}.qmd"}, up="../", own=p.src)
                    if p.src != "api/index.qmd"
                    else p.body
                )
        return {
            p.src: p.body if p.kind in ("home", "lesson") else self.with_front_matter(p)
            for p in self.pages.values()
        }

    def with_front_matter(self, p):
        fields = dict(title=p.title, **(dict(description=p.description) if p.description else {}))
        return f"---\n{yaml.safe_dump(fields, allow_unicode=True, width=1000)}---\n\n{p.body}"
