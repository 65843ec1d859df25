"""Saved models and drawings that no program ever wrote: `config.json`, `model.safetensors` and SVG
with bytes that are flipped, cut, doubled, and values that are odd. Each is restored or refused in
one line: no traceback, no hang, no gigabytes."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mutate import changes, mutated
from sandbox import Sandbox
from unet_explorer.contracts import InputError
from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.layout import Layout, read_svg

QUIET = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))
QUIET |= dict(phases=[Phase.explicit, Phase.generate])
BYTES = ("flip", "put", "cut", "insert", "double", "lose")
SECONDS = 10  # of processor time: a model is built

ODD = [None, True, -1, 0, 1.5, 1e308, 10**9, 10**30, "", "b7", "lite9", "\u0000", [], [[]], [8], {}]
ODD += [[10**9] * 4, [-8, 8, 8, 8], ["8"] * 4, {"a": {"b": []}}, [[[[[1]]]]] * 3]
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 48" width="64" height="48">
<rect x="4" y="4" width="30" height="6"/><circle cx="40" cy="30" r="7"/>
<path d="M 2 40 L 20 40 L 20 46 Z"/><polygon points="50,4 60,4 60,20"/>
<line x1="0" y1="24" x2="64" y2="24" stroke-width="3"/></svg>
"""

# what runs in the sandbox -------------------------------------------------------------------------


def refused_or(what, legal):
    "The faults of a call."
    try:
        value = what()
        return [] if legal(value) else [f"no legal value: {str(value)[:200]}"]
    except InputError as e:
        good = "\n" not in str(e) and 10 < len(str(e)) < 600
        return [] if good else [f"not one line: {str(e)[:300]!r}"]
    except MemoryError:
        return ["more than 2 GB asked for"]
    except BaseException as e:
        return [f"{type(e).__name__}: {str(e)[:300]}"]


def answers(model):
    "Whether a restored model gives finite logits."
    with torch.no_grad():
        y = model.eval()(torch.zeros(1, model.config["in_ch"], 32, 32))
    return y.ndim == 4 and y.shape[-2:] == (32, 32)


def restored(folder):
    return refused_or(lambda: restore(folder), answers)


def drawn(path):
    return refused_or(lambda: read_svg(path), lambda d: isinstance(d, Layout))


# the tests ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box():
    with Sandbox("test_mutated_models") as box:
        yield box


@pytest.fixture(scope="module")
def model():
    folder = Path(tempfile.mkdtemp())
    tiny = dict(decoder=(8, 8, 8, 8), convs=1, pretrained=False)
    save(EffUNet(**tiny), folder / "model", classes=["gap", "metal"], pixel_nm=4.0)
    yield folder / "model"
    shutil.rmtree(folder)


def tried(box, model, **files):
    "The faults of a model one of whose files has another content."
    folder = model.parent / "mutated"
    shutil.copytree(model, folder, copy_function=os.link)
    for name, data in files.items():
        (folder / name).unlink()
        (folder / name).write_bytes(data)
    try:
        return box.call("restored", folder, seconds=SECONDS)
    finally:
        shutil.rmtree(folder)


def with_odd_value(config, which, value, inside):
    "The settings of a model with another value for one name, or for a name inside it."
    said = json.loads(config)
    places = [said, *(v for v in said.values() if isinstance(v, dict) and v)]
    place = places[inside % len(places)]
    names = [*place, "of another name"]
    place[names[which % len(names)]] = value
    return json.dumps(said).encode()


def odd_models(examples, **how):
    "Decorator: the test gets so many changes of a model."

    def decorate(test):
        number = st.integers(0, 99)
        value = st.tuples(number, st.sampled_from(ODD), number)
        some = st.one_of(value, value, changes(BYTES), changes(BYTES).map(lambda c: ("head", c)))
        return settings(max_examples=examples, **QUIET, **how)(given(done=some)(test))

    return decorate


def odd_model(box, model, done):
    config = (model / "config.json").read_bytes()
    weights = (model / "model.safetensors").read_bytes()
    if isinstance(done, list):
        return tried(box, model, **{"config.json": mutated(config, done)})
    if done[0] == "head":  # the tensors' names, types, shapes and places
        end = 8 + int.from_bytes(weights[:8], "little")
        changed = mutated(weights[:end], done[1]) + weights[end:]
        return tried(box, model, **{"model.safetensors": changed})
    return tried(box, model, **{"config.json": with_odd_value(config, *done)})


def drawings(examples, **how):
    def decorate(test):
        return settings(max_examples=examples, **QUIET, **how)(given(done=changes(BYTES))(test))

    return decorate


def odd_drawing(box, model, done):
    path = model.parent / "drawing.svg"
    path.write_bytes(mutated(DRAWING.encode(), done))
    return box.call("drawn", path, seconds=SECONDS)


def test_healthy_ones_have_no_faults(box, model):
    assert tried(box, model) == []
    assert odd_drawing(box, model, []) == []


@odd_models(60, derandomize=True)
def test_an_odd_model_is_restored_or_refused(box, model, done):
    assert odd_model(box, model, done) == []


@drawings(60, derandomize=True)
def test_an_odd_drawing_is_read_or_refused(box, model, done):
    assert odd_drawing(box, model, done) == []


@pytest.mark.slow
@odd_models(2000, print_blob=True)
def test_thousands_of_odd_models(box, model, done):
    assert odd_model(box, model, done) == []


@pytest.mark.slow
@drawings(2000, print_blob=True)
def test_thousands_of_odd_drawings(box, model, done):
    assert odd_drawing(box, model, done) == []
