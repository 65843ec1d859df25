"""Tiles of any picture: they cover it, their weights sum to 1, they equal the whole where the halo
covers the reach; what is read, written and refused."""

import itertools
import math

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from unet_explorer import tiles
from unet_explorer.contracts import InputError
from unet_explorer.deploy import Segmenter
from unet_explorer.effunet import EffUNet
from unet_explorer.files import open_image
from unet_explorer.images import save_image
from unet_explorer.layers import ConvNormAct
from unet_explorer.mosaics import mosaic, reach
from unet_explorer.tiles import (
    AT_ONCE,
    BLENDS,
    fitting_tile,
    largest_at_once,
    logit_bands,
    map_tiled,
    predict_tiled,
    segment_tiled,
    tile_sides,
    tile_slices,
    tile_spans,
    tile_weights,
    to_mask,
)
from unet_explorer.unet import UNet

SIZES = [(1, 1), (1, 70), (31, 57), (64, 64), (97, 131), (160, 65)]
TILINGS = [
    dict(tile=32, overlap=0, stride=1),
    dict(tile=33, overlap=8, stride=4),
    dict(tile=40, overlap=31, stride=8),
    dict(tile=500, overlap=64, stride=32),
]


def pointwise(x):
    "Sees one pixel only, so no cut can matter."
    return torch.cat([3 * x - 1, x**2, -x], 1)


def picture(h, w, c=1):
    return torch.rand(c, h, w, generator=torch.Generator().manual_seed(h + w))


@torch.no_grad()
def at_once(model, x):
    return model(x[None])[0]


def one_line(error):
    assert "\n" not in str(error.value) and len(str(error.value)) < 330
    return str(error.value)


# Where tiles lie, and what they count -------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 4, 32])
def test_spans_cover_begin_at_multiples_and_overlap_enough(stride):
    for n, tile, overlap in itertools.product(
        (1, 5, 31, 32, 33, 64, 100, 257), (32, 40, 64, 100), (0, 1, 8, 31)
    ):
        if tile - overlap < stride:
            continue
        spans = tile_spans(n, tile, overlap, stride)
        assert spans[0].start == 0 and spans[-1].stop == n
        assert all(s.start % stride == 0 and 0 < s.stop - s.start <= tile for s in spans)
        assert all(s.stop - s.start > tile - stride for s in spans) or len(spans) == 1, (
            "even the last tile has its surroundings"
        )
        assert all(
            a.stop - b.start >= overlap and b.start > a.start for a, b in zip(spans, spans[1:])
        )


def test_a_picture_smaller_than_a_tile_is_one_tile():
    assert tile_slices(5, 7, 16, 8) == [(slice(0, 5), slice(0, 7))]
    assert len(tile_slices(1024, 1024, 256, 0)) == 16


@pytest.mark.parametrize("blend", BLENDS)
def test_weights_sum_to_one_and_are_never_negative(blend):
    for n, tile in itertools.product((1, 7, 33), (1, 2, 9, 12)):
        for overlap in range(tile):
            spans, total = tile_spans(n, tile, overlap), torch.zeros(n)
            for s, w in zip(spans, tile_weights(spans, blend), strict=True):
                assert len(w) == s.stop - s.start and (w >= 0).all()
                total[s] += w
            torch.testing.assert_close(total, torch.ones(n))


def test_crop_cuts_in_the_middle_and_hann_fades():
    spans = tile_spans(12, 8, 4)
    crop, hann = ([w.tolist() for w in tile_weights(spans, b)] for b in ("crop", "hann"))
    assert crop == [[1] * 6 + [0] * 2, [0] * 2 + [1] * 6]
    assert hann[0][:4] == [1] * 4 and hann[0][7] < 0.05
    assert hann[0][4:] == sorted(hann[0][4:], reverse=True)


@pytest.mark.parametrize("pixels", [96 * 96, 128 * 128, 300 * 300, 512 * 512])
def test_fitting_tiles_are_small_enough_and_never_more_work_than_squares(pixels):
    for h, w in itertools.product((1, 31, 64, 100, 513, 1000, 2048), repeat=2):
        tile = tile_sides(h, w, pixels)
        parts = tile_slices(h, w, tile)
        sizes = [(r.stop - r.start) * (c.stop - c.start) for r, c in parts]
        side = math.isqrt(pixels) // 32 * 32
        squares = tile_slices(h, w, side)
        assert max(sizes) <= pixels
        assert sum(sizes) <= sum((r.stop - r.start) * (c.stop - c.start) for r, c in squares)
        assert len(parts) == 1 or h * w > pixels


