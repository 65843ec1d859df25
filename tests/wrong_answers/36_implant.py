@told(", and this gives")
def kept_noise_no_filter(s):
    "Nothing is smoothed."
    return np.random.default_rng(0).normal(size=(400, 400)).std()


@told(", and this gives")
def kept_noise_variance(s):
    "The variance, not the standard deviation."
    return kept_noise_solution(s) ** 2


@told(", and this gives")
def kept_noise_one_axis(s):
    "Smoothed along one axis only."
    return ndimage.gaussian_filter1d(np.random.default_rng(0).normal(size=(400, 400)), s).std()


@told(", and this gives")
def kept_noise_uniform(s):
    "Uniform numbers have another standard deviation than 1."
    return ndimage.gaussian_filter(
        np.random.default_rng(0).random((400, 400)), s, mode="wrap"
    ).std()


@told(", not from 0.02 to 0.15")
def cutpaste_size_sides(n, rng):
    "The share is taken for that of a side, not of the area."
    side, aspect = rng.uniform(0.02, 0.15) * n, rng.uniform(0.3, 3.3)
    return round(side * aspect**0.5), round(side / aspect**0.5)


@told("half of them are higher than wide")
def cutpaste_size_one_range(n, rng):
    "The aspect is drawn from 0.3 to 3.3 at once: three quarters are higher than wide."
    area, aspect = rng.uniform(0.02, 0.15) * n**2, rng.uniform(0.3, 3.3)
    return round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)


@told("half of them are higher than wide")
def cutpaste_size_always_wide(n, rng):
    "Half of the cases is left out."
    area, aspect = rng.uniform(0.02, 0.15) * n**2, rng.uniform(0.3, 1)
    return round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)


@told(", not from 0.02 to 0.15")
def cutpaste_size_no_root(n, rng):
    "The aspect is put on the height only: the area changes with it."
    height, width = cutpaste_size_solution(n, rng)
    return height * 2, width


@told("only, not from 0.02 to 0.15")
def cutpaste_size_fixed_area(n, rng):
    "Always the same area."
    aspect = rng.uniform(0.3, 1) if rng.random() < 0.5 else rng.uniform(1, 3.3)
    return round((0.08 * n**2 * aspect) ** 0.5), round((0.08 * n**2 / aspect) ** 0.5)


@told("it is still about as noisy as the picture")
def blur_patch_not_blurred(image, donor, y, x, k, rng):
    "The bare patch."
    return image[:, y : y + k, x : x + k]


@told("the patch must be (2, 24, 24), not")
def blur_patch_no_channel(image, donor, y, x, k, rng):
    "The axis of the channel is lost."
    return ndimage.gaussian_filter(image[0], 2)[y : y + k, x : x + k]


@told("inside; it must be rows y to y + k and columns x to x +")
def blur_patch_mean(image, donor, y, x, k, rng):
    "Every pixel becomes the mean: nothing of the picture is left."
    patch = image[:, y : y + k, x : x + k]
    return np.full_like(patch, patch.mean())


@told("inside; it must be rows y to y + k and columns x to x +")
def blur_patch_flipped(image, donor, y, x, k, rng):
    "Blurred, and flipped left and right."
    return blur_patch_solution(image, donor, y, x, k, rng)[:, :, ::-1]


@told("inside; it must be rows y to y + k and columns x to x +")
def blur_patch_three_pixels(image, donor, y, x, k, rng):
    "Blurred by more than was asked for."
    return ndimage.gaussian_filter(image, (0, 3, 3))[:, y : y + k, x : x + k]


@told("inside; it must be rows y to y + k and columns x to x +")
def blur_patch_x_before_y(image, donor, y, x, k, rng):
    "Rows and columns are exchanged."
    return blur_patch_solution(image, donor, x, y, k, rng)


@told("inside; it must be rows y to y + k and columns x to x +")
def blur_patch_of_the_donor(image, donor, y, x, k, rng):
    "Taken from the other picture."
    return blur_patch_solution(donor, image, y, x, k, rng)


@told("; count label and pasted pixels of implant(clean[i], i,")
def lies_truth(kind, n=12):
    "The share that did change."
    return 1 - lies_solution(kind, n)


@told("a share between 0 and 1, not")
def lies_one_picture(kind, n=12):
    "The first picture alone."
    return lies_solution(kind, 1)


@told("; count label and pasted pixels of implant(clean[i], i,")
def lies_of_the_picture(kind, n=12):
    "Over all pixels, not over those that were pasted."
    pairs = [implant(clean[i], i, kinds=[kind])[1:] for i in range(n)]
    return float(np.mean([((p == 1) & (label == 0)).float().mean() for label, p in pairs]))


@told("; count label and pasted pixels of implant(clean[i], i,")
def lies_always_copies(kind, n=12):
    "The kind is ignored."
    return lies_solution("copy", n)


@told("metal on metal, and only the noise is new")
def defect_in_row_pasted(before, after, pasted, tolerance):
    "All that was pasted: the label lies."
    return pasted & True


@told("metal on metal, and only the noise is new")
def defect_in_row_any_difference(before, after, pasted, tolerance):
    "Whatever differs at all, which noise does everywhere."
    return pasted & (after != before)


@told("metal that is gone is a defect as much as metal that is new")
def defect_in_row_signed(before, after, pasted, tolerance):
    "Only what became brighter."
    return pasted & (after - before > tolerance)


@told("nothing was pasted there")
def defect_in_row_anywhere(before, after, pasted, tolerance):
    "Whatever changed, also where nothing was pasted."
    return np.abs(after - before) > tolerance
