# an untrained net answers the same questions as the trained one of the lesson
nets = {"with skips": UNet(1, 1, padding=True, norm=True, widths=(8, 16, 32, 64), seed=0)}


@told("even a single pixel needs the smallest legal side, 188,")
def tile_for_not_legal(n):
    "What is lost is added, but not every side is legal."
    return n + 184


@told("for 388 the paper uses 572, not")
def tile_for_rounded_first(n):
    "The answer is rounded up to a multiple of 16, not the side."
    return -(-n // 16) * 16 + 184


@told("even a single pixel needs the smallest legal side, 188,")
def tile_for_nearest_below(n):
    "The next legal side below."
    return nearest_legal(n + 184)[0]


@told("even a single pixel needs the smallest legal side, 188,")
def tile_for_the_paper(n):
    "Always the tile of the paper."
    return 572


@told(", but a net whose joins bring no channels has")
def parameters_with_sum_half(in_ch, n_classes):
    "Half of everything."
    return paper_parameters(in_ch, n_classes) // 2


@told(", but a net whose joins bring no channels has")
def parameters_with_sum_three_levels(in_ch, n_classes):
    "The widest of the four levels is left out."
    return paper_parameters(in_ch, n_classes) - 9 * 64**2 * 21


@told("there must be fewer parameters than with concatenation")
def parameters_with_sum_no_difference(in_ch, n_classes):
    "Only the join is thought of, which has no parameters; the convolution behind it has."
    return paper_parameters(in_ch, n_classes)


@told(", but a net whose joins bring no channels has")
def parameters_with_sum_1x1(in_ch, n_classes):
    "The nine places of a kernel are forgotten."
    return paper_parameters(in_ch, n_classes) - 64**2 * 85


@told(": these are not the logits with this skip at zero;")
def blinded_coarsest(net, x, level):
    "Levels are counted from the bottom."
    return blinded_solution(net, x, None if level is None else len(net.down) - 1 - level)


@told("None: with nothing blinded these are not the logits of")
def blinded_bare(net, x, level):
    "The picture is not normalised first."
    return blinded_solution(net, 0.5 + 0.25 * x, level)


@told(": these are not the logits with this skip at zero;")
def blinded_before_pooling(net, x, level):
    "What goes down is blinded too, not only what goes across."
    x, kept = (x - 0.5) / 0.25, []
    for k, block in enumerate(net.down):
        kept.append(block(x) * (k != level))
        x = net.pool(kept[-1])
    x = net.bottom(x)
    for up, mix, skip in zip(net.up, net.mix, reversed(kept)):
        x = mix(torch.cat([skip, up(x)], 1))
    return net.head(x)


@told("None: with nothing blinded these are not the logits of")
def blinded_wrong_order(net, x, level):
    "The skip is joined behind what comes from below."
    x, kept = (x - 0.5) / 0.25, []
    for block in net.down:
        kept.append(block(x))
        x = net.pool(kept[-1])
    x = net.bottom(x)
    if level is not None:
        kept[level] = torch.zeros_like(kept[level])
    for up, mix, skip in zip(net.up, net.mix, reversed(kept)):
        x = mix(torch.cat([up(x), skip], 1))
    return net.head(x)


@told("20 pixels and one level give 4, not 8")
def comes_back_only_doubled(n, levels):
    "The convolutions on the way up are forgotten."
    for _ in range(levels):
        n = (n - 4) // 2
    n = n - 4
    for _ in range(levels):
        n = 2 * n
    return n


@told("20 pixels and one level give 4, not 0")
def comes_back_first_the_convolutions(n, levels):
    "First two pixels away for each convolution, then twice as many."
    for _ in range(levels):
        n = (n - 4) // 2
    n = n - 4
    for _ in range(levels):
        n = 2 * (n - 4)
    return n


@told("20 pixels and one level give 4, not 6")
def comes_back_one_convolution(n, levels):
    "Only one of the two convolutions."
    for _ in range(levels):
        n = (n - 4) // 2
    n = n - 4
    for _ in range(levels):
        n = 2 * n - 2
    return n


@told("this net has skips")
def without_skips_with_skips():
    "Trained well, but with skips."
    return train_net(seed=0, steps=2, widths=(4, 8))


@told("of the edge pixels are wrong; what takes the edges away?")
def without_skips_three_levels():
    "As deep as before."
    return train_net(seed=0, widths=(4, 8, 16, 32), skips=False)


@told("parameters, the net with skips has")
def without_skips_wider():
    "Wider instead of less deep."
    return train_net(seed=0, steps=2, widths=(16, 32, 64, 128), skips=False)


@told("of the edge pixels are wrong; what takes the edges away?")
def without_skips_two_steps():
    "The right net, hardly trained."
    return train_net(seed=0, steps=2, widths=(8, 16), skips=False)
