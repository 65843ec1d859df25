@told("nm came out as")
def line_width_in_pixels(layout):
    "The size of a pixel is forgotten."
    return line_width_solution(layout) / layout.pixel_nm


@told("nm came out as")
def line_width_with_cut_lines(layout):
    "Lines cut by the border count as if they were whole."
    m = layout.metal
    rows = m if np.diff(m, axis=1).sum() > np.diff(m, axis=0).sum() else m.T
    lines_in_a_row = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(int), axis=1) == 1
    return rows.sum() / lines_in_a_row.sum() * layout.pixel_nm


@told("nm came out as")
def line_width_pitch(layout):
    "From one left edge to the next: that is the pitch."
    m = layout.metal.astype(int)
    rows = m if np.abs(np.diff(m, axis=1)).sum() > np.abs(np.diff(m, axis=0)).sum() else m.T
    steps = [np.diff(np.flatnonzero(np.diff(row) == 1)) for row in rows]
    return np.concatenate(steps).mean() * layout.pixel_nm


@told("nm came out as")
def line_width_always_along_rows(layout):
    "Lines that lie along the rows are measured along their length."
    widths = []
    for row in layout.metal.astype(int):
        up, down = (np.flatnonzero(np.diff(row) == step) for step in (1, -1))
        if len(up):
            down = down[down > up[0]]
            widths += list(down - up[: len(down)])
    return np.mean(widths) * layout.pixel_nm


@told("differ; you say")
def differing_share_one_edge(sigma_nm, pitch_nm):
    "Each pitch has two edges; here is one."
    return 1 / pitch_nm * 2 * sigma_nm / np.sqrt(np.pi)


@told("differ; you say")
def differing_share_one_copy(sigma_nm, pitch_nm):
    "Only one of the two copies is taken to be rough: the root of 2 is missing."
    return 2 / pitch_nm * sigma_nm * np.sqrt(2 / np.pi)


@told("differ; you say")
def differing_share_plain_sigma(sigma_nm, pitch_nm):
    "The standard deviation is taken for the mean size."
    return 2 / pitch_nm * sigma_nm * np.sqrt(2)


@told("a window of 4 fits exactly onto the square of metal")
def densest_mean(layout, side):
    "The density of the whole layout."
    return layout.metal.mean()


@told("a window of 4 fits exactly onto the square of metal")
def densest_side_by_side(layout, side):
    "Windows side by side miss what lies across their borders."
    h, w = (n // side * side for n in layout.shape)
    blocks = layout.metal[:h, :w].reshape(h // side, side, w // side, side)
    return blocks.mean((1, 3)).max()


@told("a window of 4 fits exactly onto the square of metal")
def densest_count(layout, side):
    "The number of metal pixels, not their share."
    return np.lib.stride_tricks.sliding_window_view(layout.metal, (side, side)).sum((2, 3)).max()


@told("5 pixels of 4 nm are 20 nm, not 1.25")
def pitch_of_divided(row, pixel_nm):
    "Pixels are divided by their size."
    return 5 / pixel_nm


@told("5 pixels of 4 nm are 20 nm, not 5")
def pitch_of_in_pixels(row, pixel_nm):
    "Pixels are taken for nanometres."
    return 5


@told("5 pixels of 4 nm are 20 nm, not 80")
def pitch_of_squared(row, pixel_nm):
    "The area of a pixel."
    return 5 * pixel_nm**2
