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


def _put_back_three(t, kept):
    "All but chance."
    t.w.data.copy_(kept["weights"])
    t.walk.load_state_dict(copy.deepcopy(kept["memory"]))
    t.place = kept["place"]
    return t


@told("the next places on the line would be others: chance is")
def put_back_nothing_more(t, kept):
    "The stream begins anew, as a new training has it."
    return _put_back_three(t, kept)


@told("the next places on the line would be others: chance is")
def put_back_seeded(t, kept):
    "A seed for what comes, from the place."
    _put_back_three(t, kept).chance.manual_seed(kept["place"])
    return t


def _two_sittings(start, train_for, names, copied=True, chance=True):
    "Some of it put back."
    first = start()
    train_for(first, 20)
    kept = {name: getattr(first, name).state_dict() for name in names}
    kept = copy.deepcopy(kept) if copied else kept
    state = first.chance.get_state()
    second = start()
    for name in names:
        getattr(second, name).load_state_dict(kept[name])
    if chance:
        second.chance.set_state(state)
    train_for(second, 20)
    return second


@told("two sittings call start() twice, not 1 times")
def two_sittings_in_one(start, train_for):
    "Without a break."
    t = start()
    train_for(t, 40)
    return t


@told("the cycle is at step 20, not at 40")
def two_sittings_weights_alone(start, train_for):
    "The weights alone."
    return _two_sittings(start, train_for, ["net"])


@told("the cycle is at step 20, not at 40")
def two_sittings_no_place(start, train_for):
    "The cycle of the learning rate begins again."
    return _two_sittings(start, train_for, ["net", "walk"])


@told("Adam remembers 20 steps, not 40")
def two_sittings_no_memory(start, train_for):
    "A new optimiser."
    return _two_sittings(start, train_for, ["net", "rate"])


@told("chance was not put back")
def two_sittings_other_pictures(start, train_for):
    "The pictures of the first sitting once more."
    return _two_sittings(start, train_for, ["net", "walk", "rate"], chance=False)


@told("were copies kept, of all four things?")
def two_sittings_not_copied(start, train_for):
    "The tensors themselves, which are wiped."
    return _two_sittings(start, train_for, ["net", "walk", "rate"], copied=False)
