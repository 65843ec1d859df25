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
