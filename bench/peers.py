"""The neighbours' models behind the face of `EffUNet`, for one training loop and one stopwatch."""

import contextlib
import io
import logging

import torch
import torch.nn.functional as F
from torch import nn
from unet_explorer.effunet import EffUNet
from unet_explorer.unet import UNet

logging.disable(logging.WARNING)


class Peer(nn.Module):
    """`net` with padding to a multiple of 32, normalisation, `.config`, `.amp` and `.predict`, like
    `EffUNet`."""

    def __init__(self, net, in_ch, n_classes, mean=0.5, std=0.5):
        super().__init__()
        self.net, self.mean, self.std, self.amp = net, mean, std, None
        self.config = dict(in_ch=in_ch, n_classes=n_classes)

    def forward(self, x):
        h, w = x.shape[-2:]
        x = (F.pad(x, (0, -w % 32, 0, -h % 32), mode="replicate") - self.mean) / self.std
        with torch.autocast(
            x.device.type, self.amp or torch.bfloat16, enabled=self.amp is not None
        ):
            return self.net(x)[..., :h, :w].float()

    predict = EffUNet.predict


def ours(in_ch, n_classes, seed, **kw):
    return EffUNet(in_ch=in_ch, n_classes=n_classes, seed=seed, **kw)


def smp_tu(in_ch, n_classes, seed):
    """smp.Unet with timm's lite0 and the same pretrained weights: the same encoder as ours, to the
    last digit."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(seed)
    net = smp.Unet(
        "tu-tf_efficientnet_lite0", encoder_weights=None, in_channels=in_ch, classes=n_classes
    )
    weights = EffUNet(in_ch=in_ch, pretrained=True).encoder.state_dict()
    net.encoder.model.load_state_dict(
        dict(zip(net.encoder.model.state_dict(), weights.values(), strict=True))
    )
    return Peer(net, in_ch, n_classes)


def smp_timm(in_ch, n_classes, seed):
    """smp.Unet with smp's own copy of lite0 (symmetric padding, other skip at stride 2), same
    weights."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(seed)
    net = smp.Unet(
        "timm-tf_efficientnet_lite0", encoder_weights=None, in_channels=in_ch, classes=n_classes
    )
    weights = list(EffUNet(in_ch=in_ch, pretrained=True).encoder.state_dict().values())
    keys = list(net.encoder.state_dict())[: len(weights)]
    state = net.encoder.state_dict()
    for k, v in zip(keys, weights, strict=True):
        assert state[k].shape == v.shape, k
    net.encoder.load_state_dict(dict(zip(keys, weights)), strict=False)
    return Peer(net, in_ch, n_classes)


def monai(in_ch, n_classes, seed):
    """MONAI FlexibleUNet, efficientnet-b0, pixelshuffle; from scratch, since its weights need a
    network. The 49 batch norms of its encoder have momentum 0.01, made for long trainings: after a
    hundred steps 0.99^100 = 37 % of each running variance is still the 1 it began with, layer upon
    layer, and the evaluated mask is empty. With torch's usual 0.1 the comparison is fair."""
    from monai.networks.nets import FlexibleUNet

    torch.manual_seed(seed)
    net = FlexibleUNet(
        in_ch, n_classes, "efficientnet-b0", pretrained=False, upsample="pixelshuffle"
    )
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.1
    return Peer(net, in_ch, n_classes)


def dynamic(in_ch, n_classes, seed):
    """fastai DynamicUnet on a flattened timm efficientnet_b0; from scratch. Flattened, or it would
    find one skip only."""
    import timm
    from fastai.vision.models.unet import DynamicUnet

    torch.manual_seed(seed)
    b0 = timm.create_model("efficientnet_b0", pretrained=False, in_chans=in_ch)
    body = nn.Sequential(b0.conv_stem, b0.bn1, *[block for stage in b0.blocks for block in stage])
    with contextlib.redirect_stdout(io.StringIO()):
        net = DynamicUnet(body, n_classes, (256, 256))
    return Peer(net, in_ch, n_classes)


def unet2015(in_ch, n_classes, seed):
    "The U-Net of 2015, padded; from scratch, as it was meant."
    torch.manual_seed(seed)
    return Peer(UNet(in_ch=in_ch, n_classes=n_classes, padding=True), in_ch, n_classes)


PEERS = {
    "EffUNet lite0": ours,
    "smp.Unet lite0 (tu-)": smp_tu,
    "smp.Unet lite0 (timm-)": smp_timm,
    "MONAI FlexibleUNet b0": monai,
    "fastai DynamicUnet b0": dynamic,
    "U-Net 2015": unet2015,
}
