@told("characters, not")
def base64_length_not_filled(n):
    "The last group is not filled up."
    return -(-n * 8 // 6)


@told("characters, not")
def base64_length_rounded_down(n):
    "A group that was started is left out."
    return n // 3 * 4


@told("characters, not")
def base64_length_always_one_more(n):
    "One group more than needed, where n is a multiple of three."
    return 4 * (n // 3 + 1)


@told("characters, not")
def base64_length_hex(n):
    "Two letters a byte."
    return 2 * n


@told("about 0.70 to 0.90, not")
def interval_of_scores(scores, seed=0):
    "The percentiles of the scores, not of their means."
    return tuple(np.percentile(scores, (5, 95)).tolist())


@told("about 0.70 to 0.90, not")
def interval_without_replacement(scores, seed=0):
    "Without replacement every draw is the same."
    rng = np.random.default_rng(seed)
    means = [rng.choice(scores, len(scores), replace=False).mean() for _ in range(200)]
    return tuple(np.percentile(means, (5, 95)).tolist())


@told("the same seed must give the same interval")
def interval_no_seed(scores, seed=0):
    "The seed is ignored."
    means = np.random.default_rng().choice(scores, (50, len(scores))).mean(1)
    return tuple(np.percentile(means, (5, 95)).tolist())


@told("another seed draws others: use the seed")
def interval_one_seed(scores, seed=0):
    "Always seed 0."
    return interval_solution(scores, 0)


@told("about 0.70 to 0.90, not")
def interval_99(scores, seed=0):
    "The ends of all the means."
    means = np.random.default_rng(seed).choice(scores, (2000, len(scores))).mean(1)
    return float(means.min()), float(means.max())


@told("about 0.70 to 0.90, not")
def interval_reversed(scores, seed=0):
    "(high, low)."
    return interval_solution(scores, seed)[::-1]


@told("equal is no better")
def headline_always_better(score, baseline_name, baseline):
    "Always better."
    return f"Mean IoU {score:.3f}, better than {baseline_name} ({baseline:.3f})."


@told("equal is no better")
def headline_equal_is_better(score, baseline_name, baseline):
    "Equal is called better."
    verdict = "better than" if score >= baseline else "no better than"
    return f"Mean IoU {score:.3f}, {verdict} {baseline_name} ({baseline:.3f})."


@told("score, name and value of the baseline belong in it")
def headline_without_baseline(score, baseline_name, baseline):
    "The baseline has no number."
    verdict = "better than" if score > baseline else "no better than"
    return f"Mean IoU {score:.3f}, {verdict} {baseline_name}."


@told("score, name and value of the baseline belong in it")
def headline_two_decimals(score, baseline_name, baseline):
    "Two decimals."
    verdict = "better than" if score > baseline else "no better than"
    return f"Mean IoU {score:.2f}, {verdict} {baseline_name} ({baseline:.2f})."


@told("the means scatter by")
def mean_again_images(dice, wafers, rng):
    "Images are drawn, not wafers."
    return rng.choice(dice, len(dice)).mean()


@told("every wafer is in it once")
def mean_again_shuffled(dice, wafers, rng):
    "Shuffled: none is put back."
    drawn = rng.permutation(np.unique(wafers))
    return np.concatenate([dice[wafers == w] for w in drawn]).mean()


@told("the means scatter by")
def mean_again_as_many_as_images(dice, wafers, rng):
    "As many wafers as there are images: the mean looks surer than it is."
    drawn = rng.choice(np.unique(wafers), len(dice))
    return np.concatenate([dice[wafers == w] for w in drawn]).mean()


@told("it has learned from them")
def beats_otsu_all_columns(photo, truth, train):
    "Trained on the held-out columns, too."
    return beats_otsu_solution(photo, truth, slice(0, 350))


@told("and Otsu's threshold has")
def beats_otsu_no_step(photo, truth, train):
    "The optimiser never steps: the rate is nothing."
    return beats_otsu_solution(photo, truth, train, lr=0)


@told("and Otsu's threshold has")
def beats_otsu_one_pixel(photo, truth, train):
    "Two weights on the brightness of one pixel, as in section 1."
    weights = train_pixel_model()[0]
    return (weights[0] * photo[0] + weights[1] > 0).long()
