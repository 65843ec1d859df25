@told("b has three rows: they leave together")
def held_out_one_row(groups, wanted):
    "One row of the group leaves, its neighbours stay."
    test = []
    for last in reversed(dict.fromkeys(groups)):
        if len(test) < wanted:
            test += [len(groups) - 1 - groups[::-1].index(last)]
    return sorted(test)


@told("b has three rows: they leave together")
def held_out_as_many_as_wanted(groups, wanted):
    "Only as many rows as are wanted leave."
    test = []
    for last in reversed(dict.fromkeys(groups)):
        if len(test) < wanted:
            rows = [i for i, g in enumerate(groups) if g == last]
            test += rows[len(test) - wanted :]
    return sorted(test)


@told("rows of one group need not be neighbours")
def held_out_neighbours(groups, wanted):
    "A group is taken for a run of rows."
    test = []
    for last in reversed(dict.fromkeys(groups)):
        if len(test) < wanted:
            first = groups.index(last)
            test += range(first, first + groups.count(last))
    return sorted(test)


@told("a and b are on both sides; each is named once, in")
def on_both_sides_repeated(train_groups, test_groups):
    "A group is named for each of its pictures."
    return sorted(g for g in train_groups if g in test_groups)


@told("a and b are on both sides; each is named once, in")
def on_both_sides_in_order_of_files(train_groups, test_groups):
    "In the order in which they come."
    return [g for g in dict.fromkeys(train_groups) if g in test_groups]


@told("nothing is shared here")
def on_both_sides_yes_or_no(train_groups, test_groups):
    "Whether there is a leak, not which."
    return bool(set(train_groups) & set(test_groups))


@told("of six slices the first and the last touch a training")
def exposed_one_end(n, reach):
    "A block in the middle has two ends."
    return min(n, reach) / n


@told("a single slice has neighbours on both sides: fully")
def exposed_more_than_all(n, reach):
    "More slices than there are."
    return 2 * reach / n


@told("of six slices the first and the last touch a training")
def exposed_count(n, reach):
    "How many slices, not which share."
    return min(n, 2 * reach)
