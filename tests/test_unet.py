"Contracts of the 2015 U-Net and its ledger, and of the layers below them."

import itertools
from functools import partial

import pytest
import torch
from torch import nn

from unet_explorer.contracts import InputError, check_whole
from unet_explorer.layers import (
    ConvNormAct,
    DoubleConv,
    Stage,
    field_extent,
    layer_of,
    measured_field,
    receptive_field,
)
from unet_explorer.upsample import upsampler
from unet_explorer.unet import UNet, crop_to, nearest_legal, padded_side, valid_output
from unet_explorer.unet_ledger import (
    Plan,
    draw_ledger,
    lay_out,
    model_plan,
    shape_ledger,
    sides,
    skeleton,
    unet_plan,
)

SIZES = {
    1: [(1,), (7,), (33,)],
    2: [(1, 1), (5, 8), (31, 57), (64, 48)],
    3: [(1, 1, 1), (3, 8, 13)],
}
WIDTHS = (3, 4, 6)


def one_line(error):
    assert "\n" not in str(error.value) and len(str(error.value)) < 330
    return str(error.value)


def shapes(model, x):
    with torch.no_grad():
        return [(s.label, tuple(s.tensor.shape[1:])) for s in model.stages(x)]


# The network --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dims, norm, skips", itertools.product((1, 2, 3), (False, True), (False, True))
)
def test_padded_takes_any_size_and_gradients_reach_everything(dims, norm, skips):
    torch.manual_seed(0)
    model = UNet(3, 4, WIDTHS, padding=True, norm=norm, skips=skips, dims=dims)
    for size in SIZES[dims]:
        x = torch.rand(2, 3, *size)
        model.eval()
        with torch.no_grad():
            y = model(x)
            assert y.shape == (2, 4, *size) and y.isfinite().all() and torch.equal(y, model(x))
        model.train()
        assert model(x[:1]).shape == (1, 4, *size), "training with a batch of one"
    model(torch.rand(4, 3, *[24] * dims)).square().mean().backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead, f"no gradient reaches {dead}"


@pytest.mark.parametrize("dims, skips", itertools.product((1, 2, 3), (False, True)))
def test_valid_sizes(dims, skips):
    model = UNet(1, 2, WIDTHS, dims=dims, skips=skips).eval()
    for n in (44, 48):
        m = valid_output(n, levels=2)
        with torch.no_grad():
            assert model(torch.rand(1, 1, *[n] * dims)).shape == (1, 2, *[m] * dims)
    for n in (1, 12, 39, 45, 46):
        with pytest.raises(InputError) as e:
            model(torch.rand(1, 1, *[n] * dims))
        below, above = nearest_legal(n, 2)
        assert str(above) in one_line(e) and (below is None or str(below) in str(e.value))


def test_legal_sizes_are_those_that_run_without_an_odd_pooling():
    "Against real convolutions and poolings, not against the same sums."
    for levels in (1, 2, 3):
        conv, pool = nn.Conv1d(1, 1, 3), nn.MaxPool1d(2)
        for n in range(1, 130):
            x, fits = torch.zeros(1, 1, n), True
            try:
                for _ in range(levels):
                    x = conv(conv(x))
                    fits &= x.shape[-1] % 2 == 0
                    x = pool(x)
                x = conv(conv(x))
                for _ in range(levels):
                    x = conv(conv(x.repeat_interleave(2, -1)))
            except RuntimeError:
                fits = False
            assert valid_output(n, levels) == (x.shape[-1] if fits else None), (n, levels)


def test_paper():
    with torch.device("meta"):
        model = UNet(seed=None)
    y = model(torch.zeros(1, 1, 572, 572, device="meta"))
    assert y.shape == (1, 2, 388, 388)
    assert sum(p.numel() for p in model.parameters()) == 31_030_658
    assert sum(isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) for m in model.modules()) == 23


