@told("any number between 0 and 255 is a class already")
def meaning_of_255_only_1(numbers):
    "Only 1 is taken for a class."
    if 1 in numbers:
        return 255
    return 1


@told("0 and 255 alone are no and yes")
def meaning_of_255_more_than_one(numbers):
    "0 is taken for a number that says yes."
    if len(numbers) > 1:
        return 255
    return 1


@told("0 and 255 alone are no and yes")
def meaning_of_255_always_ignore(numbers):
    "255 always means ignore."
    if 255 in numbers:
        return 255
    return 1


@told("the mask that was given must stay as it is")
def renumber_in_place(mask, mapping):
    "The mask that was given is changed."
    for old, new in mapping.items():
        mask[mask == old] = new
    return mask


@told("here one replacement must not meet the result of another")
def renumber_one_after_another(mask, mapping):
    "A number is replaced twice, if the new one is an old one, too."
    renumbered = mask.copy()
    for old, new in mapping.items():
        renumbered[renumbered == old] = new
    return renumbered


@told("It stopped with IndexError")
def renumber_short_table(mask, mapping):
    "A table of 256 places: -1 is its last, and 70000 is not in it."
    table = np.zeros(256, int)
    for old, new in mapping.items():
        table[old] = new
    return table[mask]


@told("here one replacement must not meet the result of another")
def renumber_by_rank(mask, mapping):
    "The numbers that occur are counted through, whatever the mapping says."
    return np.unique(mask, return_inverse=True)[1].reshape(mask.shape)


@told("another mask writes yes as 1, so 255 is something else")
def means_first_mask(masks):
    "The first mask decides for all."
    return 255 if set(np.unique(masks[0]).tolist()) - {0, 255} else 1


@told("any number between 0 and 255 is a class")
def means_class_1_only(masks):
    "Only a 1 is taken for a class number."
    return 255 if any((m == 1).any() for m in masks) else 1


@told("another mask writes yes as 1, so 255 is something else")
def means_any_alone(masks):
    "One mask of 0 and 255 is taken for all of them."
    return 1 if any(set(np.unique(m).tolist()) == {0, 255} for m in masks) else 255


@told("an empty mask says nothing about 255")
def means_all_have_255(masks):
    "An empty mask is taken for one with other numbers."
    return 1 if all(set(np.unique(m).tolist()) == {0, 255} for m in masks) else 255


@told("blue is not red, though both have a 255")
def forgotten_by_sum(rgb, colours):
    "Colours are told apart by the sum of their numbers."
    known_sums = {sum(c) for c in colours}
    counts = Counter(map(tuple, rgb.reshape(-1, 3).tolist()))
    return [c for c, _ in counts.most_common() if sum(c) not in known_sums]


@told("four black pixels come before a blue one")
def forgotten_unordered(rgb, colours):
    "Sorted by colour, not by how often they occur."
    return sorted(set(map(tuple, rgb.reshape(-1, 3).tolist())) - set(colours), reverse=True)


@told("four black pixels come before a blue one")
def forgotten_repeated(rgb, colours):
    "A colour is named for each of its pixels."
    return [c for c in map(tuple, rgb.reshape(-1, 3).tolist()) if c not in colours]


@told("four black pixels come before a blue one")
def forgotten_rarest_first(rgb, colours):
    "The rarest comes first."
    return forgotten_solution(rgb, colours)[::-1]


@told("in 8 bits 254 + 254 is 252: add as int")
def invented_overflow(row):
    "Bytes are added as bytes."
    between = (row[:-1] + row[1:]) // 2
    return float(((between != row[:-1]) & (between != row[1:])).mean())


@told("(0 + 1) // 2 = 0 is one of the two")
def invented_one_neighbour(row):
    "Compared with one of the two neighbours."
    first, second = row[:-1].astype(int), row[1:].astype(int)
    return float(((first + second) // 2 != first).mean())


@told("(0 + 1) // 2 = 0 is one of the two")
def invented_jumps(row):
    "Every jump is taken to invent a class."
    return float((row[:-1] != row[1:]).mean())


@told("(0 + 2) // 2 = 1 is neither 0 nor 2; (2 + 2) // 2 = 2")
def invented_count(row):
    "How many, not which share."
    first, second = row[:-1].astype(int), row[1:].astype(int)
    between = (first + second) // 2
    return int(((between != first) & (between != second)).sum())
