@told("the example has 2 / 5, not 0.67")
def f1_of_missed(found, beats):
    "False alarms are forgotten."
    hits, false, missed = beat_counts(found, beats)
    return 2 * hits / (2 * hits + missed)


@told("the example has 2 / 5, not 0.50")
def f1_of_false(found, beats):
    "Missed beats are forgotten."
    hits, false, missed = beat_counts(found, beats)
    return 2 * hits / (2 * hits + false)


@told("the example has 2 / 5, not 0.25")
def f1_of_twice(found, beats):
    "Each mistake counts twice, as hits do."
    hits, false, missed = beat_counts(found, beats)
    return hits / (hits + false + missed)


@told("more than 0.7 is asked for")
def train_marker_too_slow(net):
    "A learning rate at which nothing moves."
    cost = torch.nn.functional.binary_cross_entropy_with_logits
    fit_batches(net, heart_batches(8), cost, steps=20, lr=1e-6)


@told("no beat is marked")
def train_marker_without_beats(net):
    "Learns from empty masks."

    def cost(out, mask):
        return torch.nn.functional.binary_cross_entropy_with_logits(out, torch.zeros_like(mask))

    fit_batches(net, heart_batches(8), cost, steps=20, lr=0.01)


@told("late is positive: the estimate comes after the truth")
def delay_of_early(estimate, truth, most=20):
    "Late is negative."
    return -delay_of_solution(estimate, truth, most)


@told("20 is one of the delays: the end counts")
def delay_of_end_left_out(estimate, truth, most=20):
    "range leaves out its end."
    delays = range(-most, most)
    return max(delays, key=lambda d: np.dot(np.roll(estimate, -d), truth))


@told("the other way round it is early: -3")
def delay_of_late_only(estimate, truth, most=20):
    "An estimate that is early is not thought of."
    return max(range(most + 1), key=lambda d: np.dot(np.roll(estimate, -d), truth))


@told("look no further than `most`")
def delay_of_any_far(estimate, truth, most=20):
    "Looks further than `most`."
    return delay_of_solution(estimate, truth, len(truth) // 2)


@told("the pattern has harmonics: its stamps are sharp")
def tones_lowest(rate, stride):
    "Without harmonics."
    return [rate / stride]


@told(": multiples of 8000 / 4, up to half of 8000")
def tones_all_multiples(rate, stride):
    "Up to the rate, not up to half of it."
    return [k * rate / stride for k in range(1, stride + 1)]


@told("the pattern has harmonics: its stamps are sharp")
def tones_below_half(rate, stride):
    "Half of the rate can be carried, too."
    return [k * rate / stride for k in range(1, (stride + 1) // 2)]


@told(": multiples of 8000 / 4, up to half of 8000")
def tones_with_zero(rate, stride):
    "0 Hz is no tone."
    return [k * rate / stride for k in range(stride // 2 + 1)]


@told("one missed beat slows the mean gap; the heart is as fast")
def pulse_mean(marks, rate=360):
    "The mean gap."
    return 60 * rate / np.mean(np.diff(marks))


@told("mind the rate")
def pulse_fixed_rate(marks, rate=360):
    "The rate is ignored."
    return 60 * 360 / np.median(np.diff(marks))


@told("two gaps, 328 and 330 samples: 65.7 a minute")
def pulse_beats_a_second(marks, rate=360):
    "A second, not a minute."
    return rate / np.median(np.diff(marks))


@told("two gaps, 328 and 330 samples: 65.7 a minute")
def pulse_count(marks, rate=360):
    "Marks over time: there is one gap less than there are marks."
    return 60 * rate * len(marks) / (marks[-1] - marks[0])


@told("two gaps, 328 and 330 samples: 65.7 a minute")
def pulse_shortest_gap(marks, rate=360):
    "The shortest gap."
    return 60 * rate / np.diff(marks).min()
