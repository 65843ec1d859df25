"The report: well-formed, self-contained, escaped, small enough, and readable whatever is missing."

import base64
import getpass
import io
import math
import platform
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_browser import chromium, visit  # noqa: F401  (fixtures)

import unet_explorer
from unet_explorer.contracts import InputError
from unet_explorer.metrics import evaluate
from unet_explorer.machine import system_facts
from unet_explorer.report import curve, smooth, worst_to_best, write_findings, write_report

SIDE = 384  # the lesson promises that no picture on the page is larger

EVIL = "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"


class Reader(HTMLParser):
    "Tags, attributes and text of a page; fails where tags do not match."

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attrs, self.text = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [(tag, k, v or "") for k, v in attrs]
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [(tag, k, v or "") for k, v in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def sample(seed=0, h=40, w=50, k=2, c=1, **more):
    g = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, k, (h, w), generator=g)
    pred = torch.where(
        torch.rand(h, w, generator=g) < 0.8, truth, torch.randint(0, k, (h, w), generator=g)
    )
    return {
        "image": torch.rand(c, h, w, generator=g),
        "truth": truth,
        "pred": pred,
        "name": f"slice {seed}",
        "score": 0.5,
        **more,
    }


def scores_of(samples, classes=("cell", "membrane"), **kw):
    return evaluate(
        [s["pred"] for s in samples], [s["truth"] for s in samples], list(classes), **kw
    )


