@told("one extra pixel counts with min_px=1 and not with 2")
def faults_by_size_first(pred, truth, sizes):
    "One number for all sizes."
    return [opens_shorts(pred, truth, min_px=sizes[0])["total"]] * len(sizes)


@told("one extra pixel counts with min_px=1 and not with 2")
def faults_by_size_default(pred, truth, sizes):
    "min_px is not passed on."
    return [opens_shorts(pred, truth)["total"] for _ in sizes]


@told("one extra pixel counts with min_px=1 and not with 2")
def faults_by_size_opens(pred, truth, sizes):
    "The opens alone."
    return [opens_shorts(pred, truth, min_px=n)["opens"] for n in sizes]


@told("one extra pixel counts with min_px=1 and not with 2")
def faults_by_size_swapped(pred, truth, sizes):
    "Prediction and truth are exchanged."
    return [opens_shorts(truth, pred, min_px=n)["missing"] for n in sizes][::-1]


@told("all thousand must be right")
def faultless_chips_expected_faults(n, p):
    "The expected number of faults is subtracted."
    return 100 * (1 - n * p)


@told("one wire: 90 of 100")
def faultless_chips_share(n, p):
    "A share, not a number out of a hundred."
    return (1 - p) ** n


@told("one wire: 90 of 100")
def faultless_chips_any_fault(n, p):
    "Those with a fault."
    return 100 * (1 - (1 - p) ** n)


@told("all thousand must be right")
def faultless_chips_all_fail(n, p):
    "Chips on which not every wire fails."
    return 100 * (1 - p**n)


@told("at 0.4 the bridge at 0.5 counts as metal")
def at_threshold_half(maps, truths, threshold):
    "Always one half."
    return at_threshold_solution(maps, truths, 0.5)


@told("a bridge is a short, and shorts are the second number")
def at_threshold_shorts_first(maps, truths, threshold):
    "(shorts, opens)."
    return at_threshold_solution(maps, truths, threshold)[::-1]


@told("at 0.4 the bridge at 0.5 counts as metal")
def at_threshold_below(maps, truths, threshold):
    "What is below the threshold is taken for metal."
    return at_threshold_solution([1 - m for m in maps], truths, threshold)


@told("the sums over all pictures")
def at_threshold_first_picture(maps, truths, threshold):
    "The first picture alone."
    return at_threshold_solution(maps[:1], truths[:1], threshold)
