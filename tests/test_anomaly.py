"Anomaly detection: alignment, what a detector compares with and whom it believes, kept and read."

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from unet_explorer.anomaly import (
    METHODS,
    SAYS,
    Detector,
    Tail,
    anomaly_map,
    fit_normal,
    load_detector,
    pick_threshold,
    save_detector,
)
from unet_explorer.baselines import Difference, PaDiM, PatchCore, coreset, in_one
from unet_explorer.comparator import Judge, load_judge
from unet_explorer.contracts import InputError, Interrupted
from unet_explorer.effunet import EffUNet, save
from unet_explorer.references import FEWEST, align, check_clean
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training

SIDE = 80


def quick(steps, **kw):
    return Training(steps=steps, bar=False, **dict(size=64, bs=2) | kw)


def made(n, layout, **kw):
    return inspection_set(n, (layout,), (), size=(SIDE, SIDE), seed=0, **kw)


@pytest.fixture(scope="module")
def rows():
    return made(10, "routed", reference=True)


@pytest.fixture(scope="module")
def clean(rows):
    return [r["image"] for r in rows]


@pytest.fixture(scope="module")
def pictures(clean, rows):
    "For each method pictures that it can be fitted to, and their references."
    lattice = [r["image"] for r in made(8, "contacts")]
    out = dict.fromkeys(METHODS, (clean[:8], None)) | dict(lattice=(lattice, None))
    return out | dict(die=(clean[:8], [r["reference"] for r in rows[:8]]))


@pytest.fixture(scope="module")
def detectors(pictures):
    "One of each kind, fitted when it is asked for."
    kept = {}

    def of(method):
        if method not in kept:
            images, references = pictures[method]
            how = dict(references=references) if references else dict(method=method)
            kept[method] = fit_normal(images, **how)
        return kept[method]

    return of


def spoiled(image):
    "With a square in the middle that is not what was there."
    out = image.clone()
    out[:, 34:46, 34:46] = 1 - out[:, 34:46, 34:46].mean().round()
    return out


def one_line(match, f, *args, **kwargs):
    with pytest.raises(InputError, match=match) as e:
        f(*args, **kwargs)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("shift", [(0, 0), (4, -7), (-11, 3)])
def test_align(clean, shift):
    back = align((torch.roll(clean[0], shift, (1, 2)) * 0.6 + 0.2), clean[0])
    np.testing.assert_allclose(back[:, 12:-12, 12:-12], clean[0][:, 12:-12, 12:-12], atol=0.05)
    with pytest.raises(InputError, match="must be equal"):
        align(clean[0][:, :50], clean[0])


# How rare -----------------------------------------------------------------------------------------


def test_a_tail_says_how_rare_values_are():
    "Exponential values larger than x are a share of exp(-x)."
    tail = Tail(np.random.default_rng(0).exponential(size=100_000))
    x = np.linspace(1, 14, 40)  # the last clean value lies near 11.5
    np.testing.assert_allclose(tail(x), x / np.log(10), atol=0.25)


@pytest.mark.parametrize("scale, place", [(1, 0), (1e-4, 0), (1e4, 0), (1, -300), (0, 7)])
def test_a_tail_rises_without_a_jump(scale, place):
    "Values of any size, also where all of them are one."
    values = place + scale * np.random.default_rng(1).normal(size=5000)
    tail = Tail(values.astype(np.float32))
    wide = max(np.ptp(values), 1e-4 * max(abs(place), 1))
    x = np.linspace(values.min() - wide, values.max() + wide, 20_001)
    y = tail(x)
    assert np.isfinite(y).all() and (np.diff(y) >= 0).all() and np.ptp(y) > 1
    if scale:
        assert np.diff(y).max() < 0.05
    assert tail(x.reshape(3, -1)).shape == (3, 6667) and y.dtype == np.float32


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [0, np.inf], "12", None])
def test_no_tail_of_these(values):
    one_line("Tail|values=", Tail, values)


# Every method -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*METHODS, "die"])
def test_a_detector_sees_what_does_not_belong(detectors, pictures, method):
    detector, (images, references) = detectors(method), pictures[method]
    more = [] if references is None else references[:1]
    m = anomaly_map(detector, spoiled(images[0]), *more)
    assert m.shape == (SIDE, SIDE) and m.dtype == np.float32 and np.isfinite(m).all()
    assert m[36:44, 36:44].mean() > np.percentile(m, 90)
    about = detector.about
    assert about["task"] == "anomaly" and about["method"] == detector.method == method
    assert about["says"] == detector.says and about["steps"] == 0
    seen = about["sees"][method]
    assert seen[detector.says] >= max(seen.values()) - 0.05
    both = detector.both(spoiled(images[0]), *more)
    assert set(both) == {"judge", "distance"} and not detector.judge.training