def page_of(tmp_path, **changed):
    "`(page, reader)` of a report, after the checks that hold for every report."
    samples = changed.get("samples", [sample()])
    history = {
        "step": [1, 2, 3],
        "train_loss": [3.0, 2.0, 1.0],
        "epoch_step": [3],
        "valid_loss": [1.5],
        "valid_score": [0.4],
    }
    given = dict(
        title="A title",
        settings={"lr": 0.003, "seed": 0},
        data={"name": "Toy", "licence": "CC0", "train": ["a", "b"]},
        history=history,
        samples=samples,
        scores=changed["scores"] if "scores" in changed else scores_of(samples),
        facts={"cores": 2},
    )
    path = write_report(tmp_path / "out" / "report.html", **{**given, **changed})
    assert list(path.parent.iterdir()) == [path]  # nothing half-written stays
    page = path.read_text(encoding="utf-8")
    reader = Reader(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    for tag, key, value in reader.attrs:
        assert not key.startswith("on"), (tag, key)
        if key in ("src", "href", "xlink:href", "srcset", "action", "data", "background", "poster"):
            assert value.startswith("data:image/png;base64,"), (tag, key, value[:40])
    assert "@import" not in page and not re.search(r"url\s*\(", page)
    images, alts = (
        [v for t, k, v in reader.attrs if (t, k) == ("img", want)] for want in ("src", "alt")
    )
    assert len(images) == len(alts) == reader.tags.count("img") == 4 * len(samples) and all(
        a.strip() for a in alts
    )
    for svg in re.findall("<svg.*?</svg>", page):
        assert "nan" not in svg.split(">", 1)[1] and "inf" not in svg.split(">", 1)[1]
    return page, reader


def pictures(page):
    return [
        Image.open(io.BytesIO(base64.b64decode(b)))
        for b in re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    ]


def test_a_plain_report(tmp_path):
    page, reader = page_of(
        tmp_path,
        notes=["It failed at night."],
        command="unet-explorer demo --seed 0",
        baselines=[
            {"name": "Rival", "metric": "mean IoU", "value": 0.123, "source": "a paper"},
            {"name": "Rival", "metric": "Dice of membrane", "value": 0.321},
        ],
    )
    text = " ".join(reader.text)
    for word in (
        "A title",
        "held-out image of Toy",
        "CC0",
        "2: a, b",
        "It failed at night.",
        "unet-explorer demo --seed 0",
        "0.003",
        "Settings",
        "Data and split",
        "Training",
        "Held-out images",
        "Scores",
        "Time, machine and versions",
        "Do it again",
        "membrane",
        "Rival",
        "0.123",
        "a paper",
        "slice 0",
        "step",
        "loss",
    ):
        assert word in text, word
    s = scores_of([sample()])
    assert f"{s['mean_iou']:.3f}" in text and f"{s['dice']['membrane']:.3f}" in text
    assert (
        page.startswith("<!doctype html>")
        and 'name="viewport"' in page
        and "prefers-color-scheme: dark" in page
    )
    assert "default-src 'none'" in page


def test_everything_is_escaped(tmp_path):
    samples = [sample(name=EVIL, score=EVIL)]
    page, reader = page_of(
        tmp_path,
        title=EVIL,
        settings={EVIL: EVIL, "list": [EVIL] * 50, "dict": {EVIL: EVIL}},
        data={"name": EVIL, "train": [EVIL]},
        samples=samples,
        scores=scores_of(samples, ("a", EVIL)),
        facts={EVIL: EVIL},
        notes=[EVIL],
        headline=EVIL,
        command=EVIL,
        baselines=[{"name": EVIL, "metric": EVIL, "value": EVIL, "source": EVIL}],
    )
    assert "<script" not in page and "<img src=x" not in page
    assert "".join(reader.text).count("<script>alert(1)</script>") > 20  # there, as text


@pytest.mark.parametrize(
    "history",
    [
        {},
        None,
        {"step": [], "train_loss": []},
        {"step": np.arange(3), "train_loss": np.ones(3)},
        {"step": [1], "train_loss": [0.7]},  # interrupted after a single step
        {
            "step": [1],
            "train_loss": [0.7],
            "epoch_step": [1],
            "valid_loss": [0.6],
            "valid_score": [0.5],
        },
        {"step": [1, 2, 3], "train_loss": [0.7]},  # interrupted in between
        {
            "step": [1, 2],
            "train_loss": [float("nan"), float("inf")],
            "epoch_step": [2],
            "valid_loss": [None],
            "valid_score": [float("nan")],
        },
        {
            "step": [1, 2],
            "train_loss": [0.5, 0.5],
            "epoch_step": [1, 2],
            "valid_loss": [0.5, 0.5],
            "valid_score": [0, 0],
        },  # flat
        {"step": list(range(100_000)), "train_loss": [1.0] * 100_000},
    ],
    ids=lambda h: str(h)[:50],
)
def test_any_history(tmp_path, history):
    page, reader = page_of(tmp_path, history=history)
    loss = (history or {}).get("train_loss", ())
    drawn = any(math.isfinite(v) for v in loss)
    assert ("<svg" in page) == drawn
    assert drawn or "No training history was recorded." in page
    assert len(page) < 200_000


def test_missing_numbers(tmp_path):
    scores = {
        **scores_of([sample()]),
        "mean_iou": None,
        "rand_f": float("nan"),
        "iou": {"cell": float("nan"), "membrane": None},
    }
    page, reader = page_of(
        tmp_path,
        scores=scores,
        samples=[sample(score=float("nan")), sample(1, score={"mean IoU": None})],
        settings={
            "a": float("nan"),
            "b": None,
            "c": np.float32("nan"),
            "d": torch.tensor(float("nan")),
        },
    )
    text = " ".join(reader.text)
    assert (
        not re.search(r"\bnan\b|\bNone\b", text)
        and "score n/a" in text
        and "mean IoU n/a" in text
        and text.count("n/a") >= 9
    )


def test_nothing_at_all(tmp_path):
    page, reader = page_of(
        tmp_path, settings={}, data={}, history={}, samples=[], scores={}, facts={}
    )
    assert sum("No " in t or "Nothing" in t for t in reader.text) >= 6


@pytest.mark.parametrize(
    "k, classes",
    [
        (2, "metal"),
        (12, [f"class {i}" for i in range(12)]),
        (30, [f"class {i}" for i in range(30)]),
    ],
)
def test_classes(tmp_path, k, classes):
    samples = [sample(k=k)]
    s = evaluate([samples[0]["pred"]], [samples[0]["truth"]], classes)
    page, reader = page_of(tmp_path, samples=samples, scores=s)
    text = " ".join(reader.text)
    assert all(name in text for name in s["classes"])
    assert ("colours repeat" in text) == (k > 8) and ("one class taken for another" in text) == (
        k > 2
    )


@pytest.mark.parametrize("h, w", [(1, 1), (1, 900), (700, 3), (127, 128), (384, 384), (385, 20)])
@pytest.mark.parametrize("c", [1, 3])
def test_sizes(tmp_path, h, w, c):
    page, reader = page_of(tmp_path, samples=[sample(h=h, w=w, c=c)], scores={})
    for picture in pictures(page):
        assert max(picture.size) == min(SIDE, max(h, w)) and min(picture.size) >= 1
    assert ("shown at" in page) == (max(h, w) > SIDE) and f"{w} x {h} pixels" in page


def test_a_huge_image(tmp_path):
    h, w = 6000, 7001
    image, m = (
        torch.linspace(0, 1, w).expand(1, h, w),
        torch.zeros(1, 1, dtype=torch.int64).expand(h, w),
    )
    started = time.time()
    page, _ = page_of(
        tmp_path,
        samples=[{"image": image, "truth": m, "pred": m, "name": "huge", "score": 1}],
        scores={},
    )
    assert time.time() - started < 30 and len(page) < 1_000_000
    assert {p.size for p in pictures(page)} == {(SIDE, round(SIDE * h / w))}


def test_six_noisy_images_stay_below_5_MB(tmp_path):
    page, _ = page_of(tmp_path, samples=[sample(i, 512, 512) for i in range(6)])
    assert len(page) < 5_000_000


def test_one_wrong_pixel_is_seen(tmp_path):
    s = sample(h=200, w=200)
    s["pred"] = s["truth"].clone()
    s["truth"][100, 100], s["pred"][100, 100] = 1, 0
    page, _ = page_of(tmp_path, samples=[s])
    r, g, b = pictures(page)[3].convert("RGB").getpixel((100, 100))
    assert b > 120 and r < 60, "a missed pixel is blue"


def test_sizes_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="slice 0: pred of shape") as e:
        page_of(tmp_path, samples=[sample(pred=torch.zeros(3, 3, dtype=torch.int64))], scores={})
    assert "\n" not in str(e.value)
    with pytest.raises(InputError, match="slice 0"):
        page_of(tmp_path, samples=[sample(image=torch.full((1, 40, 50), float("nan")))], scores={})
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", "t", {}, {}, {}, [], {}, {})


