@told("one of ten is larger: 10 to the minus 1")
def rarity_natural(value, clean_values):
    "The natural logarithm."
    return float(-np.log(np.mean(np.asarray(clean_values) > value)))


@told("5 itself is not larger than 5: five of ten are")
def rarity_at_least(value, clean_values):
    "Values that are equal count as larger."
    return float(-np.log10(np.mean(np.asarray(clean_values) >= value)))


@told("one of ten is larger: 10 to the minus 1")
def rarity_smaller(value, clean_values):
    "The share of those that are smaller."
    return float(-np.log10(np.mean(np.asarray(clean_values) < value) + 1e-9))


@told("one of ten is larger: 10 to the minus 1")
def rarity_share(value, clean_values):
    "The share itself."
    return float(np.mean(np.asarray(clean_values) > value))


@told("one of ten is larger: 10 to the minus 1")
def rarity_plus(value, clean_values):
    "The minus is forgotten."
    return float(np.log10(np.mean(np.asarray(clean_values) > value)))


@told("the third largest of 5, 3, 2, 1")
def nth_largest_maximum(m, n):
    "The largest, whatever n is."
    return float(m.max())


@told("n = 1 is the maximum")
def nth_largest_from_zero(m, n):
    "Counted from 0."
    return float(np.sort(m, axis=None)[::-1][min(n, m.size - 1)])


@told("n = 1 is the maximum")
def nth_largest_nth_smallest(m, n):
    "Counted from below."
    return float(np.sort(m, axis=None)[n - 1])


@told("the third largest of 5, 3, 2, 1")
def nth_largest_mean(m, n):
    "The mean of the n largest: one odd pixel still decides."
    return float(np.sort(m, axis=None)[-n:].mean())


@told("two equal values are two")
def nth_largest_different_values(m, n):
    "The n-th of the different values."
    return float(np.unique(m)[-min(n, len(np.unique(m)))])


@told("only, not at the picture, must average out; left-right,")
def averaged_left_right(f, image):
    "Left and right only."
    return (f(image) + np.flip(f(torch.flip(image, [2])), 1)) / 2


@told("only, not at the picture, must average out; left-right,")
def averaged_up_down(f, image):
    "Up and down only."
    return (f(image) + np.flip(f(torch.flip(image, [1])), 0)) / 2


@told("a map that follows the picture must come back")
def averaged_not_flipped_back(f, image):
    "The maps are not flipped back."
    return np.mean([f(torch.flip(image, dims)) for dims in ([], [1], [2], [1, 2])], axis=0)


@told("only, not at the picture, must average out; left-right,")
def averaged_plain(f, image):
    "One map."
    return f(image)


@told("a map that follows the picture must come back")
def averaged_sum(f, image):
    "The sum of four, not their mean."
    return 4 * averaged_solution(f, image)


@told("a map that follows the picture must come back")
def averaged_map_only(f, image):
    "The map is flipped, and the picture is not."
    m = f(image)
    return np.mean([np.flip(m, d) for d in ([], [0], [1], [0, 1])], axis=0)


@told("only, not at the picture, must average out; left-right,")
def averaged_without_both(f, image):
    "Both flips together are left out."
    ways = ([], [1], [2])
    return np.mean([np.flip(f(torch.flip(image, d)), [k - 1 for k in d]) for d in ways], axis=0)


@told("since logits are large numbers")
def oddest_place_sum(judge, distance, clean_judge, clean_distance):
    "The bare sum: the louder one decides."
    return int(np.argmax(judge + distance))


@told("the judge finds it most normal")
def oddest_place_distance(judge, distance, clean_judge, clean_distance):
    "The distance alone."
    return int(np.argmax(distance))


@told("since logits are large numbers")
def oddest_place_largest(judge, distance, clean_judge, clean_distance):
    "The judge alone."
    return int(np.argmax(judge))


@told("the judge finds it most normal")
def oddest_place_rarest(judge, distance, clean_judge, clean_distance):
    "The rarest value of the two, not their mean."
    by_judge = [rarity_solution(v, clean_judge) for v in judge]
    by_distance = [rarity_solution(v, clean_distance) for v in distance]
    return int(np.argmax(np.maximum(by_judge, np.add(by_distance, 1e-6))))
