"""`make lab` as a reader sees it: JupyterLab opens the index and runs lessons without an error, and
what it saves is, byte for byte, what git has."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from difflib import unified_diff
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import ROOT, required
from setup_env import CLEAN

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
LESSONS = ["nbs/24_unet_ledger.ipynb", "nbs/29_metrics.ipynb"]
LIVE = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const outputs = panel.content.model.sharedModel.toJSON().cells.flatMap(c => c.outputs || []);
    return outputs.filter(o => 'application/vnd.jupyter.widget-view+json' in (o.data || {})).length;
}"""


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab (without `/lab`), set up as `make setup` does, on a copy of the
    lessons, of which LESSONS have no outputs, and its token."""
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(ROOT / "nbs", tmp_path / "nbs")
    for lesson in LESSONS:
        nb = json.loads((tmp_path / lesson).read_text())
        for cell in nb["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = []
        (tmp_path / lesson).write_text(json.dumps(nb))
    (tmp_path / ".jupyter").mkdir()
    config = CLEAN.format(str(ROOT / "tools"))
    (tmp_path / ".jupyter/jupyter_server_config.py").write_text(config)
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
            env={**os.environ, "HOME": str(tmp_path), "JUPYTER_PREFER_ENV_PATH": "0"},
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


def test_run_all_and_save_change_nothing(lab, tmp_path):
    if not CHROMIUM:
        required("BROWSER")("no chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    (url, token), live = lab, {}
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{url}/lab/tree/nbs/index.ipynb?token={token}")
        page.wait_for_selector(".jp-Notebook h1")
        for lesson in LESSONS:
            page.evaluate(
                """path => {
                window.jupyterapp.commands.execute('docmanager:open', {path});
            }""",
                lesson,
            )
            page.wait_for_function(
                """path => {
                const panel = window.jupyterapp.shell.currentWidget;
                const session = panel?.context?.sessionContext.session;
                return panel?.context?.path === path && session?.kernel?.status === 'idle';
            }""",
                arg=lesson,
            )
            # resolves when the last cell has run
            page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
            page.screenshot(path=tmp_path / f"{Path(lesson).stem}.png")
            live[lesson] = page.evaluate(LIVE)
            page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        browser.close()
    assert list(live.values()) == [2, 1], "who ran it had live sliders"
    for lesson in LESSONS:
        saved, here = ((top / lesson).read_text("utf-8") for top in (tmp_path, ROOT))
        cells = json.loads(saved)["cells"]
        errors = [o for c in cells for o in c.get("outputs", []) if o["output_type"] == "error"]
        assert not errors, errors[0]["ename"] + ": " + errors[0]["evalue"]
        lines = list(unified_diff(here.splitlines(), saved.splitlines(), lesson, "saved", n=1))
        assert not lines, "\n".join(line[:200] for line in lines[:40])


def test_guesses_and_questions_without_a_kernel(lab):
    """A lesson that was just opened is not trusted: JupyterLab runs no script of it. Guesses and
    recall questions answer nevertheless, after the kernel has ended."""
    if not CHROMIUM:
        required("BROWSER")("no chromium (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    url, token = lab
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        page.goto(f"{url}/lab/tree/nbs/00_exercise.ipynb?token={token}")
        page.wait_for_selector(".jp-Notebook h1")
        page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        cells = page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")
        for place in ("details.uxp-choice", ".jp-MarkdownOutput details"):
            first = page.locator(place).first
            for at in range(cells):
                if first.count():
                    break
                scroll = "at => window.jupyterapp.shell.currentWidget.content.scrollToItem(at)"
                page.evaluate(scroll, at)
                page.wait_for_timeout(100)
            assert not first.locator("p").first.is_visible()
            first.locator("summary").click()
            assert first.locator("p").first.is_visible(), place
            assert first.locator("p").first.inner_text().strip()
        browser.close()