def test_valid_and_padded_agree_away_from_the_border():
    "The same weights; the valid net starts at pixel 2, so that the poolings lie on one grid."
    valid = UNet(1, 2, WIDTHS, seed=3).eval()
    padded = UNet(1, 2, WIDTHS, padding=True, seed=3).eval()
    x = torch.rand(1, 1, 92, 92)
    with torch.no_grad():
        a, b = valid(x[..., 2:78, 2:78]), padded(x)
    assert a.shape[2:] == (36, 36)
    torch.testing.assert_close(b[..., 22:58, 22:58], a, rtol=1e-4, atol=1e-5)


def test_seed_decides_the_start_and_leaves_torchs_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    a, b, c = (UNet(1, 2, WIDTHS, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, a.parameters(), b.parameters())) and not all(
        map(torch.equal, a.parameters(), c.parameters())
    )


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_what_doubles_a_map_can_be_exchanged(dims):
    "It keeps its own start: here ICNR, all phases alike."
    shuffle = partial(upsampler, "shuffle", dims=dims)
    model = UNet(1, 2, WIDTHS, padding=True, dims=dims, up=shuffle)
    assert model(torch.rand(2, 1, *[9] * dims)).shape == (2, 2, *[9] * dims)
    for up in model.up:
        first, *others = up.conv.weight.unflatten(0, (-1, 2**dims)).unbind(1)
        assert all(torch.equal(first, w) for w in others)


def test_state_dict_and_config_restore_the_model():
    a = UNet(2, 3, WIDTHS, padding=True, norm=True, seed=5).eval()
    b = UNet(**a.config, seed=6).eval()
    b.load_state_dict(a.state_dict())
    x = torch.rand(1, 2, 20, 30)
    with torch.no_grad():
        assert torch.equal(a(x), b(x))
        torch.testing.assert_close(
            a(x.contiguous(memory_format=torch.channels_last)), a(x), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    "kw",
    [
        dict(in_ch=0),
        dict(in_ch=-1),
        dict(n_classes=0),
        dict(widths=(8,)),
        dict(widths=(8, 0)),
        dict(widths=5),
        dict(widths=(8, "16")),
        dict(dims=4),
        dict(dims=7),
        dict(in_ch=1.5),
        dict(in_ch="a"),
    ],
    ids=str,
)
def test_refuses_impossible_nets(kw):
    "The net and its plan, which is arithmetic and would not notice, in the same words."
    said = []
    for make in (UNet, unet_plan):
        with pytest.raises(InputError) as e:
            make(**kw)
        said.append(one_line(e).partition(": ")[2])
    assert said[0] == said[1] and next(iter(kw)) in said[0]


@pytest.mark.parametrize(
    "shape", [(1, 2, 16, 16), (1, 16, 16), (1, 1, 16), (1, 1, 0, 16), (0, 1, 16, 16)]
)
def test_refuses_wrong_input(shape):
    with pytest.raises(InputError) as e:
        UNet(1, 2, WIDTHS, padding=True)(torch.rand(shape))
    assert str(shape) in one_line(e)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_refuses_a_picture_in_whole_numbers(dtype):
    "0 to 255 would come out as logits in the thousands."
    with pytest.raises(InputError) as e:
        UNet(1, 2, WIDTHS, padding=True)(torch.ones(1, 1, 8, 8, dtype=dtype))
    assert str(dtype) in one_line(e) and "[0, 1]" in str(e.value)


# The ledger ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dims, norm, skips, in_ch, k",
    [
        (1, False, True, 1, 2),
        (2, True, True, 3, 1),
        (2, False, False, 1, 5),
        (3, True, False, 2, 2),
        (3, False, True, 1, 1),
    ],
)
@pytest.mark.parametrize("widths", [(3, 5), (2, 4, 6), (4, 3, 2, 5)])
def test_plan_has_the_parameters_of_the_net(dims, norm, skips, in_ch, k, widths):
    kw = dict(in_ch=in_ch, n_classes=k, widths=widths, norm=norm, skips=skips, dims=dims)
    model = UNet(**kw)
    plan = unet_plan(**kw)
    assert sum(p.params for p in plan.parts) == sum(p.numel() for p in model.parameters())
    assert model_plan(model) == plan


