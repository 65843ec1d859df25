"""tools/setup_env.py: what it says before, meanwhile and when something is missing; that it goes on
after it was cut short; and which torch it takes. A fake environment stands in for the real one,
whose `python` is a shell script: nothing is installed."""

import ast
import shutil
import socket
import subprocess
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pip_log
import pytest
import setup_env
import which_torch
from conftest import ROOT
from packaging.specifiers import SpecifierSet


@pytest.fixture
def repo(tmp_path, monkeypatch):
    "A small git clone; `repo.pip` is the script that plays pip, `repo.made` counts environments."
    root = tmp_path / "a clone"
    root.mkdir()
    for name in (*setup_env.SOURCES, ".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, root)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    state = SimpleNamespace(root=root, venv=root / ".venv", pip="echo installed", made=0)
    state.card, state.index = True, False
    for name, path in dict(
        ROOT=root, VENV=state.venv, STAMP=state.venv / ".ready", LOG=state.venv / "setup.log"
    ).items():
        monkeypatch.setattr(setup_env, name, path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=99e9))
    monkeypatch.delenv("TORCH", raising=False)
    monkeypatch.setattr(which_torch.platform, "system", lambda: "Linux")
    monkeypatch.setattr(which_torch, "has_nvidia", lambda: state.card)
    monkeypatch.setattr(which_torch, "answers", lambda url: state.index)
    real = setup_env.run

    def run(what, command, lock, total=0):
        if command[-2:] == ["venv", ".venv"]:
            state.made += 1
            (state.venv / "bin").mkdir()
        for name in ("python", "nbdev_trust"):
            script = state.venv / "bin" / name
            script.write_text(f"#!/bin/sh\n{state.pip}\n")
            script.chmod(0o755)
        if command[1:3] == ["-m", "pip"]:
            real(what, command, lock, total)

    monkeypatch.setattr(setup_env, "run", run)
    return state


def problem(capsys):
    "What a set-up that fails says: exit code 2 and one line on stderr."
    assert setup_env.main() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize("script", [setup_env, which_torch, pip_log])
def test_old_python_can_read_the_script(script):
    ast.parse(Path(script.__file__).read_text(), feature_version=(3, 6))


def test_too_old_a_python(repo, capsys, monkeypatch):
    check = setup_env.check_python
    monkeypatch.setattr(setup_env, "check_python", lambda: check((3, 6, 15)))
    assert problem(capsys) == (
        "set-up: Python 3.6 is too old: unet-explorer needs 3.10 or newer; install one and run "
        "make PYTHON=python3.11 setup\n"
    )


def test_no_venv_module(repo, capsys, monkeypatch):
    monkeypatch.setitem(setup_env.sys.modules, "ensurepip", None)
    assert "apt install python3-venv" in problem(capsys)


def test_disk_full_before(repo, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1.5e9))
    assert "disk full" in (said := problem(capsys)) and "1.5" in said


def test_disk_full_during(repo, capsys):
    repo.pip = 'echo "ERROR: [Errno 28] No space left on device"; exit 1'
    assert "disk full" in problem(capsys)


def test_no_network(repo, capsys):
    repo.pip = "echo 'WARNING: Retrying after connection broken by NewConnectionError'; exit 1"
    assert "no network" in problem(capsys)


def test_folder_not_writable(repo, capsys, monkeypatch):
    # root may write anywhere, so: a folder that cannot be, below a file
    monkeypatch.setattr(setup_env, "VENV", repo.root / "setup.py" / ".venv")
    monkeypatch.setattr(setup_env, "STAMP", repo.root / "setup.py" / ".venv" / ".ready")
    assert "cannot write" in problem(capsys)


def test_unknown_failure_shows_the_log(repo, capsys):
    repo.pip = "echo 'the moon is in the way'; exit 1"
    assert setup_env.main() == 2
    said = capsys.readouterr().err
    assert "the moon is in the way" in said and "setup.log" in said


def test_second_time_does_nothing(repo, capsys):
    assert setup_env.main() == 0 and (repo.venv / ".ready").exists()
    repo.pip = "exit 1"
    capsys.readouterr()
    assert setup_env.main() == 0 and repo.made == 1
    assert capsys.readouterr().out == ""


