@told("for 0.2 and 0.02 it is 500, not")
def needed_dose_not_squared(value, sigma):
    "The noise is taken to fall with the dose, not with its root."
    return value / sigma


@told("for 0.2 and 0.02 it is 500, not")
def needed_dose_upside_down(value, sigma):
    "The noise of this dose, not the dose of this noise."
    return (value / sigma) ** 0.5


@told("for 0.2 and 0.02 it is 500, not")
def needed_dose_value_squared(value, sigma):
    "As if the noise were a share of the value."
    return (value / sigma) ** 2


@told("pixels that touch at a corner only are not connected")
def count_nets_corners(metal, smallest=1):
    "Pixels that touch at a corner are taken for one piece."
    labels, _ = ndimage.label(metal, np.ones((3, 3)))
    return int((np.bincount(labels.ravel())[1:] >= smallest).sum())


@told("there are three pieces, not")
def count_nets_background(metal, smallest=1):
    "What is no metal counts as a piece."
    labels, _ = ndimage.label(metal)
    return int((np.bincount(labels.ravel()) >= smallest).sum())


@told("one of them has a single pixel")
def count_nets_any_size(metal, smallest=1):
    "The smallest size is ignored."
    return ndimage.label(metal)[1]


@told("nm apart, you say")
def measure_pitch_in_pixels(image, pixel_nm):
    "The size of a pixel is forgotten."
    profile = image.mean(1)
    return len(profile) / np.abs(np.fft.rfft(profile - profile.mean())).argmax()


@told("nm apart, you say")
def measure_pitch_with_mean(image, pixel_nm):
    "The mean is not taken away: the strongest is no period at all."
    profile = image.mean(1)
    return len(profile) / max(np.abs(np.fft.rfft(profile)).argmax(), 1) * pixel_nm


@told("nm apart, you say")
def measure_pitch_across(image, pixel_nm):
    "Averaged across the lines, not along them."
    return measure_pitch_solution(image.T, pixel_nm)


@told("nm apart, you say")
def measure_pitch_half(image, pixel_nm):
    "From edge to edge: each line has two."
    return measure_pitch_solution(image, pixel_nm) / 2


@told("the particle hardly stands out; did you smooth?")
def difference_map_noisy(image, reference, smooth=2.0):
    "Not smoothed: noise everywhere."
    return np.abs(image - reference)


@told("one number of at least 0 per pixel")
def difference_map_signed(image, reference, smooth=2.0):
    "Where the picture is darker, the difference is below zero."
    a, b = (ndimage.gaussian_filter(x, smooth) for x in (image, reference))
    return a - b


@told("the largest difference is at (")
def difference_map_one_smoothed(image, reference, smooth=2.0):
    "Only one of the two is smoothed."
    return np.abs(ndimage.gaussian_filter(image, smooth) - reference)


@told("the dose was")
def estimate_dose_wandering(picture, flat, detector):
    "The variance of the whole ground, slow changes included."
    return picture[flat].mean() / (picture[flat].var() - detector**2)


@told("the dose was")
def estimate_dose_twice(picture, flat, detector):
    "A difference of two has twice the variance of one."
    d = (picture[:, 1:] - picture[:, :-1])[flat[:, 1:] & flat[:, :-1]]
    return picture[flat].mean() / (d.var() - detector**2)


@told("; the detector's noise was 0.02")
def estimate_dose_no_detector(picture, flat, detector):
    "The detector's own noise is counted as that of the electrons."
    d = (picture[:, 1:] - picture[:, :-1])[flat[:, 1:] & flat[:, :-1]]
    return picture[flat].mean() / (d.var() / 2)


@told("; the detector's noise was 0.02")
def estimate_dose_everywhere(picture, flat, detector):
    "Measured across the edges of metal, too."
    d = picture[:, 1:] - picture[:, :-1]
    return picture.mean() / (d.var() / 2 - detector**2)


@told("2 electrons scatter by 1.41: 0.141 at dose 10, not 0.200")
def noise_of_variance(value, dose):
    "The variance of the count, not its root."
    return value


@told("2 electrons scatter by 1.41: 0.141 at dose 10, not 0.045")
def noise_of_value_alone(value, dose):
    "The root of the value, not of the electrons."
    return value**0.5 / dose


@told("2 electrons scatter by 1.41: 0.141 at dose 10, not 0.316")
def noise_of_dose_alone(value, dose):
    "The root of the dose."
    return dose**0.5 / dose