def test_of_several_methods_the_best_is_chosen(clean):
    about = fit_normal(clean[:8], method=["own", "memory"]).about
    best = {name: seen["both"] for name, seen in about["sees"].items()}
    assert set(best) == {"own", "memory"} and about["method"] == max(best, key=best.get)


def test_a_lattice_is_tried_where_there_is_one(pictures):
    two, none = ["lattice", "own"], [torch.rand(1, SIDE, SIDE) for _ in range(8)]
    assert set(fit_normal(pictures["lattice"][0], method=two).about["sees"]) == set(two)
    assert set(fit_normal(none, method=two).about["sees"]) == {"own"}
    one_line("most clean pictures have none", fit_normal, none, method="lattice")


def aligned(n, side=64):
    "Pictures of one thing: bars that stay, and a corner that is never the same."
    g = torch.Generator().manual_seed(0)
    bars = (torch.arange(side) // 8 % 2 * 0.4 + 0.3).repeat(side, 1)
    out = []
    for _ in range(n):
        image = bars + 0.02 * torch.randn(side, side, generator=g)
        image[:20, :20] = torch.rand(20, 20, generator=g)
        out.append(image.clamp(0, 1)[None])
    return out


def test_aligned_pictures_are_judged_place_by_place(tmp_path):
    *clean, new = aligned(25)
    found = fit_normal(clean, method=["memory", "place"])
    both = ("memory", "place")
    assert set(found.about["sees"]) == {f"{m}{p}" for m in both for p in ("", ", place by place")}
    eight = fit_normal(clean[:8], method=["memory", "place"])
    assert set(eight.about["sees"]) == set(both) and not eight.places, "eight are too few for it"
    plain = fit_normal(clean, method="memory")
    quiet = np.stack([np.ones((64, 64)), np.ones((64, 64))]).astype(np.float32)
    quiet[1, :20, :20] = 100
    parts = (plain.compared, plain.judge, "both", plain.tails)
    places = dict(judge=quiet, distance=quiet)
    detector = Detector("memory", *parts, about=plain.about, places=places)
    spoiled = new.clone()
    spoiled[:, 40:52, 40:52] = 0.55
    before, after = plain.both(spoiled), detector.both(spoiled)
    for k, m in after.items():
        np.testing.assert_allclose(m[20:], before[k][20:] - 1, atol=1e-4)
        np.testing.assert_allclose(m[:20, :20], (before[k][:20, :20] - 1) / 100, atol=1e-4)
    save_detector(detector, tmp_path)
    again = load_detector(tmp_path)
    np.testing.assert_allclose(again.anomaly_map(spoiled), detector.anomaly_map(spoiled), atol=1e-4)
    one_line("the same places of pictures of 64x64", again.anomaly_map, new[:, :48])
    assert plain.size is None and detector.size == again.size == (64, 64)


def test_a_picture_without_the_lattice_of_the_others_is_no_fault(pictures):
    "Neither among the clean ones, where not each is asked, nor later."
    lattice, noise = pictures["lattice"][0], torch.rand(1, SIDE, SIDE)
    images = [image for image in lattice for _ in range(2)]
    images[1] = noise
    detector = fit_normal(images, method="lattice")
    assert anomaly_map(detector, noise).shape == (SIDE, SIDE)


def test_same_seed_same_detector(clean, detectors):
    a, b = detectors("memory"), fit_normal(clean[:8], method="memory")
    assert a.about == b.about
    np.testing.assert_array_equal(anomaly_map(a, clean[9]), anomaly_map(b, clean[9]))
    other = fit_normal(clean[:8], method="memory", seed=1)
    assert other.about["sees"] != a.about["sees"]


@pytest.mark.parametrize("says", SAYS)
def test_whom_it_believes(detectors, clean, says):
    made = detectors("memory")
    detector = Detector("memory", made.compared, made.judge, says, made.tails)
    both = detector.both(clean[9])
    rare = {name: made.tails[name](m) for name, m in both.items()}
    wanted = both[says] if says != "both" else (rare["judge"] + rare["distance"]) / 2
    np.testing.assert_allclose(anomaly_map(detector, clean[9]), wanted, atol=1e-5)


def test_colours(rows):
    tinted = [r["image"] * torch.tensor([1.0, 0.8, 0.6])[:, None, None] for r in rows]
    detector = fit_normal(tinted, method="own")
    assert detector.channels == 3 and anomaly_map(detector, tinted[0]).shape == (SIDE, SIDE)
    one_line("1 channels, but there are 3", anomaly_map, detector, rows[0]["image"])


def test_a_reference_too_many_or_missing(clean, rows, detectors):
    refs = [r["reference"] for r in rows]
    one_line("compares with another die; give a ref", anomaly_map, detectors("die"), clean[0])
    for method in METHODS:
        one_line("leave the reference out", anomaly_map, detectors(method), clean[0], refs[0])
    one_line("they must be equal", anomaly_map, detectors("die"), clean[0], refs[0][:, :50])
    assert isinstance(pick_threshold(detectors("die"), clean, 0.2, refs), float)
    one_line("one for each", pick_threshold, detectors("die"), clean, 0.2, refs[:3])
    one_line("one for each", fit_normal, clean, references=refs[:3])
    one_line("leave one of the two out", fit_normal, clean, references=refs, method="own")
    one_line("takes no reference", anomaly_map, PaDiM(clean, dims=5), clean[0], refs[0])
    one_line("give one", anomaly_map, Difference(), clean[0])


def test_the_same_place_needs_the_same_size(detectors, clean):
    one_line("must be of one size", anomaly_map, detectors("place"), clean[0][:, :64])
    assert anomaly_map(detectors("memory"), clean[0][:, :50, :70]).shape == (50, 70)


# A training ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, side", [("own", SIDE), ("die", 70)])
def test_three_steps_of_training(rows, method, side):
    "Also of pictures whose sides are no multiple of 16."
    images, refs = ([r[k][:, :side] for r in rows] for k in ("image", "reference"))
    how = dict(method="own") if method == "own" else dict(references=refs)
    judge = load_judge()
    before = {k: v.clone() for k, v in judge.state_dict().items()}
    detector = fit_normal(images, quick(3, size=32), judge=judge, **how)
    about = detector.about
    assert about["steps"] == 3 and about["stopped"] == "" and 0 <= about["valid_dice"] <= 1
    assert list(about["sees"]) == [method, f"{method}, trained on"] and not judge.training
    assert detector.judge is judge
    assert any(not torch.equal(before[k], v) for k, v in judge.state_dict().items())
    more = refs[:1] if method == "die" else []
    m = anomaly_map(detector, images[0], *more)
    assert m.shape == (side, SIDE) and np.isfinite(m).all()


class CtrlC(Judge):
    "Is interrupted when it is trained."

    def forward(self, x):
        if self.training:
            raise KeyboardInterrupt
        return super().forward(x)


def test_interrupted_before_there_is_anything_to_keep(clean):
    with pytest.raises(Interrupted, match="nothing was saved"):
        fit_normal(clean, quick(2), judge=CtrlC(pretrained=False), method="place")


@pytest.mark.parametrize(
    "spoil, say",
    [
        (lambda c: c[: FEWEST - 1], "at least 8"),
        (lambda c: [*c, c[0][:, :40]], "clean picture 10 is 1x40x80"),
        (lambda c: [c[0] * 0, *c], "clean picture 0: all pixels"),
        (lambda c: [*c, c[0] * float("nan")], "NaN"),
        (lambda c: [*c, c[0].repeat(3, 1, 1)], "3x80x80"),
    ],
)
def test_unusable_clean_pictures(clean, spoil, say):
    one_line(say, check_clean, spoil(clean))
    one_line(say, fit_normal, spoil(clean))


def test_wrong_options(clean):
    one_line("method='padim'.*own, lattice, memory, place", fit_normal, clean, method="padim")
    one_line("method=3", fit_normal, clean, method=[3])
    one_line("method=3", fit_normal, clean, method=3)
    one_line("size=100; crops are a multiple of 16", fit_normal, clean, quick(1, size=100))
    one_line("choose at most 80", fit_normal, clean, quick(1, size=96))
    one_line("give one of the two", fit_normal, clean, Training())
    one_line("sizes=", fit_normal, clean, sizes=(9, 3))
    one_line("at least 3 pixels larger", fit_normal, clean, sizes=(9, 300))
    for no_training in (3, dict(steps=1)):
        one_line("must be a Training", fit_normal, clean, no_training)
    one_line("must be a Judge", fit_normal, clean, judge=EffUNet(pretrained=False))
    one_line("detector of fit_normal", anomaly_map, None, clean[0])


# Kept and read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*METHODS, "die"])
def test_saved_and_loaded_it_says_the_same(detectors, pictures, tmp_path, method):
    detector, (images, references) = detectors(method), pictures[method]
    save_detector(detector, tmp_path / "d", threshold=1.5)
    state = torch.get_rng_state()
    back = load_detector(tmp_path / "d")
    assert torch.equal(state, torch.get_rng_state()), "reading draws no lots"
    assert back.about == detector.about | dict(threshold=1.5)
    more = [] if references is None else references[:1]
    for says in SAYS:
        detector_says, back.says = Detector(*_parts(detector, says)), says
        maps = [anomaly_map(d, spoiled(images[0]), *more) for d in (detector_says, back)]
        np.testing.assert_allclose(*maps, atol=1e-4)
    save_detector(back, tmp_path / "again", threshold=1.5)
    files = [(tmp_path / k / "model.safetensors").read_bytes() for k in ("d", "again")]
    assert files[0] == files[1] or method == "place"  # whose mean is a quotient


def _parts(detector, says):
    return detector.method, detector.compared, detector.judge, says, detector.tails


def test_what_was_loaded_knows_no_lot(detectors, clean, tmp_path):
    save_detector(detectors("place"), tmp_path)
    one_line("without=3; it knows 0", load_detector(tmp_path).anomaly_map, clean[0], None, 3)


def test_what_json_cannot_hold(detectors, tmp_path):
    one_line("JSON cannot hold it", save_detector, detectors("own"), tmp_path / "d", odd=object())
    assert not (tmp_path / "d").exists()


@pytest.fixture(scope="module")
def folders(detectors, tmp_path_factory):
    "Folders with a detector of each kind."
    kept = tmp_path_factory.mktemp("kept")
    for method in ("memory", "place"):
        save_detector(detectors(method), kept / method)
    return kept


def odd_folder(folders, tmp_path, method, tensors=None, config=None):
    "A copy of a detector with other numbers, or with other words."
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    shutil.copytree(folders / method, folder)
    if tensors:
        held = load_file(folder / "model.safetensors")
        tensors(held)
        held = {k: v.contiguous() for k, v in held.items()}
        save_file(held, folder / "model.safetensors")
    if config:
        said = json.loads((folder / "config.json").read_text())
        new = config(said)
        said = said if new is None else new
        (folder / "config.json").write_text(json.dumps(said))
    return folder


def put(name, value):
    "A change of one tensor; `value(tensor)` is the new one, None takes it out."

    def change(held):
        new = value(held.pop(name))
        if new is not None:
            held[name] = new

    return change


def nan(v):
    v = v.clone()
    v.view(-1)[0] = torch.nan
    return v


NUMBERS = [
    ("memory", "white.1", lambda v: None, "white.1 is missing"),
    ("memory", "white.1", lambda v: v[:-1], "white.1 is "),
    ("memory", "white.0", nan, "not finite"),
    ("memory", "white.0", lambda v: v.long(), "another kind"),
    ("memory", "usual.2", lambda v: v[:5], "usual.2 is "),
    ("memory", "usual.0", lambda v: v * 0, "not above 0"),
    ("memory", "tail.judge", lambda v: v.flip(1), "does not rise"),
    ("memory", "tail.distance", lambda v: v[:, :3], "tail.distance is "),
    ("memory", "judge.head.conv.weight", lambda v: None, "Judge"),
    ("memory", "judge.head.conv.weight", lambda v: v[:1], "Judge"),
    ("memory", "judge.head.conv.weight", nan, "not finite"),
    ("memory", "rung.known0", lambda v: v[:, :3], "rung.known0 is "),
    ("memory", "rung.known1", lambda v: v[:0], "rung.known1 is "),
    ("memory", "rung.known2", lambda v: None, "rung.known2"),
    ("memory", "rung.patches", lambda v: v[:7], "rung.patches is "),
    ("place", "rung.map1", lambda v: v[:, :4], "rung.map1 is "),
    ("place", "rung.image", lambda v: v[:, :30], "rung.map0 is "),
    ("place", "rung.image", lambda v: v[0, 0, :1], "damaged"),
    ("place", "rung.image", lambda v: None, "rung.image"),
]


@pytest.mark.parametrize("method, name, value, say", NUMBERS)
def test_damaged_numbers_are_one_line(folders, tmp_path, method, name, value, say):
    folder = odd_folder(folders, tmp_path, method, put(name, value))
    said = one_line("does not fit config.json or is damaged", load_detector, folder)
    assert say in said, said


def how(**new):
    return lambda said: said["how"].update(new)


WORDS = [
    (lambda said: [1], "not written by unet-explorer"),
    (lambda said: dict(), "format None"),
    (lambda said: said | dict(detector=7), "format 7, and this version reads 1"),
    (lambda said: said | dict(how=3), "fit again"),
    (lambda said: said | dict(about=[]), "fit again"),
    (how(method="die2"), "method is 'die2'"),
    (how(method=["own"]), "method is "),
    (how(method={}), "method is "),
    (how(method="place"), "damaged .'?rung.image"),
    (how(says=None), "says is None"),
    (how(channels=3), "rung.patches is "),
    (how(channels=2), "channels is 2"),
    (how(channels="1"), "channels is '1'"),
]


@pytest.mark.parametrize("config, say", WORDS)
def test_an_odd_config_is_one_line(folders, tmp_path, config, say):
    one_line(say, load_detector, odd_folder(folders, tmp_path, "memory", config=config))


def test_a_broken_file_is_one_line(folders, tmp_path):
    whole = (folders / "memory" / "model.safetensors").read_bytes()
    for i, data in enumerate((b"", whole[:100], whole[:-9], b"\xff" * 100)):
        folder = odd_folder(folders, tmp_path, "memory")
        (folder / "model.safetensors").write_bytes(data)
        one_line("damaged", load_detector, folder)
        (folder / "config.json").write_bytes(data)
        one_line("not written by unet-explorer, or damaged", load_detector, folder)
    one_line("no such model folder", load_detector, tmp_path / "gone")
    one_line("must be the folder of a model", load_detector, None)


def test_models_of_other_kinds_are_one_line(tmp_path):
    old, other = tmp_path / "old", tmp_path / "other"
    save(EffUNet(pretrained=False), old, task="anomaly", threshold=1.0)
    one_line("detector of an earlier version.*fit again", load_detector, old)
    save(EffUNet(pretrained=False), other, classes=["gap", "metal"])
    one_line("a model for segmentation", load_detector, other)


# Baselines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda c: PaDiM(c, dims=20),
        lambda c: PaDiM(c, dims=20, per_place=True),
        lambda c: PatchCore(c, keep=50),
        lambda c: PatchCore(c, keep=50, strides=(4, 8), neighbours=3),
    ],
)
def test_baselines_see_a_blot(clean, make):
    method, spoiled = make(clean), clean[0].clone()
    spoiled[:, 30:50, 30:50] = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)) > 0.5
    m, before = anomaly_map(method, spoiled), anomaly_map(method, clean[0])
    assert (
        m.shape == (80, 80)
        and m[32:48, 32:48].mean() > np.percentile(m, 80)
        and m.max() > before.max()
    )
    assert pick_threshold(method, clean[1:], 0.2) > 0


