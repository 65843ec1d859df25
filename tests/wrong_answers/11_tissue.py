@told("a far point changes nothing")
def wall_distance_first_two(place, points):
    "The first two points, not the two nearest."
    a, b = (np.array(p, float) for p in points[:2])
    da, db = (np.linalg.norm(np.array(place) - p) for p in (a, b))
    return abs(db**2 - da**2) / (2 * np.linalg.norm(a - b))


@told("beside the line from point to point: the wall is at 5,")
def wall_distance_half_gap(place, points):
    "Half the difference of the distances: right only on the line between the two."
    d = np.sort(np.linalg.norm(np.array(points, float) - np.array(place), axis=1))
    return (d[1] - d[0]) / 2


@told("the tiny example: 2")
def wall_distance_to_point(place, points):
    "The distance to the nearest point, which is no wall."
    return np.linalg.norm(np.array(points, float) - np.array(place), axis=1).min()


@told("the tiny example: 2")
def wall_distance_twice(place, points):
    "The 2 below the line is forgotten."
    return 2 * wall_distance_solution(place, points)


@told("the tiny example, moved by (5, 5)")
def wall_distance_from_the_origin(place, points):
    "The distance of the two points is taken from their sum: right only if one lies at (0, 0)."
    points = np.array(points, float)
    d = np.linalg.norm(points - np.array(place), axis=1)
    a, b = np.argsort(d)[:2]
    return (d[b] ** 2 - d[a] ** 2) / (2 * np.linalg.norm(points[a] + points[b]))


@told("with walls of")
def wall_share_one_way(cell, wall):
    "Walls along one axis only."
    return wall / cell


@told("with walls of")
def wall_share_crossings_twice(cell, wall):
    "Where two walls cross, the area is counted twice."
    return 2 * wall / cell


@told("with walls of")
def wall_share_inside(cell, wall):
    "What is no wall."
    return (1 - wall / cell) ** 2


@told("discs of 8, 16 and 20 pixels at 4 nm, four more are cut:")
def cell_diameter_in_pixels(mask, pixel_nm):
    "The size of a pixel is forgotten."
    return cell_diameter_solution(mask, 1)


@told("discs of 8, 16 and 20 pixels at 4 nm, four more are")
def cell_diameter_cut_cells(mask, pixel_nm):
    "Cells that the border cuts are measured as if they were whole."
    labels, _ = ndimage.label(mask != 1)
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(2 * np.sqrt(areas / np.pi)) * pixel_nm)


@told("discs of 8, 16 and 20 pixels at 4 nm, four more are cut:")
def cell_diameter_mean(mask, pixel_nm):
    "The mean, which a few large cells pull up."
    labels, _ = ndimage.label(mask != 1)
    areas = np.bincount(labels.ravel())
    cut = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    whole = np.setdiff1d(np.arange(1, len(areas)), cut)
    return float(np.mean(2 * np.sqrt(areas[whole] / np.pi)) * pixel_nm)


@told("discs of 8, 16 and 20 pixels at 4 nm, four more are cut:")
def cell_diameter_radius(mask, pixel_nm):
    "The radius of the disc."
    return cell_diameter_solution(mask, pixel_nm) / 2


@told("class 2 lies inside a cell and does not cut it")
def cell_diameter_class_0(mask, pixel_nm):
    "A mitochondrion is taken for a hole in its cell."
    return cell_diameter_solution(np.where(mask == 0, 0, 1), pixel_nm)


@told("discs of 8, 16 and 20 pixels at 4 nm, four more are")
def cell_diameter_top_and_bottom(mask, pixel_nm):
    "Cells that the left or the right border cuts are taken for whole."
    labels, _ = ndimage.label(mask != 1)
    areas = np.bincount(labels.ravel())
    whole = np.setdiff1d(np.arange(1, len(areas)), np.concatenate([labels[0], labels[-1]]))
    return float(np.median(2 * np.sqrt(areas[whole] / np.pi)) * pixel_nm)


def _to_wall(place, a, b, divisor):
    "The difference of the squares, divided."
    near, far = sorted((abs(place - a), abs(place - b)))
    return (far**2 - near**2) / divisor


@told("the example above: (49 - 9) / 20 = 2, not 4")
def to_wall_distance_once(place, a, b):
    "The 2 is forgotten."
    return _to_wall(place, a, b, abs(a - b))


@told("outside: the wall is at 5, and 8 from -3, not 5")
def to_wall_sum(place, a, b):
    "The two distances are added, which is D only between the points."
    return _to_wall(place, a, b, 2 * (abs(place - a) + abs(place - b)))


@told("points at 4 and 12, the wall at 8: 1 from 7, not 0.8")
def to_wall_always_ten(place, a, b):
    "The number of the example."
    return _to_wall(place, a, b, 20)
