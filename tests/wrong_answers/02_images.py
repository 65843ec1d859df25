@told("1000 is `low` and becomes 0, not 0.333")
def stretched_by_the_largest(a, low, high):
    "Divided by the largest number, as 8 bits are."
    share = np.asarray(a, float) / high
    return np.clip(share, 0, 1)


@told("3000 is `high` and becomes 1, not 0.667")
def stretched_not_by_the_range(a, low, high):
    "`low` becomes 0, but the way is taken for `high` long."
    share = (np.asarray(a, float) - low) / high
    return np.clip(share, 0, 1)


@told("1000 is `low` and becomes 0, not 0.0153")
def stretched_by_the_type(a, low, high):
    "Divided by what 16 bits can hold."
    share = np.asarray(a, float) / 65535
    return np.clip(share, 0, 1)


@told("200 is darker than 300, but its half says it is")
def two_halves_each_by_itself(a):
    "Each half has limits of its own."
    halves = a[:, :2].astype(float), a[:, 2:].astype(float)
    return [(h - h.min()) / (h.max() - h.min()) for h in halves]


@told("100 is the darkest number of the picture")
def two_halves_by_the_type(a):
    "Divided by the largest number of the type."
    return a[:, :2] / 65535, a[:, 2:] / 65535


@told("two columns in each half")
def two_halves_of_rows(a):
    "Cut into top and bottom."
    whole = (a - float(a.min())) / float(a.max() - a.min())
    return whole[: len(a) // 2], whole[len(a) // 2 :]


@told("has a 1 in channel")
def one_hot_staircase(mask, k):
    "Compared with <= instead of ==: a class lights up all channels above it, too."
    return (mask <= torch.arange(k)[:, None, None]).float()


@told("has no 1 in channel")
def one_hot_from_one(mask, k):
    "Channels counted from 1: class 0 has no channel."
    return (mask == torch.arange(1, k + 1)[:, None, None]).float()


@told("has no 1 in channel")
def one_hot_without_class_1(mask, k):
    "Only the first and the last class are written."
    first, last = mask == 0, mask == k - 1
    return torch.stack([first, *[torch.zeros_like(first)] * (k - 2), last]).float()


@told("a network gives floats, not")
def one_hot_as_bool(mask, k):
    "A comparison gives True and False."
    return mask == torch.arange(k)[:, None, None]


@told("the shape should be (k, h, w) = (3, 2, 2), not")
def one_hot_channels_last(mask, k):
    "torch's one_hot puts the channels last."
    return torch.nn.functional.one_hot(mask.clamp(max=k - 1), k).float()


@told("the ignored pixel is 0 in all channels")
def one_hot_ignored_is_last(mask, k):
    "255 is clamped into the last class."
    return (mask.clamp(max=k - 1) == torch.arange(k)[:, None, None]).float()


@told("k channels, also for classes that this mask does not")
def one_hot_as_many_as_seen(mask, k):
    "The number of channels from the mask, not from k."
    seen = mask[mask != 255].max() + 1
    return (mask == torch.arange(seen)[:, None, None]).float()


@told("is neither red nor blue: compare all three channels")
def from_colours_green_ignored(rgb):
    "Yellow holds as much red as red does."
    red = (rgb[..., 0] == 255) & (rgb[..., 2] == 0)
    blue = (rgb[..., 2] == 255) & (rgb[..., 0] == 0)
    return red + 2 * blue


@told("is neither red nor blue: compare all three channels")
def from_colours_one_channel(rgb):
    "One channel is compared, the two others are not."
    return np.where(rgb[..., 0] == 255, 1, np.where(rgb[..., 2] == 255, 2, 0))


@told("is neither red nor blue: compare all three channels")
def from_colours_strongest(rgb):
    "The strongest channel is not yet that colour."
    strongest = np.argmax(rgb, -1)
    return np.where(rgb.max(-1) == 0, 0, np.where(strongest == 0, 1, 2 * (strongest == 2)))


@told("red is 1 and blue is 2")
def from_colours_bgr(rgb):
    "Red and blue exchanged, as OpenCV reads them."
    mask = np.zeros(rgb.shape[:2], np.int64)
    mask[(rgb == (0, 0, 255)).all(-1)] = 1
    mask[(rgb == (255, 0, 0)).all(-1)] = 2
    return mask


@told("one number per pixel: the shape is (h, w)")
def from_colours_no_all(rgb):
    "Without all(-1) there are three answers per pixel."
    return (rgb == (255, 0, 0)) + 2 * (rgb == (0, 0, 255))


@told("of the pixels are wrong; the plain threshold has")
def segment_coins_one_threshold(photo):
    "One threshold for the whole picture."
    return photo[0] > threshold_otsu(photo[0].numpy())


@told("of the pixels are wrong; the plain threshold has")
def segment_coins_holes(photo):
    "The background is taken away, but the dark places on the coins stay holes."
    a = photo[0].numpy()
    flat = a - ndimage.gaussian_filter(ndimage.minimum_filter(a, 41), 20)
    return flat > threshold_otsu(flat)


@told("of the pixels are wrong; the plain threshold has")
def segment_coins_inverted(photo):
    "Dark is called coin."
    return 1 - segment_coins_solution(photo)


@told("one number per pixel:")
def segment_coins_with_channel(photo):
    "The axis of the channel is left over."
    return segment_coins_solution(photo)[None]
