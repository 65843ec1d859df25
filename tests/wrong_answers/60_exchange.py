@told("a side of 10, min 64, step 32: 64, and not 32")
def allowed_size_negative_steps(side, least, step):
    "Fewer than no steps."
    return least + -(-(side - least) // step) * step


@told("a side of 100, min 64, step 32: 128, and not 96")
def allowed_size_rounded_down(side, least, step):
    "Rounded down, so the side is cut."
    return least + max(0, (side - least) // step) * step


@told("a side of 128, min 64, step 32: 128, and not 160")
def allowed_size_one_too_many(side, least, step):
    "One step more, also where the side fits."
    return least + max(0, (side - least) // step + 1) * step


@told("a side of 99, min 65, step 32: 129, and not 128")
def allowed_size_multiples(side, least, step):
    "Multiples of the step, as if min were one."
    return max(least, -(-side // step) * step)


@told("one channel, probability")
def class_numbers_above_zero(output, meaning):
    "A probability is taken for a logit."
    return output.argmax(0) if len(output) > 1 else (output[0] > 0).long()


@told("one channel, logits 0.24 is class 1")
def class_numbers_above_half(output, meaning):
    "A logit is taken for a probability."
    return output.argmax(0) if len(output) > 1 else (output[0] >= 0.5).long()


@told("one channel, logits 0.24 is class 1")
def class_numbers_largest_of_one(output, meaning):
    "The largest of one channel is always the first."
    return output.argmax(0)


@told("three channels, logits: the second is the largest")
def class_numbers_first_channel(output, meaning):
    "Only the first channel is looked at."
    return (output[0] >= (0.0 if meaning == "logits" else 0.5)).long()


@told("swapped axes change nothing")
def telling_picture_grey():
    "Grey all over."
    return torch.full((1, 64, 64), 0.25)


@told("upside down it is the same")
def telling_picture_stripes():
    "Dark at the left, bright at the right."
    return torch.linspace(0, 1, 96).expand(1, 64, 96)


@told("mirrored it is the same")
def telling_picture_rows():
    "Dark above, bright below."
    return torch.linspace(0, 1, 64)[:, None].expand(64, 96)[None]


@told("values from")
def telling_picture_noise():
    "Noise around 0."
    return torch.randn(1, 64, 96, generator=torch.Generator().manual_seed(0))


@told("400 by 800 nm, not 0.4 by 0.8")
def extent_nm_micrometres(shape, scale):
    "In micrometres."
    return [n * s for n, s in zip(shape[-2:], scale[-2:])]


@told("height and width are two numbers")
def extent_nm_all_axes(shape, scale):
    "One more axis than there are."
    return [1000 * n * s for n, s in zip((1, *shape), (1, *scale))]


@told("200 by 800 nm, not 400 by 800")
def extent_nm_one_scale(shape, scale):
    "The scale of the width for both."
    return [1000 * n * scale[-1] for n in shape[-2:]]
