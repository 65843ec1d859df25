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


@told("a wire that is missing as a whole is no open")
def opens_not_one(pred, truth):
    "Any number but one: a missing wire is counted, too."
    pieces, wires = ndimage.label(pred)[0], ndimage.label(truth)[0]
    return sum(len(set(pieces[wires == w]) - {0}) != 1 for w in range(1, wires.max() + 1))


@told("short ends are still one piece")
def opens_any_gap(pred, truth):
    "Any missing pixel of a wire."
    wires = ndimage.label(truth)[0]
    cut = [(pred[wires == w] == 0) for w in range(1, wires.max() + 1)]
    return sum(bool(c.any() and not c.all()) for c in cut)


@told("three pieces of one wire are one open wire")
def opens_gaps(pred, truth):
    "The gaps are counted, not the wires."
    pieces, wires = ndimage.label(pred)[0], ndimage.label(truth)[0]
    numbers = [set(pieces[wires == w]) - {0} for w in range(1, wires.max() + 1)]
    return sum(max(0, len(n) - 1) for n in numbers)


@told("two pieces on one wire are an open, and no short")
def shorts_opens(pred, truth):
    "Any number of pieces but that of the wires."
    return int(ndimage.label(pred)[1] != ndimage.label(truth)[1])


@told("the bridge joins two wires into one piece")
def shorts_as_opens(pred, truth):
    "The masks in the same order as for opens."
    return opens_solution(pred, truth)


@told("a speck between the wires lies on none of them")
def shorts_not_one(pred, truth):
    "A piece that lies on no wire is counted, too."
    pieces, wires = ndimage.label(pred)[0], ndimage.label(truth)[0]
    return sum(len(set(wires[pieces == p]) - {0}) != 1 for p in range(1, pieces.max() + 1))
