@told("(or fewer would do)")
def needed_forwards(layers, out):
    "From the first layer to the last."
    for k, s, d in layers:
        out = (out - 1) * s + d * (k - 1) + 1
    return out


@told("(or fewer would do)")
def needed_no_dilation(layers, out):
    "A dilated kernel is taken to be no wider."
    for k, s, _ in reversed(layers):
        out = (out - 1) * s + k
    return out


@told("a 2x2 pooling that shall give 4 pixels needs 8")
def needed_stride_times_out(layers, out):
    "Behind the last window a whole stride is kept."
    for k, s, d in reversed(layers):
        out = out * s + d * (k - 1)
    return out


@told("a 2x2 pooling that shall give 4 pixels needs 8")
def needed_receptive_field(layers, out):
    "What one pixel sees, whatever is to be left."
    return receptive_field([(k, s, d) for k, s, d in layers]).size


@told("where the variance is small, norm.eps counts")
def folded_without_eps(conv, norm):
    "The eps of the batch norm is forgotten."
    scale = norm.weight / norm.running_var.sqrt()
    return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


@told("the merged convolution is off by up to")
def folded_variance(conv, norm):
    "Divided by the variance, not by its root."
    scale = norm.weight / (norm.running_var + norm.eps)
    return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


@told("the merged convolution is off by up to")
def folded_bare_bias(conv, norm):
    "The running mean is forgotten."
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return conv.weight * scale[:, None, None, None], norm.bias


@told("the merged convolution is off by up to")
def folded_unscaled_mean(conv, norm):
    "The running mean is taken away as it is."
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean


@told("the smallest of 5, 3, 4, 9 is 3, not")
def min_pool_maximum(x):
    "The largest value."
    return F.max_pool2d(x, 2)


@told("the smallest of 5, 3, 4, 9 is 3, not")
def min_pool_sign_left(x):
    "The sign is changed, and not changed back."
    return F.max_pool2d(-x, 2)


@told("the smallest of 5, 3, 4, 9 is 3, not")
def min_pool_mean(x):
    "The mean of the four."
    return F.avg_pool2d(x, 2)


@told("7 x 8 pixels become 3 x 4; yours is")
def min_pool_overlapping(x):
    "Windows that overlap: the map stays large."
    return -F.max_pool2d(-x, 2, stride=1)


@told("sees only")
def far_sight_late():
    "Pooling at the end helps no convolution."
    return [(3, 1, 1)] * 6 + [(2, 2, 1)] * 3


@told(": at most three poolings")
def far_sight_four_poolings():
    "The jump grows to 16."
    return [(2, 2, 1)] * 4 + [(3, 1, 1)] * 3


@told("layers; nine are enough")
def far_sight_evenly():
    "A pooling after each two convolutions: ten layers are too many."
    return ([(3, 1, 1)] * 2 + [(2, 2, 1)]) * 3 + [(3, 1, 1)] * 4


@told("only (3, 1, 1) and (2, 2, 1) are allowed")
def far_sight_large_kernels():
    "Kernels that are not allowed."
    return [(7, 1, 1)] * 17


@told("sees only")
def far_sight_as_lists():
    "Lists, and one layer too few."
    return [[2, 2, 1]] * 3 + [[3, 1, 1]] * 5


@told("the chain of the table sees 10 pixels, not 8")
def sees_without_jump(layers):
    "Two pixels for each 3x3, wherever it stands."
    return 1 + sum(kernel - 1 for kernel, _ in layers)


@told("the chain of the table sees 10 pixels, not 15")
def sees_whole_kernel(layers):
    "The whole kernel is added, the middle of it too."
    size, jump = 1, 1
    for kernel, stride in layers:
        size += kernel * jump
        jump *= stride
    return size


@told("the chain of the table sees 10 pixels, not 9")
def sees_own_stride(layers):
    "Times the stride of the layer itself, not of those before it."
    return 1 + sum((kernel - 1) * stride for kernel, stride in layers)


@told("the chain of the table sees 10 pixels, not 11")
def sees_jump_too_early(layers):
    "A layer's own stride counts already for itself."
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size
