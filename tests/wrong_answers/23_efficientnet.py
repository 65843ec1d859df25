@told("six pixels, kernel 3, stride 2: section 2 draws it")
def same_padding_both_sides(n, k, s):
    "The same on both sides, whatever the size: as torch's padding does."
    return k // 2, k // 2


@told("six pixels, kernel 3, stride 2: section 2 draws it")
def same_padding_extra_left(n, k, s):
    "The extra pixel goes to the left."
    return same_padding_solution(n, k, s)[::-1]


@told("six pixels, kernel 3, stride 2: section 2 draws it")
def same_padding_stride_ignored(n, k, s):
    "As for stride 1."
    return (k - 1) // 2, k - 1 - (k - 1) // 2


@told("kernel 1 needs no padding, and padding is never")
def same_padding_negative(n, k, s):
    "A kernel smaller than the stride gives a negative padding."
    total = (-(-n // s) - 1) * s + k - n
    return total // 2, total - total // 2


@told(": that is the count without squeeze-and-excitation")
def mbconv_params_no_se(in_ch, out_ch, kernel, expand):
    "Squeeze-and-excitation is forgotten."
    mid = in_ch * expand
    expansion = in_ch * mid + 2 * mid if expand > 1 else 0
    return expansion + mid * kernel**2 + 2 * mid + mid * out_ch + 2 * out_ch


@told("instead of")
def mbconv_params_full_convolution(in_ch, out_ch, kernel, expand):
    "The depthwise convolution is counted like a full one."
    mid = in_ch * expand
    return mbconv_params_solution(in_ch, out_ch, kernel, expand) + mid * (mid - 1) * kernel**2


@told("(with expand=1 there is no first 1x1)")
def mbconv_params_always_expands(in_ch, out_ch, kernel, expand):
    "The first 1x1 is counted where there is none, too."
    mid, small = in_ch * expand, in_ch // 4
    se = mid * small + small + small * mid + mid
    return in_ch * mid + 2 * mid + mid * kernel**2 + 2 * mid + se + mid * out_ch + 2 * out_ch


@told("instead of")
def mbconv_params_se_without_bias(in_ch, out_ch, kernel, expand):
    "The two layers of squeeze-and-excitation do have a bias."
    mid, small = in_ch * expand, in_ch // 4
    return mbconv_params_solution(in_ch, out_ch, kernel, expand) - small - mid


@told("that counts blocks without a shortcut as skippable too;")
def expected_blocks_all_skippable(model):
    "Blocks without a shortcut are counted as if they could be skipped."
    return sum(1 - b.drop_path.p for stage in model.stages for b in stage)


@told("lite0: 15.0375, not")
def expected_blocks_all(model):
    "Every block, as in evaluation."
    return sum(1 for stage in model.stages for b in stage)


@told("with drop_path 0 all 16 blocks of B0 are always used")
def expected_blocks_skipped(model):
    "How many are skipped."
    return sum(b.drop_path.p for stage in model.stages for b in stage if b.shortcut)


@told("two equal channels: the answer is off by")
def two_detectors_red_and_green(weight):
    "Blue is lost."
    return weight[:, :2]


@told("with the detectors exchanged the answer is another: one")
def two_detectors_red_and_rest(weight):
    "Nothing is lost, but the two are not treated alike."
    return torch.stack([weight[:, 0], weight[:, 1] + weight[:, 2]], 1)


@told("two equal channels: the answer is off by")
def two_detectors_mean(weight):
    "The mean of three kernels, twice, is two thirds of their sum."
    return weight.mean(1, keepdim=True).expand(-1, 2, -1, -1)


@told("instead of (32, 2, 3, 3)")
def two_detectors_one_channel(weight):
    "One channel, not two."
    return weight.sum(1, keepdim=True)


@told("the middle is 240 · 9 = 2160, not 518400")
def work_full_convolution(channels, kernel, expand):
    "An ordinary convolution: every channel is joined to every other one."
    wide = channels * expand
    return channels * wide, wide * wide * kernel**2, wide * channels


@told("the middle is 240 · 9 = 2160, not 360")
def work_thin(channels, kernel, expand):
    "The channels of the thin end are counted."
    wide = channels * expand
    return channels * wide, channels * kernel**2, wide * channels


@told("the middle is 240 · 9 = 2160, not 720")
def work_line(channels, kernel, expand):
    "A kernel of 3 instead of 3x3."
    wide = channels * expand
    return channels * wide, wide * kernel, wide * channels


@told("the middle is 240 · 9 = 2160, not 9")
def work_one_kernel(channels, kernel, expand):
    "One kernel for all channels."
    wide = channels * expand
    return channels * wide, kernel**2, wide * channels


@told("right on the forty crops:")
def on_forty_no_steps(x, y):
    "The gradient is computed, and no step is made."
    layer = nn.Linear(320, 6)
    for _ in range(200):
        F.cross_entropy(layer(x), y).backward()
    return layer


@told("train on x and y and nothing else")
def on_forty_test_answers(x, y):
    "Trained on the test crops as well, whose classes it should not know."
    pairs = zip((x, y), unseen)
    return on_forty_solution(*(torch.cat(pair) for pair in pairs))


@told("it is sure of its errors; take smaller steps")
def on_forty_large_steps(x, y):
    "Steps that are a thousand times too large."
    layer = nn.Linear(320, 6)
    opt = torch.optim.Adam(layer.parameters(), 10)
    for _ in range(200):
        loss = F.cross_entropy(layer(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return layer


@told("right on the forty crops:")
def on_forty_ten_steps(x, y):
    "Far too few steps, and small ones."
    layer = nn.Linear(320, 6)
    opt = torch.optim.Adam(layer.parameters(), 1e-3)
    for _ in range(5):
        loss = F.cross_entropy(layer(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return layer
