"""A call in a process of its own, with a limit of processor time and of memory, and with ears for
what libraries print. What has no limits would end the tests with it: a hang, a crash, 100 GB.

    with Sandbox("test_mutations") as box:
        faults = box.call("read_all", path)

`read_all` is a function of that module which returns a list of faults. One process imports it and
forks for the calls; when a call is killed, the next one gets a new fork."""

import contextlib
import importlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None

SECONDS = 5  # of processor time for a call
WAIT = 120  # seconds on the clock, for what sleeps
BYTES = 2 * 2**30  # of memory, more than before the call
HERE = Path(__file__).resolve().parent
STATM = Path("/proc/self/statm")  # Linux tells there how large a process is


def missing():
    "What this system lacks for a sandbox, in words; None for nothing."
    if resource is None or not hasattr(os, "fork"):
        return "no fork and no limits for processes"
    return None if STATM.exists() else f"no {STATM}"


class Sandbox:
    """Functions of the test module `module`, called where they can do no harm. A test that asks for
    one is skipped where the system has none."""

    def __init__(self, module):
        if missing():
            import pytest

            pytest.skip(f"no sandbox here: {missing()}")
        self.command = [sys.executable, "-u", __file__, module]

    def __enter__(self):
        self.errors = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(WAIT)
        self.errors.close()

    def call(self, name, *args, seconds=SECONDS):
        "The faults that `name(*args)` found; a call that ended its process is one."
        try:
            self.child.stdin.write(json.dumps([seconds, name, *map(str, args)]) + "\n")
            self.child.stdin.flush()
            return json.loads(self.child.stdout.readline())
        except (OSError, ValueError):
            self.errors.seek(0)
            raise RuntimeError("the sandbox ended:\n" + self.errors.read()[-3000:]) from None


# what runs in the other process -------------------------------------------------------------------


def grown():
    "The address space of this process, in bytes."
    pages = int(STATM.read_text().split()[0])
    return pages * resource.getpagesize()


def heard(function, args, ears):
    "What `function` returns, and a fault for what was printed or warned meanwhile."
    ears.seek(0)
    ears.truncate()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for quiet in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", quiet)
        try:
            faults = function(*args)
        except BaseException:
            faults = ["a traceback: " + traceback.format_exc()[-1500:]]
    faults += [f"a warning: {w.category.__name__}: {str(w.message)[:200]}" for w in warned]
    sys.stderr.flush()
    ears.seek(0)
    said = ears.read().decode(errors="replace").strip()
    return faults + ([f"printed: {said[:300]}"] if said else [])


def worker(module, questions, answers):
    "Answer calls until there are no more, with a new allowance of time for each."
    ears = tempfile.TemporaryFile()
    os.dup2(ears.fileno(), 2)
    sys.stderr = open(2, "w", buffering=1, errors="replace", closefd=False)
    resource.setrlimit(resource.RLIMIT_AS, (grown() + BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in questions:
        seconds, name, *args = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        faults = heard(getattr(module, name), args, ears)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(faults) + "\n")
        answers.flush()


class Fork:
    "A fork of this process that answers calls."

    def __init__(self, module):
        there, ours = os.pipe()
        back, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours)
            os.close(back)
            with contextlib.suppress(BrokenPipeError):
                worker(module, os.fdopen(there), os.fdopen(theirs, "w"))
            os._exit(0)
        os.close(there)
        os.close(theirs)
        self.ask, self.answer = os.fdopen(ours, "w"), os.fdopen(back)

    def call(self, line):
        "The answer, a line; None if there is none."
        self.ask.write(line)
        self.ask.flush()
        ready, _, _ = select.select([self.answer], [], [], WAIT)
        return self.answer.readline() if ready else None

    def ended(self, silent):
        "How it ended, in words. One that is `silent` still runs, and is ended here."
        if silent:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if silent:
            return f"a hang: no answer within {WAIT} s"
        if code == -signal.SIGPROF:
            return "a hang: more processor time than allowed"
        return f"a crash: {code}"


def main(name):
    sys.path.insert(0, str(HERE))
    module = importlib.import_module(name)
    logging.getLogger().handlers.clear()
    fork = None
    for line in sys.stdin:
        fork = fork or Fork(module)
        answer = fork.call(line)
        if not answer:
            answer = json.dumps([fork.ended(answer is None)]) + "\n"
            fork = None
        print(answer, end="", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
