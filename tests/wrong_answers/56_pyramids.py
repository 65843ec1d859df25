@told("section 1 has 11, 6, 3")
def level_sizes_rounded_down(n, chunk):
    "Half, rounded down."
    sizes = [n]
    while sizes[-1] > chunk:
        sizes.append(sizes[-1] // 2)
    return sizes


@told("what one chunk holds needs no smaller level")
def level_sizes_to_one(n, chunk):
    "One level more than needed."
    sizes = [n]
    while sizes[-1] >= chunk:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


@told("begin in one chunk and end in the third")
def chunks_of_length_alone(rows, columns, chunk):
    "Only how long the screen is counts, not where it begins."
    along = [-(-(s.stop - s.start) // chunk) for s in (rows, columns)]
    return along[0] * along[1]


@told("3, not 6")
def chunks_of_end_included(rows, columns, chunk):
    "The end is taken for the last pixel."
    along = [s.stop // chunk - s.start // chunk + 1 for s in (rows, columns)]
    return along[0] * along[1]


@told("2 x 2 chunks of 64")
def chunks_of_added(rows, columns, chunk):
    "Last minus first, and the first is forgotten."
    along = [(s.stop - 1) // chunk - s.start // chunk for s in (rows, columns)]
    return along[0] * along[1]


@told("lies between them, at 0.5")
def place_mean_forgotten(i, level, mean):
    "The mean lies where the first of its pixels is."
    return i * 2**level


@told("lies at 1.5")
def place_always_half(i, level, mean):
    "Half a pixel at each level."
    return i * 2**level + (0.5 if mean and level else 0)


@told("20 of level 0")
def place_twice(i, level, mean):
    "Twice, whatever the level."
    return i * 2 if level else i


@told("it lies in an odd row")
def any_of_four_every_second(mask):
    "Every second pixel."
    return mask[::2, ::2]


@told("half is rounded up")
def any_of_four_cut(mask):
    "An odd last row is cut off."
    h, w = (n // 2 for n in mask.shape)
    return mask[: 2 * h, : 2 * w].reshape(h, 2, w, 2).max((1, 3))


@told("four ones are one")
def any_of_four_sum(mask):
    "The sum of the four."
    even = np.pad(mask, [(0, n % 2) for n in mask.shape])
    return sum(even[a::2, b::2] for a in (0, 1) for b in (0, 1))
