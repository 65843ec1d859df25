@told("within 0.05 of 2 are 39 triples, not")
def grid_fixed_tolerance(tolerance):
    "The tolerance is ignored."
    return grid_solution(0.1)


@told("the published triple (1.2, 1.1, 1.15) has the product")
def grid_no_squares(tolerance):
    "The squares are forgotten."
    steps = [1 + 0.05 * k for k in range(9)]
    every = [(a, b, c) for a in steps for b in steps for c in steps]
    return [(a, b, c) for a, b, c in every if abs(a * b * c - 2) <= tolerance]


@told("1.4 * 1.2**2 * 1 = 2.016 belongs to it: 1.00 and 1.40")
def grid_without_the_end(tolerance):
    "1.40 is left out, as range leaves out its end."
    return [t for t in grid_solution(tolerance) if max(t) < 1.39]


@told("1.4 * 1.2**2 * 1 = 2.016 belongs to it: 1.00 and 1.40")
def grid_below_two(tolerance):
    "Only products of at most 2."
    return [(a, b, c) for a, b, c in grid_solution(tolerance) if a * b**2 * c**2 <= 2]


@told("GMAC, the budget is")
def phi_for_formula(budget):
    "The formula, which knows nothing of rounding up."
    return round(math.log(budget / b0.macs) / math.log(growth(1)), 2)


@told("a phi above")
def phi_for_whole_steps(budget):
    "Steps of 1, not of 0.01."
    return max(k for k in range(8) if scaled(k).macs <= budget)


@told("GMAC, the budget is")
def phi_for_first_too_large(budget):
    "The first that does not fit any more."
    return next(k / 100 for k in range(701) if scaled(k / 100).macs > budget)


@told("b7 would fit with one picture, but there are 8 in a")
def largest_that_fits_one_picture(memory, side, batch):
    "The batch is forgotten."
    return largest_that_fits_solution(memory, side, 1)


@told("b7 would fit with one picture, but there are 8 in a")
def largest_that_fits_weights_only(memory, side, batch):
    "Only the weights are counted, not what the pictures need."
    costs = {name: count(name, side, in_ch=1, head=False) for name in VARIANTS}
    fit = [name for name, c in costs.items() if 16 * c.params <= memory]
    return max(fit, key=lambda name: costs[name].macs, default=None)


@told("4 crops: b2 has more parameters, but lite3 more MACs")
def largest_that_fits_most_parameters(memory, side, batch):
    "The most parameters, not the most MACs."
    costs = {name: count(name, side, in_ch=1, head=False) for name in VARIANTS}
    fit = [name for name, c in costs.items() if training_bytes(c, batch) <= memory]
    return max(fit, key=lambda name: costs[name].params, default=None)


@told("a terabyte is enough for the largest")
def largest_that_fits_last(memory, side, batch):
    "The last in the table that fits."
    costs = {name: count(name, side, in_ch=1, head=False) for name in VARIANTS}
    fit = [name for name, c in costs.items() if training_bytes(c, batch) <= memory]
    return fit[-1] if fit else None


@told(": does yours use spec?")
def early_share_always_b0(spec, res):
    "The variant is ignored."
    return early_share_solution("b0", res)


@told(": take stem, stage 1 and stage 2, and divide by all")
def early_share_of_parameters(spec, res):
    "Parameters, not activations."
    rows = layer_costs(spec, res)
    return sum(r.params for r in rows[:3]) / sum(r.params for r in rows)


@told(": take stem, stage 1 and stage 2, and divide by all")
def early_share_of_macs(spec, res):
    "Work, not activations."
    rows = layer_costs(spec, res)
    return sum(r.macs for r in rows[:3]) / sum(r.macs for r in rows)


@told(": take stem, stage 1 and stage 2, and divide by all")
def early_share_stem_only(spec, res):
    "The stem alone."
    return layer_costs(spec, res)[0].activations / count(spec, res).activations


@told("the stem at 224 has 10,838,016 multiply-adds, not 43,352,064")
def bill_stride_forgotten(in_ch, out, kernel, stride, n):
    "Each weight is used at every pixel of the input."
    weights = in_ch * out * kernel**2
    return weights + 2 * out, weights * n**2


@told("the stem at 224 has 10,838,016 multiply-adds, not 96,768")
def bill_one_side(in_ch, out, kernel, stride, n):
    "A picture has two sides."
    weights = in_ch * out * kernel**2
    return weights + 2 * out, weights * -(-n // stride)


@told("at 225 the output has 113 x 113 pixels: 11,032,416, not 10,838,016")
def bill_rounded_down(in_ch, out, kernel, stride, n):
    "Half a side is rounded down."
    weights = in_ch * out * kernel**2
    return weights + 2 * out, weights * (n // stride) ** 2


@told("the stem at 224 has 10,838,016 multiply-adds, not 864")
def bill_once(in_ch, out, kernel, stride, n):
    "Each weight is used once."
    weights = in_ch * out * kernel**2
    return weights + 2 * out, weights