def test_little_is_computed_twice_in_large_pictures():
    for n in (2048, 3072, 4096, 6000, 10_000, 20_000):
        parts = tile_slices(n, n, tile_sides(n, n, AT_ONCE))
        assert sum((r.stop - r.start) * (c.stop - c.start) for r, c in parts) / n**2 < 1.1


def test_memory_chooses_the_tiles(monkeypatch):
    assert 128 * 128 <= largest_at_once() <= AT_ONCE
    monkeypatch.setattr(tiles, "free_memory", lambda: 500 * 4 * 200 * 200)
    assert largest_at_once() == 200 * 200
    assert fitting_tile(180, 180) == (180, 180) and max(fitting_tile(180, 180, most=128**2)) < 180
    seen = []

    def model(x):
        seen.append(x[0, 0].numel())
        return pointwise(x)

    x = picture(700, 500)
    torch.testing.assert_close(predict_tiled(model, x), at_once(pointwise, x))
    assert len(seen) > 8 and max(seen) <= 200 * 200
    seen.clear()
    predict_tiled(model, x[:, :200, :200])
    assert seen == [200 * 200], "what is small enough goes through whole"


def test_a_map_of_one_number_per_pixel():
    x = picture(150, 170)
    for give in (lambda t: t[0] * 2, lambda t: (t[0] * 2).numpy()):
        torch.testing.assert_close(map_tiled(give, x, tile=64, overlap=16), x[0] * 2)
    out = np.zeros((150, 170), np.float32)
    assert map_tiled(lambda t: t[0] * 2, x, out, tile=64, overlap=16) is out
    np.testing.assert_allclose(out, x[0] * 2, rtol=1e-5)
    with pytest.raises(InputError, match="function=3"):
        map_tiled(3, x)


# Against the whole --------------------------------------------------------------------------------


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_book_keeping(size, blend):
    x = picture(*size)
    for tiling in TILINGS:
        y = predict_tiled(pointwise, x, blend=blend, **tiling)
        assert y.dtype == torch.float32 and y.shape == (3, *size)
        torch.testing.assert_close(y, at_once(pointwise, x))
        assert torch.equal(
            segment_tiled(pointwise, x, blend="crop", **tiling),
            to_mask(at_once(pointwise, x)[None])[0],
        )


def test_halo_rule_to_the_pixel():
    torch.manual_seed(0)
    model = nn.Sequential(ConvNormAct(2, 4), ConvNormAct(4, 4), ConvNormAct(4, 4, act=None)).eval()
    assert reach(model, stride=1, in_ch=2) == 3
    x = picture(97, 75, 2)

    def error(overlap, blend="crop"):
        return float(
            (
                predict_tiled(model, x, tile=24, overlap=overlap, blend=blend, stride=1)
                - at_once(model, x)
            )
            .abs()
            .max()
        )

    assert error(4) > 1e-3 and error(6) < 1e-5 and error(11) < 1e-5
    assert error(6, "hann") > 1e-3 and error(6, "mean") > 1e-3 and error(6, "none") > 1e-3


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_unet_equals_the_whole_only_at_multiples_of_its_stride(size):
    model = UNet(1, 2, (4, 8, 16), padding=True).eval()
    x, whole = picture(*size), None
    whole = at_once(model, x)
    torch.testing.assert_close(
        predict_tiled(model, x, tile=79, overlap=46, blend="crop", stride=4),
        whole,
        rtol=1e-4,
        atol=1e-4,
    )
    if max(size) > 79:
        wrong = predict_tiled(model, x, tile=79, overlap=46, blend="crop", stride=1)
        assert (wrong - whole).abs().max() > 0.01


