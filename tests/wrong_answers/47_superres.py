@told("0 to 1 crosses 0.25 after a quarter, at 1.25, not at 1.5")
def crossing_half(k, a, b, level):
    "Always half way."
    return k + 0.5


@told("0 to 1 crosses 0.25 after a quarter, at 1.25, not at 1.75")
def crossing_from_the_end(k, a, b, level):
    "The share that is still to go."
    return k + (b - level) / (b - a)


@told("0.8 falls by 0.4 of 0.5 until it is at 0.4: 3.8")
def crossing_level(k, a, b, level):
    "The level itself, as if every step went from 0 to 1."
    return k + level


@told("it is worse than what lies beside it")
def train_superres_too_slow(net, pairs):
    "A learning rate at which nothing moves."
    fit_batches(net, paired_crops(pairs, 3), F.mse_loss, steps=100, lr=1e-7)


@told("more than 0.1 is asked for")
def train_superres_too_fast(net, pairs):
    "A learning rate at which every ReLU closes: what is left is bicubic interpolation."
    fit_batches(net, paired_crops(pairs, 3), F.mse_loss, steps=100, lr=1.0)


@told(": what you add must sum to zero in *each* 2x2 block")
def another_noise(large):
    "Noise sums to zero over the picture, not in each block."
    return (large + 0.1 * torch.randn_like(large)).clamp(0, 1)


@told("of the pixels differ by 0.05 or more")
def another_turned_blocks(large):
    "Pixels change places within their block: too little differs in smooth places."
    return large.reshape(1, 20, 2, 25, 2).flip(4).reshape(large.shape)


@told("of the pixels differ by 0.05 or more")
def another_too_little(large):
    "The pattern is too faint."
    return large + 0.01 * torch.tensor([[1.0, -1], [-1, 1]]).repeat(20, 25)


@told("values must stay in [0, 1]")
def another_too_strong(large):
    "The pattern leaves [0, 1]."
    return large + 0.5 * torch.tensor([[1.0, -1], [-1, 1]]).repeat(20, 25)


@told(": what you add must sum to zero in *each* 2x2 block")
def another_shifted_pattern(large):
    "A pattern of stripes, four pixels wide: a block holds only one half of it."
    return large + 0.1 * torch.tensor([1.0, 1, -1, -1]).repeat(13)[:50]


@told("of the pixels differ by 0.05 or more")
def another_same(large):
    "The picture itself."
    return large


@told("weigh by variances: the standard deviations are squared")
def best_answer_standard_deviations(seen, known, sigma_p, sigma_n):
    "Weighed by standard deviations."
    return known + sigma_p / (sigma_p + sigma_n) * (seen - known)


@told("48 is the wrong way round: more noise in the look, less")
def best_answer_wrong_way_round(seen, known, sigma_p, sigma_n):
    "The noisier the look, the more it counts."
    return known + sigma_n**2 / (sigma_p**2 + sigma_n**2) * (seen - known)


@told("a fifth of 10 nm is left: 42, not")
def best_answer_mean(seen, known, sigma_p, sigma_n):
    "Half of each."
    return (seen + known) / 2


@told("equal scatter: half way from 40 to 44, 42 nm, not")
def best_answer_as_seen(seen, known, sigma_p, sigma_n):
    "The look alone."
    return seen


@told("equal scatter: half way from 40 to 44, 42 nm, not")
def best_answer_difference_only(seen, known, sigma_p, sigma_n):
    "What is left of the drift, without what is known."
    return sigma_p**2 / (sigma_p**2 + sigma_n**2) * (seen - known)


@told("more scatter in the product: four fifths are left, not")
def best_answer_squared_noise_only(seen, known, sigma_p, sigma_n):
    "Only one of the two standard deviations is squared."
    return known + sigma_p / (sigma_p + sigma_n**2) * (seen - known)


@told(": take the scatter about the line, not about the mean")
def judge_about_the_mean(true, readings):
    "The scatter about the mean: the widths themselves scatter."
    slope = np.polyfit(true, readings, 1)[0]
    return slope, readings.std() / slope


@told("1 nm is the scatter of the readings: divide by the slope")
def judge_pull_left_in(true, readings):
    "The pull is not undone: a gauge that always says 40 would win."
    line = np.polyfit(true, readings, 1)
    return line[0], (readings - np.polyval(line, true)).std()


@told("4 is the variance; take the root: nm, not nm squared")
def judge_variance(true, readings):
    "The variance."
    slope, scatter = judge_solution(true, readings)
    return slope, scatter**2


@told("a constant of 10 nm does not change the slope; not")
def judge_truth_over_readings(true, readings):
    "The slope of the truth over the readings."
    line = np.polyfit(readings, true, 1)
    return line[0], (true - np.polyval(line, readings)).std()


@told("a constant of 10 nm does not change the slope; not")
def judge_through_zero(true, readings):
    "A line through zero: an offset changes its slope."
    slope = (true * readings).sum() / (true * true).sum()
    return slope, (readings - slope * true).std() / slope


@told(": take the scatter about the line, not about the mean")
def judge_from_the_truth(true, readings):
    "The scatter about the truth: a constant offset is no scatter."
    slope = np.polyfit(true, readings, 1)[0]
    return slope, np.sqrt(((readings - true) ** 2).mean()) / slope