def test_difference(rows):
    r = rows[0]
    spoiled = r["image"].clone()
    spoiled[:, 30:42, 30:42] = 1 - spoiled[:, 30:42, 30:42].mean().round()
    m = anomaly_map(Difference(), spoiled, r["reference"])
    assert m[32:40, 32:40].mean() > 2 * np.median(m)


def test_coreset_is_farthest_first():
    p = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    chosen = coreset(p, 10, dims=0).tolist()
    for k in range(1, 10):
        d = torch.cdist(p, p[chosen[:k]]).min(1).values
        assert d[chosen[k]] == pytest.approx(float(d.max()), abs=1e-4)
    assert len(set(chosen)) == 10 and sorted(coreset(p[:5], 9).tolist()) == [0, 1, 2, 3, 4]


def test_maps_in_one_lie_on_their_places():
    fine, coarse = torch.arange(12.0).reshape(1, 3, 4), torch.arange(4.0).reshape(1, 2, 2)
    got = in_one([fine, coarse])
    assert got.shape == (2, 3, 4)
    np.testing.assert_array_equal(got[1].numpy(), [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]])
    smooth = in_one([fine], pool=3)
    assert float(smooth[0, 1, 1]) == pytest.approx(float(fine[0].mean(0)[:3].mean()))
    for maps, pool, words in (([], 1, "maps="), ([fine], 2, "odd number")):
        with pytest.raises(InputError, match=words):
            in_one(maps, pool)
