"The scripts in tools/: nothing is lost to text and back, and the same input gives the same bytes."

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nb_text
import nbformat
import numpy as np
import pytest
import readme
import run_notebooks
from conftest import ROOT
from PIL import Image

NOTEBOOKS = sorted((ROOT / "nbs").glob("[!._]*.ipynb"))


def notebook(path, text):
    path.write_text(nb_text.dump(nb_text.to_nb(text)))
    return path


# nb_text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_text_and_back(path):
    text = path.read_text(encoding="utf-8")
    nb = json.loads(text)
    assert nb_text.dump(nb_text.to_nb(nb_text.to_text(nb), nb, path.stem)) == text


# run_notebooks ------------------------------------------------------------------------------------

VARYING = """# Tiny

```python
import os, sys, time
from IPython.display import HTML, display
for i in range(3):
    print("line", i, flush=True); time.sleep(.05)
    print("warned", i, file=sys.stderr, flush=True)
display(HTML("<style>progress { border: none }</style>")); display(HTML(""))
print(os.environ["UNET_EXPLORER_STATIC"], hash("same"))
object()
```

```python
import matplotlib.pyplot as plt
plt.plot([1, 2]);
```

```python
#| eval: false
1 / 0
```
"""


def test_second_run_changes_nothing(tmp_path, capsys):
    path = notebook(tmp_path / "00_tiny.ipynb", VARYING)
    assert run_notebooks.main(["--check", str(path)]) == 1
    assert run_notebooks.main([str(path)]) == 0
    once = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 0 and path.read_bytes() == once
    assert run_notebooks.main(["--check", str(path)]) == 0
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    code = [c["outputs"] for c in json.loads(once)["cells"] if c["cell_type"] == "code"]
    streams = [(o["name"], len(o["text"])) for o in code[0] if o["output_type"] == "stream"]
    assert streams == [("stdout", 3), ("stderr", 3), ("stdout", 1)]
    assert not any("text/html" in o.get("data", {}) for o in code[0])
    png = base64.b64decode(
        next(o["data"]["image/png"] for o in code[1] if "image/png" in o.get("data", {}))
    )
    assert png.startswith(b"\x89PNG") and b"tEXt" not in png and b"IEND" in png
    assert code[2] == []


def test_failing_notebook_stays_as_it_was(tmp_path, capsys):
    path = notebook(
        tmp_path / "00_bad.ipynb", "```python\nprint('fine')\n```\n\n```python\nx = 0\n1 / x\n```"
    )
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    said = capsys.readouterr().err
    assert "1 / x" in said
    assert "ZeroDivisionError: division by zero" in said
    assert len(said.splitlines()) < 8
    assert path.read_bytes() == before


def test_jupyterlab_saves_pages_and_no_live_widgets(tmp_path):
    "A slider that took too long keeps the page on disk, while its code is the same."
    page = {"text/html": '<div class="uxp">\nold\n</div>'}
    view = {run_notebooks.VIEW: {"model_id": "1"}, "text/plain": "VBox(...)"}

    def notebook_of(sources, *outputs):
        nb = nbformat.v4.new_notebook()
        for i, (source, data) in enumerate(zip(sources, outputs)):
            shown = [nbformat.v4.new_output("display_data", dict(data))] if data else []
            nb.cells.append(nbformat.v4.new_code_cell(source, id=f"c{i}", outputs=shown))
        return nb

    nbformat.write(notebook_of(["explore(1)", "explore(2)"], page, page), tmp_path / "a.ipynb")
    nb = notebook_of(
        ["explore(1)", "explore(20)", "tqdm()", "explore(3)"],
        *(view, view, view, view | {"text/html": ['<div class="uxp">\n', "new</div>"]}),
    )
    nb.cells[0].execution_count = 7
    nb.metadata.widgets = {run_notebooks.VIEW.replace("view", "state"): {"state": {}}}
    model = dict(type="notebook", content=json.loads(nbformat.writes(nb)))
    where = SimpleNamespace(root_dir=str(tmp_path))
    run_notebooks.on_save(model=model, contents_manager=where, path="a.ipynb")
    cells = model["content"]["cells"]
    shown = [["".join(o["data"]["text/html"]) for o in c["outputs"]] for c in cells]
    assert shown == [[page["text/html"]], [], [], ['<div class="uxp">\nnew</div>']]
    assert "jupyter.widget" not in json.dumps(model) and cells[0]["execution_count"] is None
    file = dict(type="file", content="text", format="text")
    run_notebooks.on_save(model=file, contents_manager=where, path="a.txt")
    assert file["content"] == "text"


