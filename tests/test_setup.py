"""tools/setup_env.py: what it says when something is missing, and that it goes on after it was cut
short. A fake environment stands in for the real one, whose `python` is a shell script: nothing is
installed."""

import ast
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import setup_env
from conftest import ROOT


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
    for name, path in dict(
        ROOT=root, VENV=state.venv, STAMP=state.venv / ".ready", LOG=state.venv / "setup.log"
    ).items():
        monkeypatch.setattr(setup_env, name, path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=99e9))
    real = setup_env.run

    def run(what, command, lock):
        if command[-2:] == ["venv", ".venv"]:
            state.made += 1
            (state.venv / "bin").mkdir()
        for name in ("python", "nbdev_trust"):
            script = state.venv / "bin" / name
            script.write_text(f"#!/bin/sh\n{state.pip}\n")
            script.chmod(0o755)
        if command[1:3] == ["-m", "pip"]:
            real(what, command, lock)

    monkeypatch.setattr(setup_env, "run", run)
    return state


def problem(capsys):
    "What a set-up that fails says: exit code 2 and one line on stderr."
    assert setup_env.main() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_old_python_can_read_the_script():
    ast.parse(Path(setup_env.__file__).read_text(), feature_version=(3, 6))


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
    def ctrl_c(what, command, lock):
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
