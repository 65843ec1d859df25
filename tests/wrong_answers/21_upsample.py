@told("shuffling the result must give the picture back")
def pixel_unshuffle_reshaped(x, scale):
    "A reshape alone takes rows apart, not blocks."
    b, c, h, w = x.shape
    return x.reshape(b, c * scale**2, h // scale, w // scale)


@told("channels go in reading order: top left, top right,")
def pixel_unshuffle_transposed(x, scale):
    "Within a block columns come before rows."
    b, c, h, w = x.shape
    h, w = h // scale, w // scale
    blocks = x.reshape(b, c, h, scale, w, scale).permute(0, 1, 5, 3, 2, 4)
    return blocks.reshape(b, c * scale**2, h, w)


@told("shuffling the result must give the picture back")
def pixel_unshuffle_phases_first(x, scale):
    "All channels of a phase lie together, where all phases of a channel should."
    b, c, h, w = x.shape
    h, w = h // scale, w // scale
    blocks = x.reshape(b, c, h, scale, w, scale).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(b, c * scale**2, h, w)


@told("a 2x2 picture becomes 4 channels of 1 pixel, not")
def pixel_unshuffle_pooled(x, scale):
    "A pooling loses three of four pixels."
    return F.max_pool2d(x, scale)


@told("2 x 2 = 4 is the first guess, but where two stamps")
def two_layers_first_guess():
    "Two times two."
    return 4, 1


@told("): stay in one dimension, and look at the middle")
def two_layers_one_layer():
    "One layer only."
    return 2, 1


@told("): stay in one dimension, and look at the middle")
def two_layers_with_the_rim():
    "The smallest is not that of a stamp: gaps are not left between them."
    return 3, 0


@told("): stay in one dimension, and look at the middle")
def two_layers_in_a_picture():
    "Counted in two dimensions."
    return 9, 1


@told("all output channels have the same weights: then every")
def calm_start_one_kernel(layer):
    "Each input channel has a weight of its own, and all output channels share it."
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:, :1, :1, :1].expand_as(layer.weight))
        layer.bias.zero_()


@told("all output channels have the same weights: then every")
def calm_start_all_equal(layer):
    "All weights the same number."
    with torch.no_grad():
        layer.weight.fill_(0.1)
        layer.bias.zero_()


@told("a constant input still gives a pattern,")
def calm_start_only_the_bias(layer):
    "The bias is no part of the pattern."
    with torch.no_grad():
        layer.bias.zero_()


@told("a constant input still gives a pattern,")
def calm_start_zero_sums(layer):
    "The weights sum to 0 over the input channels: a grey picture shows no pattern, another does."
    with torch.no_grad():
        layer.weight.sub_(layer.weight.mean(0, keepdim=True))
        layer.bias.zero_()


@told("a constant input still gives a pattern,")
def calm_start_channels_for_phases(layer):
    "Copied along the output channels, not along the phases."
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:, :1].expand_as(layer.weight))
        layer.bias.zero_()


@told("(6, 8) should become (5, 7), not")
def window_mean_side_by_side(y):
    "Windows side by side: half as many pixels."
    return F.avg_pool2d(y[None], 2)[0]


@told("each window holds 1, 2, 3 and 6, whose mean is 3")
def window_mean_rows_only(y):
    "Averaged along one axis, cut along the other."
    return ((y[:-1] + y[1:]) / 2)[:, :-1]


@told("each window holds 1, 2, 3 and 6, whose mean is 3")
def window_mean_sum(y):
    "The sum of the four."
    return y[:-1, :-1] + y[1:, :-1] + y[:-1, 1:] + y[1:, 1:]


@told("on the identity the first row of means is 0.5, 0.25")
def window_mean_of_all(y):
    "One mean for the whole picture."
    return torch.full((len(y) - 1, y.shape[1] - 1), float(y.mean()))


@told("ones give a pattern,")
def calm_sound_wrong_order(c, in_ch, scale):
    "a b a b a b instead of a a a b b b."
    return torch.randn(c, in_ch, 1).repeat(scale, 1, 1)


@told("both output channels have the same filter")
def calm_sound_one_filter(c, in_ch, scale):
    "One filter for everything."
    return torch.randn(1, in_ch, 1).expand(c * scale, -1, -1)


@told("ones give a pattern,")
def calm_sound_random(c, in_ch, scale):
    "Each row has a filter of its own: the random start."
    return torch.randn(c * scale, in_ch, 1)


@told("shape (8, 4, 1) instead of (6, 4, 1)")
def calm_sound_two_dimensions(c, in_ch, scale):
    "Four phases, as in a picture enlarged by 2."
    return torch.randn(c, in_ch, 1).repeat_interleave(4, dim=0)


@told("alone, the layer answers ones with a phase variance of")
def even_within_output_only(net):
    "Only the error of the output counts."
    even_within_solution(net, weight=0)


@told("alone, the layer answers ones with a phase variance of")
def even_within_no_gradient(net):
    "What is added is a plain number: nothing can be learned through it."
    opt, g = torch.optim.Adam(net.parameters(), 1e-2), torch.Generator().manual_seed(0)
    for _ in range(300):
        x, y = crops(g)
        loss = F.mse_loss(net(x), y) + checkerboard_score(net[2], 16)["phase"]
        opt.zero_grad()
        loss.backward()
        opt.step()


@told(" dB: it enlarges badly; are the steps too large, or too few?")
def even_within_large_steps(net):
    "Steps that are far too large."
    even_within_solution(net, lr=3)


@told(" dB: it enlarges badly; are the steps too large, or too few?")
def even_within_only_the_layer(net):
    "Only the layer is made even, and the picture is forgotten."
    opt = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(200):
        loss = unevenness(net[2])
        opt.zero_grad()
        loss.backward()
        opt.step()
