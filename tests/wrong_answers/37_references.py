@told("Elsewhere in the row the first cut finds the second,")
def see_both_with_itself():
    "In the picture itself each cut excuses the other."
    return ["lattice", "own", "memory"]


@told("at the two cuts")
def see_both_memory_only():
    "The lattice looks at copies on both sides, most of which are good."
    return ["memory"]


@told("at the two cuts")
def see_both_lattice_only():
    "What is remembered holds no 5."
    return ["lattice"]


@told("Names that are asked for, each once")
def see_both_with_the_die():
    "A name that was not asked for."
    return ["die", "lattice", "memory"]


@told("at half the contrast: it is still in it")
def normalised_mean_only(values):
    "The contrast stays."
    return values - values.mean()


@told(": its standard deviation is 0")
def normalised_by_zero(values):
    "A flat map is divided by 0."
    with np.errstate(all="ignore"):
        return (values - values.mean()) / values.std(ddof=1)


@told("The standard deviation is")
def normalised_by_n(values):
    "The standard deviation that divides by n."
    return (values - values.mean()) / (values.std() + 1e-3)


@told("; subtract it")
def normalised_to_one(values):
    "From 0 to 1: the mean is not 0."
    return (values - values.min()) / (values.max() - values.min() + 1e-3)


@told("; subtract it")
def normalised_not_centred(values):
    "Divided, and nothing subtracted."
    return values / (values.std(ddof=1) + 1e-3)


@told("but moved round in a circle it is")
def shortest_period_mostly(row):
    "Most of the numbers fit."
    shifts = range(1, len(row) + 1)
    return next(k for k in shifts if (np.roll(row, k) == row).mean() > 0.6)


@told("but moved round in a circle it is")
def shortest_period_first_number(row):
    "Until the first number comes again."
    shifts = range(1, len(row))
    return next((k for k in shifts if row[k] == row[0]), len(row))


@told("but moved round in a circle it is")
def shortest_period_of_the_largest(row):
    "The longest shift, which is always the whole row."
    return len(row)


@told("but moved round in a circle it is")
def shortest_period_from_two(row):
    "A row of equal numbers has a period of 1."
    shifts = range(2, len(row) + 1)
    return next(k for k in shifts if (np.roll(row, k) == row).all())


@told("The cut is on *another* die, and two dies without it outvote it")
def left_of_die_mean(die, others):
    "The mean: a cut of another die leaves a trace in it."
    return np.abs(die - others.mean(0))


@told("is cut at place")
def left_of_die_plain_mean(die, others):
    "The mean over all places: tracks and gaps are mixed."
    return np.abs(die - others.mean())


@told("The cut is on *another* die, and two dies without it outvote it")
def left_of_die_one(die, others):
    "A single die, whose own cut shows."
    return np.abs(die - others[1])


@told("one number for each of 6 places")
def left_of_die_all_at_once(die, others):
    "One number for all places."
    return np.abs(die - np.median(others, axis=0)).max()
