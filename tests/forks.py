"""`python -c CODE` with the slow libraries loaded. To import torch, fastai and torchvision takes a
processor many seconds. One process does so once, and forks for each program: the fork server of
`multiprocessing`, which computes nothing. Of ours nothing is loaded before the fork, so that each
program has settings, seeds and registries of its own. What differs: forks share the order of sets
(`PYTHONHASHSEED`), do not say what libraries say while they are imported, and end without
`atexit`. Tests of that, and of what is loaded, start a program from nothing, and so does what
others are compared with. Where the system is not Linux, every program is started so."""

import contextlib
import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

SLOW = ["torch", "fastai.callback.core", "torchvision", "timm", "datasets", "scipy.signal"]
SLOW += ["skimage.measure", "sklearn.model_selection", "matplotlib.pyplot", "nbdev.test"]
HAS = sys.platform == "linux"  # elsewhere there is no fork, or libraries do not outlive it
SERVER = multiprocessing.get_context("forkserver" if HAS else "spawn")
if HAS:
    SERVER.set_forkserver_preload(SLOW)


@functools.cache
def _paths(more):
    "Where a program looks for modules, its folder apart, if PYTHONPATH is `more`."
    words = [sys.executable, "-c", "import sys; print(*sys.path[1:], sep='\\n')"]
    env = os.environ | dict(PYTHONPATH=more)
    return subprocess.run(words, env=env, capture_output=True, text=True).stdout.splitlines()


def _settings(env):
    "What a library reads or draws when it is imported, which was before."
    os.environ.clear()
    os.environ.update(env)
    if "torch" in sys.modules and "OMP_NUM_THREADS" in env:
        sys.modules["torch"].set_num_threads(int(env["OMP_NUM_THREADS"]))
    if "matplotlib" in sys.modules and "MPLBACKEND" in env:
        sys.modules["matplotlib"].use(env["MPLBACKEND"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _program(code, words, cwd, env, paths, out, err):
    "In the fork: what `python -c` does."
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(cwd)
    _settings(env)
    sys.path[:] = ["", *paths]
    sys.argv[:] = ["-c", *words]
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


class Program:
    "`python -c code words` has been started. The names are those of `subprocess.Popen`."

    def __init__(self, code, *words, cwd=None, env=None):
        self.folder = tempfile.TemporaryDirectory()
        self.said = [Path(self.folder.name, name) for name in ("out", "err")]
        for path in self.said:
            path.touch()
        env = dict(env or os.environ)
        paths = _paths(env.get("PYTHONPATH", ""))
        how = (code, list(map(str, words)), str(cwd or Path.cwd()), env, paths)
        self.process = SERVER.Process(target=_program, args=(*how, *map(str, self.said)))
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # else pytest's script is run there first
        try:
            self.process.start()
        finally:
            sys.modules["__main__"] = main
        self.pid = self.process.pid

    def poll(self):
        return self.process.exitcode

    @property
    def returncode(self):
        return self.process.exitcode

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def communicate(self, timeout=None):
        "Wait for its end; what was printed, and what was said. Too late: it is killed."
        self.process.join(timeout)
        late = self.process.is_alive()
        if late:
            self.process.kill()
            self.process.join()
        out, err = (path.read_text("utf-8", errors="replace") for path in self.said)
        self.folder.cleanup()
        if late:
            raise subprocess.TimeoutExpired("python -c", timeout, out, err)
        return out, err


def run(code, *words, timeout=None, **how):
    "Exit code, what was printed, what was said."
    program = Program(code, *words, **how)
    out, err = program.communicate(timeout)
    return program.returncode, out, err
