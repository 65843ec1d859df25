@told("person is at 1/3: a false alarm on the bonnet was counted")
def counted_iou_all(pred, truth, k):
    "Every pixel counts."
    return ((pred == k) & (truth == k)).sum() / ((pred == k) | (truth == k)).sum()


@told("person is at 1/3: a false alarm on the bonnet was counted")
def counted_iou_by_prediction(pred, truth, k):
    "Looks for 255 in the prediction, which never says it."
    counts = pred != 255
    hit = counts & (pred == k) & (truth == k)
    return hit.sum() / (counts & ((pred == k) | (truth == k))).sum()


@told("road has 2 hits and 1 false alarm, which counts")
def counted_iou_of_the_truth(pred, truth, k):
    "Only pixels that are of the class: no false alarm counts."
    counts = truth == k
    hit = counts & (pred == k)
    return hit.sum() / counts.sum()


@told("0% of the people's pixels are found")
def train_people_plain(model, batch):
    "Every pixel costs the same."

    def loss(logits, mask):
        return F.binary_cross_entropy_with_logits(logits[:, 0], (mask == 6).float())

    fit_batches(model, batch, loss, steps=50, lr=0.01)


@told("nearly everything is called a person")
def train_people_too_heavy(model, batch):
    "A person counts a million times."

    def loss(logits, mask):
        rare = torch.tensor(1e6)
        return F.binary_cross_entropy_with_logits(
            logits[:, 0], (mask == 6).float(), pos_weight=rare
        )

    fit_batches(model, batch, loss, steps=50, lr=0.01)


@told("load wants file number -> class, not the reverse")
def my_values_reversed():
    "class -> number in the file."
    return {i: k for i, k in enumerate((7, 8, 11, 24, 26))}


@told("3 is a number that the files hold; it is")
def my_values_others_left_out():
    "The other numbers are not named."
    return {k: i for i, k in enumerate((7, 8, 11, 24, 26))}


@told(": in a | b the right one wins")
def my_values_ignored_last():
    "In a | b the right one wins: all become 255."
    return {k: i for i, k in enumerate((7, 8, 11, 24, 26))} | dict.fromkeys(range(34), 255)


@told("3 is a number that the files hold; it is")
def my_values_others_are_zero():
    "What is to be ignored becomes road."
    return dict.fromkeys(range(34), 0) | {k: i for i, k in enumerate((7, 8, 11, 24, 26))}


@told("load wants file number -> class, not the reverse")
def my_values_from_one():
    "Classes from 1 on."
    return dict.fromkeys(range(34), 255) | {k: i for i, k in enumerate((7, 8, 11, 24, 26), 1)}


@told("all numbers from 0 to 33, and no others")
def my_values_up_to_32():
    "range leaves out its end."
    return {k: v for k, v in my_values_solution().items() if k < 33}


@told("2 m pixels are larger than 1 m pixels: of the smaller")
def resampled_to_upside_down(image, have, want):
    "Fewer pixels, where there should be more."
    size = [round(n * want / have) for n in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


@told("a fourth axis is left: take [0]")
def resampled_to_batch(image, have, want):
    "The axis of the batch is left over."
    return resampled_to_solution(image, have, want)[None]


@told("rows of one pixel became stripes: average before you")
def resampled_to_nearest(image, have, want):
    "Pixels are left out without averaging."
    size = [round(n * have / want) for n in image.shape[1:]]
    return F.interpolate(image[None], size=size)[0]


@told("rows of one pixel became stripes: average before you")
def resampled_to_no_antialias(image, have, want):
    "Bilinear alone averages two pixels, and leaves out the rest."
    size = [round(n * have / want) for n in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear")[0]


@told("41 * 0.6 = 24.6 is rounded to 25, not cut; yours is")
def resampled_to_cut(image, have, want):
    "Sides are cut off, not rounded."
    size = [int(n * have / want) for n in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


@told("the mask has to move with the picture")
def mirrored_image_only(image, mask):
    "The mask stays."
    return image.flip(2), mask


@told("this is up and down: sky below the road")
def mirrored_upside_down(image, mask):
    "Up and down."
    return image.flip(1), mask.flip(0)


@told("both axes are turned: only the columns may change places")
def mirrored_both_axes(image, mask):
    "Half a turn."
    return image.flip(1, 2), mask.flip(0, 1)


@told("the first column of the picture must be the last one of")
def mirrored_same_axis_number(image, mask):
    "Axis 1 of the picture (c h w) is its height."
    return image.flip(1), mask.flip(1)


@told("the first column of the picture must be the last one of")
def mirrored_colours_too(image, mask):
    "The colours change places, too."
    return image.flip(0, 2), mask.flip(1)
