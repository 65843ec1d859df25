"""`make lab` as a reader sees it: JupyterLab opens the index and runs a lesson without an error."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import ROOT, required

CHROMIUM = shutil.which("chromium")
# as root, on a machine without a screen or a GPU, and with no calls home
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
LESSON = "nbs/02_images.ipynb"


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab (without `/lab`) on a copy of the lessons, whose outputs are
    removed, and its token."""
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(ROOT / "nbs", tmp_path / "nbs")
    nb = json.loads((tmp_path / LESSON).read_text())
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    (tmp_path / LESSON).write_text(json.dumps(nb))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    url, token = f"http://127.0.0.1:{port}", "let-me-in"
    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                f"--port={port}",
                f"--IdentityProvider.token={token}",
                "--LabApp.expose_app_in_browser=True",
            ],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(120):
            try:
                urlopen(f"{url}/api?token={token}").close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "lab.log").read_text()[-3000:]
                time.sleep(0.5)
        yield url, token
    finally:
        server.terminate()
        server.wait(30)


def test_a_lesson_runs_in_the_browser(lab, tmp_path):
    if not CHROMIUM:
        required("BROWSER")("no chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    url, token = lab
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{url}/lab/tree/nbs/index.ipynb?token={token}")
        page.wait_for_selector(".jp-Notebook h1")
        page.evaluate(
            "path => window.jupyterapp.commands.execute('docmanager:open', {path})", LESSON
        )
        page.wait_for_function(
            """path => {
            const panel = window.jupyterapp.shell.currentWidget;
            const session = panel?.context?.sessionContext.session;
            return panel?.context?.path === path && session?.kernel?.status === 'idle';
        }""",
            arg=LESSON,
        )
        # resolves when the last cell has run
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.screenshot(path=tmp_path / "lab.png")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        browser.close()
    code = [
        c for c in json.loads((tmp_path / LESSON).read_text())["cells"] if c["cell_type"] == "code"
    ]
    outputs = [o for c in code for o in c["outputs"]]
    errors = [o for o in outputs if o["output_type"] == "error"]
    assert not errors, errors[0]["ename"] + ": " + errors[0]["evalue"]
    assert any("image/png" in o.get("data", {}) for o in outputs), "the lesson shows its pictures"
    if Path(sys.prefix, ".ready").exists():  # make setup's hook cleans what JupyterLab saves
        assert all(c["execution_count"] is None for c in code)
