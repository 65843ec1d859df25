"""Two pages that are filled in. Nothing is copied by hand. nbs/gallery.qmd: cards that lead to a
lesson, made from what the notebooks have saved.

    <!-- sliders -->                          a card for every baked widget
    <!-- picture 31_train.ipynb: words -->    the picture whose alt text begins with these words;
                                              lines below one another become one grid

nbs/faq.qmd:

    <!-- questions -->                        links to all questions of the page"""

import base64
import html
import io
import re
from pathlib import Path

import docs_api
from docs_md import slug
from readme import POSTER, directives

FOLDER, WIDTH, QUALITY = "images/gallery", 640, 72  # of a card's picture: width in pixels
PLACE = re.compile(r"(?m)^<!-- picture (\S+): (.+) -->$\n?")


def lines_of(text):
    return "".join(text) if isinstance(text, list) else text or ""


def outputs(page):
    "`(heading, alt text, data)` of each saved output, with the heading of the section it is in."
    heading = ""
    for cell in page.body.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"(?m)^##+ (.+)$", cell.source)
            heading = found[-1] if found else heading
        for output in cell.get("outputs", ()):
            alt = directives(cell.source)[0].get("fig-alt", "").strip("\"'")
            yield heading, alt, {k: lines_of(d) for k, d in output.get("data", {}).items()}


def small(png):
    "A PNG no wider than WIDTH, as WebP, and its size."
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.LANCZOS)
    kept = io.BytesIO()
    image.save(kept, "webp", quality=QUALITY, method=6)
    return kept.getvalue(), image.size


def on_white(svg):
    "A drawing as a file: its words have the colour of the text around it, a file has none."
    white = rb'\1<rect width="100%" height="100%" fill="#fff"/>'
    return re.sub(rb"(<svg\b[^>]*>)", white, svg, count=1)


class Gallery:
    "Collects the pictures of the cards in `files`: `{name: bytes}`, relative to the site."

    def __init__(self, lessons):
        self.lessons, self.files = {p.src: p for p in lessons}, {}

    def card(self, page, heading, alt, picture, suffix, size=None, words=""):
        name = f"{FOLDER}/{page.key}-{len(self.files) + 1}.{suffix}"
        self.files[name] = picture
        link = page.out + (f"#{slug(heading)}" if heading else "")
        shape = f' width="{size[0]}" height="{size[1]}"' if size else ""
        title = re.sub(r"^[\d.]+\s*|[`*]", "", heading) or page.short
        title, words = (page.short, words) if words else (title, page.short)
        return (
            f'<li><a href="{link}"><img src="{name}" alt="{html.escape(alt, quote=True)}"{shape} '
            f'loading="lazy"><strong>{html.escape(title)}</strong></a> '
            f"<span>{html.escape(words)}</span></li>"
        )

    def sliders(self):
        "A card for every widget: its first still picture and what to try."
        for page in self.lessons.values():
            for heading, _, data in outputs(page):
                still = POSTER.search(data.get("text/markdown", ""))
                if still:
                    kind, picture, alt = still[1], base64.b64decode(still[2]), still[3]
                    picture = on_white(picture) if kind == "svg" else picture
                    note = re.search(r'role="group" aria-label="([^"]*)"', data["text/markdown"])
                    words = html.unescape(note[1]) if note else ""
                    alt = html.unescape(alt)
                    yield self.card(page, heading, alt, picture, kind, words=words)

    def picture(self, source, words):
        "The card of the one picture of a lesson whose alt text begins so."
        page = self.lessons[source]
        found = [
            (heading, alt, data["image/png"])
            for heading, alt, data in outputs(page)
            if "image/png" in data and alt.startswith(words)
        ]
        if len(found) != 1:
            said = f"{len(found)} pictures of {source} have an alt text that begins with: {words}"
            raise SystemExit(f"gallery.qmd: {said}")
        heading, alt, png = found[0]
        webp, size = small(base64.b64decode(png))
        return self.card(page, heading, alt, webp, "webp", size)

    def fill(self, text):
        "The page's markdown with the cards in it."

        def grid(cards, kind=""):
            return docs_api.raw(f'<ul class="gallery{kind}">\n' + "\n".join(cards) + "\n</ul>")

        def run(m):
            return grid(self.picture(*one) for one in PLACE.findall(m[0])) + "\n"

        text = re.sub(f"(?m)(?:{PLACE.pattern.removeprefix('(?m)')})+", run, text)
        if "<!-- sliders -->" in text:
            text = text.replace("<!-- sliders -->", grid(self.sliders(), " small"))
        return text.replace("<!-- questions -->", questions(text))

    def write(self, target):
        for name, data in self.files.items():
            path = Path(target) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def questions(text):
    "The sections `##` of a page and the questions `###` in them, as lists of links."
    heads = re.findall(r"(?m)^(##+) (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    parts = []
    for level, head in heads:
        link = f'<a href="#{slug(head)}">{docs_api.inline(head)}</a>'
        if level == "##":
            parts.append(f"<p>{link}</p>\n<ul>\n</ul>")
        else:
            parts[-1] = parts[-1].replace("</ul>", f"<li>{link}</li>\n</ul>")
    inside = "\n".join(f"<div>{part}</div>" for part in parts)
    return docs_api.raw(f'<nav class="questions" aria-label="All questions">\n{inside}\n</nav>')
