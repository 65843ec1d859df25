@told("an overlap of half a tile doubles the tiles along")
def work_one_axis(tile, overlap):
    "Along one axis only."
    return tile / (tile - overlap)


@told(", overlap")
def work_overlap_on_both_sides(tile, overlap):
    "The overlap is taken away twice."
    return (tile / max(tile - 2 * overlap, 1)) ** 2


@told(", overlap")
def work_added(tile, overlap):
    "The tile grows by its overlap, instead of bringing less that is new."
    return ((tile + overlap) / tile) ** 2


@told("pixels rise and fall sum to")
def tent_from_zero(n):
    "The first weight is zero."
    return np.arange(n) / n


@told("pixels rise and fall sum to")
def tent_linspace(n):
    "linspace begins with 0 and ends with 1."
    return np.linspace(0, 1, n)


@told("pixels rise and fall sum to")
def tent_never_one(n):
    "No weight is zero, but the last is one: rise and fall sum to more than 1."
    return (np.arange(n) + 1) / n


@told("pixels rise and fall sum to")
def tent_there_and_back(n):
    "Up and down within one overlap."
    return 1 - np.abs((np.arange(n) + 0.5) / n * 2 - 1)


@told("a straight line, rising")
def tent_smooth(n):
    "The squared sine of the lesson is no straight line."
    return np.sin((np.arange(n) + 0.5) / n * np.pi / 2) ** 2


@told("that covers the line only if nothing is shared")
def fitting_side_no_overlap(n, k, overlap):
    "Nothing is shared."
    return -(-n // k)


@told("three tiles share two strips, not three")
def fitting_side_k_strips(n, k, overlap):
    "As many strips as tiles; there is one less."
    return -(-n // k) + (overlap if k > 1 and overlap else 0)


@told("tiles of")
def fitting_side_rounded_down(n, k, overlap):
    "Rounded down, a few pixels stay uncovered."
    return (n + (k - 1) * overlap) // k


@told("a single tile is the whole line")
def fitting_side_one_more(n, k, overlap):
    "One more, to be safe."
    return (n + (k - 1) * overlap) // k + 1
