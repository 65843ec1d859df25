@told("letters: 64 channels at stride 4 are 16 for each, not 4")
def per_sample_squared(channels, levels):
    "As in a picture: a square of samples."
    return channels / 4**levels


@told("letters: 64 channels at stride 4 are 16 for each, not 32")
def per_sample_levels(channels, levels):
    "The levels, not what they do."
    return channels / levels


@told("both sides halve at each level: 8x8 pixels share one")
def holds_one_axis(channels, levels, dims):
    "Only one side is halved."
    return channels / 2**levels


@told("64 channels for 64 pixels are one each, not")
def holds_added(channels, levels, dims):
    "Added up over the axes, not multiplied."
    return channels / (dims * 2**levels) if levels else channels


@told("a line halves once per level: 8 samples share 64 numbers")
def holds_per_channel(channels, levels, dims):
    "Pixels for one number, the wrong way round."
    return 2 ** (levels * dims) / channels


@told("the seeds do not agree")
def verdict_of_means(with_it, without):
    "The larger mean helps, however uncertain."
    d = np.mean(with_it) - np.mean(without)
    return "helps" if d > 0 else "harms" if d < 0 else "cannot say"


@told("seeds differ a lot, but in each it is better: look at")
def verdict_not_paired(with_it, without):
    "The two lists are compared as a whole, not seed by seed."
    d = np.mean(with_it) - np.mean(without)
    least = 2 * np.hypot(np.std(with_it, ddof=1), np.std(without, ddof=1)) / len(with_it) ** 0.5
    return "helps" if d > least else "harms" if d < -least else "cannot say"


@told("0.4 is 2.6 standard errors: divide the deviation by the")
def verdict_not_divided(with_it, without):
    "The deviation of one difference, not of their mean."
    d = np.subtract(with_it, without)
    least = 2 * d.std(ddof=1)
    return "helps" if d.mean() > least else "harms" if d.mean() < -least else "cannot say"


@told("better in each seed, yet 0.3 is only 1.96 standard")
def verdict_by_n(with_it, without):
    "The deviation that divides by n."
    d = np.subtract(with_it, without)
    least = 2 * d.std() / len(d) ** 0.5
    return "helps" if d.mean() > least else "harms" if d.mean() < -least else "cannot say"


@told("better in each seed, yet 0.3 is only 1.96 standard")
def verdict_all_agree(with_it, without):
    "Better in each seed."
    d = np.subtract(with_it, without)
    return "helps" if (d > 0).all() else "harms" if (d < 0).all() else "cannot say"


@told("it goes both ways")
def verdict_never_harms(with_it, without):
    "Only one way is asked."
    d = np.subtract(with_it, without)
    return "helps" if d.mean() > 2 * d.std(ddof=1) / len(d) ** 0.5 else "cannot say"
