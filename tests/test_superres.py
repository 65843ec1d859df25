"""Contracts of the super-resolution room: what is small and large, what is measured, to the nm."""

import numpy as np
import pytest
import torch
from unet_explorer.contracts import InputError
from unet_explorer.layout import lines
from unet_explorer.superres import (
    PICTURES,
    SuperRes,
    best_linear,
    bicubic,
    line_edges,
    line_widths,
    luminance,
    paired_crops,
    psnr_ssim,
    shrink,
    two_scans,
)
from unet_explorer.upsample import UPSAMPLERS


@pytest.mark.parametrize("up", UPSAMPLERS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_any_size_and_any_channels_each_by_itself(up, scale):
    net = SuperRes(scale, up, width=4).eval()
    x = torch.rand(2, 3, 5, 7)
    with torch.no_grad():
        y = net(x)
        alone = net(x[:, 1:2])
    assert y.shape == (2, 3, 5 * scale, 7 * scale)
    torch.testing.assert_close(y[:, 1:2], alone)


def test_the_seed_sets_the_weights_and_leaves_the_world_alone():
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    a, b = SuperRes(seed=1), SuperRes(seed=1)
    assert torch.equal(before, torch.rand(1))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a.body[0].weight, SuperRes(seed=2).body[0].weight)


def test_no_picture_is_in_two_parts_and_all_come_without_a_download(monkeypatch):
    import socket

    def no(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "socket", no)
    names = [n for part in PICTURES.values() for n in part]
    assert len(names) == len(set(names))
    for name in names:
        x = luminance(name)
        assert x.dtype == torch.float32 and x.shape[0] == 1 and 0 <= x.min() <= x.max() <= 1
    with pytest.raises(InputError, match="lena"):
        luminance("lena")


def test_shrinking_keeps_the_mean_and_cuts_what_is_left_over():
    x = torch.full((1, 11, 13), 0.3)
    assert shrink(x, 3).shape == (1, 3, 4)
    torch.testing.assert_close(shrink(x, 3), torch.full((1, 3, 4), 0.3))
    torch.testing.assert_close(bicubic(shrink(x, 3), 3), torch.full((1, 9, 12), 0.3))
    with pytest.raises(InputError, match="nothing would be left"):
        shrink(x[..., :2, :], 3)


def test_the_best_linear_filter_beats_bicubic_where_it_was_solved():
    large = luminance("page")[:, :180, :360]
    pair = shrink(large, 2), large
    solved, smooth = best_linear([pair], 2)(pair[0][None])[0], bicubic(pair[0], 2)
    assert psnr_ssim(solved, large, 4)[0] > psnr_ssim(smooth, large, 4)[0] + 0.3
    with pytest.raises(InputError, match="times larger"):
        best_linear([pair], 3)
    with pytest.raises(InputError, match="odd"):
        best_linear([pair], 2, kernel=4)


def test_crops_show_the_same_place_in_both():
    large = torch.arange(48.0 * 48).reshape(1, 48, 48) / 48**2
    small = torch.nn.functional.avg_pool2d(large, 2)
    x, y = paired_crops([(small, large)], 2, size=8, bs=6)(np.random.default_rng(3))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(y, 2), x)
    with pytest.raises(InputError, match="smaller crop"):
        paired_crops([(small, large)], 2, size=25)


def test_scores_by_a_closed_form():
    a = torch.full((1, 40, 40), 0.5)
    assert psnr_ssim(a + 0.1, a)[0] == pytest.approx(20, abs=1e-4)
    assert psnr_ssim(a, a) == (float("inf"), 1)
    with pytest.raises(InputError, match="11 pixels"):
        psnr_ssim(a, a, margin=15)


@pytest.mark.parametrize("width", [30.0, 41.0, 55.0])
def test_a_width_is_read_from_a_mask_exactly_and_from_a_picture_with_a_constant(width):
    metal = lines((64, 384), 1.0, 112.0, width, seed=4, upright=True).metal
    true = line_widths(metal, 1.0, (0, 0))
    assert np.abs(true - width).max() <= 1  # whole pixels of 1 nm
    perfect = two_scans(metal, float("inf"), float("inf"))[1][0].numpy()
    off = line_widths(perfect, 2.0, level=0.45).mean() - true.mean()
    assert 9.0 < off < 9.1  # the beam and the glow: the same for all widths


def test_an_edge_that_is_not_there_is_lost_not_invented():
    picture = np.zeros((40, 40))
    picture[:, 10:20] = 1
    picture[20:30] = 0
    edges, rising = line_edges(picture, 1.0, (0, 0), 0.5)
    assert rising.tolist() == [True, False]
    assert np.isnan(edges[20:30]).all()
    assert (edges[:20] == [10, 20]).all()


