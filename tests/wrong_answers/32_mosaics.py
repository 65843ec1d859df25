# instead of trained predictions: noise, with a step where tiles would meet
whole = torch.rand(1, 64, 320, generator=torch.Generator().manual_seed(0)) / 10
stepped = whole + 0.5 * (torch.arange(320) >= 256)
results = {"no overlap": (stepped, None), "overlap 64, hann": (whole, None)}


@told("four 3x3 convolutions have a reach of 4, so the overlap")
def safe_overlap_reach_once(layers):
    "The reach, not twice the reach: a seam has two sides."
    return safe_overlap_solution(layers) // 2


@told("four 3x3 convolutions have a reach of 4, so the overlap")
def safe_overlap_field(layers):
    "The receptive field itself."
    return receptive_field(layers).size


@told("field 5, reach 2 + 1, overlap 6, not")
def safe_overlap_without_the_cell(layers):
    "Where a pixel lies in its cell is forgotten."
    field = receptive_field(layers)
    return -(-(field.size - 1) // field.jump) * field.jump


@told("field 15, stride 8: reach 7 + 7, so 28, rounded up to")
def safe_overlap_not_rounded(layers):
    "No multiple of the stride."
    field = receptive_field(layers)
    return 2 * (-(-(field.size - 1) // 2) + field.jump - 1)


@told("a step of 10 where the mean step is 48/39")
def seam_score_next_column(p, c):
    "The difference behind the column, not before it."
    d = (p[:, 1:] - p[:, :-1]).abs().mean(0)
    return d[min(c, len(d) - 1)] / d.mean()


@told("a step of 10 where the mean step is 48/39")
def seam_score_bare(p, c):
    "Not compared with the other columns."
    return (p[:, c] - p[:, c - 1]).abs().mean()


@told("on an even slope every step is as large as the mean")
def seam_score_along_rows(p, c):
    "Between rows, not between columns."
    d = (p[1:] - p[:-1]).abs().mean(1)
    return d[min(c, len(d)) - 1] / d.mean()


@told("a step of 10 where the mean step is 48/39")
def seam_score_maximum(p, c):
    "Compared with the largest step."
    d = (p[:, 1:] - p[:, :-1]).abs().mean(0)
    return d[c - 1] / d.max()


@told("half of the rows rise and half fall: absolute values")
def seam_score_signed(p, c):
    "Without absolute values steps up and steps down cancel."
    d = (p[:, 1:] - p[:, :-1]).mean(0)
    return d[c - 1] / d.mean()


@told("a slice ends before its stop")
def files_touched_stop_included(rows, cols, size):
    "The stop of a slice is taken for a part of it."

    def along(s):
        return range(s.start // size, s.stop // size + 1)

    return {(r, c) for r in along(rows) for c in along(cols)}


@told("files in the middle count too")
def files_touched_corners(rows, cols, size):
    "Only the files in which the corners lie."
    ends = [(s.start // size, (s.stop - 1) // size) for s in (rows, cols)]
    return {(r, c) for r in ends[0] for c in ends[1]}


@told("rows 95 to 104: two files")
def files_touched_first_only(rows, cols, size):
    "The file in which the tile begins."
    return {(rows.start // size, cols.start // size)}


@told("rows 95 to 104: two files")
def files_touched_columns_first(rows, cols, size):
    "(column, row), not (row, column)."
    return {(c, r) for r, c in files_touched_solution(rows, cols, size)}


@told("the rows 96 to 103 are a mixture with tiles that began")
def first_needed_begins_there(spans, done):
    "The first tile that begins at that row or behind it."
    return next((i for i, s in enumerate(spans) if s.start >= done), len(spans))


@told("tiles that share nothing need no other")
def first_needed_one_back(spans, done):
    "One tile further back than that, which is too few where tiles overlap by more than a half."
    return max(0, first_needed_begins_there(spans, done) - 1)


@told("tiles that share nothing need no other")
def first_needed_ends_there(spans, done):
    "A tile that ends at the row is not needed any more."
    return next((i for i, s in enumerate(spans) if s.stop >= done), len(spans))


@told("one index, that of the first; not")
def first_needed_all(spans, done):
    "A list of all that are needed."
    return [i for i, s in enumerate(spans) if s.stop > done]


@told("band 3, which is index 2, reaches down to row 103; not")
def first_needed_from_the_top(spans, done):
    "Everything again."
    return 0


def _with_bottom(poolings, bottom):
    "The sum of the U with `bottom` in the gap."
    return bottom + 2 * sum(2 * 2**level for level in range(poolings)) + 2**poolings - 1


@told("two poolings: 2 + 4, then 8 at stride 4, 4 + 2, and 3; not 17")
def unet_reach_stride_forgotten(poolings):
    "Two convolutions, two pixels, as at full size."
    return _with_bottom(poolings, 2)


@told("then 8 at stride 4, 4 + 2, and 3; not 31")
def unet_reach_twice(poolings):
    "The bottom counted down and up."
    return _with_bottom(poolings, 2 * 2 * 2**poolings)


@told("then 8 at stride 4, 4 + 2, and 3; not 19")
def unet_reach_level_above(poolings):
    "The stride of the level above."
    return _with_bottom(poolings, 2 * 2 ** (poolings - 1))


@told("your net sees 9 pixels far, but a dot 12 pixels away has to count")
def train_far_one_pooling(dots):
    "A net that does not see the dots."
    return train(UNet(1, 1, widths=(8, 16), padding=True, norm=True), dots, 2, 1e-2)


@told("it sees far enough, but its Dice on new pictures is 0.4")
def train_far_small_steps(dots):
    "A learning rate a hundred times too small."
    return train(UNet(1, 1, widths=(8, 16, 32), padding=True, norm=True), dots, 60, 1e-4)


@told("it sees far enough, but its Dice on new pictures is")
def train_far_not_at_all(dots):
    "A net that has seen no picture."
    return UNet(1, 1, widths=(8, 16, 32), padding=True, norm=True)