@pytest.mark.parametrize(
    "dims, padding, skips, norm",
    itertools.product((1, 2, 3), (False, True), (False, True), (False, True)),
)
def test_ledger_equals_real_shapes(dims, padding, skips, norm):
    model = UNet(1, 3, WIDTHS, padding=padding, skips=skips, norm=norm, dims=dims).eval()
    for size in SIZES[dims] if padding else [(44,) * dims, (*[44] * (dims - 1), 52)]:
        ledger = shape_ledger(model, *size)
        real = shapes(model, torch.rand(1, 1, *size))
        assert [r.shape for r in ledger.rows] == [s for _, s in real]
        assert [r.label for r in ledger.rows] == [label for label, _ in real]
        assert ledger.bytes == sum(4 * torch.Size(s).numel() for _, s in real)
        if not padding:
            assert not ledger.misfits and not any(ledger.pad)


def test_cure_cures_and_nothing_smaller_does():
    padded, valid = (
        unet_plan(widths=(2,) * 4, padding=True, dims=1),
        unet_plan(widths=(2,) * 4, dims=1),
    )
    for plan, ok in (
        (padded, lambda n: n % 8 == 0),
        (valid, lambda n: valid_output(n, 3) is not None),
    ):
        for n in range(1, 150):
            pad = lay_out(plan, n).pad[0]
            assert ok(n + pad) and not any(ok(n + p) for p in range(pad))
            after = lay_out(plan, n + pad)
            assert not after.misfits and not any(after.pad)
            assert bool(lay_out(plan, n).misfits) == bool(pad), n


def test_misfits_are_those_a_real_net_has():
    "Pool and repeat a real tensor; every skip whose size is not met must be named, and no other."
    plan = unet_plan(widths=(2,) * 5, padding=True, dims=1)
    for n in range(16, 120):
        x, kept, bad = torch.zeros(1, 1, n), [], []
        for _ in range(4):
            kept.append(x)
            x = nn.functional.max_pool1d(x, 2)
        for level in (3, 2, 1, 0):
            up = x.repeat_interleave(2, -1)
            if up.shape != kept[level].shape:
                bad.append((level, up.shape[-1:], kept[level].shape[-1:]))
            x = kept[level]
        assert [(m.level, m.below, m.skip) for m in lay_out(plan, n).misfits] == bad


def test_sizes_on_two_axes_are_independent():
    plan = unet_plan(widths=(2,) * 5, padding=True)
    ledger = lay_out(plan, 250, 256)
    assert ledger.pad == (6, 0) and [m.level for m in ledger.misfits] == [3, 1]
    assert ledger.misfits[0].below == (30, 32) and ledger.misfits[0].skip == (31, 32)
    assert "cure" in ledger.message and "31 x 32" in ledger.message


def test_too_small_for_valid_ends_early_and_says_how_much_is_missing():
    ledger = lay_out(unet_plan(), 20, 572)
    assert ledger.pad == (168, 0) and ledger.misfits and len(ledger.rows) < len(ledger.plan.parts)
    assert sides(unet_plan(), 1) == [1]
    assert "cure" in str(ledger)


@pytest.mark.parametrize(
    "sizes",
    [(), (0, 5), (5, -1), (2.5, 3), (572,), (20, 20, 20), ((572, 572),), (None,), ("5", 5)],
    ids=str,
)
def test_ledger_refuses_impossible_sizes(sizes):
    for model in (unet_plan(), UNet(widths=WIDTHS)):
        with pytest.raises(InputError) as e:
            shape_ledger(model, *sizes)
        assert str(sizes) in one_line(e)


