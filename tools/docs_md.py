"""Markdown to HTML for tools/docs.py: as Quarto would, as far as the lessons need it.

Formulas become MathML, which browsers draw themselves; code is coloured here, not by a script."""

import html
import re

import mistune
from latex2mathml.converter import convert
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

PLUGINS = ["table", "footnotes", "strikethrough", "math", "def_list", "task_lists", "url"]
ATTRS = re.compile(r"\s*\{#([\w.-]+)\}\s*$")  # `## A heading {#its-id}`
GIVEN = re.compile(r"(?m)^#{1,6} .*\{#[\w.-]+\}$")


def text_of(markup):
    "What a reader reads of some HTML."
    words = re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", markup, flags=re.S)
    return html.unescape(" ".join(words.split()))


def slug(text):
    "The id that Quarto gives a heading: from its first letter, small letters, hyphens for spaces."
    text = re.sub(r"[^\w\s.-]", "", text.lower()).strip()
    return re.sub(r"\s+", "-", re.sub(r"^[^a-z]+", "", text)) or "section"


def code(source, language="ipython3"):
    "`source` with its parts marked for colouring; what no lexer knows stays as it is."
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        return html.escape(source)
    return highlight(source, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")


def pre(source, language="ipython3"):
    "A block of code."
    return f'<div class="code"><pre><code>{code(source, language)}</code></pre></div>\n'


def math(tex, display="inline"):
    "A formula as MathML. A command that the converter does not know is an error, here not there."
    made = convert(tex.strip(), display=display)
    unknown = re.search(r">(\\[a-zA-Z]+)<", made)
    if unknown:
        cure = "write it with commands that latex2mathml knows"
        raise ValueError(f"{unknown[1]} in the formula {tex.strip()}: {cure}")
    return made


class Renderer(mistune.HTMLRenderer):
    "Collects the page's headings `(level, id, html)`; ids are unique on the page."

    def __init__(self, relink):
        super().__init__(escape=False)
        self.relink, self.headings, self.ids = relink, [], {}

    def heading(self, text, level, **attrs):
        given = ATTRS.search(text)
        text = ATTRS.sub("", text)
        name = given[1] if given else slug(text_of(text))
        n = self.ids[name] = self.ids.get(name, -1) + 1
        name += f"-{n}" if n else ""
        self.headings.append((level, name, text))
        label = f'aria-label="Link to: {html.escape(text_of(text))}"'
        link = f'<a class="anchor" href="#{name}" {label}>#</a>'
        return f'<h{level} id="{name}">{text} {link}</h{level}>\n'

    def link(self, text, url, title=None):
        return super().link(text, self.relink(url), title)

    def image(self, text, url, title=None):
        return super().image(text, self.relink(url), title)

    def block_code(self, source, info=None):
        language = (info or "").split()[0] if info else ""
        if language == "{=html}":
            return source
        lexer = {"py": "ipython3", "python": "ipython3", "sh": "bash"}.get(language, language)
        return pre(source.rstrip("\n"), lexer)

    def table(self, text):
        return f'<div class="wide"><table>{text}</table></div>\n'

    def inline_math(self, tex):
        return math(tex)

    def block_math(self, tex):
        return f'<div class="math">{math(tex, "block")}</div>\n'


class Markdown:
    "Renders the pieces of one page; `relink(url)` says where a link of the source goes."

    def __init__(self, relink=lambda url: url):
        self.renderer = Renderer(relink)
        self.parse = mistune.create_markdown(renderer=self.renderer, plugins=PLUGINS)

    def __call__(self, text):
        # in {#Picture.__len__} nothing is bold
        text = GIVEN.sub(lambda m: re.sub(r"_(?=\S*\}$)", r"\\_", m[0]), text)
        return self.parse(text)

    @property
    def headings(self):
        return self.renderer.headings
