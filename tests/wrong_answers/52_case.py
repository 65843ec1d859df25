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


@told("lies one too far right: 1")
def lies_off_not_moved(picture, told, far=1):
    "Every place is the same piece, and the first is taken."
    inner = picture[far : len(picture) - far]
    fits = [inner @ told[far : far + len(inner)] for i in range(2 * far + 1)]
    return int(np.argmax(fits)) - far


@told("lies one too far right: 1")
def lies_off_other_way(picture, told, far=1):
    "The picture is moved, not the mask."
    inner = told[far : len(told) - far]
    fits = [inner @ picture[i : i + len(inner)] for i in range(2 * far + 1)]
    return int(np.argmax(fits)) - far


@told("3 pixels apart")
def lies_off_one_only(picture, told, far=1):
    "Only one pixel to each side is tried."
    inner = picture[1:-1]
    fits = [inner @ told[i : i + len(inner)] for i in range(3)]
    return int(np.argmax(fits)) - 1


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


@told("must be put in position")
def best_position_turns_only(grey, mask):
    "Mirrored masks are forgotten."
    turned = [(k, in_position(mask, k)) for k in range(4)]
    return max((fit_of(grey, m), k) for k, m in turned if m.shape == grey.shape)[1]


@told("must be put in position 1")
def best_position_backwards(grey, mask):
    "The picture is turned, not the mask."
    turned = [(k, in_position(grey, k)) for k in range(8)]
    return max((fit_of(g, mask), k) for k, g in turned if g.shape == mask.shape)[1]


@told("and not an error")
def best_position_of_squares(grey, mask):
    "As if all pictures were squares."
    return max((fit_of(grey, in_position(mask, k)), k) for k in range(8))[1]


@told("class 1 is dark here")
def best_position_of_numbers(grey, mask):
    "The numbers of the mask are correlated, not what it tells."
    turned = [(k, in_position(mask, k)) for k in range(8)]
    return max((correlation(grey, m), k) for k, m in turned if m.shape == grey.shape)[1]