def test_effunet_equals_the_whole_with_a_halo_of_its_reach():
    model = EffUNet(pretrained=False, decoder=(8, 8, 8, 8)).eval()
    x = picture(40, 1900)
    y = predict_tiled(model, x, tile=1344, overlap=1056, blend="crop")
    torch.testing.assert_close(y, at_once(model, x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m,
        lambda m: Segmenter(m, (64, 64), backend="float32", repeats=1).logits,
        lambda m: lambda x: m(x),
    ],
    ids=["module", "Segmenter.logits", "function"],
)
def test_any_callable(make):
    model = EffUNet(pretrained=False, n_classes=3, decoder=(8, 8, 8, 8)).eval()
    x = picture(90, 140)
    y = predict_tiled(make(model), x, tile=96, overlap=32)
    torch.testing.assert_close(
        y, predict_tiled(model, x, tile=96, overlap=32), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(
        predict_tiled(make(model), x[:, :50, :50]),
        at_once(model, x[:, :50, :50]),
        rtol=1e-3,
        atol=1e-3,
    )


def test_evaluation_mode_inside_and_the_old_mode_after():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    before = model[1].running_mean.clone()
    x = picture(70, 70)
    y = predict_tiled(model, x, tile=32, overlap=8, stride=1)
    assert model.training and torch.equal(model[1].running_mean, before) and not y.requires_grad
    torch.testing.assert_close(y, at_once(model.eval(), x))
    model.train()
    bands = logit_bands(model, x, tile=32, overlap=8, stride=1)
    next(bands)
    assert torch.is_grad_enabled(), "the caller's code between two bands is not touched"
    bands.close()
    assert model.training


def frozen():
    "A model in training mode with a frozen part."
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2)).train()
    model[1].eval()
    return model


@pytest.mark.parametrize(
    "way", [predict_tiled, segment_tiled, lambda m, x: next(logit_bands(m, x))]
)
def test_what_was_frozen_stays_frozen_and_what_learned_goes_on(way):
    model = frozen()
    modes = [m.training for m in model.modules()]
    way(model, picture(40, 40))
    assert [m.training for m in model.modules()] == modes == [True, True, False, True]


def test_the_modes_come_back_after_an_error():
    model = frozen()
    with pytest.raises(InputError, match="NaN"):
        predict_tiled(model, torch.full((1, 9, 9), torch.nan))
    assert [m.training for m in model.modules()] == [True, True, False, True]


def test_no_skipped_or_doubled_rows():
    seen = []
    for rows, y in logit_bands(pointwise, picture(100, 50), tile=32, overlap=20, stride=4):
        assert y.shape == (3, rows.stop - rows.start, 50)
        seen += range(100)[rows]
    assert seen == list(range(100))


# Reach --------------------------------------------------------------------------------------------


def test_reach_of_one_pixel_and_of_everything():
    assert reach(pointwise, stride=1) == 0
    assert reach(lambda x: x + x.mean((2, 3), keepdim=True), stride=1, limit=64) == math.inf
    assert reach(UNet(1, 1, (2, 2), padding=True), stride=2) == 9


# What is read and written -------------------------------------------------------------------------


class Witness:
    def __init__(self, a):
        self.a, self.shape, self.largest = a, a.shape, 0

    def __getitem__(self, where):
        piece = self.a[where]
        self.largest = max(self.largest, piece.size)
        return piece


def test_reads_a_tile_at_a_time_and_gives_bands():
    w = Witness(np.zeros((300, 900), np.uint8))
    for _, y in logit_bands(pointwise, w, tile=64, overlap=16):
        assert y.shape[1] <= 64
    assert w.largest == 64 * 64


@pytest.mark.parametrize(
    "dtype, top",
    [
        ("uint8", 255),
        ("uint16", 65535),
        ("int16", 32767),
        ("bool", 1),
        ("float32", 1),
        ("float64", 1),
    ],
)
def test_numbers_become_0_to_1_and_limits_are_for_the_whole(dtype, top):
    def same(x):
        return x

    a = (
        (np.random.default_rng(0).random((60, 50)) * top)
        .round(0 if top > 1 or dtype == "bool" else 3)
        .astype(dtype)
    )
    y = predict_tiled(same, a, tile=32, overlap=0)
    np.testing.assert_allclose(y[0].numpy(), a.astype(np.float64) / top, rtol=1e-5, atol=1e-6)
    if dtype != "bool":
        low, high = 0.2 * top, 0.6 * top
        y = predict_tiled(same, a, tile=32, overlap=0, limits=(low, high))
        np.testing.assert_allclose(
            y[0].numpy(), ((a.astype(np.float64) - low) / (high - low)).clip(0, 1), atol=1e-5
        )


