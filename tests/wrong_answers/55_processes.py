@told("so all together spread more than each")
def all_together_within(means, variances):
    "The spread inside the processes alone."
    return means.mean(0), variances.mean(0)


@told("have variance 26, and not")
def all_together_unbiased(means, variances):
    "torch's var divides by one less."
    return means.mean(0), variances.mean(0) + means.var(0)


@told("section 1 has -2")
def whole_gradient_sum(gradients, counted):
    "The sum: a step that grows with the processes."
    return gradients.sum(0)


@told("one pixel of 8, three of 0: 2, and not 4")
def whole_gradient_mean(gradients, counted):
    "The mean of means."
    return gradients.mean(0)


@told("no step, and no nan")
def whole_gradient_nan(gradients, counted):
    "Divides by nothing."
    return (gradients * counted[:, None]).sum(0) / counted.sum()


@told("process 1 has crops 0 and 2")
def my_crops_blocks(rank, of, step, bs):
    "Halves in place of cards."
    n = bs // of
    return list(range(step * bs + rank * n, step * bs + (rank + 1) * n))


@told("begins behind the first four")
def my_crops_first(rank, of, step, bs):
    "The same crops in each step."
    return list(range(rank, bs, of))


@told("and process 2 has crops 1 and 3")
def my_crops_same(rank, of, step, bs):
    "Each process the same crops."
    return list(range(step * bs, (step + 1) * bs, of))


@told("one was asked: all leave")
def steps_made_all(told):
    "Waits until all were asked."
    return next((step for step, asked in enumerate(told) if all(asked)), len(told))


@told("who has left does not return")
def steps_made_counted(told):
    "Counts the steps before which nobody was asked."
    return sum(not any(asked) for asked in told)


@told("one was asked: all leave")
def steps_made_one_more(told):
    "Makes the step before which it was asked."
    return next((step + 1 for step, asked in enumerate(told) if any(asked)), len(told))


@told("ten rows are a pass")
def place_at_once(step, rows, bs):
    "As if there were one pass."
    return 0, step * bs


@told("a batch may reach into the next pass")
def place_at_whole_batches(step, rows, bs):
    "Leaves out what is no whole batch at the end of a pass."
    per_pass = max(1, rows // bs)
    return step // per_pass, step % per_pass * bs
