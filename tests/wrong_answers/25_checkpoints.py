@told("the averages hold all earlier slopes; nothing else in")
def superfluous_memory():
    "As if the averages could be found again."
    return "memory"


@told("without it the cycle begins again, in the middle of the")
def superfluous_place():
    "As if the weights knew how far the training is."
    return "place"


@told("the crops that follow would be others, and so would the")
def superfluous_chance():
    "As if the seed alone gave the generators back."
    return "chance"


@told("one name, as a text; not")
def superfluous_two():
    "More than one."
    return ["place", "rate"]


@told("3 s of writing in every 30 s is a tenth of the time,")
def wait_always_every(wrote, every, cost):
    "The cost is ignored."
    return every


@told("0.1 s in 30 s is less than 2 %: as often as was asked")
def wait_only_cost(wrote, every, cost):
    "Without a pause, where the disk is fast."
    return wrote / cost


@told("0.1 s in 30 s is less than 2 %: as often as was asked")
def wait_shorter_of_both(wrote, every, cost):
    "The smaller of the two."
    return min(every, wrote / cost)


@told("3 s of writing in every 30 s is a tenth of the time,")
def wait_multiplied(wrote, every, cost):
    "Multiplied by the share, not divided."
    return max(every, wrote * cost)


@told("0.1 s in 30 s is less than 2 %: as often as was asked")
def wait_added(wrote, every, cost):
    "One after the other."
    return every + wrote / cost


@told("argmax of numpy takes a NaN for the largest: it must")
def best_epoch_argmax(scores):
    "For numpy's argmax a NaN is the largest."
    return int(np.argmax(scores))


@told("nothing is larger than NaN, and nothing smaller: `>` is")
def best_epoch_larger(scores):
    "A NaN at the beginning is never beaten."
    best = 0
    for k, s in enumerate(scores):
        if s > scores[best]:
            best = k
    return best


@told("of equal ones the first")
def best_epoch_last_of_equals(scores):
    "Of equal ones the last."
    finite = [-1 if math.isnan(s) else s for s in scores]
    return max(range(len(finite)), key=lambda k: (finite[k], k))


@told("It stopped with ValueError")
def best_epoch_nanargmax(scores):
    "Nothing but NaN is an error."
    return int(np.nanargmax(scores))