class Flat(nn.Module):
    "A net of one strided convolution with `stages`, in any dimension."

    def __init__(self, dims, **config):
        super().__init__()
        self.config, self.conv = config, layer_of("Conv", dims)(2, 3, 3, 2, 1)

    def stages(self, x):
        x = nn.functional.pad(x, (0, 1) * (x.ndim - 2))
        yield Stage("input", 1, x)
        yield Stage("encoder", 2, self.conv(x))


@pytest.mark.parametrize("dims", (1, 2, 3))
def test_ledger_of_a_strange_net_in_any_dimension(dims):
    ledger = shape_ledger(Flat(dims, in_ch=2), *[10] * dims)
    assert (
        ledger.plan.dims == dims
        and ledger.plan.title == "Flat"
        and ledger.params == 3 * (2 * 3**dims + 1)
    )
    assert ledger.rows[-1].shape == (3, *[5] * dims)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: shape_ledger(nn.Conv2d(1, 1, 1), 8, 8), "Conv2d has no stages"),
        (lambda: shape_ledger("b0", 8, 8), "str has no stages"),
        (lambda: shape_ledger(Flat(2), 8, 8), "give in_ch"),
        (lambda: model_plan(Flat(2), in_ch=5), "5 channels"),
        (lambda: shape_ledger(Flat(2, in_ch=2), 8, 8, 8), "3 axes"),
    ],
)
def test_ledger_refuses_models_it_cannot_read(call, said):
    with pytest.raises(InputError) as e:
        call()
    assert said in one_line(e)


def test_ledger_of_other_models():
    from unet_explorer.effunet import EffUNet

    model = EffUNet(pretrained=False, decoder=(16, 12, 8, 8), n_classes=3).eval()
    plan = model_plan(model)
    assert isinstance(plan, Plan) and plan.skips == (1, 2, 3, 4) and plan.halving == "ceil"
    assert sum(p.params for p in plan.parts) == sum(p.numel() for p in model.parameters())
    of = {(p.name, 2**p.level): p.params for p in plan.parts}
    assert of["logits", 1] == sum(p.numel() for p in model.head.parameters())
    assert of["decoder", 16] == sum(p.numel() for p in model.decoder[0].parameters())
    for size in ((1, 1), (64, 64), (97, 250), (333, 31)):
        assert [r.shape for r in shape_ledger(plan, *size).rows] == [
            s for _, s in shapes(model, torch.rand(1, 1, *size))
        ]
        assert shape_ledger(model, *size).rows == shape_ledger(plan, *size).rows
    odd = shape_ledger(plan, 250, 256)
    assert (
        odd.misfits[0].level == 2
        and odd.misfits[0].below == (64, 64)
        and odd.misfits[0].skip == (63, 64)
        and odd.pad == (6, 0)
    )


def test_skeleton_has_shapes_and_no_numbers_and_leaves_the_model_alone():
    model = UNet(1, 2, WIDTHS, norm=True).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    bones = skeleton(model)
    assert (
        all(t.is_meta for t in bones.state_dict().values())
        and not bones.training
        and model.training
    )
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert bones(torch.zeros(1, 1, 44, 44, device="meta")).shape == (1, 2, 4, 4)


@pytest.mark.parametrize(
    "kw, sizes",
    [
        (dict(), (572, 572)),
        (dict(), (20, 20)),
        (dict(), (571, 572)),
        (dict(padding=True), (250, 31)),
        (dict(padding=True, skips=False), (64, 64)),
        (dict(dims=1), (188,)),
        (dict(dims=3, padding=True), (9, 9, 9)),
        (dict(widths=(8, 16)), (20, 20)),
    ],
)
def test_drawing(kw, sizes):
    plt = pytest.importorskip("matplotlib.pyplot")
    ledger = shape_ledger(unet_plan(**kw), *sizes)
    fig = draw_ledger(ledger)
    texts = [t.get_text() for t in fig.axes[0].texts]
    assert fig.axes[0].get_title() == ledger.message
    assert sum("meets" in t for t in texts) == sum(
        any(r.side == "up" and r.level == m.level for r in ledger.rows) for m in ledger.misfits
    )
    plt.close(fig)


