"""`make setup`: a `.venv` with everything the project needs. Safe to repeat, and to interrupt.

Standard library only, and no syntax newer than Python 3.6: an old Python must get as far as saying that it is old.

`.venv/.ready` is written last. Its first line tells which Python and folder the environment belongs to, its second
is a hash of the files that say what to install:
    both lines fit            -> nothing to do, in a fraction of a second
    only the second differs   -> pip brings the environment up to date
    else, or no such file     -> the set-up was cut short, or the folder moved: `.venv` is made anew
pip keeps what it has downloaded, so a second try does not start from nothing."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
LOG = VENV / "setup.log"
SOURCES = ("settings.ini", "setup.py", "pyproject.toml", "constraints.txt")
# What pip's log looks like when it cannot get out.
NO_NETWORK = re.compile(
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|"
    "Temporary failure in name resolution|Network is unreachable"
)
# Settings of this clone's JupyterLab only; nbdev_install_hooks would edit ~/.jupyter, for all of the user's projects.
CLEAN_ON_SAVE = """# Saves notebooks without execution counts and machine-dependent metadata. Made by tools/setup_env.py.
def clean(**kwargs):
    from nbdev.clean import clean_jupyter
    clean_jupyter(**kwargs)


c.ContentsManager.pre_save_hook = clean  # noqa: F821
"""
# Neither asks for permission to fetch news nor looks for updates.
NO_NEWS = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}\n'


class Problem(Exception):
    "What is missing and how to get it, in one line."


def say(text, end="\n"):
    print("set-up: " + text, end=end, flush=True)


# What must be there -----------------------------------------------------------------------------------------------


def check_python(version=sys.version_info):
    "Is this Python new enough for settings.ini?"
    least = re.search(r"(?m)^min_python\s*=\s*(\S+)", (ROOT / "settings.ini").read_text()).group(1)
    if tuple(version[:2]) < tuple(map(int, least.split("."))):
        raise Problem(
            "Python {}.{} is too old: unet-explorer needs {} or newer; install one and run "
            "make PYTHON=python3.11 setup".format(version[0], version[1], least)
        )


def check_venv_module():
    "Debian and Ubuntu part `ensurepip` from Python; without it a new environment has no pip."
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Problem(
            "python3-venv is missing; install it (Debian, Ubuntu: apt install python3-venv) "
            "and run make setup again"
        )


def check_folder():
    "Can `.venv` be written? Only an attempt tells: root may write a read-only folder, but not a read-only disk."
    try:
        VENV.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=str(VENV)).close()
    except OSError as e:
        raise Problem(
            "cannot write {} ({}); make that folder writable, or clone into your home folder".format(
                VENV, e.strerror
            )
        )


def check_disk():
    "On Linux x86_64 torch brings CUDA along, some 6 GB of it."
    need = 8 if (platform.system(), platform.machine()) == ("Linux", "x86_64") else 2
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < need:
        raise Problem(
            "disk full: the set-up needs about {} GB and {} has {:.1f}; free some space "
            "and run make setup again".format(need, ROOT, free)
        )


# The work ---------------------------------------------------------------------------------------------------------


def wanted_stamp():
    "What `.ready` says when the environment fits the sources."
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((ROOT / name).read_bytes())
    return "Python {}.{} in {}\n{}\n".format(
        sys.version_info[0], sys.version_info[1], ROOT, digest.hexdigest()
    )


def found_stamp():
    "What `.ready` says; nothing where there is none, or no Python beside it (any more)."
    return STAMP.read_text() if STAMP.exists() and (VENV / "bin" / "python").exists() else ""


@contextmanager
def only_one_at_a_time():
    """Wait for another set-up of this clone to end; gives the lock.
    pip inherits it, so even a pip that outlived a `kill -9` of this script is waited for."""
    lock = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another one is running here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def run(what, command, lock):
    "Run `command`, its output in LOG, and say now and then how far it is."
    start, every = time.time(), 1 if sys.stdout.isatty() else 30
    say(what + " ...", end="\r" if sys.stdout.isatty() else "\n")
    with LOG.open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
        )
    try:
        while True:
            try:
                code = child.wait(timeout=every)
                break
            except subprocess.TimeoutExpired:
                doing = [line.strip() for line in log_tail(200) if not line.startswith("WARNING")][
                    -1:
                ]
                line = "{} ... {:.0f} s: {}".format(what, time.time() - start, "".join(doing))
                if every == 1:  # a terminal: one line that changes
                    line = line[: shutil.get_terminal_size().columns - 9]
                    say("\033[K" + line, end="\r")
                else:
                    say(line[:100])
    finally:
        child.poll() is None and child.kill()
    say(("\033[K" if every == 1 else "") + "{}: {:.0f} s".format(what, time.time() - start))
    if code:
        raise Problem(why_it_failed(what))


def log_tail(n):
    with LOG.open("rb") as log:
        log.seek(max(0, LOG.stat().st_size - 20000))
        return log.read().decode("utf-8", "replace").splitlines(True)[-n:]


def why_it_failed(what):
    "One line for the causes that a reader can mend; the end of the log for the others."
    log = "".join(log_tail(200))
    if "No space left on device" in log:
        return (
            "disk full while {}; free some space in {} and in {}, then run make setup again".format(
                what, ROOT, tempfile.gettempdir()
            )
        )
    if NO_NETWORK.search(log):
        return (
            "no network: pip could not reach the package index; connect (behind a proxy, set HTTPS_PROXY) "
            "and run make setup again"
        )
    return "{} failed; the end of {} says:\n{}".format(what, LOG, "".join(log_tail(15)).rstrip())


def install(lock):
    "Make `.venv` if there is no finished one, and bring it up to date."
    old, new = found_stamp(), wanted_stamp()
    fresh = old.split("\n")[0] != new.split("\n")[0]
    check_venv_module()
    check_folder()
    if fresh:
        check_disk()
        if any(VENV.iterdir()):
            say("making .venv anew, the one here is unfinished or of another Python or folder")
        shutil.rmtree(str(VENV))
        VENV.mkdir()
        # not sys.executable: that may be the very .venv/bin/python that has just been removed
        run("making .venv", [os.path.realpath(sys.executable), "-m", "venv", ".venv"], lock)
    STAMP.exists() and STAMP.unlink()
    pip = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--progress-bar=off",
        "--disable-pip-version-check",
        "-e",
        ".[lab,dev]",
        "-c",
        "constraints.txt",
    ]
    try:
        run("installing the packages", pip, lock)
    except Problem:
        if not fresh:  # pip gave up before it changed anything: what worked goes on working
            STAMP.write_text(old)
        raise
    install_hooks()
    STAMP.write_text(new)


def install_hooks():
    """What nbdev_install_hooks sets up, kept inside this clone and with .venv's commands: notebooks are cleaned when
    JupyterLab saves them, merged cell by cell by git, and trusted (so that their saved HTML shows)."""
    config = VENV / "etc" / "jupyter"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    (config / "jupyter_server_config.py").write_text(CLEAN_ON_SAVE)
    (config / "labconfig" / "page_config.json").write_text(NO_NEWS)
    trust = [str(VENV / "bin" / "nbdev_trust")]
    subprocess.call(trust, cwd=str(ROOT), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return  # an unpacked archive
    driver = {
        "name": "cell by cell, with nbdev_merge",
        "driver": ".venv/bin/nbdev_merge %O %A %B %P",
    }
    try:
        for key, value in driver.items():  # .gitattributes says which files it is for
            subprocess.check_call(
                ["git", "config", "--local", "merge.nbdev-merge." + key, value], cwd=str(ROOT)
            )
        where = (
            subprocess.check_output(["git", "rev-parse", "--git-common-dir"], cwd=str(ROOT))
            .decode()
            .strip()
        )
    except (
        subprocess.CalledProcessError
    ):  # git has said why, say, that somebody else owns this folder
        return say("no git hooks; everything else works without them")
    hook = ROOT / where / "hooks" / "post-merge"
    if not hook.exists():  # somebody's own hook stays
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n[ ! -x .venv/bin/nbdev_trust ] || .venv/bin/nbdev_trust\n")
        hook.chmod(0o755)


def main():
    try:
        check_python()
        if found_stamp() == wanted_stamp():
            return 0
        start = time.time()
        with only_one_at_a_time() as lock:
            if found_stamp() != wanted_stamp():  # else the one we waited for has done it
                install(lock)
        say("ready after {:.0f} s".format(time.time() - start))
        return 0
    except Problem as e:
        print("set-up: {}".format(e), file=sys.stderr)
        return 2
    except OSError as e:
        print("set-up: {}; mend that and run make setup again".format(e), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run make setup again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
