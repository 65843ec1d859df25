@told("5 % of 400 is 20 pictures")
def minutes_per_day_pictures(fpr):
    "The number of alarms; each costs two minutes."
    return 400 * fpr


@told("5 % of 400 is 20 pictures")
def minutes_per_day_share_right(fpr):
    "Those without an alarm."
    return 400 * (1 - fpr) * 2


@told("5 % of 400 is 20 pictures")
def minutes_per_day_per_cent(fpr):
    "The rate is taken for per cent."
    return 400 * fpr / 100 * 2


@told("5 % of 400 is 20 pictures")
def minutes_per_day_all(fpr):
    "Every picture costs two minutes."
    return 800


@told("(3, 4) is 5 away from (0, 0)")
def merged_same_place(places, near):
    "Only places that are exactly alike."
    return list(dict.fromkeys(places))


@told("alarms of one defect need not follow each other:")
def merged_neighbours_in_the_list(places, near):
    "Compared with the one before only."
    kept = []
    for p in places:
        if not kept or math.dist(p, kept[-1]) > near:
            kept.append(p)
    return kept


@told("5 is farther than 4.9")
def merged_along_axes(places, near):
    "Near in x and in y: a square, where a circle is meant."
    kept = []
    for p in places:
        if all(max(abs(p[0] - q[0]), abs(p[1] - q[1])) > near for q in kept):
            kept.append(p)
    return kept


@told("(3, 4) is 5 away from (0, 0)")
def merged_the_last(places, near):
    "The last of each group."
    return merged_solution(places[::-1], near)[::-1]


@told("exactly 5 lies within 5")
def merged_nearer_than(places, near):
    "Nearer than `near`, not within it."
    kept = []
    for p in places:
        if all(math.dist(p, q) >= near for q in kept):
            kept.append(p)
    return kept


@told("a disc has an elongation of 1")
def elongation_radius(alarm):
    "Divided by the radius."
    return alarm["length_px"] / (alarm["area_px"] / np.pi) ** 0.5


@told("a disc has an elongation of 1")
def elongation_side_of_a_square(alarm):
    "The side of a square of that area."
    return alarm["length_px"] / alarm["area_px"] ** 0.5


@told("a stripe of 2 x 40 pixels is long")
def elongation_upside_down(alarm):
    "The diameter over the length."
    return 1 / elongation_solution(alarm)


@told("a disc has an elongation of 1")
def elongation_area(alarm):
    "Divided by the area."
    return alarm["length_px"] / alarm["area_px"]


@told("a disc has an elongation of 1")
def elongation_length(alarm):
    "The bare length."
    return alarm["length_px"]


@told("times a neighbour of theirs is in the memory")
def heaps_every_third(names, n):
    "Spread evenly: all have neighbours in the memory."
    held = [names[round(i * (len(names) - 1) / (n - 1))] for i in range(n)]
    return [name for name in names if name not in held], held


@told("times a neighbour of theirs is in the memory")
def heaps_at_random(names, n):
    "Drawn at random."
    held = list(np.random.default_rng(0).choice(names, n, replace=False))
    return [name for name in names if name not in held], held


@told("set the threshold, and not")
def heaps_too_many(names, n):
    "All but n."
    held = names[n:]
    return [name for name in names if name not in held], held


@told("takes wafer B apart")
def held_out_block(wafers, n):
    "The last n pictures, whatever their wafer."
    return list(range(len(wafers) - n, len(wafers)))


@told("two pictures: wafer C is enough")
def held_out_one_more(wafers, n):
    "One wafer too many."
    return held_out_solution(wafers, n + 1)


@told("wafer C is the last, and it has two pictures")
def held_out_from_the_place_on(wafers, n):
    "From the first picture of the last wafer on: pictures of other wafers come along."
    first = min(held_out_solution(wafers, n))
    return list(range(first, len(wafers)))
