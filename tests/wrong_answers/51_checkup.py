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


@told("the mean of 0.2 and 0.3 is 0.25")
def tell_sums(grey, mask):
    "The sum of each class, not its mean."
    told = np.zeros(grey.shape)
    for k in np.unique(mask):
        told[mask == k] = grey[mask == k].sum()
    return told, float(np.corrcoef(told.ravel(), grey.ravel())[0, 1])


@told("with 5 for 1")
def tell_two_classes(grey, mask):
    "Classes are 0 and 1, and nothing else."
    told = np.zeros(grey.shape)
    for k in (0, 1):
        if (mask == k).any():
            told[mask == k] = grey[mask == k].mean()
    return told, float(np.corrcoef(told.ravel(), grey.ravel())[0, 1])


@told("the table has 0.98")
def tell_squared(grey, mask):
    "The square of the correlation."
    told = np.zeros(grey.shape)
    for k in np.unique(mask):
        told[mask == k] = grey[mask == k].mean()
    return told, float(np.corrcoef(told.ravel(), grey.ravel())[0, 1] ** 2)


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


@told("255 x 257 = 65535")
def used_bits_never_stretched(a):
    "Only the largest number is looked at."
    return int(a.max()).bit_length()


@told("300 is no multiple of 257")
def used_bits_any_step(a):
    "One stretched value is enough."
    return 8 if (a % 257 == 0).sum() > 1 else int(a.max()).bit_length()


@told("4096 needs a bit more")
def used_bits_logarithm(a):
    "The logarithm, rounded up: right but for powers of two."
    return 8 if (a % 257 == 0).all() else int(np.ceil(np.log2(float(a.max()))))