def test_memory_mapped_in_and_out(tmp_path):
    import tifffile

    a = np.random.default_rng(0).integers(0, 4096, (150, 130), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", a)
    out = tifffile.memmap(tmp_path / "out.tif", shape=a.shape, dtype="uint8")
    assert (
        segment_tiled(
            lambda x: x - 0.5,
            tifffile.memmap(tmp_path / "in.tif"),
            out=out,
            tile=64,
            overlap=32,
            limits=(0, 4095),
        )
        is out
    )
    out.flush()
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), (a > 2047.5).astype(np.uint8))
    logits = np.zeros((1, 150, 130), np.float32)
    assert predict_tiled(lambda x: x, a, out=logits, tile=64, overlap=32) is logits
    np.testing.assert_allclose(logits[0], a / 65535, rtol=1e-5)


def test_a_picture_on_disk(tmp_path):
    import tifffile

    a = np.random.default_rng(0).integers(0, 4096, (150, 130), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", a)
    opened = open_image(tmp_path / "in.tif")
    y = predict_tiled(pointwise, opened, tile=64, overlap=16)
    torch.testing.assert_close(y, at_once(pointwise, opened[:]))


def test_threshold_and_classes():
    x = torch.tensor([[[0.1, 0.4, 0.6, 0.9]]])
    assert segment_tiled(lambda x: torch.logit(x), x, threshold=0.5).tolist() == [[0, 0, 1, 1]]
    assert segment_tiled(lambda x: torch.logit(x), x, threshold=0.7).tolist() == [[0, 0, 0, 1]]
    mask = segment_tiled(lambda x: torch.cat([0.5 - x, x - 0.5], 1), x)
    assert mask.tolist() == [[0, 0, 1, 1]] and mask.dtype == torch.int64


def test_mosaic_and_zarr(tmp_path):
    pytest.importorskip("dask", reason="no dask: pip install 'unet-explorer[big]'")
    zarr = pytest.importorskip("zarr", reason="no zarr: pip install 'unet-explorer[big]'")
    parts = [(picture(40, 50 + i)[..., :50] * 255).round() / 255 for i in range(6)]
    for i, p in enumerate(parts):
        save_image(tmp_path / f"{i}.png", p)
    big = mosaic([[tmp_path / f"{i}.png" for i in row] for row in ((0, 1, 2), (3, 4, 5))])
    whole = torch.cat([torch.cat(parts[:3], -1), torch.cat(parts[3:], -1)], -2)
    assert big.shape == (1, 80, 150)
    torch.testing.assert_close(torch.from_numpy(big.compute()), whole)
    torch.testing.assert_close(
        predict_tiled(pointwise, big, tile=32, overlap=8, stride=4), at_once(pointwise, whole)
    )
    out = zarr.open_array(
        str(tmp_path / "mask.zarr"), mode="w", shape=(80, 150), chunks=(24, 32), dtype="uint8"
    )
    segment_tiled(pointwise, big, out=out, tile=32, overlap=8, stride=8)
    assert np.array_equal(out[:], to_mask(at_once(pointwise, whole)[None])[0].numpy())
    stored = zarr.open_array(
        str(tmp_path / "in.zarr"), mode="w", shape=(1, 80, 150), chunks=(1, 32, 32), dtype="float32"
    )
    stored[:] = whole.numpy()
    torch.testing.assert_close(
        predict_tiled(pointwise, stored, tile=48, overlap=16), at_once(pointwise, whole)
    )

    save_image(tmp_path / "odd.png", picture(41, 50))
    with pytest.raises(InputError, match="odd.png"):
        mosaic([[tmp_path / "0.png", tmp_path / "odd.png"]]).compute(scheduler="synchronous")
    for grid in ([], [[]], [[tmp_path / "0.png"], []]):
        with pytest.raises(InputError, match="same number") as e:
            mosaic(grid)
        one_line(e)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "uint32"])
