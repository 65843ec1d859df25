"A program that is forked is as one that Python starts."

import os
import signal
import subprocess
import sys
import time

import forks
import pytest

TELL = """
import os, sys
import matplotlib, torch
print(os.getcwd(), sys.argv, sorted(os.environ.items()), sys.path, __name__, sep="\\n")
print(torch.get_num_threads(), matplotlib.get_backend(), sys.stdin.read(), sys.stdout.encoding)
print("\\xe4\\u2603", file=sys.stderr)
print(sorted(m for m in sys.modules if m.split(".")[0] in ("unet_explorer", "conftest", "pytest")))
sys.stdout.flush()
os.system("echo child")
sys.exit(3)
"""


def test_it_is_what_python_starts(tmp_path, monkeypatch):
    "Folder, words, environment, threads, where modules are looked for; and the code at its end."
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    env = dict(os.environ, OMP_NUM_THREADS="2", MPLBACKEND="svg", TOLD="yes")
    code, out, err = forks.run(TELL, "a b", cwd=tmp_path, env=env)
    command = [sys.executable, "-c", TELL, "a b"]
    how = dict(capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=tmp_path, env=env)
    other = subprocess.run(command, **how)
    assert (code, err) == (other.returncode, other.stderr) == (3, "\xe4\u2603\n")
    assert out.split("\n") == other.stdout.split("\n")


def test_each_draws_numbers_of_its_own():
    "What forgets its seed must not repeat itself here only."
    code = "import random, numpy; print(random.random()); print(numpy.random.rand())"
    drawn = [number for _ in range(2) for number in forks.run(code)[1].split()]
    assert len(set(drawn)) == 4


@pytest.mark.skipif(not forks.HAS, reason="no process is started by fork")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_signals_reach_it(tmp_path, name):
    number = getattr(signal, name)
    code = "import time; open('begun', 'w').close(); print('x'); time.sleep(60)"
    program = forks.Program(code, cwd=tmp_path)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    assert program.poll() is None
    program.send_signal(number)
    out, err = program.communicate(60)
    interrupted = name == "SIGINT"
    assert program.returncode == (1 if interrupted else -number)
    assert err.rstrip().endswith("KeyboardInterrupt") == interrupted


def test_what_fails_and_what_never_ends():
    code, out, err = forks.run("print(1); [][1]")
    assert code == 1 and out == "1\n" and "IndexError" in err
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run("import time; time.sleep(60)", timeout=0.5)
