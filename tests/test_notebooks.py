"Every lesson runs from top to bottom: one case per notebook."

import os
import sys
from pathlib import Path

import forks
import pytest
from conftest import ROOT

# A process of its own: one lesson's memory, seeds and registries must not reach the next.
RUN = """
import sys
from pathlib import Path
from nbdev.config import get_config
from nbdev.test import test_nb
ok, _ = test_nb(Path(sys.argv[1]), skip_flags=get_config().tst_flags.split(), basepath=sys.argv[2])
sys.exit(not ok)
"""
NOTEBOOKS = sorted((ROOT / "nbs").glob("[!._]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook(path):
    env = dict(
        os.environ,
        UNET_EXPLORER_STATIC="1",
        MPLBACKEND="agg",
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )  # for !unet-explorer
    code, out, err = forks.run(RUN, path, ROOT, cwd=ROOT, env=env, timeout=900)
    assert code == 0, f"{path.name} failed\n{err[-8000:] or out[-2000:]}"