# The layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", (1, 2, 3))
def test_blocks(dims):
    x = torch.rand(2, 3, *[13] * dims)
    for kernel, stride, dilation, norm in itertools.product(
        (1, 3, 5), (1, 2), (1, 2), (False, True)
    ):
        y = ConvNormAct(3, 4, kernel, stride, dilation, norm, dims=dims)(x)
        assert y.shape == (2, 4, *[-(-13 // stride)] * dims) and (y >= 0).all()
    assert (ConvNormAct(3, 4, act=None, dims=dims)(x) < 0).any()
    assert isinstance(ConvNormAct(3, 4, act=nn.SiLU, dims=dims)[-1], nn.SiLU)
    assert DoubleConv(3, 4, dims=dims)(x).shape[2:] == x.shape[2:]
    assert DoubleConv(3, 4, padding=False, dims=dims)(x).shape[2:] == (9,) * dims


def test_layers_refuse():
    for wrong in (
        lambda: ConvNormAct(1, 1, kernel=4),
        lambda: ConvNormAct(1, 1, stride=0),
        lambda: ConvNormAct("3", 1),
        lambda: check_whole("x", n=2.0),
        lambda: layer_of("Conv", 0),
        lambda: layer_of("Dense", 2),
        lambda: receptive_field([(0,)]),
        lambda: receptive_field([(3, 1, 1, -1)]),
        lambda: receptive_field([3, 3]),
        lambda: receptive_field([(3, 1, 1, 1, 1)]),
        lambda: receptive_field([()]),
        lambda: receptive_field([(3, 1.5)]),
        lambda: field_extent(torch.zeros(3, 3)),
        lambda: crop_to(torch.zeros(1, 1, 3), [4]),
        lambda: crop_to(torch.zeros(1, 1, 8, 8), (4,)),
        lambda: measured_field(nn.Conv2d(3, 1, 3), 9, 9),
        lambda: measured_field(nn.Conv2d(1, 1, 5), 3, 3),
    ):
        with pytest.raises(InputError) as e:
            wrong()
        one_line(e)


def test_measured_field_takes_activations_with_weights():
    net = nn.Sequential(nn.Conv1d(1, 4, 3), nn.PReLU(4), nn.Conv1d(4, 1, 3))
    assert field_extent(measured_field(net, 20)) == [(8, 5)]


@pytest.mark.parametrize("seed", range(12))
def test_measured_field_equals_the_formula(seed):
    "Random chains: size and place."
    g = torch.Generator().manual_seed(seed)

    def pick(*options):
        return options[int(torch.randint(len(options), (1,), generator=g))]

    chain = [
        pick((3, 1, 1), (3, 1, 2), (1, 1, 1), (5, 1, 1), (3, 2, 1), (2, 2, 1)) for _ in range(4)
    ]
    net = nn.Sequential(
        *(
            nn.MaxPool1d(2)
            if k == 2
            else ConvNormAct(1, 1, k, s, d, norm=pick(True, False), dims=1, padding=False)
            for k, s, d in chain
        )
    )
    size, jump, start = receptive_field(chain)
    n = 150
    middle = net.eval()(torch.zeros(1, 1, n)).shape[-1] // 2
    assert field_extent(measured_field(net, n)) == [(start + middle * jump - (size - 1) / 2, size)]


def test_padded_side():
    for n in range(1, 100):
        for levels, least in itertools.product((1, 2, 4), (1, 2)):
            m = padded_side(n, levels, least)
            assert (
                m >= max(n, least * 2**levels)
                and m % 2**levels == 0
                and m - n < max(2**levels, least * 2**levels)
            )
