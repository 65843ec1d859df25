@told("(a side of at least 64)")
def padding_share_one_side(h, w):
    "A side of 64 at least is forgotten."
    padded = [-(-n // 32) * 32 for n in (h, w)]
    return 1 - h * w / (padded[0] * padded[1])


@told("the model pads")
def padding_share_always_64(h, w):
    "Multiples of 64, not of 32."
    padded = [-(-n // 64) * 64 for n in (h, w)]
    return 1 - h * w / (padded[0] * padded[1])


@told("the model pads")
def padding_share_of_the_picture(h, w):
    "Over the pixels of the picture, not over those that the encoder sees."
    padded = [max(64, -(-n // 32) * 32) for n in (h, w)]
    return padded[0] * padded[1] / (h * w) - 1


@told("the model pads")
def padding_share_one_more(h, w):
    "A side that fits is enlarged, too."
    padded = [max(64, (n // 32 + 1) * 32) for n in (h, w)]
    return 1 - h * w / (padded[0] * padded[1])


@told("parameters, you say")
def block_params_no_bias(in_ch, skip_ch, out_ch):
    "The convolution in the shuffle has a bias."
    return block_params_solution(in_ch, skip_ch, out_ch) - 4 * out_ch


@told("parameters, you say")
def block_params_no_skip(in_ch, skip_ch, out_ch):
    "The skip's channels are forgotten."
    return block_params_solution(in_ch, 0, out_ch)


@told("parameters, you say")
def block_params_one_norm(in_ch, skip_ch, out_ch):
    "One batch norm, where there are two."
    return block_params_solution(in_ch, skip_ch, out_ch) - 2 * out_ch


@told("parameters, you say")
def block_params_shuffle_once(in_ch, skip_ch, out_ch):
    "The shuffle needs four times as many channels."
    return block_params_solution(in_ch, skip_ch, out_ch) - 3 * out_ch * (in_ch + 1)


@told("four equal logits: each class has a quarter")
def confidence_sigmoid_of_all(logits):
    "A sigmoid for several classes: they do not sum to 1."
    return logits.sigmoid().amax(1)


@told("a logit of 0 is a probability of one half")
def confidence_softmax_of_one(logits):
    "The softmax of a single class is always 1."
    return logits.softmax(1).amax(1)


@told("four equal logits: each class has a quarter")
def confidence_which_class(logits):
    "The number of the winner, not its probability."
    return logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.argmax(1).float()


@told("of classes with 0.1, 0.7 and 0.2 the winner has 0.7, not")
def confidence_uncertain(logits):
    "The probability of the least likely class."
    return logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(1).amin(1)


@told("of classes with 0.1, 0.7 and 0.2 the winner has 0.7, not")
def confidence_first_class(logits):
    "The probability of class 0, whoever wins."
    return logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 0]


@told("of classes with 0.1, 0.7 and 0.2 the winner has 0.7, not")
def confidence_mean(logits):
    "The mean over the classes, which is 1 / k everywhere."
    return logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(1).mean(1)


@told("the shape should be (1, h, w), not")
def confidence_with_axis(logits):
    "The axis of the classes is left over."
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1).amax(1, keepdim=True)


@told("an encoder with maps at")
def without_skip_offered(strides):
    "Those that have a skip."
    return [s for s in (16, 8, 4, 2) if s in strides]


@told("an encoder with maps at")
def without_skip_finest_first(strides):
    "In the order of the encoder, not of the decoder."
    return [s for s in (2, 4, 8, 16) if s not in strides]


@told("an encoder with maps at")
def without_skip_bottom_too(strides):
    "Stride 32 is the bottom, and no step of the decoder."
    return [s for s in (32, 16, 8, 4, 2) if s not in strides]


@told("an encoder with maps at")
def without_skip_stops(strides):
    "Only what is finer than the finest map."
    return [s for s in (16, 8, 4, 2) if s < min(strides)]


@told("101,376 weights, not 248,832")
def first_of_the_mix_before_doubling(in_ch, skip_ch, out_ch):
    "The channels from below are counted as they were before the doubling."
    return 9 * (in_ch + skip_ch) * out_ch


@told("101,376 weights, not 64,512")
def first_of_the_mix_skip_only(in_ch, skip_ch, out_ch):
    "Only the skip."
    return 9 * skip_ch * out_ch


@told("101,376 weights, not 110,592")
def first_of_the_mix_shuffled_down(in_ch, skip_ch, out_ch):
    "As if the shuffle filed the channels themselves, without a convolution before it."
    return 9 * (in_ch // 4 + skip_ch) * out_ch


@told("101,376 weights, not 36,864")
def first_of_the_mix_no_skip(in_ch, skip_ch, out_ch):
    "The skip is forgotten."
    return 9 * out_ch * out_ch
