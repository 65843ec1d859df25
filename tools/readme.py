"""README.md from nbs/index.ipynb: `readme.py` writes it, `readme.py --check` exits 1 if stale.

nbdev_readme does the same with Quarto, which many do not have. Text, code and saved outputs go over
as they are; pictures go to nbs/images/readme_N.png (or .svg); links relative to nbs/ lead to the
repository on the web, since README.md is shown where its files are not: by PyPI. Of a baked widget
only its still pictures go over, on white: a README runs no scripts. Other HTML is left out.
Understood directives: `#| hide`, `#| echo: false`, `#| output: false`, `#| fig-alt: words`."""

import base64
import configparser
import html
import json
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BADGES = "[![Open in Colab]("  # how the cell begins that says where else a notebook opens
NOTE = "<!-- Made from nbs/index.ipynb by `make readme`: edit that. -->\n"
LINK = re.compile(r"""(\]\(|\b(?:src|href)=["'])(?![a-z]+:|[/#])([^)"'\s]+)""", re.I)


def directives(source):
    "The leading `#| name: value` lines of a cell as a dict, and the code after them."
    head, code = re.match(r"((?:\s*#\|[^\n]*(?:\n|$))*)(.*)", source, re.S).groups()
    found = (re.match(r"\s*#\|\s*([\w-]+):?\s*(.*)", line) for line in head.splitlines())
    return {m[1]: m[2].strip() for m in found if m}, code.strip("\n")


def fenced(text, language=""):
    "`text` as a code block, its fence longer than any inside."
    ticks = "`" * max([3] + [len(t) + 1 for t in re.findall("`{3,}", text)])
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def address(path):
    "Where a file of the repository is on the web: a picture as a file, all else as a page."
    read = configparser.ConfigParser()
    read.read(ROOT / "settings.ini", encoding="utf-8")
    cfg = read["DEFAULT"]
    place = f"{cfg['user']}/{cfg['repo']}"
    if re.search(r"\.(png|jpe?g|svg)$", path):
        as_picture = "?sanitize=true" if path.endswith(".svg") else ""  # else it is sent as text
        raw = "https://raw.githubusercontent.com"
        return f"{raw}/{place}/{cfg['branch']}/{path}{as_picture}"
    return f"https://github.com/{place}/blob/{cfg['branch']}/{path}"


def relink(markdown):
    "Links relative to nbs/ as addresses on the web; code blocks stay as they are."

    def from_root(m):
        return m[1] + address(posixpath.normpath(posixpath.join("nbs", m[2])))

    parts = re.split(r"(?ms)(^(`{3,}|~{3,})[^`\n]*\n.*?^\2[`~]*[ ]*$|`[^`\n]+`)", markdown)
    # re.split gives text, code, fence, text, code, fence, ...
    return "".join(
        LINK.sub(from_root, p) if i % 3 == 0 else p for i, p in enumerate(parts) if i % 3 < 2 and p
    )


POSTER = re.compile(r'<img src="data:image/(png|svg)[^,"]*;base64,([^"]+)" alt="([^"]*)"')


def stills(widget, images):
    "The still pictures of a baked widget as markdown, side by side; they are added to `images`."
    found = []
    for kind, data, alt in POSTER.findall(widget.partition('<script type="application/json">')[0]):
        picture = base64.b64decode(data)
        if kind == "svg":  # its words have the colour of the text around it, an image file has none
            white = rb'\1<rect width="100%" height="100%" fill="#fff"/>'
            picture = re.sub(rb"(<svg\b[^>]*>)", white, picture, count=1)
        name = f"nbs/images/readme_{len(images) + 1}.{kind}"
        images[name] = picture
        found.append(f"![{re.sub(r'[][]', '', html.unescape(alt))}]({address(name)})")
    return " ".join(found)


def show(output, alt, images):
    "One saved output as markdown; a picture is added to `images`."
    if output["output_type"] == "stream":
        return fenced("".join(output["text"])) if output["name"] == "stdout" else ""
    kinds = ("image/png", "text/markdown", "text/plain", "text/html")
    data = {kind: "".join(d) for kind, d in output.get("data", {}).items() if kind in kinds}
    if "uxp-poster" in data.get("text/html", ""):
        return stills(data["text/html"], images)
    if "image/png" in data:
        name = f"nbs/images/readme_{len(images) + 1}.png"
        images[name] = base64.b64decode(data["image/png"])
        return f"![{alt}]({address(name)})"
    if "text/markdown" in data:
        return relink(data["text/markdown"])
    return fenced(data["text/plain"]) if "text/plain" in data else ""


def readme(nb):
    "README.md's text and `{path: bytes}` of its pictures, for the notebook `nb` (a dict)."
    parts, images = [], {}
    for cell in nb["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if not source.startswith(BADGES):
                parts.append(relink(source))
        elif cell["cell_type"] == "code":  # raw cells are Quarto's front matter
            flags, code = directives(source)
            if "hide" in flags:
                continue
            if code and flags.get("echo") != "false":
                parts.append(fenced(code, "python"))
            if flags.get("output") != "false":
                alt = flags.get("fig-alt", "").strip("\"'") or "Output of the cell above"
                parts += filter(None, (show(o, alt, images) for o in cell["outputs"]))
    return NOTE + "\n" + "\n\n".join(p.strip("\n") for p in parts) + "\n", images


def main(argv):
    text, images = readme(json.loads((ROOT / "nbs/index.ipynb").read_text(encoding="utf-8")))
    files = {"README.md": text.encode(), **images}
    old = {p.relative_to(ROOT).as_posix() for p in (ROOT / "nbs/images").glob("readme_*.*")}
    old -= set(files)
    stale = sorted(old)
    for name, made in files.items():
        if not (ROOT / name).exists() or (ROOT / name).read_bytes() != made:
            stale.append(name)
    if argv == ["--check"]:
        return stale and f"stale: {', '.join(stale)}; run make readme"
    for name in old:
        (ROOT / name).unlink()
    for name in set(stale) - old:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_bytes(files[name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
