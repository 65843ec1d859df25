"What others understand: packages of BioImage.IO, folders on the hub, layers of napari, int8."

import http.server
import io
import json
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from conftest import ROOT

from unet_explorer.contracts import InputError
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.effunet import EffUNet, model_card, restore, save
from unet_explorer.files import load_mask
from unet_explorer.images import save_image, save_mask


def small(**more):
    model = EffUNet(decoder=(16, 16, 8, 8), convs=1, pretrained=False, **more).eval()
    model.about = dict(classes=["gap", "metal", "void"][: max(2, more.get("n_classes", 1))])
    return model


@pytest.fixture(scope="module")
def model():
    model = small()
    model.about["pixel_nm"] = 4.0
    return model


# BioImage.IO ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(model, tmp_path_factory):
    pytest.importorskip("bioimageio.core")
    from unet_explorer.exchange import to_bioimageio

    return to_bioimageio(model, tmp_path_factory.mktemp("zoo") / "m.bioimageio.zip", licence="MIT")


def without(package, out, name, content=None):
    "A copy of a package with another file in it."
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(out, "w") as new:
        for n in old.namelist():
            new.writestr(n, content if n == name and content is not None else old.read(n))
    return out


def as_npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_npy(package, name):
    with zipfile.ZipFile(package) as z:
        return np.load(io.BytesIO(z.read(name)))


def test_a_package_passes_the_test_of_bioimageio_itself(package, model):
    import bioimageio.core

    assert bioimageio.core.test_model(package).status == "passed"
    described = bioimageio.core.load_model_description(package)
    image, probability = described.inputs[0], described.outputs[0]
    assert [a.id for a in image.axes] == ["batch", "channel", "y", "x"]
    assert image.axes[2].size.min == 64 and image.axes[2].size.step == 1
    assert image.axes[3].scale == 4 and image.axes[3].unit == "nanometer"
    assert list(probability.axes[1].channel_names) == ["metal"]
    assert str(described.license) == "MIT" and described.authors[0].name == "NOT TOLD"
    x = torch.from_numpy(read_npy(package, "test_input.npy"))
    expected = model(x).sigmoid().detach().numpy()
    np.testing.assert_allclose(read_npy(package, "test_output.npy"), expected, atol=1e-5)


def test_a_wrong_answer_is_refused(package, tmp_path):
    from unet_explorer.exchange import test_package

    answer = read_npy(package, "test_output.npy")
    answer[0, 0, 5, 7] += 0.1  # one number of many
    bad = without(package, tmp_path / "bad.zip", "test_output.npy", as_npy(answer))
    with pytest.raises(InputError, match="does not pass its own test"):
        test_package(bad)
    (tmp_path / "no.zip").write_text("no package")
    with pytest.raises(InputError, match="not a package|does not pass") as e:
        test_package(tmp_path / "no.zip")
    assert "\n" not in str(e.value)


def test_what_fails_its_test_is_never_there(model, tmp_path, monkeypatch):
    pytest.importorskip("bioimageio.core")
    from unet_explorer import exchange
    from unet_explorer.deploy import to_onnx

    other = small(seed=1)
    monkeypatch.setattr(exchange, "to_onnx", lambda model, path: to_onnx(other, path))
    with pytest.raises(InputError, match="does not pass its own test"):
        exchange.to_bioimageio(model, tmp_path / "m.zip")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    for more, word in (
        (dict(licence="my own"), "license"),
        (dict(example=torch.rand(1, 40, 90)), "64 pixels"),
        (dict(cite={"a paper": "no doi"}), "cite|doi"),
    ):
        with pytest.raises(InputError, match=word) as e:
            exchange.to_bioimageio(model, tmp_path / "m.zip", **more)
        assert "\n" not in str(e.value) and list(tmp_path.iterdir()) == []


def test_several_classes_and_colours(tmp_path):
    pytest.importorskip("bioimageio.core")
    from unet_explorer.exchange import to_bioimageio

    model = small(n_classes=3, in_ch=3)
    example = torch.rand(3, 300, 90, generator=torch.Generator().manual_seed(0))
    path = to_bioimageio(model, tmp_path / "m.zip", example, title="A / strange: title")
    p = read_npy(path, "test_output.npy")
    assert p.shape == (1, 3, 256, 90) and np.allclose(p.sum(1), 1, atol=1e-5)


