"The scripts in tools/: nothing is lost on the way to text and back, and the same input gives the same bytes."
import base64
import json
import subprocess
import sys

import nb_text
import pytest
import readme
import run_notebooks
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "nbs").glob("[!._]*.ipynb"))


def cell(kind, source, **more):
    lines = source.splitlines(keepends=True)
    return dict(cell_type=kind, id=f"{abs(hash(source)) % 16**8:08x}", metadata={}, source=lines,
                **(dict(execution_count=None, outputs=[]) if kind == "code" else {}), **more)


def notebook(path, *cells):
    path.write_text(nb_text.dump(dict(cells=list(cells), nbformat=4, nbformat_minor=5, metadata={
        "kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}})))
    return path


# nb_text ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_text_and_back(path):
    text = path.read_text(encoding="utf-8")
    nb = json.loads(text)
    assert nb_text.dump(nb_text.to_nb(nb_text.to_text(nb), nb, path.stem)) == text


# run_notebooks ----------------------------------------------------------------------------------------------------

VARYING = """
import os, sys, time
from IPython.display import HTML, display
for i in range(3):
    print("line", i, flush=True); time.sleep(.05)
    print("warned", i, file=sys.stderr, flush=True)
display(HTML("<style>progress { border: none }</style>")); display(HTML(""))
print(os.environ["UNET_EXPLORER_STATIC"], hash("same"))
object()"""
PLOT = """
import matplotlib.pyplot as plt
plt.plot([1, 2]);"""


def test_second_run_changes_nothing(tmp_path, capsys):
    path = notebook(tmp_path / "00_tiny.ipynb", cell("markdown", "# Tiny"), cell("code", VARYING), cell("code", PLOT),
                    cell("code", "#| eval: false\n1 / 0"))
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
    png = base64.b64decode(next(o["data"]["image/png"] for o in code[1] if "image/png" in o.get("data", {})))
    assert png.startswith(b"\x89PNG") and b"tEXt" not in png and b"IEND" in png
    assert code[2] == []


def test_failing_notebook_stays_as_it_was(tmp_path, capsys):
    path = notebook(tmp_path / "00_bad.ipynb", cell("code", "print('fine')"), cell("code", "x = 0\n1 / x"))
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    said = capsys.readouterr().err
    assert "1 / x" in said and "ZeroDivisionError: division by zero" in said and len(said.splitlines()) < 8
    assert path.read_bytes() == before


# readme -----------------------------------------------------------------------------------------------------------

def test_readme_text():
    png = base64.b64encode(b"a picture").decode()
    shown = cell("code", "#| fig-alt: A cat\n#| export\nplot()")
    shown["outputs"] = [dict(output_type="stream", name="stdout", text=["a ```b```\n"]),
                        dict(output_type="display_data", metadata={},
                             data={"image/png": png, "text/plain": ["<Figure>"]})]
    quiet = cell("code", "#| echo: false\n40 + 2")
    quiet["outputs"] = [dict(output_type="execute_result", metadata={}, data={"text/plain": ["42"]})]
    nb = dict(cells=[
        cell("raw", "---\ntitle: x\n---"),
        cell("markdown", "# Hi\n[up](12_upsample.ipynb#why) ![p](images/x.png) [house](../CONTRIBUTING.md) "
                         "[out](https://example.com) [here](#hi) `](code.md)`\n\n```md\n[in](code.md)\n```"),
        cell("code", "#| hide\nsecret()"), shown, quiet])
    text, images = readme.readme(nb)
    assert text == readme.NOTE + """
# Hi
[up](nbs/12_upsample.ipynb#why) ![p](nbs/images/x.png) [house](CONTRIBUTING.md) [out](https://example.com) """ \
        """[here](#hi) `](code.md)`

```md
[in](code.md)
```

```python
plot()
```

````
a ```b```
````

![A cat](nbs/images/readme_1.png)

```
42
```
"""
    assert images == {"nbs/images/readme_1.png": b"a picture"}


def test_readme_staleness(tmp_path, monkeypatch):
    (tmp_path / "nbs").mkdir()
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    notebook(tmp_path / "nbs/index.ipynb", cell("markdown", "# One"))
    assert "README.md" in readme.main(["--check"])
    readme.main([])
    assert not readme.main(["--check"])
    (tmp_path / "nbs/images").mkdir()
    (tmp_path / "nbs/images/readme_7.png").write_bytes(b"left over")
    assert "readme_7.png" in readme.main(["--check"])
    readme.main([])
    assert not readme.main(["--check"])
    notebook(tmp_path / "nbs/index.ipynb", cell("markdown", "# Two"))
    assert "README.md" in readme.main(["--check"])


# docs -------------------------------------------------------------------------------------------------------------

def test_docs_ask_no_other_host(tmp_path, monkeypatch):
    docs = pytest.importorskip("docs")
    path = notebook(tmp_path / "00_tiny.ipynb", cell("markdown", "# Tiny\n$\\frac{1}{2}$ [next](11_unet.ipynb)"),
                    cell("code", "#| hide\nsecret"), cell("code", "#| export\nshown = 1"))
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "OUT", tmp_path / "_docs")
    monkeypatch.setattr(docs.shutil, "which", lambda name: None)
    (tmp_path / "nbs/images").mkdir(parents=True)
    path.rename(tmp_path / "nbs" / path.name)
    docs.main()
    html = (tmp_path / "_docs/00_tiny.html").read_text()
    assert "<script src" not in html and "import(" not in html and "secret" not in html and "#| export" not in html
    assert 'href="11_unet.html"' in html and "data:image/svg+xml" in html and "<title>Tiny</title>" in html


def test_scripts_explain_themselves():
    run = subprocess.run([sys.executable, "tools/run_notebooks.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and "--check" in run.stdout
