"""`make setup`: a `.venv` with everything the project needs. Safe to repeat, and to interrupt.

Standard library only, in the syntax of Python 3.6: an old Python must get to say that it is old.
`.venv/.ready` is written last: which Python and folder it belongs to, and a hash of SOURCES. Both
fit: nothing to do. Only the hash differs: pip brings it up to date. Else `.venv` is made anew; pip
keeps what it has downloaded, so a second try does not start from nothing.

Which torch it is, which_torch.py decides; what pip is doing, pip_log.py reads."""

import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, STDOUT, CalledProcessError, Popen, TimeoutExpired, check_output

from pip_log import how_far
from which_torch import Problem, choose

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
LOG = VENV / "setup.log"
SOURCES = ("settings.ini", "setup.py", "pyproject.toml", "constraints.txt")
PIP = "-m pip install --no-input --progress-bar=raw --disable-pip-version-check"
RAW = "-m pip install --no-input --disable-pip-version-check pip>=24.1"  # knows that progress bar
AGAIN = "run make setup again"
NO_NETWORK = (  # what pip's log looks like when it cannot get out
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|"
    "Temporary failure in name resolution|Network is unreachable"
)
# Settings of this clone's JupyterLab, where nbdev_install_hooks would edit ~/.jupyter, for all of a
# user's projects: notebooks are saved as `make notebooks` does; no news, and no look for updates.
CLEAN = """import sys

sys.path.append({!r})
from run_notebooks import on_save

c.ContentsManager.pre_save_hook = on_save
"""
NO_NEWS = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}\n'


def say(text, end="\n"):
    print("set-up: " + text, end=end, flush=True)


def check_python(version=sys.version_info):
    "Is this Python new enough for settings.ini?"
    least = re.search(r"(?m)^min_python\s*=\s*(\S+)", (ROOT / "settings.ini").read_text()).group(1)
    if tuple(version[:2]) < tuple(map(int, least.split("."))):
        old = f"Python {version[0]}.{version[1]} is too old: unet-explorer needs {least} or newer"
        raise Problem(f"{old}; install one and run make PYTHON=python3.11 setup")


def check_machine(fresh, sizes):
    "Is there what Debian parts from Python, and room? Whether `.venv` can be written, a try tells."
    if not (find_spec("ensurepip") and find_spec("venv")):
        get = "install it (Debian, Ubuntu: apt install python3-venv)"
        raise Problem(f"python3-venv is missing; {get} and {AGAIN}")
    try:
        VENV.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=VENV).close()
    except OSError as e:
        cure = "make that folder writable, or clone into your home folder"
        raise Problem(f"cannot write {VENV} ({e.strerror}); {cure}")
    load, need = sizes
    free = shutil.disk_usage(ROOT).free / 1e9
    if fresh and free < load + need:
        has = f"the set-up needs about {load + need:.0f} GB and {ROOT} has {free:.1f}"
        raise Problem(f"disk full: {has}; free some space and {AGAIN}")
    if fresh:
        wait = f"at 50 Mbit/s {load * 8000 / 50 / 60:.0f} minutes"
        say(f"about {load:g} GB to download ({wait}), {need:g} GB on disk in .venv")


def stamps():
    "What `.ready` says (nothing without a Python beside it), will say when all is done, and TORCH."
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in SOURCES)).hexdigest()
    old = STAMP.read_text() if STAMP.exists() and (VENV / "bin/python").exists() else ""
    said = re.search("^Python .*, torch (cpu|cuda)\n", old)
    wish = os.environ.get("TORCH") or (said.group(1) if said else "auto")
    torch = "" if wish == "auto" else ", torch " + wish
    new = "Python {}.{} in {}{}\n{}\n".format(*sys.version_info[:2], ROOT, torch, digest)
    return old, new, wish


def is_ready():
    old, new, _ = stamps()
    return old == new


def run(what, command, lock, total=0):
    """Run `command`, its output in LOG, and say now and then how far it is in a download of, with
    what else is in LOG, `total` GB."""
    live = sys.stdout.isatty()  # a terminal: one line that changes
    start, end, clear, every = time.time(), "\n\r"[live], "\033[K" * live, 1 if live else 30
    say(what + " ...", end)
    with LOG.open("ab") as log:
        env = dict(os.environ, PYTHONUNBUFFERED="1")
        to = dict(stdin=DEVNULL, stdout=log, stderr=STDOUT, pass_fds=[lock], cwd=ROOT, env=env)
        child = Popen(command, **to)
    try:
        while child.poll() is None:
            try:
                child.wait(timeout=every)
            except TimeoutExpired:
                doing = how_far(LOG.read_text(encoding="utf-8", errors="replace"), total)
                line = f"{what} ... {time.time() - start:.0f} s: {doing}"
                say(clear + line[: shutil.get_terminal_size().columns - 9 if live else 100], end)
    finally:
        child.kill()
    say(f"{clear}{what}: {time.time() - start:.0f} s")
    if child.returncode:
        raise Problem(why_it_failed(what, log_tail()))