# the hub ----------------------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    "As much of the hub as is needed to fetch a model."

    folder, sha = None, "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        path, files = self.path.partition("?")[0], sorted(p.name for p in self.folder.iterdir())
        name = path.rpartition("/")[2]
        if path.startswith("/org/model/resolve/") and name in files:
            body = (self.folder / name).read_bytes()
        elif path.startswith("/api/models/org/model/tree"):
            listed = [
                dict(type="file", path=n, size=(self.folder / n).stat().st_size, oid=f"{i:040x}")
                for i, n in enumerate(files)
            ]
            body = json.dumps(listed).encode()
        elif path.startswith("/api/models/org/model"):
            siblings = [dict(rfilename=n) for n in files]
            body = json.dumps(dict(id="org/model", sha=self.sha, siblings=siblings)).encode()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{abs(hash(body)):040x}"')
        self.send_header("X-Repo-Commit", self.sha)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, *args):
        "Says nothing."


@pytest.fixture
def hub(tmp_path, monkeypatch):
    "A server on this machine in place of the hub, and an empty cache."
    from huggingface_hub import constants

    Hub.folder = tmp_path / "on_the_hub"
    Hub.folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield Hub.folder
    server.shutdown()


def test_a_model_comes_from_the_hub_and_a_folder_here_goes_first(hub, model, tmp_path):
    save(model, hub)
    (hub / "notes.txt").write_text("not asked for")
    x = torch.rand(1, 1, 70, 90)
    for name in ("org/model", "hf://org/model"):
        fetched = EffUNet.from_pretrained(name)
        assert fetched.about == model.about and torch.equal(fetched(x), model(x))
    assert not list(tmp_path.glob("cache/**/notes.txt"))
    with pytest.raises(InputError, match="org/nobody: no such folder here, and it cannot") as e:
        EffUNet.from_pretrained("org/nobody")
    assert "\n" not in str(e.value)
    other = small(n_classes=3)
    save(other, "org/model")
    with pytest.warns(UserWarning, match="the folder here is read"):
        assert EffUNet.from_pretrained("org/model").config["n_classes"] == 3
    assert EffUNet.from_pretrained("hf://org/model").config["n_classes"] == 1


def test_without_a_network_there_is_one_line(model, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    nobody = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="check the name and the network") as e:
        EffUNet.from_pretrained("org/model")
    assert "\n" not in str(e.value)
    with pytest.raises(InputError, match="hf://org/model: cannot be sent") as e:
        model.push_to_hub("org/model")
    assert "\n" not in str(e.value)
    for bad in ("model", "a/b/c", "../x", "org/model@v1", ""):
        with pytest.raises(InputError, match="'org/name'"):
            model.push_to_hub(bad)


