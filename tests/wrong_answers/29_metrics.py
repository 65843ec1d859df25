@told("the wire of section 2 has Dice 2/3 and IoU 1/2")
def iou_from_dice_upside_down(d):
    "From IoU to Dice."
    return 2 * d / (1 + d)


@told("the ends stay where they are")
def iou_from_dice_half(d):
    "Dice is not twice the IoU."
    return d / 2


@told("the wire of section 2 has Dice 2/3 and IoU 1/2")
def iou_from_dice_squared(d):
    "A guess that only has the right ends."
    return d**2


@told("one pixel, predicted as 3 x 3: 1/9")
def one_pixel_too_large_one_side(s):
    "One pixel more a side, where there is one at each of its two ends."
    return s**2 / (s + 1) ** 2


@told("one pixel, predicted as 3 x 3: 1/9")
def one_pixel_too_large_dice(s):
    "Dice, not IoU."
    return 2 * s**2 / (s**2 + (s + 2) ** 2)


@told("one pixel, predicted as 3 x 3: 1/9")
def one_pixel_too_large_in_length(s):
    "Lengths instead of areas."
    return s / (s + 2)


@told("0.9 * 90/95 + 0.1 * 5/10 =")
def weighted_iou_plain_mean(cm):
    "Every class counts the same."
    return float(np.nanmean(iou(cm)))


@told("0.9 * 90/95 + 0.1 * 5/10 =")
def weighted_iou_by_prediction(cm):
    "Weighed by what was predicted."
    return float(np.nansum(cm.sum(0) / cm.sum() * iou(cm)))


@told("the second class occurs nowhere: its nan must not count")
def weighted_iou_nan(cm):
    "A class that occurs nowhere makes the sum nan."
    return float((cm.sum(1) / cm.sum() * iou(cm)).sum())


@told("0.9 * 90/95 + 0.1 * 5/10 =")
def weighted_iou_accuracy(cm):
    "The share of right pixels."
    return float(np.diag(cm).sum() / cm.sum())


@told("one merger; that another cell is split is no matter")
def mergers_fewer_cells(pred, truth):
    "How many cells are fewer: a merger and a split cancel."
    return label(truth == 0, connectivity=1).max() - label(pred == 0, connectivity=1).max()


@told("cells that touch at a corner are two cells")
def mergers_corners(pred, truth):
    "Cells that touch at a corner are taken for one."
    p, t = (label(m == 0, connectivity=2) for m in (pred, truth))
    return sum(len(set(t[p == c].tolist()) - {0}) > 1 for c in range(1, p.max() + 1))


@told("a wall at another place is covered; no cell is")
def mergers_wall_is_a_cell(pred, truth):
    "The wall of the truth counts as one more cell."
    p, t = (label(m == 0, connectivity=1) for m in (pred, truth))
    return sum(len(set(t[p == c].tolist())) > 1 for c in range(1, p.max() + 1))


@told("the gap makes one cell of two")
def mergers_merged_cells(pred, truth):
    "The true cells that were merged, not the predicted ones that merge."
    p, t = (label(m == 0, connectivity=1) for m in (pred, truth))
    inside = [set(t[p == c].tolist()) - {0} for c in range(1, p.max() + 1)]
    return sum(len(cells) for cells in inside if len(cells) > 1)


@told("a single ring")
def rings_outside_too(mask):
    "The outside is one of the gaps."
    return int(label(mask == 0, connectivity=2).max())


@told("metal that touches at a corner does not conduct, so the")
def rings_sides_only(mask):
    "Gaps that touch at a corner are taken for two."
    return int(label(mask == 0, connectivity=1).max()) - 1


@told("a ring with a cut encloses nothing")
def rings_pieces(mask):
    "The pieces of metal."
    return int(label(mask == 1, connectivity=1).max())


def _iou_with(cm, c, fp):
    "IoU of class `c`, with `fp` in the gap."
    tp = cm[c, c]
    return tp / (cm[c].sum() + fp)


@told("the wire: 3 / (3 + 2 + 1) = 0.5")
def iou_of_whole_column(cm, c):
    "The true positives are left in the column."
    return _iou_with(cm, c, cm[:, c].sum())


@told("the wire: 3 / (3 + 2 + 1) = 0.5, not 0.600")
def iou_of_row_again(cm, c):
    "The rest of the row: what was missed, a second time."
    return _iou_with(cm, c, cm[c].sum() - cm[c, c])


@told("the wire: 3 / (3 + 2 + 1) = 0.5")
def iou_of_all_errors(cm, c):
    "Every wrong pixel of the picture."
    return _iou_with(cm, c, cm.sum() - np.trace(cm))