def test_changed_requirements_are_installed_into_the_same_environment(repo, capsys):
    setup_env.main()
    (repo.root / "constraints.txt").write_text("numpy==2.4.6\n")
    repo.pip = "touch .venv/updated"
    assert setup_env.main() == 0 and repo.made == 1 and (repo.venv / "updated").exists()


def test_an_update_without_network_leaves_what_was_there(repo, capsys):
    setup_env.main()
    before = (repo.venv / ".ready").read_text()
    (repo.root / "constraints.txt").write_text("numpy==2.4.6\n")
    repo.pip = "echo NewConnectionError; exit 1"
    assert setup_env.main() == 2 and (repo.venv / ".ready").read_text() == before
    repo.pip = "true"
    assert setup_env.main() == 0 and repo.made == 1


@pytest.mark.parametrize("old", ["Python 3.9 in {root}", "Python {version} in /elsewhere"])
def test_other_python_or_moved_folder(repo, capsys, old):
    setup_env.main()
    version = "{}.{}".format(*setup_env.sys.version_info)
    rest = (repo.venv / ".ready").read_text().split("\n", 1)[1]
    (repo.venv / ".ready").write_text(old.format(root=repo.root, version=version) + "\n" + rest)
    assert setup_env.main() == 0 and repo.made == 2


def test_half_made_environment_is_made_anew(repo, capsys):
    (repo.venv / "bin").mkdir(parents=True)
    (repo.venv / "bin" / "half").touch()
    assert setup_env.main() == 0
    assert (repo.venv / ".ready").exists() and not (repo.venv / "bin" / "half").exists()


def test_interrupted_pip_is_made_up_for(repo, capsys, monkeypatch):
    def ctrl_c(what, command, lock, total=0):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(setup_env, "run", ctrl_c)
        assert setup_env.main() == 130
    assert "make setup again" in capsys.readouterr().err
    assert setup_env.main() == 0 and repo.made == 1


def test_a_python_that_is_gone(repo, capsys):
    setup_env.main()
    (repo.venv / "bin" / "python").unlink()
    assert setup_env.main() == 0 and repo.made == 2