def test_what_is_sent_is_a_model_with_a_card(model, tmp_path, monkeypatch):
    from huggingface_hub import HfApi

    asked = {}
    monkeypatch.setattr(
        HfApi, "create_repo", lambda self, repo, **how: asked.update(how) or f"https://hub/{repo}"
    )
    monkeypatch.setattr(
        HfApi,
        "upload_folder",
        lambda self, repo_id, folder_path, **how: shutil.copytree(folder_path, tmp_path / repo_id),
    )
    scores = dict(dice={"gap": 0.9, "metal": 0.8123}, n_images=4)
    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "metrics.json").write_text(
        json.dumps(dict(scores=scores, held_out="test", data=dict(name="Chips of a lot")))
    )
    where = model.push_to_hub("org/model", trained, licence="cc-by-4.0", private=True)
    assert where == "https://hub/org/model" and asked == dict(private=True, exist_ok=True)
    sent = tmp_path / "org/model"
    files = {"config.json", "model.safetensors", "README.md", "metrics.json"}
    assert {p.name for p in sent.iterdir()} == files
    card = (sent / "README.md").read_text()
    assert card.startswith("---\nlibrary_name") and "license: cc-by-4.0" in card
    for word in ("| 1 | metal | 0.812 |", "test part, 4 pictures", "Chips of a lot", "4 nm"):
        assert word in card, card
    assert restore(sent).about == model.about
    bare = model_card(model, tmp_path)
    assert "NOT MEASURED" in bare and bare.count("TO BE FILLED IN") == 2
    (trained / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        model.save_pretrained(tmp_path / "x", trained)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("my own words")
    model.save_pretrained(tmp_path / "mine")
    assert (tmp_path / "mine/README.md").read_text() == "my own words"


# napari -----------------------------------------------------------------------------------------


@pytest.fixture
def manager():
    npe2 = pytest.importorskip("npe2")
    pm = npe2.PluginManager.instance()
    if "unet-explorer" not in pm:
        pm.register(npe2.PluginManifest.from_file(ROOT / "unet_explorer/napari.yaml"))
    return pm


def numbers(*shape):
    return np.random.default_rng(0).integers(0, 60000, shape, dtype=np.uint16)


def write_tiff(path, a, um=0.002):
    about = dict(imagej=True, metadata=dict(unit="um")) if um else {}
    more = dict(resolution=(1 / um, 1 / um)) if um else {}
    tifffile.imwrite(path, a, photometric="minisblack", **about, **more)
    return path


def test_npe2_reads_with_values_and_scale(manager, tmp_path):
    import npe2

    a = numbers(40, 50)
    (layer,) = npe2.read([str(write_tiff(tmp_path / "one.tif", a))], stack=False)
    data, settings, kind = layer
    assert kind == "image" and data.dtype == np.uint16 and np.array_equal(data, a)
    assert settings["name"] == "one" and settings["units"] == ("um", "um")
    assert settings["scale"] == pytest.approx((0.002, 0.002))
    stack = numbers(3, 40, 50)
    ((data, settings, _),) = npe2.read([str(write_tiff(tmp_path / "n.tif", stack))], stack=False)
    assert np.array_equal(data, stack) and settings["scale"] == pytest.approx((1, 0.002, 0.002))
    save_image(tmp_path / "rgb.png", torch.rand(3, 20, 30))
    ((data, settings, _),) = npe2.read([str(tmp_path / "rgb.png")], stack=False)
    assert data.shape == (20, 30, 3) and settings["rgb"] is True and "scale" not in settings


def test_files_of_a_folder_that_are_alike_become_one_layer(manager, tmp_path):
    import npe2

    files = [write_tiff(tmp_path / f"slice{i}.tif", numbers(40, 50) + i) for i in (1, 2, 10)]
    for layers in (
        npe2.read([str(tmp_path)], stack=False),
        npe2.read([str(f) for f in files], stack=True),
    ):
        ((data, settings, _),) = layers
        assert data.shape == (3, 40, 50) and (data[2] - data[0] == 9).all()
        assert settings["scale"] == pytest.approx((1, 0.002, 0.002))
    write_tiff(tmp_path / "zoom.tif", numbers(20, 20), None)
    assert len(npe2.read([str(tmp_path)], stack=False)) == 4
    with pytest.raises(Exception, match="No compatible readers"):
        npe2.read([str(tmp_path / "a.docx")], stack=False)
    (tmp_path / "torn.tif").write_bytes(files[0].read_bytes()[:100])
    with pytest.raises(InputError, match=r"torn\.tif") as e:
        npe2.read([str(tmp_path / "torn.tif")], stack=False)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_npe2_writes_labels_that_we_read(manager, tmp_path, name):
    import npe2

    a = np.zeros((30, 40), np.int32)
    a[3:9, 4:20] = 2
    (out,) = npe2.write(str(tmp_path / name), [(a, dict(name="metal", scale=(1, 1)), "labels")])
    assert np.array_equal(load_mask(out), a)


def test_labels_that_no_mask_can_hold(tmp_path):
    from unet_explorer.exchange import write_labels

    written = write_labels(tmp_path / "s.png", np.ones((2, 5, 6), np.uint16), {})
    assert [Path(p).name for p in written] == ["s_page0000.png", "s_page0001.png"]
    assert write_labels(tmp_path / "bare", np.ones((5, 6), bool), {})[0].endswith("bare.png")
    for bad in (np.full((4, 4), -1), np.full((4, 4), 70000), np.zeros((4, 4)), np.zeros(4, int)):
        with pytest.raises(InputError):
            write_labels(tmp_path / "bad.png", bad, {})
    with pytest.raises(InputError, match="jpg"):
        write_labels(tmp_path / "bad.jpg", np.ones((5, 6), int), {})
    assert not list(tmp_path.glob("bad*"))


def test_the_manifest_names_what_is_there(manager):
    from unet_explorer.files import EM
    from unet_explorer.images import SUFFIXES

    manifest = manager.get_manifest("unet-explorer")
    reader, writer = manifest.contributions.readers[0], manifest.contributions.writers[0]
    assert {p.removeprefix("*") for p in reader.filename_patterns} == {*SUFFIXES, *EM}
    assert writer.filename_extensions == [".png", ".tif"]
    for command in manifest.contributions.commands:
        assert callable(command.exec) and manager.commands.get(command.id)
    (image, _, kind), (labels, _, other) = manager.commands.execute("unet-explorer.sample")
    assert image.shape == labels.shape and (kind, other) == ("image", "labels")


# int8, OpenVINO ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chips():
    return load("simulated", n=9, size=(96, 96))["train"]


def test_int8_is_taken_only_when_told(model, chips, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from unet_explorer import deploy

    pictures = [sample(chips, i)[0] for i in range(3)]
    monkeypatch.setattr(deploy, "BACKENDS", {"float32": deploy.BACKENDS["float32"]})
    free = deploy.Segmenter(model, (64, 64), repeats=1)
    assert set(free.timings) == {"float32"}
    told = deploy.Segmenter(
        model, (64, 64), "int8", repeats=1, calibrate=pictures, example=pictures[0], tolerance=1
    )
    assert told.backend == "int8" and 0 < told.differences["int8"] < 0.3
    for odd in (torch.rand(1, 1, 70, 91), torch.rand(2, 1, 33, 32)):
        assert told.logits(odd).shape == odd.shape
    with pytest.raises(InputError, match=r"calibrate=\[\.\.\.\]"):
        deploy.Segmenter(model, (64, 64), "int8")
    with pytest.raises(InputError, match="does not use it"):
        deploy.Segmenter(model, (64, 64), "float32", calibrate=pictures)
    with pytest.raises(InputError, match="differs from float32"):
        deploy.Segmenter(model, (64, 64), "int8", calibrate=pictures, tolerance=0)
    with pytest.raises(InputError, match="some pictures"):
        deploy.to_int8(model, tmp_path / "m.onnx", [])
    assert not list(tmp_path.iterdir())


def test_agreement_counts_pixels_and_dice():
    from unet_explorer.deploy import agreement

    image = torch.zeros(1, 2, 2)
    before = torch.tensor([[[[1.0, 1], [-1, -1]]]])
    after = torch.tensor([[[[1.0, -1], [-1, -1]]]])
    truth = torch.tensor([[1, 1], [0, 0]])
    said = agreement(lambda x: before, lambda x: after, [image], [truth])
    assert said == dict(same=0.75, dice_before=1.0, dice_after=pytest.approx(2 / 3))
    assert agreement(lambda x: before, lambda x: after, [image]) == dict(same=0.75)
    with pytest.raises(InputError, match="a mask for each"):
        agreement(lambda x: before, lambda x: after, [image], [])


def test_openvino_gives_the_numbers_of_torch(model):
    pytest.importorskip("openvino")
    from unet_explorer.deploy import BACKENDS

    run = BACKENDS["openvino"](model)
    for b, h, w in ((1, 64, 64), (2, 31, 57), (1, 1, 1)):
        x = torch.rand(b, 1, h, w)
        with torch.no_grad():
            torch.testing.assert_close(run(x), model(x), rtol=1e-3, atol=1e-3)


def test_openvino_makes_a_graph_for_a_size_that_comes_again(model, monkeypatch):
    pytest.importorskip("openvino")
    from unet_explorer import deploy

    monkeypatch.setattr(deploy, "OWN_SIZES", 2)
    run = deploy.BACKENDS["openvino"](model)
    pictures = [torch.rand(1, 1, side, 32) for side in (32, 64, 32, 96, 64, 96, 96, 32)]
    owned = []
    for x in pictures:
        with torch.no_grad():
            torch.testing.assert_close(run(x), model(x), rtol=1e-3, atol=1e-3)
        owned.append(sorted(shape[2] for shape in run.own))
    assert owned == [[], [], [32], [32], [32, 64], [32, 64], [32, 64], [32, 64]]


def test_openvino_computes_8_bits_for_one_size_at_a_time(model, chips, monkeypatch):
    "Of any size its 8-bit graph is wrong; so each size gets its own, however many there are."
    pytest.importorskip("openvino")
    from unet_explorer import deploy

    monkeypatch.setattr(deploy, "OWN_SIZES", 1)
    pictures = [sample(chips, i)[0] for i in range(3)]
    how = dict(repeats=1, calibrate=pictures, example=pictures[0], tolerance=1)
    by_onnx = deploy.Segmenter(model, (64, 64), "int8", **how)
    by_intel = deploy.Segmenter(model, (64, 64), "int8-openvino", **how)
    for image in (*pictures, pictures[0][:, :64], pictures[1][:, :, :32]):
        one, other = (s.logits(image[None]).sigmoid() for s in (by_onnx, by_intel))
        assert float((one - other).abs().mean()) < 0.02
    assert by_intel.logits.any is None and len(by_intel.logits.own) == 1


@pytest.mark.parametrize("name", ["onnx", "openvino", "int8-openvino"])
def test_backends_refuse_what_is_no_batch_and_serve_threads(model, chips, name):
    "An empty batch ended the process; two threads got each other's result."
    from concurrent.futures import ThreadPoolExecutor

    pytest.importorskip("openvino")
    from unet_explorer import deploy

    pictures = [sample(chips, i)[0] for i in range(3)]
    made = {**deploy.BACKENDS, **deploy.WHEN_TOLD}[name]
    run = made(model) if name in deploy.BACKENDS else made(model, pictures)
    for wrong in (torch.rand(0, 1, 32, 32), torch.rand(1, 3, 32, 32), torch.rand(1, 32, 32)):
        with pytest.raises(InputError, match=r"expected \(batch, 1, h, w\)"):
            run(wrong)
    batches = [torch.rand(1, 1, 32 + 32 * (i % 5), 64) for i in range(60)]
    wanted = [run(x) for x in batches]
    assert run(batches[0].requires_grad_()).shape == batches[0].shape
    with ThreadPoolExecutor(6) as pool:
        for got, want in zip(pool.map(run, batches), wanted):
            torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)


# the command line -------------------------------------------------------------------------------


def test_export_by_the_ending_of_the_file(model, chips, tmp_path, capsys):
    pytest.importorskip("bioimageio.core")
    pytest.importorskip("onnxruntime")
    from unet_explorer.cli import main

    save(model, tmp_path / "model")
    for i in range(4):
        image, mask = sample(chips, i)
        save_image(tmp_path / f"images/{i}.png", image)
        save_mask(tmp_path / f"masks/{i}.png", mask)
    images, masks = ["--images", tmp_path / "images"], ["--masks", tmp_path / "masks"]

    def said(out, *more):
        code = main(["export", tmp_path / "model", "--out", tmp_path / out, *more])
        printed, err = capsys.readouterr()
        assert (code == 0) == (not err), err
        return printed or err

    assert "2 pictures" in said("a.int8.onnx", *images)
    dice = said("b.int8.onnx", *images, *masks)
    assert "Dice" in dice and "before" in dice and "pixels keep their class" in dice
    assert (tmp_path / "b.int8.onnx").stat().st_size < 5e6
    assert "passed its own test" in said("m.bioimageio.zip", *images, "--licence", "MIT")
    for line, word in (
        (("c.int8.onnx",), "--images FOLDER"),
        (("c.onnx", *images), "is made without it"),
        (("c.zip", *images, *masks), "--masks"),
        (("c.onnx", "--licence", "MIT"), "--licence"),
        (("c.zip", "--licence", "mine"), "license"),
        (("c.int8.onnx", "--images", tmp_path / "nowhere"), "nowhere"),
    ):
        err = said(*line)
        assert err.count("\n") == 1 and word in err, err
    assert not list(tmp_path.glob("c.*"))
