"The model beyond its contract: larger variants, its start and seed, saved folders, refusals."

import json

import pytest
import torch

from unet_explorer.effunet import EffUNet, restore, save
from unet_explorer.tiles import to_mask
from unet_explorer.contracts import InputError
from unet_explorer.upsample import phase_variance

SMALL = dict(decoder=(16, 16, 8, 8), convs=1, pretrained=False)


@pytest.mark.parametrize("encoder", ["lite2", "b1"])
def test_larger_variants(encoder):
    model = EffUNet(encoder, **SMALL).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 1, 70, 90)).shape == (1, 1, 70, 90)


def test_trains_on_a_single_tiny_picture():
    model = EffUNet(**SMALL).train()  # batch norm needs more than one value at stride 32
    model(torch.rand(1, 1, 1, 1)).sum().backward()


@pytest.mark.parametrize("seed", range(3))
def test_decoder_keeps_a_constant_constant_at_the_start(seed):
    model = EffUNet(pretrained=False, seed=seed).eval()
    widths = [model.encoder.channels[-1], *model.config["decoder"]]
    with torch.no_grad():
        for up, c in zip([b.up for b in model.decoder] + [model.head], widths):
            assert phase_variance(up(torch.ones(1, c, 12, 12)), margin=4) < 1e-9


def test_seed_decides_the_start_and_leaves_torchs_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    a, b, c = EffUNet(**SMALL, seed=1), EffUNet(**SMALL, seed=1), EffUNet(**SMALL, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters())]
    other = [torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters())]
    assert all(same) and not all(other)


def test_save_and_restore(tmp_path):
    model = (
        EffUNet(n_classes=3, up="bilinear", **SMALL).to(memory_format=torch.channels_last).eval()
    )
    save(model, tmp_path / "m", classes=["a", "b", "c"])
    again = restore(tmp_path / "m")
    x = torch.rand(1, 1, 40, 50)
    with torch.no_grad():
        torch.testing.assert_close(again(x), model(x), rtol=1e-4, atol=1e-5)
    assert again.about["classes"] == ["a", "b", "c"] and again.config == model.config
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def one_line(error):
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


def test_folders_that_are_no_models(tmp_path):
    with pytest.raises(InputError, match="no such model folder") as e:
        restore(tmp_path / "gone")
    one_line(e)
    with pytest.raises(InputError, match="config.json and model.safetensors missing") as e:
        restore(tmp_path)
    one_line(e)
    good = tmp_path / "good"
    save(EffUNet(**SMALL), good)
    config, weights = (good / "config.json").read_text(), (good / "model.safetensors").read_bytes()
    for text, says in (
        ("not json", "damaged"),
        ("{}", "damaged"),
        (json.dumps({**json.loads(config), "format": 99}), "upgrade"),
        (config.replace('"n_classes": 1', '"n_classes": 2'), "does not fit"),
        (config.replace('"lite0"', '"b99"'), "b99"),
    ):
        (good / "config.json").write_text(text)
        with pytest.raises(InputError, match=says) as e:
            restore(good)
        one_line(e)
    (good / "config.json").write_text(config)
    (good / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InputError, match="damaged") as e:
        restore(good)
    one_line(e)


@pytest.mark.parametrize(
    "options, says",
    [
        (dict(encoder="resnet"), "lite0"),
        (dict(up="shufle"), "shuffle_blur"),
        (dict(in_ch=0), "in_ch=0"),
        (dict(n_classes=-1), "n_classes=-1"),
        (dict(decoder=(8, 8)), "4"),
        (dict(decoder=(8, 8, 8, 0)), "from 1 up"),
        (dict(decoder=64), "decoder=64"),
        (dict(n_classes="a"), "n_classes='a'"),
        (dict(n_classes=1.5), "n_classes=1.5"),
        (dict(family="timm", encoder=None), "encoder=None"),
        (dict(family="timm", encoder="resnett"), "timm has no network"),
        (dict(family="smp", encoder="tu-resnet18"), "family='timm'"),
    ],
)
def test_options_that_cannot_be(options, says):
    with pytest.raises(InputError, match=says) as e:
        EffUNet(**{**SMALL, **options})
    one_line(e)


def test_wrong_channels_say_so():
    model = EffUNet(**SMALL)
    for shape in ((1, 3, 64, 64), (1, 64, 64), (64, 64)):
        with pytest.raises(InputError, match="in_ch=1"):
            model(torch.rand(shape))


def test_predict_converts_channels_and_leaves_the_mode(tmp_path):
    model = EffUNet(**SMALL).train()
    mask = model.predict(torch.rand(3, 20, 30))
    assert mask.shape == (20, 30) and mask.dtype == torch.int64 and model.training
    with pytest.raises(InputError, match="NaN"):
        model.predict(torch.full((1, 4, 4), float("nan")))


def test_threshold():
    logits = torch.logit(torch.tensor([0.2, 0.4, 0.6, 0.8])).reshape(1, 1, 1, 4)
    assert to_mask(logits, 0.5).flatten().tolist() == [0, 0, 1, 1]
    assert to_mask(logits, 0.7).flatten().tolist() == [0, 0, 0, 1]


def test_summary_names_every_stage():
    text = EffUNet(**SMALL).summary(100, 70)
    for stage in (
        [f"encoder, stride {s}" for s in (2, 4, 8, 16, 32)]
        + [f"decoder, stride {s}" for s in (16, 8, 4, 2)]
        + ["logits"]
    ):
        assert stage in text


def test_modes_come_back_part_by_part():
    model = EffUNet(**SMALL).train()
    model.encoder.eval()  # frozen batch norms, while the decoder trains
    model.predict(torch.rand(1, 40, 40))
    model.summary(64, 64)
    assert (
        model.training
        and model.decoder.training
        and not any(m.training for m in model.encoder.modules())
    )


@pytest.mark.parametrize("threshold", [-1, 2, float("nan")])
def test_thresholds_are_probabilities(threshold):
    with pytest.raises(InputError, match="from 0 to 1"):
        EffUNet(**SMALL).predict(torch.rand(1, 40, 40), threshold)


def test_nothing_to_look_at():
    with pytest.raises(InputError, match="without a 0") as e:
        EffUNet(**SMALL)(torch.rand(1, 1, 0, 10))
    one_line(e)
