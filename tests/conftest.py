"""What several tests share: figures without a screen, the repository's folder, data or a clear
reason to skip, and how the cases are dealt to the workers of pytest-xdist."""

import os
import re
import sys
import time
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


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    "The whole site, built once, in a folder named as on GitHub Pages, in `site.seconds`."
    import docs
    import docs_source

    out = tmp_path_factory.mktemp("web") / docs_source.Book(ROOT).base.strip("/")
    start = time.process_time()  # this process's own: the machine may be busy with something else
    built = docs.Site(ROOT, out).build()
    built.seconds = time.process_time() - start
    return built


# What takes longest starts first, so that no worker is left alone with it at the end. Seconds on
# one core, estimated; what is not named is short. A group goes to one worker as a whole.
SECONDS = dict(test_docs=420, test_browser=100, test_cli=100, test_resume=80, test_lab=70)
SECONDS |= dict(test_going_on=60, test_guard=45, test_lines=35, test_widgets=30, test_scaling=30)
SECONDS |= dict(test_inspection=90, test_efficientnet=40, test_train=40, test_simulate=25)
SECONDS |= dict(test_headers=25, test_files=25, test_labels=25, test_folders=20, test_wheel=25)
SECONDS |= dict(test_tools=20, test_opens_shorts=20, test_mutations=20, test_mutated_models=20)
SECONDS |= dict(test_mosaics=15, test_house=15, test_data=15, test_wrong_answers=35)
SECONDS |= dict(signals=110, scenes=105, explain=100, anomaly=98, upsample=96, implant=84)
SECONDS |= dict(classify_detect=85, text=72, mosaics=60, superres=50, deploy=40, train=65)
SECONDS |= dict(segmentation=30, efficientnet=35, inspection=30, checkpoints=30, circuits=30)
SECONDS |= dict(comparator=45, test_comparator=40, promise=30, lots=25, test_lots=15)
SECONDS |= dict(test_paint=60, strokes=40, test_checkup=45, test_outlines=30, test_exchange=50)
SECONDS |= dict(test_splits=25, splits=15, exchange=45, findings=5, case=10, checkup=10, repair=10)
SECONDS |= dict(test_clusters=60, clusters=15, test_pyramids=45, pyramids=15)
SECONDS |= dict(test_processes=55, processes=45, test_streams=40, rows=8, pairs=9, hub=6)
SECONDS |= dict(baselines=25, runs=25, unet=20, effunet=20, index=15, scaling=12, sliders=11)
SECONDS |= dict(own_model=25, files=10, headers=10, labels=10, cli=11, metrics=10, simulate=9)


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
    return (
        "test_docs" if file in ("test_quarto", "test_recall", "test_concepts", "test_run") else file
    )  # all look at `site`


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
