@told("they touch at a corner")
def touch_sum(a, b, reach=1):
    "Steps along the grid: corners are two steps apart."
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) <= reach


@told("a tile lies between them")
def touch_smaller(a, b, reach=1):
    "The smaller of the two distances."
    return min(abs(a[0] - b[0]), abs(a[1] - b[1])) <= reach


@told("the order does not matter")
def touch_signed(a, b, reach=1):
    "Distances with a sign."
    return max(b[0] - a[0], b[1] - a[1]) <= reach


@told("the newest day alone has one picture")
def newest_days_oldest(names, wanted):
    "From the other end."
    days, held, n = [name[:10] for name in names], [], 0
    for day in sorted(set(days)):
        if n < wanted:
            held.append(day)
            n += days.count(day)
    return sorted(held)


@told("oldest of them first")
def newest_days_reversed(names, wanted):
    "In the order in which they were taken."
    days, held, n = [name[:10] for name in names], [], 0
    for day in sorted(set(days), reverse=True):
        if n < wanted:
            held.append(day)
            n += days.count(day)
    return held


@told("these two days hold three pictures")
def newest_days_counts_days(names, wanted):
    "So many days, not so many pictures."
    return sorted(set(name[:10] for name in names))[-wanted:]


@told("2 left out, 10 to train")
def left_for_training_no_border(columns, test, reach):
    "The border is forgotten."
    return max(columns - test, 0) / columns


@told("2 left out, 10 to train")
def left_for_training_both_sides(columns, test, reach):
    "A border on both sides of the test, which lies at the end."
    return max(columns - test - 2 * reach, 0) / columns


@told("no share is below 0")
def left_for_training_below_zero(columns, test, reach):
    "Less than nothing is left."
    return (columns - test - reach) / columns


@told("of which 0.02 is no leak")
def flattery_of_one(own, truth, honest_own, honest_truth):
    "The honest split is not asked."
    return own - truth


@told("of which 0.02 is no leak")
def flattery_of_own(own, truth, honest_own, honest_truth):
    "Only the two own scores are compared."
    return own - honest_own


@told("an honest test may also be harder")
def flattery_clipped(own, truth, honest_own, honest_truth):
    "An honest split is thought to flatter by nothing at least."
    return (own - truth) - max(honest_own - honest_truth, 0)
