@told("capitals don't matter")
def mask_columns_capitals(kinds):
    "Capitals matter."
    pictures = [column for column, kind in kinds.items() if kind == "picture"]
    return [c for c in pictures if re.search("mask|label|annot|seg", c)]


@told("the word may stand anywhere")
def mask_columns_at_the_start(kinds):
    "`match` looks at the beginning only."
    pictures = [column for column, kind in kinds.items() if kind == "picture"]
    return [c for c in pictures if re.match("mask|label|annot|seg", c, re.I)]


@told("a label that is a text is no mask")
def mask_columns_texts(kinds):
    "Names alone are asked."
    return [c for c in kinds if re.search("mask|label|annot|seg", c, re.I)]


@told("also those held at the end")
def buffered_without_the_rest(rows, size, rng):
    "What is held at the end is forgotten."
    held = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held.pop(rng.integers(size))


@told("read no further")
def buffered_reads_all(rows, size, rng):
    "All rows are read first, in blocks that are mixed."
    rows = list(rows)
    for first in range(0, len(rows), size):
        block = rows[first : first + size]
        for i in rng.permutation(len(block)):
            yield block[i]


@told("the first is any of the first five")
def buffered_one_too_few(rows, size, rng):
    "One leaves before the buffer is full."
    held = []
    for row in rows:
        held.append(row)
        if len(held) == max(size - 1, 1):
            yield held.pop(rng.integers(len(held)))
    for i in rng.permutation(len(held)):
        yield held[i]


@told("255 is ignored and needs no name")
def first_unknown_255(masks, values):
    "255 is asked for a name."
    for i, mask in enumerate(masks):
        if set(np.unique(mask).tolist()) - set(values):
            return i
    return None


@told("1 lies between 0 and 2")
def first_unknown_range(masks, values):
    "Whatever lies between the named ones passes."
    for i, mask in enumerate(masks):
        if mask[mask != 255].max(initial=0) > max(values):
            return i
    return None


@told("7 is a class here")
def first_unknown_classes(masks, values):
    "Classes are taken for numbers in the files."
    for i, mask in enumerate(masks):
        if set(np.unique(mask).tolist()) - set(values) - set(values.values()) - {255}:
            return i
    return None