def test_hooks_stay_in_the_clone(repo, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def git(*args):
        return subprocess.run(["git", *args], cwd=repo.root, capture_output=True, text=True).stdout

    before = git("status", "--porcelain")
    assert setup_env.main() == 0
    assert git("status", "--porcelain") == before
    assert ".venv/bin/nbdev_merge" in git("config", "--local", "merge.nbdev-merge.driver")
    assert (repo.root / ".git/hooks/post-merge").stat().st_mode & 0o100
    assert not (tmp_path / "home").exists()


def test_without_git(repo, capsys):
    shutil.rmtree(repo.root / ".git")
    assert setup_env.main() == 0


# Which torch, and how much ------------------------------------------------------------------------


def calls(repo):
    "What pip was asked for, one line a call."
    path = repo.venv / "calls"
    return [line for line in path.read_text().splitlines() if line.startswith("-m pip")]


LOGS_CALLS = 'echo "$*" >> .venv/calls'


def test_without_a_card_torch_comes_from_the_index_for_the_cpu(repo, capsys):
    repo.card, repo.index, repo.pip = False, True, LOGS_CALLS
    assert setup_env.main() == 0
    said = capsys.readouterr().out
    assert "torch without CUDA" in said and "0.8 GB to download" in said
    _, torch, rest = calls(repo)
    assert torch.endswith(f"--no-deps --index-url {which_torch.CPU_INDEX} torch torchvision")
    assert rest.endswith("-c constraints.txt -e .[lab,dev]") and "index-url" not in rest
    assert SpecifierSet("==2.14.1").contains("2.14.1+cpu"), "or the second call takes another torch"


@pytest.mark.parametrize("card", [True, False])
def test_with_a_card_or_no_such_index_torch_is_that_of_pip(repo, capsys, card):
    repo.card, repo.pip = card, LOGS_CALLS
    assert setup_env.main() == 0
    said = capsys.readouterr().out
    assert ("does not answer: CUDA comes too" in said) != card and "3.6 GB to download" in said
    assert len(calls(repo)) == 2 and "index-url" not in "".join(calls(repo))


def test_an_index_without_our_torch(repo, capsys, monkeypatch):
    repo.card, repo.index = False, True
    repo.pip = LOGS_CALLS + '; case "$*" in *index-url*) echo no such torch; exit 1;; esac'
    assert setup_env.main() == 0 and len(calls(repo)) == 3
    assert "taking torch with CUDA: no such torch" in capsys.readouterr().out
    monkeypatch.setenv("TORCH", "cpu")  # by hand: then nothing else will do
    assert setup_env.main() == 2


def test_torch_by_hand_is_kept(repo, capsys, monkeypatch):
    monkeypatch.setenv("TORCH", "cpu")
    assert "does not answer" in problem(capsys)
    repo.index = True
    assert setup_env.main() == 0 and repo.made == 1
    monkeypatch.delenv("TORCH")  # as in `make test` afterwards
    assert setup_env.main() == 0 and repo.made == 1
    monkeypatch.setenv("TORCH", "cuda")
    assert setup_env.main() == 0 and repo.made == 2
    monkeypatch.setenv("TORCH", "tpu")
    assert "TORCH=tpu" in problem(capsys)


class Index(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(404 if "missing" in self.path else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_whether_an_index_answers(monkeypatch):
    "One that is silent costs a moment, not the minutes that a socket waits by itself."
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Index) as server, socket.socket() as silent:
        Thread(target=server.serve_forever, daemon=True).start()
        assert which_torch.answers(f"http://127.0.0.1:{server.server_port}/cpu")
        assert not which_torch.answers(f"http://127.0.0.1:{server.server_port}/missing")
        server.shutdown()
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not which_torch.answers(address), "nobody listens"
        silent.listen()
        start = time.perf_counter()
        assert not which_torch.answers(address, seconds=0.3)
        assert time.perf_counter() - start < 2

        def no_name_server(*args, **kwargs):
            time.sleep(3)
            raise OSError

        monkeypatch.setattr(which_torch, "urlopen", no_name_server)
        start = time.perf_counter()
        assert not which_torch.answers("http://127.0.0.1/", seconds=0.3)
        assert time.perf_counter() - start < 2


PIP_SAYS = """Looking in indexes: somewhere
Obtaining file:///a/clone
  Preparing editable metadata (pyproject.toml): finished with status 'done'
Collecting torch>=2.4 (from unet-explorer==0.1.0)
  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (554.6 MB)
Progress 0 of 554581699
Progress 554581699 of 554581699
WARNING: somewhere is slow
Collecting nvidia-cudnn-cu13==9.24.0.43 (from torch>=2.4)
  Downloading nvidia_cudnn_cu13-9.24.0.43-py3-none-manylinux_2_27_x86_64.whl (553.1 MB)
Progress 0 of 553099438
Progress 100000000 of 553099438
"""


def test_progress_is_in_megabytes():
    assert pip_log.how_far(PIP_SAYS, 3.5) == (
        "downloading nvidia_cudnn_cu13, 100 of 553 MB; 0.65 of about 3.5 GB in all"
    )
    assert pip_log.how_far("\n".join(PIP_SAYS.splitlines()[:4]), 3.5).endswith("together: torch")
    assert pip_log.how_far("Processing /here/numpy-2.4-cp3.whl", 1).endswith("together: numpy")
    later = PIP_SAYS + "Installing collected packages: torch, nvidia-cudnn-cu13\n"
    assert "unpacking 2 packages" in pip_log.how_far(later, 3.5)
    assert pip_log.how_far("", 3.5) == ""


def test_progress_while_it_runs(repo, capsys, monkeypatch):
    repo.pip = f"cat <<'END'\n{PIP_SAYS}END\nsleep 1"
    real = setup_env.Popen

    class Impatient(real):
        def wait(self, timeout=None):
            return super().wait(timeout and 0.2)

    monkeypatch.setattr(setup_env, "Popen", Impatient)
    assert setup_env.main() == 0
    assert "downloading nvidia_cudnn_cu13, 100 of 553 MB" in capsys.readouterr().out
