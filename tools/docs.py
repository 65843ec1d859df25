"""The lessons as web pages in _docs/: with Quarto (`nbdev_docs`) where it is installed, else with nbconvert.

The nbconvert pages ask no other host for anything: nbconvert's own template would load require.js, MathJax and
Mermaid from elsewhere. Mathematics is drawn by matplotlib instead; what it cannot draw stays as TeX."""
import base64
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from matplotlib.mathtext import math_to_image
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer
from readme import directives

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_docs"
PAGE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block body_header %}{{ super() }}<nav style="padding: 1em; font-family: sans-serif">{{ resources.nav }}</nav>
{% endblock %}
{% block input_group %}{% if cell.metadata.get('jupyter', {}).get('source_hidden') %}
<details><summary>Show the code</summary>{{ super() }}</details>
{% else %}{{ super() }}{% endif %}{% endblock %}"""


def math(tex, block=False):
    "TeX as an inline SVG picture; as it is where matplotlib does not know a command."
    svg = io.BytesIO()
    try:
        depth = math_to_image(f"${tex.strip()}$", svg, format="svg")
    except ValueError:
        return f"<code>{tex}</code>"
    alt = tex.strip().replace('"', "&quot;").replace("<", "&lt;")
    src = base64.b64encode(svg.getvalue()).decode()
    img = f'<img alt="{alt}" style="vertical-align: {-depth:.1f}pt" src="data:image/svg+xml;base64,{src}">'
    return f"<p>{img}</p>" if block else img


def page(path, nav):
    "The notebook at `path` as one HTML page."
    nb = nbformat.read(path, as_version=4)
    nb.cells = [c for c in nb.cells if c.cell_type != "raw" and "hide" not in directives(c.source)[0]]
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source = directives(cell.source)[1]
    title = next((m[1] for c in nb.cells if (m := re.match(r"# (.+)", c.source))), path.stem)
    nb.metadata["title"] = title
    exporter = HTMLExporter(template_file="page.html.j2", extra_loaders=[DictLoader({"page.html.j2": PAGE})],
                            exclude_input_prompt=True, exclude_output_prompt=True)
    html, _ = exporter.from_notebook_node(nb, resources={"nav": nav})
    return re.sub(r'(href="(?![a-z]+:)[^"]+)\.ipynb\b', r"\1.html", html)


def links(names, at):
    "To the contents, the lesson before and the one after."
    near = [("contents", "index")]
    near += [(f"{arrow} {names[i]}", names[i]) for arrow, i in (("←", at - 1), ("→", at + 1)) if 0 <= i < len(names)]
    return " &nbsp; ".join(f'<a href="{name}.html">{text}</a>' for text, name in near)


def main():
    if shutil.which("quarto"):
        return subprocess.call(["nbdev_docs"], cwd=ROOT)
    IPythonRenderer.inline_math = lambda self, tex: math(tex)  # nbconvert has no option for it
    IPythonRenderer.block_math = lambda self, tex: math(tex, block=True)
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(ROOT / "nbs/images", OUT / "images")
    lessons = sorted(p for p in (ROOT / "nbs").glob("*.ipynb") if p.name[0] not in "._")
    names = [p.stem for p in lessons if p.stem != "index"]
    for path in lessons:
        at = names.index(path.stem) if path.stem in names else -1
        (OUT / f"{path.stem}.html").write_text(page(path, links(names, at)), encoding="utf-8")
    print(f"{len(lessons)} pages: {OUT / 'index.html'} (Quarto is not installed: made with nbconvert)")


if __name__ == "__main__":
    sys.exit(main())
