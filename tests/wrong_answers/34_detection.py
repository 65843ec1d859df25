@told("the table has 5/6 = 0.833, not 0.250")
def ap_by_steps_of_all(sorted_labels):
    "The share of all pixels."
    found, total = 0, 0.0
    for label in sorted_labels:
        found += label
        total += label * found / len(sorted_labels)
    return total / found if found else 0.0


@told("the table has 5/6 = 0.833, not 0.667")
def ap_by_steps_one_by_one(sorted_labels):
    "One over the rank: what was found before does not count."
    ranks = [above for above, label in enumerate(sorted_labels, start=1) if label]
    return sum(1 / above for above in ranks) / len(ranks)


@told("the table has 5/6 = 0.833, not 0.75")
def ap_by_steps_recall(sorted_labels):
    "The recall instead of the precision."
    found, total = 0, 0.0
    for label in sorted_labels:
        found += label
        total += label * found / sum(sorted_labels)
    return total / found


@told("all scores equal: every pair counts one half")
def auroc_by_pairs_ties_lose(scores, labels):
    "Equal scores count nothing."
    return (scores[labels == 1][:, None] > scores[labels == 0][None]).mean()


@told("all scores equal: every pair counts one half")
def auroc_by_pairs_ties_win(scores, labels):
    "Equal scores count as right."
    return (scores[labels == 1][:, None] >= scores[labels == 0][None]).mean()


@told("7 of the 8 pairs of section 1 are in the right order")
def auroc_by_pairs_side_by_side(scores, labels):
    "The first with the first, the second with the second: not all pairs."
    a, b = scores[labels == 1], scores[labels == 0]
    n = min(len(a), len(b))
    return float(((a[:n] > b[:n]) + 0.5 * (a[:n] == b[:n])).mean())


@told("7 of the 8 pairs of section 1 are in the right order")
def auroc_by_pairs_reversed(scores, labels):
    "How often a clean one scores higher."
    return 1 - auroc_by_pairs_solution(scores, labels)


@told("random scores get")
def chance_ap_half(p):
    "One half, as for AUROC."
    return 0.5


@told("random scores get")
def chance_ap_complement(p):
    "The share of clean pixels."
    return 1 - p


@told("random scores get")
def chance_ap_square(p):
    "Precision times recall."
    return p * p


@told("an alarm that does not depend on the defect says")
def true_alarms_detection_rate(rate, found, false):
    "The share of defects that are found."
    return found


@told("19 true alarms of 20 defects, and 2 % of 19,980 clean")
def true_alarms_equal_numbers(rate, found, false):
    "As if there were as many defects as clean pictures."
    return found / (found + false)


@told("an alarm that does not depend on the defect says")
def true_alarms_false_of_all(rate, found, false):
    "False alarms come from the clean pictures only."
    return rate * found / (rate * found + false)


@told("a quarter of one defect, and all of the other: two")
def mean_overlap_all_pixels(m, truth, threshold):
    "All defect pixels together: the large defect decides."
    return (m[truth > 0] >= threshold).mean()


@told("a quarter of one defect, and all of the other: two")
def mean_overlap_sides_only(m, truth, threshold):
    "Pixels that touch at a corner are taken for two defects."
    pieces, n = ndimage.label(truth > 0)
    return float(np.mean([(m[pieces == r] >= threshold).mean() for r in range(1, n + 1)]))


@told("at threshold 0 everything is above")
def mean_overlap_above(m, truth, threshold):
    "Above the threshold, not at least."
    pieces, n = ndimage.label(truth > 0, np.ones((3, 3)))
    return float(np.mean([(m[pieces == r] > threshold).mean() for r in range(1, n + 1)]))


@told("a quarter of one defect, and all of the other: two")
def mean_overlap_found(m, truth, threshold):
    "Whether a defect is found at all, not how much of it."
    pieces, n = ndimage.label(truth > 0, np.ones((3, 3)))
    return float(np.mean([(m[pieces == r] >= threshold).any() for r in range(1, n + 1)]))
