@told("so the first bit is 1")
def hash_bits_darker(grey):
    "Whether the left neighbour is brighter."
    return grey[:, 1:] < grey[:, :-1]


@told("equal is not brighter")
def hash_bits_or_equal(grey):
    "Equal counts as brighter."
    return grey[:, 1:] >= grey[:, :-1]


@told("four right neighbours")
def hash_bits_rows(grey):
    "The neighbour below, not the one to the right."
    return grey[1:] > grey[:-1]


@told("take the absolute value")
def oddness_with_sign(values):
    "Values below the median lie at negative distances."
    off = np.asarray(values, float) - np.median(values)
    return off / np.median(np.abs(off))


@told("0.12 lies 16.7 usual distances off")
def oddness_of_the_mean(values):
    "Mean and mean distance: the odd value spoils both."
    off = np.abs(np.asarray(values, float) - np.mean(values))
    return off / off.mean()


@told("0 / 0")
def oddness_divides_by_zero(values):
    "Nothing is said of a MAD of 0."
    off = np.abs(np.asarray(values, float) - np.median(values))
    return off / np.median(off)


@told("a waste, but no leak")
def leaks_all(copies, part):
    "Every pair of copies."
    return list(copies)


@told("valid chooses the epoch")
def leaks_train_only(copies, part):
    "Only pairs of which one is for training."
    return [(a, b) for a, b in copies if part[a] != part[b] and "train" in (part[a], part[b])]
