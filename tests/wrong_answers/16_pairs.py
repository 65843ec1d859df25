@told("site10 begins with site1, but is another picture")
def partner_begins_alike(image, masks):
    "site10 begins with site1."
    stem = Path(image).stem
    return next((m for m in masks if m.startswith(stem)), None)


@told("site10 begins with site1, but is another picture")
def partner_same_stem(image, masks):
    "The ending _mask is not expected."
    return next((m for m in masks if Path(m).stem == Path(image).stem), None)


@told("_old is no ending that may be dropped")
def partner_any_ending(image, masks):
    "Whatever stands behind an underscore is dropped."
    return next((m for m in masks if Path(m).stem.split("_")[0] == Path(image).stem), None)


@told("site10 begins with site1, but is another picture")
def partner_by_order(image, masks):
    "The first mask is taken."
    return masks[0]


@told("the order of the masks says nothing")
def by_stem_order(images, masks):
    "By the order of the files."
    return list(zip(images, masks))


@told("b has no mask; c keeps its own")
def by_stem_next_left(images, masks):
    "The next mask in alphabetical order, for each image that has one."
    stems = {Path(m).stem for m in masks}
    return list(zip([i for i in images if Path(i).stem in stems], masks[1:] + masks[:1]))


@told("the suffix of the mask may be any")
def by_stem_png(images, masks):
    "The name of the mask is made up, instead of looked up."
    stems = {Path(m).stem for m in masks}
    return [(i, f"{Path(i).stem}.png") for i in images if Path(i).stem in stems]


@told("255 is neither under the mask nor elsewhere")
def brighter_ignored_as_background(image, mask):
    "What is not class 1 is taken for class 0."
    if not (mask == 1).any() or not (mask == 0).any():
        return None
    return float(image[mask == 1].mean() - image[mask != 1].mean())


@told("255 is neither under the mask nor elsewhere")
def brighter_ignored_as_class(image, mask):
    "What is not 0 is taken for class 1."
    if not (mask == 1).any() or not (mask == 0).any():
        return None
    return float(image[mask > 0].mean() - image[mask == 0].mean())


@told("darker is below zero")
def brighter_without_sign(image, mask):
    "By how much they differ, and not which is brighter."
    if not (mask == 1).any() or not (mask == 0).any():
        return None
    return float(abs(image[mask == 1].mean() - image[mask == 0].mean()))


@told("no pixel of class 1: None")
def brighter_nan(image, mask):
    "The mean of nothing is nan, and a warning."
    with np.errstate(all="ignore"):
        ones, zeros = image[mask == 1], image[mask == 0]
        return float(ones.sum() / len(ones) - zeros.sum() / len(zeros)) if len(ones) else 0.0