def test_two_scans_show_one_place_and_differ_by_their_electrons():
    metal = lines((96, 96), 1.0, 48.0, 24.0, seed=0, upright=True).metal
    quick, slow = two_scans(metal, float("inf"), float("inf"))
    assert quick.shape == (1, 12, 12) and slow.shape == (1, 48, 48)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(slow, 4), quick)
    noisy = two_scans(metal, 10.0, 1000.0, seed=1)
    assert (noisy[0] - quick).std() > 5 * (noisy[1] - slow).std()
    with pytest.raises(InputError, match="multiples"):
        two_scans(metal[:90])


GOOD = torch.linspace(0, 1, 3 * 24 * 24).reshape(3, 24, 24)
NO_PICTURES = {
    "0 to 255": 255 * GOOD,
    "NaN": GOOD.masked_fill(GOOD == GOOD[1, 2, 3], float("nan")),
    "infinite": GOOD.masked_fill(GOOD == GOOD[1, 2, 3], float("inf")),
    "channels last": GOOD.permute(1, 2, 0),
    "channels last, a batch": GOOD.permute(1, 2, 0)[None],
    "one channel, last": GOOD[:1].permute(1, 2, 0),
    "half": GOOD.half(),
    "whole numbers": (255 * GOOD).byte(),
    "numpy": GOOD.numpy(),
    "list": GOOD[0].tolist(),
    "two axes": GOOD[0],
    "empty": GOOD[:, :0],
}


def refuses(match, f, *args, **kwargs):
    with pytest.raises(InputError, match=match) as caught:
        f(*args, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_one_rule_for_pixels_everywhere(kind):
    bad, one = NO_PICTURES[kind], GOOD[:1]
    net, solved = SuperRes(2, width=4), best_linear([(one, bicubic(one, 2))], 2, kernel=3)
    for f in (lambda x: shrink(x, 2), lambda x: bicubic(x, 2), net, solved):
        refuses("divide by 255.*finite.*channels first", f, bad)
    refuses("divide by 255.*channels first", psnr_ssim, bad, one)
    refuses("divide by 255.*channels first", psnr_ssim, one, bad)
    refuses("pairs", best_linear, [(bad, one)], 2)
    refuses("pairs", paired_crops, [(one, bad)], 2)


def test_noise_may_leave_the_range_where_it_must():
    metal = lines((192, 192), 1.0, 48.0, 24.0, seed=0, upright=True).metal
    quick, slow = two_scans(metal, 2.0)
    assert quick.max() > 1.2
    assert bicubic(quick, 4).shape == SuperRes(4, width=4)(quick).shape == slow.shape
    paired_crops([(quick, slow)], 4, size=8)
    with pytest.raises(InputError, match="from 0 to 1"):
        shrink(quick, 2)
    with pytest.raises(InputError, match="truth.*from 0 to 1"):
        psnr_ssim(quick, quick)


def test_colour_is_not_scored_by_its_first_channel_alone():
    other = torch.stack([GOOD[0], GOOD[1].flip(0), GOOD[2]])
    refuses("one by one", psnr_ssim, other, GOOD)
    refuses("one by one", psnr_ssim, GOOD[:1], GOOD)
    assert psnr_ssim(other[1:2], GOOD[1:2])[0] < 30


def test_what_is_given_without_a_batch_comes_back_without():
    one = GOOD[:1]
    solved = best_linear([(one, bicubic(one, 2))], 2, kernel=3)
    for f in (SuperRes(2, width=4), solved):
        torch.testing.assert_close(f(GOOD), f(GOOD[None])[0])
        torch.testing.assert_close(f(GOOD)[2:], f(GOOD[2:]))
        refuses("float64.*float32", f, GOOD.double())


def test_pairs_are_of_one_channel_each():
    one, large = GOOD[:1], bicubic(GOOD, 2)
    for pair in ((GOOD, large), (one[None], large[None, :1]), (one, large), (GOOD, large[:1])):
        refuses(r"\(1 h w\)", best_linear, [pair], 2)
        refuses(r"\(1 h w\)", paired_crops, [pair], 2)
    refuses("black", best_linear, [(torch.zeros(1, 8, 8), torch.zeros(1, 16, 16))], 2)


def test_a_gauge_names_what_it_cannot_read():
    metal = lines((192, 192), 1.0, 80.0, 40.0, seed=2, upright=True).metal
    slow = two_scans(metal)[1]
    for same in (slow, slow[0], slow.numpy()):
        assert (line_widths(same, 2.0) == line_widths(slow[0].numpy(), 2.0)).all()
    cure = "turn it, invert it, or show a larger piece"
    for bad in (slow[0].T, np.zeros((50, 50)), np.tile([1.0, 0, 0, 1], (9, 1))):
        refuses(cure, line_widths, bad, 2.0, (0, 0))
    refuses(r"\(1 h w\)", line_widths, slow[None].expand(2, -1, -1, -1), 2.0)
    for bad in (metal[None], metal.astype(int), torch.tensor(metal)):
        with pytest.raises(InputError, match="^two_scans: metal=.*bool") as caught:
            two_scans(bad)
        assert "Layout" not in str(caught.value)