def test_a_mosaic_has_the_numbers_of_the_same_picture_in_one_file(tmp_path, dtype):
    pytest.importorskip("dask", reason="no dask: pip install 'unet-explorer[big]'")
    rng, top = np.random.default_rng(0), 256 if dtype == "uint8" else 4096
    whole = (rng.gamma(2, top / 12, (80, 150)).clip(0, top - 1)).astype(dtype)
    whole[:40] //= 2  # fields of different brightness
    tifffile.imwrite(tmp_path / "whole.tif", whole)
    grid = [[tmp_path / f"{i}{j}.tif" for j in range(3)] for i in range(2)]
    for i, j in itertools.product(range(2), range(3)):
        part = np.ascontiguousarray(whole[40 * i : 40 * i + 40, 50 * j : 50 * j + 50])
        tifffile.imwrite(grid[i][j], part)
    big = torch.from_numpy(mosaic(grid).compute(scheduler="synchronous"))
    at_once = open_image(tmp_path / "whole.tif", channels=1)[:]
    exact = dict(rtol=0, atol=0) if "int" in dtype and "32" not in dtype else {}
    torch.testing.assert_close(big, at_once, **exact)
    assert 0.9 < big.max() <= 1, "12 bits in 16 are not nearly black"
    masks = [
        segment_tiled(lambda x: x - 0.2, x, tile=32, overlap=8, stride=8) for x in (big, at_once)
    ]
    assert torch.equal(*masks)


def test_a_mosaic_of_two_types_is_refused(tmp_path):
    pytest.importorskip("dask", reason="no dask: pip install 'unet-explorer[big]'")
    for dtype in ("uint8", "uint16"):
        tifffile.imwrite(tmp_path / f"{dtype}.tif", np.arange(600, dtype=dtype).reshape(20, 30))
    grid = [[tmp_path / "uint16.tif", tmp_path / "uint8.tif"]]
    with pytest.raises(InputError, match="uint8 in a mosaic of uint16") as e:
        mosaic(grid)
    one_line(e)
    with pytest.raises(InputError, match="uint16 in a mosaic of uint8"):
        mosaic([grid[0][::-1]]).compute(scheduler="synchronous")


# A walk that goes on ------------------------------------------------------------------------------


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("tiling", TILINGS)
def test_the_rest_of_a_walk_is_equal_bit_for_bit(tiling, blend):
    x = picture(160, 65)
    bands = list(logit_bands(pointwise, x, blend=blend, **tiling))
    for done in {0, 1, 159, 160, *(rows.stop for rows, _ in bands)}:
        rest = list(logit_bands(pointwise, x, blend=blend, **tiling, first=done))
        expected = [(rows, y) for rows, y in bands if rows.stop > done]
        assert [rows for rows, _ in rest] == [rows for rows, _ in expected]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(rest, expected))


def test_the_rest_without_the_rows_above_is_refused():
    for way in (segment_tiled, map_tiled):
        with pytest.raises(InputError, match="first=32 without out"):
            way(lambda x: x[0], picture(160, 65), tile=32, overlap=0, stride=1, first=32)


# What is refused ----------------------------------------------------------------------------------

X = torch.zeros(1, 100, 100)


@pytest.mark.parametrize(
    "image, options, says",
    [
        (X, dict(tile=0), "tile=0"),
        (X, dict(tile=64, overlap=-1), "overlap=-1"),
        (X, dict(tile=64, overlap=40), "use tile=72 or more"),
        (X, dict(tile=64, overlap=64, stride=1), "use tile=65 or more"),
        (X, dict(stride=0.5), "stride=0.5"),
        (X, dict(tile=(64, 0), overlap=0), "tile=0"),
        (X, dict(tile="big"), "tile='big'"),
        (X, dict(limits=("a", 1)), "lower one first"),
        (X, dict(blend="gauss"), "hann, mean, crop, none"),
        (X, dict(limits=(1, 1)), "lower one first"),
        (X[0, 0], {}, "(c h w)"),
        (torch.zeros(1, 0, 5), {}, "at least one pixel"),
        (np.zeros((50, 60, 3), np.uint8), {}, "moveaxis"),
        (X * torch.nan, {}, "NaN"),
        (X - 1, dict(tile=64, overlap=0), None),
        (X + 2, {}, "[0, 1]"),
    ],
)
def test_what_cannot_be(image, options, says):
    if says is None:
        with pytest.raises(InputError, match="row 0, column 0"):
            predict_tiled(pointwise, image, **options)
        return
    with pytest.raises(InputError) as e:
        predict_tiled(pointwise, image, **options)
    assert says in one_line(e)


def test_a_model_that_shrinks_is_refused():
    with pytest.raises(InputError, match="same height and width") as e:
        predict_tiled(nn.Conv2d(1, 1, 3), X)
    one_line(e)
