@told("none of them is lost")
def as_classes_in_place(stored, meaning):
    "In the array that is being changed."
    classes = stored.copy()
    for number, k in meaning.items():
        classes[classes == number] = k
    return classes


@told("9 has no meaning and becomes 255")
def as_classes_rest_zero(stored, meaning):
    "What has no meaning becomes class 0."
    classes = np.zeros_like(stored)
    for number, k in meaning.items():
        classes[stored == number] = k
    return classes


@told("none of them is lost")
def as_classes_by_class(stored, meaning):
    "Where the class stood, not the number."
    classes = np.full_like(stored, 255)
    for k in meaning.values():
        classes[stored == k] = k
    return classes


@told("is *rounded* to 1")
def lost_cut_off(image):
    "What is behind the point is cut off."
    return np.abs(np.floor(image * 255 + 1e-6) / 255 - image).max()


@told("0 and 1 are kept")
def lost_of_256(image):
    "256 values are taken for 256 steps."
    return np.abs(np.round(image * 255) / 256 - image).max()


@told("the *largest* change")
def lost_mean(image):
    "The mean, in place of the largest."
    return np.abs(np.round(image * 255) / 255 - image).mean()


@told("a large mask counts more")
def shares_mean_of_masks(masks, k):
    "The mean of the shares in each mask."
    each = [[(m == c).sum() / max((m != 255).sum(), 1) for c in range(k)] for m in masks]
    return np.mean(each, axis=0).tolist()


@told("also not in the whole")
def shares_of_all_pixels(masks, k):
    "255 has no share, but is counted in the whole."
    pixels = np.concatenate([m.ravel() for m in masks])
    return [float((pixels == c).mean()) for c in range(k)]


@told("a class that is absent has one")
def shares_of_those_there(masks, k):
    "Only of classes that occur."
    pixels = np.concatenate([m.ravel() for m in masks])
    there = pixels[pixels != 255]
    return [float((there == c).mean()) for c in np.unique(there)]
