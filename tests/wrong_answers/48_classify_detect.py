@told("cell 1, size 6, offset 0.5: from 3 to 9, not (1.5, 7.5)")
def interval_offset_in_pixels(cell, size, offset, stride=4):
    "The offset is added in pixels."
    middle = cell * stride + offset
    return middle - size / 2, middle + size / 2


@told("cell 6, size 8, offset 0: from 20 to 28, not (22.0, 30.0)")
def interval_middle_of_cell(cell, size, offset, stride=4):
    "The middle of the cell, whatever its offset says."
    middle = (cell + 0.5) * stride
    return middle - size / 2, middle + size / 2


@told("with a stride of 8 the middle is at 18")
def interval_fixed_stride(cell, size, offset, stride=4):
    "Cells are always four pixels wide."
    middle = (cell + offset) * 4
    return middle - size / 2, middle + size / 2


@told("by chance 0.50: is the place still there at the end?")
def train_sided_mean(maps, kinds):
    "A mean over the map, as in the classifier."
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(64), nn.Flatten(), nn.Linear(1, 2))

    def batch(rng):
        pick = rng.integers(len(maps), size=16)
        return maps[pick], kinds[pick]

    fit_batches(net, batch, F.cross_entropy, steps=200, lr=0.01)
    return net


@told("by chance 0.50: is the place still there at the end?")
def train_sided_flipped(maps, kinds):
    "Augmented with flips: left and right are taught to be the same."
    maps, kinds = torch.cat([maps, maps.flip(3)]), torch.cat([kinds, kinds])
    return train_sided_solution(maps, kinds)


@told("0.50 of the new maps are right")
def train_sided_too_slow(maps, kinds):
    "A learning rate at which nothing moves."
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 2))
    fit_batches(net, lambda rng: (maps, kinds), F.cross_entropy, steps=20, lr=1e-5)
    return net


@told("; (bottom - top) is the height, without a + 1, and the")
def overlap_sum_of_areas(a, b):
    "The overlap counts twice in the union."
    h, w = (max(0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1))
    return h * w / sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))


@told("; (bottom - top) is the height, without a + 1, and the")
def overlap_plus_one(a, b):
    "As if bottom and right were inside."
    h, w = (max(0, min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + 1) for k in (0, 1))
    areas = sum((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b))
    return h * w / (areas - h * w)


@told("side by side: no overlap, but nothing negative")
def overlap_negative(a, b):
    "Sides below zero."
    h, w = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return h * w / (areas - h * w)


@told("apart in both directions: two negative sides have a")
def overlap_negative_area(a, b):
    "The area is cut off at zero, and not its sides: two negative ones make a positive."
    h, w = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(0, h * w) / (areas - max(0, h * w))


@told("; (bottom - top) is the height, without a + 1, and the")
def overlap_of_the_first(a, b):
    "Over the first box, not over the union."
    h, w = (max(0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1))
    return h * w / ((a[2] - a[0]) * (a[3] - a[1]))


@told("one inside the other: 8 of 81 pixels")
def overlap_ends_of_the_first(a, b):
    "From the larger beginning to the end of the first box, whichever ends first."
    h, w = (max(0, a[k + 2] - max(a[k], b[k])) for k in (0, 1))
    return h * w / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - h * w)


@told("that is the accuracy: the larger class decides it")
def balanced_accuracy(cm):
    "The plain accuracy."
    return np.diag(cm).sum() / cm.sum()


@told("divide by the rows' sums (all of that truth), not by")
def balanced_by_columns(cm):
    "Over all such answers: precision, not recall."
    n = cm.sum(0)
    return float((np.diag(cm)[n > 0] / n[n > 0]).mean())


@told("a class without a single case has no recall")
def balanced_nan(cm):
    "A class without a case makes the mean nan."
    return np.mean(
        [cm[k, k] / cm[k].sum() if cm[k].sum() else float("nan") for k in range(len(cm))]
    )


@told("a class without a single case has no recall")
def balanced_absent_is_zero(cm):
    "A class without a case counts as never found."
    return float((np.diag(cm) / np.maximum(cm.sum(1), 1)).mean())


@told("the precision depends on the rate")
def precision_at_recall(recall, fpr, rate):
    "The recall."
    return recall


@told("the precision depends on the rate")
def precision_at_balanced(recall, fpr, rate):
    "As on the bench, where half of the crops are defective."
    return recall / (recall + fpr)


@told("balanced: 0.9 true alarms for 0.1 false ones")
def precision_at_false_of_all(recall, fpr, rate):
    "False alarms of all crops, not of the clean ones."
    return recall * rate / (recall * rate + fpr)


@told("per crop: 0.0009 true alarms, and 0.02 * 0.999 false")
def precision_at_accuracy(recall, fpr, rate):
    "The share of right answers."
    return recall * rate + (1 - fpr) * (1 - rate)
