@told("the middle of pixel 0, at 0.5, lies to the left of 0.6")
def first_pixel_floor(x):
    "The pixel in which x lies."
    return math.floor(x)


@told("the middle of pixel 0, at 0.5, lies to the right of 0.4")
def first_pixel_from_middles(x):
    "Zero is taken for a middle."
    return math.ceil(x)


@told("a middle that lies *at* x counts")
def first_pixel_behind(x):
    "A middle at x belongs to the left."
    return math.floor(x - 0.5) + 1


@told("COCO goes down the columns")
def run_lengths_by_rows(mask):
    "Row by row."
    flat = mask.ravel()
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
    return np.diff([0, *changes, len(flat)]).tolist()


@told("zeros come first: here there are none")
def run_lengths_from_the_first(mask):
    "They begin with whatever comes first."
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    return np.diff([0, *changes, len(flat)]).tolist()


@told("walked the other way, a shell is no smaller")
def area_of_signed(part):
    "The sign is left in."

    def area(points):
        x, y = points.T
        return np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2

    return area(part[0]) - sum(area(hole) for hole in part[1:])


@told("a hole of 1 x 2 is missing")
def area_of_all(part):
    "Holes are added."

    def area(points):
        x, y = points.T
        return abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2

    return sum(area(ring) for ring in part)


@told("4 x 4")
def area_of_not_halved(part):
    "The sum is not halved."

    def area(points):
        x, y = points.T
        return abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))

    return area(part[0]) - sum(area(hole) for hole in part[1:])


@told("x, the column, comes first here")
def from_napari_rows_first(points):
    "The columns are not changed."
    return points + 0.5


@told("0 is a middle there")
def from_napari_no_half(points):
    "The half pixel is forgotten."
    return points[:, ::-1]


@told("the middle of pixel 0 lies at 0.5, not -0.5")
def from_napari_wrong_sign(points):
    "Half a pixel in the wrong direction."
    return points[:, ::-1] - 0.5


@told("must stay as they are")
def from_napari_in_place(points):
    "The points that were given are changed."
    points += 0.5
    return points[:, ::-1]