def test_facts():
    facts = system_facts()
    assert {
        "date",
        "processor",
        "cores",
        "memory",
        "GPU",
        "system",
        "Python",
        "torch",
        "numpy",
        "timm",
        "fastai",
    } <= set(facts)
    assert all(isinstance(v, str) and v and "\n" not in v for v in facts.values())
    told = " ".join(facts.values())
    assert (
        str(Path.home()) not in told
        and str(Path.cwd()) not in told
        and platform.node() not in told.split()
    )
    assert getpass.getuser() not in told.split() and not re.search(r"(?<!\w)/\w+/", told)
    assert (
        torch.__version__.startswith(facts["torch"])
        and facts["unet-explorer"] == unet_explorer.__version__
    )


def test_curve_and_smooth():
    svg = curve([("a <b>", [(0, 1.0), (10, 0.0)], "line")], "x & y", 'quo"te', 'la"bel')
    assert "a &lt;b&gt;" in svg and "x &amp; y" in svg and 'aria-label="la&quot;bel"' in svg
    assert svg.count('stroke="var(--line') == 2  # the curve, and its key
    Reader(svg)
    assert smooth([]) == [] and smooth([(0, 5.0)]) == [(0, 5.0)]
    flat = smooth([(i, 2.0) for i in range(100)])
    assert all(abs(y - 2) < 1e-12 for _, y in flat)  # unbiased from the start


