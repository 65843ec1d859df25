@told("the first value is")
def fold_no_eps(weight, mean, var, gamma, beta, eps):
    "eps is forgotten."
    factor = gamma / var.sqrt()
    return weight * factor.reshape(-1, 1, 1, 1), beta - mean * factor


@told("the first value is")
def fold_input_channels(weight, mean, var, gamma, beta, eps):
    "The factor is put on the input channels."
    factor = gamma / (var + eps).sqrt()
    return weight * factor[: weight.shape[1]].reshape(1, -1, 1, 1), beta - mean * factor


@told("the first value is")
def fold_no_root(weight, mean, var, gamma, beta, eps):
    "Divided by the variance."
    factor = gamma / (var + eps)
    return weight * factor.reshape(-1, 1, 1, 1), beta - mean * factor


@told("the first value is")
def fold_mean_forgotten(weight, mean, var, gamma, beta, eps):
    "The mean is not taken away."
    factor = gamma / (var + eps).sqrt()
    return weight * factor.reshape(-1, 1, 1, 1), beta


@told("It stopped with RuntimeError")
def fold_last_axis(weight, mean, var, gamma, beta, eps):
    "Without its axes the factor meets the columns of the kernel."
    factor = gamma / (var + eps).sqrt()
    return weight * factor, beta - mean * factor


@told("is rounded to 1")
def smallest_step_8_bits():
    "Eight bits."
    return 2.0**-8


@told("is rounded to 1")
def smallest_step_half():
    "The step of float16."
    return 2.0**-10


@told("can be seen too")
def smallest_step_6_bits():
    "Twice as large as it needs to be."
    return 2.0**-6


@told("pictures the second is not better")
def break_even_seconds(setup_a, ms_a, setup_b, ms_b):
    "Seconds and milliseconds are mixed."
    return int((setup_b - setup_a) // (ms_a - ms_b)) + 1


@told("pictures the second is not better")
def break_even_equal(setup_a, ms_a, setup_b, ms_b):
    "Where both need the same, the second is not yet better."
    return -int(-(setup_b - setup_a) * 1000 // (ms_a - ms_b))


@told("pictures the second is not better")
def break_even_set_up_only(setup_a, ms_a, setup_b, ms_b):
    "The first needs no time for a picture."
    return int((setup_b - setup_a) * 1000 // ms_b) + 1


@told("pictures the second is better")
def break_even_first_set_up_forgotten(setup_a, ms_a, setup_b, ms_b):
    "The first has a set-up, too."
    return int(setup_b * 1000 // (ms_a - ms_b)) + 1


@told("the long way, and")
def fold_one_no_bias(w, b, mean, var, gamma, beta):
    "The bias of the convolution is forgotten."
    factor = gamma / var**0.5
    return w * factor, beta - mean * factor


@told("the long way, and")
def fold_one_bias_as_it_is(w, b, mean, var, gamma, beta):
    "The bias is added behind the batch norm, which does not scale it."
    factor = gamma / var**0.5
    return w * factor, beta - mean * factor + b


@told("the long way, and")
def fold_one_variance(w, b, mean, var, gamma, beta):
    "Divided by the variance, not by its root."
    factor = gamma / var**0.5
    return w * factor, (b - mean) * gamma / var + beta


@told("a whole number of them")
def rounded_to_8_bits_128(x):
    "The largest becomes 128."
    s = x.abs().max() / 128
    return (x / s).round() * s


@told("steps away; rounding moves by half a step at most")
def rounded_to_8_bits_cut(x):
    "Digits are cut off, not rounded."
    s = x.abs().max() / 127
    return (x / s).floor() * s


@told("it must be a whole number of them")
def rounded_to_8_bits_not_at_all(x):
    "Nothing is rounded."
    s = x.abs().max() / 127
    return x / s * s


@told("rounding moves by half a step at most")
def rounded_to_8_bits_not_back(x):
    "The whole numbers themselves."
    return (x / (x.abs().max() / 127)).round()
