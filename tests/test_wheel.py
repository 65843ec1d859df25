"""What a user gets: the wheel, built from the sdist, in an empty environment with whatever versions pip finds today,
and no network once it is installed."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from setup_env import NO_NETWORK

# Python reads this at start: no connection but to the machine itself.
NO_WAY_OUT = """
import socket

def guarded(connect):
    def guard(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(101, "Network is unreachable (blocked by the test)")
        return connect(self, address)
    return guard

def getaddrinfo(host, *args, _real=socket.getaddrinfo, **kwargs):
    if host not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise socket.gaierror(-3, "Temporary failure in name resolution (blocked by the test)")
    return _real(host, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
"""
IMPORT_TIME = (
    "from time import perf_counter as now; t = now(); import unet_explorer; print(now() - t)"
)


def run(*command, **kwargs):
    p = subprocess.run(
        [str(c) for c in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **kwargs,
    )
    log = p.stdout + p.stderr
    if p.returncode and NO_NETWORK.search(log) and not os.environ.get("CI"):
        pytest.skip("pip can't reach the package index")
    assert p.returncode == 0, f"{command}\n{log[-5000:]}"
    return p.stdout


def test_wheel_alone(tmp_path):
    src, venv = tmp_path / "src", tmp_path / "venv"
    src.mkdir()
    for name in (
        "setup.py",
        "settings.ini",
        "pyproject.toml",
        "MANIFEST.in",
        "README.md",
        "LICENSE",
    ):
        shutil.copy(ROOT / name, src)
    shutil.copytree(
        ROOT / "unet_explorer", src / "unet_explorer", ignore=shutil.ignore_patterns("__pycache__")
    )
    try:
        run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", src)
        run(sys.executable, "-m", "venv", venv)
        python = venv / "bin/python"
        run(python, "-m", "pip", "install", "--no-input", next((tmp_path / "dist").glob("*.whl")))
        installed = run(python, "-m", "pip", "list", "--format=freeze").lower()
        assert "unet-explorer==" in installed.replace("_", "-") and "nbdev==" not in installed

        site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        with open(f"{site}/sitecustomize.py", "w") as f:
            f.write(NO_WAY_OUT)
        home = tmp_path / "home"  # and no caches of this user's
        home.mkdir()
        env = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("UNET_EXPLORER_", "PYTHON", "HF_", "XDG_"))
        }
        env.update(HOME=str(home), UNET_EXPLORER_DATA=str(home / "data"))

        seconds = min(float(run(python, "-c", IMPORT_TIME, cwd=home, env=env)) for _ in range(5))
        assert seconds < 0.3, f"import unet_explorer takes {seconds:.2f} s"

        said = run(
            venv / "bin/unet-explorer",
            "demo",
            "--minutes",
            "0.3",
            "--out",
            home / "out",
            cwd=home,
            env=env,
            timeout=900,
        )
        assert (home / "out/report.html").stat().st_size > 10_000
        assert "simulat" in said.lower(), said
    finally:  # torch with CUDA is some 6 GB, and pytest keeps the folders of its last runs
        shutil.rmtree(venv, ignore_errors=True)
