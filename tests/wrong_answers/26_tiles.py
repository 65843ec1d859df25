@told("tiles that share 4 pixels leave seams of")
def overlap_for_reach(layers):
    "The reach is taken for the overlap."
    reach = layers
    times = 1
    return times * reach


@told("4 layers need 8 pixels; 16 work too")
def overlap_for_halo_twice(layers):
    "Each tile cuts off all of the overlap."
    reach = layers
    times = 4
    return times * reach


@told("the halo lies at all four sides")
def right_share_one_axis(tile, kernels):
    "Rows alone."
    reach = sum((k - 1) // 2 for k in kernels)
    return max(0, tile - 2 * reach) / tile


@told("24 x 24 of 32 x 32 pixels are right, 56.25 %, not 76.56")
def right_share_one_side(tile, kernels):
    "The halo of one side only."
    reach = sum((k - 1) // 2 for k in kernels)
    return (max(0, tile - reach) / tile) ** 2


@told("a kernel of 5 sees 2 pixels far")
def right_share_all_of_3(tile, kernels):
    "Each layer is taken for one of 3x3."
    return (max(0, tile - 2 * len(kernels)) / tile) ** 2


@told("a reach of 4 leaves nothing of 6 pixels")
def right_share_squared(tile, kernels):
    "What is below zero is squared."
    reach = sum((k - 1) // 2 for k in kernels)
    return ((tile - 2 * reach) / tile) ** 2


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