def png(array, **kw):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "png", **kw)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("kind", ["grey", "overlay", "photo", "small"])
def test_a_palette_shows_the_same(kind):
    "Noise in grey keeps every value; in colour no value moves far, or the picture stays as it is."
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    grey = np.repeat(noise[..., :1], 3, 2)
    overlay = np.where(
        np.arange(400)[:, None, None] < 200,
        grey,
        (0.5 * grey + 0.5 * np.array([213, 94, 0])).astype(np.uint8),
    )
    array = dict(grey=grey, overlay=overlay, photo=noise, small=noise[:20, :20])[kind]
    before = png(array)
    after = run_notebooks.light_png(before)
    shown = Image.open(io.BytesIO(base64.b64decode(after)))
    moved = np.abs(np.asarray(shown.convert("RGB")).astype(int) - array).max()
    assert moved <= dict(grey=0, overlay=run_notebooks.MOVE).get(kind, 0)
    if kind in ("grey", "overlay"):
        assert shown.mode == "P" and len(after) < 0.6 * len(before)
    else:
        assert after == before
    assert run_notebooks.light_png(after) == after


# readme -------------------------------------------------------------------------------------------

BLOB = "https://github.com/unet-explorer/unet-explorer/blob/main"
RAW = "https://raw.githubusercontent.com/unet-explorer/unet-explorer/main"
INDEX = """```raw
---
title: x
---
```

# Hi
[up](21_upsample.ipynb#why) ![p](images/x.png) [house](../CONTRIBUTING.md)
[out](https://example.com) [here](#hi) `](a.md)`

~~~md
[in](code.md)
~~~

```python
#| hide
secret()
```

```python
#| fig-alt: A cat
#| export
plot()
```

```python
#| echo: false
40 + 2
```
"""


def test_readme_text():
    nb = nb_text.to_nb(INDEX)
    nb["cells"][3]["outputs"] = [
        dict(output_type="stream", name="stdout", text=["a ```b```\n"]),
        dict(
            output_type="display_data",
            metadata={},
            data={"image/png": base64.b64encode(b"a picture").decode(), "text/plain": ["<Figure>"]},
        ),
    ]
    nb["cells"][4]["outputs"] = [
        dict(output_type="execute_result", metadata={}, data={"text/plain": ["42"]})
    ]
    text, images = readme.readme(nb)
    assert (
        text
        == readme.NOTE
        + """
# Hi
[up](BLOB/nbs/21_upsample.ipynb#why) ![p](RAW/nbs/images/x.png) [house](BLOB/CONTRIBUTING.md)
[out](https://example.com) [here](#hi) `](a.md)`

~~~md
[in](code.md)
~~~

```python
plot()
```

````
a ```b```
````

![A cat](RAW/nbs/images/readme_1.png)

```
42
```
""".replace("BLOB", BLOB).replace("RAW", RAW)
    )
    assert images == {"nbs/images/readme_1.png": b"a picture"}


def test_readme_shows_a_widget_as_still_pictures():
    from unet_explorer.sliders import bake

    def square(k=1):
        "A [square] & more"
        return f'<svg viewBox="0 0 9 9"><text fill="currentColor">{k}</text></svg>'

    def dots(k=1):
        return np.full((2, 2), k, np.uint8)

    nb = nb_text.to_nb("```python\n#| echo: false\nexplore()\n```\n")
    nb["cells"][0]["outputs"] = [
        dict(
            output_type="display_data",
            metadata={},
            data={"text/html": bake(square, dots, k=(1, 3), note="Try <it>.")},
        ),
        dict(output_type="display_data", metadata={}, data={"text/html": "<b>only html</b>"}),
    ]
    text, images = readme.readme(nb)
    square = f"![A square & more (k = 1)]({RAW}/nbs/images/readme_1.svg?sanitize=true)"
    dots = f"![dots (k = 1)]({RAW}/nbs/images/readme_2.png)"
    assert text == f"{readme.NOTE}\n{square} {dots}\n"
    white = b'<rect width="100%" height="100%" fill="#fff"/><text'
    assert white in images["nbs/images/readme_1.svg"]
    assert images["nbs/images/readme_2.png"].startswith(b"\x89PNG")


def test_readme_shows_everywhere():
    """On PyPI there are no files beside it, so no link is relative; and every file it names is in
    the repository, else a picture would be missing there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)|(?:src|href)=[\"']([^\"']+)", text)
    for link in (a or b for a, b in links):
        assert re.match(r"https://|#", link), link
        if link.startswith((BLOB, RAW)):
            name = re.sub(r"[?#].*", "", link.removeprefix(BLOB).removeprefix(RAW)).strip("/")
            assert (ROOT / name).is_file(), link
    first = text[:1600]
    assert first.index("banner.jpg") < first.index("git clone") < first.index("unet-explorer demo")


def test_readme_staleness(tmp_path, monkeypatch):
    (tmp_path / "nbs").mkdir()
    shutil.copy(ROOT / "settings.ini", tmp_path)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    notebook(tmp_path / "nbs/index.ipynb", "# One")
    assert "README.md" in readme.main(["--check"])
    readme.main([])
    assert not readme.main(["--check"])
    (tmp_path / "nbs/images").mkdir()
    (tmp_path / "nbs/images/readme_7.png").write_bytes(b"left over")
    assert "readme_7.png" in readme.main(["--check"])
    readme.main([])
    assert not readme.main(["--check"])
    notebook(tmp_path / "nbs/index.ipynb", "# Two")
    assert "README.md" in readme.main(["--check"])


def test_scripts_explain_themselves():
    run = subprocess.run(
        [sys.executable, "tools/run_notebooks.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and "--check" in run.stdout