def test_worst_median_best():
    "By score, equal ones by name; no image twice; all where there are few."
    names = [f"i{i:02d}" for i in range(30)]
    values = [((7 * i) % 30) / 30 for i in range(30)]
    picked = worst_to_best(values, names)
    assert [round(values[i] * 30) for i, _ in picked] == [0, 1, 14, 15, 28, 29]
    assert [rank for _, rank in picked] == [
        *("worst (1 of 30)", "worst (2 of 30)", "median (15 of 30)", "median (16 of 30)"),
        *("best (29 of 30)", "best (30 of 30)"),
    ]
    turned = worst_to_best(values[::-1], names[::-1])
    assert [names[::-1][i] for i, _ in turned] == [names[i] for i, _ in picked]
    for n in range(1, 12):
        for at_most in (3, 4, 6, 9):
            equal = worst_to_best([0.5] * n, names[:n][::-1], at_most)
            places = [n - 1 - i for i, _ in equal]
            assert (
                places == sorted(set(places))
                and len(places) == min(n, at_most // 3 * 3)
                or (n == at_most == len(places))
            )
            assert n == 1 or places[0] == 0 and places[-1] == n - 1
            assert n < 3 or (n - 1) // 2 in places  # the median is among them
    odd = worst_to_best([0.9, None, float("nan"), 0.1], list("abcd"))
    assert odd == [(3, "worst (1 of 2)"), (0, "best (2 of 2)"), *((i, odd[2][1]) for i in (1, 2))]


def named(n, **more):
    "Scores of `n` images with names, and six samples of them."
    samples = [sample(i, name=f"slice {i:02d}") for i in range(n)]
    s = scores_of(samples, names=[x["name"] for x in samples], **more)
    picked = worst_to_best([i["mean_dice"] for i in s["per_image"]], [x["name"] for x in samples])
    return s, [
        dict(samples[i], rank=rank, score={"mean Dice": s["per_image"][i]["mean_dice"]})
        for i, rank in picked
    ]


def test_the_choice_is_said_and_all_are_listed(tmp_path):
    s, chosen = named(14, objects="membrane")
    page, reader = page_of(tmp_path, samples=chosen, scores=s)
    text = " ".join(reader.text)
    assert "Held-out images: worst, median and best of 14 by mean Dice" in text
    assert text.index("worst (1 of 14)") < text.index("median (7 of 14)") < text.index("best (14")
    table = page[page.index("<details><summary>All 14 images, worst first") :].split("</details>")[
        0
    ]
    listed = re.findall(r"<th scope=row>(slice \d\d)</th><td>([.\d]+)</td>", table)
    values = [float(v) for _, v in listed]
    assert len(listed) == 14 and values == sorted(values) and listed[0][0] == chosen[0]["name"]
    assert "Rand F of membrane" in table


def test_intervals_stand_beside_the_scores(tmp_path):
    s, chosen = named(8)
    page, reader = page_of(tmp_path, samples=chosen, scores=s)
    low, high = s["interval"]["dice"]["membrane"]
    assert f"[{low:.3f}, {high:.3f}]" in page and s["interval"]["note"] in " ".join(reader.text)
    low, high = s["interval"]["mean_iou"]
    assert f"(95 %: {low:.3f} to {high:.3f})" in page
    few, chosen = named(3)
    page, reader = page_of(tmp_path, samples=chosen, scores=few)
    assert "3 images are too few" in page and "95 %" not in page and "<span class=ends></" in page
    assert "Held-out images: all 3, worst first" in page


def test_nothing_empty_is_shown(tmp_path):
    "A user's own files have no licence and nobody to cite."
    empty = {"licence": "", "citation": None, "homepage": "  ", "notes": [], "more": {}}
    rival = {"name": "Rival", "metric": "Dice of membrane", "value": 0.3}
    reports = [
        page_of(tmp_path, data={"name": "mine", **empty}, settings=empty, baselines=[rival])[0],
        write_findings(
            tmp_path / "f.html", "t", [], [], 1, 3, {"a": 1, **empty}, empty
        ).read_text(),
    ]
    for page in reports:
        assert not any(f">{name}<" in page for name in empty)
        assert not re.search(
            r"<t[dh][^>]*>\s*</td>|<li>\s*</li>|<ul></ul>|<th[^>]*></th></tr>", page
        )
        assert ">source<" not in page


def test_a_scale_bar_where_a_pixel_has_a_size(tmp_path):
    page, reader = page_of(tmp_path, samples=[sample(h=100, w=200, pixel_nm=5)])
    assert page.count('<span class=bar style="width:20.00%"') == 4  # 200 nm are 40 of 200 pixels
    assert page.count("<span>200 nm</span>") == 4 and "200 x 100 pixels of 5 nm" in page
    page, _ = page_of(tmp_path, samples=[sample(h=2000, w=4000, pixel_nm=5)])
    assert page.count('style="width:25.00%"') == 4 and "<span>5 µm</span>" in page  # thinned out
    assert "class=bar" not in page_of(tmp_path)[0]
    spot = dict(image=torch.rand(1, 40, 100), map=np.eye(40, 100), name="x", pixel_nm=2)
    found = write_findings(tmp_path / "f.html", "t", [], [spot], 0.5, 1, {}, {})
    assert found.read_text().count("<span>50 nm</span>") == 3


VISIBLE = """() => [...document.querySelectorAll('figure')].filter(f => f.offsetParent)
    .map(f => f.querySelector('figcaption').textContent)"""


def test_the_control_in_a_browser(tmp_path, visit):
    "Mouse and keys walk from image to errors; all four on paper; no other host; accessible."
    from test_docs import findings  # needs what builds the site

    s, chosen = named(7, objects="cell")
    beside = dict(name="Otsu's threshold", metric="Dice of membrane", value=0.1, source="here")
    chosen = [dict(x, pixel_nm=4) for x in chosen]
    page_of(tmp_path, samples=chosen, scores=s, baselines=[beside, dict(beside, metric="Dice")])
    address = (tmp_path / "out" / "report.html").as_uri()
    page = visit(address, ready=False, java_script_enabled=False)
    four = ["image", "truth", "prediction", "errors"]
    assert page.evaluate(VISIBLE) == four * 6
    page.get_by_role("group", name="Show of each image").get_by_label("side by side").focus()
    wide = page.locator("figure").first.bounding_box()["width"]
    for what in four:
        page.keyboard.press("ArrowRight")
        assert page.evaluate(VISIBLE) == [what] * 6
    assert page.locator("figure").nth(3).bounding_box()["width"] > 1.4 * wide
    page.get_by_label("truth", exact=True).click()
    assert page.evaluate(VISIBLE) == ["truth"] * 6
    page.emulate_media(media="print")
    assert page.evaluate(VISIBLE) == four * 6 and not page.locator(".walk").is_visible()
    page = visit(address, ready=False)  # axe is a script
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert not findings(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert not findings(page)
    cut = "e => e.filter(x => x.scrollWidth > x.clientWidth).length"
    assert page.locator(".scroll").evaluate_all(cut) == 0
    sizes = page.locator(".walk label").evaluate_all("e => e.map(x => x.offsetHeight)")
    assert min(sizes) >= 24
