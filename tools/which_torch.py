"""Which torch `make setup` installs, and how much there is to download.

On Linux, pip's own torch brings CUDA along, of no use without a card of NVIDIA's. There torch comes
from PyTorch's index of CPU wheels, if that answers. TORCH=cpu or TORCH=cuda decides by hand.
Standard library only, in the syntax of Python 3.6."""

import platform
import shutil
from glob import glob
from http.client import HTTPException
from threading import Thread
from urllib.request import Request, urlopen

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SIZES = dict(cpu=(0.8, 3.1), cuda=(3.6, 8.1))  # GB to download, GB on disk; measured in 2026-11


class Problem(Exception):
    "What is missing and how to get it, in one line."


def has_nvidia():
    places = "/dev/nvidia[0-9]*", "/proc/driver/nvidia", "/dev/dxg"  # the last: Windows' Linux
    return bool(shutil.which("nvidia-smi") or sum(map(glob, places), []))


def answers(url, seconds=5):
    "Does `url` answer? Asked in a thread, since a silent name server takes longer than `seconds`."
    heard = []

    def ask():
        try:
            heard.append(urlopen(Request(url, method="HEAD"), timeout=seconds).status)
        except (OSError, HTTPException):
            pass

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(heard)


def choose(wish):
    "`(index or None for pip's own, (GB to download, GB on disk), what to tell)`."
    if wish not in ("auto", "cpu", "cuda"):
        raise Problem(f"TORCH={wish}: there is no such torch; give auto, cpu or cuda")
    if platform.system() != "Linux":
        return None, SIZES["cpu"], ""
    if wish == "cuda":
        return None, SIZES["cuda"], ""
    if wish == "auto" and has_nvidia():
        return None, SIZES["cuda"], "torch with CUDA, for the NVIDIA card (TORCH=cpu is smaller)"
    if answers(CPU_INDEX + "/torch/"):
        return CPU_INDEX, SIZES["cpu"], f"torch without CUDA, from {CPU_INDEX}"
    if wish == "cpu":
        cure = "connect (behind a proxy, set HTTPS_PROXY) or leave TORCH out"
        raise Problem(f"TORCH=cpu: {CPU_INDEX} does not answer; {cure}")
    note = "no NVIDIA card here, but PyTorch's index of CPU wheels does not answer: CUDA comes too"
    return None, SIZES["cuda"], note
