from scipy import ndimage


@told("3 pixels of 4 nm: 7.82 nm, not 3.91")
def diameter_nm_linear(area_px, pixel_nm):
    "A side, where an area is asked for."
    return 2 * (area_px * pixel_nm / np.pi) ** 0.5


@told("3 pixels of 4 nm: 7.82 nm, not 1.95")
def diameter_nm_pixels(area_px, pixel_nm):
    "Still in pixels."
    return 2 * (area_px / np.pi) ** 0.5


@told("a square micrometre is 1000 x 1000 square nanometres")
def metal_um2_thousand(pixels, pixel_nm, share):
    "A square micrometre is taken for 1000 square nanometres."
    return pixels * share * pixel_nm**2 / 1e3


@told("a pixel of 4 nm has 16 square nanometres")
def metal_um2_side(pixels, pixel_nm, share):
    "The side of a pixel is taken for its area."
    return pixels * share * pixel_nm / 1e6


@told("a quarter of the picture is metal:")
def metal_um2_all(pixels, pixel_nm, share):
    "The whole picture."
    return pixels * (pixel_nm / 1000) ** 2


@told("these are the 8-connected ones: the two in the middle")
def count_by_sides_corners(mask):
    "Corners count."
    return ndimage.label(mask == 1, np.ones((3, 3)))[1]


@told("class 1 only; here there is none")
def count_by_sides_any_class(mask):
    "Every class that is not 0."
    return ndimage.label(mask)[1]


@told("3 + 1 + 1 + 1 pixels: four objects")
def count_by_sides_background(mask):
    "The background is counted as one more."
    return ndimage.label(mask == 1)[1] + 1


@told("those at the border are cut: leave them out")
def honest_mean_every(pieces):
    "Those at the border, too."
    return float(np.mean([p["diameter_nm"] for p in pieces]))


@told("the mean of diameter_nm of the others")
def honest_mean_cut(pieces):
    "Those at the border only."
    cut = [p["diameter_nm"] for p in pieces if p["at_border"]]
    return float(np.mean(cut)) if cut else None


@told("the mean of nothing is no number")
def honest_mean_nan(pieces):
    "The mean of nothing is nan, and no None."
    inside = [p["diameter_nm"] for p in pieces if not p["at_border"]]
    return float(np.mean(inside)) if inside else float("nan")


@told("the mean of diameter_nm of the others")
def honest_mean_median(pieces):
    "The median."
    inside = [p["diameter_nm"] for p in pieces if not p["at_border"]]
    return float(np.median(inside)) if inside else None
