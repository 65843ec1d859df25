@told("frames are bytes: mind the type of the sum")
def undo_wide_sum(differences):
    "The sum does not wrap around: its type is wider than a byte."
    return np.cumsum(differences, axis=0)


@told("frame k is the sum, modulo 256, of differences 0 to k")
def undo_wrong_axis(differences):
    "Without an axis the sum runs through all pixels."
    return np.cumsum(differences, dtype=np.uint8).reshape(differences.shape)


@told("frame k is the sum, modulo 256, of differences 0 to k")
def undo_one_step(differences):
    "Only the frame before is added."
    frames = differences.copy()
    frames[1:] += differences[:-1]
    return frames


@told("as many frames as differences: (5, 3, 4), not")
def undo_first_left_out(differences):
    "The first frame is taken for a difference to nothing, and dropped."
    return np.cumsum(differences[1:], axis=0, dtype=np.uint8)


@told("the same seed must give the same dots")
def pure_splash_random(seed, n):
    "The generator does not know the seed."
    dots = [circle(x, y, 3) for x, y in 100 * np.random.default_rng().random((n, 2))]
    return svg(100, 100, *dots)


@told("another seed gives other dots")
def pure_splash_one_seed(seed, n):
    "Always the same seed."
    dots = [circle(x, y, 3) for x, y in 100 * np.random.default_rng(0).random((n, 2))]
    return svg(100, 100, *dots)


@told("n is the number of dots")
def pure_splash_twenty(seed, n):
    "Twenty dots, whatever n is."
    dots = [circle(x, y, 3) for x, y in 100 * np.random.default_rng(seed).random((20, 2))]
    return svg(100, 100, *dots)


@told("8 * 4 on the left, 3 on the right")
def pictures_product(values, panels):
    "Every combination of all controls, as if there were one panel."
    return math.prod(values[name] for own in panels for name in own)


@told("8 * 4 on the left, 3 on the right")
def pictures_sum(values, panels):
    "The values of controls in one panel are added, not multiplied."
    return sum(values[name] for own in panels for name in own)


@told("a panel without controls is one picture")
def pictures_empty_panel(values, panels):
    "A panel without controls is left out."
    return sum(math.prod(values[name] for name in own) for own in panels if own)


@told("there are")
def thin_rounded_down(n, limit):
    "The quotient is rounded down."
    return max(1, n // limit)


@told("would do")
def thin_one_more(n, limit):
    "Always one more than the quotient, also where it is whole."
    return n // limit + 1


@told("-th value? k is at least 1")
def thin_zero(n, limit):
    "Steps of 0, where there are fewer values than the limit."
    return n // limit


@told("8 * 4 on the left and 8 * 3 on the right: 56, not 35")
def two_panels_shared_once(kernel, stride, layers):
    "The control that is shared is left out on the right."
    return kernel * stride + layers


@told("a kernel of one value: 20 + 20 = 40 as above, not 420")
def two_panels_all_controls(kernel, stride, layers):
    "All controls turn the right panel, not only its own."
    return kernel * stride + kernel * stride * layers


@told("a kernel of one value: 20 + 20 = 40 as above, not 41")
def two_panels_added(kernel, stride, layers):
    "The values of one panel's controls are added."
    return kernel * stride + kernel + layers
