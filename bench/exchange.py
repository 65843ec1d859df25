"""What 8 bits and OpenVINO bring: two trained decoders of nbs/models/ (ISBI 2012, NASA Super 1),
calibrated with 16 training pictures, judged on the test part; and the milliseconds for one
picture of 512x512 on two threads, all in turn, round after round. At most three minutes."""

import logging
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from common import RESULTS, SPLIT, write

sys.path.insert(0, str(RESULTS.parent.parent / "tools"))

import docs_models
from unet_explorer.data import load
from unet_explorer.rows import sample
from unet_explorer.deploy import BACKENDS, CALIBRATION, Segmenter, agreement, to_int8, to_onnx
from unet_explorer.machine import has_bf16

ROUNDS, THREADS = 15, 2
DATA = ("isbi2012", "nasa_super1")


def flags():
    "Which instructions for small numbers the processor has."
    path = Path("/proc/cpuinfo")
    said = path.read_text().split() if path.is_file() else []
    return sorted({f for f in said if "vnni" in f or f in ("avx2", "avx512f", "amx_int8")})


def rows(part, n=None):
    count = len(part) if n is None else min(n, len(part))
    spread = [i * len(part) // count for i in range(count)]
    return [(x[:1], y) for x, y in (sample(part, i) for i in spread)]


def by_onnxruntime(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"image": x.contiguous().numpy()})[0])


def by_openvino(path, fixed):
    "With the size written into the graph, or any size."
    import openvino

    core = openvino.Core()
    graph = core.read_model(path)
    if fixed:
        graph.reshape([1, 1, 512, 512])
    how = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    how["INFERENCE_PRECISION_HINT"] = "f32"  # else bfloat16 where the processor has it
    run = core.compile_model(graph, "CPU", how)
    return lambda x: torch.from_numpy(run(x.contiguous().numpy())[0].copy())


def cost(name, folder):
    "What 8 bits cost on the test part of one data set."
    ds = load(name)
    model = docs_models.restored(RESULTS.parent / "models", name)
    learned = [x for x, _ in rows(ds["train"], CALIBRATION)]
    path = to_int8(model, folder / f"{name}.int8.onnx", learned)
    pictures, masks = map(list, zip(*rows(ds["test"])))
    said = agreement(model, by_onnxruntime(path), pictures, masks)
    said |= dict(pictures=len(pictures), megabytes=round(path.stat().st_size / 1e6, 2))
    other = Segmenter(model, backend="int8-openvino", calibrate=learned)
    said["by OpenVINO"] = agreement(model, other.logits, pictures, masks)
    print(name, said, flush=True)
    return model, path, said


def timed(runs):
    "Milliseconds of each: median, fastest, slowest."
    x = torch.rand(1, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    times = {name: [] for name in runs}
    for n in range(ROUNDS + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run(x)
            if n:  # the first is for warming up
                times[name].append((time.perf_counter() - start) * 1e3)
    return {
        name: dict(ms=statistics.median(t), fastest=min(t), slowest=max(t), rounds=len(t))
        for name, t in times.items()
    }


def main():
    logging.disable(logging.WARNING)
    torch.set_num_threads(THREADS)
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        found = {name: cost(name, folder) for name in DATA}
        model, small, _ = found["isbi2012"]
        plain = to_onnx(model, folder / "plain.onnx")
        runs = {"torch, float32": BACKENDS["float32"](model)}
        if has_bf16(torch.device("cpu")):
            runs["torch, bfloat16"] = BACKENDS["bfloat16"](model)
        runs |= {
            "ONNX Runtime, float32": by_onnxruntime(plain),
            "ONNX Runtime, int8": by_onnxruntime(small),
            "OpenVINO, float32": by_openvino(plain, False),
            "OpenVINO, float32, one size": by_openvino(plain, True),
            "OpenVINO, int8, one size": by_openvino(small, True),
        }
        x = rows(load("isbi2012")["test"], 1)[0][0][None]
        truth = model(x).sigmoid()
        differs = {n: float((f(x).sigmoid() - truth).abs().mean()) for n, f in runs.items()}
        times = timed(runs)
        odd = by_openvino(small, False)(x).sigmoid()
        differs["OpenVINO, int8, any size"] = float((odd - truth).abs().mean())
    for name, t in times.items():
        print(f"{name:30}{t['ms']:7.1f} ms   mean difference {differs[name]:.5f}")
    write(
        "exchange",
        cost={name: said for name, (_, _, said) in found.items()},
        times=times,
        differences=differs,
        threads=THREADS,
        instructions=flags(),
        split={name: SPLIT[name] for name in DATA},
        recipe=f"decoders of nbs/models/, encoder in 8 bits; int8 calibrated with {CALIBRATION} "
        "training pictures (MinMax, per channel, 7 bits of weight, first three convolutions left)",
    )


if __name__ == "__main__":
    main()
