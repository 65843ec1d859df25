"""What the upsamplers and their measures compute, against closed forms, and what they refuse."""

import pytest
import torch
from torch import nn

from unet_explorer.contracts import InputError
from unet_explorer.images import show_grid
from unet_explorer.upsample import (
    UPSAMPLERS,
    ShuffleUp,
    checkerboard_score,
    coverage,
    icnr_,
    nyquist_energy,
    phase_variance,
    pixel_shuffle,
    upsampler,
)


def one_line(error):
    text = str(error.value)
    assert "\n" not in text and len(text) < 330
    return text


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_flat_stays_flat_at_the_start_but_for_transposed(scale):
    for name in UPSAMPLERS:
        torch.manual_seed(0)
        with torch.no_grad():
            y = upsampler(name, 8, 6, scale)(torch.ones(1, 8, 12, 12))
        assert (phase_variance(y, scale, 3 * scale) < 1e-9) == (
            not name.startswith("transposed")
        ), name


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("name", UPSAMPLERS)
def test_any_number_of_axes(name, dims):
    "Flat along all axes but the last, it does to the last what the layer of one axis does."
    torch.manual_seed(0)
    up = upsampler(name, 3, 2, dims=dims)
    with torch.no_grad():
        flat = up(torch.ones(1, 3, *[12] * dims))
    assert flat.shape == (1, 2, *[24] * dims)
    assert (phase_variance(flat, 2, 6) < 1e-9) == (not name.startswith("transposed")), name


def test_steps_on_a_ramp():
    "Nearest: w1 and w0 + w2 by turns; bilinear: equal; shuffle: the same stairs; blur: halves."
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)

    def steps(name):
        torch.manual_seed(0)
        up = upsampler(name, 1, 1)
        with torch.no_grad():
            return up.conv.weight[0, 0].sum(0), up(ramp)[0, 0, 12].diff()[5:-5]

    w, near = steps("nearest")
    torch.testing.assert_close(near, torch.stack([w[1], w[0] + w[2]]).repeat(7)[: len(near)])
    assert near.std() > 0.1
    w, line = steps("bilinear")
    torch.testing.assert_close(line, (w.sum() / 2).expand(len(line)))
    w, stairs = steps("shuffle")
    torch.testing.assert_close(stairs, torch.stack([w.sum(), w.sum() * 0]).repeat(7)[: len(stairs)])
    w, soft = steps("shuffle_blur")
    torch.testing.assert_close(soft, (w.sum() / 2).expand(len(soft)))


@pytest.mark.parametrize("scale", [2, 3])
def test_phase_variance_is_that_of_the_tile_at_every_margin(scale):
    tile = torch.rand(scale, scale, generator=torch.Generator().manual_seed(scale))
    expected = float(tile.var(unbiased=False) / tile.square().mean())
    for margin in range(5):
        assert abs(phase_variance(tile.repeat(9, 8)[None, None], scale, margin) - expected) < 1e-6


def test_measures_take_whole_numbers_and_gradients():
    stripes = torch.tensor([0, 5]).repeat(16).expand(1, 2, 32, 32)
    assert nyquist_energy(stripes) > 0.9 and abs(phase_variance(stripes) - 0.5) < 1e-9
    assert (
        nyquist_energy(stripes.float().requires_grad_()) > 0.9
        and phase_variance(stripes.float().requires_grad_()) > 0.4
    )


X, W = torch.ones(1, 8, 4, 4), torch.ones(8, 3, 1, 1)
WRONG = {
    "coverage, stride 0": (lambda: coverage(3, 0), "stride=0"),
    "coverage, no kernel": (lambda: coverage(0, 2), "kernel=0"),
    "coverage, half": (lambda: coverage(2.5, 2), "2.5"),
    "shuffle by 0": (lambda: pixel_shuffle(X, 0), "scale=0"),
    "shuffle, channels": (lambda: pixel_shuffle(X, 3), "8 channels"),
    "shuffle, no picture": (lambda: pixel_shuffle(X[0, 0], 2), "(4, 4)"),
    "icnr by 0": (lambda: icnr_(W, 0), "scale=0"),
    "icnr, channels": (lambda: icnr_(W, 3), "8 output channels"),
    "even kernel": (lambda: ShuffleUp(8, 6, kernel=2), "kernel=2"),
    "no kernel": (lambda: ShuffleUp(8, 6, kernel=0), "kernel=0"),
    "name": (lambda: upsampler("cubic", 8, 6), "bilinear"),
    "uneven by 1": (lambda: upsampler("transposed_uneven", 8, 6, 1), "scale=1"),
    "map": (lambda: phase_variance(X[0, 0]), "(4, 4)"),
    "map, Nyquist": (lambda: nyquist_energy(X[0, 0]), "(4, 4)"),
    "period 0": (lambda: phase_variance(X, 0), "scale=0"),
    "period 0, Nyquist": (lambda: nyquist_energy(X, 0), "scale=0"),
    "margin below 0": (lambda: phase_variance(X, margin=-1), "margin=-1"),
    "all margin": (lambda: phase_variance(X, margin=2), "nothing left"),
    "channels": (lambda: checkerboard_score(nn.ConvTranspose2d(8, 6, 2, stride=2), 3), "in_ch=3"),
    "scale": (lambda: checkerboard_score(upsampler("shuffle", 8, 6, 3), 8), "96x96"),
    "small": (lambda: checkerboard_score(upsampler("shuffle", 8, 6), 8, size=8), "nothing left"),
}
WRONG |= {
    f"{name} by 0": (lambda name=name: upsampler(name, 8, 6, 0), "scale=0") for name in UPSAMPLERS
}
WRONG |= {
    f"{name} of no channels": (lambda name=name: upsampler(name, 0, 6), "in_ch=0")
    for name in UPSAMPLERS
}


@pytest.mark.parametrize("case", WRONG)
def test_refuses(case):
    call, says = WRONG[case]
    with pytest.raises(InputError) as e:
        call()
    assert says in one_line(e)


def test_show_grid_takes_a_tensor_as_channels_first():
    "Even one of 3x3 pixels in colour, which as an array would be (h w 3)."
    plt = pytest.importorskip("matplotlib.pyplot")
    red = torch.zeros(3, 3, 3)
    red[0] = torch.linspace(0, 1, 3)
    fig = show_grid(
        [
            red,
            red.permute(1, 2, 0).numpy(),
            torch.rand(3, 5, 7),
            torch.rand(1, 5, 3),
            torch.rand(5, 3),
        ]
    )
    shown = [ax.images[0].get_array() for ax in fig.axes]
    assert (
        (shown[0] == shown[1]).all()
        and (shown[0][..., 0][0] == red[0, 0].numpy()).all()
        and not shown[0][..., 1:].any()
    )
    assert [a.shape for a in shown[2:]] == [(5, 7, 3), (5, 3), (5, 3)]
    plt.close(fig)
