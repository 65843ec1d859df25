"""What several tests share: figures without a screen, the repository's folder, data or a clear
reason to skip, and how the cases are dealt to the workers of pytest-xdist."""

import os
import re
import sys
from pathlib import Path

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # before torch is imported; programs started here inherit it
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parent.parent
matplotlib.use("Agg")  # not by MPLBACKEND, which notebooks started from here would inherit
sys.path.insert(0, str(ROOT / "tools"))  # the scripts are tested too


def required(switch):
    "`pytest.fail` where CI insists (`UNET_EXPLORER_REQUIRE_...=1`), else `pytest.skip`."
    return pytest.fail if os.environ.get(f"UNET_EXPLORER_REQUIRE_{switch}") == "1" else pytest.skip


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def require_data():
    "`require_data('isbi2012')` is the data set; the test is skipped where it can't be had."

    def need(name, **kwargs):
        from unet_explorer.data import load
        from unet_explorer.contracts import InputError

        try:
            return load(name, **kwargs)
        except (InputError, OSError) as e:
            reason = f"{name} can't be had: {e}"
        required("DATA")(reason)

    return need


# What takes longest starts first, so that no worker is left alone with it at the end. Seconds on
# one core; what is not named is short. A group goes to one worker as a whole.
SECONDS = dict(
    test_cli=100, test_docs=90, test_browser=60, test_quarto=25, test_scaling=30, test_widgets=25
)
SECONDS |= dict(anomaly=44, explain=42, implant=40, upsample=31, mosaics=27, train=20, baselines=16)
SECONDS |= dict(
    test_resume=60, test_inspection=25, test_efficientnet=25, test_train=22, test_simulate=18
)
SECONDS |= dict(signals=70, text=70, scenes=75, classify_detect=75, superres=35)
SECONDS |= dict(segmentation=19, efficientnet=18, circuits=16, inspection=15, unet=13, effunet=13)
SECONDS |= dict(
    test_wheel=17, test_lab=30, test_tools=15, test_opens_shorts=15, deploy=13, index=12
)
SECONDS |= dict(test_going_on=45, test_lines=35, test_guard=40, test_headers=25, test_files=25)
SECONDS |= dict(test_labels=25, test_mutations=15, test_mutated_models=12, test_mosaics=10)
SECONDS |= dict(runs=25, checkpoints=25, files=12, headers=12, labels=12, test_folders=15)
SECONDS |= dict(scaling=12, sliders=11, cli=11, metrics=10, simulate=9, test_house=10, test_data=9)


def group(nodeid):
    """The cases that go to one worker, since they share what a module-scoped fixture has built:
    those of a file. But a notebook, or a model of the contract, is a group of its own."""
    file, _, test = nodeid.partition("::")
    file = file.rpartition("/")[2].removesuffix(".py")
    name = test.partition("[")[2].removesuffix("]")
    if file == "test_notebooks":
        return re.sub(r"^\d+_", "", name) or test
    if file == "test_contract":
        return f"{file} {re.sub(r'-[0-9]+x[0-9]+$', '', name)}"
    if file == "test_bad_input":
        return f"{file} {name.partition('.')[0]}"
    return file


def pytest_collection_modifyitems(items):
    groups = list(dict.fromkeys(group(item.nodeid) for item in items))
    groups.sort(key=lambda g: -SECONDS.get(g, 0))
    place = {g: i for i, g in enumerate(groups)}
    items.sort(key=lambda item: place[group(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    config.option.loadscopereorder = False  # they are in order
    return ByGroup(config, log)
