"Compare, then judge: packed evidence, the crops it is learned from, and the judge of the wheel."

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from unet_explorer.comparator import (
    CHANNELS,
    WEIGHTS,
    Clues,
    Judge,
    evidence,
    judged,
    load_judge,
    pack,
    rare_defects,
    train_judge,
    unpack,
)
from unet_explorer.contracts import InputError
from unet_explorer.detection import precision_recall
from unet_explorer.implant import implant
from unet_explorer.layout import contacts, lines
from unet_explorer.references import STRIDES, Compared, Features, Lattice, Own, Seen
from unet_explorer.simulate import inspection_set
from unet_explorer.train import Training

WIDTH = 2 * 256 + sum((d + 1) * (16 // s) ** 2 for d, s in zip(CHANNELS, STRIDES))
WIDTHS, ALL_STRIDES = (2, *(d + 1 for d in CHANNELS)), (1, *STRIDES)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Packed ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    h=st.integers(1, 70),
    w=st.integers(1, 70),
    strides=st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, max_size=4),
    d=st.integers(1, 3),
)
def test_what_was_packed_comes_back(h, w, strides, d):
    maps = [noise(d + k, -(-h // s), -(-w // s), seed=k) for k, s in enumerate(strides)]
    packed = pack(maps, strides)
    assert packed.shape[1:] == (-(-h // 16), -(-w // 16))
    back = unpack(packed, [len(m) for m in maps], strides)
    for m, b in zip(maps, back):
        assert torch.equal(b[:, : m.shape[1], : m.shape[2]], m)
        low, right = b[:, m.shape[1] - 1 :], b[:, :, m.shape[2] - 1 :]
        assert torch.equal(low, low[:, :1].expand_as(low)), "the last row, again and again"
        assert torch.equal(right, right[:, :, :1].expand_as(right))


def test_packing_is_pixel_shuffle_backwards():
    m = noise(3, 32, 48)
    assert torch.equal(F.pixel_shuffle(pack([m], [1]), 16), m)
    assert pack([torch.tensor([[[1, 2], [3, 4]]])], [8]).flatten().tolist() == [1, 2, 3, 4]


def test_a_batch_is_unpacked_one_by_one():
    packed = noise(3, WIDTH, 2, 5)
    together = unpack(packed, WIDTHS, ALL_STRIDES)
    for i, one in enumerate(packed):
        assert all(map(torch.equal, unpack(one, WIDTHS, ALL_STRIDES), [m[i] for m in together]))


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: pack([], []), "at least one"),
        (lambda: pack([noise(1, 4, 4)], [3]), "divide 16"),
        (lambda: pack([noise(1, 4, 4)], [8, 16]), "one for each"),
        (lambda: pack([noise(1, 8, 8), noise(1, 8, 8)], [4, 16]), "of one picture"),
        (lambda: pack([noise(4, 4)], [16]), "tensors"),
        (lambda: unpack(noise(5, 2, 2), [1], [8]), "make 4"),
        (lambda: unpack(noise(5, 2, 2), [1, 2], [8]), "one for each"),
        (lambda: unpack(noise(2, 2), [1], [8]), "a tensor"),
    ],
)
def test_what_cannot_be_packed(call, said):
    with pytest.raises(InputError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)


# Evidence -------------------------------------------------------------------------------------


def compared_with_itself(side=(96, 112), layout="contacts", whiten=False, **more):
    "Eight clean pictures and a `Compared` of them."
    clean = [r["image"] for r in inspection_set(8, (layout,), (), size=side, seed=3)]
    return clean, Compared(Features(clean, whiten=whiten, **more), Own(), clean)


@pytest.fixture(scope="module")
def setting():
    return compared_with_itself()


def evidence_of(image, compared):
    seen = compared.look(image)
    return evidence(seen, compared.rung(seen), compared)


@pytest.mark.parametrize("side", [(96, 112), (64, 64), (65, 100), (5, 97), (200, 33)])
def test_evidence_is_finite_and_half(setting, side):
    image = torch.rand(1, *side, generator=torch.Generator().manual_seed(1))
    packed = evidence_of(image, setting[1])
    assert packed.dtype == torch.float16 and packed.isfinite().all()
    assert packed.shape == (1189, -(-side[0] // 16), -(-side[1] // 16)) and WIDTH == 1189


@pytest.mark.parametrize("image", [torch.zeros(1, 64, 64), torch.eye(64)[None]])
def test_evidence_of_odd_pictures_is_finite(setting, image):
    packed = evidence_of(image, setting[1])
    assert packed.isfinite().all()
    pixels, *sizes = unpack(packed.float(), WIDTHS, ALL_STRIDES)
    assert pixels[1].abs().max() <= 0.3 * 12.01
    assert all(m.min() >= 0 and m.max() <= 12.01 for m in sizes)


def test_evidence_is_in_units_of_what_is_usual(setting):
    "Of clean pictures the features leave 1, in the root of the mean square, but for what is cut."
    clean, compared = setting
    for k in (1, 2, 3):
        maps = [
            unpack(evidence_of(c, compared).float(), WIDTHS, ALL_STRIDES)[k][:-1] for c in clean
        ]
        assert 0.8 < float(torch.stack(maps).pow(2).mean().sqrt()) < 1.01


def test_the_picture_is_in_the_evidence(setting):
    image = setting[0][0]
    picture = unpack(evidence_of(image, setting[1]).float(), WIDTHS, ALL_STRIDES)[0][0]
    want = 0.6 * (image[0] - image.mean()) / (image.std() + 1e-3)
    torch.testing.assert_close(picture, want, atol=2e-3, rtol=1e-3)


def test_what_is_no_evidence(setting):
    clean, compared = setting
    seen = compared.look(clean[0])
    for other, said in (
        (compared_with_itself(whiten=True)[1], "whitened"),
        (compared_with_itself(strides=(4, 8))[1], "strides"),
    ):
        with pytest.raises(InputError, match=said) as refused:
            evidence(seen, seen, other)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="of one size"):
        evidence(seen, compared.look(clean[0][:, :80]), compared)
    with pytest.raises(InputError, match="channels"):
        evidence(Seen(seen.image, seen.maps[:2]), seen, compared)
    with pytest.raises(InputError, match="a Seen"):
        evidence(clean[0], seen, compared)


# The judge ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained():
    return Judge(pretrained=False).eval()


@pytest.mark.parametrize(
    "h, w", [(64, 64), (65, 200), (100, 90), (111, 128), (199, 17), (200, 200)]
)
def test_a_map_of_the_size_of_the_picture(untrained, h, w):
    packed = noise(WIDTH, -(-h // 16), -(-w // 16)).half()
    said = judged(untrained, packed, (h, w))
    assert said.shape == (h, w) and said.dtype == np.float32 and np.isfinite(said).all()


def test_evidence_of_another_size_is_refused(untrained):
    with pytest.raises(InputError, match="rounded up"):
        judged(untrained, noise(WIDTH, 4, 4), (64, 80))
    with pytest.raises(InputError, match="packed evidence"):
        untrained(noise(1, 512, 4, 4))


@pytest.mark.parametrize("h, w", [(16, 16), (61, 90), (112, 96)])
def test_what_is_folded_for_speed_says_the_same(h, w):
    judge = load_judge()
    packed = noise(WIDTH, -(-h // 16), -(-w // 16), seed=h).half()
    with torch.no_grad():
        plain = judge(packed[None].float())[0, 0, :h, :w]
    np.testing.assert_allclose(judged(judge, packed, (h, w)), plain, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("part", ["head.conv.bias", "up2.mix.1.running_mean"])
def test_a_judge_that_was_changed_says_something_else(part):
    "However it was changed: fastai writes into `.data`, which no counter of torch notices."
    judge, packed = load_judge(), noise(WIDTH, 4, 4).half()
    before = judged(judge, packed, (64, 64))
    judge.state_dict()[part].data.add_(0.5)
    after = judged(judge, packed, (64, 64))
    assert np.abs(after - before).max() > 0.1
    with torch.no_grad():
        plain = judge(packed[None].float())[0, 0]
    np.testing.assert_allclose(after, plain, atol=2e-3, rtol=1e-4)


def test_a_judge_is_left_as_it_was():
    judge = load_judge().train()
    names, modes = list(judge.state_dict()), [m.training for m in judge.modules()]
    judged(judge, noise(WIDTH, 4, 4).half(), (64, 64))
    assert list(judge.state_dict()) == names and [m.training for m in judge.modules()] == modes
    rare_defects(judge(noise(2, WIDTH, 4, 4)), torch.ones(2, 64, 64).long()).backward()


def test_a_judge_depends_on_its_seed_alone():
    before = torch.get_rng_state()
    a, b, c = (Judge(pretrained=False, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before), "and leaves the chance of others alone"
    assert all(map(torch.equal, a.values(), b.values()))
    assert not all(map(torch.equal, a.values(), c.values()))


def test_it_is_small(untrained):
    assert sum(p.numel() for p in untrained.parameters()) < 900_000


def test_gradients_reach_all_of_it():
    judge = Judge(pretrained=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # stochastic depth leaves out a block of both examples now and then
        rare_defects(judge(noise(2, WIDTH, 4, 4)), torch.ones(2, 64, 64).long()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in judge.parameters())


def test_a_picture_is_judged_by_itself(untrained):
    two = noise(2, WIDTH, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(untrained(two)[1], untrained(two[1:])[0], atol=1e-4, rtol=1e-4)


# Clues ----------------------------------------------------------------------------------------


def example(h=192, w=160, at=(100, 50), seed=0):
    "Evidence whose picture is its label: one spot of 3x3 pixels, or none."
    label = torch.zeros(h, w, dtype=torch.long)
    if at:
        label[at[0] : at[0] + 3, at[1] : at[1] + 3] = 1
    pixels = torch.stack([label.float(), noise(h, w, seed=seed)])
    maps = [noise(d + 1, -(-h // s), -(-w // s)).abs() for d, s in zip(CHANNELS, STRIDES)]
    return pack([pixels, *maps], ALL_STRIDES).half(), label


def test_crops_depend_on_the_seed_alone():
    examples = [example(at=(20 * k, 30), seed=k) for k in range(4)]
    a, b, c = (Clues(examples, 64, 10, seed=s) for s in (3, 3, 4))
    first, again, other = ([d[0] for _ in range(6)] for d in (a, b, c))
    assert all(torch.equal(x, y) for p, q in zip(first, again) for x, y in zip(p, q))
    assert not all(torch.equal(p[0], q[0]) for p, q in zip(first, other))


def test_crops_go_on_where_they_were():
    clues = Clues([example()], 64, 10, seed=3)
    for _ in range(5):
        clues[0]
    state = json.loads(json.dumps(clues.state()))
    following = [clues[0] for _ in range(3)]
    new = Clues([example()], 64, 10, seed=9)
    new.go_on(state)
    for p, q in zip(following, (new[0] for _ in range(3))):
        assert torch.equal(p[0], q[0]) and torch.equal(p[1], q[1])


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_a_share_of_the_crops_has_the_defect(share):
    h, w, k = 192, 160, 2  # 12x10 tiles; a crop at random covers the spot's tile in some cases
    clues = Clues([example(h, w, at=(100, 50))], 16 * k, 10, seed=1, share=share)
    n = 300
    hit = np.mean([bool(clues[0][1].any()) for _ in range(n)])
    places = (h // 16 - k + 1) * (w // 16 - k + 1)
    # the spot lies in rows 100-102, columns 50-52: tile (6, 3), which k * k crops hold
    want = share + (1 - share) * k * k / places
    assert abs(hit - want) < 4 * np.sqrt(max(want * (1 - want), 1e-9) / n) + 1e-9


def test_turning_a_crop_turns_its_label():
    clues = Clues([example()], 64, 10, seed=0, share=1.0, jitter=0.0)
    corners = set()
    for _ in range(40):
        packed, label = clues[0]
        assert torch.equal(unpack(packed, WIDTHS, ALL_STRIDES)[0][0], label.float())
        assert int(label.sum()) == 9
        corners.add(tuple(label.nonzero()[0].tolist()))
    assert len(corners) > 10, "turned, mirrored and cut elsewhere"


def test_all_strides_turn_alike():
    "A gradient across the picture has the same direction at every stride."
    h = 128
    ramp = torch.linspace(0, 1, h).expand(h, h)
    means = [F.avg_pool2d(ramp[None], s).expand(d + 1, -1, -1) for d, s in zip(CHANNELS, STRIDES)]
    packed = pack([torch.stack([ramp, ramp]), *means], ALL_STRIDES)
    clues = Clues([(packed, torch.zeros(h, h).long())], 64, 10, seed=0, jitter=0.0)
    for _ in range(20):
        pixels, *maps = unpack(clues[0][0], WIDTHS, ALL_STRIDES)
        for m, s in zip(maps, STRIDES):
            torch.testing.assert_close(m[0], F.avg_pool2d(pixels[:1], s)[0], atol=1e-5, rtol=0)


def test_what_is_left_varies_and_the_examples_stay():
    packed, label = example()
    before = packed.clone()
    clues = Clues([(packed.float(), label)], 64, 10, seed=0, jitter=0.5)
    crops = [unpack(clues[0][0], WIDTHS, ALL_STRIDES) for _ in range(8)]
    sizes = [float(c[3].mean()) for c in crops]
    assert max(sizes) > 1.3 * min(sizes) and all(m.min() >= 0 for c in crops for m in c[1:])
    assert torch.equal(clues.examples[0][0], before.float())


def test_pictures_of_any_size_make_crops_of_one():
    examples = [example(200, 90, at=(190, 80)), example(70, 130, at=(66, 60)), example(at=None)]
    clues = Clues(examples, 128, 10, seed=0)
    crops = [clues[0] for _ in range(30)]
    assert {tuple(label.shape) for _, label in crops} == {(80, 80)} and clues.size == 80
    assert {tuple(packed.shape) for packed, _ in crops} == {(WIDTH, 5, 5)}
    assert any(label.any() for _, label in crops)


@pytest.mark.parametrize(
    "change, said",
    [
        (dict(examples=[]), "at least one"),
        (dict(examples=[example()[0]]), "pairs"),
        (dict(examples=[(example()[0], example(64, 64)[1])]), "pairs"),
        (dict(size=100), "a multiple of 16"),
        (dict(size=0), "a multiple of 16"),
        (dict(share=1.5), "share"),
        (dict(jitter=-1), "jitter"),
        (dict(n=0), "n=0"),
        (dict(seed=-1), "seed"),
    ],
)
def test_clues_that_cannot_be(change, said):
    with pytest.raises(InputError, match=said) as refused:
        Clues(**dict(examples=[example()], size=64) | change)
    assert "\n" not in str(refused.value)


# Training -------------------------------------------------------------------------------------


def test_the_loss_against_torch():
    logits, mask = noise(2, 1, 5, 7), (noise(2, 5, 7, seed=1) > 0).long()
    y = mask[:, None].double()
    each = F.binary_cross_entropy_with_logits(logits.double(), y, reduction="none")
    want = (each * (1 + 4 * y)).mean()
    assert abs(float(rare_defects(logits, mask)) - float(want)) < 1e-6
    plain = F.binary_cross_entropy_with_logits(logits, y.float())
    torch.testing.assert_close(rare_defects(logits, mask, rare=1), plain)
    with pytest.raises(InputError, match=r"b 1 h w"):
        rare_defects(logits, mask[:, :4])


def test_a_judge_learns_and_two_trainings_are_alike(setting):
    clean, compared = setting
    pairs = [implant(image, k, kinds=("tone",), sizes=(12, 20)) for k, image in enumerate(clean)]
    examples = [(evidence_of(image, compared), label) for image, label, _ in pairs]
    how = Training(steps=12, size=64, bs=4, lr=3e-3, seed=2, bar=False)
    done, states = [], []
    for _ in range(2):
        judge = Judge(seed=1)
        done.append(train_judge(judge, examples, examples[:3], how, epochs=2))
        states.append(judge.state_dict())
    losses = done[0]["history"]["train_loss"]
    assert losses == done[1]["history"]["train_loss"] and done[0]["steps"] == 12
    assert all(map(torch.equal, states[0].values(), states[1].values()))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_a_training_takes_pictures_of_any_size():
    rows = [example(70, 90, at=(20, 30)), example(100, 64, at=(9, 9))]
    done = train_judge(Judge(pretrained=False), rows, rows, Training(steps=1, bs=2, bar=False))
    assert done["steps"] == 1


def test_trainings_that_cannot_be(untrained):
    for examples, valid in (([], [example()]), ([example()], [])):
        with pytest.raises(InputError, match="at least one"):
            train_judge(untrained, examples, valid, Training(steps=1))
    with pytest.raises(InputError, match="give one of the two"):
        train_judge(untrained, [example()], [example()], Training(bar=False))


# The judge of the wheel -----------------------------------------------------------------------


def test_the_weights_are_small_and_finite():
    assert WEIGHTS.stat().st_size <= 2e6
    for name, values in load_judge().state_dict().items():
        assert values.isfinite().all(), name


def test_loaded_twice_it_is_the_same():
    a, b = load_judge(), load_judge()
    assert a is not b and not a.training
    assert all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def test_what_is_said_of_it():
    about = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert {"seed", "steps", "data", "start", "recipe"} <= set(about)
    assert "CC BY 4.0" in about["data"] and "CC0" in about["data"] and "Apache" in about["start"]


@pytest.mark.parametrize("content", [None, b"", b"no tensors", "another"])
def test_weights_that_are_missing_or_damaged(content, tmp_path, monkeypatch):
    from safetensors.torch import save

    import unet_explorer.comparator as room

    path = tmp_path / "comparator.safetensors"
    if content is not None:
        path.write_bytes(save({"a": torch.zeros(2)}) if content == "another" else content)
    monkeypatch.setattr(room, "WEIGHTS", path)
    with pytest.raises(InputError, match="install unet-explorer again") as refused:
        load_judge()
    assert "\n" not in str(refused.value)


# twice the pitch of the training of the judge, at a dose that it did not have
def wide_contacts(size, pixel_nm, seed):
    return contacts(size, pixel_nm, 200, 90, seed)


def wide_lines(size, pixel_nm, seed):
    return lines(size, pixel_nm, 200, 90, seed)


@pytest.mark.parametrize(
    "layout, rung", [(wide_contacts, Lattice), (wide_lines, lambda look: Own())]
)
def test_it_sees_a_planted_copy_on_a_product_it_never_saw(layout, rung):
    side = dict(size=(160, 160), sem=dict(dose=(20, 28)))
    clean = [r["image"] for r in inspection_set(8, (layout,), (), seed=1, **side)]
    fresh = [r["image"] for r in inspection_set(6, (layout,), (), seed=2, **side)]
    look = Features(clean, whiten=False)
    compared = Compared(look, rung(look), clean)
    judge, maps, truths = load_judge(), [], []
    for k, image in enumerate(fresh):
        image, label, _ = implant(image, k, kinds=("copy",), blends=("feather",), sizes=(16, 30))
        logits = judged(judge, evidence_of(image, compared), label.shape)
        maps.append(ndimage.gaussian_filter(logits, 1).ravel())
        truths.append(label.numpy().ravel() > 0)
    truth = np.concatenate(truths)
    assert 0.002 < truth.mean() < 0.1, "what really changed, which is what chance finds"
    assert precision_recall(np.concatenate(maps), truth)["ap"] > 10 * truth.mean()
