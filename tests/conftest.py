"What several tests share: figures without a screen, the repository's folder, and data or a clear reason to skip."

import os
import sys
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parent.parent
matplotlib.use("Agg")  # not by MPLBACKEND, which notebooks started from here would inherit
sys.path.insert(0, str(ROOT / "tools"))  # the scripts are tested too


def required(switch):
    "`pytest.fail` where CI insists (`UNET_EXPLORER_REQUIRE_...=1`), else `pytest.skip`: call it with the reason."
    return pytest.fail if os.environ.get(f"UNET_EXPLORER_REQUIRE_{switch}") == "1" else pytest.skip


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def require_data():
    "`require_data('isbi2012')` is the loaded data set; the test is skipped, with the reason, where it can't be had."

    def need(name, **kwargs):
        from unet_explorer.data import load
        from unet_explorer.contracts import InputError

        try:
            return load(name, **kwargs)
        except (InputError, OSError) as e:
            reason = f"{name} can't be had: {e}"
        required("DATA")(reason)

    return need