def log_tail():
    return LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-200:]


def why_it_failed(what, log):
    "One line for the causes that a reader can mend; the end of the log for the others."
    if "No space left on device" in "\n".join(log):
        where = f"{ROOT} and in {tempfile.gettempdir()}"
        return f"disk full while {what}; free some space in {where}, then {AGAIN}"
    if re.search(NO_NETWORK, "\n".join(log)):
        cure = "connect (behind a proxy, set HTTPS_PROXY)"
        return f"no network: pip could not reach the package index; {cure} and {AGAIN}"
    return "\n".join([f"{what} failed; the end of {LOG} says:"] + log[-15:])


def install(lock):
    "Make `.venv` if there is no finished one, and bring it up to date."
    old, new, wish = stamps()
    fresh = old.split("\n")[0] != new.split("\n")[0]
    index, sizes, note = choose(wish)
    if fresh and note:
        say(note)
    check_machine(fresh, sizes)
    if fresh:
        if any(VENV.iterdir()):
            say("making .venv anew, the one here is unfinished or of another Python or folder")
        shutil.rmtree(VENV)
        VENV.mkdir()
        # not sys.executable: that may be the very .venv/bin/python that has just been removed
        run("making .venv", [os.path.realpath(sys.executable), "-m", "venv", ".venv"], lock)
    STAMP.write_text("")
    LOG.write_text("")
    python = str(VENV / "bin/python")
    pip = [python, *PIP.split(), "-c", "constraints.txt"]
    try:
        if fresh:
            run("bringing pip up to date", [python, *RAW.split()], lock)
        if index:
            install_cpu_torch(pip + ["--no-deps", "--index-url", index], wish, lock, sizes[0])
        run("installing the packages", pip + ["-e", ".[lab,dev]"], lock, sizes[0])
    except Problem:  # pip gave up before it changed anything: what worked goes on working
        STAMP.write_text("" if fresh else old)
        raise
    install_hooks()
    STAMP.write_text(new)


def install_cpu_torch(pip, wish, lock, total):
    "A version `X+cpu` is an `X` for what follows, and all else comes from where pip always looks."
    try:
        run("installing torch for the CPU", [*pip, "torch", "torchvision"], lock, total)
    except Problem as e:
        if wish == "cpu":
            raise
        say(f"taking torch with CUDA: {str(e).splitlines()[-1]}")


def install_hooks():
    """What nbdev_install_hooks sets up, inside this clone and with .venv's commands: notebooks are
    cleaned when JupyterLab saves them, merged cell by cell by git, and trusted: HTML shows."""
    config = VENV / "etc/jupyter"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    (config / "jupyter_server_config.py").write_text(CLEAN.format(str(ROOT / "tools")))
    (config / "labconfig/page_config.json").write_text(NO_NEWS)
    Popen([VENV / "bin/nbdev_trust"], cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL).wait()
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return  # an unpacked archive
    name, driver = "cell by cell, with nbdev_merge", ".venv/bin/nbdev_merge %O %A %B %P"
    try:  # .gitattributes says which files the driver is for
        git("config", "--local", "merge.nbdev-merge.name", name)
        git("config", "--local", "merge.nbdev-merge.driver", driver)
        hook = ROOT / git("rev-parse", "--git-common-dir") / "hooks/post-merge"
    except CalledProcessError:  # git has said why, say, that the folder is another's
        return say("no git hooks; everything else works without them")
    if not hook.exists():  # somebody's own hook stays
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n[ ! -x .venv/bin/nbdev_trust ] || .venv/bin/nbdev_trust\n")
        hook.chmod(0o755)


def git(*args):
    return check_output(["git", *args], cwd=ROOT, text=True).strip()


def main():
    lock = os.open(str(ROOT), os.O_RDONLY)  # pip inherits it: one that outlived us is waited for
    try:
        check_python()
        start = time.time()
        if is_ready():
            return 0
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another one is running here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready():  # else the one we waited for has done it
            install(lock)
        say(f"ready after {time.time() - start:.0f} s")
        return 0
    except Problem as e:
        said, code = str(e), 2
    except OSError as e:
        said, code = f"{e}; mend that and {AGAIN}", 2
    except KeyboardInterrupt:
        said, code = f"interrupted; {AGAIN} to go on", 130
        print(file=sys.stderr)
    finally:
        os.close(lock)
    print("set-up: " + said, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
